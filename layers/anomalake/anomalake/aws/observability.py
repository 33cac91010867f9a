"""Logs, metrics and traces of the functions, through Powertools; one place, so that all say things alike."""

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
    """Count for one detector, or one alert: metrics with dimensions of their own, written at once."""
    from aws_lambda_powertools.metrics import EphemeralMetrics

    own = EphemeralMetrics(namespace=metrics.namespace, service=metrics.service)
    for name, value in dimensions.items():
        own.add_dimension(name=name, value=value)
    for name, number in numbers.items():
        own.add_metric(name=name, unit=MetricUnit.Count, value=number)
    own.flush_metrics()


def observed(handler: Handler) -> Handler:
    """A handler with its request in each log line, its metrics written, and, where tracing is on, a trace."""
    watched: Handler = logger.inject_lambda_context(metrics.log_metrics(handler), clear_state=True)
    if os.environ.get("ANOMALAKE_TRACING") != "on":
        return watched
    # Only then: the X-Ray SDK imports botocore, which takes longer than all else that ingest imports.
    from aws_lambda_powertools import Tracer

    traced: Handler = Tracer().capture_lambda_handler(watched, capture_response=False)
    return traced
