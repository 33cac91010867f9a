"""Anomalous metrics of a measure are a group, which continues while its metrics are anomalous."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import numpy as np
import pytest

from anomalake.groups.anomaly_group import ENDS_AFTER, open_groups
from anomalake.groups.grouping import Group, group, without
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics, time_series_id
from tests.support.anomalies import ARN, HOUR, START, Points, cut, interval, judged, metric

LOW = (40.0, 60.0)


def groups(points: Points, n_intervals: int = 8) -> tuple[Group, ...]:
    return group(*judged(points, n_intervals), ARN)


def spans(points: Points) -> list[tuple[str, list[int]]]:
    """Return the measure and the hours of each group."""
    return [(item.measure, [(i.timestamp - START) // HOUR for i in item.intervals]) for item in groups(points)]


def test_metrics_of_a_measure_in_one_interval_are_one_group() -> None:
    [anomaly_group] = groups({("revenue", 0, 2): (40.0, 60.0), ("revenue", 3, 2): (170.0, 80.0)})
    [only] = anomaly_group.intervals
    assert anomaly_group.start == anomaly_group.end == only.timestamp == START + 2 * HOUR
    assert [affected.dimensions for affected in only.affected] == [
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


def test_a_group_continues_while_a_metric_of_it_is_anomalous_and_others_join() -> None:
    points = {("revenue", 0, 1): LOW, ("revenue", 0, 2): LOW, ("revenue", 1, 2): LOW, ("revenue", 1, 3): LOW}
    assert spans(points) == [("revenue", [1, 2, 3])]


def test_a_different_metric_in_the_next_interval_begins_a_new_group() -> None:
    assert spans({("revenue", 0, 1): LOW, ("revenue", 1, 2): LOW}) == [("revenue", [1]), ("revenue", [2])]


def test_a_group_may_pause_for_a_single_interval() -> None:
    assert spans({("revenue", 0, 1): LOW, ("revenue", 0, 3): LOW}) == [("revenue", [1, 3])]
    assert spans({("revenue", 0, 1): LOW, ("revenue", 0, 4): LOW}) == [("revenue", [1]), ("revenue", [4])]


def test_an_interval_continues_the_group_with_most_common_metrics_then_the_oldest() -> None:
    older, newer = {("revenue", 0, 1): LOW}, {("revenue", 1, 2): LOW, ("revenue", 2, 2): LOW}
    both = {("revenue", 0, 3): LOW, ("revenue", 1, 3): LOW}
    assert spans({**older, **newer, **both}) == [("revenue", [1, 3]), ("revenue", [2])]
    assert spans({**older, **newer, **both, ("revenue", 2, 3): LOW}) == [("revenue", [1]), ("revenue", [2, 3])]


def test_a_day_of_23_hours_is_a_single_interval() -> None:
    before = datetime(2022, 3, 25, 23, tzinfo=UTC)
    days = [
        before,
        before + timedelta(days=1),
        before + timedelta(days=1, hours=23),
        before + timedelta(days=2, hours=23),
    ]
    metrics, judgement = judged({("revenue", 0, t): LOW for t in range(4)}, 4, frequency="P1D")
    metrics = replace(metrics, starts=np.array([day.replace(tzinfo=None) for day in days], "datetime64[s]"))
    [anomaly_group] = group(metrics, judgement, ARN)
    assert [interval.timestamp for interval in anomaly_group.intervals] == days


def test_ids_depend_on_detector_measure_and_first_interval() -> None:
    first, second = groups({("revenue", 0, 1): LOW, ("views", 0, 1): LOW})
    [again] = groups({("revenue", 3, 1): LOW, ("revenue", 3, 2): LOW})
    [other] = group(*judged({("revenue", 0, 1): LOW}, 8), ARN + "2")
    assert again.group_id == first.group_id
    assert len({first.group_id, second.group_id, other.group_id}) == 3


def test_a_repeated_interval_replaces_its_part_of_the_groups() -> None:
    metrics, judgement = judged({("revenue", 0, 1): LOW, ("revenue", 0, 2): LOW, ("views", 1, 2): LOW}, 4)
    first = group(*cut(metrics, judgement, 0, 2), ARN)
    second = group(*cut(metrics, judgement, 2, 3), ARN, first)
    merged = {item.group_id: item for item in (*first, *second)}
    assert group(*cut(metrics, judgement, 2, 3), ARN, merged.values()) == ()
    quiet = replace(judgement, is_anomaly=np.zeros_like(judgement.is_anomaly))
    assert group(*cut(metrics, quiet, 2, 3), ARN, merged.values()) == first


def test_only_groups_that_may_continue_are_open() -> None:
    anomaly_groups = groups({("revenue", 0, 1): LOW, ("views", 0, 3): LOW})
    at = {
        hour: [item.measure for item in open_groups(anomaly_groups, "PT1H", START + hour * HOUR)] for hour in range(7)
    }
    expected = [[], [], ["revenue"], ["revenue"], ["views"], ["views"], []]
    assert list(at.values()) == expected
    assert ENDS_AFTER == 2


def test_a_metric_without_a_dimension_and_a_range_without_an_end() -> None:
    metrics, judgement = judged({("revenue", 0, 0): LOW}, 1, combinations=(("de", None), ("us", None)))
    judgement = replace(judgement, upper=np.full_like(judgement.upper, np.inf))
    [anomaly_group] = group(metrics, judgement, ARN)
    [only] = anomaly_group.intervals[0].affected
    assert only.dimensions == (("marketplace", "de"),)
    assert only.upper is None


def test_without_dimensions_there_are_no_contributions() -> None:
    [anomaly_group] = group(*judged({("revenue", 0, 0): LOW}, 1, names=(), combinations=((),)), ARN)
    assert anomaly_group.intervals[0].affected[0].dimensions == ()
    assert anomaly_group.intervals[0].contributions == ()


def test_metrics_that_were_not_observed_are_not_counted() -> None:
    metrics, judgement = judged({("revenue", 0, 0): LOW}, 1)
    metrics.values[0, 1, 0] = np.nan
    judgement.expected[2, 0] = np.nan
    [anomaly_group] = group(metrics, judgement, ARN)
    assert (anomaly_group.intervals[0].observed, anomaly_group.intervals[0].expected_total) == (2, 200.0)


def test_a_judgement_of_other_metrics_is_refused() -> None:
    metrics, judgement = judged({}, 4)
    with pytest.raises(ValueError, match="expected 8 metrics and at most 4"):
        group(metrics, replace(judgement, first=1), ARN)
    assert group(*cut(metrics, judgement, 0, 0), ARN) == ()


def test_measures_with_common_dimension_values_are_related() -> None:
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
    assert [item.related for item in groups({("views", 0, 1): LOW, ("revenue", 1, 1): LOW})] == [(), ()]
    assert [item.related for item in groups({("views", 0, 1): LOW, ("revenue", 0, 2): LOW})] == [(), ()]


def test_the_last_bits_of_deviations_change_neither_order_nor_shares() -> None:
    bits = (0.0, 2e-14, -3e-14)
    metrics = [metric(50.0 + bits[i], marketplace=f"m{i}") for i in range(3)]
    for rotated in (metrics, [metric(50.0 + bits[-i], marketplace=f"m{i}") for i in range(3)]):
        computed = interval(rotated)
        assert [item.dimensions for item in computed.affected] == [(("marketplace", f"m{i}"),) for i in range(3)]
        assert [share.value_contribution for share in computed.contributions] == [34, 33, 33]


def test_groups_that_begin_in_the_same_interval_have_the_same_time() -> None:
    anomaly_groups = groups({("views", 0, 1): LOW, ("revenue", 0, 1): LOW})
    assert {item.related[0].relationship for item in anomaly_groups} == {"SAME_TIME"}


def test_an_interval_without_metrics_is_computed_again() -> None:
    loud, small = metric(0.0, severity=99.0, marketplace="de"), metric(80.0, severity=51.0, marketplace="us")
    both = interval([loud, small])
    assert without(both, {small.time_series_id}) == interval([loud])
    assert without(both, ()) is both
    assert without(both, {loud.time_series_id, small.time_series_id}) is None


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
    monkeypatch.setattr("anomalake.groups.grouping.time_series_id", named)
    anomaly_groups = group(metrics, judgement, ARN)
    assert named.call_count == np.count_nonzero(is_anomaly.any(axis=1))
    assert sum(len(i.affected) for item in anomaly_groups for i in item.intervals) == 10_000
