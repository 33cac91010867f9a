"""The function ingest and a replay take in the same input alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from anomalake.alerts import EventItem, ObjectPointer, read_file
from anomalake.lake import bulk
from anomalake.lake.lake import Lake
from anomalake.services.ingest import ingest_event
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectNotFound, ObjectStore
from tests.support.made import alert


def created(key: str) -> dict[str, object]:
    """An S3 event that names an object."""
    return {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": "b"}, "object": {"key": key}},
    }


OBJECTS = {
    "good.json": alert(1),
    "names-another.json": created("good.json"),
    "names-itself.json": created("names-itself.json"),
    "mixed.json": [alert(2), created("good.json"), {"no": "alert"}],
}


def fetch(pointer: ObjectPointer) -> Iterator[EventItem]:
    """Read an object of `OBJECTS`."""
    if pointer.key not in OBJECTS:
        raise ObjectNotFound(f"{pointer.place}: there is no such object")
    return read_file(pointer.place, json.dumps(OBJECTS[pointer.key]).encode(), pointer.delivery)


def contents(store: ObjectStore) -> tuple[list[str], set[str]]:
    """Keys of the set-aside records, and the rows' partitions."""
    keys = [entry.key for entry in store.list("")]
    aside = sorted(key for key in keys if key.startswith("set-aside/"))
    return aside, {key.rpartition("/")[0] for key in keys if key.startswith("tables/")}


@pytest.mark.parametrize(
    "event", [alert(3), *map(created, [*OBJECTS, "missing.json"]), [alert(4), created("mixed.json")]]
)
def test_an_event_is_taken_in_alike(event: object, tmp_path: Path) -> None:
    ingested = Lake(memory_store())
    result = ingest_event(event, ingested, fetch)
    replayed = Lake(memory_store())
    piece = bulk.Piece("events.json", json.dumps(event).encode())
    summary = bulk.load([piece], bulk.Job(open_lake=lambda: replayed, fetch=fetch))
    assert contents(replayed.store) == contents(ingested.store)
    assert (summary.loaded, summary.refused, summary.failed) == (
        result.receipt.stored,
        len(result.receipt.refused),
        len(result.failed),
    )


def test_an_object_that_names_an_object_is_set_aside_with_its_place() -> None:
    lake = Lake(memory_store())
    bulk.load(
        [bulk.Piece("e.json", json.dumps(created("names-another.json")).encode())], bulk.Job(lambda: lake, fetch=fetch)
    )
    (key,) = contents(lake.store)[0]
    assert json.loads(lake.store.get(key))["body"] == "s3://b/good.json"
