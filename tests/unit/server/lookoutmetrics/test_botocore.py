"""Today's botocore with the files of `anomalake client install` serialises operations and parses answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

from anomalake.definitions.resource_errors import (
    AccessRefusedError,
    InvalidRequestError,
    QuotaExceededError,
    ResourceConflictError,
    ResourceNotFoundError,
)
from anomalake.server.lookoutmetrics.answering import answer
from anomalake.server.lookoutmetrics.clients import install
from anomalake.server.lookoutmetrics.operations import OPERATIONS, Operation
from anomalake.server.lookoutmetrics.requests import ApiRequest
from anomalake.server.lookoutmetrics.responses import ApiResponse
from tests.support.lookoutmetrics import (
    DETECTOR_ARN,
    METRIC_SET_ARN,
    NO_WORKSPACE,
    Recorded,
    client_of,
    full_value,
    handling,
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    install(folder, "http://127.0.0.1:8765")
    return folder


@pytest.fixture(autouse=True)
def data_path(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DATA_PATH", str(models))


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture(scope="module")
def shared(models: Path, recorded: Recorded) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DATA_PATH", str(models))
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        yield client_of(recorded.answer)


def method(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.parametrize("largest", [False, True], ids=["least", "largest"])
def test_an_operation_arrives_and_its_answer_is_read(
    operation: Operation, largest: bool, shared: Any, recorded: Recorded
) -> None:
    members = full_value(operation.input, largest=largest)
    parsed = getattr(shared, method(operation.name))(**members)
    assert recorded.calls[-1] == (operation.name, members)
    metadata = parsed.pop("ResponseMetadata")
    assert metadata["HTTPStatusCode"] == operation.status
    assert metadata["RequestId"]
    assert parsed == full_value(operation.output)


@pytest.mark.parametrize("arn", [DETECTOR_ARN, METRIC_SET_ARN, "arn:aws:x:y:z:Café/a+b %41"])
def test_tags_are_routed_by_the_arn_in_the_path(arn: str, shared: Any, recorded: Recorded) -> None:
    assert shared.list_tags_for_resource(ResourceArn=arn)["Tags"] == full_value(OPERATIONS["CreateAlert"].input)["Tags"]
    assert recorded.calls[-1] == ("ListTagsForResource", {"ResourceArn": arn})
    shared.tag_resource(ResourceArn=arn, Tags={"k =+": " é "})
    assert recorded.calls[-1] == ("TagResource", {"ResourceArn": arn, "Tags": {"k =+": " é "}})
    shared.untag_resource(ResourceArn=arn, TagKeys=["a b", "c+d", "é"])
    assert recorded.calls[-1] == ("UntagResource", {"ResourceArn": arn, "TagKeys": ["a b", "c+d", "é"]})


def test_a_call_without_members_arrives(shared: Any, recorded: Recorded) -> None:
    shared.list_metric_sets()
    assert recorded.calls[-1] == ("ListMetricSets", {})


def test_the_client_checks_what_is_required_and_least(shared: Any) -> None:
    with pytest.raises(ParamValidationError, match="AnomalyDetectorConfig"):
        shared.create_anomaly_detector(AnomalyDetectorName="shop")
    with pytest.raises(ParamValidationError, match="MaxResults"):
        shared.list_alerts(MaxResults=0)


@pytest.mark.parametrize(
    ("error", "name", "status", "members"),
    [
        (
            ResourceNotFoundError("no detector x", "arn:x", "AnomalyDetector"),
            "ResourceNotFoundException",
            400,
            {"ResourceId": "arn:x", "ResourceType": "AnomalyDetector"},
        ),
        (
            ResourceConflictError("is there", "shop", "AnomalyDetector"),
            "ConflictException",
            409,
            {"ResourceId": "shop", "ResourceType": "AnomalyDetector"},
        ),
        (
            QuotaExceededError("one metric set", "shop", "MetricSet"),
            "ServiceQuotaExceededException",
            402,
            {"ResourceId": "shop", "ResourceType": "MetricSet", "ServiceCode": "lookoutmetrics"},
        ),
        (AccessRefusedError("bucket b"), "AccessDeniedException", 403, {}),
        (InvalidRequestError("no"), "ValidationException", 400, {"Reason": "OTHER"}),
        (
            InvalidRequestError("no", (("MetricList[0]", "is bad"),)),
            "ValidationException",
            400,
            {"Reason": "FIELD_VALIDATION_FAILED", "Fields": [{"Name": "MetricList[0]", "Message": "is bad"}]},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors_have_their_types_and_members(error: Exception, name: str, status: int, members: dict[str, Any]) -> None:
    def failing(request: ApiRequest) -> ApiResponse:
        return answer(request, NO_WORKSPACE, handling(error, "CreateMetricSet"), lambda line, error: None)

    client = client_of(failing)
    with pytest.raises(getattr(client.exceptions, name)) as caught:
        client.create_metric_set(**full_value(OPERATIONS["CreateMetricSet"].input))
    response = caught.value.response
    metadata = response.pop("ResponseMetadata")
    assert metadata["HTTPStatusCode"] == status
    assert response.pop("Error") == {"Code": name, "Message": str(error)}
    assert {key: value for key, value in response.items() if key.lower() != "message"} == members


def test_a_fault_of_the_server_is_sent_again() -> None:
    requests = []

    def failing(request: ApiRequest) -> ApiResponse:
        requests.append(request)
        return answer(request, NO_WORKSPACE, {}, lambda line, error: None)

    client = client_of(failing, config=Config(retries={"total_max_attempts": 2, "mode": "standard"}))
    with pytest.raises(ClientError) as caught:
        client.list_alerts()
    assert isinstance(caught.value, client.exceptions.InternalServerException)
    assert len(requests) == 2


def sent_by_client(**options: Any) -> tuple[str, str]:
    """Send a request; return its URL, and the scope of its signature."""
    seen: list[tuple[str, str]] = []

    def note(request: AWSPreparedRequest) -> None:
        authorization = request.headers["Authorization"]
        text = authorization.decode() if isinstance(authorization, bytes) else authorization
        seen.append((request.url, text.partition("Credential=")[2].partition(",")[0].partition("/")[2][9:]))

    def empty(request: ApiRequest) -> ApiResponse:
        return ApiResponse(200, {}, b"{}")

    client_of(empty, note, **options).list_alerts()
    [one] = seen
    return one


def test_requests_go_to_the_installed_url_and_are_signed_for_the_clients_region() -> None:
    assert sent_by_client() == ("http://127.0.0.1:8765/ListAlerts", "us-east-1/lookoutmetrics/aws4_request")


@pytest.mark.parametrize(
    ("url", "options", "sent"),
    [
        (
            "https://abc1.lambda-url.eu-central-1.on.aws/",
            {},
            ("https://abc1.lambda-url.eu-central-1.on.aws/ListAlerts", "eu-central-1/lambda/aws4_request"),
        ),
        (
            "https://example.com/stage/l4m",
            {"region": "eu-west-1", "signing_name": "lambda"},
            ("https://example.com/stage/l4m/ListAlerts", "eu-west-1/lambda/aws4_request"),
        ),
        ("http://[::1]:80", {}, ("http://[::1]:80/ListAlerts", "us-east-1/lookoutmetrics/aws4_request")),
    ],
)
def test_other_urls_and_signatures(
    url: str, options: dict[str, str], sent: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, url, **options)
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    assert sent_by_client() == sent


def test_an_endpoint_of_the_script_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "https://example.com/", signing_name="lambda")
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    assert sent_by_client(endpoint_url="http://localhost:1") == (
        "http://localhost:1/ListAlerts",
        "us-east-1/lambda/aws4_request",
    )
