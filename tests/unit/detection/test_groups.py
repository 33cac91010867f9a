"""Anomalous metrics of one measure make a group, which goes on while its metrics do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import numpy as np
import pytest

from anomalake.detection.grouping.group_model import ENDS_AFTER, open_groups
from anomalake.detection.grouping.groups import Group, group, without
from anomalake.detection.judgement import Judgement
from anomalake.detection.metrics import Metrics, time_series_id
from tests.support.anomalies import ARN, HOUR, START, Points, cut, interval, judged, metric

LOW = (40.0, 60.0)


def groups(points: Points, n_intervals: int = 8) -> tuple[Group, ...]:
    return group(*judged(points, n_intervals), ARN)


def spans(points: Points) -> list[tuple[str, list[int]]]:
    """Measure and hours of each group."""
    return [(one.measure, [(i.timestamp - START) // HOUR for i in one.intervals]) for one in groups(points)]


def test_metrics_of_a_measure_in_one_interval_are_one_group() -> None:
    [made] = groups({("revenue", 0, 2): (40.0, 60.0), ("revenue", 3, 2): (170.0, 80.0)})
    [only] = made.intervals
    assert made.start == made.end == only.timestamp == START + 2 * HOUR
    assert [one.dimensions for one in only.affected] == [
        (("marketplace", "us"), ("platform", "web")),
        (("marketplace", "de"), ("platform", "app")),
    ]
    first = only.affected[0]
    assert (first.value, first.expected, first.lower, first.upper, first.severity) == (170.0, 100.0, 90.0, 110.0, 80.0)
    assert first.time_series_id == time_series_id(ARN, "revenue", first.dimensions)
    assert only.impact == 130.0
    assert only.observed == 4
    assert only.expected_total == 400.0


def test_measures_do_not_share_a_group() -> None:
    assert spans({("revenue", 0, 2): LOW, ("views", 0, 2): LOW}) == [("revenue", [2]), ("views", [2])]


def test_a_group_goes_on_while_one_of_its_metrics_does_and_others_join_it() -> None:
    points = {("revenue", 0, 1): LOW, ("revenue", 0, 2): LOW, ("revenue", 1, 2): LOW, ("revenue", 1, 3): LOW}
    assert spans(points) == [("revenue", [1, 2, 3])]


def test_another_metric_in_the_next_interval_is_another_group() -> None:
    assert spans({("revenue", 0, 1): LOW, ("revenue", 1, 2): LOW}) == [("revenue", [1]), ("revenue", [2])]


def test_a_group_may_pause_for_one_interval_not_for_two() -> None:
    assert spans({("revenue", 0, 1): LOW, ("revenue", 0, 3): LOW}) == [("revenue", [1, 3])]
    assert spans({("revenue", 0, 1): LOW, ("revenue", 0, 4): LOW}) == [("revenue", [1]), ("revenue", [4])]


def test_an_interval_of_two_groups_goes_to_the_one_it_shares_more_with_then_to_the_older() -> None:
    older, newer = {("revenue", 0, 1): LOW}, {("revenue", 1, 2): LOW, ("revenue", 2, 2): LOW}
    both = {("revenue", 0, 3): LOW, ("revenue", 1, 3): LOW}
    assert spans({**older, **newer, **both}) == [("revenue", [1, 3]), ("revenue", [2])]
    assert spans({**older, **newer, **both, ("revenue", 2, 3): LOW}) == [("revenue", [1]), ("revenue", [2, 3])]


def test_a_day_of_23_hours_is_one_interval() -> None:
    before = datetime(2022, 3, 25, 23, tzinfo=UTC)
    days = [
        before,
        before + timedelta(days=1),
        before + timedelta(days=1, hours=23),
        before + timedelta(days=2, hours=23),
    ]
    metrics, judgement = judged({("revenue", 0, t): LOW for t in range(4)}, 4, frequency="P1D")
    metrics = replace(metrics, starts=np.array([day.replace(tzinfo=None) for day in days], "datetime64[s]"))
    [made] = group(metrics, judgement, ARN)
    assert [one.timestamp for one in made.intervals] == days


def test_ids_are_those_of_detector_measure_and_first_interval() -> None:
    first, second = groups({("revenue", 0, 1): LOW, ("views", 0, 1): LOW})
    [again] = groups({("revenue", 3, 1): LOW, ("revenue", 3, 2): LOW})
    [other] = group(*judged({("revenue", 0, 1): LOW}, 8), ARN + "2")
    assert again.group_id == first.group_id
    assert len({first.group_id, second.group_id, other.group_id}) == 3


def test_one_interval_again_gives_the_same_groups_and_forgets_what_it_gave_before() -> None:
    metrics, judgement = judged({("revenue", 0, 1): LOW, ("revenue", 0, 2): LOW, ("views", 1, 2): LOW}, 4)
    first = group(*cut(metrics, judgement, 0, 2), ARN)
    second = group(*cut(metrics, judgement, 2, 3), ARN, first)
    merged = {one.group_id: one for one in (*first, *second)}
    assert group(*cut(metrics, judgement, 2, 3), ARN, merged.values()) == ()
    quiet = replace(judgement, is_anomaly=np.zeros_like(judgement.is_anomaly))
    assert group(*cut(metrics, quiet, 2, 3), ARN, merged.values()) == first


def test_only_groups_that_may_go_on_are_open() -> None:
    made = groups({("revenue", 0, 1): LOW, ("views", 0, 3): LOW})
    at = {hour: [one.measure for one in open_groups(made, "PT1H", START + hour * HOUR)] for hour in range(7)}
    expected = [[], [], ["revenue"], ["revenue"], ["views"], ["views"], []]
    assert list(at.values()) == expected
    assert ENDS_AFTER == 2


def test_a_metric_without_a_dimension_and_a_range_without_an_end() -> None:
    metrics, judgement = judged({("revenue", 0, 0): LOW}, 1, combinations=(("de", None), ("us", None)))
    judgement = replace(judgement, upper=np.full_like(judgement.upper, np.inf))
    [made] = group(metrics, judgement, ARN)
    [only] = made.intervals[0].affected
    assert only.dimensions == (("marketplace", "de"),)
    assert only.upper is None


def test_without_dimensions_there_is_one_metric_and_nothing_contributes() -> None:
    [made] = group(*judged({("revenue", 0, 0): LOW}, 1, names=(), combinations=((),)), ARN)
    assert made.intervals[0].affected[0].dimensions == ()
    assert made.intervals[0].contributions == ()


def test_metrics_that_were_not_observed_are_not_counted() -> None:
    metrics, judgement = judged({("revenue", 0, 0): LOW}, 1)
    metrics.values[0, 1, 0] = np.nan
    judgement.expected[2, 0] = np.nan
    [made] = group(metrics, judgement, ARN)
    assert (made.intervals[0].observed, made.intervals[0].expected_total) == (2, 200.0)


def test_a_judgement_of_other_metrics_is_refused() -> None:
    metrics, judgement = judged({}, 4)
    with pytest.raises(ValueError, match="expected 8 metrics and at most 4"):
        group(metrics, replace(judgement, first=1), ARN)
    assert group(*cut(metrics, judgement, 0, 0), ARN) == ()


def test_measures_that_move_together_are_related() -> None:
    points = {
        ("views", 0, 1): (50.0, 60.0),
        ("views", 0, 2): (50.0, 60.0),
        ("revenue", 0, 2): (70.0, 60.0),
        ("revenue", 3, 2): (90.0, 60.0),
    }
    views, revenue = groups(points)
    [cause] = revenue.related
    assert (cause.measure, cause.group_id) == ("views", views.group_id)
    assert cause.relationship == "CAUSE_OF_INPUT_ANOMALY_GROUP"
    assert cause.contribution_percentage == 75.0
    [effect] = views.related
    assert effect.relationship == "EFFECT_OF_INPUT_ANOMALY_GROUP"
    assert effect.contribution_percentage == 50.0


def test_other_dimension_values_or_another_time_are_not_related() -> None:
    assert [one.related for one in groups({("views", 0, 1): LOW, ("revenue", 1, 1): LOW})] == [(), ()]
    assert [one.related for one in groups({("views", 0, 1): LOW, ("revenue", 0, 2): LOW})] == [(), ()]


def test_the_last_bits_of_deviations_change_neither_order_nor_shares() -> None:
    bits = (0.0, 2e-14, -3e-14)
    metrics = [metric(50.0 + bits[i], marketplace=f"m{i}") for i in range(3)]
    for turned in (metrics, [metric(50.0 + bits[-i], marketplace=f"m{i}") for i in range(3)]):
        made = interval(turned)
        assert [one.dimensions for one in made.affected] == [(("marketplace", f"m{i}"),) for i in range(3)]
        assert [one.value_contribution for one in made.contributions] == [34, 33, 33]


def test_groups_that_begin_together_are_of_the_same_time() -> None:
    made = groups({("views", 0, 1): LOW, ("revenue", 0, 1): LOW})
    assert {one.related[0].relationship for one in made} == {"SAME_TIME"}


def test_an_interval_without_some_metrics_is_as_if_they_were_not_affected() -> None:
    loud, small = metric(0.0, severity=99.0, marketplace="de"), metric(80.0, severity=51.0, marketplace="us")
    whole = interval([loud, small])
    assert without(whole, {small.time_series_id}) == interval([loud])
    assert without(whole, ()) is whole
    assert without(whole, {loud.time_series_id, small.time_series_id}) is None


def test_of_fifty_thousand_metrics_only_the_affected_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the time depends on the anomalies: `python -m benchmarks detection_speed` measures it."""
    random = np.random.default_rng(1)
    shape = (2, 25_000, 252)
    expected = random.random((50_000, 252), np.float32).astype(np.float64)
    is_anomaly = np.zeros((50_000, 252), bool)
    is_anomaly.flat[random.choice(is_anomaly.size, 10_000, replace=False)] = True
    starts = np.datetime64("2022-01-01", "s") + np.arange(252) * np.timedelta64(3600, "s")
    combinations = tuple((f"a{i % 50}", f"b{i // 50}") for i in range(25_000))
    metrics = Metrics("PT1H", "UTC", starts, ("r", "v"), ("a", "b"), combinations, np.ones(shape))
    judgement = Judgement(0, expected, expected, expected, is_anomaly * 60.0, is_anomaly)
    named = Mock(wraps=time_series_id)
    monkeypatch.setattr("anomalake.detection.grouping.groups.time_series_id", named)
    made = group(metrics, judgement, ARN)
    assert named.call_count == np.count_nonzero(is_anomaly.any(axis=1))
    assert sum(len(i.affected) for one in made for i in one.intervals) == 10_000
