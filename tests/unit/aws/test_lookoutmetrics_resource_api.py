"""Custom resources against the API itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from anomalake.aws.detector_files import DetectorFiles
from anomalake.aws.lookoutmetrics_resource import answer_resource
from anomalake.definitions.cloudformation import CUSTOM_ALERT, CUSTOM_DETECTOR
from anomalake.definitions.resource_errors import InvalidRequestError, ResourceConflictError
from anomalake.server.lookoutmetrics.answering import call as call_operation
from anomalake.server.lookoutmetrics.handlers import all_handlers
from anomalake.services.workspace import Account, Workspace
from anomalake.storage.objects import memory_store
from tests.support.source_data import FilesInMemory

STACK = "arn:aws:cloudformation:us-east-1:123456789012:stack/kpi/5c1b7f4e-0000"
DETECTOR = {
    "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": "PT1H"},
    "MetricSetList": [
        {
            "MetricSetName": "orders",
            "Offset": "60",
            "MetricList": [{"MetricName": "views", "AggregationFunction": "SUM"}],
            "DimensionList": ["platform"],
            "TimestampColumn": {"ColumnName": "timestamp", "ColumnFormat": "yyyy-MM-dd HH:mm:ss"},
            "MetricSource": {
                "S3SourceConfig": {
                    "RoleArn": "arn:aws:iam::123456789012:role/read",
                    "HistoricalDataPathList": ["s3://lab/backtest/"],
                    "FileFormatDescriptor": {"CsvFormatDescriptor": {"ContainsHeader": "true", "Delimiter": ","}},
                }
            },
        }
    ],
}


class NoJobs:
    """Starts nothing."""

    def backtest(self, detector: str) -> None:
        raise AssertionError(detector)

    def activate(self, detector: str) -> None:
        raise AssertionError(detector)


@pytest.fixture
def call() -> Any:
    store = memory_store()
    workspace = Workspace(
        lake="memory://lake",
        store=store,
        files=DetectorFiles("memory://files", "us-east-1", "123456789012", memory_store()),
        account=Account("aws", "us-east-1", "123456789012"),
        now=lambda: datetime.now(UTC),
        jobs=NoJobs(),
        source_files=FilesInMemory({"s3://lab/backtest/a.csv": b"platform,timestamp,views\npc,2026-11-27 09:00:00,1"}),
    )
    return lambda operation, members: call_operation(operation, members, workspace, all_handlers())


def send(call: Any, kind: str, properties: Any, type_: str = CUSTOM_DETECTOR, id_: str = "r-1", **more: Any) -> str:
    event = {
        "RequestType": kind, "RequestId": id_, "StackId": STACK, "LogicalResourceId": "Shop", "ResourceType": type_,
        "ResourceProperties": {"ServiceToken": "token", **properties}, **more,
    }  # fmt: skip
    return answer_resource(event, call, wait=lambda: None).physical_id


def test_a_detector_and_an_alert_are_created_updated_replaced_and_deleted(call: Any) -> None:
    detector = send(call, "Create", DETECTOR)
    assert send(call, "Create", DETECTOR) == detector
    assert call("DescribeAnomalyDetector", {"AnomalyDetectorArn": detector})["Status"] == "INACTIVE"
    action = {"LambdaConfiguration": {"RoleArn": "arn:aws:iam::123456789012:role/call",
                                      "LambdaArn": "arn:aws:lambda:us-east-1:123456789012:function:call"}}  # fmt: skip
    rule = {"AnomalyDetectorArn": detector, "AlertSensitivityThreshold": "50", "Action": action}
    alert = send(call, "Create", rule, CUSTOM_ALERT, "r-2")
    assert send(call, "Create", rule, CUSTOM_ALERT, "r-2") == alert
    quiet = {**rule, "AlertSensitivityThreshold": "90", "AlertDescription": "rare"}
    old = {"PhysicalResourceId": alert, "OldResourceProperties": rule}
    assert send(call, "Update", quiet, CUSTOM_ALERT, "r-3", **old) == alert
    assert call("DescribeAlert", {"AlertArn": alert})["Alert"]["AlertSensitivityThreshold"] == 90

    [metric_set] = DETECTOR["MetricSetList"]
    later = {**DETECTOR, "AnomalyDetectorDescription": "views", "MetricSetList": [{**metric_set, "Offset": "600"}]}
    old = {"PhysicalResourceId": detector, "OldResourceProperties": DETECTOR}
    assert send(call, "Update", later, id_="r-4", **old) == detector
    [summary] = call("ListMetricSets", {"AnomalyDetectorArn": detector})["MetricSetSummaryList"]
    assert call("DescribeMetricSet", {"MetricSetArn": summary["MetricSetArn"]})["Offset"] == 600

    renamed = {**DETECTOR, "MetricSetList": [{**metric_set, "MetricSetName": "sales"}]}
    other = send(call, "Update", renamed, id_="r-5", **old)
    assert other != detector
    for arn, type_ in ((detector, CUSTOM_DETECTOR), (alert, CUSTOM_ALERT), (other, CUSTOM_DETECTOR)):
        assert send(call, "Delete", {}, type_, PhysicalResourceId=arn) == arn
    assert call("ListAnomalyDetectors", {})["AnomalyDetectorSummaryList"] == []
    assert call("ListAlerts", {})["AlertSummaryList"] == []


def test_a_refused_metric_set_leaves_no_detector(call: Any) -> None:
    refused = {**DETECTOR, "MetricSetList": [{**DETECTOR["MetricSetList"][0], "MetricSource": {"RDSSourceConfig": {}}}]}
    with pytest.raises(InvalidRequestError):
        send(call, "Create", refused)
    assert call("ListAnomalyDetectors", {})["AnomalyDetectorSummaryList"] == []


def test_a_detector_of_somebody_else_stays(call: Any) -> None:
    named = {**DETECTOR, "AnomalyDetectorName": "shop"}
    theirs = send(call, "Create", named)
    with pytest.raises(ResourceConflictError):
        send(call, "Create", named, id_="r-2")
    send(call, "Delete", {}, id_="r-3", PhysicalResourceId=f"unfinished/r-2/{theirs}")
    assert len(call("ListAnomalyDetectors", {})["AnomalyDetectorSummaryList"]) == 1
