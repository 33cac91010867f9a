"""Detectors and alerts as custom resources, from their creation to their deletion, against a stand-in for the API."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from anomalake.aws.custom_resource import ResourceResult
from anomalake.aws.lookoutmetrics_resource import answer_resource, respond
from anomalake.definitions.cloudformation import CUSTOM_ALERT, CUSTOM_DETECTOR
from anomalake.definitions.resource_errors import InvalidRequestError, ResourceConflictError, ResourceNotFoundError
from tests.support.lookoutmetrics_api import ACCOUNT, FakeApi

STACK = "arn:aws:cloudformation:eu-west-1:123456789012:stack/kpi/5c1b7f4e-0000"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:f"
TOKEN = {"ServiceToken": FUNCTION, "ServiceTimeout": "900"}
METRIC_SET = {
    "MetricSetName": "shop-set",
    "Offset": "300",
    "MetricList": [{"MetricName": "views", "AggregationFunction": "SUM"}],
    "DimensionList": ["platform"],
    "MetricSource": {
        "S3SourceConfig": {
            "RoleArn": "arn:aws:iam::123456789012:role/r",
            "TemplatedPathList": ["s3://b/{{yyyyMMdd}}"],
            "FileFormatDescriptor": {"CsvFormatDescriptor": {"ContainsHeader": "true", "Delimiter": ","}},
        }
    },
}
DETECTOR = {"AnomalyDetectorConfig": {"AnomalyDetectorFrequency": "PT1H"}, "MetricSetList": [METRIC_SET]}
ALERT = {
    "AnomalyDetectorArn": f"{ACCOUNT}:AnomalyDetector:shop",
    "AlertSensitivityThreshold": "50",
    "Action": {
        "LambdaConfiguration": {"LambdaArn": "arn:aws:lambda:eu-west-1:123456789012:function:f", "RoleArn": "r"}
    },
}
SHOP = {**DETECTOR, "AnomalyDetectorName": "shop"}


def request(kind: str, properties: Mapping[str, Any], type_: str = CUSTOM_DETECTOR, **more: Any) -> dict[str, Any]:
    return {
        "RequestType": kind, "ResponseURL": "https://responses/x?y=z", "StackId": STACK, "RequestId": "r-1",
        "LogicalResourceId": "Shop", "ResourceType": type_, "ResourceProperties": {**TOKEN, **properties}, **more,
    }  # fmt: skip


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


def create(api: FakeApi, properties: Mapping[str, Any] = SHOP, type_: str = CUSTOM_DETECTOR, **more: Any) -> str:
    return answer_resource(request("Create", properties, type_, **more), api).physical_id


def update(api: FakeApi, id_: str, old: Mapping[str, Any], new: Mapping[str, Any], type_: str = CUSTOM_DETECTOR) -> str:
    event = request(
        "Update", new, type_, PhysicalResourceId=id_, OldResourceProperties={**TOKEN, **old}, RequestId="r-2"
    )
    return answer_resource(event, api).physical_id


def delete(api: FakeApi, id_: str, type_: str = CUSTOM_DETECTOR) -> str:
    return answer_resource(request("Delete", {}, type_, PhysicalResourceId=id_), api, wait=api.wait).physical_id


# ---- creation ----


def test_a_detector_is_created_with_its_metric_set_and_stays_inactive(api: FakeApi) -> None:
    result = answer_resource(request("Create", SHOP), api)
    arn = f"{ACCOUNT}:AnomalyDetector:shop"
    assert result == ResourceResult(arn, {"Arn": arn})
    assert api.operations == ["CreateAnomalyDetector", "ListMetricSets", "CreateMetricSet"]
    assert api.detectors[arn]["AnomalyDetectorConfig"] == {"AnomalyDetectorFrequency": "PT1H"}
    [metric_set] = api.metric_sets[arn].values()
    assert metric_set["Offset"] == 300
    csv = metric_set["MetricSource"]["S3SourceConfig"]["FileFormatDescriptor"]["CsvFormatDescriptor"]
    assert csv == {"ContainsHeader": True, "Delimiter": ","}
    assert {"ServiceToken", "ServiceTimeout"} & api.detectors[arn].keys() == set()


def test_a_detector_without_a_metric_set_is_a_draft(api: FakeApi) -> None:
    create(api, {"AnomalyDetectorName": "d", "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": "P1D"}})
    assert api.operations == ["CreateAnomalyDetector"]


def test_an_absent_name_is_made_of_stack_and_logical_id(api: FakeApi) -> None:
    first = create(api, DETECTOR)
    name = first.rpartition(":")[2]
    assert name.startswith("kpi-Shop-")
    assert len(name) == len("kpi-Shop-") + 12
    other = create(api, DETECTOR, RequestId="r-2", LogicalResourceId="A" * 255)
    assert len(other.rpartition(":")[2]) <= 63
    assert first != other


def test_a_repeated_creation_gives_the_same_detector(api: FakeApi) -> None:
    assert create(api) == create(api)
    assert len(api.detectors) == 1
    assert [len(sets) for sets in api.metric_sets.values()] == [1]


def test_a_repeated_creation_goes_on_where_the_first_one_ended(api: FakeApi) -> None:
    api.fails["CreateMetricSet"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        create(api)
    del api.fails["CreateMetricSet"]
    api.metric_sets[create(api)]
    assert len(api.detectors) == 1


def test_a_detector_of_somebody_else_is_neither_taken_nor_deleted(api: FakeApi) -> None:
    theirs = create(api)
    event = request("Create", SHOP, RequestId="r-9")
    with pytest.raises(ResourceConflictError):
        answer_resource(event, api)
    _, response = sent(event, api)
    assert response["Status"] == "FAILED"
    assert response["PhysicalResourceId"] == f"unfinished/r-9/{theirs}"
    assert delete(api, response["PhysicalResourceId"]) == response["PhysicalResourceId"]
    assert list(api.detectors) == [theirs]


def test_a_detector_whose_metric_set_is_refused_is_deleted_again(api: FakeApi) -> None:
    api.fails["CreateMetricSet"] = InvalidRequestError("MetricSource: no such bucket")
    _, response = sent(request("Create", SHOP), api)
    assert response["Status"] == "FAILED"
    assert response["Reason"] == "InvalidRequestError: MetricSource: no such bucket"
    assert api.detectors == {}
    assert delete(api, response["PhysicalResourceId"])


def test_what_a_failed_creation_left_is_deleted_with_its_physical_id(api: FakeApi) -> None:
    api.fails["CreateMetricSet"] = InvalidRequestError("refused")
    api.fails["DeleteAnomalyDetector"] = InvalidRequestError("not now")
    _, response = sent(request("Create", SHOP), api)
    assert len(api.detectors) == 1
    api.fails.clear()
    delete(api, response["PhysicalResourceId"])
    assert api.detectors == {}


@pytest.mark.parametrize(
    ("properties", "problem"),
    [
        ({**SHOP, "MetricSetList": [{**METRIC_SET, "Offset": "soon"}]},
         "MetricSetList[0].Offset: 'soon': expected a whole number"),
        ({**SHOP, "MetricSetList": [METRIC_SET, METRIC_SET]}, "MetricSetList: expected a list of one metric set"),
        ({**SHOP, "MetricSetList": ["x"]}, "MetricSetList: expected a list of one metric set"),
        ({**SHOP, "Tags": "x"}, "Tags: expected keys and values"),
        ({**SHOP, "MetricSetList": [{"MetricSource": {"X": {"ContainsHeader": "yes"}}}]},
         "MetricSetList[0].MetricSource.X.ContainsHeader: 'yes': expected true or false"),
    ],
)  # fmt: skip
def test_invalid_properties_are_refused_before_anything_is_made(
    properties: dict[str, Any], problem: str, api: FakeApi
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        create(api, properties)
    assert str(caught.value) == problem
    assert api.operations == []


def test_texts_of_cloudformation_get_their_types(api: FakeApi) -> None:
    sets = [{**METRIC_SET, "Offset": "50.0", "MetricSource": {"CloudwatchConfig": {"backTestConfiguration": {
        "RunBackTestMode": "false"}}}}]  # fmt: skip
    config = {"anomalyDetectorFrequency": "P1D"}
    tags = [{"Key": "Offset", "Value": "007"}]
    arn = create(api, {**SHOP, "MetricSetList": sets, "AnomalyDetectorConfig": config, "Tags": tags})
    [metric_set] = api.metric_sets[arn].values()
    assert metric_set["Offset"] == 50
    assert metric_set["MetricSource"] == {"CloudWatchConfig": {"BackTestConfiguration": {"RunBackTestMode": False}}}
    assert api.detectors[arn]["AnomalyDetectorConfig"] == {"AnomalyDetectorFrequency": "P1D"}
    assert api.tags[arn]["Offset"] == "007"
    assert api.tags[arn]["cloudformation:stack-id"] == STACK


def test_a_path_list_that_is_one_text_is_a_list(api: FakeApi) -> None:
    source = {"S3SourceConfig": {"HistoricalDataPathList": "s3://b/old/"}}
    arn = create(api, {**SHOP, "MetricSetList": [{**METRIC_SET, "MetricSource": source}]})
    [metric_set] = api.metric_sets[arn].values()
    assert metric_set["MetricSource"] == {"S3SourceConfig": {"HistoricalDataPathList": ["s3://b/old/"]}}


def test_an_alert_is_created(api: FakeApi) -> None:
    create(api)
    arn = create(api, {**ALERT, "AlertName": "loud"}, CUSTOM_ALERT, LogicalResourceId="Alert")
    assert arn == f"{ACCOUNT}:Alert:loud"
    assert api.alerts[arn]["AlertSensitivityThreshold"] == 50
    assert api.alerts[arn]["AnomalyDetectorArn"] == ALERT["AnomalyDetectorArn"]


def test_an_alert_may_name_its_detector(api: FakeApi) -> None:
    create(api)
    arn = create(api, {**ALERT, "AlertName": "loud", "AnomalyDetectorArn": "shop"}, CUSTOM_ALERT)
    assert api.alerts[arn]["AnomalyDetectorArn"] == f"{ACCOUNT}:AnomalyDetector:shop"


# ---- updates ----


def changed_set(**changes: Any) -> dict[str, Any]:
    members = {name: value for name, value in {**METRIC_SET, **changes}.items() if value is not None}
    return {**SHOP, "MetricSetList": [members]}


@pytest.mark.parametrize(
    ("new", "calls"),
    [
        ({**SHOP, "AnomalyDetectorDescription": "new"},
         [("UpdateAnomalyDetector", {"AnomalyDetectorDescription": "new"})]),
        ({**SHOP, "KmsKeyArn": "key", "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": "P1D"}},
         [("UpdateAnomalyDetector",
           {"KmsKeyArn": "key", "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": "P1D"}})]),
        (changed_set(Offset="60"), [("UpdateMetricSet", {"Offset": 60})]),
        (changed_set(Offset=None), [("UpdateMetricSet", {"Offset": 0})]),
        (changed_set(DimensionList=["a", "b"], MetricSetDescription="x"),
         [("UpdateMetricSet", {"DimensionList": ["a", "b"], "MetricSetDescription": "x"})]),
        (SHOP, []),
    ],
)  # fmt: skip
def test_a_detector_is_updated_in_place(new: dict[str, Any], calls: list[Any], api: FakeApi) -> None:
    arn = create(api)
    api.calls.clear()
    assert update(api, arn, SHOP, new) == arn
    made = [(name, members) for name, members in api.calls if name != "ListMetricSets"]
    [set_arn] = api.metric_sets[arn]
    own = {"UpdateAnomalyDetector": {"AnomalyDetectorArn": arn}, "UpdateMetricSet": {"MetricSetArn": set_arn}}
    assert made == [(name, {**own[name], **members}) for name, members in calls]


@pytest.mark.parametrize(
    "new",
    [
        {**SHOP, "AnomalyDetectorName": "other"},
        DETECTOR,
        {**changed_set(MetricSetName="other"), "AnomalyDetectorName": "other"},
    ],
    ids=["name", "no name", "name of the metric set"],
)
def test_a_changed_name_replaces_a_detector(new: dict[str, Any], api: FakeApi) -> None:
    first = create(api)
    second = update(api, first, SHOP, new)
    assert second != first
    assert set(api.detectors) == {first, second}
    assert len(api.metric_sets[second]) == 1
    # CloudFormation's clean-up.
    assert delete(api, first) == first
    assert set(api.detectors) == {second}


@pytest.mark.parametrize(
    "changes", [{"MetricSetName": "x"}, {"Timezone": "UTC"}, {"DimensionList": None}], ids=lambda one: next(iter(one))
)
def test_what_no_update_can_change_replaces_a_detector_unless_its_name_is_given(
    changes: dict[str, Any], api: FakeApi
) -> None:
    unnamed = {name: value for name, value in changed_set(**changes).items() if name != "AnomalyDetectorName"}
    first = create(api, DETECTOR)
    assert update(api, first, DETECTOR, unnamed) != first
    named = create(api, SHOP, RequestId="r-3")
    with pytest.raises(InvalidRequestError, match=r"^AnomalyDetectorName 'shop': the changes replace the resource"):
        update(api, named, SHOP, changed_set(**changes))


def test_another_frequency_replaces_a_detector_whose_metric_set_has_one_too(api: FakeApi) -> None:
    old = {**DETECTOR, "MetricSetList": [{**METRIC_SET, "MetricSetFrequency": "PT1H"}]}
    new = {
        "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": "P1D"},
        "MetricSetList": [{**METRIC_SET, "MetricSetFrequency": "P1D"}],
    }
    first = create(api, old)
    assert update(api, first, old, new) != first


def test_a_repeated_replacement_gives_the_same_detector(api: FakeApi) -> None:
    first = create(api, DETECTOR)
    new = {**DETECTOR, "MetricSetList": [{**METRIC_SET, "MetricSetName": "x"}]}
    assert update(api, first, DETECTOR, new) == update(api, first, DETECTOR, new)
    assert len(api.detectors) == 2


def test_a_failed_replacement_leaves_the_old_detector_alone(api: FakeApi) -> None:
    first = create(api, DETECTOR)
    api.fails["CreateMetricSet"] = InvalidRequestError("refused")
    new = {**DETECTOR, "MetricSetList": [{**METRIC_SET, "MetricSetName": "x"}]}
    event = request("Update", new, PhysicalResourceId=first, OldResourceProperties=DETECTOR, RequestId="r-2")
    _, response = sent(event, api)
    assert (response["Status"], response["PhysicalResourceId"]) == ("FAILED", first)
    assert list(api.detectors) == [first]


def test_a_draft_gets_its_metric_set(api: FakeApi) -> None:
    draft = {name: value for name, value in SHOP.items() if name != "MetricSetList"}
    arn = create(api, draft)
    assert update(api, arn, draft, SHOP) == arn
    assert len(api.metric_sets[arn]) == 1


def test_an_alert_is_updated_in_place_or_replaced(api: FakeApi) -> None:
    create(api)
    first = create(api, ALERT, CUSTOM_ALERT)
    api.calls.clear()
    new = {**ALERT, "AlertSensitivityThreshold": "70", "AlertDescription": "d"}
    assert update(api, first, ALERT, new, CUSTOM_ALERT) == first
    # No update clears a description.
    assert update(api, first, new, ALERT | {"AlertSensitivityThreshold": "70"}, CUSTOM_ALERT) == first
    assert api.calls == [("UpdateAlert", {"AlertArn": first, "AlertDescription": "d", "AlertSensitivityThreshold": 70})]
    other = create(api, {**SHOP, "AnomalyDetectorName": "other"}, RequestId="r-3")
    assert update(api, first, ALERT, {**ALERT, "AnomalyDetectorArn": other}, CUSTOM_ALERT) != first


def test_tags_are_updated(api: FakeApi) -> None:
    old, new = {**SHOP, "Tags": {"a": "1", "b": "2"}}, {**SHOP, "Tags": {"b": "3"}}
    arn = create(api, old)
    assert update(api, arn, old, new) == arn
    assert {name: value for name, value in api.tags[arn].items() if ":" not in name} == {"b": "3"}


def test_an_update_of_what_was_never_created_creates_it(api: FakeApi) -> None:
    assert update(api, "unfinished/r-0", SHOP, SHOP) == f"{ACCOUNT}:AnomalyDetector:shop"


# ---- deletion ----


def test_a_deletion_waits_until_the_detector_is_gone(api: FakeApi) -> None:
    arn = create(api)
    api.deleting = 3
    assert delete(api, arn) == arn
    assert api.waits == 3
    assert api.detectors == {}


@pytest.mark.parametrize("type_", [CUSTOM_DETECTOR, CUSTOM_ALERT])
@pytest.mark.parametrize("id_", [f"{ACCOUNT}:AnomalyDetector:none", "unfinished/r-0", "unfinished/r-0/arn:x", "x"])
def test_the_deletion_of_what_is_not_there_succeeds(id_: str, type_: str, api: FakeApi) -> None:
    assert delete(api, id_, type_) == id_


def test_an_alert_that_went_with_its_detector_is_deleted(api: FakeApi) -> None:
    detector = create(api)
    alert = create(api, ALERT, CUSTOM_ALERT)
    delete(api, detector)
    assert delete(api, alert, CUSTOM_ALERT) == alert


def test_a_deletion_that_fails_is_told(api: FakeApi) -> None:
    arn = create(api)
    api.deleting = 5
    api.status = "FAILED"
    with pytest.raises(ResourceConflictError, match=f"^{arn}: no access$"):
        delete(api, arn)


def test_a_deletion_that_goes_on_already_is_waited_for(api: FakeApi) -> None:
    arn = create(api)
    api.deleting = 2
    api("DeleteAnomalyDetector", {"AnomalyDetectorArn": arn})
    api.fails["DeleteAnomalyDetector"] = ResourceConflictError("DELETING", arn, "AnomalyDetector")
    delete(api, arn)
    assert api.detectors == {}


# ---- the response ----


def sent(event: dict[str, Any], call: Any, seconds: float = 60) -> tuple[Exception | None, dict[str, Any]]:
    bodies: list[bytes] = []
    failure = respond(event, call, lambda: timedelta(seconds=seconds), lambda _, body: bodies.append(body))
    [body] = bodies
    assert len(body) <= 4096
    return failure, json.loads(body)


def test_a_success_is_sent_with_the_arn(api: FakeApi) -> None:
    arn = f"{ACCOUNT}:AnomalyDetector:shop"
    assert sent(request("Create", SHOP), api) == (None, {
        "Status": "SUCCESS", "Reason": "done", "PhysicalResourceId": arn, "Data": {"Arn": arn}, "StackId": STACK,
        "RequestId": "r-1", "LogicalResourceId": "Shop",
    })  # fmt: skip


def test_every_failure_is_sent_and_returned(api: FakeApi) -> None:
    events = [
        {**request("Create", SHOP), "ResourceType": "Custom::Other"},
        {**request("Create", SHOP), "ResourceProperties": None},
        {**request("Create", SHOP), "StackId": "x"},
        request("Renew", SHOP),
        request("Update", SHOP, PhysicalResourceId=f"{ACCOUNT}:AnomalyDetector:none",
                OldResourceProperties={**SHOP, "KmsKeyArn": "k"}, RequestId="r-5"),
    ]  # fmt: skip
    for event in events[:4]:
        failure, response = sent(event, api)
        assert isinstance(failure, InvalidRequestError)
        assert response["Status"] == "FAILED"
        assert response["PhysicalResourceId"].startswith("unfinished/r-1")
        assert "Data" not in response
    failure, response = sent(events[4] | {"ResourceProperties": {**SHOP, "KmsKeyArn": "l"}}, api)
    assert isinstance(failure, ResourceNotFoundError)
    assert response["PhysicalResourceId"] == f"{ACCOUNT}:AnomalyDetector:none"


def test_an_unexpected_error_is_a_failure_with_a_short_reason() -> None:
    def call(*_: Any) -> dict[str, Any]:
        raise ZeroDivisionError("😀\x00\n" * 5_000)

    failure, response = sent(request("Create", SHOP), call)
    assert isinstance(failure, ZeroDivisionError)
    assert response["Reason"].startswith("ZeroDivisionError: 😀")


def test_a_response_is_sent_before_the_functions_time_is_over() -> None:
    goes_on, calls = threading.Event(), []

    def call(operation: str, members: Mapping[str, Any]) -> dict[str, Any]:
        calls.append(operation)
        assert goes_on.wait(60)
        return {"AnomalyDetectorArn": f"{ACCOUNT}:AnomalyDetector:shop"}

    failure, response = sent(request("Create", SHOP), call, seconds=20.1)
    assert response["Status"] == "FAILED"
    assert response["Reason"] == "UnfinishedError: the time of the function was over before the end"
    assert response["PhysicalResourceId"] == f"unfinished/r-1/{ACCOUNT}:AnomalyDetector:shop"
    assert str(failure) in response["Reason"]
    # What still runs makes nothing more.
    worker = next(thread for thread in threading.enumerate() if thread.daemon and thread.name.endswith("(work)"))
    goes_on.set()
    worker.join(60)
    assert calls == ["CreateAnomalyDetector"]


def test_a_response_that_does_not_arrive_is_sent_again_and_then_raised(api: FakeApi) -> None:
    attempts: list[str] = []

    def send(url: str, _: bytes) -> None:
        attempts.append(url)
        raise OSError("no route")

    with pytest.raises(OSError, match="no route"):
        respond(request("Create", SHOP), api, lambda: timedelta(minutes=1), send)
    assert attempts == ["https://responses/x?y=z"] * 3
