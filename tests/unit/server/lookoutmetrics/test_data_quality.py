"""GetDataQualityMetrics: of live intervals and of backtests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from anomalake.aws.detector_files import DetectorFiles
from anomalake.definitions.resource_errors import ResourceNotFoundError
from anomalake.records.data_quality import BacktestSpan, ColumnQuality, DataQuality, write_backtest_quality
from anomalake.records.executions import FAILED, Execution, write_execution
from anomalake.server.lookoutmetrics.handlers.data_quality import get_data_quality_metrics
from anomalake.services.data_quality import MOST_INTERVALS, data_quality_of
from anomalake.services.workspace import Account, Workspace
from anomalake.storage.objects import memory_store
from tests.support.definitions import USERS_FILE, Api, detector_arn, metric_set_arn

ARN = "arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:shop"
METRIC_SET = "arn:aws:lookoutmetrics:us-east-1:123456789012:MetricSet/shop/rows"
START = datetime(2021, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class NoJobs:
    def backtest(self, detector: str) -> None:
        raise AssertionError(detector)

    def activate(self, detector: str) -> None:
        raise AssertionError(detector)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "shop.yaml").write_text(
        f"AnomalyDetectorArn: {ARN}\nAnomalyDetectorConfig: {{AnomalyDetectorFrequency: PT1H}}\n"
        "MetricSet:\n  MetricSetName: rows\n  MetricSource: {S3SourceConfig: {HistoricalDataPathList: [data/]}}\n"
        "  TimestampColumn: {ColumnName: t}\n  MetricList: [{MetricName: v, AggregationFunction: SUM}]\n"
    )
    files = DetectorFiles(str(tmp_path), "us-east-1", "123456789012")
    account = Account("aws", "us-east-1", "123456789012")
    return Workspace("memory://", memory_store(), files, account, lambda: START, NoJobs())


def quality(hour: int, **changes: Any) -> DataQuality:
    columns = (ColumnQuality("t", 9), ColumnQuality("p", 5, 2 + hour % 2), ColumnQuality("v", 10))
    return DataQuality(START + hour * HOUR, 10, 4, 1, 6, columns, **changes)


def executed(workspace: Workspace, hour: int, found: DataQuality | None, run: int = 0) -> None:
    start = START + hour * HOUR
    run_id = f"{start + HOUR:%Y%m%dT%H%M%SZ}-{run}"
    write_execution(workspace.store, "shop", Execution(ARN, start, FAILED, run_id=run_id, quality=found))


def asked(workspace: Workspace, **members: str) -> list[dict[str, Any]]:
    answer = get_data_quality_metrics(workspace, {"AnomalyDetectorArn": ARN, **members})
    listed: list[dict[str, Any]] = answer["AnomalyDetectorDataQualityMetricList"]
    return listed


def metrics_of(one: dict[str, Any]) -> dict[Any, float]:
    (part,) = one["MetricSetDataQualityMetricList"]
    assert part["MetricSetArn"] == METRIC_SET
    return {
        (metric["MetricType"], metric["RelatedColumnName"]): metric["MetricValue"]
        for metric in part["DataQualityMetricList"]
    }


def test_live_intervals_together_and_one_by_one(workspace: Workspace) -> None:
    for hour in (0, 1, 3):
        executed(workspace, hour, quality(hour))
    executed(workspace, 2, None)  # as earlier versions have recorded it
    executed(workspace, 3, DataQuality(START + 3 * HOUR, 0, 0, 0, 0, ()), run=1)  # the last run of an interval counts
    total, *each = asked(workspace)
    assert [one["StartTimestamp"] for one in each] == [START + hour * HOUR for hour in (3, 1, 0)]
    assert total["StartTimestamp"] == START
    assert metrics_of(total) == {
        ("ROWS_PROCESSED", None): 20.0,
        ("ROWS_PARTIAL_COMPLIANCE", None): 8.0,
        ("INVALID_ROWS_COMPLIANCE", None): 2.0,
        ("TIME_SERIES_COUNT", None): 6.0,
        ("COLUMN_COMPLETENESS", "t"): 90.0,
        ("COLUMN_COMPLETENESS", "p"): 50.0,
        ("DIMENSION_UNIQUENESS", "p"): 3.0,
        ("COLUMN_COMPLETENESS", "v"): 100.0,
    }
    assert metrics_of(each[0])[("ROWS_PROCESSED", None)] == 0.0
    assert metrics_of(each[2])[("DIMENSION_UNIQUENESS", "p")] == 2.0


def test_a_backtest_has_the_times_of_its_data(workspace: Workspace) -> None:
    span = BacktestSpan(START, START + 6 * HOUR, START + 7 * HOUR, START + 9 * HOUR)
    write_backtest_quality(workspace.store, "shop", quality(0, span=span))
    (one,) = asked(workspace, MetricSetArn=METRIC_SET)
    found = metrics_of(one)
    first = START.timestamp()
    assert found[("BACKTEST_TRAINING_DATA_START_TIME_STAMP", None)] == first
    assert found[("BACKTEST_TRAINING_DATA_END_TIME_STAMP", None)] == first + 6 * 3_600
    assert found[("BACKTEST_INFERENCE_DATA_START_TIME_STAMP", None)] == first + 7 * 3_600
    assert found[("BACKTEST_INFERENCE_DATA_END_TIME_STAMP", None)] == first + 9 * 3_600
    # Beside live intervals, it comes last.
    executed(workspace, 5, quality(5))
    assert [one["StartTimestamp"] for one in asked(workspace)] == [START + 5 * HOUR, START + 5 * HOUR, START]


def test_the_latest_intervals_only(workspace: Workspace) -> None:
    for hour in range(MOST_INTERVALS + 5):
        executed(workspace, hour, quality(hour))
    total, *each = asked(workspace)
    assert len(each) == MOST_INTERVALS
    assert total["StartTimestamp"] == START + 5 * HOUR


def test_nothing_was_read_yet(workspace: Workspace) -> None:
    assert asked(workspace) == []
    workspace.store.put("detection/detector=shop/backtest/data-quality.json", b"{")
    assert asked(workspace) == []


def test_other_detectors_and_metric_sets(workspace: Workspace) -> None:
    with pytest.raises(ResourceNotFoundError) as caught:
        get_data_quality_metrics(workspace, {"AnomalyDetectorArn": ARN + "s"})
    assert caught.value.resource_type == "AnomalyDetector"
    with pytest.raises(ResourceNotFoundError) as caught:
        asked(workspace, MetricSetArn=METRIC_SET + "s")
    assert caught.value.resource_type == "MetricSet"


def test_a_file_that_is_newer_than_a_deleted_definition_has_its_metric_set() -> None:
    api = Api()
    api("DeleteAnomalyDetector", AnomalyDetectorArn=api.create_whole())
    api.files.put("shop.yaml", USERS_FILE.encode())
    found = data_quality_of(api.workspace, detector_arn(), metric_set_arn(name="shop"))
    assert found.metric_set_arn == metric_set_arn(name="shop")
