"""The index of groups agrees with the groups, whatever dies or runs at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalake.detection import live_groups
from anomalake.groups.grouping import group
from anomalake.records import group_index
from anomalake.records.backtests import Backtest, read_backtest_groups, write_backtest
from anomalake.records.group_changes import index_folder, is_change_key
from anomalake.records.group_index import GroupEntry, entries, index_key, read_index
from anomalake.records.groups import group_ids, group_key, groups_folder, read_group, write_group
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore, StoredObject, StoreError
from tests.support.anomalies import group_of, judged, scored
from tests.support.live import ARN, Bench, hour
from tests.support.stores import FlakyStore, Killed, KillingStore, WrappedStore

LAST = 6
NOW = hour(LAST + 2)
DATA: dict[Any, float | None] = {
    (hour(1), "de"): 30.0, (hour(2), "de"): 30.0, (hour(2), "fr"): 900.0, (hour(4), "uk"): 10.0, (hour(5), "de"): 400.0,
}  # fmt: skip
#: Late data, which withdraw groups, end them earlier and begin others.
LATE: dict[Any, float | None] = {(hour(2), "de"): 35.0, (hour(5), "fr"): 900.0}


class MeddledStore(WrappedStore):
    """Does something else at a call with the given number, as another process would meanwhile."""

    def __init__(self, store: ObjectStore, at: int, meanwhile: Callable[[], object]) -> None:
        super().__init__(store)
        self.left = at
        self._meanwhile = meanwhile

    def _before(self, call: str) -> None:
        self.left -= 1
        if self.left == -1:
            self._meanwhile()


class ReadOnlyStore(WrappedStore):
    """Refuses every write."""

    def _before(self, call: str) -> None:
        if call in KillingStore.WRITES:
            raise StoreError("403 AccessDenied")


class CountingStore(WrappedStore):
    """Counts its calls, and the objects that it lists."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.calls: list[str] = []
        self.folders: list[str] = []

    def _before(self, call: str) -> None:
        self.calls.append(call)

    def list(self, folder: str) -> Iterator[StoredObject]:
        self.folders.append(folder)
        yield from super().list(folder)


def fields(entry: Any) -> tuple[str, str, datetime, datetime, float]:
    return entry.group_id, entry.measure, entry.start, entry.end, entry.score


def in_index(store: ObjectStore, now: datetime = NOW) -> list[Any]:
    return [fields(entry) for entry in entries(read_index(store, "shop", now), ARN)]


def in_lake(store: ObjectStore) -> list[Any]:
    """Return the groups themselves, newest first."""
    groups = {one.group_id: one for one in read_backtest_groups(store, "shop")}
    for group_id in group_ids(store, "shop"):
        live = read_group(store, "shop", group_id)
        assert live is not None
        groups[group_id] = live
    return sorted((fields(one) for one in groups.values()), key=lambda one: (one[2], one[0]), reverse=True)


def bench_on(store: ObjectStore, data: dict[Any, float | None] | None = None) -> Bench:
    bench = Bench(store)
    bench.source.unusual = dict(DATA if data is None else data)
    bench.now = bench.due(hour(LAST))
    return bench


def run_all(store: ObjectStore, data: dict[Any, float | None] | None = None) -> None:
    live = bench_on(store, data).live()
    for number in range(LAST + 1):
        live.run_interval(hour(number))


def run_late(store: ObjectStore) -> None:
    """Run the intervals with late data again: a group is withdrawn from one, and another one grows."""
    live = bench_on(store, LATE).live()
    for number in (2, 5):
        live.run_interval(hour(number))


@cache
def _ran() -> ObjectStore:
    store = memory_store()
    run_all(store)
    return store


def ran() -> ObjectStore:
    """Return a lake in which all intervals ran."""
    return copy_of(_ran())


def copy_of(store: ObjectStore) -> ObjectStore:
    copy = memory_store()
    for entry in store.list(""):
        copy.put(entry.key, store.get(entry.key))
    return copy


def backtest_of(*points: tuple[str, int, int]) -> Backtest:
    metrics, judgement = judged({point: (0.0, 60.0 + point[2]) for point in points}, 12)
    return Backtest.of(metrics, judgement, group(metrics, judgement, ARN))


def changes_in(store: ObjectStore) -> list[str]:
    return [entry.key for entry in store.list(index_folder("shop")) if is_change_key(entry.key)]


def test_an_index_agrees_with_the_groups_after_every_run() -> None:
    store = memory_store()
    live = bench_on(store).live()
    sizes = []
    for number in range(LAST + 1):
        live.run_interval(hour(number))
        assert in_index(store) == in_lake(store)
        sizes.append(len(in_lake(store)))
    assert sizes == [0, 1, 1, 1, 2, 3, 3]


def test_late_data_withdraw_groups_from_the_index() -> None:
    store = ran()
    before = in_index(store)
    run_all(store, LATE)
    after = in_index(store)
    assert after == in_lake(store)
    assert after != before


def test_an_old_lake_gets_an_index_when_it_is_read() -> None:
    store = ran()
    store.delete([entry.key for entry in store.list(index_folder("shop"))])
    assert in_index(store) == in_lake(store)
    assert [entry.key for entry in store.list(index_folder("shop"))] == [index_key("shop", 1)]


def test_an_index_that_has_all_is_read_with_one_listing_and_no_write() -> None:
    store = ran()
    in_index(store)
    counting = CountingStore(store)
    assert in_index(counting) == in_lake(store)
    assert counting.calls == ["list", "get"]
    assert counting.folders == [index_folder("shop")]


def test_changes_are_taken_in_without_listing_the_groups() -> None:
    store = ran()
    in_index(store)
    run_all(store, LATE)
    counting = CountingStore(store)
    assert in_index(counting) == in_lake(store)
    assert set(counting.folders) == {index_folder("shop")}
    assert changes_in(store) == []
    assert len(list(store.list(index_folder("shop")))) == 2


def test_an_open_change_is_read_again_and_not_written() -> None:
    store = ran()
    in_index(store)
    with suppress(Killed):
        bench_on(KillingStore(store, 2, after=True), LATE).live().run_interval(hour(2))
    assert len(changes_in(store)) == 1
    for _ in range(2):
        counting = CountingStore(store)
        assert in_index(counting) == in_lake(store)
        assert not set(counting.calls) & set(KillingStore.WRITES)


def test_the_groups_of_detectors_with_one_name_do_not_mix() -> None:
    store = ran()
    assert entries(read_index(store, "shop", NOW), ARN.replace("000000000000", "111111111111")) == []


def test_a_live_group_stands_for_that_of_the_backtest() -> None:
    store = memory_store()
    tested = backtest_of(("revenue", 0, 3), ("revenue", 0, 4), ("views", 1, 8))
    write_backtest(store, "shop", ARN, tested, now=NOW)
    ids = {one.group_id for one in tested.groups}
    assert {entry.group_id for entry in entries(read_index(store, "shop", NOW), ARN)} == ids
    first = tested.groups[0]
    live = replace(first, intervals=(replace(first.intervals[0], score=99.0),))
    with group_index_changes(store, live.start, live.group_id):
        write_group(store, "shop", live, live.start)
    found = {entry.group_id: entry for entry in entries(read_index(store, "shop", NOW), ARN)}
    assert found.keys() == ids
    assert fields(found[live.group_id]) == fields(live)
    assert found[live.group_id].place is None
    assert in_index(store) == in_lake(store)


def group_index_changes(store: ObjectStore, start: datetime, *ids: str) -> Any:
    return live_groups.changing_groups(store, "shop", NOW, start, ids)


@pytest.mark.parametrize("body", [b"", b"no table", b"PAR1"])
def test_an_index_that_cannot_be_read_is_built_anew(body: bytes) -> None:
    store = ran()
    in_index(store)
    store.put(index_key("shop", 7), body)
    assert in_index(store) == in_lake(store)
    assert store.exists(index_key("shop", 8))


def test_an_index_of_another_form_is_built_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    store = memory_store()
    with monkeypatch.context() as older:
        older.setattr(group_index, "FORM", 0)
        in_index(store)
    number = 1
    write_group(store, "shop", group_of(scored(70.0)), scored(70.0).timestamp)
    assert store.exists(index_key("shop", number))
    assert in_index(store) == in_lake(store) != []


def test_a_record_of_a_change_that_is_invalid_leads_to_a_new_index() -> None:
    store = ran()
    in_index(store)
    write_group(store, "shop", group_of(scored(70.0)), scored(70.0).timestamp)
    store.put(f"{index_folder('shop')}/changes/x.json", b"{")
    assert in_index(store) == in_lake(store)
    assert changes_in(store) == []


def test_a_group_that_cannot_be_read_harms_no_other() -> None:
    store = ran()
    broken = group_ids(store, "shop")[0]
    for entry in list(store.list(f"{groups_folder('shop')}/{broken}")):
        store.put(entry.key, b"{")
    found = {entry[0] for entry in in_index(store)}
    assert found == set(group_ids(store, "shop")) - {broken}


def test_a_lake_that_cannot_be_written_is_read() -> None:
    store = ran()
    assert in_index(ReadOnlyStore(store)) == in_lake(store)
    in_index(store)
    run_all(store, LATE)
    assert in_index(ReadOnlyStore(store)) == in_lake(store)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("has_index", [False, True], ids=["no index", "index"])
def test_a_live_run_that_dies_at_any_write_leaves_no_wrong_index(*, after: bool, has_index: bool) -> None:
    first = ran()
    if has_index:
        in_index(first)
    at = 0
    while True:
        store = copy_of(first)
        try:
            run_late(KillingStore(store, at, after))
        except Killed:
            pass
        else:
            break
        assert in_index(store) == in_lake(store)
        run_late(store)
        assert in_index(store) == in_lake(store)
        assert in_index(store, NOW + timedelta(days=2)) == in_lake(store)
        assert changes_in(store) == []
        at += 1
    assert at > 15


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_reader_that_dies_at_any_write_leaves_no_wrong_index(*, after: bool) -> None:
    first = ran()
    in_index(first)
    run_late(first)
    for at in range(8):
        store = copy_of(first)
        with suppress(Killed):
            in_index(KillingStore(store, at, after))
        assert in_index(store) == in_lake(store)
        assert changes_in(store) == []
        run_late(store)
        assert in_index(store) == in_lake(store)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_backtest_that_dies_at_any_write_leaves_no_wrong_index(*, after: bool) -> None:
    first = memory_store()
    write_backtest(first, "shop", ARN, backtest_of(("revenue", 0, 3)), now=NOW)
    in_index(first)
    other = backtest_of(("views", 1, 5), ("views", 2, 9))
    for at in range(6):
        store = copy_of(first)
        with suppress(Killed):
            write_backtest(KillingStore(store, at, after), "shop", ARN, other, now=NOW)
        assert in_index(store) == in_lake(store)
        write_backtest(store, "shop", ARN, other, now=NOW)
        assert in_index(store) == in_lake(store)
        assert len(in_lake(store)) == 2


def test_a_reader_within_a_run_that_dies_later_leaves_no_wrong_index() -> None:
    first = ran()
    in_index(first)
    writes = 0
    while True:
        # Every third call of the store, others for each write.
        at = writes % 3
        while True:
            store = copy_of(first)
            meddled = MeddledStore(store, at, lambda store=store: in_index(store))  # type: ignore[misc]
            try:
                bench_on(KillingStore(meddled, writes, after=True), LATE).live().run_interval(hour(2))
                return
            except Killed:
                assert in_index(store) == in_lake(store)
            if meddled.left >= 0:
                break
            at += 3
        writes += 1


@pytest.mark.parametrize("rounds", [1, 3])
@pytest.mark.parametrize("has_index", [False, True], ids=["no index", "index"])
def test_runs_and_readers_between_any_two_calls_of_a_reader(*, has_index: bool, rounds: int) -> None:
    first = ran()
    if has_index:
        in_index(first)
        run_late(first)

    def meanwhile(store: ObjectStore) -> None:
        # After several the number which the reader is going to write is free again.
        for number in range(rounds):
            bench_on(store, DATA if number % 2 else LATE).live().run_interval(hour(5))
            bench_on(store).live().run_interval(hour(2))
            write_backtest(store, "shop", ARN, backtest_of(("views", 1, 5 + number)), now=NOW)
            in_index(store)

    at = 0
    while True:
        store = copy_of(first)
        meddled = MeddledStore(store, at, lambda store=store: meanwhile(store))  # type: ignore[misc]
        in_index(meddled)
        if meddled.left >= 0:
            break
        assert in_index(store) == in_lake(store)
        at += 1
    assert at > 5


def test_readers_between_any_two_calls_of_a_run() -> None:
    first = ran()
    in_index(first)
    at = 0
    while True:
        store = copy_of(first)
        meddled = MeddledStore(store, at, lambda store=store: in_index(store))  # type: ignore[misc]
        run_late(meddled)
        if meddled.left >= 0:
            break
        assert in_index(store) == in_lake(store)
        at += 2
    assert at > 40


def test_two_runs_of_an_interval_at_once_with_other_data() -> None:
    first = ran()
    in_index(first)
    at = 0
    while True:
        store = copy_of(first)

        def other(store: ObjectStore = store) -> None:
            bench_on(store, DATA).live().run_interval(hour(2))
            in_index(store)

        meddled = MeddledStore(store, at, other)
        bench_on(meddled, LATE).live().run_interval(hour(2))
        if meddled.left >= 0:
            break
        assert in_index(store) == in_lake(store)
        at += 1
    assert at > 10


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, LAST), st.booleans(), st.integers(-1, 12), st.booleans()), max_size=10),
    st.integers(0, 99),
)
def test_any_runs_crashes_and_readers_leave_an_index_that_agrees(
    steps: list[tuple[int, bool, int, bool]], seed: int
) -> None:
    store = ran()
    for number, is_late, dies_at, is_read in steps:
        through: ObjectStore = KillingStore(store, dies_at, after=True) if dies_at >= 0 else store
        with suppress(Killed):
            bench_on(through, LATE if is_late else DATA).live().run_interval(hour(number))
        if is_read:
            with suppress(StoreError):
                in_index(FlakyStore(store, seed))
            assert in_index(store) == in_lake(store)
    assert in_index(store) == in_lake(store)


def test_runs_take_their_changes_in_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_groups, "SETTLED_EVERY", 4)
    # The first interval begins at midnight of a day whose number of hours is a multiple of 4.
    store = memory_store()
    run_all(store)
    assert len(changes_in(store)) == 1
    assert in_index(store) == in_lake(store)


def test_a_run_builds_no_index_of_many_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_groups, "SETTLED_EVERY", 1)
    monkeypatch.setattr(group_index, "MOST_BUILT_LIVE", 1)
    store = ran()
    store.delete([entry.key for entry in store.list(index_folder("shop"))])
    run_late(store)
    assert not store.exists(index_key("shop", 1))
    assert in_index(store) == in_lake(store)


def test_a_failing_index_fails_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_groups, "SETTLED_EVERY", 1)

    def fails(*arguments: Any) -> None:
        raise StoreError("503 SlowDown")

    monkeypatch.setattr(live_groups, "settle_changes", fails)
    store = memory_store()
    run_all(store)
    assert len(in_lake(store)) == 3
    assert in_index(store) == in_lake(store)


def test_entries_of_an_empty_index_and_of_a_deleted_part() -> None:
    store = memory_store()
    assert in_index(store) == []
    two = group_of(scored(70.0), scored(90.0, at=1))
    for part in two.intervals:
        with group_index_changes(store, part.timestamp, two.group_id):
            write_group(store, "shop", two, part.timestamp)
    assert in_index(store) == [fields(two)]
    assert entries(read_index(store, "shop", NOW), ARN) == [
        GroupEntry(two.group_id, "revenue", int(two.start.timestamp()), int(two.end.timestamp()), 90.0)
    ]
    with group_index_changes(store, two.end, two.group_id):
        store.delete([group_key("shop", two.group_id, two.end)])
    assert in_index(store) == [(two.group_id, "revenue", two.start, two.start, 70.0)]
