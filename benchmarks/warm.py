"""Processor time of one alert in a warm function."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from types import ModuleType
from typing import Any
from unittest import mock

from anomalake.lake.lake import Lake
from anomalake.storage.objects import memory_store
from benchmarks import synthetic_alerts
from benchmarks.figures import Bound, Figure
from benchmarks.processes import ROOT, BenchmarkError
from benchmarks.workspace import Workspace

ENVIRONMENT = {
    "ANOMALAKE_LAKE": "s3://benchmark/lake",
    "ANOMALAKE_FORMATS": "parquet",
    "POWERTOOLS_SERVICE_NAME": "ingest",
    "POWERTOOLS_METRICS_NAMESPACE": "anomalake",
}


@dataclass(frozen=True)
class Context:
    """Context object of a Lambda invocation."""

    function_name: str = "ingest"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:ingest"
    aws_request_id: str = "52fdfc07-2182-154f-163f-5f0f9a621d72"


def measure(workspace: Workspace) -> list[Figure]:
    """Measure the handler with one new alert per invocation, on a store in memory."""
    count = workspace.size(1_000, 50)
    texts = list(synthetic_alerts.lines(2 * count))
    figures = []
    with _handler() as app:
        times_by_name = {
            "bare": [_cpu(app, json.loads(text)) for text in texts[:count]],
            "in an SQS batch of one": [_cpu(app, _queued(text)) for text in texts[count:]],
        }
    for name, times in times_by_name.items():
        figures.append(
            Figure(
                f"warm, one alert {name}",
                median(times[count // 10 :]) * 1_000,
                "ms of CPU",
                Bound("<=", 10),
                f"the ingest function's handler on a store in memory, all threads; median of {count - count // 10}",
            )
        )
    return figures


def _queued(text: str) -> Any:
    record = {"messageId": "1", "receiptHandle": "r", "body": text, "eventSource": "aws:sqs", "attributes": {}}
    return {"Records": [record]}


def _cpu(app: ModuleType, event: Any) -> float:
    start = time.process_time()
    answer = app.handler(event, Context())
    took = time.process_time() - start
    if answer not in ({"stored": 1, "repeated": 0, "clashes": 0}, {"batchItemFailures": []}):
        raise BenchmarkError(f"the handler answered {answer!r}")
    return took


@contextlib.contextmanager
def _handler() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("ingest_app", ROOT / "functions" / "ingest" / "app.py")
    assert spec is not None
    assert spec.loader is not None
    # The logger writes to the standard output at the time of its import.
    with mock.patch.dict(os.environ, ENVIRONMENT), contextlib.redirect_stdout(io.StringIO()):
        app = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(app)
        lake = Lake(memory_store())
        with mock.patch.object(app, "lake", return_value=lake):
            yield app
