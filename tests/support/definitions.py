"""A workspace of the API in memory: its store, its detector files, its clock and its jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from anomalake.aws.detector_files import DetectorFiles
from anomalake.errors import AnomalakeError
from anomalake.records.backtest_jobs import BacktestJob, Phase, read_job, write_job
from anomalake.records.definitions import read_definition
from anomalake.records.executions import Execution, write_execution
from anomalake.server.lookoutmetrics.handlers import alerts, detectors, metric_sets, tags
from anomalake.server.lookoutmetrics.handling import Handler
from anomalake.services.workspace import Account, Bounds, Workspace
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore

BEGIN = datetime(2026, 11, 27, 10, tzinfo=UTC)
PREFIX = "arn:aws:lookoutmetrics:us-east-1:123456789012:"
HANDLERS: dict[str, Handler] = {
    **detectors.HANDLERS,
    **metric_sets.HANDLERS,
    **alerts.HANDLERS,
    **tags.HANDLERS,
}

METRIC_SET: dict[str, Any] = {
    "MetricSetName": "orders",
    "MetricList": [
        {"MetricName": "views", "AggregationFunction": "SUM"},
        {"MetricName": "revenue", "AggregationFunction": "SUM"},
    ],
    "DimensionList": ["platform", "marketplace"],
    "TimestampColumn": {"ColumnName": "timestamp", "ColumnFormat": "yyyy-MM-dd HH:mm:ss"},
    "MetricSetFrequency": "PT1H",
    "MetricSource": {
        "S3SourceConfig": {
            "RoleArn": "arn:aws:iam::123456789012:role/L4MTestRole",
            "HistoricalDataPathList": ["s3://lab/ecommerce/backtest/"],
            "TemplatedPathList": ["s3://lab/ecommerce/live/{{yyyyMMdd}}/{{HHmm}}"],
            "FileFormatDescriptor": {
                "CsvFormatDescriptor": {
                    "FileCompression": "NONE",
                    "Charset": "UTF-8",
                    "ContainsHeader": True,
                    "Delimiter": ",",
                    "QuoteSymbol": '"',
                }
            },
        }
    },
}
TO_LAMBDA = {
    "LambdaConfiguration": {
        "RoleArn": "arn:aws:iam::123456789012:role/L4MTestRole",
        "LambdaArn": "arn:aws:lambda:us-east-1:123456789012:function:call-me",
    }
}
TO_TOPIC = {
    "SNSConfiguration": {
        "RoleArn": "arn:aws:iam::123456789012:role/L4MTestRole",
        "SnsTopicArn": "arn:aws:sns:us-east-1:123456789012:call-me",
    }
}

#: A detector file of a user.
USERS_FILE = """
# Our shop.
AnomalyDetectorName: shop
AnomalyDetectorDescription: ours
AnomalyDetectorConfig: {AnomalyDetectorFrequency: PT1H}
Owner: Kim
MetricSet:
  Offset: 300
  RollUps: true
  MetricSource:
    S3SourceConfig:
      HistoricalDataPathList: [shop/backtest/]
      TemplatedPathList: "shop/live/{{yyyyMMdd}}/{{HHmm}}"
      FileFormatDescriptor: {CsvFormatDescriptor: {Delimiter: ",", ContainsHeader: true, NullValues: ["NA"]}}
  TimestampColumn: {ColumnName: timestamp, ColumnFormat: "yyyy-MM-dd HH:mm:ss"}
  MetricList: [{MetricName: revenue, AggregationFunction: SUM, Direction: drops, MinimumDuration: 2}]
  DimensionList: [platform, "007"]
Alerts:
  - {AlertName: shop-alert, AlertSensitivityThreshold: 70.5}
"""


def detector_arn(name: str = "shop") -> str:
    return f"{PREFIX}AnomalyDetector:{name}"


def alert_arn(name: str) -> str:
    return f"{PREFIX}Alert:{name}"


def metric_set_arn(detector: str = "shop", name: str = "orders") -> str:
    return f"{PREFIX}MetricSet/{detector}/{name}"


@dataclass
class FakeJobs:
    """Records what was started, writes a waiting job for a backtest, or refuses to start anything."""

    store: ObjectStore
    now: Callable[[], datetime]
    started: list[tuple[str, str]] = field(default_factory=list)
    refusal: str = ""

    def activate(self, detector: str) -> None:
        self._start("activate", detector)

    def backtest(self, detector: str) -> None:
        self._start("backtest", detector)
        definition = read_definition(self.store, detector)
        assert definition is not None
        if definition.wanted == "BACK_TEST" and read_job(self.store, detector, definition.backtest) is None:
            write_job(self.store, BacktestJob(definition.backtest, detector, "WAITING", self.now(), self.now()))

    def _start(self, what: str, detector: str) -> None:
        if self.refusal:
            raise AnomalakeError(self.refusal)
        self.started.append((what, detector))


class Api:
    """The operations on a workspace, called as the protocol calls them.

    Parameters
    ----------
    store, files
        Stores of the lake and of the detector files.
    bounds
        What may be read and called.
    """

    def __init__(
        self, store: ObjectStore | None = None, files: ObjectStore | None = None, bounds: Bounds | None = None
    ) -> None:
        self.store = store or memory_store()
        self.files = files or memory_store()
        self.time = BEGIN
        self.jobs = FakeJobs(self.store, self.now)
        self.workspace = Workspace(
            lake="memory://",
            store=self.store,
            files=DetectorFiles("s3://stack/detectors", "us-east-1", "123456789012", self.files),
            account=Account("aws", "us-east-1", "123456789012"),
            now=self.now,
            jobs=self.jobs,
            bounds=bounds or Bounds(),
        )

    def now(self) -> datetime:
        """Every look at the clock is a second later."""
        self.time += timedelta(seconds=1)
        return self.time

    def __call__(self, operation: str, **members: Any) -> dict[str, Any]:
        return HANDLERS[operation](self.workspace, members)

    def create(self, name: str = "shop", **members: Any) -> str:
        config = {"AnomalyDetectorFrequency": "PT1H"}
        answer = self("CreateAnomalyDetector", AnomalyDetectorName=name, AnomalyDetectorConfig=config, **members)
        arn: str = answer["AnomalyDetectorArn"]
        return arn

    def create_whole(self, name: str = "shop") -> str:
        """Create a detector with a metric set."""
        arn = self.create(name)
        self("CreateMetricSet", AnomalyDetectorArn=arn, **METRIC_SET)
        return arn

    def alert(self, detector: str, name: str = "call", **members: Any) -> str:
        given = {"Action": TO_LAMBDA, "AlertSensitivityThreshold": 50, **members}
        arn: str = self("CreateAlert", AlertName=name, AnomalyDetectorArn=detector, **given)["AlertArn"]
        return arn

    def status(self, arn: str) -> str:
        status: str = self("DescribeAnomalyDetector", AnomalyDetectorArn=arn)["Status"]
        return status

    def run(self, name: str, status: str, reason: str = "") -> None:
        """A run of the detector ends."""
        at = self.now()
        run = Execution(detector_arn(name), at, status, reason, run_id=at.isoformat(), started_at=at, ended_at=at)
        write_execution(self.store, name, run)

    def job(self, name: str, phase: Phase, reason: str = "") -> None:
        """The backtest's job comes into another phase."""
        definition = read_definition(self.store, name)
        assert definition is not None
        job = read_job(self.store, name, definition.backtest)
        assert job is not None
        assert write_job(self.store, replace(job, phase=phase, reason=reason)) is not None

    def file_names(self) -> list[str]:
        return sorted(entry.key for entry in self.files.list(""))
