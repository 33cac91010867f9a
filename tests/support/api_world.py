"""A lake with everything that Lookout for Metrics' API answers about, and what requests may name in it."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any

from anomalake.aws.detector_files import DetectorFiles
from anomalake.groups.anomaly_group import AffectedMetric, Group, interval_of
from anomalake.model.metrics import time_series_id
from anomalake.records.backtests import write_backtest
from anomalake.records.data_quality import ColumnQuality, DataQuality
from anomalake.records.executions import FAILED, LEARNING, SKIPPED, SUCCEEDED, Execution, write_execution
from anomalake.records.groups import write_group
from anomalake.server.lookoutmetrics.answering import answer
from anomalake.server.lookoutmetrics.handlers import all_handlers
from anomalake.server.lookoutmetrics.requests import ApiRequest
from anomalake.server.lookoutmetrics.responses import ApiResponse
from anomalake.services.workspace import Account, Workspace
from anomalake.storage.objects import memory_store, open_store
from anomalake.storage.store import ObjectStore
from tests.support.definitions import METRIC_SET, PREFIX, ROWS, TO_LAMBDA, TO_TOPIC, FakeJobs, alert_arn, detector_arn
from tests.support.groups_api import backtest_of_shop, hour_of
from tests.support.source_data import FilesInMemory

NOW = hour_of(1000)
ACCOUNT = Account("aws", "us-east-1", "123456789012")
SHOP = """
AnomalyDetectorName: shop
AnomalyDetectorConfig: {AnomalyDetectorFrequency: PT1H}
Tags: {team: shop}
MetricSet:
  MetricSetName: shop
  MetricSource: {S3SourceConfig: {HistoricalDataPathList: [history/]}}
  TimestampColumn: {ColumnName: timestamp, ColumnFormat: "yyyy-MM-dd HH:mm:ss"}
  MetricList: [{MetricName: revenue, AggregationFunction: SUM}, {MetricName: views, AggregationFunction: SUM}]
  DimensionList: [country]
Alerts: [{AlertName: of-file, AlertSensitivityThreshold: 70.5}]
"""
SOURCES = {
    "s3://lab/ecommerce/backtest/2026.csv": ROWS,
    "s3://lab/ecommerce/live/20260105/0000/a.csv": ROWS,
    "s3://lab/lines/a.json": b'{"timestamp": "2026-11-27 09:00:00", "views": 1}\n',
    "s3://lab/broken/a.csv": b"\xff\xfe\x00\x01\n,,,\n",
}


class World:
    """The whole API on a workspace.

    Parameters
    ----------
    store, files
        Stores of the lake and of the detector files. Default: filled ones in memory (`filled`).
    """

    def __init__(self, store: ObjectStore | None = None, files: ObjectStore | None = None) -> None:
        if store is None or files is None:
            store, files = filled()
        self.store, self.files = store, files
        self.time = NOW
        self.jobs = FakeJobs(store, self.now)
        self.reported: list[str] = []
        self.workspace = Workspace(
            lake=store.uri,
            store=store,
            files=DetectorFiles("s3://stack/detectors", ACCOUNT.region, ACCOUNT.number, files),
            account=ACCOUNT,
            now=self.now,
            jobs=self.jobs,
            source_files=FilesInMemory(SOURCES),
        )

    def now(self) -> datetime:
        """Every look at the clock is a second later."""
        self.time += timedelta(seconds=1)
        return self.time

    def answer(self, request: ApiRequest) -> ApiResponse:
        """Answer a request as the server does."""
        return answer(request, self.workspace, all_handlers(), lambda line, _: self.reported.append(line))

    def __call__(self, operation: str, **members: Any) -> dict[str, Any]:
        return all_handlers()[operation](self.workspace, members)


def fill(store: ObjectStore, files: ObjectStore) -> None:
    """Write detectors in all statuses, and what they have found."""
    world = World(store, files)
    files.put("shop.yaml", SHOP.encode())
    files.put("broken.yaml", b"AnomalyDetectorName: [")
    files.put("twice.yaml", SHOP.replace("shop", "twice").encode())
    files.put("twice.json", b"{}")
    write_backtest(store, "shop", detector_arn(), backtest_of_shop(), now=NOW)
    dimensions = (("country", "de"),)
    for number in range(3):
        at = hour_of(990 + number)
        affected = AffectedMetric(
            time_series_id(detector_arn(), "revenue", dimensions), dimensions, 5.0, 100.0, 90.0, 110.0, 60.0
        )
        intervals = (interval_of(at, [affected], 6, 600.0),)
        id_ = f"0a1b2c3d-0000-4000-8000-00000000000{number}"
        write_group(store, "shop", Group(id_, detector_arn(), "revenue", intervals), at)
    columns = (ColumnQuality("timestamp", 9), ColumnQuality("country", 8, 3))
    for number, status in enumerate((SUCCEEDED, FAILED, SKIPPED, LEARNING, SUCCEEDED)):
        at = hour_of(990 + number)
        quality = DataQuality(at, 10, 1, 1, 6, columns) if status == SUCCEEDED else None
        reason = "" if status == SUCCEEDED else "\u2028 no <b>data</b> " * 40
        run = Execution(detector_arn(), at, status, reason, f"{at:%Y%m%dT%H%M%SZ}-{number}", at, at, quality=quality)
        write_execution(store, "shop", run)
    for name in ("draft", "whole", "active", "learning", "failed", "off", "tested", "testing", "gone"):
        arn = world(
            "CreateAnomalyDetector",
            AnomalyDetectorName=name,
            AnomalyDetectorConfig={"AnomalyDetectorFrequency": "PT1H"},
            Tags={"team": "shop"},
        )["AnomalyDetectorArn"]
        if name == "draft":
            continue
        world("CreateMetricSet", AnomalyDetectorArn=arn, **METRIC_SET)
        action = TO_TOPIC if name == "active" else TO_LAMBDA
        world(
            "CreateAlert", AnomalyDetectorArn=arn, AlertName=f"of-{name}", Action=action, AlertSensitivityThreshold=50
        )
        if name in ("active", "learning", "failed", "off"):
            world("ActivateAnomalyDetector", AnomalyDetectorArn=arn)
            status = {"learning": LEARNING, "failed": FAILED}.get(name, SUCCEEDED)
            at = world.now()
            write_execution(store, name, Execution(arn, at, status, "why", "1", at, at))
        if name == "off":
            world("DeactivateAnomalyDetector", AnomalyDetectorArn=arn)
        if name in ("tested", "testing"):
            world("BackTestAnomalyDetector", AnomalyDetectorArn=arn)
            write_backtest(store, name, arn, backtest_of_shop(), now=NOW)
        if name == "gone":
            world("DeleteAnomalyDetector", AnomalyDetectorArn=arn)
    (group,) = world("ListAnomalyGroupSummaries", AnomalyDetectorArn=detector_arn(), SensitivityThreshold=0)[
        "AnomalyGroupSummaryList"
    ][-1:]
    given = {"AnomalyDetectorArn": detector_arn(), "AnomalyGroupId": group["AnomalyGroupId"]}
    (series, *_) = world("ListAnomalyGroupTimeSeries", MetricName=group["PrimaryMetricName"], **given)["TimeSeriesList"]
    feedback = {
        "AnomalyGroupId": group["AnomalyGroupId"],
        "TimeSeriesId": series["TimeSeriesId"],
        "IsAnomaly": False,
    }
    world("PutFeedback", AnomalyDetectorArn=detector_arn(), AnomalyGroupTimeSeriesFeedback=feedback)


@cache
def _content() -> tuple[dict[str, bytes], dict[str, bytes]]:
    store, files = memory_store(), memory_store()
    fill(store, files)
    return _objects(store), _objects(files)


def _objects(store: ObjectStore) -> dict[str, bytes]:
    return {entry.key: store.get(entry.key) for entry in store.list("")}


def filled(folder: str = "") -> tuple[ObjectStore, ObjectStore]:
    """Return new stores with all this, in memory or in a folder."""
    stores: list[ObjectStore] = []
    for name, content in zip(("lake", "detectors"), _content(), strict=True):
        store = open_store(f"{folder}/{name}") if folder else memory_store()
        for key, body in content.items():
            store.put(key, body)
        stores.append(store)
    return stores[0], stores[1]


@cache
def names_in_it() -> dict[str, tuple[Any, ...]]:
    """Return values of members that requests may name: of what there is, and some of what there is not."""
    world = World()
    groups = world("ListAnomalyGroupSummaries", AnomalyDetectorArn=detector_arn(), SensitivityThreshold=0)
    ids = [group["AnomalyGroupId"] for group in groups["AnomalyGroupSummaryList"]]
    series = [
        one["TimeSeriesId"]
        for group in groups["AnomalyGroupSummaryList"]
        for one in world(
            "ListAnomalyGroupTimeSeries",
            AnomalyDetectorArn=detector_arn(),
            AnomalyGroupId=group["AnomalyGroupId"],
            MetricName=group["PrimaryMetricName"],
        )["TimeSeriesList"]
    ]
    token = world("ListAnomalyDetectors", MaxResults=2)["NextToken"]
    detectors = ("shop", "broken", "twice", "draft", "whole", "active", "learning", "failed", "off", "tested", "gone")
    arns = tuple(map(detector_arn, (*detectors, "../x", "nothing")))
    sets = tuple(f"{PREFIX}MetricSet/{name}" for name in ("shop/shop", "active/orders", "whole/orders", "draft/orders"))
    alerts = tuple(map(alert_arn, ("of-file", "of-active", "of-whole", "of-gone", "of-off", "nothing")))
    files = SOURCES.keys()
    return {
        "AnomalyDetectorArn": (*arns, *sets[:1]),
        "MetricSetArn": (*sets, *arns[:1]),
        "AlertArn": alerts,
        "ResourceArn": (*arns, *sets, *alerts),
        "AnomalyDetectorName": (*detectors, "new"),
        "MetricSetName": ("orders", "shop", "new"),
        "AlertName": ("of-file", "of-active", "of-gone", "new"),
        "AnomalyGroupId": (*ids, "0a1b2c3d-0000-4000-8000-00000000ffff"),
        "TimeSeriesId": (*series[:5], "nothing", "../../x"),
        "MetricName": ("revenue", "views", "nothing"),
        "ColumnName": ("timestamp", "platform"),
        "ColumnFormat": ("yyyy-MM-dd HH:mm:ss", "epoch_seconds", "yyyy", "'"),
        "Timestamp": ("2026-02-15T06:00Z[UTC]", "2026-02-15T06:30:00+01:00", "0001-01-01T00:00Z", "9999-12-31T23:00Z"),
        "Timezone": ("UTC", "Europe/Berlin", "../../etc/passwd", "Mars/Base"),
        "NextToken": (token, "x", "e30="),
        "TemplatedPathList": (
            ["s3://lab/ecommerce/live/{{yyyyMMdd}}/{{HHmm}}"],
            ["s3://lab/{{"],
            ["s3://lab/{{yyyy}}"],
        ),
        "HistoricalDataPathList": (*([path] for path in files), ["s3://lab/ecommerce/backtest/"], ["s3://lab/a/../b"]),
        "DimensionList": (["platform", "marketplace"], ["platform"], ["platform", "platform"]),
        "MetricSource": (METRIC_SET["MetricSource"],),
        "TimestampColumn": (METRIC_SET["TimestampColumn"],),
        "MetricList": (METRIC_SET["MetricList"],),
        "Action": (TO_LAMBDA, TO_TOPIC),
    }
