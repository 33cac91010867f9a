"""The page's server: what it shows, what it takes in, and whom it refuses."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from anomalake.page.contents import UserRecords
from anomalake.page.document import CommentGiven, FeedbackGiven, PageDocument, pack
from anomalake.page.user_records import read_user_records
from anomalake.query.errors import QueryError
from anomalake.records.feedback import read_feedback
from anomalake.records.groups import group_ids, read_group
from anomalake.records.keys import detector_folder
from anomalake.records.listing import list_records
from anomalake.records.metric_sets import write_metric_set
from anomalake.records.snoozes import Snooze, read_snoozes
from anomalake.server.application import PROBLEM, application
from anomalake.server.documents import MAX_AGE, Site
from anomalake.services.feedback import give_feedback, undo_feedback
from anomalake.storage.store import ObjectStore, StoreError
from tests.support.documents import empty
from tests.support.live import Bench, hour
from tests.support.stores import WrappedStore

PORT = 8765
OWN = f"http://127.0.0.1:{PORT}"
TOKEN = "4f8a-its-own"  # pragma: allowlist secret
NOW = datetime(2026, 3, 4, tzinfo=UTC)
UNTIL = "2026-03-10T00:00Z"


@dataclass
class Served:
    """A server over a lake with anomalies, its clock and what it says."""

    store: ObjectStore
    document: PageDocument = field(default_factory=empty)
    said: list[str] = field(default_factory=list)
    time: float = 1_000.0
    makes: int = 0
    fault: Exception | None = None

    def make(self) -> PageDocument:
        self.makes += 1
        if self.fault is not None:
            raise self.fault
        return replace(self.document, made_at=self.document.made_at + self.makes)

    def show(self, document: PageDocument, token: str) -> bytes:
        policy = "default-src &#x27;none&#x27;; connect-src &#x27;self&#x27;"
        return f'<meta http-equiv="Content-Security-Policy" content="{policy}">{token}'.encode()

    def client(self, **headers: str) -> TestClient:
        site = Site(
            self.make, self.show, self.store, self.said.append, now=lambda: NOW, clock=lambda: self.time, user="ana"
        )
        return TestClient(application(site, PORT, token=TOKEN), base_url=OWN, headers=headers)


@pytest.fixture(scope="module")
def bench() -> Bench:
    """A detector that found German and French views unusual in one hour, and the French ones in the next."""
    bench = Bench()
    bench.source.unusual = {(hour(0), "de"): 30.0, (hour(0), "fr"): 30.0, (hour(1), "fr"): 20.0}
    bench.run(hour(0))
    bench.run(hour(1))
    write_metric_set(bench.store, bench.detector.metric_set)
    return bench


@pytest.fixture
def served(bench: Bench) -> Served:
    return Served(WrappedStore(bench.store))


@pytest.fixture
def client(served: Served) -> TestClient:
    return served.client(**{"Origin": OWN, "X-Anomalake-Token": TOKEN})


@pytest.fixture
def group(bench: Bench) -> str:
    [one] = group_ids(bench.store, "shop")
    return one


@pytest.fixture(autouse=True)
def forgotten(bench: Bench) -> Iterator[None]:
    yield
    folder = detector_folder("shop")
    for part in ("feedback", "snoozes", "comments"):
        bench.store.delete([item.key for item in bench.store.list(f"{folder}/{part}")])


# ---- what it shows ----


def test_the_page_has_its_token_and_the_policy_of_its_html(served: Served) -> None:
    answer = served.client().get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text.endswith(TOKEN)
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; connect-src 'self'; frame-ancestors 'none'"
    )
    assert answer.headers["cache-control"] == "no-store"


def test_every_response_has_the_security_headers(client: TestClient) -> None:
    for answer in (client.get("/"), client.get("/document"), client.get("/x"), client.post("/feedback", json={})):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert "server" not in answer.headers


def test_each_server_has_its_own_token(served: Served) -> None:
    site = Site(served.make, served.show, served.store, served.said.append)
    pages = {TestClient(application(site, PORT), base_url=OWN).get("/").text for _ in range(3)}
    assert len(pages) == 3


def test_a_document_with_a_known_etag_is_not_sent_again(served: Served) -> None:
    client = served.client()
    first = client.get("/document")
    assert first.headers["content-type"] == "application/gzip"
    assert gzip.decompress(first.content) == pack(replace(served.document, made_at=served.document.made_at + 1))
    again = client.get("/document", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert client.get("/document", headers={"If-None-Match": '"other", W/"x"'}).status_code == 200


def test_an_old_document_is_read_again_and_keeps_its_etag_while_its_content_is_equal(served: Served) -> None:
    client = served.client()
    first = client.get("/document")
    served.time += MAX_AGE - 0.1
    client.get("/document")
    assert served.makes == 1
    served.time += 0.1
    assert client.get("/document").headers["etag"] == first.headers["etag"]
    assert served.makes == 2
    served.document = replace(served.document, set_aside=7)
    served.time += MAX_AGE
    newer = client.get("/document", headers={"If-None-Match": first.headers["etag"]})
    assert newer.status_code == 200
    assert newer.headers["etag"] != first.headers["etag"]
    assert b'"set_aside":7' in gzip.decompress(newer.content)


def test_the_document_is_read_again_after_a_write(served: Served, client: TestClient, group: str) -> None:
    client.get("/document")
    assert served.makes == 1
    assert client.post("/snooze", json={"detector": "shop", "until": UNTIL, "group": group}).status_code == 200
    client.get("/document")
    client.get("/document")
    assert served.makes == 2


def test_the_last_good_document_stays_if_the_lake_fails(served: Served) -> None:
    client = served.client()
    first = client.get("/document")
    served.fault = QueryError("alerts:\ncannot be read: ü")
    served.time += MAX_AGE
    for path in ("/document", "/"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers[PROBLEM] == "alerts: cannot be read: \\xfc"
    assert served.said == ["alerts: cannot be read: ü"]
    assert client.get("/document").content == first.content
    served.fault = None
    served.time += MAX_AGE
    assert PROBLEM not in client.get("/document").headers


def test_a_lake_that_fails_at_the_start_is_an_error(served: Served) -> None:
    served.fault = QueryError("nothing there")
    with pytest.raises(QueryError, match="nothing there"):
        served.client()


def test_concurrent_requests_read_the_document_once(served: Served) -> None:
    making, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(2)
    plain = served.make

    def make() -> PageDocument:
        nonlocal making, most
        with lock:
            making += 1
            most = max(most, making)
        made = plain()
        with lock:
            making -= 1
        return made

    served.make = make  # type: ignore[method-assign]
    with served.client() as client, ThreadPoolExecutor(2) as pool:
        served.time += MAX_AGE

        def ask() -> int:
            both.wait()
            return client.get("/document").status_code

        assert [item.result() for item in [pool.submit(ask), pool.submit(ask)]] == [200, 200]
    assert (served.makes, most) == (2, 1)


# ---- what it takes in ----


def test_feedback_on_a_group_is_written_to_the_lake(served: Served, client: TestClient, group: str) -> None:
    answer = client.post("/feedback", json={"detector": "shop", "group": group, "is_anomaly": False})
    assert answer.status_code == 200
    assert answer.json()["said"] == [
        "2026-03-03T00:00:00+00:00 views country de: no anomaly",
        "2026-03-03T00:00:00+00:00 views country fr: no anomaly",
        "2026-03-03T01:00:00+00:00 views country fr: no anomaly",
    ]
    kept, unread = read_feedback(served.store, "shop")
    assert not unread
    assert {
        (item.timestamp, item.dimensions, item.is_anomaly, item.anomaly_group_id, item.given_at) for item in kept
    } == {
        (hour(0), (("country", "de"),), False, group, NOW),
        (hour(0), (("country", "fr"),), False, group, NOW),
        (hour(1), (("country", "fr"),), False, group, NOW),
    }


def test_feedback_on_a_metric_in_an_interval_is_written_to_the_lake(
    served: Served, client: TestClient, group: str
) -> None:
    found = read_group(served.store, "shop", group)
    assert found is not None
    [french] = found.intervals[1].affected
    given = {"detector": "shop", "group": group, "is_anomaly": True, "series": french.time_series_id}
    assert len(client.post("/feedback", json=given).json()["said"]) == 2
    answer = client.post("/feedback", json={**given, "at": "2026-03-03T02:00:00+01:00"})
    assert answer.json()["said"] == ["2026-03-03T01:00:00+00:00 views country fr: an anomaly"]


def test_snoozes_are_written_to_the_lake(served: Served, client: TestClient, group: str) -> None:
    pairs = [["country", "de"], ["platform", "\ud800 </script>"]]
    for given in (
        {"group": group},
        {"measure": "views"},
        {"dimensions": pairs},
        {"measure": "views", "dimensions": pairs},
    ):
        body = json.dumps({"detector": "shop", "until": UNTIL, **given})
        answer = client.post("/snooze", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()) == (200, {"said": ["no alerts until 2026-03-10T00:00:00+00:00"]})
    kept, unread = read_snoozes(served.store, "shop")
    until, plain = datetime(2026, 3, 10, tzinfo=UTC), tuple((name, value) for name, value in pairs)
    wanted = [
        Snooze(until, group),
        Snooze(until, measure="views"),
        Snooze(until, dimensions=plain),
        Snooze(until, measure="views", dimensions=plain),
    ]
    assert not unread
    assert sorted(kept, key=repr) == sorted(wanted, key=repr)


def test_what_was_said_names_the_person_and_is_taken_back(served: Served, client: TestClient, group: str) -> None:
    def said() -> UserRecords:
        return read_user_records(served.store, list_records(served.store)["shop"], [])

    of_group = {"detector": "shop", "group": group}
    for is_anomaly in (False, True):
        assert client.post("/feedback", json={**of_group, "is_anomaly": is_anomaly}).status_code == 200
    assert client.post("/snooze", json={**of_group, "until": UNTIL}).status_code == 200
    comment = {**of_group, "text": "<b>Call</b>\nus", "acknowledged": True}
    assert client.post("/comment", json=comment).json() == {"said": ["acknowledged"]}
    at = int(NOW.timestamp())
    [feedback], [snooze], [comment_given] = said().feedback, said().snoozes, said().comments
    # The second feedback was given in the same second, in place of the first.
    assert feedback == FeedbackGiven("shop", group, "views", True, 3, at, "ana")
    assert (snooze.group, snooze.until, snooze.at, snooze.by) == (group, 1_773_100_800, at, "ana")
    assert comment_given == CommentGiven(comment_given.id, "shop", group, "<b>Call</b>\nus", True, at, "ana")

    answer = client.post("/undo/feedback", json=of_group)
    assert answer.json()["said"][0] == "taken back: 2026-03-03T00:00:00+00:00 views country de: an anomaly"
    assert client.post("/undo/feedback", json=of_group).status_code == 404
    for address, fields in (
        ("snooze", {"detector": "shop", "id": snooze.id}),
        ("comment", {**of_group, "id": comment_given.id}),
    ):
        # Repeating it changes nothing.
        assert [client.post(f"/undo/{address}", json=fields).status_code for _ in range(2)] == [200, 200]
    assert said() == UserRecords([], [], [])


def test_undoing_feedback_brings_the_earlier_one_back(served: Served, group: str) -> None:
    given = {"detector": "shop", "group_id": group, "series_id": None, "at": None}
    give_feedback(served.store, **given, is_anomaly=True, now=NOW)
    give_feedback(served.store, **given, is_anomaly=False, now=NOW + timedelta(hours=1))
    assert len(undo_feedback(served.store, "shop", group)) == 3
    kept, _ = read_feedback(served.store, "shop")
    assert {(item.is_anomaly, item.given_at) for item in kept} == {(True, NOW)}


FEEDBACK = {"detector": "shop", "group": "3f0e", "is_anomaly": False}
COMMENT = {"detector": "shop", "group": "3f0e", "text": "x", "acknowledged": False}
SNOOZE = {"detector": "shop", "until": UNTIL, "measure": "views"}


@pytest.mark.parametrize(
    ("path", "given", "status", "said"),
    [
        ("feedback", FEEDBACK, 404, "anomaly group '3f0e': no detector of the lake has it (shop)"),
        ("feedback", {**FEEDBACK, "detector": "other"}, 404, "no detector of the lake has it (other)"),
        ("feedback", {**FEEDBACK, "detector": "../up"}, 400, "detector '../up': expected 1 to 63 of"),
        ("feedback", {**FEEDBACK, "detector": ""}, 400, 'detector: "": expected a text'),
        ("feedback", {**FEEDBACK, "detector": None}, 400, "detector: null: expected a text"),
        ("feedback", {**FEEDBACK, "group": "../../sources"}, 400, "expected an id"),
        ("feedback", {**FEEDBACK, "group": ""}, 400, 'group: "": expected an id'),
        ("feedback", {**FEEDBACK, "group": ["a"]}, 400, 'group: ["a"]: expected an id'),
        ("feedback", {**FEEDBACK, "is_anomaly": 1}, 400, "is_anomaly: 1: expected true or false"),
        ("feedback", {**FEEDBACK, "is_anomaly": "false"}, 400, "expected true or false"),
        ("feedback", {**FEEDBACK, "series": "a/b"}, 400, "expected an id"),
        ("feedback", {**FEEDBACK, "at": "2026-03-03T01:00"}, 400, "expected a time with its zone"),
        ("feedback", {**FEEDBACK, "at": 7}, 400, "at: 7: expected a time with its zone"),
        ("feedback", {**FEEDBACK, "at": "0001-01-01T00:00+10:00"}, 400, "expected a time with its zone"),
        ("feedback", {**FEEDBACK, "lake": "s3://x"}, 400, '"lake": expected only detector, group'),
        ("snooze", {**SNOOZE, "detector": "other"}, 404, "detector 'other': is not in the lake"),
        ("snooze", {**SNOOZE, "group": "3f0e"}, 400, "expected exactly one of a group"),
        ("snooze", {"detector": "shop", "until": UNTIL}, 400, "expected exactly one of a group"),
        ("snooze", {**SNOOZE, "until": None}, 400, "until: null: expected a time with its zone"),
        ("snooze", {**SNOOZE, "until": "tomorrow"}, 400, "expected a time with its zone"),
        ("snooze", {**SNOOZE, "measure": "m" * 5_000}, 400, "expected a text of 1 to 4,096 characters"),
        ("snooze", {**SNOOZE, "dimensions": {"a": "b"}}, 400, "expected up to 50 pairs"),
        ("snooze", {**SNOOZE, "dimensions": [["a", "b", "c"]]}, 400, "expected up to 50 pairs"),
        ("snooze", {**SNOOZE, "dimensions": [["a", 1]]}, 400, "expected up to 50 pairs"),
        ("snooze", {**SNOOZE, "dimensions": [["a", "b"]] * 51}, 400, "expected up to 50 pairs"),
        ("snooze", {**SNOOZE, "at": UNTIL}, 400, '"at": expected only detector, until'),
        ("comment", COMMENT, 404, "anomaly group '3f0e': no detector of the lake has it (shop)"),
        ("comment", {**COMMENT, "group": "../x"}, 400, "expected an id"),
        ("comment", {**COMMENT, "acknowledged": None}, 400, "acknowledged: null: expected true or false"),
        ("comment", {**COMMENT, "text": 7}, 400, "text: 7: expected a text"),
        ("comment", {**COMMENT, "by": "bo"}, 400, '"by": expected only detector, group'),
        ("undo/feedback", {"detector": "shop", "group": "3f0e"}, 404, "has no feedback that can be undone"),
        ("undo/feedback", {"detector": "../up", "group": "3f0e"}, 400, "detector '../up': expected 1 to 63 of"),
        ("undo/snooze", {"detector": "shop", "id": "../../lake"}, 400, "expected an id"),
        ("undo/comment", {"detector": "shop", "group": "3f0e", "id": "x/y"}, 400, "expected an id"),
        ("undo/comment", {"detector": "shop", "id": "2026"}, 400, "group: null: expected an id"),
    ],
)  # fmt: skip
def test_invalid_fields_are_refused_with_one_line(
    served: Served, client: TestClient, path: str, given: dict[str, Any], status: int, said: str
) -> None:
    before = [item.key for item in served.store.list("")]
    answer = client.post(f"/{path}", json=given)
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert [entry.key for entry in served.store.list("")] == before


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "expected JSON"),
        (b"{", "expected JSON"),
        (b"\xff", "expected JSON"),
        (b"[" * 50_000, "expected JSON"),
        (b"[]", "list; expected an object"),
        (b"7" * 5_000, "expected"),
    ],
    ids=["empty", "half", "no-utf-8", "deep", "list", "number"],
)
def test_a_body_that_is_not_an_object_is_refused(client: TestClient, body: bytes, said: str) -> None:
    answer = client.post("/feedback", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_a_body_that_is_too_large_is_refused(client: TestClient) -> None:
    answer = client.post("/snooze", json={**SNOOZE, "measure": "m" * 70_000})
    assert (answer.status_code, answer.json()) == (413, {"error": "expected at most 65,536 bytes"})


def test_damaged_records_and_store_failures_have_their_own_status(
    served: Served, client: TestClient, group: str
) -> None:
    given = {"detector": "shop", "group": group, "is_anomaly": False}
    assert isinstance(served.store, WrappedStore)
    damaged = Damaged(served.store)
    served.store = damaged
    client = served.client(**{"X-Anomalake-Token": TOKEN})
    answer = client.post("/feedback", json=given)
    assert answer.status_code == 409
    assert "groups/" in answer.json()["error"]
    damaged.error = StoreError("503: slow down")
    answer = client.post("/feedback", json=given)
    assert (answer.status_code, answer.json()) == (503, {"error": "503: slow down"})
    damaged.error = RuntimeError("how\nodd")
    answer = client.post("/feedback", json=given)
    assert (answer.status_code, answer.json()) == (500, {"error": "RuntimeError: how odd"})
    assert served.said == ["503: slow down", "RuntimeError: how odd"]


class Damaged(WrappedStore):
    """A store whose groups are no records, or cannot be read."""

    error: Exception | None = None

    def get(self, key: str) -> bytes:
        if self.error is not None:
            raise self.error
        return b"{" if "/groups/" in key else super().get(key)


# ---- whom it refuses ----


@pytest.mark.parametrize(
    "host",
    ["evil.example.com", f"evil.example.com:{PORT}", "127.0.0.1", "127.0.0.1:80", f"127.0.0.1.evil.com:{PORT}", ""],
)
def test_another_host_is_refused(served: Served, host: str) -> None:
    for path in ("/", "/document"):
        answer = served.client(Host=host).get(path)
        assert answer.status_code == 421
        assert TOKEN not in answer.text


@pytest.mark.parametrize("host", [f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"LocalHost:{PORT}"])
def test_names_of_this_machine_are_accepted(served: Served, host: str) -> None:
    assert served.client(Host=host).get("/").status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example.com", "null", f"https://127.0.0.1:{PORT}", "http://127.0.0.1"]
)
def test_another_origin_is_refused(served: Served, origin: str) -> None:
    client = served.client(**{"Origin": origin, "X-Anomalake-Token": TOKEN})
    for answer in (client.get("/"), client.get("/document"), client.post("/snooze", json=SNOOZE)):
        assert answer.status_code == 403
        assert TOKEN not in answer.text
    assert read_snoozes(served.store, "shop") == ([], [])


@pytest.mark.parametrize("token", [None, "", "4f8a-its-ow", "4f8a-its-own ", "ü"])
def test_a_request_without_the_token_is_refused(served: Served, token: str | None) -> None:
    headers = {"X-Anomalake-Token": token.encode()} if token is not None else {}
    for path, given in (("/snooze", SNOOZE), ("/feedback", FEEDBACK)):
        answer = served.client(Origin=OWN).post(path, json=given, headers=headers)
        assert answer.status_code == 403
        assert "reload it" in answer.json()["error"]
    assert read_snoozes(served.store, "shop") == ([], [])


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_of_another_site_is_refused(client: TestClient, kind: str) -> None:
    answer = client.post("/snooze", content=json.dumps(SNOOZE), headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()) == (415, {"error": "expected application/json"})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/feedback", 405),
        ("POST", "/", 405),
        ("PUT", "/document", 405),
        ("OPTIONS", "/feedback", 405),
        ("GET", "/document/", 404),
        ("GET", "/../etc/passwd", 404),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404),
        ("GET", "/favicon.ico", 404),
    ],
)
def test_other_methods_and_paths_are_refused(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]


def test_the_token_is_not_in_any_message(served: Served, client: TestClient) -> None:
    client.post("/feedback", json=FEEDBACK)
    served.fault = StoreError("gone")
    served.time += MAX_AGE
    client.get("/")
    assert served.said == ["gone"]
