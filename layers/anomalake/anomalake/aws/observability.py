"""Logs, metrics and traces of the functions, through Powertools."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

Handler = Callable[[Any, Any], Any]

logger = Logger(utc=True)
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "anomalake"))


def count(name: str, number: int) -> None:
    """Add to a metric of this invocation."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=number)


def count_for(dimensions: Mapping[str, str], numbers: Mapping[str, int]) -> None:
    """Write metrics with their own dimensions, such as of one detector or alert."""
    from aws_lambda_powertools.metrics import EphemeralMetrics

    own = EphemeralMetrics(namespace=metrics.namespace, service=metrics.service)
    for name, value in dimensions.items():
        own.add_dimension(name=name, value=value)
    for name, number in numbers.items():
        own.add_metric(name=name, unit=MetricUnit.Count, value=number)
    own.flush_metrics()


def observed(handler: Handler) -> Handler:
    """Wrap a handler: its request id in each log line, its metrics and, if tracing is on, its trace are written."""
    watched: Handler = logger.inject_lambda_context(metrics.log_metrics(handler), clear_state=True)
    if os.environ.get("ANOMALAKE_TRACING") != "on":
        return watched
    # Imported here because the X-Ray SDK imports botocore, which is slower than all other imports of ingest.
    from aws_lambda_powertools import Tracer

    traced: Handler = Tracer().capture_lambda_handler(watched, capture_response=False)
    return traced
