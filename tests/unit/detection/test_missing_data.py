"""Metrics that have no row in an interval: ignored, 0, or an anomaly; the same in backtests and live."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from anomalake.definitions.detector import Detector
from anomalake.definitions.intervals import interval_starts
from anomalake.definitions.metric_set import Measure
from anomalake.definitions.settings import DetectionSettings
from anomalake.detection import backtest
from anomalake.detection.backtest import run_backtest
from anomalake.detection.engine import NumpyModelEngine
from anomalake.detection.presence import complete, from_arrays, learn_presence, to_arrays, with_zeros
from anomalake.groups.causes import with_causes
from anomalake.model.judgement import ANOMALOUS
from anomalake.model.metrics import Metrics, between
from anomalake.notify.texts import long_text, short_text
from anomalake.records.groups import from_json, group_ids, read_group, to_json
from anomalake.records.intervals import metrics_of
from tests.support.live import ARN, HOUR, START, Bench, hour

#: Hours of a history of three shops, of which the last are judged.
HOURS, LEARNED = 1_200, 840


def of(mode: str) -> DetectionSettings:
    return DetectionSettings("PT1H", "UTC", {"sales": Measure("sales", missing_data=mode)})  # type: ignore[arg-type]


def shops(lacking: dict[int, list[int]], n_shops: int = 3, hours: int = HOURS) -> Metrics:
    """Sales of about 100 an hour; `lacking` are the hours without rows by shop."""
    values = 100 + np.random.default_rng(4).normal(0, 5, (n_shops, hours))
    for shop, places in lacking.items():
        values[shop, places] = np.nan
    starts = interval_starts("PT1H", "UTC", datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))[:hours]
    names = tuple((f"{number}",) for number in range(n_shops))
    return Metrics("PT1H", "UTC", starts, ("sales",), ("shop",), names, values[None])


def found(given: Metrics, mode: str) -> list[tuple[int, int]]:
    """Return shop and hour of each anomaly of a backtest."""
    tested = run_backtest(given, ARN, settings=of(mode)).judgement
    return [(int(shop), LEARNED + int(column)) for shop, column in np.argwhere(tested.is_anomaly)]


OUTAGE = list(range(900, 905))


def test_a_shop_that_sends_nothing_is_an_outage_and_not_silence() -> None:
    given = shops({1: OUTAGE})
    assert found(given, "ignore") == []
    expected = [(1, place) for place in OUTAGE]
    assert found(given, "anomaly") == expected
    assert found(given, "zero") == expected
    tested = run_backtest(given, ARN, settings=of("anomaly"))
    (group,) = tested.groups
    metrics = [metric for interval in group.intervals for metric in interval.affected]
    assert [(metric.value, metric.is_missing, metric.dimensions) for metric in metrics] == [
        (0, True, (("shop", "1"),))
    ] * 5
    assert all(metric.severity > 70 for metric in metrics)
    (zeros,) = run_backtest(given, ARN, settings=of("zero")).groups
    assert not any(metric.is_missing for interval in zeros.intervals for metric in interval.affected)


def test_a_missing_value_is_not_learned_from_and_a_zero_is_a_value() -> None:
    given = shops({1: OUTAGE})
    ignored, missing, zero = (
        run_backtest(given, ARN, settings=of(mode)).judgement for mode in ("ignore", "anomaly", "zero")
    )
    np.testing.assert_array_equal(missing.expected, ignored.expected)
    observed = ~np.isnan(given.flat[:, LEARNED:])
    np.testing.assert_array_equal(missing.severity[observed], ignored.severity[observed])
    filled = given.values.copy()
    filled[0, 1, OUTAGE] = 0
    plain = run_backtest(replace(given, values=filled), ARN).judgement
    for name in ("expected", "lower", "upper", "severity"):
        np.testing.assert_array_equal(getattr(zero, name), getattr(plain, name))


def test_an_interval_without_any_data_is_late_and_not_missing() -> None:
    given = shops(dict.fromkeys(range(3), OUTAGE))
    assert [found(given, mode) for mode in ("zero", "anomaly")] == [[], []]


def test_a_shop_that_is_closed_at_night_and_on_holidays_is_not_missing_then() -> None:
    hours = np.arange(HOURS)
    closed = [int(place) for place in hours if place % 24 < 8 or place // 24 % 7 == 6]
    given = shops({1: [*closed, 854, 855, 856]})
    # Hour 854 is 14:00 of a Monday.
    assert found(given, "anomaly") == [(1, 854), (1, 855), (1, 856)]
    day = given.starts[854].item().date()
    settings = of("anomaly")
    assert not run_backtest(given, ARN, settings=settings, holidays=(day,)).judgement.is_anomaly[1].any()


def test_a_shop_that_often_sends_nothing_is_not_missing() -> None:
    gaps = np.flatnonzero(np.random.default_rng(5).random(HOURS) < 0.2).tolist()
    assert found(shops({1: gaps}), "anomaly") == []


def test_a_shop_that_closed_long_ago_or_opens_later_is_not_missing() -> None:
    assert found(shops({1: list(range(700, HOURS)), 2: list(range(900))}), "anomaly") == []
    closed = shops({1: list(range(400, HOURS))})
    # A zero is a value: the end of the shop is history, not an anomaly for ever.
    assert found(closed, "zero") == []
    assert np.isnan(with_zeros(shops({1: list(range(400))}), of("zero")).values[0, 1, :400]).all()


def test_what_is_usual_is_learned_from_the_last_weeks() -> None:
    # An outage of a day is no habit; a shop that has opened at six for some weeks is missing at six.
    hours = np.arange(HOURS)
    night = [int(place) for place in hours if place % 24 < 8 and place < 200]
    presence = learn_presence(between(shops({0: night, 1: list(range(300, 324))}), 0, LEARNED), of("anomaly"))
    assert presence is not None
    assert presence.expected[:, 0, 1].all()
    assert presence.expected[:, 0, 0].all()
    assert presence.known.all()


def test_short_histories_have_phases_of_the_day() -> None:
    presence = learn_presence(shops({1: [3, 27, 51]}, hours=72), of("anomaly"))
    assert presence is not None
    assert presence.expected.shape == (24, 1, 3)
    assert np.flatnonzero(~presence.expected[:, 0, 1]).tolist() == [3]


def test_what_was_learned_is_stored_with_the_model() -> None:
    presence = learn_presence(shops({1: [3, 27, 51]}, hours=72), of("anomaly"))
    assert presence is not None
    read = from_arrays(to_arrays(presence))
    assert read is not None
    assert read.combinations == presence.combinations
    np.testing.assert_array_equal(read.known, presence.known)
    np.testing.assert_array_equal(read.expected, presence.expected)
    assert from_arrays(to_arrays(None)) is None
    assert learn_presence(shops({}), of("ignore")) is None


def test_metrics_without_a_setting_are_not_completed() -> None:
    given = shops({1: [5]}, hours=72)
    completed = complete(given, None, of("ignore"))
    assert completed.metrics is given
    assert completed.shown is given
    assert not completed.added.any()


def test_the_record_of_a_group_has_the_kind_and_texts_say_that_there_are_no_data() -> None:
    (group,) = run_backtest(shops({1: OUTAGE}), ARN, settings=of("anomaly")).groups
    assert from_json(to_json(group)) == group
    assert b'"Missing":true' in to_json(group)
    detector = Bench().detector
    first = group.intervals[0]
    long, short = long_text(group, first, detector.alerts[0], detector), short_text(group, first, detector)
    for text in (long, short):
        assert "no data, expected 10" in text or "no data, expected 9" in text


def bench(mode: str, **changes: Any) -> Bench:
    return Bench(metric_list=(Measure("views", missing_data=mode),), **changes)  # type: ignore[arg-type]


def test_a_live_shop_that_sends_nothing_is_alerted() -> None:
    live = bench("anomaly")
    live.source.unusual = {(hour(number), "de"): None for number in (1, 2)}
    done = [live.run(hour(number))[-1] for number in range(4)]
    assert [(run.rows, run.metrics, run.anomalies, run.groups) for run in done] == [
        (3, 3, 0, 0), (2, 2, 1, 1), (2, 2, 1, 1), (3, 3, 0, 0),
    ]  # fmt: skip
    (alert,) = live.channel.sent
    assert json.loads(alert.text)["impactedMetric"]["relevantTimeSeries"][0]["metricValue"] == 0
    (group_id,) = group_ids(live.store, "shop")
    group = read_group(live.store, "shop", group_id)
    assert group is not None
    assert [metric.is_missing for interval in group.intervals for metric in interval.affected] == [True, True]
    record = live.live().intervals.read(hour(1))
    assert record is not None
    rows = {row["combination"]: row for row in record.table.to_pylist()}
    assert rows['["de"]']["is_missing"]
    assert rows['["de"]']["severity"] >= ANOMALOUS
    # A history has what the source has.
    read = metrics_of([record], live.live()._live_models.unobserved_interval(hour(1)).starts)
    assert read is not None
    assert read.combinations == (("fr",), ("uk",))


def test_late_rows_withdraw_a_missing_metric() -> None:
    live = bench("anomaly")
    live.source.unusual = {(hour(1), "de"): None}
    assert [run.groups for number in range(3) for run in live.run(hour(number))] == [0, 1, 0]
    live.source.unusual = {}
    (done,) = live.run(hour(1))
    assert done.groups == 0
    assert group_ids(live.store, "shop") == []


@pytest.mark.parametrize("mode", ["zero", "anomaly"])
def test_states_do_not_depend_on_who_computes_them(mode: str) -> None:
    """A process that finds no state computes it from the records, which have what the source has."""
    live = bench(mode)
    live.engine = NumpyModelEngine()  # type: ignore[assignment]
    live.source.unusual = {(hour(number), "de"): None for number in (1, 2, 4)}
    for number in range(6):
        live.run(hour(number))
    before = live.content()
    states = live.live().models
    states.delete_states(states.state_starts())
    for number in (3, 5):
        live.live().run_interval(hour(number))
    after = live.content()
    assert {key: body for key, body in before.items() if key in after} == after
    fresh = bench(mode)
    fresh.engine = NumpyModelEngine()  # type: ignore[assignment]
    fresh.source.unusual = dict(live.source.unusual)
    fresh.now = fresh.due(hour(5))
    fresh.live().run_interval(hour(5))
    record, other = (one.live().intervals.read(hour(5)) for one in (live, fresh))
    assert record is not None
    assert other is not None
    assert record.table.equals(other.table)


@pytest.mark.parametrize("mode", ["ignore", "zero", "anomaly"])
def test_live_detection_is_a_backtest_interval_by_interval(mode: str) -> None:
    live = bench(mode, history=timedelta(days=14))
    live.engine = NumpyModelEngine()  # type: ignore[assignment]
    live.source.unusual = {(hour(number), "de"): None for number in (1, 2, 4)}
    live.source.unusual |= {(hour(3), "fr"): 20.0}
    for number in range(8):
        live.run(hour(number))
    monday = START - 24 * HOUR
    whole = live.source.history(hour(8))
    assert whole is not None
    learned = int(np.searchsorted(whole.starts, np.datetime64(monday.replace(tzinfo=None))))
    settings = DetectionSettings.of(live.detector)
    assert groups_of(live.detector, live) == expected_groups(whole, learned, settings)


def groups_of(detector: Detector, live: Bench) -> list[tuple[datetime, tuple[Any, ...]]]:
    groups = [read_group(live.store, "shop", id_) for id_ in group_ids(live.store, detector.name)]
    return sorted((group.start, group.intervals) for group in groups if group is not None)


def expected_groups(
    whole: Metrics, learned: int, settings: DetectionSettings
) -> list[tuple[datetime, tuple[Any, ...]]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backtest, "first_tested", lambda n_intervals: learned)
        tested = run_backtest(whole, ARN, settings=settings)
        groups = with_causes(tested.groups, tested.judged)
    return sorted((group.start, group.intervals) for group in groups)
