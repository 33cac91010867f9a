"""Feedback and snoozes: their records, and their effect on later intervals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalake.detection.feedback import MARGIN, MIN_THRESHOLD, apply_feedback, evidence_threshold
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics, time_series_id
from anomalake.records.errors import RecordError
from anomalake.records.feedback import Feedback, read_feedback, write_feedback
from anomalake.records.groups import group_ids
from anomalake.records.metric_sets import write_metric_set
from anomalake.records.snoozes import Snooze, read_snoozes
from anomalake.services.feedback import UnknownAnomalyError, give_feedback, snooze
from anomalake.storage.objects import memory_store
from tests.support.live import ARN, START, Bench, hour

DE = (("country", "de"),)
DAY = timedelta(days=1)


def feedback_on_views(is_anomaly: bool = False, **changes: object) -> Feedback:
    fields: dict[str, object] = {"timestamp": START, "direction": 1, "severity": 80.0, **changes}
    series = time_series_id(ARN, "views", DE)
    return Feedback(ARN, series, "views", DE, is_anomaly=is_anomaly, given_at=START + DAY, **fields)  # type: ignore[arg-type]


def judged(severity: float, at: datetime = START + DAY, *, value: float = 200.0, country: str = "de") -> float:
    """Return the severity of a point after feedback on German views."""
    return float(judged_with([feedback_on_views()], severity, at, value=value, country=country).severity[0, 0])


def judged_with(
    feedback: list[Feedback], severity: float, at: datetime = START + DAY, *, value: float = 200.0, country: str = "de"
) -> Judgement:
    starts = np.array([at.replace(tzinfo=None)], "datetime64[s]")
    metrics = Metrics("PT1H", "UTC", starts, ("views",), ("country",), ((country,),), np.array([[[value]]]))
    expected = np.full((1, 1), 100.0)
    given = np.full((1, 1), severity)
    return apply_feedback(metrics, Judgement(0, expected, 0.9 * expected, 1.1 * expected, given, given >= 50), feedback)


def test_after_feedback_the_same_deviation_is_no_anomaly() -> None:
    assert judged(80.0) < 50
    assert judged(60.0) < 50
    judgement = judged_with([feedback_on_views()], 80.0)
    assert not judgement.is_anomaly[0, 0]
    assert judgement.upper[0, 0] == 200


def test_a_much_larger_deviation_is_still_an_anomaly() -> None:
    assert 50 <= judged(98.0) < 98


def test_other_metrics_directions_and_earlier_intervals_do_not_change() -> None:
    assert judged(80.0, country="fr") == 80
    assert judged(80.0, value=20.0) == 80
    assert judged(80.0, START) == 80
    assert judged(80.0, START - DAY) == 80


def test_the_effect_decreases_with_the_distance_from_the_time_of_day() -> None:
    severities = [judged(80.0, START + DAY + timedelta(hours=hours)) for hours in (0, 3, 6, 12)]
    assert severities == sorted(severities)
    assert severities[0] < severities[1] < severities[3] < 80
    assert judged(80.0, START + DAY + timedelta(hours=21)) == pytest.approx(severities[1])


def test_after_feedback_a_missed_anomaly_is_detected() -> None:
    yes = feedback_on_views(True, severity=40.0)
    judgement = judged_with([yes], 40.0)
    assert judgement.is_anomaly[0, 0]
    assert judgement.upper[0, 0] == pytest.approx(110)
    assert judged_with([feedback_on_views(True)], 49.0).is_anomaly[0, 0]
    barely = judged_with([yes], 40.0, value=105.0)
    assert barely.is_anomaly[0, 0]
    assert 100 < barely.upper[0, 0] < 105


def test_the_latest_feedback_on_a_point_counts() -> None:
    store = memory_store()
    write_feedback(store, "shop", feedback_on_views())
    write_feedback(store, "shop", replace(feedback_on_views(True), given_at=START + 2 * DAY))
    feedback, problems = read_feedback(store, "shop")
    assert [item.is_anomaly for item in feedback] == [True]
    assert problems == []
    assert judged_with(feedback, 45.0).is_anomaly[0, 0]


def test_an_invalid_record_is_a_line_and_the_others_count() -> None:
    store = memory_store()
    write_feedback(store, "shop", feedback_on_views())
    store.put("detection/detector=shop/feedback/x/1.json", b'{"severity": 100}')
    feedback, problems = read_feedback(store, "shop")
    assert feedback == [feedback_on_views()]
    assert "expected the fields of a feedback" in problems[0]


@given(
    st.floats(0, 99.99),
    st.booleans(),
    st.sampled_from([-1, 1]),
    st.text(max_size=10),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
)
def test_a_feedback_survives(severity: float, yes: bool, direction: int, value: str, at: datetime) -> None:
    feedback = replace(
        feedback_on_views(yes, severity=severity, direction=direction, timestamp=at), dimensions=(("country", value),)
    )
    assert Feedback.from_fields(feedback.to_fields()) == feedback
    assert MIN_THRESHOLD <= evidence_threshold(feedback) <= MARGIN * 9_999
    for fields in ({}, {**feedback.to_fields(), "direction": 0}, {**feedback.to_fields(), "timestamp": "noon"}):
        with pytest.raises(RecordError):
            Feedback.from_fields(fields)


@given(st.floats(0, 99.99), st.floats(0, 99.99), st.booleans(), st.integers(1, 400))
def test_feedback_keeps_severities_within_bounds_and_in_order(
    first_severity: float, other: float, yes: bool, hours: int
) -> None:
    at = START + timedelta(hours=hours)
    low, high = sorted((first_severity, other))
    first, second = (float(judged_with([feedback_on_views(yes)], given, at).severity[0, 0]) for given in (low, high))
    assert 0 <= first <= second + 1e-9 < 100
    assert second <= high + 1e-9 if not yes else second >= high - 1e-9


# ---- in live runs ----


def live(frozen: tuple[int, ...] = (1, 25)) -> Bench:
    bench = Bench(offset=0)
    write_metric_set(bench.store, bench.detector.metric_set)
    bench.source.unusual = {(hour(number), "de"): 70.0 for number in frozen} | {(hour(1), "fr"): 100.0}
    bench.run(hour(0))
    bench.run(hour(1))
    return bench


def test_a_live_detector_applies_feedback_on_a_group() -> None:
    without = live()
    assert without.run(hour(25), at_once=100)[-1].anomalies == 1
    bench = live()
    (group_id,) = group_ids(bench.store, "shop")
    given = give_feedback(
        bench.store, detector=None, group_id=group_id, series_id=None, at=None, is_anomaly=False, now=bench.now
    )
    assert sorted(item.dimensions for item in given) == [DE, (("country", "fr"),)]
    assert {item.direction for item in given} == {-1}
    done = bench.run(hour(25), at_once=100)[-1]
    assert (done.timestamp, done.anomalies, done.groups) == (hour(25), 0, 0)
    record = bench.live().intervals.read(hour(25))
    assert record is not None
    row = next(candidate for candidate in record.table.to_pylist() if candidate["combination"] == '["de"]')
    assert row["severity"] < 50 <= row["model_severity"]


def test_repeated_feedback_has_the_severity_without_feedback() -> None:
    bench = live((1, 25, 49))
    series = time_series_id(ARN, "views", DE)

    def give(number: int) -> Feedback:
        (feedback,) = give_feedback(
            bench.store,
            detector="shop",
            group_id=None,
            series_id=series,
            at=hour(number),
            is_anomaly=False,
            now=bench.now,
        )
        return feedback

    first = give(1)
    bench.run(hour(25), at_once=100)
    again = give(25)
    assert again.severity == pytest.approx(first.severity, abs=5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"detector": "shop"}, "expected a group, or a metric and the start of its interval"),
        ({"detector": "shop", "series_id": "x"}, "expected a group, or a metric and the start of its interval"),
        ({"group_id": "missing"}, "no detector of the lake has it"),
        ({"detector": "other", "series_id": "x", "at": hour(1)}, "expected one of shop"),
        ({"detector": "shop", "series_id": "x", "at": hour(1)}, "no judgement of x in the interval from"),
        ({"detector": "shop", "series_id": "x", "at": hour(9)}, "no judgement of x"),
    ],
)
def test_feedback_on_unknown_anomalies_is_refused(arguments: dict[str, object], message: str) -> None:
    given = {"detector": None, "group_id": None, "series_id": None, "at": None, **arguments}
    with pytest.raises(UnknownAnomalyError, match=message):
        give_feedback(live().store, is_anomaly=True, now=START, **given)  # type: ignore[arg-type]


def test_snoozed_metrics_are_grouped_but_not_alerted() -> None:
    bench = Bench(offset=0)
    write_metric_set(bench.store, bench.detector.metric_set)
    bench.source.unusual = {(hour(1), "de"): 30.0, (hour(30), "de"): 30.0}
    snooze(bench.store, "shop", Snooze(hour(20), measure="views", dimensions=DE))
    bench.run(hour(0))
    (done,) = bench.run(hour(1))
    assert (done.groups, done.delivered) == (1, 0)
    done = bench.run(hour(30), at_once=100)[-1]
    assert (done.groups, done.delivered) == (1, 1)
    with pytest.raises(UnknownAnomalyError, match="expected one of shop"):
        snooze(bench.store, "shops", Snooze(hour(20), measure="views"))
    bench.store.put("detection/detector=shop/snoozes/x.json", b"{}")
    snoozes, problems = read_snoozes(bench.store, "shop")
    assert len(snoozes) == 1
    assert "x.json" in problems[0]
