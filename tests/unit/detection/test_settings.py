"""What a detector file sets about detection: the same in backtests and live."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from anomalake.definitions.intervals import interval_starts
from anomalake.definitions.metric_set import Direction, Measure
from anomalake.definitions.quiet_windows import PlannedWindow, RecurringWindow
from anomalake.definitions.settings import DetectionSettings
from anomalake.detection.backtest import run_backtest
from anomalake.detection.judging import judge_intervals, learnable
from anomalake.groups.counting import counted_intervals
from anomalake.lake.lake import Lake
from anomalake.model import fit, judge
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.metrics import Metrics, between
from anomalake.records.groups import group_ids, read_group
from anomalake.services.detect import live_detector
from anomalake.storage.objects import memory_store
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
    return DetectionSettings("PT1H", "Europe/Paris", {"sales": Measure("sales", **settings)})  # type: ignore[arg-type]


def same(judgement: Judgement, other: Judgement) -> None:
    for name in ("expected", "lower", "upper", "severity", "is_anomaly"):
        np.testing.assert_array_equal(getattr(judgement, name), getattr(other, name))


def in_steps(given: Metrics, settings: DetectionSettings) -> Judgement:
    """Judge interval by interval, as live detection does."""
    model = fit(learnable(between(given, 0, LEARNED), settings))
    state, parts = model.state, []
    for start, end in pairwise(range(LEARNED, HOURS + 1)):
        part, state = judge_intervals(
            lambda before, span: judge(model, before, span, 0),
            state,
            between(given, start, end),
            settings,
            np.zeros((given.n_metrics, 1), np.bool_),
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


#: Every day from 06:00 to 08:00 in Paris, which are two intervals.
EVERY_DAY = DetectionSettings(
    "PT1H", "Europe/Paris", {}, (RecurringWindow(tuple(range(7)), timedelta(hours=6), timedelta(hours=8)),)
)


def test_anomalies_in_quiet_windows_are_judged_but_do_not_count() -> None:
    is_quiet = EVERY_DAY.is_quiet(metrics({}).starts)
    assert is_quiet.sum() == 2 * 21
    given = metrics({int(at): 10.0 for at in np.flatnonzero(is_quiet)})
    tested = run_backtest(given, ARN, settings=EVERY_DAY)
    judgement = tested.judgement
    assert (judgement.severity[0, is_quiet[LEARNED:]] >= ANOMALOUS).all()
    assert not judgement.is_anomaly.any()
    assert tested.groups == ()
    same(replace(judgement, is_anomaly=judgement.severity >= ANOMALOUS), in_steps(given, EVERY_DAY))


def test_values_in_quiet_windows_are_not_learned_from() -> None:
    given = metrics({})
    is_quiet = EVERY_DAY.is_quiet(given.starts)
    absurd = replace(given, values=np.where(is_quiet, 1e6, given.values))
    plain, other = (run_backtest(one, ARN, settings=EVERY_DAY).judgement for one in (given, absurd))
    for name in ("expected", "lower", "upper"):
        np.testing.assert_array_equal(getattr(other, name), getattr(plain, name))
    np.testing.assert_array_equal(other.severity[:, ~is_quiet[LEARNED:]], plain.severity[:, ~is_quiet[LEARNED:]])


def test_an_outage_that_outlasts_its_window_counts_from_the_end_of_the_window() -> None:
    given = metrics({})
    first = LEARNED + int(np.flatnonzero(EVERY_DAY.is_quiet(given.starts)[LEARNED:])[0])
    tested = run_backtest(metrics(dict.fromkeys(range(first, first + 4), 20.0)), ARN, settings=EVERY_DAY)
    (group,) = tested.groups
    instants = [given.starts[at].item().replace(tzinfo=UTC) for at in range(first, first + 4)]
    assert [interval.timestamp for interval in group.intervals] == instants
    assert [interval.timestamp for interval in counted_intervals(group, EVERY_DAY)] == instants[2:]


def judged(bench: Bench, number: int) -> dict[str, dict[str, Any]]:
    record = bench.live().intervals.read(hour(number))
    assert record is not None
    return {json.loads(row["combination"])[0]: row for row in record.table.to_pylist()}


def test_a_live_window_is_judged_but_neither_alerted_nor_learned_from() -> None:
    window = PlannedWindow(datetime(2026, 3, 3, 1), datetime(2026, 3, 3, 4))
    bench, plain = Bench(quiet_windows=(window,)), Bench()
    bench.source.unusual = {(hour(number), "de"): 125.0 for number in (1, 2, 3, 4)} | {(hour(2), "fr"): 20.0}
    plain.source.unusual = {(hour(number), country): None for number in (1, 2, 3) for country in ("de", "fr", "uk")}
    plain.source.unusual[hour(4), "de"] = 125.0
    for number in range(6):
        bench.run(hour(number))
        plain.run(hour(number))
    severity = [judged(bench, number)["fr"]["severity"] for number in (1, 2)]
    assert severity[0] < ANOMALOUS <= severity[1]
    assert bench.channel.sent == []
    # What follows is judged as if nothing had been observed in the window, also by a process that finds no state.
    assert judged(bench, 5) == judged(plain, 5)
    states = bench.live().models
    states.delete_states(states.state_starts())
    before = judged(bench, 5)
    bench.live().run_interval(hour(5))
    assert judged(bench, 5) == before


def test_a_live_outage_that_outlasts_its_window_is_alerted_after_it() -> None:
    bench = Bench(quiet_windows=(PlannedWindow(datetime(2026, 3, 3, 1), datetime(2026, 3, 3, 4)),))
    bench.source.unusual = {(hour(number), "de"): 20.0 for number in (2, 3, 4)}
    done = [bench.run(hour(number))[-1] for number in range(6)]
    assert [(run.groups, run.anomalies, run.delivered) for run in done] == [(0, 0, 0)] * 4 + [(1, 1, 1), (0, 0, 0)]
    assert [timestamp for _, timestamp in bench.channel.identities()] == ["2026-03-03T04:00Z[UTC]"]
    (group_id,) = group_ids(bench.store, "shop")
    group = read_group(bench.store, "shop", group_id)
    assert group is not None
    assert group.start == hour(2)


def test_a_sensitivity_moves_decision_range_and_severity_together() -> None:
    given = metrics(dict.fromkeys((400, 430, 460), 112.0))
    judgements = []
    for sensitivity in (0.01, "low", "medium", "high", 300.0):
        settings = DetectionSettings("PT1H", "Europe/Paris", {}, (), sensitivity)  # type: ignore[arg-type]
        judgement = run_backtest(given, ARN, settings=settings).judgement
        values = given.flat[:, LEARNED:]
        np.testing.assert_array_equal(judgement.is_anomaly, (values < judgement.lower) | (values > judgement.upper))
        np.testing.assert_array_equal(judgement.is_anomaly, judgement.severity >= ANOMALOUS)
        judgements.append(judgement)
    for lower, higher in pairwise(judgements):
        np.testing.assert_array_equal(lower.expected, higher.expected)
        assert (lower.upper >= higher.upper).all()
        assert (lower.lower <= higher.lower).all()
        assert (lower.severity <= higher.severity).all()
        assert lower.is_anomaly.sum() <= higher.is_anomaly.sum()
    assert judgements[0].is_anomaly.sum() < judgements[-1].is_anomaly.sum()


@pytest.mark.parametrize("sensitivity", [3.0, 30.0])
def test_a_number_is_about_that_of_false_groups_a_week_of_a_hundred_metrics(sensitivity: float) -> None:
    """Noise as heavy as that of many KPIs: Student's t with 4 degrees of freedom."""
    weeks = 3
    n = weeks * 168 * 10 // 3
    values = 100 + 10 * np.sin(2 * np.pi * np.arange(n) / 24) + np.random.default_rng(2).standard_t(4, (100, n))
    first, last = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    starts = interval_starts("PT1H", "UTC", first, last)[:n]
    shops = tuple((f"{number:03}",) for number in range(100))
    given = Metrics("PT1H", "UTC", starts, ("orders",), ("shop",), shops, values[None])
    settings = DetectionSettings("PT1H", "UTC", {}, (), sensitivity)
    assert sensitivity / 3 <= len(run_backtest(given, ARN, settings=settings).groups) / weeks <= 3 * sensitivity


def test_a_live_detector_has_the_sensitivity_of_its_file() -> None:
    given = Bench(sensitivity=0.01).detector
    live = live_detector(given, Lake(memory_store()), [])
    metrics_ = metrics({400: 112.0})
    settings = DetectionSettings.of(given)
    model = live._engine.fit(between(metrics_, 0, LEARNED), ()).model
    (judgement, _) = live._engine.judge(model, model.state, between(metrics_, LEARNED, HOURS))
    same(judgement, run_backtest(metrics_, ARN, settings=replace(settings, measures={})).judgement)


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
