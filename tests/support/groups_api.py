"""What the API's operations on groups work with: a detector file beside a lake, and a backtest of made data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from anomalake.aws.detector_files import DetectorFiles
from anomalake.detection.backtest import run_backtest
from anomalake.model.metrics import Metrics
from anomalake.records.backtests import Backtest
from anomalake.server.lookoutmetrics.handlers import executions, feedback, groups
from anomalake.server.lookoutmetrics.handling import Members
from anomalake.services.workspace import Account, Workspace
from anomalake.storage.store import ObjectStore

ARN = "arn:aws:lookoutmetrics:us-east-1:000000000000:AnomalyDetector:shop"
#: Begin of the data of the backtest.
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 40
COUNTRIES = ("de", "fr", "uk")
#: Factors of values, by measure, country and hour: the whole shop twice, one country once.
UNUSUAL = {
    ("revenue", "de", 800): 0.1,
    ("revenue", "de", 801): 0.1,
    ("revenue", "fr", 801): 0.1,
    ("revenue", "de", 803): 0.1,
    ("views", "de", 801): 0.2,
    ("views", "uk", 870): 3.0,
    ("views", "uk", 871): 3.0,
    ("revenue", "fr", 920): 4.0,
}
HANDLERS = groups.HANDLERS | feedback.HANDLERS | executions.HANDLERS


class NoJobs:
    """Starts nothing: no operation on groups does."""

    def backtest(self, detector: str) -> None:
        raise AssertionError(detector)

    def activate(self, detector: str) -> None:
        raise AssertionError(detector)


def workspace_on(store: ObjectStore, folder: Path, now: datetime, **detector: Any) -> Workspace:
    """Return a workspace with the detector shop, which has a file in a folder."""
    document = {
        "AnomalyDetectorName": "shop",
        "AnomalyDetectorArn": ARN,
        "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": "PT1H"},
        "MetricSet": {
            "MetricSetName": "shop",
            "MetricSource": {"S3SourceConfig": {"HistoricalDataPathList": ["history/"]}},
            "TimestampColumn": {"ColumnName": "timestamp", "ColumnFormat": "yyyy-MM-dd HH:mm:ss"},
            "MetricList": [{"MetricName": name, "AggregationFunction": "SUM"} for name in ("revenue", "views")],
            "DimensionList": ["country"],
        },
        **detector,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shop.json").write_text(json.dumps(document), encoding="ascii")
    account = Account("aws", "us-east-1", "000000000000")
    files = DetectorFiles(str(folder), account.region, account.number)
    return Workspace(store.uri, store, files, account, lambda: now, NoJobs())


def call(workspace: Workspace, operation: str, **members: Any) -> dict[str, Any]:
    """Call an operation on the detector, and return its answer without the members that have no value."""
    given: Members = {"AnomalyDetectorArn": ARN, **members}
    return {name: value for name, value in HANDLERS[operation](workspace, given).items() if value is not None}


def pages(workspace: Workspace, operation: str, **members: Any) -> Iterator[dict[str, Any]]:
    """Call an operation for each page."""
    answer = call(workspace, operation, **members)
    yield answer
    while "NextToken" in answer:
        answer = call(workspace, operation, **members, NextToken=answer["NextToken"])
        yield answer


def metrics_of_shop() -> Metrics:
    """Return hourly revenue and views of three countries: a daily seasonality, noise, and the unusual values."""
    random = np.random.default_rng(7)
    hours = np.arange(24 * DAYS)
    starts = np.datetime64(BEGIN.replace(tzinfo=None), "s") + hours * np.timedelta64(3600, "s")
    shape = 1 + 0.3 * np.sin(2 * np.pi * hours / 24)
    level = np.array([[100.0, 200.0, 300.0], [1000.0, 2000.0, 3000.0]])
    values = level[:, :, None] * shape * (1 + 0.02 * random.standard_normal((2, 3, len(hours))))
    measures = ("revenue", "views")
    for (measure, country, hour), factor in UNUSUAL.items():
        values[measures.index(measure), COUNTRIES.index(country), hour] *= factor
    # Nothing was observed of one country while the first group goes on.
    values[0, 1, 800] = np.nan
    combinations = tuple((country,) for country in COUNTRIES)
    return Metrics("PT1H", "UTC", starts.astype("datetime64[s]"), measures, ("country",), combinations, values)


@cache
def backtest_of_shop() -> Backtest:
    """Return the backtest of these metrics."""
    return run_backtest(metrics_of_shop(), ARN)


def hour_of(number: int) -> datetime:
    """Return the start of an interval of the backtest."""
    return BEGIN + timedelta(hours=number)
