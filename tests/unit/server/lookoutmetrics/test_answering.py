"""From a request to its response: routing, validation, errors and answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from anomalake.definitions.resource_errors import AccessRefusedError, ResourceConflictError
from anomalake.errors import AnomalakeError
from anomalake.server.lookoutmetrics.answering import answer
from anomalake.server.lookoutmetrics.handlers import all_handlers
from anomalake.server.lookoutmetrics.handling import Handler, Members
from anomalake.server.lookoutmetrics.operations import OPERATIONS
from anomalake.server.lookoutmetrics.requests import LONGEST_PATH, MOST_BYTES, ApiRequest
from anomalake.server.lookoutmetrics.responses import ApiResponse
from anomalake.server.lookoutmetrics.validation import MOST_PROBLEMS
from anomalake.services.workspace import Workspace
from anomalake.storage.store import StoreError
from tests.support.lookoutmetrics import (
    DETECTOR_ARN,
    MADE_AT,
    METRIC_SET_ARN,
    NO_WORKSPACE,
    Recorded,
    full_value,
    handling,
)

JSON = {"Content-Type": "application/json", "x-amzn-RequestId": "id-1"}


def post(name: str, body: object) -> ApiRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ApiRequest("POST", f"/{name}", "", {}, raw)


def sent(
    request: ApiRequest, handlers: Mapping[str, Handler] | None = None, reported: list[str] | None = None
) -> ApiResponse:
    def report(line: str, error: Exception) -> None:
        if reported is None:
            raise AssertionError(line) from error
        reported.append(line)

    return answer(request, NO_WORKSPACE, handlers or {}, report, "id-1")


def refused(request: ApiRequest) -> dict[str, Any]:
    """Return the body of a ValidationException."""
    response = sent(request)
    assert response.status == 400
    assert dict(response.headers) == {**JSON, "x-amzn-ErrorType": "ValidationException"}
    body: dict[str, Any] = json.loads(response.body)
    return body


def fields(operation: str, **changes: object) -> list[tuple[str, str]]:
    """Return the invalid fields of a request: a full one with changes, where ... leaves a member out."""
    members = {**full_value(OPERATIONS[operation].input), **changes}
    body = refused(post(operation, {name: value for name, value in members.items() if value is not ...}))
    assert body["Reason"] == "FIELD_VALIDATION_FAILED"
    found = [(field["Name"], field["Message"]) for field in body["Fields"]]
    assert all(name in body["Message"] and message in body["Message"] for name, message in found)
    return found


# ---- routing ----


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/"),
        ("POST", ""),
        ("POST", "/Nothing"),
        ("POST", "/createalert"),
        ("POST", "/CreateAlert/"),
        ("POST", "//CreateAlert"),
        ("POST", "/TagResource"),
        ("GET", "/ListAlerts"),
        ("PUT", f"/tags/{DETECTOR_ARN}"),
        ("GET", "/tags"),
        ("GET", "/tags/" + "x" * LONGEST_PATH),
        ("OPTIONS", "*"),
    ],
)
def test_other_paths_and_methods_are_unknown_operations(method: str, path: str) -> None:
    body = refused(ApiRequest(method, path, "", {}, b"{}"))
    assert body["Reason"] == "UNKNOWN_OPERATION"
    assert "Fields" not in body


@pytest.mark.parametrize("path", [METRIC_SET_ARN.replace(" ", "%20"), METRIC_SET_ARN, "arn%3Aaws%3Ax%3Ay%3Az%3Aa%2Fb"])
def test_the_arn_of_tags_is_encoded_or_not(path: str) -> None:
    recorded = Recorded()
    assert recorded.answer(ApiRequest("GET", f"/tags/{path}", "", {}, b"")).status == 200
    expected = METRIC_SET_ARN if "shop" in path else "arn:aws:x:y:z:a/b"
    assert recorded.calls == [("ListTagsForResource", {"ResourceArn": expected})]


def test_answers_to_changes_of_tags_have_no_body() -> None:
    recorded = Recorded()
    response = recorded.answer(ApiRequest("DELETE", f"/tags/{DETECTOR_ARN}", "tagKeys=a&x=y&tagKeys=b%2Bc", {}, b""))
    assert (response.status, response.body) == (204, b"")
    assert "Content-Type" not in response.headers
    assert recorded.calls == [("UntagResource", {"ResourceArn": DETECTOR_ARN, "TagKeys": ["a", "b+c"]})]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/tags/%ff", "tagKeys=a"),
        (f"/tags/{DETECTOR_ARN}", "tagKeys=%ff"),
        (f"/tags/{DETECTOR_ARN}", "tagKeys=a&" * 201),
        (f"/tags/{DETECTOR_ARN}", "tagKeys=" + "a" * LONGEST_PATH * 4),
        ("/tags/\udcff", "tagKeys=a"),
    ],
)
def test_paths_and_queries_that_cannot_be_read(path: str, query: str) -> None:
    assert refused(ApiRequest("DELETE", path, query, {}, b""))["Reason"] == "CANNOT_PARSE"


def test_untagging_wants_keys() -> None:
    body = refused(ApiRequest("DELETE", f"/tags/{DETECTOR_ARN}", "", {}, b""))
    assert [field["Name"] for field in body["Fields"]] == ["TagKeys"]


# ---- bodies ----


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b"[]",
        b'"x"',
        b"null",
        b'{"MaxResults": NaN}',
        b'{"MaxResults": 1, "MaxResults": 2}',
        b'{"MaxResults": ' + b"9" * 500 + b"}",
        b"[" * 100_000,
        b'{"a":' * 200 + b"1" + b"}" * 200,
        b" " * (MOST_BYTES + 1),
    ],
    ids=range(11),
)
def test_bodies_that_are_no_object(body: bytes) -> None:
    assert refused(post("ListAlerts", body))["Reason"] == "CANNOT_PARSE"


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b'{"MaxResults": null, "NextToken": null}'])
def test_empty_bodies_and_null_members_are_members_that_are_not_there(body: bytes) -> None:
    recorded = Recorded()
    assert recorded.answer(post("ListAlerts", body)).status == 200
    assert recorded.calls == [("ListAlerts", {})]


# ---- limits ----


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_required_member_is_required_and_no_other_one_taken(operation: Any) -> None:
    if operation.locations:
        return
    found = fields(operation.name, **dict.fromkeys(operation.input.members, ...), Other=1)
    assert [name for name, _ in found] == [*operation.input.required, "Other"]
    assert all(message.startswith("is missing") for _, message in found[:-1])


METRIC = {"MetricName": "views", "AggregationFunction": "SUM"}
UNKNOWN = "arn:aws:iam::123456789012:role/r"


@pytest.mark.parametrize(
    ("operation", "member", "value", "path"),
    [
        ("CreateAnomalyDetector", "AnomalyDetectorName", "", ""),
        ("CreateAnomalyDetector", "AnomalyDetectorName", "a" * 64, ""),
        ("CreateAnomalyDetector", "AnomalyDetectorName", "-a", ""),
        ("CreateAnomalyDetector", "AnomalyDetectorName", "a b", ""),
        ("CreateAnomalyDetector", "AnomalyDetectorName", "shop\n", ""),
        ("CreateAnomalyDetector", "AnomalyDetectorName", 1, ""),
        ("CreateAnomalyDetector", "AnomalyDetectorDescription", "", ""),
        ("CreateAnomalyDetector", "AnomalyDetectorDescription", " \n\t", ""),
        ("CreateAnomalyDetector", "AnomalyDetectorDescription", "a" * 257, ""),
        ("CreateAnomalyDetector", "AnomalyDetectorDescription", "\ud800", ""),
        ("CreateAnomalyDetector", "AnomalyDetectorConfig", "PT1H", ""),
        ("CreateAnomalyDetector", "AnomalyDetectorConfig", {"AnomalyDetectorFrequency": "PT2H"}, ".A…Frequency"),
        ("CreateAnomalyDetector", "KmsKeyArn", "alias/aws/sns", ""),
        ("CreateAnomalyDetector", "KmsKeyArn", "arn:aws:kms:us-east-1:123456789012:alias/x", ""),
        ("CreateAnomalyDetector", "Tags", {}, ""),
        ("CreateAnomalyDetector", "Tags", [], ""),
        ("CreateAnomalyDetector", "Tags", {f"k{number}": "" for number in range(51)}, ""),
        ("CreateAnomalyDetector", "Tags", {"": "v"}, ""),
        ("CreateAnomalyDetector", "Tags", {"k" * 129: "v"}, ""),
        ("CreateAnomalyDetector", "Tags", {"AWS:k": "v"}, ""),
        ("CreateAnomalyDetector", "Tags", {"k!": "v"}, ""),
        ("CreateAnomalyDetector", "Tags", {"k": "v" * 257}, ".k"),
        ("CreateAnomalyDetector", "Tags", {"k": "v\n"}, ".k"),
        ("CreateAnomalyDetector", "Tags", {"k": 1}, ".k"),
        ("CreateAnomalyDetector", "Tags", {"k": None}, ".k"),
        ("DescribeAnomalyDetector", "AnomalyDetectorArn", "shop", ""),
        ("DescribeAnomalyDetector", "AnomalyDetectorArn", "arn:aws:a:b:c:", ""),
        ("DescribeAnomalyDetector", "AnomalyDetectorArn", f"{DETECTOR_ARN}{'p' * 200}", ""),
        ("ListAnomalyDetectors", "MaxResults", 0, ""),
        ("ListAnomalyDetectors", "MaxResults", 101, ""),
        ("ListAnomalyDetectors", "MaxResults", 1.5, ""),
        ("ListAnomalyDetectors", "MaxResults", "10", ""),
        ("ListAnomalyDetectors", "MaxResults", True, ""),
        ("ListAnomalyDetectors", "NextToken", "", ""),
        ("ListAnomalyDetectors", "NextToken", "x" * 3_001, ""),
        ("CreateMetricSet", "MetricList", [], ""),
        ("CreateMetricSet", "MetricList", METRIC, ""),
        ("CreateMetricSet", "MetricList", [METRIC, None], "[1]"),
        ("CreateMetricSet", "MetricList", [METRIC, {**METRIC, "MetricName": "net sales"}], "[1].MetricName"),
        ("CreateMetricSet", "MetricList", [{**METRIC, "AggregationFunction": "MAX"}], "[0].AggregationFunction"),
        ("CreateMetricSet", "MetricList", [{**METRIC, "Namespace": ":x"}], "[0].Namespace"),
        ("CreateMetricSet", "MetricList", [METRIC] * 10_001, ""),
        ("CreateMetricSet", "Offset", -1, ""),
        ("CreateMetricSet", "Offset", 432_001, ""),
        ("CreateMetricSet", "Timezone", "x" * 61, ""),
        ("CreateMetricSet", "Timezone", " ", ""),
        ("CreateMetricSet", "DimensionList", [], ""),
        ("CreateMetricSet", "DimensionList", ["a.b"], "[0]"),
        ("CreateMetricSet", "TimestampColumn", {"ColumnFormat": "y" * 64}, ".ColumnFormat"),
        ("CreateMetricSet", "MetricSetFrequency", "PT15M", ""),
        ("CreateMetricSet", "MetricSource", {}, ""),
        ("CreateMetricSet", "MetricSource", {"CloudWatchConfig": {}, "AppFlowConfig": {}}, ""),
        ("CreateMetricSet", "MetricSource", {"AppFlowConfig": {"FlowName": "x"}}, ".AppFlowConfig.FlowName"),
        ("CreateMetricSet", "DimensionFilterList", [{"FilterList": []}], "[0].FilterList"),
        (
            "CreateMetricSet",
            "DimensionFilterList",
            [{"FilterList": [{"FilterOperation": "NOT"}]}],
            "[0].FilterList[0].FilterOperation",
        ),
        ("CreateAlert", "AlertSensitivityThreshold", 101, ""),
        ("CreateAlert", "AlertSensitivityThreshold", -1, ""),
        ("CreateAlert", "AlertDescription", "a" * 257, ""),
        ("CreateAlert", "Action", {}, ""),
        ("CreateAlert", "Action", {"SNSConfiguration": {"RoleArn": UNKNOWN}}, ".SNSConfiguration.SnsTopicArn"),
        (
            "CreateAlert",
            "Action",
            {"SNSConfiguration": {"RoleArn": UNKNOWN, "SnsTopicArn": UNKNOWN, "SnsFormat": "XML"}},
            ".SNSConfiguration.SnsFormat",
        ),
        ("CreateAlert", "AlertFilters", {"MetricList": ["m"] * 6}, ".MetricList"),
        ("CreateAlert", "AlertFilters", {"DimensionFilterList": []}, ".DimensionFilterList"),
        (
            "CreateAlert",
            "AlertFilters",
            {"DimensionFilterList": [{"DimensionValueList": ["v"] * 11}]},
            ".DimensionFilterList[0].DimensionValueList",
        ),
        ("GetAnomalyGroup", "AnomalyGroupId", "0a1b2c3d-0000-4000-8000-00000000000G", ""),
        ("GetAnomalyGroup", "AnomalyGroupId", "x/../y", ""),
        ("ListAnomalyGroupSummaries", "SensitivityThreshold", 50.5, ""),
        ("ListAnomalyGroupTimeSeries", "MetricName", "m" * 257, ""),
        ("ListAnomalyGroupTimeSeries", "MetricName", " ", ""),
        ("ListAnomalyGroupRelatedMetrics", "RelationshipTypeFilter", "SAME_TIME", ""),
        ("PutFeedback", "AnomalyGroupTimeSeriesFeedback", {}, ".IsAnomaly"),
        ("DescribeAnomalyDetectionExecutions", "Timestamp", "2021-13-17T11:00:00Z", ""),
        ("DescribeAnomalyDetectionExecutions", "Timestamp", 1613559600, ""),
        ("GetSampleData", "S3SourceConfig", {"FileFormatDescriptor": {}}, ".RoleArn"),
    ],
)
def test_a_limit_is_checked(operation: str, member: str, value: object, path: str) -> None:
    expected = f"{member}{path}".replace("A…Frequency", "AnomalyDetectorFrequency")
    assert expected in [name for name, _ in fields(operation, **{member: value})]


FORMAT = {"Charset": "UTF-8", "Delimiter": ","}


@pytest.mark.parametrize(
    ("name", "value"),
    [("Charset", "utf 8"), ("Charset", "u" * 64), ("Delimiter", ""), ("Delimiter", "\n"), ("Delimiter", ",,"),
     ("QuoteSymbol", "''"), ("QuoteSymbol", "\r"), ("FileCompression", "ZIP"), ("ContainsHeader", "true"),
     ("HeaderList", ["a", ""])],
)  # fmt: skip
def test_a_limit_of_files_is_checked(name: str, value: object) -> None:
    source = {"FileFormatDescriptor": {"CsvFormatDescriptor": {**FORMAT, name: value}}}
    [(path, _)] = fields("CreateMetricSet", MetricSource={"S3SourceConfig": source})
    expected = f"MetricSource.S3SourceConfig.FileFormatDescriptor.CsvFormatDescriptor.{name}"
    assert path == (f"{expected}[1]" if name == "HeaderList" else expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TemplatedPathList", []),
        ("TemplatedPathList", ["s3://b/x", "s3://b/y"]),
        ("TemplatedPathList", "s3://b/x"),
        ("TemplatedPathList", ["s3://b/*"]),
        ("HistoricalDataPathList", ["/etc/passwd"]),
        ("HistoricalDataPathList", ["s3://b/" + "x" * 1_024]),
        ("RoleArn", "role"),
    ],
)
def test_a_limit_of_paths_is_checked(name: str, value: object) -> None:
    found = fields("CreateMetricSet", MetricSource={"S3SourceConfig": {name: value}})
    assert [path.rstrip("0[]") for path, _ in found] == [f"MetricSource.S3SourceConfig.{name}"]


@pytest.mark.parametrize(
    ("source", "name", "value"),
    [
        ("AthenaSourceConfig", "DatabaseName", "a-b"),
        ("AthenaSourceConfig", "TableName", "t" * 129),
        ("AthenaSourceConfig", "WorkGroupName", "w/g"),
        ("AthenaSourceConfig", "DataCatalog", "\x00"),
        ("AthenaSourceConfig", "S3ResultsPath", "bucket"),
        ("RDSSourceConfig", "DatabasePort", 0),
        ("RDSSourceConfig", "DBInstanceIdentifier", "a--b"),
        ("RDSSourceConfig", "SecretManagerArn", "arn:aws:secretsmanager:r:1:secret:other"),
        ("RedshiftSourceConfig", "ClusterIdentifier", "Upper"),
        ("RedshiftSourceConfig", "DatabaseHost", ""),
    ],
)
def test_a_limit_of_databases_is_checked(source: str, name: str, value: object) -> None:
    [(path, _)] = fields("CreateMetricSet", MetricSource={source: {name: value}})
    assert path == f"MetricSource.{source}.{name}"


@pytest.mark.parametrize(
    ("operation", "changes"),
    [
        ("CreateAnomalyDetector", {"AnomalyDetectorDescription": "two\nlines", "AnomalyDetectorName": "a" * 63}),
        ("CreateAnomalyDetector", {"Tags": {"k" * 128: "", "Ä b_.:/=+@-": "v" * 256}}),
        ("ListAlerts", {"MaxResults": 50.0}),
        ("ListAnomalyGroupTimeSeries", {"MetricName": "net sales: EUR"}),
        ("DescribeAnomalyDetectionExecutions", {"Timestamp": "2021-02-17T11:00Z[UTC]"}),
        ("DescribeAnomalyDetectionExecutions", {"Timestamp": "2021-02-17T12:00:00+01:00[Europe/Paris]"}),
    ],
)
def test_what_is_within_the_limits_is_taken(operation: str, changes: dict[str, object]) -> None:
    recorded = Recorded()
    response = recorded.answer(post(operation, {**full_value(OPERATIONS[operation].input), **changes}))
    assert response.status == 200, response.body
    [(_, members)] = recorded.calls
    assert changes.items() <= members.items()


def test_all_problems_are_said_at_once_with_value_and_expectation() -> None:
    found = fields("CreateAlert", AlertName="a b", AlertSensitivityThreshold=101, Action=..., Tgas={})
    assert found == [
        ("Action", "is missing; it is required"),
        ("AlertName", "'a b': expected letters, digits, - and _, the first one a letter or digit (1 to 63 characters)"),
        ("AlertSensitivityThreshold", "101: expected an integer from 0 to 100"),
        (
            "Tgas",
            "is not known; expected AlertName, AnomalyDetectorArn, AlertDescription, AlertSensitivityThreshold, "
            "Action, AlertFilters, Tags",
        ),
    ]


def test_problems_are_bounded() -> None:
    body = refused(post("CreateMetricSet", {"x" * 10_000: 1, "MetricList": [None] * 10_000}))
    assert len(body["Fields"]) == MOST_PROBLEMS
    assert len(body["Message"]) <= 2_000
    assert all(len(field["Message"]) < 400 and len(field["Name"]) < 200 for field in body["Fields"])


# ---- what handlers do ----


def test_an_error_that_the_operation_does_not_have_is_a_validation_exception() -> None:
    error = ResourceConflictError("is active", DETECTOR_ARN, "AnomalyDetector")
    request = post("BackTestAnomalyDetector", {"AnomalyDetectorArn": DETECTOR_ARN})
    response = sent(request, handling(error, "BackTestAnomalyDetector"))
    assert response.headers["x-amzn-ErrorType"] == "ValidationException"
    assert json.loads(response.body) == {"Message": "is active", "Reason": "OTHER"}
    tags = ApiRequest("GET", f"/tags/{DETECTOR_ARN}", "", {}, b"")
    assert sent(tags, handling(AccessRefusedError("no"), "ListTagsForResource")).status == 400


def test_an_error_of_the_call_is_a_validation_exception() -> None:
    class ManyProblemsError(AnomalakeError, ValueError):
        problems = ("one: is bad", "two: is bad")

    response = sent(post("ListAlerts", {}), handling(ManyProblemsError("2"), "ListAlerts"))
    assert json.loads(response.body) == {"Message": "one: is bad; two: is bad", "Reason": "OTHER"}


def test_a_fault_of_the_store_is_reported_and_internal() -> None:
    reported: list[str] = []
    response = sent(post("ListAlerts", {}), handling(StoreError("bucket b: slow down"), "ListAlerts"), reported)
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (500, "InternalServerException")
    assert json.loads(response.body) == {"Message": "the lake could not be read or written: bucket b: slow down"}
    assert reported == ["ListAlerts id-1: bucket b: slow down"]


@pytest.mark.parametrize("error", [ZeroDivisionError("secret"), RecursionError(), OSError("x\ny")])
def test_an_unexpected_error_is_reported_and_says_nothing(error: Exception) -> None:
    reported: list[str] = []
    response = sent(post("ListAlerts", {}), handling(error, "ListAlerts"), reported)
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (500, "InternalServerException")
    assert json.loads(response.body) == {"Message": "unexpected error; the server's log has it under request id-1"}
    [line] = reported
    assert line.startswith(f"ListAlerts id-1: {type(error).__name__}")
    assert "\n" not in line


def test_an_operation_without_a_handler_is_internal() -> None:
    reported: list[str] = []
    assert sent(post("ListAlerts", {}), {}, reported).status == 500
    assert reported == ["ListAlerts id-1: KeyError: 'ListAlerts'"]


def test_each_request_has_an_id_of_its_own() -> None:
    recorded = Recorded()
    ids = {recorded.answer(post("ListAlerts", {})).headers["x-amzn-RequestId"] for _ in range(3)}
    assert len(ids) == 3


# ---- answers ----


def answering(operation: str, members: dict[str, Any]) -> Mapping[str, Handler]:
    def handle(workspace: Workspace, given: Members) -> dict[str, Any]:
        return members

    return {operation: handle}


def answered(operation: str, members: dict[str, Any]) -> Any:
    response = sent(post(operation, full_value(OPERATIONS[operation].input)), answering(operation, members))
    assert (response.status, dict(response.headers)) == (200, JSON)
    return json.loads(response.body)


def test_times_are_epoch_seconds_and_members_without_a_value_are_left_out() -> None:
    members = {
        "CreationTime": MADE_AT,
        "FailureReason": None,
        "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": None},
    }
    assert answered("DescribeAnomalyDetector", members) == {
        "CreationTime": 1612994728.528,
        "AnomalyDetectorConfig": {},
    }


def test_nothing_is_an_empty_object() -> None:
    assert answered("PutFeedback", {}) == {}


def test_numbers_that_are_not_finite_are_null() -> None:
    values = [1, 2.5, Decimal("0.1"), np.float64(3), np.int64(4), None, float("nan"), float("-inf")]
    series = {"TimeSeriesId": "s", "DimensionList": (), "MetricValueList": values}
    [one] = answered("ListAnomalyGroupTimeSeries", {"TimeSeriesList": [series]})["TimeSeriesList"]
    assert one["MetricValueList"] == [1, 2.5, 0.1, 3, 4, None, None, None]
    statistics = {"TotalCount": np.int64(7)}
    assert answered("ListAnomalyGroupSummaries", {"AnomalyGroupStatistics": statistics}) == {
        "AnomalyGroupStatistics": {"TotalCount": 7}
    }


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"Other": 1}, "DescribeAnomalyDetectorResponse.Other"),
        ({"Status": 1}, "DescribeAnomalyDetectorResponse.Status"),
        ({"CreationTime": "2021"}, "DescribeAnomalyDetectorResponse.CreationTime"),
        ({"CreationTime": datetime(2021, 1, 1)}, "DescribeAnomalyDetectorResponse.CreationTime"),
        ({"AnomalyDetectorConfig": []}, "DescribeAnomalyDetectorResponse.AnomalyDetectorConfig"),
        ({"AnomalyDetectorConfig": {"AnomalyDetectorFrequency": 1}}, "AnomalyDetectorConfigSummary.AnomalyDetectorFr"),
        ({"Status": [None]}, "DescribeAnomalyDetectorResponse.Status: list; expected Text"),
    ],
)
def test_an_answer_that_the_operation_does_not_have_is_a_fault_of_the_handler(
    members: dict[str, Any], place: str
) -> None:
    reported: list[str] = []
    request = post("DescribeAnomalyDetector", {"AnomalyDetectorArn": DETECTOR_ARN})
    assert sent(request, answering("DescribeAnomalyDetector", members), reported).status == 500
    assert place in reported[0]


@pytest.mark.parametrize("values", [[True], ["1"], [None, object()], "12"])
def test_values_of_a_series_are_numbers(values: object) -> None:
    reported: list[str] = []
    series = {"TimeSeriesId": "s", "DimensionList": [], "MetricValueList": values}
    request = post("ListAnomalyGroupTimeSeries", full_value(OPERATIONS["ListAnomalyGroupTimeSeries"].input))
    handlers = answering("ListAnomalyGroupTimeSeries", {"TimeSeriesList": [series]})
    assert sent(request, handlers, reported).status == 500
    assert "TimeSeries.MetricValueList: " in reported[0]


def test_handlers_are_those_of_operations() -> None:
    assert all_handlers().keys() == OPERATIONS.keys()
