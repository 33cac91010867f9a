"""The definition of a detector: its codec, its keys, and changes that lose nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from anomalake.records.definitions import (
    AlertDefinition,
    DetectorDefinition,
    MetricSetDefinition,
    change_definition,
    definition_key,
    definition_numbers,
    from_fields,
    list_definitions,
    parse_definition_key,
    read_definition,
    read_numbered_definition,
    to_fields,
)
from anomalake.records.errors import RecordError, RecordInputError
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore, StoreError
from tests.support.stores import WrappedStore

AT = datetime(2026, 11, 27, 10, tzinfo=UTC)
SHOP = DetectorDefinition(
    name="shop",
    arn="arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:shop",
    description="Ünï",
    frequency="PT1H",
    kms_key_arn="",
    tags={"team": "kpi"},
    created_at=AT,
    changed_at=AT,
    metric_set=MetricSetDefinition("m", "arn:m", {"MetricList": [{"MetricName": "views"}]}, {}, AT, AT),
    alerts=(AlertDefinition("a", "arn:a", {"AlertName": "a"}, {"x": "y"}, AT, AT, "r"),),
    settings={"Owner": "me"},
    wanted="ACTIVE",
    wanted_since=AT,
    backtest="0" * 32,
    failure="no",
    reserved={"b": "s"},
)


def tagged(name: str, value: str) -> object:
    def change(current: DetectorDefinition | None) -> DetectorDefinition:
        assert current is not None
        return replace(current, tags={**current.tags, name: value})

    return change


def test_a_definition_is_read_as_it_was_written() -> None:
    assert from_fields(to_fields(SHOP)) == SHOP
    store = memory_store()
    assert read_definition(store, "shop") is None
    assert change_definition(store, "shop", lambda current: SHOP) == SHOP
    assert read_definition(store, "shop") == SHOP
    assert store.exists("definitions/detector=shop/00000001.json")
    assert list(list_definitions(store)) == [SHOP]


def test_keys() -> None:
    assert parse_definition_key(definition_key("shop", 7)) == "shop"
    assert parse_definition_key("definitions/detector=shop/x.json") is None
    with pytest.raises(RecordInputError):
        definition_key("../shop", 1)


@pytest.mark.parametrize("broken", ["{", "[]", "{}", '{"changes": [], "record": {}}', '{"changes": [], "record": 1}'])
def test_a_broken_record_is_named(broken: str) -> None:
    store = memory_store()
    store.put(definition_key("shop", 1), broken.encode())
    with pytest.raises(RecordError, match=r"definitions/detector=shop/00000001\.json"):
        read_definition(store, "shop")


def test_equal_records_are_not_written_and_older_ones_are_deleted() -> None:
    store = memory_store()
    change_definition(store, "shop", lambda current: SHOP)
    change_definition(store, "shop", lambda current: SHOP)
    for number in range(5):
        change_definition(store, "shop", tagged("n", str(number)))  # type: ignore[arg-type]
    assert read_numbered_definition(store, "shop").number == 6
    assert [entry.key[-8:] for entry in sorted(store.list("definitions"), key=lambda entry: entry.key)] == [
        "005.json",
        "006.json",
    ]
    assert definition_numbers(store) == {"shop": 6}


class Overtaken(WrappedStore):
    """Lets another writer change the record before or after the first write of this one."""

    def __init__(self, store: ObjectStore, times: int, *, after: bool) -> None:
        super().__init__(store)
        self._times = times
        self._is_after = after

    def _others(self) -> None:
        times, self._times = self._times, 0
        for time in range(times):
            change_definition(self._store, "shop", tagged(f"other-{time}", "x"))  # type: ignore[arg-type]

    def _before(self, call: str) -> None:
        if call == "put_new" and not self._is_after:
            self._others()

    def _after(self, call: str) -> None:
        if call == "put_new" and self._is_after:
            self._others()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("times", [1, 2, 3, 5, 10])
def test_a_writer_who_is_overtaken_loses_nothing_and_changes_once(times: int, after: bool) -> None:
    store = memory_store()
    change_definition(store, "shop", lambda current: replace(SHOP, tags={}))
    calls = []

    def change(current: DetectorDefinition | None) -> DetectorDefinition:
        assert current is not None
        calls.append(current)
        return replace(current, tags={**current.tags, "mine": current.tags.get("mine", "") + "x"})

    change_definition(Overtaken(store, times, after=after), "shop", change)
    read = read_definition(store, "shop")
    assert read is not None
    assert read.tags == {"mine": "x"} | {f"other-{time}": "x" for time in range(times)}
    assert len(calls) == (1 if after else 2)


class LostAnswer(WrappedStore):
    """Answers the first write as S3 does when the client repeats it: the key is in use."""

    lost = False

    def put_new(self, key: str, body: bytes) -> bool:
        written = super().put_new(key, body)
        if self.lost:
            return written
        self.lost = True
        return False


def test_a_write_whose_answer_was_lost_counts() -> None:
    store = memory_store()

    def create(current: DetectorDefinition | None) -> DetectorDefinition:
        assert current is None
        return SHOP

    assert change_definition(LostAnswer(store), "shop", create) == SHOP


class Contended(WrappedStore):
    def put_new(self, key: str, body: bytes) -> bool:
        return False


def test_endless_contention_is_an_error() -> None:
    with pytest.raises(StoreError, match="try again"):
        change_definition(Contended(memory_store()), "shop", lambda current: SHOP)


class DeletedMeanwhile(WrappedStore):
    """Deletes the newest object that a reader has listed, after a newer one was written."""

    done = False

    def get(self, key: str) -> bytes:
        if not self.done:
            self.done = True
            for time in range(3):
                change_definition(self._store, "shop", tagged("time", str(time)))  # type: ignore[arg-type]
        return super().get(key)

    def delete(self, keys: Iterable[str]) -> None:
        raise AssertionError("a reader deletes nothing")


def test_a_reader_finds_the_newer_record_where_the_listed_one_was_deleted() -> None:
    store = memory_store()
    change_definition(store, "shop", lambda current: SHOP)
    read = read_definition(DeletedMeanwhile(store), "shop")
    assert read is not None
    assert read.tags["time"] == "2"
