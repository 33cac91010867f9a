"""Ingest and replay of the same input: rows, shapes, set-aside records and failures are equal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anomalake.alerts import EventItem, ObjectPointer, read_file
from anomalake.lake import bulk, layout, rows
from anomalake.lake.lake import Lake
from anomalake.services.ingest import ingest_event
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore, StoreError
from tests.support.made import alert

EVENTS = Path(__file__).parents[3] / "events"
INPUTS = sorted(path for room in ("envelopes", "invalid", "valid") for path in (EVENTS / room).glob("*.json"))


def s3_event(*keys: str) -> str:
    objects = [{"bucket": {"name": "b"}, "object": {"key": key}} for key in keys]
    return json.dumps([{"source": "aws.s3", "detail-type": "Object Created", "detail": detail} for detail in objects])


OBJECTS = {
    "alerts.json": json.dumps([alert(1), alert(2)]),
    "alerts.jsonl": "\n".join(json.dumps(alert(seed)) for seed in (3, 4)) + "\n{\n",
    "itself.json": s3_event("itself.json"),
    "mixed.json": json.dumps([alert(5), json.loads(s3_event("alerts.json"))]),
}


def fetch(pointer: ObjectPointer) -> Iterator[EventItem]:
    """Read an object of `OBJECTS`, or a file of events/inbox."""
    if pointer.key in OBJECTS:
        return read_file(pointer.place, OBJECTS[pointer.key].encode(), pointer.delivery)
    path = EVENTS / "inbox" / Path(pointer.key).name
    if not path.is_file():
        raise StoreError(f"{pointer.place}: there is no such object")
    return read_file(pointer.place, path.read_bytes(), pointer.delivery)


def contents(store: ObjectStore) -> dict[str, Any]:
    """Identities of the stored rows, shapes, and set-aside records without their place and time."""
    identities = set()
    for stored in store.list(layout.TABLES["parquet"][0]):
        columns = rows.from_parquet(store.get(stored.key), ["alert_id", "digest"])
        identities |= set(zip(columns["alert_id"].to_pylist(), columns["digest"].to_pylist(), strict=True))
    aside = {stored.key: records_in(store.get(stored.key)) for stored in store.list("set-aside")}
    return {"rows": identities, "shapes": {stored.key for stored in store.list(layout.SHAPES)}, "set aside": aside}


def records_in(body: bytes) -> list[dict[str, Any]]:
    stored = json.loads(body)
    varying = ("record", "received_at", "place", "reason")
    return [
        {name: value for name, value in record.items() if name not in varying}
        for record in stored.get("records", [stored])
    ]


def batch(text: str) -> dict[str, Any]:
    return {"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": text}]}


def by_ingest(text: str) -> tuple[dict[str, Any], int]:
    store = memory_store()
    ingested = ingest_event(batch(text), Lake(store), fetch)
    return contents(store), len(ingested.failed)


def by_replay(text: str) -> tuple[dict[str, Any], int]:
    store = memory_store()
    job = bulk.Job(open_lake=lambda: Lake(store), fetch=fetch)
    summary = bulk.load([bulk.Piece("stored.json", json.dumps(batch(text)).encode("utf-8"))], job)
    return contents(store), summary.failed


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_ingest_and_replay_of_an_event_are_equal(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert by_replay(text) == by_ingest(text)


@pytest.mark.parametrize(
    ("keys", "n_rows", "n_set_aside", "n_failed"),
    [
        (["alerts.json"], 2, 0, 0),
        (["alerts.jsonl"], 2, 1, 0),
        (["missing.json", "alerts.json"], 2, 0, 1),
        (["itself.json"], 0, 1, 0),
        (["mixed.json"], 1, 1, 0),
    ],
)
def test_ingest_and_replay_of_objects_are_equal(keys: list[str], n_rows: int, n_set_aside: int, n_failed: int) -> None:
    text = s3_event(*keys)
    stored, failed = by_ingest(text)
    assert (len(stored["rows"]), len(stored["set aside"]), failed) == (n_rows, n_set_aside, n_failed)
    assert by_replay(text) == (stored, failed)


@pytest.mark.parametrize("load", [by_ingest, by_replay])
def test_an_object_that_names_an_object_is_refused_with_a_reason(load: Any) -> None:
    [[record]] = load(s3_event("mixed.json"))[0]["set aside"].values()
    assert record["value"] == "an event of s3://b/alerts.json"
    assert record["expected"] == "alerts; an object that another object names is not read"
    assert record["body"] == "s3://b/alerts.json"
