"""What a detector file sets about detection: the same in backtests and live."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest

from anomalake.definitions.intervals import interval_starts
from anomalake.definitions.metric_set import Direction, Measure
from anomalake.definitions.settings import DetectionSettings
from anomalake.detection.backtest import run_backtest
from anomalake.detection.judging import judge_intervals
from anomalake.groups.counting import counted_intervals
from anomalake.model import fit, judge
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.metrics import Metrics, between
from anomalake.records.groups import group_ids, read_group
from tests.support.live import ARN, Bench, hour

#: Hours of a history, of which the last are judged.
HOURS, LEARNED = 500, 350


def metrics(unusual: dict[int, float], n_metrics: int = 2, seed: int = 3) -> Metrics:
    """Values of 100 with a daily swing and noise; `unusual` are other values of the first metric by hour."""
    at = np.arange(HOURS)
    usual = 100 + 10 * np.sin(2 * np.pi * at / 24)
    values = usual + np.random.default_rng(seed).normal(0, 2, (n_metrics, HOURS))
    for place, value in unusual.items():
        values[0, place] = value
    first, last = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    starts = interval_starts("PT1H", "Europe/Paris", first, last)[:HOURS]
    shops = tuple((f"{number}",) for number in range(n_metrics))
    return Metrics("PT1H", "Europe/Paris", starts, ("sales",), ("shop",), shops, values[None])


def of_measure(**settings: object) -> DetectionSettings:
    return DetectionSettings("PT1H", {"sales": Measure("sales", **settings)})  # type: ignore[arg-type]


def same(judgement: Judgement, other: Judgement) -> None:
    for name in ("expected", "lower", "upper", "severity", "is_anomaly"):
        np.testing.assert_array_equal(getattr(judgement, name), getattr(other, name))


def in_steps(given: Metrics, settings: DetectionSettings) -> Judgement:
    """Judge interval by interval, as live detection does."""
    model = fit(between(given, 0, LEARNED))
    state, parts = model.state, []
    for start, end in pairwise(range(LEARNED, HOURS + 1)):
        part, state = judge_intervals(
            lambda before, span: judge(model, before, span, 0), state, between(given, start, end), settings
        )
        parts.append(part)
    names = ("expected", "lower", "upper", "severity", "is_anomaly")
    return Judgement(LEARNED, *(np.concatenate([getattr(part, name) for part in parts], axis=1) for name in names))


DROP, RISE = 400, 430
BOTH = {DROP: 20.0, RISE: 180.0}


@pytest.mark.parametrize(("direction", "found"), [("both", {DROP, RISE}), ("drops", {DROP}), ("rises", {RISE})])
def test_only_deviations_in_the_direction_of_a_measure_are_anomalies(direction: Direction, found: set[int]) -> None:
    given, settings = metrics(BOTH), of_measure(direction=direction)
    tested = run_backtest(given, ARN, settings=settings)
    judgement = tested.judgement
    assert {LEARNED + int(column) for column in np.flatnonzero(judgement.is_anomaly[0])} == found
    values = given.flat[:, LEARNED:]
    np.testing.assert_array_equal(judgement.is_anomaly, judgement.severity >= ANOMALOUS)
    np.testing.assert_array_equal(judgement.is_anomaly, (values < judgement.lower) | (values > judgement.upper))
    assert len(tested.groups) == len(found)
    same(judgement, in_steps(given, settings))


def test_values_in_the_other_direction_are_learned_as_before() -> None:
    given = metrics(BOTH)
    plain = run_backtest(given, ARN).judgement
    judgement = run_backtest(given, ARN, settings=of_measure(direction="rises")).judgement
    np.testing.assert_array_equal(judgement.expected, plain.expected)
    np.testing.assert_array_equal(judgement.upper, plain.upper)
    assert (judgement.lower == -np.inf).all()
    assert (judgement.severity[0, DROP - LEARNED], judgement.severity[0, RISE - LEARNED] >= ANOMALOUS) == (0, True)
    assert plain.severity[0, DROP - LEARNED] >= ANOMALOUS


def runs(*numbers: int) -> dict[int, float]:
    return {LEARNED + number: 20.0 for number in numbers}


def test_groups_count_once_they_have_lasted() -> None:
    given = metrics(runs(20, 30, 31, 40, 41, 42, 43, 60, 61, 63, 80, 81, 83, 84, 85))
    plain = run_backtest(given, ARN)
    assert [len(group.intervals) for group in plain.groups] == [1, 2, 4, 3, 5]
    tested = run_backtest(given, ARN, settings=of_measure(minimum_duration=3))
    assert tested.groups == tuple(group for group in plain.groups if len(group.intervals) > 3)
    assert np.flatnonzero(tested.judgement.is_anomaly[0]).tolist() == [40, 41, 42, 43, 80, 81, 83, 84, 85]
    np.testing.assert_array_equal(tested.judgement.severity, plain.judgement.severity)
    settings = of_measure(minimum_duration=3)
    counted = [[interval.timestamp for interval in counted_intervals(group, settings)] for group in tested.groups]
    first = [given.starts[LEARNED + number].item().replace(tzinfo=UTC) for number in (42, 43)]
    assert counted == [first, [given.starts[LEARNED + 85].item().replace(tzinfo=UTC)]]
    # What counts does not depend on later intervals.
    for group in tested.groups:
        for at in [interval.timestamp for interval in group.intervals]:
            until = group.until(at)
            before = tuple(one for one in counted_intervals(group, settings) if one.timestamp < at)
            assert before == (counted_intervals(until, settings) if until is not None else ())


def test_a_live_group_is_alerted_once_it_has_lasted() -> None:
    bench = Bench(metric_list=(Measure("views", minimum_duration=3),))
    bench.source.unusual = {(hour(number), "de"): 30.0 for number in (1, 4, 5, 6, 7)}
    done = [bench.run(hour(number))[-1] for number in range(9)]
    assert [run.groups for run in done] == [0, 0, 0, 0, 0, 0, 1, 1, 0]
    assert [run.anomalies for run in done] == [0, 0, 0, 0, 0, 0, 1, 1, 0]
    assert [timestamp for _, timestamp in bench.channel.identities()] == ["2026-03-03T06:00Z[UTC]"]
    (group,) = [
        group
        for group_id in group_ids(bench.store, "shop")
        if (group := read_group(bench.store, "shop", group_id)) is not None and len(group.intervals) > 1
    ]
    assert group.start == hour(4)
    # A repeated run sends nothing.
    assert [run.groups for run in bench.run(hour(6))] == [1]
    assert len(bench.channel.sent) == 1


def test_a_live_drop_is_no_anomaly_of_a_measure_that_rises() -> None:
    bench = Bench(metric_list=(Measure("views", direction="rises"),))
    bench.source.unusual = {(hour(0), "de"): 30.0, (hour(1), "fr"): 900.0}
    done = [bench.run(hour(number))[-1] for number in range(2)]
    assert [(execution.anomalies, execution.groups, execution.delivered) for execution in done] == [
        (0, 0, 0),
        (1, 1, 1),
    ]
    record = bench.live().intervals.read(hour(0))
    assert record is not None
    assert {row["combination"]: row["severity"] for row in record.table.to_pylist()}['["de"]'] == 0
