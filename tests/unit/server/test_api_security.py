"""What a page of another site, or a hostile caller on this machine, can do with the local server's API: nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from anomalake.page.page import page
from anomalake.server.api_endpoint import Api
from anomalake.server.application import application
from anomalake.server.documents import Site
from anomalake.server.lookoutmetrics.handlers import all_handlers
from anomalake.server.lookoutmetrics.requests import MOST_BYTES
from anomalake.storage.objects import memory_store
from tests.support.api_world import World
from tests.support.documents import empty

SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=any/20261127/us-east-1/lookoutmetrics/aws4_request, "
    f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
}
BASE = "http://127.0.0.1:8765"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> TestClient:
    return TestClient(served(world), base_url=BASE, raise_server_exceptions=False)


def served(world: World) -> Any:
    site = Site(empty, lambda packed, token: page(packed, token=token), memory_store(), lambda line: None)
    api = Api(lambda scope: world.workspace, all_handlers, world.reported.append)
    return application(site, 8765, token="t", api=api)


def state(world: World) -> Any:
    return sorted((entry.key, world.store.get(entry.key)) for entry in world.store.list(""))


CREATE = json.dumps({"AnomalyDetectorName": "evil", "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": "PT1H"}})


@pytest.mark.parametrize(
    "headers",
    [
        # What a page may send to another site without a preflight: no Authorization.
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "text/plain", "Origin": "https://evil.example"},
        {"Content-Type": "text/plain", "Origin": "null"},
        # What it may not send, if it did.
        {**SIGNED, "Origin": "https://evil.example"},
        {**SIGNED, "Origin": "null"},
        {**SIGNED, "Origin": "http://127.0.0.1:8766"},
        {**SIGNED, "Origin": f"{BASE}.evil.example"},
        {**SIGNED, "Origin": ""},
        # A foreign name that resolves to this machine.
        {**SIGNED, "Host": "evil.example:8765"},
        {**SIGNED, "Host": "evil.example"},
        {**SIGNED, "Host": "127.0.0.1:8765.evil.example"},
        {**SIGNED, "Host": ""},
        # Signatures that are none.
        {"Authorization": "AWS4-HMAC-SHA256"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": SIGNED["Authorization"].replace("us-east-1", "us/../1")},
        {"X-Amz-Security-Token": "x"},
    ],
)
def test_requests_that_may_not_come_change_nothing(world: World, client: TestClient, headers: dict[str, str]) -> None:
    before = state(world)
    for method, path in (("POST", "/CreateAnomalyDetector"), ("DELETE", "/tags/x?tagKeys=a"), ("GET", "/tags/x")):
        response = client.request(method, path, content=CREATE if method == "POST" else b"", headers=headers)
        assert response.status_code in (403, 421)
        assert "access-control-allow-origin" not in response.headers
    assert state(world) == before


@pytest.mark.parametrize("path", ["/CreateAnomalyDetector", "/tags/arn%3Aaws%3Ax", "/ListAlerts"])
def test_a_preflight_allows_nothing(client: TestClient, path: str) -> None:
    for origin in ({}, {"Origin": "https://evil.example"}):
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization", **origin}
        response = client.options(path, headers=asked)
        assert response.status_code in (403, 405)
        assert not [name for name in response.headers if name.startswith("access-control-")]


DEEP = "[" * 100_000
NAMES = [
    "..",
    "../../etc/passwd",
    "%2e%2e%2f",
    "a/../b",
    "a\x00b",
    "a\r\nX-Evil: 1",
    "a\u2028b",
    "\U0001f600",
    ".",
    "",
]


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_are_refused_and_no_paths(world: World, client: TestClient, name: str) -> None:
    before = state(world)
    arn = "arn:aws:lookoutmetrics:us-east-1:123456789012:"
    for operation, members in (
        ("CreateAnomalyDetector", {"AnomalyDetectorName": name, "AnomalyDetectorConfig": {}}),
        ("DescribeAnomalyDetector", {"AnomalyDetectorArn": f"{arn}AnomalyDetector:{name}"}),
        ("DeleteAnomalyDetector", {"AnomalyDetectorArn": f"{arn}AnomalyDetector:{name}"}),
        ("DescribeMetricSet", {"MetricSetArn": f"{arn}MetricSet/{name}/x"}),
        ("DescribeMetricSet", {"MetricSetArn": f"{arn}MetricSet/shop/{name}"}),
        ("DeleteAlert", {"AlertArn": f"{arn}Alert:{name}"}),
        ("CreateAlert", {"AlertName": name, "AnomalyDetectorArn": f"{arn}AnomalyDetector:shop"}),
        ("GetAnomalyGroup", {"AnomalyDetectorArn": f"{arn}AnomalyDetector:shop", "AnomalyGroupId": name}),
    ):
        response = client.post(f"/{operation}", json=members, headers=SIGNED)
        assert response.status_code == 400, (operation, response.text)
        assert "X-Evil" not in response.headers
        assert json.loads(response.content)["Message"]
    assert world.reported == []
    assert state(world) == before


@pytest.mark.parametrize(
    "path",
    [
        "/tags/%2e%2e", "/tags/%2e%2e%2f%2e%2e%2fetc", "/tags/%00", "/tags/%0d%0aX-Evil:%201",
        "/tags/%ff%fe",
        "/tags/%F0%9F%98%80", "/tags/" + "a" * 9_000, "/tags/x?tagKeys=" + "&tagKeys=".join("a" * 201), "/%2e%2e",
        "/Create%41nomalyDetector", "//CreateAnomalyDetector", "/CreateAnomalyDetector/", "/createanomalydetector",
    ],
)  # fmt: skip
def test_hostile_paths_are_refused(world: World, client: TestClient, path: str) -> None:
    before = state(world)
    for method in ("GET", "POST", "DELETE", "PUT", "PATCH", "TRACE"):
        response = client.request(method, f"{BASE}{path}", headers=SIGNED, content=CREATE if method == "POST" else b"")
        assert response.status_code in (400, 404, 405), (method, response.text)
        assert "X-Evil" not in response.headers
        assert b"Traceback" not in response.content
    assert world.reported == []
    assert state(world) == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (DEEP.encode(), 400),
        (b'{"a":' * 50_000, 400),
        (b'{"AnomalyDetectorName": "a", "AnomalyDetectorName": "b", "AnomalyDetectorConfig": {}}', 400),
        (b'{"AnomalyDetectorName": NaN}', 400),
        (b'{"AnomalyDetectorName": ' + b"9" * 100_000 + b"}", 400),
        (b'{"AnomalyDetectorName": 1e999999999}', 400),
        (b"\xff\xfe{}", 400),
        (b'{"AnomalyDetectorName": "\\ud800"}', 400),
        (b"[" + b"0," * 400_000 + b"0]", 400),
        (b" " * (MOST_BYTES + 1), 413),
    ],
)
def test_hostile_bodies_are_refused(world: World, client: TestClient, body: bytes, status: int) -> None:
    begin = time.process_time()
    response = client.post("/CreateAnomalyDetector", content=body, headers=SIGNED)
    assert response.status_code == status, response.text
    assert world.reported == []
    assert time.process_time() - begin < 5


def test_a_body_in_chunks_without_a_length_is_bounded(client: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        yield from (b" " * 65_536 for _ in range(MOST_BYTES // 65_536 + 1))

    response = client.post("/CreateAnomalyDetector", content=chunks(), headers=SIGNED)
    assert response.status_code == 413
