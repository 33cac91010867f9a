"""What is refused from one delivery is one object, which a replay reads again."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from anomalake.alerts import AlertDocument, read_event, read_file
from anomalake.alerts.bounds import FileLimits
from anomalake.lake import bulk, layout, set_aside
from anomalake.lake.lake import Lake
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore, StoreError
from tests.support import made
from tests.support.stores import WrappedStore

GOOD = json.dumps(made.alert(1))


def sqs(*bodies: str) -> list[AlertDocument]:
    records = [{"eventSource": "aws:sqs", "messageId": f"m{i}", "body": body} for i, body in enumerate(bodies)]
    return [item for item in read_event({"Records": records}) if isinstance(item, AlertDocument)]


def objects(store: ObjectStore) -> dict[str, Any]:
    return {item.key: json.loads(store.get(item.key)) for item in store.list("set-aside")}


def replay(store: ObjectStore, into: ObjectStore) -> bulk.Summary:
    """Replay the set-aside objects of a lake, each as a file."""
    pieces = [bulk.Piece(item.key, store.get(item.key)) for item in list(store.list("set-aside"))]
    return bulk.load(pieces, bulk.Job(lambda: Lake(into)))


def test_what_is_refused_from_a_message_is_one_object_for_each_message() -> None:
    store = memory_store()
    receipt = Lake(store).ingest(sqs(json.dumps([0, 1, json.loads(GOOD), 2]), "{", GOOD, '[{"a": 1}, {}]'))
    assert (receipt.stored, receipt.repeated) == (1, 1)
    assert [item.delivery for item in receipt.refused] == ["m0", "m0", "m0", "m1", "m3", "m3"]
    assert sorted(layout.n_set_aside(key) for key in objects(store)) == [1, 2, 3]
    [records] = [item["records"] for key, item in objects(store).items() if key.endswith("-3.json")]
    assert [record["body"] for record in records] == ["0", "1", "2"]
    assert [record["place"] for record in records] == [f"SQS message m0[{i}]" for i in (0, 1, 3)]
    for item in objects(store).values():
        at, reasons = set_aside.reasons_of(json.dumps(item).encode())
        assert at.startswith("20")
        assert all(": expected " in reason for reason in reasons)


class Ordered(WrappedStore):
    """Notes the folders that are written to."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.written: list[str] = []

    def put(self, key: str, body: bytes) -> None:
        self.written.append(key.split("/")[0])
        super().put(key, body)

    def put_new(self, key: str, body: bytes) -> bool:
        self.written.append(key.split("/")[0])
        return super().put_new(key, body)


def test_alerts_are_stored_before_refused_records_in_few_writes() -> None:
    store = Ordered(memory_store())
    receipt = Lake(store).ingest(sqs(json.dumps(list(range(300))), GOOD))
    assert len(receipt.refused) == 300
    assert store.written == ["originals", "shapes", "tables", "set-aside"]


@pytest.mark.parametrize("bodies", [["{"], ["[0, 1, 2]"], ["{", "[[1], 7, {}]", "\ud800"]])
def test_a_repeat_and_a_replay_add_nothing(bodies: list[str]) -> None:
    store = memory_store()
    first = Lake(store).ingest(sqs(*bodies))
    kept = objects(store)
    again = Lake(store).ingest(sqs(*bodies))
    assert [item.first_time for item in first.refused] == [True] * len(first.refused)
    assert [item.first_time for item in again.refused] == [False] * len(first.refused)
    assert replay(store, store).refused == len(first.refused)
    assert objects(store) == kept


def test_an_object_with_one_record_of_an_earlier_version_is_replayed() -> None:
    old = {
        "record": "anomalake/set-aside",
        "reason": "a.jsonl:1: $: '{not': expected JSON",
        "place": "a.jsonl:1",
        "field": "$",
        "value": "'{not'",
        "expected": "JSON",
        "received_at": "2026-01-02T03:04:05+00:00",
    }
    bad = old | {"body": "{not"}
    store = memory_store()
    # The key is that of today: the record is not stored again.
    key = Lake(store).ingest([AlertDocument("{not", "elsewhere")]).refused[0].key
    store.put(key, json.dumps(bad, indent=1).encode())
    mended = old | {"body_base64": base64.b64encode(GOOD.encode()).decode()}
    store.put("set-aside/00/0.json", json.dumps(mended, indent=1).encode())
    summary = replay(store, store)
    assert (summary.loaded, summary.refused) == (1, 1)
    assert len(objects(store)) == 2
    assert objects(store)[key] == bad


def test_alerts_among_refused_records_are_stored_by_a_replay_once_the_reason_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = memory_store()
    alerts = [made.alert(seed) for seed in range(4)]
    with monkeypatch.context() as patch:
        patch.setattr("anomalake.alerts.reading.MAX_ID", 5)
        assert len(Lake(store).ingest(sqs(json.dumps(alerts))).refused) == 4
    summary = replay(store, store)
    assert (summary.loaded, summary.refused) == (4, 0)


def test_records_beyond_the_limits_have_one_reason_and_are_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_aside, "MAX_RECORDS", 3)
    store = memory_store()
    alerts = [json.dumps(made.alert(seed), indent=2) for seed in range(7)]
    with monkeypatch.context() as patch:
        patch.setattr("anomalake.alerts.reading.MAX_ID", 5)
        receipt = Lake(store).ingest(sqs("[" + ",".join(alerts) + "]"))
    assert [item.count for item in receipt.refused] == [1, 1, 1, 4]
    assert receipt.refused[-1].refusal.value == "4 more refused records of the same delivery"
    [key] = objects(store)
    assert layout.n_set_aside(key) == 7
    assert replay(store, memory_store()).loaded == 7


def test_an_object_has_a_limit_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_aside, "MAX_RECORD", 20_000)
    monkeypatch.setattr(set_aside, "MAX_DESCRIBED", 10_000)
    monkeypatch.setattr(set_aside, "MAX_OTHERS", 5_000)
    store = memory_store()
    bodies = ["x" * 30_000, *("y" * 3_000 + str(i) for i in range(50))]
    receipt = Lake(store).ingest([AlertDocument(body, f"a:{i}", "m") for i, body in enumerate(bodies)])
    assert sum(item.count for item in receipt.refused) == 51
    [(key, stored)] = objects(store).items()
    assert len(store.get(key)) < 40_000
    assert stored["records"][0]["beginning"] == "x" * 4096
    assert "beginning" in stored["records"][-1]
    # What is only a beginning is not read as an alert, and is refused for the same reason again.
    summary = replay(store, memory_store())
    assert summary.loaded == 0
    assert any("a:0: $: 'x" in reason for reason in summary.reasons)


@pytest.mark.parametrize("body", [b"{" + b"x" * 9_000, b"\xff" * 9_000])
def test_beginnings_of_different_places_are_kept_apart_and_repeats_are_not(body: bytes) -> None:
    def documents(name: str) -> Iterator[AlertDocument]:
        found = read_file(name, body, limits=FileLimits(n_bytes=5_000))
        return (item for item in found if isinstance(item, AlertDocument))

    store = memory_store()
    for name in ("s3://b/one.gz", "s3://b/two.gz", "s3://b/one.gz"):
        Lake(store).ingest(documents(name))
    assert sorted(item["place"] for item in objects(store).values()) == ["s3://b/one.gz", "s3://b/two.gz"]
    kept = objects(store)
    assert replay(store, store).refused == 2
    assert objects(store) == kept


class NoSetAside(WrappedStore):
    def put_new(self, key: str, body: bytes) -> bool:
        if key.startswith("set-aside"):
            raise StoreError("503 SlowDown")
        return super().put_new(key, body)


def test_refused_records_that_cannot_be_set_aside_fail_with_their_delivery() -> None:
    receipt = Lake(NoSetAside(memory_store())).ingest(sqs("[0, 1]", GOOD))
    assert (receipt.stored, receipt.refused) == (1, ())
    assert [item.delivery for item in receipt.failed] == ["m0", "m0"]
    summary = bulk.load([bulk.Piece("a", b"[0, 1]")], bulk.Job(lambda: Lake(NoSetAside(memory_store()))))
    assert (summary.refused, summary.failed) == (0, 2)


def test_a_large_event_is_stored_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anomalake.lake.lake.BATCH_CHARACTERS", 4_000)
    texts = made.texts(20)
    store, whole = memory_store(), memory_store()
    bodies = [*texts, "[0, 1]", *texts[:5], "{"]
    receipt = Lake(store).ingest(sqs(*bodies))
    assert (receipt.stored, receipt.repeated, len(receipt.refused), receipt.failed) == (20, 5, 3, ())
    Lake(whole).ingest(sqs(*bodies))
    assert list(objects(store)) == list(objects(whole))
