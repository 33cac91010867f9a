"""The alert's path: what lies where, and what the receipt says."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from anomalake.alerts import AlertDocument, read_file
from anomalake.lake.lake import Lake
from anomalake.lake.ports import CatalogError, Partition
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore, StoreError
from tests.support import made
from tests.support.stores import WrappedStore


def documents(*texts: str | bytes) -> list[AlertDocument]:
    return [AlertDocument(text, f"file:{i}", f"m{i}") for i, text in enumerate(texts)]


def keys(store: ObjectStore, folder: str) -> list[str]:
    return sorted(found.key for found in store.list(folder))


def test_the_original_lies_there_unchanged() -> None:
    store = memory_store()
    text = json.dumps(made.alert(1), indent=7) + "\n"
    Lake(store).ingest(documents(text))
    (key,) = keys(store, "originals")
    assert store.get(key) == text.encode()
    assert key.startswith("originals/detector=shop-live/day=2021-0")


def test_the_receipt_counts() -> None:
    lake = Lake(memory_store())
    one, two = made.texts(2)
    other = json.dumps({**json.loads(one), "anomalyScore": 1})
    receipt = lake.ingest(documents(one, one, two, "junk"))
    assert (receipt.stored, receipt.repeated, receipt.clashes, len(receipt.refused)) == (2, 1, 0, 1)
    receipt = lake.ingest(documents(one, other))
    assert (receipt.stored, receipt.repeated, receipt.clashes) == (1, 1, 1)


@pytest.mark.parametrize("count", [4, 40])
def test_a_clash_is_counted_once_a_body_however_many_come_at_once(count: int) -> None:
    texts = made.texts(count, clashes=2)
    assert Lake(memory_store()).ingest(documents(*texts)).clashes == 2


def test_a_repeat_writes_the_same_objects() -> None:
    store = memory_store()
    batch = documents(*made.texts(5))
    Lake(store).ingest(batch)
    before = {key: store.get(key) for key in keys(store, "")}
    Lake(store).ingest(reversed(batch))
    assert {key: store.get(key) for key in keys(store, "")} == before


def test_many_at_once_become_one_object_of_originals() -> None:
    store = memory_store()
    Lake(store).ingest(documents(*made.texts(40)))
    assert len(keys(store, "originals")) == 1


@pytest.mark.parametrize("body", ["{not json", '{"a": 1}', b"\xff\xfe", "\ud800"])
def test_a_refused_record_is_set_aside_once_with_its_reason(body: str | bytes) -> None:
    store = memory_store()
    lake = Lake(store, clock=lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    (first,) = lake.ingest(documents(body)).refused
    (again,) = lake.ingest(documents(body)).refused
    assert (first.first_time, again.first_time, first.delivery) == (True, False, "m0")
    (key,) = keys(store, "set-aside")
    kept = json.loads(store.get(key))
    assert kept["received_at"] == "2026-01-02T03:04:05+00:00"
    assert kept["reason"] == f"file:0: {kept['field']}: {kept['value']}: expected {kept['expected']}"
    assert kept.get("body", None) == body or base64.b64decode(kept["body_base64"]) == body


def test_what_was_set_aside_can_be_replayed() -> None:
    """Once the reason is gone; until then the very same record is refused again, and none is added."""
    store = memory_store()
    lake = Lake(store)
    lake.ingest(documents("{not json", b"\xff"))
    kept = {key: store.get(key) for key in keys(store, "set-aside")}
    again = [[item for item in read_file(key, body) if isinstance(item, AlertDocument)] for key, body in kept.items()]
    assert {entry.body for entries in again for entry in entries} == {"{not json", b"\xff"}
    for entries in again:
        lake.ingest(entries)
    assert {key: store.get(key) for key in keys(store, "set-aside")} == kept


class Failing(WrappedStore):
    """Fails for keys with a given beginning."""

    def __init__(self, store: ObjectStore, beginning: str) -> None:
        super().__init__(store)
        self._beginning = beginning

    def put(self, key: str, body: bytes) -> None:
        self._refuse(key)
        super().put(key, body)

    def put_new(self, key: str, body: bytes) -> bool:
        self._refuse(key)
        return super().put_new(key, body)

    def _refuse(self, key: str) -> None:
        if key.startswith(self._beginning):
            raise StoreError("503 SlowDown")


@pytest.mark.parametrize("beginning", ["originals", "tables", "shapes", "set-aside"])
@pytest.mark.parametrize("count", [3, 30])
def test_what_the_store_does_not_take_is_to_be_delivered_again(beginning: str, count: int) -> None:
    store = memory_store()
    batch = documents(*made.texts(count), "junk")
    receipt = Lake(Failing(store, beginning)).ingest(batch)
    expected = {f"m{count}"} if beginning == "set-aside" else {f"m{i}" for i in range(count)}
    assert {item.delivery for item in receipt.failed} == expected
    assert receipt.stored == (count if beginning == "set-aside" else 0)
    again = Lake(store).ingest(batch)
    assert again.failed == ()


@pytest.mark.parametrize("beginning", ["originals", "tables"])
@pytest.mark.parametrize("count", [3, 30])
def test_every_delivery_of_an_alert_that_is_not_stored_is_told(beginning: str, count: int) -> None:
    batch = documents(*made.texts(count), *made.texts(count))
    receipt = Lake(Failing(memory_store(), beginning)).ingest(batch)
    assert {item.delivery for item in receipt.failed} == {entry.delivery for entry in batch}
    assert (receipt.stored, receipt.repeated) == (0, 0)


def test_no_row_is_written_before_its_original() -> None:
    store = memory_store()
    Lake(Failing(store, "originals")).ingest(documents(*made.texts(3)))
    assert keys(store, "tables") == []


def test_one_partition_that_fails_harms_no_other() -> None:
    store = memory_store()
    receipt = Lake(Failing(store, "tables/alert_rows/detector=totals")).ingest(documents(*made.texts(6)))
    assert receipt.stored == 4
    assert len(receipt.failed) == 2


class RecordingCatalog:
    def __init__(self, error: str | None = None) -> None:
        self.registered: list[Partition] = []
        self._error = error

    def add_partitions(self, partitions: Iterable[Partition]) -> None:
        self.registered += partitions
        if self._error is not None:
            raise CatalogError(self._error)


def test_the_catalog_learns_of_every_partition_written() -> None:
    catalog = RecordingCatalog()
    Lake(memory_store(), catalog).ingest(documents(*made.texts(3)))
    assert {item.detector for item in catalog.registered} == {"totals", "shop-live", "FiveDims"}


def test_a_catalog_that_is_down_costs_no_alert() -> None:
    receipt = Lake(memory_store(), RecordingCatalog("Glue: throttled")).ingest(documents(*made.texts(3)))
    assert (receipt.stored, receipt.failed, len(receipt.pending)) == (3, (), 3)
    assert receipt.pending_reason == "Glue: throttled"


def test_unknown_formats_are_refused() -> None:
    with pytest.raises(ValueError, match="expected parquet, csv or parquet,csv"):
        Lake(memory_store(), formats=("orc",))
