"""Runs in any order, repeated, parallel or killed leave the same lake and send no alert twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalake.records.executions import SUCCEEDED
from anomalake.storage.objects import memory_store
from anomalake.storage.store import StoreError
from tests.support.live import MONDAY, START, Bench, IntervalError, hour
from tests.support.stores import FlakyStore, Killed, KillingStore

LAST = 6
UNUSUAL: dict[tuple[object, str], float | None] = {
    (hour(1), "de"): 30.0, (hour(2), "de"): 30.0, (hour(2), "fr"): 900.0, (hour(4), "uk"): 10.0, (hour(5), "de"): 400.0,
}  # fmt: skip
#: Error of an interval without files.
NOTHING = IntervalError("No datapoint was found at the source location")


def with_anomalies(bench: Bench) -> Bench:
    bench.source.unusual = dict(UNUSUAL)  # type: ignore[arg-type]
    bench.now = bench.due(hour(LAST))
    return bench


@cache
def in_order() -> tuple[dict[str, bytes], frozenset[tuple[str, str]]]:
    """Return the lake after a run of each interval in turn, and the alerts that were sent."""
    bench = with_anomalies(Bench())
    for number in range(LAST + 1):
        bench.run(hour(number))
    assert len(bench.channel.sent) == 4
    return bench.content(), frozenset(bench.channel.identities())


def sent_once(bench: Bench) -> frozenset[tuple[str, str]]:
    identities = bench.channel.identities()
    assert len(set(identities)) == len(identities)
    return frozenset(identities)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, LAST), st.booleans()), max_size=12))
def test_runs_in_any_order_and_number_give_the_same_lake(runs: list[tuple[int, bool]]) -> None:
    bench = with_anomalies(Bench())
    bench.run(hour(0))
    for number, alone in runs:
        if alone and bench.live().intervals.read(hour(number)) is not None:
            bench.live().run_interval(hour(number))
        else:
            bench.run(hour(number))
    bench.run(hour(LAST))
    content, sent = in_order()
    assert bench.content() == content
    assert sent_once(bench) == sent


@settings(max_examples=25)
@given(st.sets(st.integers(1, LAST - 1)), st.permutations(range(1, LAST)))
def test_late_files_in_any_order_give_the_same_groups_as_files_in_time(late: set[int], order: list[int]) -> None:
    bench = with_anomalies(Bench())
    bench.source.faults = {hour(number): NOTHING for number in late}
    for number in range(LAST + 1):
        bench.run(hour(number))
    bench.source.faults = {}
    for number in order:
        if number in late:
            bench.run(hour(number))
    # When all files are there, each interval is run again in turn.
    for number in range(1, LAST + 1):
        bench.run(hour(number))
    content, _ = in_order()
    assert bench.content() == content
    sent_once(bench)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(0, 60, 4))
def test_later_runs_complete_a_run_that_died_at_any_write(at: int, after: bool) -> None:
    memory = memory_store()
    dying = with_anomalies(Bench(KillingStore(memory, at, after)))
    try:
        for number in range(LAST + 1):
            dying.run(hour(number))
    except Killed:
        pass
    bench = with_anomalies(Bench(memory))
    bench.channel.sent = dying.channel.sent
    bench.run(hour(0))
    bench.run(hour(LAST))
    content, sent = in_order()
    assert bench.content() == content
    # A function that detects repeats may get the same alert again where its arrival is not known.
    assert frozenset(bench.channel.identities()) == sent
    assert len(bench.channel.sent) <= len(sent) + 1
    assert len({message.text for message in bench.channel.sent}) == len(sent)


@pytest.mark.parametrize("seed", range(12))
def test_a_store_that_fails_sometimes_gives_the_same_lake(seed: int) -> None:
    memory = memory_store()
    bench = with_anomalies(Bench(FlakyStore(memory, seed, share=0.05)))
    done = 0
    while done <= LAST:
        try:
            if bench.run(hour(done))[-1].status == SUCCEEDED:
                done += 1
        except StoreError:
            continue
    steady = with_anomalies(Bench(memory))
    steady.channel = bench.channel
    for number in range(LAST + 1):
        steady.run(hour(number))
    content, sent = in_order()
    assert steady.content() == content
    assert frozenset(steady.channel.identities()) == sent
    assert len({message.text for message in steady.channel.sent}) == len(sent)


def test_parallel_runs_of_an_interval_give_the_same_lake() -> None:
    bench = with_anomalies(Bench())
    bench.run(hour(0))
    for number in range(1, LAST + 1):
        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(lambda _: bench.live().run_interval(hour(number))[0], range(4)))  # noqa: B023
        assert {execution.status for execution in done} == {SUCCEEDED}
    content, sent = in_order()
    assert bench.content() == content
    assert frozenset(bench.channel.identities()) == sent


def test_parallel_first_runs_use_the_same_model() -> None:
    bench = with_anomalies(Bench())
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: bench.live().run_interval(START)[0], range(4)))
    assert {execution.model for execution in done} == {MONDAY}
    assert bench.live().models.model_starts() == [MONDAY]
    bench.now += timedelta(hours=1)
