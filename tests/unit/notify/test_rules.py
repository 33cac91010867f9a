"""Which groups alert, and when again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from anomalake.definitions.detector import DimensionFilter
from anomalake.notify.rules import alerts_due, alerts_due_in_lake, has_grown
from anomalake.records.deliveries import SentAlert
from anomalake.records.snoozes import Snooze
from tests.support.anomalies import HOUR, START, group_of, interval, metric, rule, scored

US, DE = {"marketplace": "us", "platform": "web"}, {"marketplace": "de", "platform": "app"}


def sent(**changes: Any) -> bool:
    """Whether a group of two metrics, of impact 100 and a score of 70, is sent under a rule."""
    made = replace(interval([metric(**US), metric(**DE)]), score=70.0, impact=100.0)
    return bool(alerts_due([group_of(made)], rule(**changes), {}))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"threshold": 70.0}, True),
        ({"threshold": 70.01}, False),
        ({"measures": ("views", "revenue")}, True),
        ({"measures": ("views",)}, False),
        ({"minimum_impact": 100.0}, True),
        ({"minimum_impact": 100.1}, False),
    ],
)
def test_threshold_measures_and_minimum_impact(changes: dict[str, Any], expected: bool) -> None:
    assert sent(**changes) == expected


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"marketplace": ("fr", "us")}, True),
        ({"marketplace": ("fr", "uk")}, False),
        ({"marketplace": ("us",), "platform": ("web",)}, True),
        ({"marketplace": ("us",), "platform": ("app",)}, False),
        ({"city": ("us",)}, False),
    ],
)
def test_values_of_a_dimension_are_alternatives_and_dimensions_are_all_wanted(
    filters: dict[str, tuple[str, ...]], expected: bool
) -> None:
    assert sent(dimension_filters=tuple(DimensionFilter(*item) for item in filters.items())) == expected


def due(
    *scores: tuple[float, float, int], alerted: tuple[SentAlert, ...] = (), snoozes: tuple[Snooze, ...] = ()
) -> list[int]:
    """Which intervals of a group with these scores, impacts and numbers of metrics are sent."""
    made = group_of(*(scored(score, at, impact, n) for at, (score, impact, n) in enumerate(scores)))
    found = alerts_due([made], rule(), {made.group_id: alerted}, snoozes)
    return [(item.interval.timestamp - START) // HOUR for item in found]


def test_a_group_that_goes_on_alerts_once() -> None:
    assert due(*[(60, 100, 3)] * 24) == [0]


def test_a_group_alerts_again_when_its_score_has_risen_by_ten() -> None:
    assert due((60, 100, 3), (69.9, 100, 3), (70, 100, 3), (79, 100, 3), (60, 100, 3), (80, 100, 3)) == [0, 2, 5]


def test_above_eighty_half_of_the_way_to_a_hundred_will_do() -> None:
    assert due((90, 100, 3), (94.9, 100, 3), (95, 100, 3), (97.4, 100, 3), (97.5, 100, 3)) == [0, 2, 4]


def test_a_group_alerts_again_when_its_impact_or_its_metrics_have_doubled() -> None:
    assert due((60, 100, 3), (60, 199, 3), (60, 200, 3), (60, 399, 3), (60, 0, 6)) == [0, 2, 4]
    assert due((60, 0, 3), (60, 0, 3)) == [0]


def test_it_is_the_worst_that_was_told_that_must_be_outgrown() -> None:
    assert due((60, 1000, 3), (71, 10, 3), (71, 30, 3), (71, 1999, 3)) == [0, 1]


def test_the_first_interval_that_reaches_the_threshold_is_the_first_alert() -> None:
    assert due((40, 100, 3), (49.9, 100, 3), (50, 100, 3), (55, 100, 3)) == [2]


def test_what_was_delivered_is_due_again_and_what_has_not_grown_since_is_not() -> None:
    alerted = (SentAlert(START + HOUR, 70.0, 100.0, 3),)
    assert due((60, 100, 3), (60, 100, 3), (75, 100, 3), (80, 100, 3), alerted=alerted) == [1, 3]


def test_earlier_intervals_are_other_runs_business() -> None:
    made = group_of(scored(60), scored(60, 1))
    assert alerts_due([made], rule(), {}, since=START + 2 * HOUR) == ()
    [only] = alerts_due([made], rule(), {}, since=START + HOUR)
    assert only.interval.timestamp == START + HOUR


def due_in_lake(at: int, *scores: float, delivered: tuple[int, ...] = ()) -> bool:
    """Whether an interval alerts the lake, where alerts about others were delivered with the highest score."""
    made = group_of(*(scored(score, number) for number, score in enumerate(scores[: at + 1])))
    sent = {made.group_id: tuple(SentAlert(START + number * HOUR, 99.0, 100.0, 3) for number in delivered)}
    found = alerts_due_in_lake([made], rule(), sent, since=START + at * HOUR)
    assert [item.interval.timestamp for item in found] in ([], [START + at * HOUR])
    return bool(found)


def test_a_lake_has_the_alerts_that_the_results_call_for_whatever_was_sent() -> None:
    scores = (60, 65, 75, 76)
    assert [due_in_lake(at, *scores, delivered=(0, 1, 2, 3)) for at in range(4)] == [True, False, True, False]


def test_where_no_earlier_alert_reached_the_lake_an_interval_is_like_the_first() -> None:
    assert due_in_lake(1, 60, 65)
    assert due_in_lake(1, 60, 65, delivered=(1,))
    assert not due_in_lake(1, 60, 65, delivered=(0,))
    assert not due_in_lake(1, 60, 40)


def test_nothing_told_is_nothing_to_outgrow() -> None:
    assert has_grown(scored(50), ())


def test_growth_does_not_depend_on_later_alerts_with_less_impact() -> None:
    # A run that is repeated knows later alerts too. They make no interval worse than it was before them.
    without, more = replace(scored(50), impact=0.0), replace(scored(50, 1), impact=2.0)
    earlier = [SentAlert.of(without)]
    assert has_grown(more, earlier)
    assert not has_grown(replace(more, impact=0.0), earlier)
    later = [*earlier, SentAlert.of(replace(scored(50, 2), impact=2.0))]
    assert not has_grown(more, later)


def test_alerts_are_ordered_by_time() -> None:
    late, early = group_of(scored(60, 3)), group_of(scored(60, 1), measure="views")
    assert [item.group for item in alerts_due([late, early], rule(), {})] == [early, late]


UNTIL = START + 2 * HOUR


def test_a_snoozed_group_is_silent_until_then() -> None:
    made = group_of(*(scored(60, at) for at in range(4)))
    found = alerts_due([made], rule(), {}, [Snooze(UNTIL, group_id=made.group_id)])
    assert [item.interval.timestamp for item in found] == [UNTIL]
    assert alerts_due([made], rule(), {}, [Snooze(UNTIL, group_id="another")])[0].interval.timestamp == START


@pytest.mark.parametrize(
    "snooze",
    [
        Snooze(UNTIL, time_series_id=metric(**US).time_series_id),
        Snooze(UNTIL, measure="revenue", dimensions=(("marketplace", "us"),)),
        Snooze(UNTIL, dimensions=(("platform", "web"), ("marketplace", "us"))),
    ],
    ids=["time series", "values of a measure", "values of any measure"],
)
def test_an_alert_is_as_though_snoozed_metrics_were_not_affected(snooze: Snooze) -> None:
    loud, small = metric(0.0, severity=99.0, **US), metric(80.0, severity=55.0, **DE)
    [only] = alerts_due([group_of(interval([loud, small]))], rule(), {}, [snooze])
    assert only.interval == interval([small])
    assert alerts_due([group_of(interval([loud, small]))], rule(threshold=80), {}, [snooze]) == ()
    assert alerts_due([group_of(interval([loud]))], rule(), {}, [snooze]) == ()


def test_a_snooze_of_another_measure_silences_nothing() -> None:
    made = group_of(interval([metric(**US)]))
    assert alerts_due([made], rule(), {}, [Snooze(UNTIL, measure="views")])
    assert not alerts_due([made], rule(), {}, [Snooze(UNTIL, measure="revenue")])


@pytest.mark.parametrize(
    "given",
    [
        {"group_id": "g"},
        {"time_series_id": "t"},
        {"measure": "revenue", "dimensions": (("a", "é"),)},
        {"dimensions": (("a", "b"), ("c", ""))},
    ],
    ids=lambda given: "-".join(given),
)
def test_a_snooze_reads_as_it_was_written(given: dict[str, Any]) -> None:
    snooze = Snooze(UNTIL, **given)
    assert Snooze.from_fields(snooze.to_fields()) == snooze


@pytest.mark.parametrize(
    "given",
    [{}, {"group_id": "g", "measure": "m"}, {"group_id": "g", "time_series_id": "t"}],
    ids=["nothing", "two", "both"],
)
def test_a_snooze_is_of_one_thing(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected exactly one"):
        Snooze(UNTIL, **given)


def test_a_snooze_needs_a_zone_and_its_fields() -> None:
    with pytest.raises(ValueError, match="with its zone"):
        Snooze(datetime(2022, 1, 1), group_id="g")
    with pytest.raises(ValueError, match="expected the fields of a snooze"):
        Snooze.from_fields({"group_id": "g"})
