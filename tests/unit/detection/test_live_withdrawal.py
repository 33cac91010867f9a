"""Results that no longer hold are withdrawn from the lake, and are not sent to people again."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalake.aws.channels import LakeChannel
from anomalake.definitions.detector import AlertRule
from anomalake.lake import bulk
from anomalake.lake.compaction import compact
from anomalake.lake.lake import Lake
from anomalake.lake.withdrawal_rows import read_states
from anomalake.notify.delivery import RetryPolicy
from anomalake.records.groups import group_ids
from anomalake.records.snoozes import Snooze, write_snooze
from anomalake.services.detect import AlertNotifier
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore, StoreError
from tests.support import oracle
from tests.support.live import HOUR, Bench, IntervalError, detector, hour
from tests.support.stores import FlakyStore, Killed, KillingStore

LAST = 5
#: Anomalies of the right data.
RIGHT = {(hour(1), "de"): 30.0, (hour(2), "de"): 30.0, (hour(4), "uk"): 10.0}
#: Data that are replaced later: another value, an anomaly too many, one that is missing.
WRONG = {(hour(1), "de"): 35.0, (hour(2), "de"): 30.0, (hour(3), "fr"): 900.0}


class LakeBench(Bench):
    """A bench whose alerts go to the lake and, under the same rules, to people."""

    def __init__(self, store: ObjectStore | None = None, **changes: Any) -> None:
        super().__init__(store, **changes)
        self.channel.repeatable = False
        self.formats: tuple[str, ...] = ("parquet",)
        self.now = self.due(hour(LAST))

    def live(self, **changes: Any) -> Any:
        live = super().live(**changes)
        rules = [(rule, LakeChannel(Lake(self.store, formats=self.formats))) for rule in self.detector.alerts]
        people = [
            AlertRule(f"people-{rule.name}", f"{rule.arn}-people", threshold=rule.threshold)
            for rule in self.detector.alerts
        ]
        patience = RetryPolicy(pauses=(0.0,), sleep=lambda seconds: None, now=lambda: self.now)
        both = [*rules, *((rule, self.channel) for rule in people)]
        live._live_groups._notifier = AlertNotifier(self.detector, self.store, both, patience)
        return live

    def run_all(self) -> None:
        for number in range(LAST + 1):
            self.live().run_interval(hour(number))

    def alerts(self) -> set[tuple[object, ...]]:
        """Return the alerts in force: event, timestamp and score."""
        return {(row[2], row[4], row[8]) for row in oracle.shown_in_tables(self.store)["alerts"]}

    def in_force(self) -> set[tuple[object, ...]]:
        """Return the alerts in force and the root causes of their groups."""
        return self.alerts() | set(oracle.shown_in_tables(self.store)["causes"])

    def hours(self) -> list[int]:
        """Return the intervals of the alerts in force."""
        return sorted((row[1] - hour(0).replace(tzinfo=None)) // HOUR for row in self.alerts())  # type: ignore[operator]


def bench_with(data: dict[Any, float], store: ObjectStore | None = None, **changes: Any) -> LakeBench:
    bench = LakeBench(store, **changes)
    bench.source.unusual = dict(data)  # type: ignore[arg-type]
    return bench


@cache
def of_the_right_data() -> frozenset[tuple[object, ...]]:
    bench = bench_with(RIGHT)
    bench.run_all()
    assert bench.hours() == [1, 4]
    assert len(bench.in_force()) == 4
    return frozenset(bench.in_force())


def test_late_data_withdraw_the_alerts_of_the_data_before() -> None:
    bench = bench_with(WRONG)
    bench.run_all()
    assert bench.hours() == [1, 3]
    told = bench.channel.identities()
    bench.source.unusual = dict(RIGHT)  # type: ignore[arg-type]
    bench.run_all()
    assert bench.in_force() == of_the_right_data()
    assert len(group_ids(bench.store, "shop")) == 2
    # People are told of the new anomaly only; the one about hour 1 was sent, and hour 3 stays recorded as sent.
    assert bench.channel.identities()[: len(told)] == told
    assert [stamp for _, stamp in bench.channel.identities()[len(told) :]] == ["2026-03-03T04:00Z[UTC]"]
    assert any("20260303T030000Z/0001-delivered" in entry.key for entry in bench.store.list("detection"))


def test_a_run_again_with_the_same_data_writes_nothing() -> None:
    bench = bench_with(WRONG)
    bench.run_all()
    bench.source.unusual = dict(RIGHT)  # type: ignore[arg-type]
    bench.run_all()
    before = bench.content()
    bench.now += HOUR
    bench.run_all()
    assert bench.content() == before


def test_data_that_come_back_reinstate_the_alerts() -> None:
    bench = bench_with(WRONG)
    bench.run_all()
    first = bench.in_force()
    for data in (RIGHT, WRONG):
        bench.source.unusual = dict(data)  # type: ignore[arg-type]
        bench.run_all()
    assert bench.in_force() == first
    assert {state.is_withdrawn for state in read_states(bench.store, "shop").values()} == {True, False}


def test_an_edited_detector_withdraws_what_it_does_not_find_and_back_again() -> None:
    bench = bench_with(WRONG)
    bench.run_all()
    first, groups = bench.alerts(), group_ids(bench.store, "shop")
    edited = bench_with({(hour(4), "uk"): 10.0}, bench.store, templated_path_list=("other/{{yyyyMMdd}}/{{HHmm}}",))
    edited.run_all()
    assert edited.hours() == [4]
    assert len(group_ids(bench.store, "shop")) == 1
    bench.run_all()
    assert bench.alerts() == first
    assert group_ids(bench.store, "shop") == groups


def test_a_lower_threshold_withdraws_nothing_and_a_higher_one_does() -> None:
    bench = bench_with(RIGHT)
    bench.run_all()
    for threshold, expected in ((10.0, [1, 4]), (99.0, []), (50.0, [1, 4])):
        (rule,) = bench.detector.alerts
        bench.detector = detector(alerts=(replace(rule, threshold=threshold),))
        bench.run_all()
        assert bench.hours() == expected


def test_a_snoozed_alert_stays() -> None:
    bench = bench_with(RIGHT)
    bench.run_all()
    for group_id in group_ids(bench.store, "shop"):
        write_snooze(bench.store, "shop", Snooze(bench.now + 100 * HOUR, group_id=group_id))
    bench.run_all()
    assert bench.in_force() == of_the_right_data()


def test_alerts_of_other_senders_stay() -> None:
    bench = bench_with(WRONG)
    bench.run_all()
    (sent, *_) = bench.channel.sent
    foreign = json.loads(sent.text) | {"anomalyGroupId": "f6a3c1b0-0000-4000-8000-000000000000", "alertName": "l4m"}
    foreign["alertEventId"] = foreign["alertArn"] + ":event/f6a3c1b0-0000-4000-8000-000000000000"
    Lake(bench.store).ingest(list(bulk.read_lines([json.dumps(foreign).encode()], "l4m")))  # type: ignore[arg-type]
    bench.source.unusual = dict(RIGHT)  # type: ignore[arg-type]
    bench.run_all()
    assert len(bench.alerts() - of_the_right_data()) == 1


@pytest.mark.parametrize("record", ["anomalake/withdrawal", "anomalake/causes"])
def test_what_cannot_be_stored_is_tried_again(record: str) -> None:
    bench = bench_with(WRONG)
    bench.run_all()
    bench.source.unusual = dict(RIGHT)  # type: ignore[arg-type]
    ingest, failures = Lake.ingest, [True]

    def failing(lake: Lake, documents: Any) -> Any:
        documents = list(documents)
        if failures[0] and record in documents[0].body:
            raise StoreError("503")
        return ingest(lake, documents)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lake, "ingest", failing)
        for number in range(LAST + 1):
            with suppress(StoreError):
                bench.live().run_interval(hour(number))
    assert bench.in_force() != of_the_right_data()
    bench.run_all()
    assert bench.in_force() == of_the_right_data()


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, LAST), st.booleans()), max_size=10), st.booleans())
def test_runs_of_any_data_in_any_order_end_with_the_alerts_of_the_last(
    runs: list[tuple[int, bool]], maintained: bool
) -> None:
    bench = bench_with(WRONG)
    for number, right in runs:
        bench.source.unusual = dict(RIGHT if right else WRONG)  # type: ignore[arg-type]
        bench.live().run_interval(hour(number))
    bench.source.unusual = dict(RIGHT)  # type: ignore[arg-type]
    bench.run_all()
    if maintained:
        compact(Lake(bench.store))
        assert bench.in_force() == of_the_right_data()
        bulk.rebuild(Lake(bench.store), lambda: Lake(bench.store))
    assert bench.in_force() == of_the_right_data()
    texts = [message.text for message in bench.channel.sent]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(0, 75, 5))
def test_a_run_that_died_and_is_repeated_ends_with_the_same_alerts(at: int, after: bool) -> None:
    memory = memory_store()
    bench_with(WRONG, memory).run_all()
    dying = bench_with(RIGHT, KillingStore(memory, at, after))
    with suppress(Killed):
        dying.run_all()
    bench = bench_with(RIGHT, memory)
    bench.run_all()
    assert bench.in_force() == of_the_right_data()


@pytest.mark.parametrize("seed", range(8))
def test_a_store_that_fails_sometimes_ends_with_the_same_alerts(seed: int) -> None:
    memory = memory_store()
    bench_with(WRONG, memory).run_all()
    flaky = bench_with(RIGHT, FlakyStore(memory, seed, share=0.05))
    for number in range(LAST + 1):
        with suppress(StoreError):
            flaky.live().run_interval(hour(number))
    bench = bench_with(RIGHT, memory)
    bench.run_all()
    assert bench.in_force() == of_the_right_data()


def test_an_interval_without_files_withdraws_nothing() -> None:
    bench = bench_with(RIGHT)
    bench.run_all()
    bench.source.faults = {hour(1): IntervalError("No datapoint was found at the source location")}
    bench.run_all()
    assert bench.in_force() == of_the_right_data()


def test_the_table_may_be_csv() -> None:
    bench = bench_with(WRONG)
    bench.formats = ("csv",)
    bench.run_all()
    bench.source.unusual = dict(RIGHT)  # type: ignore[arg-type]
    bench.run_all()
    bulk.rebuild(Lake(bench.store), lambda: Lake(bench.store))
    assert bench.in_force() == of_the_right_data()
