"""Runs of a live detector: learning, judging, catching up, and the records in the lake."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil

import pytest

from anomalake.definitions.intervals import interval_start
from anomalake.definitions.metric_set import Measure
from anomalake.detection.learning import SCHEDULES, fit_time, is_current
from anomalake.detection.source import SourceReader
from anomalake.frequencies import FREQUENCIES
from anomalake.model.metrics import between
from anomalake.records.data_quality import ColumnQuality, DataQuality
from anomalake.records.executions import EARLY, FAILED, LEARNING, SKIPPED, SUCCEEDED, read_executions
from anomalake.records.groups import group_ids, read_group
from anomalake.records.models import MODELS_KEPT, STATES_KEPT
from tests.support.live import HOUR, MONDAY, START, Bench, detector, hour
from tests.support.source_data import FilesInMemory


def test_an_interval_is_judged_recorded_grouped_and_alerted() -> None:
    bench = Bench()
    bench.source.unusual = {(hour(0), "de"): 30.0}
    (done,) = bench.run(hour(0))
    assert (done.status, done.reason, done.warnings) == (SUCCEEDED, "", ())
    assert (done.timestamp, done.model) == (hour(0), MONDAY)
    assert (done.rows, done.metrics, done.anomalies, done.groups, done.delivered) == (3, 3, 1, 1, 1)
    assert list(read_executions(bench.store, "shop", hour(0))) == [done]
    (alert,) = bench.channel.sent
    assert '"metricValue":30}' in alert.text
    record = bench.live().intervals.read(hour(0))
    assert record is not None
    rows = {row["combination"]: row for row in record.table.to_pylist()}
    assert rows['["de"]']["value"] == 30
    assert rows['["de"]']["is_anomaly"]
    assert not rows['["uk"]']["is_anomaly"]


def test_the_quality_of_the_rows_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    source = SourceReader(
        detector(minimum_good_share=0.5),
        FilesInMemory(
            {
                "live/20260303/0000/a.csv": b"timestamp,country,views\n2026-03-03 00:00:00,de,\nsoon,uk,1\n",
                "live/20260303/0100/a.csv": b"timestamp,country,views\nsoon,de,1\n",
            }
        ),
    )
    bench = Bench()
    monkeypatch.setattr(bench.source, "interval", source.interval)
    (partly,), (badly,), (never,) = (bench.run(hour(number)) for number in range(3))
    columns = (ColumnQuality("timestamp", 1), ColumnQuality("country", 2, 1), ColumnQuality("views", 1))
    assert partly.quality == DataQuality(hour(0), 2, 1, 1, 0, columns)
    # An interval that fails has one too, if it has files.
    columns = (ColumnQuality("timestamp", 0), ColumnQuality("country", 1), ColumnQuality("views", 1))
    assert (badly.status, badly.quality) == (FAILED, DataQuality(hour(1), 1, 0, 1, 0, columns))
    assert (never.status, never.quality) == (FAILED, None)
    assert list(read_executions(bench.store, "shop")) == [partly, badly, never]


def test_a_repeated_run_changes_no_record_and_sends_nothing() -> None:
    bench = Bench()
    bench.source.unusual = {(hour(1), "de"): 30.0, (hour(2), "de"): 20.0}
    for number in range(4):
        bench.run(hour(number))
    before, sent = bench.content(), bench.channel.identities()
    for number in (2, 0, 3, 1, 1):
        (done,) = bench.run(hour(number))
        assert done.status == SUCCEEDED
    assert bench.content() == before
    assert bench.channel.identities() == sent
    assert len(list(read_executions(bench.store, "shop", hour(1)))) == 3


def test_an_interval_that_is_not_complete_is_not_read() -> None:
    bench = Bench()
    bench.now = bench.due(hour(0)) - timedelta(seconds=1)
    (done,) = bench.run(at=None) if bench.live().latest() == hour(0) else [bench.live().run_interval(hour(0))[0]]
    assert done.status == EARLY
    assert "complete at 2026-03-03T01:05:00Z, 300 seconds after its end (Offset)" in done.reason
    assert list(bench.store.list("")) == []


def test_the_end_and_the_offset_of_the_latest_interval_are_in_the_past() -> None:
    bench = Bench()
    bench.now = bench.due(hour(5))
    assert bench.live().latest() == hour(5)
    bench.now -= timedelta(seconds=1)
    assert bench.live().latest() == hour(4)


def test_every_frequency_has_a_schedule() -> None:
    assert list(SCHEDULES) == list(FREQUENCIES)
    # A model is valid for whole intervals, and a history has at least as many as a first model takes.
    for name, schedule in SCHEDULES.items():
        seconds = FREQUENCIES[name].seconds
        assert schedule.refit % timedelta(seconds=seconds) == timedelta(0)
        assert schedule.history >= schedule.minimum * timedelta(seconds=seconds)


@pytest.mark.parametrize("frequency", list(SCHEDULES))
def test_learning_takes_as_many_intervals_as_in_lookout_for_metrics(frequency: str) -> None:
    bench = Bench(frequency=frequency, offset=0)
    least = SCHEDULES[frequency].minimum
    step = timedelta(seconds=FREQUENCIES[frequency].seconds)
    of_l4m = {"PT5M": 25 * HOUR, "PT10M": 50 * HOUR, "PT1H": 300 * HOUR, "P1D": timedelta(days=14)}
    own = {"PT15M": 75 * HOUR, "PT30M": 150 * HOUR, "P7D": timedelta(days=182)}
    assert least * step == {**of_l4m, **own}[frequency]
    first = interval_start(START, frequency, "UTC")
    bench.source.since = first - (least - 2) * step
    done = [bench.run(first + number * step)[-1] for number in range(3)]
    assert [execution.status for execution in done] == [LEARNING, LEARNING, SUCCEEDED]
    reason = "Insufficient amount of data was found at the source location"
    assert done[0].reason == f"{reason}: {least - 2} of {least} intervals; 2 more are needed to fit a model"
    assert done[1].reason == f"{reason}: {least - 1} of {least} intervals; 1 more are needed to fit a model"
    assert bench.live().intervals.starts() == [first + number * step for number in range(3)]


def test_a_model_is_fitted_to_the_intervals_of_the_learning_phase_where_there_is_no_history() -> None:
    bench = Bench(history=timedelta(0), frequency="P1D", offset=0)
    bench.source.history = lambda until: None  # type: ignore[method-assign]
    day = timedelta(days=1)
    statuses = [bench.run(START + number * day)[-1].status for number in range(15)]
    assert statuses == [LEARNING] * 14 + [SUCCEEDED]


def test_missed_intervals_are_caught_up_in_order_and_a_limited_number_per_run() -> None:
    bench = Bench()
    bench.run(hour(0))
    done = bench.run(hour(40))
    assert [execution.timestamp for execution in done] == [hour(number) for number in range(1, 25)]
    done = bench.run(hour(40))
    assert [execution.timestamp for execution in done] == [hour(number) for number in range(25, 41)]
    assert {execution.status for execution in done} == {SUCCEEDED}
    assert not any(execution.warnings for execution in done)


def test_no_interval_is_begun_that_may_take_longer_than_the_time_left() -> None:
    bench = Bench()
    bench.run(hour(0))
    bench.now = bench.due(hour(9))
    left = timedelta(minutes=4)

    def passes() -> timedelta:
        return left

    live = bench.live()
    interval = live._source.interval

    def slow(start: object) -> object:
        nonlocal left
        bench.now += timedelta(minutes=1)
        left -= timedelta(minutes=1)
        return interval(start)  # type: ignore[arg-type]

    bench.source.interval = slow  # type: ignore[method-assign, assignment]
    done = [execution.timestamp for execution, _ in live.run(time_left=passes)]
    assert done == [hour(1), hour(2), hour(3)]


def test_missed_intervals_that_are_too_old_are_skipped_with_a_reason() -> None:
    bench = Bench()
    bench.run(hour(0))
    most = SCHEDULES["PT1H"].catch_up
    skipped, *done = bench.run(hour(most + 10), at_once=1000)
    assert skipped.status == SKIPPED
    assert skipped.reason.startswith("10 missed intervals from 2026-03-03T01:00:00Z to 2026-03-03T10:00:00Z")
    assert "too old to be caught up automatically" in skipped.reason
    assert [execution.timestamp for execution in done] == [hour(number) for number in range(11, most + 11)]
    assert list(read_executions(bench.store, "shop", hour(10))) == [skipped]
    # A skipped interval can be judged later.
    bench.run(hour(5))
    assert bench.live().intervals.read(hour(5)) is not None


def test_a_group_keeps_its_id_and_is_alerted_again_only_when_it_grows() -> None:
    bench = Bench()
    bench.source.unusual = {(hour(n), "de"): 60.0 for n in range(1, 5)} | {
        (hour(4), c): 5.0 for c in ("de", "fr", "uk")
    }
    for number in range(6):
        bench.run(hour(number))
    (group_id,) = group_ids(bench.store, "shop")
    group = read_group(bench.store, "shop", group_id)
    assert group is not None
    assert [interval.timestamp for interval in group.intervals] == [hour(n) for n in range(1, 5)]
    assert bench.channel.identities() == [
        (f"{bench.detector.alerts[0].arn}:event/{group_id}", "2026-03-03T01:00Z[UTC]"),
        (f"{bench.detector.alerts[0].arn}:event/{group_id}", "2026-03-03T04:00Z[UTC]"),
    ]


def test_models_are_fitted_early_while_the_history_is_short() -> None:
    bench = Bench(offset=0, history=timedelta(days=14))
    # Learned from 13 days of history, three tenths of them later, and each Monday.
    early, monday = MONDAY + ceil(0.3 * 13 * 24) * HOUR, MONDAY + timedelta(days=7)
    models = [execution.model for number in range(0, 24 * 14, 24) for execution in bench.run(hour(number), at_once=100)]
    at_early, at_monday = ((instant - START) // HOUR for instant in (early, monday))
    assert models[:at_early] == [MONDAY] * at_early
    assert models[at_early:at_monday] == [early] * (at_monday - at_early)
    assert models[at_monday : at_monday + 144] == [monday] * 144


@pytest.mark.parametrize("frequency", list(SCHEDULES))
def test_a_model_is_current_until_the_next_one_is_due(frequency: str) -> None:
    bench = Bench(frequency=frequency, offset=0)
    step = timedelta(seconds=FREQUENCIES[frequency].seconds)
    first = interval_start(START, frequency, "UTC")
    bench.source.since = first
    history = bench.source.history(first + 1_200 * step)
    assert history is not None
    fits: list[datetime] = []
    for index in range(1, len(history.starts)):
        start = first + index * step
        due = fit_time(between(history, 0, index), frequency, start)
        if due is None:
            continue
        if not fits or due != fits[-1]:
            assert due == start
            assert not fits or not is_current(frequency, fits[-1], first, start)
            fits.append(due)
        assert is_current(frequency, fits[-1], first, start)
        # Of a model of an earlier version, the history is not known: it is current for the regular time.
        assert is_current(frequency, fits[-1], None, start)
    minimum = SCHEDULES[frequency].minimum
    assert fits[0] == first + minimum * step
    spans = [(after - before) / step for before, after in pairwise(fits)]
    assert max(spans) <= SCHEDULES[frequency].refit / step
    assert all(span <= ceil(0.3 * (fit - first) / step) for span, fit in zip(spans, fits, strict=False))


def test_a_new_model_is_fitted_each_week_and_knows_new_metrics() -> None:
    bench = Bench(offset=0, history=timedelta(days=28))
    bench.source.countries["it"] = hour(3)
    for number in range(0, 24 * 7, 23):
        bench.run(hour(number), at_once=100)
    monday = MONDAY + timedelta(days=7)
    models = bench.live().models.model_starts()
    assert models == [MONDAY, monday]
    record = bench.live().intervals.read(monday)
    assert record is not None
    expected = {row["combination"]: row["expected"] for row in record.table.to_pylist()}
    assert expected['["it"]'] == pytest.approx(500, rel=0.1)
    before = bench.live().intervals.read(monday - HOUR)
    assert before is not None
    assert {row["combination"]: row["expected"] for row in before.table.to_pylist()}['["it"]'] is None
    # The second model is fitted to the records of the lake; the source has the day before the first run.
    assert bench.source.histories == 2
    # It takes over what the first one knows of holidays: its history may be shorter than a year.
    first, second = bench.engine.earlier
    assert first is None
    assert second is not None


def test_old_states_models_and_intervals_are_deleted() -> None:
    bench = Bench(offset=0, frequency="P1D", history=timedelta(days=20))
    day = timedelta(days=1)
    for number in range(60):
        bench.run(START + number * day)
    states = bench.live().models
    assert len(states.state_starts()) == STATES_KEPT
    assert len(states.model_starts()) == MODELS_KEPT == len(states.history_starts())
    assert len(bench.live().intervals.starts()) == 60
    hourly = Bench(offset=0)
    hourly.run(hour(0))
    later = START + SCHEDULES["PT1H"].history + timedelta(days=8)
    hourly.run(later, at_once=1)
    hourly.run(later, at_once=1000)
    assert hour(0) not in hourly.live().intervals.starts()


def test_a_change_of_alerts_keeps_the_model() -> None:
    bench = Bench()
    bench.run(hour(0))
    folders = {key.split("/")[2] for key in bench.content()}
    bench.detector = detector(alerts=())
    (done,) = bench.run(hour(1))
    assert (done.status, done.model, done.warnings) == (SUCCEEDED, MONDAY, ())
    assert {key.split("/")[2] for key in bench.content()} == folders


def test_a_changed_metric_set_gets_a_new_model_and_one_warning() -> None:
    bench = Bench()
    for number in range(3):
        bench.run(hour(number))
    changed = Bench(bench.store, metric_list=(Measure("views"), Measure("orders")))
    (done,) = changed.run(hour(3))
    assert done.status == SUCCEEDED
    assert done.model == MONDAY
    assert done.warnings == ("the detector file changed in MetricList: a new model is fitted to the source's history",)
    (done,) = changed.run(hour(4))
    assert done.warnings == ()
    # With the old file, its model is still there, and missed intervals are caught up.
    again = bench.run(hour(4))
    assert [(execution.timestamp, execution.model, execution.warnings) for execution in again] == [
        (hour(3), MONDAY, ()),
        (hour(4), MONDAY, ()),
    ]


def test_two_detectors_of_one_name_never_mix() -> None:
    bench = Bench()
    bench.run(hour(0))
    other = bench.detector.arn.replace("000000000000", "111111111111")
    set_ = bench.detector.metric_set
    bench.detector = replace(bench.detector, arn=other, metric_set=replace(set_, detector_arn=other))
    (done,) = bench.run(hour(1))
    assert done.model == MONDAY
    assert done.warnings == (
        "the detector file changed in AnomalyDetectorArn: a new model is fitted to the source's history",
    )
