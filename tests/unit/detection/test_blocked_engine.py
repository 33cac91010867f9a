"""A live detector whose models and states are in blocks has the intervals, groups and alerts of one process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import pytest

from anomalake.detection import backtest
from anomalake.detection.blocked_engine import BlockedEngine, LakeBlocks
from anomalake.detection.engine import NumpyModelEngine
from anomalake.model import Model, blocks
from anomalake.model.metrics import Metrics
from anomalake.records.executions import SUCCEEDED, Execution
from anomalake.records.versions import version_of
from anomalake.records.work import WORK
from anomalake.storage.objects import memory_store
from anomalake.tasks import InProcess, Task, TaskError
from tests.support.live import COUNTRIES, HOUR, START, Bench, hour
from tests.support.task_runners import Unlucky

#: Two blocks of two series, and one that two series are left for.
MANY = tuple(f"c{number}" for number in range(5))
LAST = 150
UNUSUAL = {(hour(2), "c1"): 30.0, (hour(3), "c1"): 31.0, (hour(3), "c4"): 900.0, (hour(146), "c0"): 4.0}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 2)
    monkeypatch.setattr(backtest, "BLOCK", 2)


class Repeating:
    """Runs each task twice, and the last one first."""

    def run(self, task: Task, n_tasks: int) -> Iterator[tuple[int, bytes]]:
        for number in reversed(range(n_tasks)):
            first = task(number)
            assert task(number) == first
            yield number, first


def new_bench() -> Bench:
    bench = Bench()
    begin = bench.source.countries[COUNTRIES[0]]
    bench.source.countries = dict.fromkeys(MANY, begin)
    bench.source.unusual = dict(UNUSUAL)  # type: ignore[arg-type]
    bench.engine = NumpyModelEngine()  # type: ignore[assignment]
    return bench


def in_blocks(bench: Bench, runner: object = None, *, fits_blocks: bool = True) -> Bench:
    lake = LakeBlocks(lambda: bench.store, "shop", version_of(bench.detector.metric_set))
    runner = runner if runner is not None else InProcess()
    bench.engine = BlockedEngine(lake, runner, fits_blocks=fits_blocks)  # type: ignore[assignment, arg-type]
    return bench


def run(bench: Bench, first: int, last: int) -> list[Execution]:
    bench.now = max(bench.now, bench.due(hour(last)))
    return [execution for execution, _ in bench.live().run_span(hour(first), hour(last))]


def results(bench: Bench) -> dict[str, bytes]:
    """Return all that a lake has, but models and states, which one has in blocks."""
    return bench.content("/models/", "/states/")


def of_one_process(first: int = 0, last: int = 5) -> Bench:
    bench = new_bench()
    assert {done.status for done in run(bench, first, last)} == {SUCCEEDED}
    return bench


@pytest.mark.parametrize("runner", [InProcess(), Repeating()])
def test_intervals_groups_and_alerts_are_those_of_one_process(runner: object) -> None:
    expected = of_one_process()
    bench = in_blocks(new_bench(), runner)
    done = run(bench, 0, 5)
    assert [(one.status, one.warnings) for one in done] == [(SUCCEEDED, ())] * 6
    assert sum(one.groups for one in done) > 1
    assert results(bench) == results(expected)
    assert bench.channel.identities() == expected.channel.identities()
    assert not list(bench.store.list(WORK))


def test_a_new_model_and_catching_up_are_those_of_one_process() -> None:
    expected, bench = new_bench(), in_blocks(new_bench())
    for one in (expected, bench):
        # Those between are never run: the state is computed over the source's values.
        run(one, 0, 0)
        run(one, 141, LAST)
    assert sum("/models/" in entry.key and "/blocks/" not in entry.key for entry in bench.store.list("")) == 3
    assert results(bench) == results(expected)


def test_metrics_that_the_model_does_not_know_or_that_are_missing() -> None:
    expected, bench = new_bench(), in_blocks(new_bench())
    for one in (expected, bench):
        one.source.countries["b0"] = hour(1)
        one.source.unusual[hour(1), "c3"] = None  # type: ignore[assignment]
        run(one, 0, 3)
    assert results(bench) == results(expected)


@pytest.mark.parametrize("left", [0, 1, 3, 5, 8, 11])
def test_a_run_that_ends_between_blocks_is_repeated_with_the_same_results(left: int) -> None:
    expected = of_one_process(0, 3)
    bench = in_blocks(new_bench(), Unlucky(left))
    with pytest.raises(TaskError):
        run(bench, 0, 3)
    in_blocks(bench)
    assert {done.status for done in run(bench, 0, 3)} == {SUCCEEDED}
    assert results(bench) == results(expected)
    assert bench.channel.identities() == expected.channel.identities()


def test_a_lost_or_damaged_block_is_computed_again() -> None:
    expected = of_one_process()
    bench = in_blocks(new_bench())
    run(bench, 0, 3)
    states = sorted(entry.key for entry in bench.store.list("") if f"/blocks/states/{hour(3):%Y%m%dT%H}" in entry.key)
    bench.store.delete(states[:1])
    (done,) = run(bench, 4, 4)
    assert done.status == SUCCEEDED
    assert "1 of 2 blocks are lost" in done.warnings[0]
    damaged = next(entry.key for entry in bench.store.list("") if f"/blocks/states/{hour(4):%Y%m%dT%H}" in entry.key)
    bench.store.put(damaged, bench.store.get(damaged)[:-9])
    with pytest.raises(TaskError, match="1 blocks cannot be read"):
        run(bench, 5, 5)
    (done,) = run(bench, 5, 5)
    assert done.status == SUCCEEDED
    models = next(entry.key for entry in bench.store.list("") if "/blocks/models/" in entry.key)
    bench.store.delete([models])
    (done,) = run(bench, 5, 5)
    assert "a new one is fitted" in done.warnings[0]
    assert results(bench) == results(expected)


def test_one_process_goes_on_with_blocks_and_blocks_with_what_one_process_stored() -> None:
    expected = of_one_process(0, 8)
    bench = new_bench()
    run(bench, 0, 1)
    in_blocks(bench)
    run(bench, 2, 3)
    models = [entry.key for entry in bench.store.list("") if "/models/" in entry.key]
    bench.store.delete(models)
    run(bench, 4, 5)
    in_blocks(bench, fits_blocks=False)
    run(bench, 6, 8)
    assert results(bench) == results(expected)


def test_blocks_that_no_kept_state_names_are_deleted() -> None:
    bench = in_blocks(new_bench())
    run(bench, 0, 27)
    kept = bench.live().models.state_starts()
    folders = {entry.key.split("/")[-2] for entry in bench.store.list("") if "/blocks/states/" in entry.key}
    assert folders == {f"{start:%Y%m%dT%H%M%SZ}" for start in kept}
    assert kept[0] > START + HOUR


def daily(days: int, after: int, names: str) -> Metrics:
    """Days of the week from a Monday on, at a fifth on a holiday."""
    values = 100 + 10.0 * (np.arange(after, after + days) % 7) + np.arange(len(names))[:, None]
    values[:, [day for day in (50 - after, 150 - after) if 0 <= day < days]] /= 5
    starts = np.datetime64("2024-01-01", "s") + np.arange(after, after + days) * np.timedelta64(86_400, "s")
    combinations = tuple((name,) for name in names)
    return Metrics("P1D", "UTC", starts, ("views",), ("page",), combinations, values[None])


@pytest.mark.parametrize("names", ["abcde", "cxb"])
@pytest.mark.parametrize("earlier_in_blocks", [True, False])
@pytest.mark.parametrize("fits_blocks", [True, False])
def test_what_holidays_taught_is_that_of_one_process(names: str, earlier_in_blocks: bool, fits_blocks: bool) -> None:
    store = memory_store()
    lake = LakeBlocks(lambda: store, "shop", "0" * 16)
    holidays = tuple(date(2024, 1, 1) + timedelta(days=day) for day in (50, 150))
    first, later = daily(140, 0, "abcde"), daily(130, 60, names)
    whole, blocked = NumpyModelEngine(), BlockedEngine(lake, InProcess())
    before = whole.fit(first, holidays)
    expected = whole.fit(later, holidays, before).model.learned_holidays
    assert len(expected.dates) == 2
    earlier = blocked.fit(first, holidays) if earlier_in_blocks else before
    fitted = BlockedEngine(lake, InProcess(), fits_blocks=fits_blocks).fit(later, holidays, earlier).model
    models = [Model.from_arrays(lake.of(store).read(name)) for name in fitted.names] if fits_blocks else [fitted]
    np.testing.assert_array_equal(models[0].learned_holidays.dates, expected.dates)
    effects = np.concatenate([model.learned_holidays.effects for model in models], axis=-1)
    np.testing.assert_array_equal(effects, expected.effects)
