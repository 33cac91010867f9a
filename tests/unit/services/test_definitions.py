"""Detectors, metric sets, alerts and tags: what the operations do, and what each status allows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from anomalake.aws.detector_files import DetectorFiles
from anomalake.aws.schedules import Schedules
from anomalake.definitions.detector_file import parse_detector
from anomalake.definitions.resource_errors import (
    AccessRefusedError,
    InvalidRequestError,
    QuotaExceededError,
    ResourceConflictError,
    ResourceNotFoundError,
)
from anomalake.records.executions import FAILED, LEARNING, SKIPPED, STARTED, SUCCEEDED, last_run_key
from anomalake.services.definitions import alert_by_arn, detector_by_arn, metric_set_by_arn
from anomalake.services.schedules import update_schedules
from anomalake.services.workspace import Bounds
from tests.support.definitions import (
    METRIC_SET,
    PREFIX,
    TO_LAMBDA,
    TO_TOPIC,
    USERS_FILE,
    Api,
    alert_arn,
    detector_arn,
    metric_set_arn,
)

#: What brings a detector with a metric set into a status.
STATUSES: dict[str, Callable[[Api, str], Any]] = {
    "INACTIVE": lambda api, arn: None,
    "ACTIVATING": lambda api, arn: api("ActivateAnomalyDetector", AnomalyDetectorArn=arn),
    "LEARNING": lambda api, arn: (STATUSES["ACTIVATING"](api, arn), api.run("shop", LEARNING)),
    "ACTIVE": lambda api, arn: (STATUSES["LEARNING"](api, arn), api.run("shop", SUCCEEDED)),
    "DEACTIVATED": lambda api, arn: (
        STATUSES["ACTIVE"](api, arn),
        api("DeactivateAnomalyDetector", AnomalyDetectorArn=arn),
    ),
    "FAILED": lambda api, arn: (STATUSES["ACTIVATING"](api, arn), api.run("shop", FAILED, "no such bucket")),
    "BACK_TEST_ACTIVATING": lambda api, arn: api("BackTestAnomalyDetector", AnomalyDetectorArn=arn),
    "BACK_TEST_ACTIVE": lambda api, arn: (STATUSES["BACK_TEST_ACTIVATING"](api, arn), api.job("shop", "RUNNING")),
    "BACK_TEST_COMPLETE": lambda api, arn: (STATUSES["BACK_TEST_ACTIVATING"](api, arn), api.job("shop", "DONE")),
}
RUNNING = ("ACTIVATING", "LEARNING", "ACTIVE", "BACK_TEST_ACTIVATING", "BACK_TEST_ACTIVE")


def in_status(status: str) -> tuple[Api, str]:
    api = Api()
    arn = api.create_whole()
    STATUSES[status](api, arn)
    assert api.status(arn) == status
    return api, arn


def test_a_new_detector_is_described_as_it_was_made() -> None:
    api = Api()
    arn = api.create(AnomalyDetectorDescription="Ours", KmsKeyArn="arn:aws:kms:us-east-1:1:key/k", Tags={"a": "b"})
    assert arn == detector_arn()
    described = api("DescribeAnomalyDetector", AnomalyDetectorArn=arn)
    created = described.pop("CreationTime")
    assert described.pop("LastModificationTime") == created
    assert described == {
        "AnomalyDetectorArn": arn,
        "AnomalyDetectorName": "shop",
        "AnomalyDetectorDescription": "Ours",
        "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": "PT1H"},
        "KmsKeyArn": "arn:aws:kms:us-east-1:1:key/k",
        "Status": "INACTIVE",
        "FailureReason": None,
        "FailureType": None,
    }
    (summary,) = api("ListAnomalyDetectors")["AnomalyDetectorSummaryList"]
    assert summary["Tags"] == {"a": "b"}
    assert summary["Status"] == "INACTIVE"
    assert api.file_names() == []


def test_a_name_is_taken_once() -> None:
    api = Api()
    arn = api.create()
    with pytest.raises(ResourceConflictError) as caught:
        api.create()
    assert (caught.value.resource_id, caught.value.resource_type) == (arn, "AnomalyDetector")
    api("DeleteAnomalyDetector", AnomalyDetectorArn=arn)
    assert api.create() == arn


@pytest.mark.parametrize(
    "arn",
    [
        detector_arn("other"),
        detector_arn().replace("us-east-1", "eu-west-1"),
        detector_arn().replace("123456789012", "210987654321"),
        alert_arn("shop"),
        "arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:../shop",
    ],
)
@pytest.mark.parametrize(
    "operation",
    [
        "DescribeAnomalyDetector", "UpdateAnomalyDetector", "ActivateAnomalyDetector", "DeactivateAnomalyDetector",
        "BackTestAnomalyDetector", "DeleteAnomalyDetector", "CreateMetricSet", "CreateAlert", "ListMetricSets",
        "ListAlerts",
    ],
)  # fmt: skip
def test_an_unknown_detector_is_not_found(operation: str, arn: str) -> None:
    api = Api()
    api.create_whole()
    members = {"CreateMetricSet": METRIC_SET, "CreateAlert": {"AlertName": "a", "Action": TO_LAMBDA}}
    with pytest.raises(ResourceNotFoundError) as caught:
        api(operation, AnomalyDetectorArn=arn, **members.get(operation, {}))
    assert caught.value.resource_id == arn


@pytest.mark.parametrize("status", STATUSES)
def test_a_detector_in_any_status_takes_alerts_and_can_be_deleted(status: str) -> None:
    api, arn = in_status(status)
    alert = api.alert(arn, "one")
    api("UpdateAlert", AlertArn=alert, AlertSensitivityThreshold=1)
    api("TagResource", ResourceArn=alert, Tags={"a": "b"})
    api("DeleteAlert", AlertArn=api.alert(arn, "two"))
    assert [one["AlertName"] for one in api("ListAlerts", AnomalyDetectorArn=arn)["AlertSummaryList"]] == ["one"]
    assert api.status(arn) == status
    api("DeleteAnomalyDetector", AnomalyDetectorArn=arn)
    for operation, members in {
        "DescribeAnomalyDetector": {"AnomalyDetectorArn": arn},
        "DeleteAnomalyDetector": {"AnomalyDetectorArn": arn},
        "DescribeMetricSet": {"MetricSetArn": metric_set_arn()},
        "DescribeAlert": {"AlertArn": alert},
        "ListTagsForResource": {"ResourceArn": arn},
    }.items():
        with pytest.raises(ResourceNotFoundError):
            api(operation, **members)
    assert api("ListAnomalyDetectors") == {"AnomalyDetectorSummaryList": [], "NextToken": None}
    assert api("ListAlerts") == {"AlertSummaryList": [], "NextToken": None}
    assert api.file_names() == []


@pytest.mark.parametrize("status", STATUSES)
def test_what_is_in_use_changes_only_description_and_offset(status: str) -> None:
    api, arn = in_status(status)
    api("UpdateAnomalyDetector", AnomalyDetectorArn=arn, AnomalyDetectorDescription="New")
    same = {name: METRIC_SET[name] for name in ("MetricList", "DimensionList", "MetricSource")}
    api("UpdateMetricSet", MetricSetArn=metric_set_arn(), MetricSetDescription="New", Offset=60, **same)
    assert api("DescribeMetricSet", MetricSetArn=metric_set_arn())["Offset"] == 60
    change = {"MetricSetArn": metric_set_arn(), "DimensionList": ["platform"]}
    key = {"AnomalyDetectorArn": arn, "KmsKeyArn": "arn:aws:kms:us-east-1:1:key/k"}
    if status in RUNNING:
        with pytest.raises(InvalidRequestError) as caught:
            api("UpdateMetricSet", **change)
        assert [name for name, _ in caught.value.fields] == ["DimensionList"]
        with pytest.raises(InvalidRequestError):
            api("UpdateAnomalyDetector", **key)
    else:
        api("UpdateMetricSet", **change)
        api("UpdateAnomalyDetector", **key)
        assert api("DescribeMetricSet", MetricSetArn=metric_set_arn())["DimensionList"] == ["platform"]
    assert api.status(arn) == status


@pytest.mark.parametrize("status", STATUSES)
def test_activation(status: str) -> None:
    api, arn = in_status(status)
    if status in ("LEARNING", "ACTIVE", "BACK_TEST_ACTIVATING", "BACK_TEST_ACTIVE"):
        with pytest.raises(ResourceConflictError):
            api("ActivateAnomalyDetector", AnomalyDetectorArn=arn)
        assert api.status(arn) == status
        return
    api.jobs.started.clear()
    api("ActivateAnomalyDetector", AnomalyDetectorArn=arn)
    assert api.status(arn) == "ACTIVATING"
    assert api.jobs.started == [("activate", "shop")]
    assert api.file_names() == ["shop.json"]
    api.run("shop", SUCCEEDED)
    assert api.status(arn) == "ACTIVE"


@pytest.mark.parametrize("status", STATUSES)
def test_deactivation(status: str) -> None:
    api, arn = in_status(status)
    if status not in ("LEARNING", "ACTIVE", "FAILED"):
        with pytest.raises(ResourceConflictError):
            api("DeactivateAnomalyDetector", AnomalyDetectorArn=arn)
        assert api.status(arn) == status
        return
    api("DeactivateAnomalyDetector", AnomalyDetectorArn=arn)
    assert api.status(arn) == "DEACTIVATED"
    assert api.file_names() == []


@pytest.mark.parametrize("status", STATUSES)
def test_backtest(status: str) -> None:
    api, arn = in_status(status)
    if status in ("ACTIVATING", "LEARNING", "ACTIVE", "FAILED", "BACK_TEST_ACTIVE"):
        # A detector whose activation failed still has its schedule.
        with pytest.raises(InvalidRequestError):
            api("BackTestAnomalyDetector", AnomalyDetectorArn=arn)
        assert api.status(arn) == status
        return
    api("BackTestAnomalyDetector", AnomalyDetectorArn=arn)
    assert api.status(arn) == "BACK_TEST_ACTIVATING"
    api.job("shop", "FAILED", "no such bucket")
    described = api("DescribeAnomalyDetector", AnomalyDetectorArn=arn)
    assert (described["Status"], described["FailureType"], described["FailureReason"]) == (
        "FAILED", "BACK_TEST_ACTIVATION_FAILURE", "no such bucket",
    )  # fmt: skip
    api("BackTestAnomalyDetector", AnomalyDetectorArn=arn)
    assert api.status(arn) == "BACK_TEST_ACTIVATING"


@pytest.mark.parametrize("operation", ["ActivateAnomalyDetector", "BackTestAnomalyDetector"])
def test_a_detector_without_a_metric_set_cannot_run(operation: str) -> None:
    api = Api()
    with pytest.raises(InvalidRequestError, match="has no metric set"):
        api(operation, AnomalyDetectorArn=api.create())


def test_a_failed_activation_says_why_and_recovers() -> None:
    api, arn = in_status("FAILED")
    described = api("DescribeAnomalyDetector", AnomalyDetectorArn=arn)
    assert (described["FailureType"], described["FailureReason"]) == ("ACTIVATION_FAILURE", "no such bucket")
    api.run("shop", SUCCEEDED)
    assert api.status(arn) == "ACTIVE"
    api.run("shop", FAILED, "once")
    api.run("shop", SKIPPED, "old")
    assert api.status(arn) == "ACTIVE"
    api.run("shop", LEARNING)
    assert api.status(arn) == "LEARNING"


def test_a_job_that_cannot_be_started_is_a_failure() -> None:
    api = Api()
    arn = api.create_whole()
    api.jobs.refusal = "no function"
    for operation, type_ in {
        "BackTestAnomalyDetector": "BACK_TEST_ACTIVATION_FAILURE",
        "ActivateAnomalyDetector": "ACTIVATION_FAILURE",
    }.items():
        api(operation, AnomalyDetectorArn=arn)
        described = api("DescribeAnomalyDetector", AnomalyDetectorArn=arn)
        assert (described["Status"], described["FailureType"], described["FailureReason"]) == (
            "FAILED", type_, "no function",
        )  # fmt: skip
    api.jobs.refusal = ""
    api("ActivateAnomalyDetector", AnomalyDetectorArn=arn)
    assert api.status(arn) == "ACTIVATING"


def test_a_first_run_that_does_not_come_is_started_again() -> None:
    api, arn = in_status("ACTIVATING")
    api.jobs.started.clear()
    assert api.status(arn) == "ACTIVATING"
    assert api.jobs.started == []
    api.time += timedelta(minutes=2)
    assert api.status(arn) == "ACTIVATING"
    assert api.jobs.started == [("activate", "shop")]


def test_runs_before_the_activation_do_not_count() -> None:
    api, arn = in_status("DEACTIVATED")
    api("ActivateAnomalyDetector", AnomalyDetectorArn=arn)
    assert api.status(arn) == "ACTIVATING"


def test_the_statuses_of_a_lake_without_last_runs() -> None:
    api = Api()
    api.files.put("shop.yaml", USERS_FILE.encode())
    arn = detector_arn()
    assert api.status(arn) == "ACTIVATING"
    for status in (LEARNING, SUCCEEDED):
        api.run("shop", status)
        api.store.delete([last_run_key("shop", status)])
        assert api.status(arn) == {LEARNING: "LEARNING", SUCCEEDED: "ACTIVE"}[status]


def test_an_interval_that_was_handed_to_a_job_leaves_a_detector_activating() -> None:
    api = Api()
    api.files.put("shop.yaml", USERS_FILE.replace("Owner: Kim", "Scale: spark").encode())
    api.run("shop", STARTED)
    assert api.status(detector_arn()) == "ACTIVATING"
    api.run("shop", SUCCEEDED)
    assert api.status(detector_arn()) == "ACTIVE"


def test_the_api_leaves_the_scale_of_a_file_alone() -> None:
    api = Api()
    api.files.put("shop.yaml", USERS_FILE.replace("Owner: Kim", "Scale: spark").encode())
    arn = detector_arn()
    assert detector_by_arn(api.workspace, arn).settings == {"Scale": "spark"}
    api("UpdateAnomalyDetector", AnomalyDetectorArn=arn, AnomalyDetectorDescription="new")
    written = parse_detector(api.files.get(api.file_names()[0]).decode(), "d.yaml")
    assert (written.description, written.scale) == ("new", "spark")


def test_a_metric_set_is_described_as_it_was_made() -> None:
    api = Api()
    arn = api.create()
    answer = api("CreateMetricSet", AnomalyDetectorArn=arn, **METRIC_SET, Tags={"a": "b"})
    assert answer == {"MetricSetArn": metric_set_arn()}
    described = api("DescribeMetricSet", MetricSetArn=metric_set_arn())
    assert METRIC_SET.items() <= described.items()
    assert described["AnomalyDetectorArn"] == arn
    assert (described["Offset"], described["Timezone"]) == (0, "UTC")
    (summary,) = api("ListMetricSets")["MetricSetSummaryList"]
    assert summary["Tags"] == {"a": "b"}
    assert api("ListMetricSets", AnomalyDetectorArn=arn)["MetricSetSummaryList"] == [summary]
    with pytest.raises(ResourceConflictError):
        api("CreateMetricSet", AnomalyDetectorArn=arn, **METRIC_SET)
    with pytest.raises(QuotaExceededError):
        api("CreateMetricSet", AnomalyDetectorArn=arn, **METRIC_SET | {"MetricSetName": "other"})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"DimensionList": ["views"]}, "MetricList"),
        ({"MetricSetFrequency": "P1D"}, "MetricSetFrequency"),
        ({"Timezone": "Mars/Olympus"}, "Timezone"),
        ({"TimestampColumn": None}, "TimestampColumn"),
        ({"TimestampColumn": {"ColumnName": "t", "ColumnFormat": "yyyy"}}, "TimestampColumn.ColumnFormat"),
        ({"MetricSource": {"RDSSourceConfig": {"DatabaseHost": "x"}}}, "MetricSource.S3SourceConfig"),
        ({"MetricSource": {"CloudWatchConfig": {}}}, "MetricSource.CloudWatchConfig"),
        ({"DimensionFilterList": [{"Name": "x", "FilterList": [{"DimensionValue": "1"}]}]}, "DimensionFilterList"),
        ({"MetricSource": {"S3SourceConfig": {}}}, "MetricSource.S3SourceConfig.HistoricalDataPathList"),
    ],
)
def test_a_metric_set_that_detection_cannot_use_is_refused(change: dict[str, Any], field: str) -> None:
    api = Api()
    arn = api.create()
    with pytest.raises(InvalidRequestError) as caught:
        api("CreateMetricSet", AnomalyDetectorArn=arn, **METRIC_SET | change)
    assert field in dict(caught.value.fields)
    assert caught.value.reason == "FIELD_VALIDATION_FAILED"
    assert api("ListMetricSets")["MetricSetSummaryList"] == []


def test_the_frequency_may_come_from_the_metric_set() -> None:
    api = Api()
    arn = api("CreateAnomalyDetector", AnomalyDetectorName="shop", AnomalyDetectorConfig={})["AnomalyDetectorArn"]
    with pytest.raises(InvalidRequestError):
        api("CreateMetricSet", AnomalyDetectorArn=arn, **METRIC_SET | {"MetricSetFrequency": None})
    api("CreateMetricSet", AnomalyDetectorArn=arn, **METRIC_SET)
    config = api("DescribeAnomalyDetector", AnomalyDetectorArn=arn)["AnomalyDetectorConfig"]
    assert config == {"AnomalyDetectorFrequency": "PT1H"}
    with pytest.raises(InvalidRequestError):
        api("UpdateAnomalyDetector", AnomalyDetectorArn=arn, AnomalyDetectorConfig={"AnomalyDetectorFrequency": "P1D"})


def test_source_data_and_targets_are_bounded() -> None:
    api = Api(bounds=Bounds(("lab",), ("arn:aws:sns:*:123456789012:call-*",)))
    arn = api.create_whole()
    other = json.loads(json.dumps(METRIC_SET["MetricSource"]).replace("s3://lab/", "s3://lab.other/"))
    with pytest.raises(AccessRefusedError, match=r"lab\.other"):
        api("UpdateMetricSet", MetricSetArn=metric_set_arn(), MetricSource=other)
    api.alert(arn, Action=TO_TOPIC)
    with pytest.raises(AccessRefusedError, match="function:call-me"):
        api.alert(arn, "other")
    with pytest.raises(AccessRefusedError):
        api("UpdateAlert", AlertArn=alert_arn("call"), Action=TO_LAMBDA)


def test_an_alert_is_described_as_it_was_made() -> None:
    api = Api()
    arn = api.create_whole()
    filters = {
        "MetricList": ["views"],
        "DimensionFilterList": [{"DimensionName": "platform", "DimensionValueList": ["pc"]}],
    }
    given = {"AlertDescription": "", "AlertFilters": filters, "Action": TO_TOPIC, "Tags": {"a": "b"}}
    assert api.alert(arn, **given) == alert_arn("call")
    described = api("DescribeAlert", AlertArn=alert_arn("call"))["Alert"]
    assert described.pop("CreationTime") == described.pop("LastModificationTime")
    assert described == {
        "AlertArn": alert_arn("call"), "AlertName": "call", "AnomalyDetectorArn": arn, "AlertDescription": "",
        "AlertSensitivityThreshold": 50, "AlertType": "SNS", "AlertStatus": "ACTIVE", "Action": TO_TOPIC,
        "AlertFilters": filters,
    }  # fmt: skip
    (summary,) = api("ListAlerts")["AlertSummaryList"]
    assert (summary["AlertType"], summary["Tags"]) == ("SNS", {"a": "b"})
    with pytest.raises(InvalidRequestError) as caught:
        api("UpdateAlert", AlertArn=alert_arn("call"), AlertFilters={"MetricList": ["nothing"]})
    assert [name for name, _ in caught.value.fields] == ["AlertFilters.MetricList"]
    api("UpdateAlert", AlertArn=alert_arn("call"), Action=TO_LAMBDA)
    assert api("DescribeAlert", AlertArn=alert_arn("call"))["Alert"]["AlertType"] == "LAMBDA"


def test_names_of_alerts_are_unique_among_detectors() -> None:
    api = Api()
    one, two = api.create_whole("one"), api.create("two")
    api.alert(one)
    for arn in (one, two):
        with pytest.raises(ResourceConflictError) as caught:
            api.alert(arn)
        assert caught.value.resource_id == alert_arn("call")
    api("DeleteAlert", AlertArn=alert_arn("call"))
    api.alert(two)
    assert api("DescribeAlert", AlertArn=alert_arn("call"))["Alert"]["AnomalyDetectorArn"] == two
    api("DeleteAnomalyDetector", AnomalyDetectorArn=two)
    api.alert(one)
    assert [alert["AnomalyDetectorArn"] for alert in api("ListAlerts")["AlertSummaryList"]] == [one]


def test_tags_of_all_three() -> None:
    api = Api()
    arn = api.create_whole()
    for resource in (arn, metric_set_arn(), api.alert(arn)):
        assert api("ListTagsForResource", ResourceArn=resource) == {"Tags": {}}
        api("TagResource", ResourceArn=resource, Tags={"a": "1", "b": "2"})
        api("TagResource", ResourceArn=resource, Tags={"a": "3"})
        api("UntagResource", ResourceArn=resource, TagKeys=["b", "c"])
        assert api("ListTagsForResource", ResourceArn=resource) == {"Tags": {"a": "3"}}
        with pytest.raises(InvalidRequestError):
            api("TagResource", ResourceArn=resource, Tags={f"k{number}": "" for number in range(50)})
        with pytest.raises(ResourceNotFoundError):
            api("TagResource", ResourceArn=f"{resource}x", Tags={"a": "1"})


def test_lists_are_by_name_and_pages_are_stable() -> None:
    api = Api()
    names = [f"d{number:02}" for number in range(12)]
    for name in reversed(names):
        api.alert(api.create_whole(name), f"a-{name}")
    api("DeleteAnomalyDetector", AnomalyDetectorArn=detector_arn("d04"))
    del names[4]
    for operation, list_, name in [
        ("ListAnomalyDetectors", "AnomalyDetectorSummaryList", "AnomalyDetectorName"),
        ("ListMetricSets", "MetricSetSummaryList", "MetricSetArn"),
        ("ListAlerts", "AlertSummaryList", "AlertName"),
    ]:
        found: list[str] = []
        token: dict[str, str] = {}
        while True:
            answer = api(operation, MaxResults=5, **token)
            found += [item[name] for item in answer[list_]]
            if operation == "ListAnomalyDetectors" and not token:
                # What comes and goes moves nothing else.
                api.create("a-new-one")
            if answer["NextToken"] is None:
                break
            token = {"NextToken": answer["NextToken"]}
        assert [one.removeprefix("a-").removeprefix(f"{PREFIX}MetricSet/")[:3] for one in found] == names


def test_the_file_of_an_active_detector_runs_in_the_functions() -> None:
    api, arn = in_status("ACTIVE")
    api.alert(arn)
    detector = api.workspace.files.read("shop")
    assert detector is not None
    assert detector.arn == arn
    assert [(alert.name, alert.arn, alert.threshold) for alert in detector.alerts] == [
        ("call", alert_arn("call"), 50.0)
    ]
    assert detector.metric_set.historical_data_path_list == ("s3://lab/ecommerce/backtest/",)
    calls = []

    class Scheduler:
        def create_schedule(self, **request: Any) -> None:
            calls.append(request["Name"])

        exceptions: Any = type("Exceptions", (), {"ConflictException": KeyError})

    report = update_schedules(["shop"], api.workspace.files, Schedules("g", "t", "r", Scheduler))
    assert (report.scheduled, report.refused, calls) == (1, {}, ["shop"])


def test_a_users_file_is_a_detector() -> None:
    api = Api()
    api.files.put("shop.yaml", USERS_FILE.encode())
    arn = detector_arn()
    described = api("DescribeAnomalyDetector", AnomalyDetectorArn=arn)
    assert (described["Status"], described["AnomalyDetectorDescription"]) == ("ACTIVATING", "ours")
    assert described["CreationTime"] == described["LastModificationTime"]
    metric_set = api("DescribeMetricSet", MetricSetArn=metric_set_arn("shop", "shop"))
    assert metric_set["Offset"] == 300
    assert metric_set["MetricList"] == [{"MetricName": "revenue", "AggregationFunction": "SUM"}]
    assert metric_set["DimensionList"] == ["platform", "007"]
    source = metric_set["MetricSource"]["S3SourceConfig"]
    assert source["TemplatedPathList"] == ["shop/live/{{yyyyMMdd}}/{{HHmm}}"]
    assert source["FileFormatDescriptor"]["CsvFormatDescriptor"] == {"Delimiter": ",", "ContainsHeader": True}
    alert = api("DescribeAlert", AlertArn=alert_arn("shop-alert"))["Alert"]
    assert (alert["AlertSensitivityThreshold"], alert["AlertStatus"]) == (71, "ACTIVE")
    assert [one["AnomalyDetectorArn"] for one in api("ListAnomalyDetectors")["AnomalyDetectorSummaryList"]] == [arn]
    assert detector_by_arn(api.workspace, arn).settings == {"Owner": "Kim"}
    assert metric_set_by_arn(api.workspace, metric_set_arn("shop", "shop"))[1].fields["RollUps"] is True
    assert alert_by_arn(api.workspace, alert_arn("shop-alert"))[0].arn == arn
    with pytest.raises(ResourceConflictError):
        api.create()
    assert list(api.store.list("")) == []


def test_a_change_makes_a_definition_of_a_users_file() -> None:
    api = Api()
    api.files.put("shop.yaml", USERS_FILE.encode())
    api.run("shop", SUCCEEDED)
    before = api.workspace.files.read("shop")
    assert before is not None
    api("TagResource", ResourceArn=detector_arn(), Tags={"a": "b"})
    after = api.workspace.files.read("shop")
    assert after is not None
    assert replace(after, metric_set=before.metric_set) == before
    assert replace(after.metric_set, name=before.metric_set.name) == before.metric_set
    assert api.file_names() == ["shop.yaml"]
    other = api.create("other")
    with pytest.raises(ResourceConflictError):
        api.alert(other, "shop-alert")
    api("DeactivateAnomalyDetector", AnomalyDetectorArn=detector_arn())
    assert api.file_names() == []
    assert api.status(detector_arn()) == "DEACTIVATED"
    api("ActivateAnomalyDetector", AnomalyDetectorArn=detector_arn())
    assert api.file_names() == ["shop.json"]
    assert api.workspace.files.read("shop") == after
    with pytest.raises(ResourceConflictError):
        api.alert(other, "shop-alert")


@pytest.mark.parametrize("ending", ["yaml", "yml", "json"])
def test_a_users_file_can_be_deleted(ending: str) -> None:
    api = Api()
    text = USERS_FILE if ending != "json" else json.dumps(_as_json())
    api.files.put(f"shop.{ending}", text.encode())
    api("DeleteAnomalyDetector", AnomalyDetectorArn=detector_arn())
    assert api.file_names() == []
    assert api("ListAnomalyDetectors")["AnomalyDetectorSummaryList"] == []
    api.files.put(f"shop.{ending}", text.encode())
    assert api.status(detector_arn()) == "ACTIVATING"


def _as_json() -> dict[str, Any]:
    return {
        "AnomalyDetectorName": "shop",
        "AnomalyDetectorConfig": {"anomalyDetectorFrequency": "PT1H"},
        "MetricSetList": [METRIC_SET],
    }


def test_a_users_file_that_is_newer_than_the_definition_counts() -> None:
    api, arn = in_status("ACTIVE")
    api("TagResource", ResourceArn=arn, Tags={"a": "b"})
    created = api("DescribeAnomalyDetector", AnomalyDetectorArn=arn)["CreationTime"]
    api.files.put("shop.json", USERS_FILE.replace("ours", "edited").encode())
    described = api("DescribeAnomalyDetector", AnomalyDetectorArn=arn)
    assert (described["AnomalyDetectorDescription"], described["CreationTime"]) == ("edited", created)
    api("TagResource", ResourceArn=arn, Tags={"c": "d"})
    assert api("ListTagsForResource", ResourceArn=arn)["Tags"] == {"a": "b", "c": "d"}
    assert api("DescribeAnomalyDetector", AnomalyDetectorArn=arn)["AnomalyDetectorDescription"] == "edited"
    edited = json.loads(api.files.get("shop.json")) | {"AnomalyDetectorDescription": "edited again"}
    api.files.put("shop.json", json.dumps(edited).encode())
    assert api("DescribeAnomalyDetector", AnomalyDetectorArn=arn)["AnomalyDetectorDescription"] == "edited again"


@pytest.mark.parametrize("text", ["AnomalyDetectorName: other", "{", "AnomalyDetectorName: shop"])
def test_an_invalid_file_is_a_failed_detector(text: str) -> None:
    api = Api()
    api.files.put("shop.yaml", text.encode())
    arn = detector_arn()
    described = api("DescribeAnomalyDetector", AnomalyDetectorArn=arn)
    assert (described["Status"], described["FailureType"]) == ("FAILED", "ACTIVATION_FAILURE")
    assert "shop" in described["FailureReason"]
    assert len(api("ListAnomalyDetectors")["AnomalyDetectorSummaryList"]) == 1
    with pytest.raises(InvalidRequestError):
        api("TagResource", ResourceArn=arn, Tags={"a": "b"})
    with pytest.raises(ResourceConflictError):
        api.create()
    api("DeleteAnomalyDetector", AnomalyDetectorArn=arn)
    assert api.file_names() == []


def test_two_files_of_a_detector_are_a_failure() -> None:
    api = Api()
    api.files.put("shop.yaml", USERS_FILE.encode())
    api.files.put("shop.yml", USERS_FILE.encode())
    assert "exists too" in api("DescribeAnomalyDetector", AnomalyDetectorArn=detector_arn())["FailureReason"]


def test_the_files_folder_is_made_when_it_is_needed(tmp_path: Any) -> None:
    files = DetectorFiles(f"{tmp_path}/new/detectors", "us-east-1", "123456789012")
    assert files.names() == []
    files.put("shop", USERS_FILE.encode())
    assert files.names() == ["shop"]
    assert (tmp_path / "new" / "detectors" / "shop.json").is_file()
    files.delete("shop")
    files.delete("shop")
    assert files.names() == []
