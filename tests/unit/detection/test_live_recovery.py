"""Failures of the data, the lake or the model of a live detector: each has a defined result and a message."""

from __future__ import annotations

from datetime import timedelta

import pytest

from anomalake.records.executions import FAILED, SUCCEEDED, read_executions
from anomalake.records.groups import group_ids, read_group
from tests.support.live import HOUR, MONDAY, START, Bench, IntervalError, StoreError, hour

EMPTY = IntervalError(
    "No datapoint was found at the source location for time interval from 2026-03-03T01:00:00Z to 2026-03-03T02:00:00Z"
)


def without_failures(hours: int) -> Bench:
    """Return a bench after runs without failures."""
    bench = Bench()
    bench.source.unusual = {(hour(4), "de"): 20.0}
    for number in range(hours):
        bench.run(hour(number))
    return bench


def test_a_failed_interval_is_recorded_with_its_reason_and_the_next_interval_runs() -> None:
    bench = Bench()
    bench.source.faults = {hour(1): EMPTY}
    bench.run(hour(0))
    (done,) = bench.run(hour(1))
    assert (done.status, done.reason, done.rows) == (FAILED, str(EMPTY), 0)
    assert list(read_executions(bench.store, "shop", hour(1))) == [done]
    (after,) = bench.run(hour(2))
    assert (after.status, after.timestamp, after.warnings) == (SUCCEEDED, hour(2), ())


def test_late_files_give_the_same_state_as_files_in_time() -> None:
    bench = Bench()
    bench.source.unusual = {(hour(4), "de"): 20.0}
    bench.source.faults = {hour(1): EMPTY}
    for number in range(6):
        bench.run(hour(number))
    bench.source.faults = {}
    (late,) = bench.run(hour(1))
    assert late.status == SUCCEEDED
    assert late.warnings == (
        "states up to 2026-03-03T05:00:00+00:00 were computed again with this interval's late data",
    )
    (again,) = bench.run(hour(6))
    in_time = without_failures(7)
    late_models, expected_models = bench.live().models, in_time.live().models
    for start in (hour(5), hour(6)):
        state, other = late_models.read_state(start), expected_models.read_state(start)
        assert state is not None
        assert other is not None
        assert state.body == other.body
    assert again.warnings == ()


def test_a_failed_repetition_removes_no_record() -> None:
    bench = without_failures(3)
    before = bench.content()
    bench.source.faults = {hour(1): EMPTY}
    (done,) = bench.run(hour(1))
    assert done.status == FAILED
    assert bench.content() == before


def test_late_data_without_an_anomaly_remove_its_part_of_the_group() -> None:
    bench = Bench()
    bench.source.unusual = {(hour(n), "de"): 30.0 for n in (1, 2, 3)}
    for number in range(5):
        bench.run(hour(number))
    (group_id,) = group_ids(bench.store, "shop")
    del bench.source.unusual[hour(3), "de"]
    bench.run(hour(3))
    group = read_group(bench.store, "shop", group_id)
    assert group is not None
    assert [interval.timestamp for interval in group.intervals] == [hour(1), hour(2)]


def test_an_internal_error_fails_its_interval_only() -> None:
    bench = Bench()
    bench.run(hour(0))
    bench.engine.fault = lambda metrics: (
        ZeroDivisionError("float division by zero")
        if metrics.starts[0].item().replace(tzinfo=START.tzinfo) == hour(1) and len(metrics.combinations)
        else None
    )
    (done,) = bench.run(hour(1))
    assert (done.status, done.reason) == (FAILED, "ZeroDivisionError: float division by zero")
    (after,) = bench.run(hour(2))
    assert (after.status, after.timestamp) == (SUCCEEDED, hour(2))


def test_the_next_run_reads_a_source_again_that_did_not_answer() -> None:
    bench = Bench()
    bench.run(hour(0))
    bench.source.faults = {hour(1): StoreError("s3://data: 503 SlowDown")}
    with pytest.raises(StoreError, match="503"):
        bench.run(hour(1))
    (recorded,) = read_executions(bench.store, "shop", hour(1))
    assert (recorded.status, recorded.reason) == (FAILED, "s3://data: 503 SlowDown")
    bench.source.faults = {}
    done = bench.run(hour(2))
    assert [(execution.timestamp, execution.status) for execution in done] == [
        (hour(1), SUCCEEDED),
        (hour(2), SUCCEEDED),
    ]


def test_an_interval_that_can_never_be_read_does_not_stop_the_detector() -> None:
    bench = Bench()
    bench.run(hour(0))
    bench.source.faults = {hour(1): StoreError("s3://data/a.csv: 403 AccessDenied")}
    for _ in range(2):
        with pytest.raises(StoreError, match="403"):
            bench.run(hour(1))
    (done,) = bench.run(hour(1))
    assert (done.status, done.reason) == (FAILED, "s3://data/a.csv: 403 AccessDenied")
    (after,) = bench.run(hour(2))
    assert (after.status, after.timestamp) == (SUCCEEDED, hour(2))


def damage(bench: Bench, kind: str, how: str, only: str = "") -> None:
    """Delete or damage the objects of one kind."""
    keys = [entry.key for entry in bench.store.list("detection") if f"/{kind}/{only}" in entry.key]
    assert keys
    if how == "lost":
        bench.store.delete(keys)
        return
    for key in keys:
        body = bytearray(bench.store.get(key))
        body[len(body) // 2] ^= 0xFF
        bench.store.put(key, body[: len(body) * 9 // 10] if how == "half" else bytes(body))


@pytest.mark.parametrize("how", ["lost", "damaged", "half"])
@pytest.mark.parametrize("kinds", [("states",), ("models", "states"), ("models",), ("models", "states", "histories")])
def test_lost_or_corrupt_states_and_models_are_computed_again(kinds: tuple[str, ...], how: str) -> None:
    bench, undamaged = without_failures(4), without_failures(5)
    for kind in kinds:
        damage(bench, kind, how)
    (done,) = bench.run(hour(4))
    assert (done.status, done.timestamp, done.anomalies) == (SUCCEEDED, hour(4), 1)
    assert done.warnings
    ours, theirs = bench.live().intervals.read(hour(4)), undamaged.live().intervals.read(hour(4))
    assert ours is not None
    assert theirs is not None
    assert ours.table.equals(theirs.table)
    (after,) = bench.run(hour(5))
    assert (after.status, after.warnings) == (SUCCEEDED, ())


@pytest.mark.parametrize("how", ["lost", "damaged"])
def test_without_records_a_model_is_fitted_to_the_source_again(how: str) -> None:
    bench = without_failures(4)
    for kind in ("models", "states", "histories", "intervals"):
        damage(bench, kind, how)
    done = bench.run(hour(4))[-1]
    assert (done.status, done.timestamp, done.anomalies) == (SUCCEEDED, hour(4), 1)
    assert bench.source.histories == 2
    assert done.warnings or how == "lost"


@pytest.mark.parametrize("how", ["damaged", "half"])
def test_a_corrupt_interval_is_a_warning_and_used_as_not_observed(how: str) -> None:
    bench = without_failures(3)
    damage(bench, "states", "lost")
    damage(bench, "intervals", how, "20260303T0100")
    done = bench.run(hour(3))[-1]
    assert done.status == SUCCEEDED
    assert any("20260303T010000Z.parquet" in line and "expected an interval" in line for line in done.warnings)


def test_a_group_with_a_corrupt_record_is_not_continued_with_a_warning() -> None:
    bench = without_failures(5)
    (group_id,) = group_ids(bench.store, "shop")
    damage(bench, "groups", "half")
    bench.source.unusual[hour(5), "de"] = 20.0
    (done,) = bench.run(hour(5))
    assert (done.status, done.groups) == (SUCCEEDED, 1)
    assert any("the group is not continued" in line for line in done.warnings)
    assert len(group_ids(bench.store, "shop")) == 2
    assert group_id in group_ids(bench.store, "shop")


def test_a_model_with_other_arrays_is_fitted_again() -> None:
    bench = without_failures(2)
    models = bench.live().models
    models.delete_model(MONDAY)
    models.write_model(MONDAY, {"other": models.read_state(hour(0)).arrays["level"]})  # type: ignore[union-attr]
    (done,) = bench.run(hour(2))
    assert (done.status, done.model) == (SUCCEEDED, MONDAY)
    assert "a new one is fitted" in done.warnings[0]


def test_undelivered_alerts_are_sent_once_by_a_later_run() -> None:
    bench = Bench()
    bench.source.unusual = {(hour(1), "de"): 30.0}
    bench.run(hour(0))
    bench.channel.failures = 100
    (done,) = bench.run(hour(1))
    assert (done.status, done.delivered, done.undelivered) == (SUCCEEDED, 0, 1)
    assert "503: try later" in done.warnings[0]
    (done,) = bench.run(hour(2))
    assert (done.delivered, done.undelivered) == (0, 1)
    bench.channel.failures = 0
    (done,) = bench.run(hour(3))
    assert (done.delivered, done.undelivered) == (1, 0)
    (done,) = bench.run(hour(4))
    assert (done.delivered, done.undelivered) == (0, 0)
    assert [timestamp for _, timestamp in bench.channel.identities()] == ["2026-03-03T01:00Z[UTC]"]


def test_delivery_of_an_alert_is_stopped_after_a_day() -> None:
    bench = Bench()
    bench.source.unusual = {(hour(0), "de"): 30.0}
    bench.channel.failures = 10_000
    undelivered = [bench.run(hour(number))[-1].undelivered for number in range(28)]
    assert undelivered == [1] * 26 + [0] * 2


def test_after_a_long_pause_the_history_has_the_missed_intervals_of_the_source() -> None:
    bench = Bench(offset=0)
    bench.run(hour(0))
    later = START + timedelta(days=60)
    bench.source.since = START - timedelta(days=14)
    bench.source.unusual = {}
    done = bench.run(later, at_once=1)[-1]
    assert done.status == SUCCEEDED
    models = bench.live().models
    learnt = models.read_history(models.history_starts()[-1])
    assert learnt is not None
    assert len(learnt.starts) == (models.history_starts()[-1] - bench.source.since) // HOUR
