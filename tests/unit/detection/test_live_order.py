"""Which interval ran first does not matter: models, histories, scores and groups are equal to the last bit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalake.detection.engine import NumpyModelEngine
from anomalake.records.executions import SUCCEEDED
from anomalake.records.intervals import from_parquet, interval_key
from tests.support.live import HOUR, MONDAY, Bench, IntervalError, hour

#: The second of these intervals is the first of a new model.
FIRST, LAST = 143, 150
#: Values that a float32 does not hold.
UNUSUAL = {
    (hour(FIRST - 30), "fr"): 216.10000001, (hour(FIRST + 2), "de"): 30.1, (hour(FIRST + 3), "de"): 30.2,
    (hour(FIRST + 4), "uk"): 900.3, (hour(FIRST + 6), "uk"): 10.4,
}  # fmt: skip


def new_bench() -> Bench:
    bench = Bench()
    bench.source.unusual = dict(UNUSUAL)  # type: ignore[arg-type]
    bench.now = bench.due(hour(LAST))
    return bench


def run_span(bench: Bench) -> None:
    done = [execution for execution, _ in bench.live().run_span(hour(FIRST), hour(LAST))]
    assert {execution.status for execution in done} == {SUCCEEDED}


@cache
def of_the_span_alone(real: bool = False) -> dict[str, bytes]:
    bench = new_bench()
    if real:
        bench.engine = NumpyModelEngine()  # type: ignore[assignment]
    run_span(bench)
    content = bench.content()
    assert sum("/models/" in key for key in content) == 2
    assert sum("/groups/" in key for key in content) == 4
    return content


@settings(max_examples=25)
@given(st.lists(st.integers(FIRST - 2, LAST), max_size=6))
def test_runs_before_a_span_change_nothing(first: list[int]) -> None:
    bench = new_bench()
    for number in first:
        bench.live().run_interval(hour(number))
    run_span(bench)
    content = bench.content()
    of_the_span = {key: body for key, body in content.items() if key in of_the_span_alone()}
    assert of_the_span == of_the_span_alone()
    others = {key.rsplit("/", 1)[1] for key in set(content) - set(of_the_span)}
    assert all(name[:16] < f"{hour(FIRST):%Y%m%dT%H%M%SZ}" for name in others)


@pytest.mark.parametrize("order", [(LAST,), (145, 143), (150, 149, 148, 147, 146, 145, 144, 143), (144, 148, 143, 150)])
def test_the_scores_of_each_run_are_equal_in_every_order(order: tuple[int, ...]) -> None:
    bench = new_bench()
    bench.engine = NumpyModelEngine()  # type: ignore[assignment]
    expected = of_the_span_alone(real=True)
    for number in order:
        (done, _) = bench.live().run_interval(hour(number))
        assert (done.status, done.warnings) == (SUCCEEDED, ())
        record = bench.live().intervals.read(hour(number))
        assert record is not None
        key = interval_key("shop", done.version, hour(number))
        assert record.table.equals(from_parquet(expected[key]).table)
    run_span(bench)
    assert bench.content() == expected


def test_a_model_is_fitted_to_the_history_before_it_is_due() -> None:
    bench = new_bench()
    (done, _) = bench.live().run_interval(hour(60))
    assert done.model == MONDAY
    learnt = bench.live().models.read_history(MONDAY)
    assert learnt is not None
    assert learnt.starts[-1].item().replace(tzinfo=UTC) == MONDAY - HOUR
    assert bench.source.histories == 1


def test_a_broken_history_fails_no_interval_after_one_that_was_never_run() -> None:
    bench = new_bench()
    bench.live().run_interval(hour(0))
    bench.source.history = broken  # type: ignore[method-assign]
    (done, _) = bench.live().run_interval(hour(2))
    assert done.status == SUCCEEDED
    assert done.warnings == ("history: 9 of 10 rows are bad; intervals that were never run are used as not observed",)
    (done, _) = bench.live().run_interval(hour(FIRST + 1))
    assert (done.status, done.model) == (SUCCEEDED, MONDAY + timedelta(days=7))


def broken(until: datetime) -> None:
    raise IntervalError("history: 9 of 10 rows are bad")
