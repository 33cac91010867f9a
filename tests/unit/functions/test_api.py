"""The function api: requests of a function URL, and its environment."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from anomalake.aws.detector_files import DetectorFiles
from anomalake.aws.environment import ApiEnvironment, EnvironmentVariableError
from anomalake.aws.function_jobs import FunctionJobs
from anomalake.server.lookoutmetrics.function_url import FunctionUrlError, request_of
from anomalake.services.workspace import Account, Bounds, Workspace
from anomalake.storage.objects import memory_store
from functions.api.app import respond

DETECT, BACKTEST = (f"arn:aws:lambda:eu-west-1:123456789012:function:my-{name}" for name in ("detect", "backtest"))
GOOD = {
    "ANOMALAKE_LAKE": "s3://my-bucket/lake",
    "ANOMALAKE_DETECTORS": "s3://my-bucket/detectors",
    "ANOMALAKE_ACCOUNT": "123456789012",
    "ANOMALAKE_PARTITION": "aws-us-gov",
    "AWS_REGION": "eu-west-1",
    "ANOMALAKE_DETECT": DETECT,
    "ANOMALAKE_BACKTEST": BACKTEST,
    "ANOMALAKE_SOURCES": "my-bucket,kpi-data",
    "ANOMALAKE_TARGETS": (
        "arn:aws:sns:eu-west-1:123456789012:anomalies,arn:aws:lambda:eu-west-1:123456789012:function:n-*"
    ),
}


def event(method: str, path: str, body: str = "", query: str = "", **more: Any) -> dict[str, Any]:
    """A request of a function URL, payload format 2.0."""
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"Content-Type": "application/json", "authorization": "AWS4-HMAC-SHA256 Credential=…"},
        "requestContext": {"http": {"method": method, "path": path}, "requestId": "1"},
        "body": body,
        "isBase64Encoded": False,
        **more,
    }


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(
        lake=str(tmp_path),
        store=memory_store(),
        files=DetectorFiles(str(tmp_path / "detectors"), "eu-west-1", "123456789012"),
        account=Account("aws", "eu-west-1", "123456789012"),
        now=lambda: datetime(2026, 11, 27, tzinfo=UTC),
        jobs=FunctionJobs(DETECT, BACKTEST),
    )


def test_an_event_becomes_a_request() -> None:
    body = base64.b64encode(b'{"a": 1}').decode()
    request = request_of(event("POST", "/tags/arn%3Aaws", body, "tagKeys=a&tagKeys=b", isBase64Encoded=True))
    assert (request.method, request.path, request.query) == ("POST", "/tags/arn%3Aaws", "tagKeys=a&tagKeys=b")
    assert request.body == b'{"a": 1}'
    assert request.headers["content-type"] == "application/json"
    assert request_of(event("GET", "/tags/x")).body == b""


@pytest.mark.parametrize(
    "invalid",
    [
        None,
        [],
        {},
        {"requestContext": {"http": None}},
        event("POST", "/CreateAlert", "no base64!", isBase64Encoded=True),
        event("POST", "/CreateAlert", body="{}", headers=[]),
    ],
)
def test_an_event_that_is_no_request_is_refused(invalid: Any) -> None:
    with pytest.raises(FunctionUrlError, match="expected a request of a function URL"):
        request_of(invalid)


def test_a_request_is_answered_in_the_form_of_a_function_url(workspace: Workspace) -> None:
    result = respond(event("POST", "/NoSuchOperation", "{}"), workspace, "id-1")
    assert result["statusCode"] == 400
    assert result["headers"]["x-amzn-ErrorType"] == "ValidationException"
    assert json.loads(result["body"])["Reason"] == "UNKNOWN_OPERATION"


def test_the_environment_is_read() -> None:
    read = ApiEnvironment.read(GOOD)
    assert read == ApiEnvironment(
        "s3://my-bucket/lake",
        "s3://my-bucket/detectors",
        DETECT,
        BACKTEST,
        ("my-bucket", "kpi-data"),
        (
            "arn:aws:sns:eu-west-1:123456789012:anomalies",
            "arn:aws:lambda:eu-west-1:123456789012:function:n-*",
        ),
        "aws-us-gov",
        "eu-west-1",
        "123456789012",
    )
    # Without these parameters no target is allowed, not every one.
    assert Bounds(read.sources, ApiEnvironment.read({**GOOD, "ANOMALAKE_TARGETS": ""}).targets).targets == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANOMALAKE_SOURCES", "my-bucket,"),
        ("ANOMALAKE_SOURCES", "*"),
        ("ANOMALAKE_TARGETS", "arn:aws:s3:::bucket"),
        ("ANOMALAKE_TARGETS", "*"),
        ("ANOMALAKE_PARTITION", "aws:x"),
        ("ANOMALAKE_BACKTEST", ""),
    ],
)
def test_an_invalid_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(EnvironmentVariableError, match=name):
        ApiEnvironment.read({**GOOD, name: value})
