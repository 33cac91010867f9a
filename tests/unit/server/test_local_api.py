"""The local server's API: signatures, the account, its mount beside the page."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.testclient import TestClient

from anomalake.definitions.detector_file import DEFAULT_ACCOUNT
from anomalake.page.page import page
from anomalake.server.accounts import AccountNumber
from anomalake.server.api_endpoint import Api
from anomalake.server.application import application
from anomalake.server.documents import Site
from anomalake.server.local_api import OptionError, job_settings, local_api
from anomalake.server.local_jobs import LocalJobs
from anomalake.server.lookoutmetrics.handling import Members
from anomalake.server.signatures import Scope, scope_of
from anomalake.services.workspace import Workspace
from anomalake.storage.objects import memory_store
from tests.support.documents import empty
from tests.support.patience import PATIENCE

SIGNATURE = "0" * 64
SCOPE = "AKID+/=x/20261127/eu-west-1/lookoutmetrics/aws4_request"
SIGNED = f"AWS4-HMAC-SHA256 Credential={SCOPE.replace('/=x', '')}, SignedHeaders=host;x-amz-date, Signature={SIGNATURE}"


def test_the_scope_of_a_signature_is_read() -> None:
    assert scope_of(SIGNED) == Scope("eu-west-1", "lookoutmetrics")
    # The order of its parts, and the spaces between them, do not matter.
    parts = SIGNED.removeprefix("AWS4-HMAC-SHA256 ").split(", ")
    assert scope_of("AWS4-HMAC-SHA256 " + ",".join(reversed(parts))) == Scope("eu-west-1", "lookoutmetrics")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer x",
        "Basic dXNlcjpwYXNz",
        SIGNED.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        SIGNED.replace("/aws4_request", ""),
        SIGNED.replace("/20261127", ""),
        SIGNED.replace(SIGNATURE, "0" * 63),
        SIGNED.replace("SignedHeaders=host;x-amz-date, ", ""),
        SIGNED.replace("eu-west-1", "eu west 1"),
        SIGNED + "," * 9_000,
    ],
)
def test_what_is_no_signature_is_refused(header: str | None) -> None:
    assert scope_of(header) is None


def test_the_account_is_asked_for_once() -> None:
    asked = []

    def ask() -> str:
        asked.append(1)
        return "123456789012"

    account = AccountNumber(ask=ask, most_seconds=PATIENCE)
    assert [account.get(), account.get()] == ["123456789012"] * 2
    assert asked == [1]
    assert AccountNumber("000000000042", ask=ask).get() == "000000000042"
    assert asked == [1]


def test_without_an_answer_the_account_is_zeros_and_stays() -> None:
    answers = threading.Event()

    def ask() -> str:
        answers.wait(PATIENCE)
        return "123456789012"

    said = list[str]()
    account = AccountNumber(ask=ask, report=said.append, most_seconds=0)
    assert account.get() == DEFAULT_ACCOUNT
    answers.set()
    assert account.get() == DEFAULT_ACCOUNT
    rest = "ARNs have the account 000000000000, --account gives another"
    assert said == [f"STS: no answer for 0 seconds; {rest}"]

    def fails() -> str:
        raise OSError("no route to host")

    assert AccountNumber(ask=fails, report=said.append, most_seconds=PATIENCE).get() == DEFAULT_ACCOUNT
    assert said[1:] == [f"STS: OSError: no route to host; {rest}"]
    # There are no credentials.
    assert AccountNumber(ask=lambda: None, report=said.append, most_seconds=PATIENCE).get() == DEFAULT_ACCOUNT
    assert len(said) == 2


class Calls:
    """A handler that remembers its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[Workspace, Members]] = []

    def __call__(self, workspace: Workspace, members: Members) -> dict[str, Any]:
        self.calls.append((workspace, members))
        return {}


def served(api: Api | None) -> TestClient:
    site = Site(empty, lambda packed, token: page(packed, token=token), memory_store(), lambda line: None)
    return TestClient(application(site, 8765, token="t", api=api), base_url="http://127.0.0.1:8765")


def test_page_and_api_share_the_root() -> None:
    calls, scopes = Calls(), []

    def workspace(scope: Scope) -> Workspace:
        scopes.append(scope)
        return cast(Workspace, scope)

    names = ("ListAnomalyDetectors", "ListTagsForResource", "UntagResource")
    client = served(Api(workspace, lambda: dict.fromkeys(names, calls), lambda line: None))
    signed = {"Authorization": SIGNED}
    assert client.post("/ListAnomalyDetectors", json={"MaxResults": 7}, headers=signed).status_code == 200
    assert scopes == [Scope("eu-west-1", "lookoutmetrics")]
    arn = "arn:aws:lookoutmetrics:eu-west-1:1:MetricSet/shop/rows"
    path = "/tags/" + arn.replace(":", "%3A").replace("/", "%2F")
    assert client.get(path, headers=signed).status_code == 200
    assert client.delete(f"{path}?tagKeys=a&tagKeys=b%20c", headers=signed).status_code == 204
    assert [members for _, members in calls.calls] == [
        {"MaxResults": 7},
        {"ResourceArn": arn},
        {"ResourceArn": arn, "TagKeys": ["a", "b c"]},
    ]
    # The page is there as before.
    assert client.get("/").status_code == 200
    assert client.post("/feedback", json={}, headers={"X-Anomalake-Token": "t"}).status_code == 400
    assert client.post("/feedback", json={}, headers=signed).status_code == 403


def test_requests_that_may_not_come_are_refused() -> None:
    calls = Calls()
    handlers = {"ListAnomalyDetectors": calls}
    client = served(Api(lambda scope: cast(Workspace, None), lambda: handlers, lambda line: None))
    signed = {"Authorization": SIGNED}
    without = client.post("/ListAnomalyDetectors", json={})
    assert (without.status_code, without.headers["x-amzn-ErrorType"]) == (403, "MissingAuthenticationTokenException")
    assert "signed" in without.json()["Message"]
    for headers, status in (
        ({"Host": "elsewhere.example:8765"}, 421),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
    ):
        assert client.post("/ListAnomalyDetectors", json={}, headers=signed | headers).status_code == status
    # A browser asks before it sends the header to another site.
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Headers": "authorization"}
    assert client.options("/ListAnomalyDetectors", headers=asked).status_code == 403
    assert "access-control-allow-origin" not in client.options("/ListAnomalyDetectors").headers
    large = client.post("/ListAnomalyDetectors", content=b" " * (1024 * 1024 + 1), headers=signed)
    assert (large.status_code, large.headers["x-amzn-ErrorType"]) == (413, "RequestEntityTooLargeException")
    assert client.get("/ListAnomalyDetectors", headers=signed).status_code == 405
    assert calls.calls == []


def test_without_an_api_there_is_the_page_only() -> None:
    client = served(None)
    assert client.post("/ListAnomalyDetectors", json={}, headers={"Authorization": SIGNED}).status_code == 404
    assert client.get("/").status_code == 200


def test_arns_follow_the_signature_or_the_options(tmp_path: Path) -> None:
    settings = job_settings(str(tmp_path / "lake"))
    assert settings.detectors == str(tmp_path / "lake" / "detectors")
    jobs = LocalJobs(settings, lambda line: None)
    api = local_api(settings, jobs, lambda line: None, account=AccountNumber("123456789012"))
    given = local_api(settings, jobs, lambda line: None, region="cn-north-1", account=AccountNumber("123456789012"))
    scope = Scope("us-west-2", "lookoutmetrics")
    assert api.workspace(scope).account.arn("Alert:a") == "arn:aws:lookoutmetrics:us-west-2:123456789012:Alert:a"
    assert given.workspace(scope).account.arn("Alert:a") == "arn:aws-cn:lookoutmetrics:cn-north-1:123456789012:Alert:a"
    assert "ListAnomalyDetectors" in api.handlers()


@pytest.mark.parametrize("options", [{"region": "Frankfurt"}, {"account": "42"}, {"region": "eu-west-1/../x"}])
def test_an_invalid_region_or_account_is_an_error(tmp_path: Path, options: dict[str, str]) -> None:
    with pytest.raises(OptionError, match="expected"):
        job_settings(str(tmp_path / "lake"), **options)
    assert not (tmp_path / "lake").exists()
