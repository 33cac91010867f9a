"""Unusual series: constants, gaps, series that start or end, extreme values, short histories."""

from __future__ import annotations

import numpy as np
import pytest

from anomalake.model import ModelError, fit, judge
from tests.unit.model.histories import (
    ALL,
    LEARNED,
    by_steps,
    judged,
    metrics,
    noisy,
    runs,
    seasonal,
    usual_model,
)
from tests.unit.model.test_severity import check_judgement


def test_a_change_of_a_constant_is_one_event() -> None:
    level = np.array([[0.0], [7.0], [-3.0], [1e9], [0.1 + 0.2]])
    values = np.repeat(level, ALL, axis=1)
    assert not judged(values).is_anomaly.any()
    values[:, 900:] = level + np.maximum(abs(level) * 0.1, 1.0)
    judgement = judged(values)
    check_judgement(judgement, values)
    assert judgement.is_anomaly[:, 900 - LEARNED].all()
    assert not judgement.is_anomaly[:, 940 - LEARNED :].any()
    assert max(runs(judgement.is_anomaly)) == 1


def test_rounding_errors_of_a_constant_are_no_anomalies() -> None:
    values = np.where(np.random.default_rng(1).random((2, ALL)) < 0.3, 0.1 + 0.2, 0.3)
    values[0, :LEARNED] = 0.3
    assert not judged(values).is_anomaly.any()
    values[:, 1000] = 0.4
    assert judged(values).is_anomaly[:, 1000 - LEARNED].all()


def test_an_almost_constant_series_is_judged_by_its_noise() -> None:
    values = 7 + np.random.default_rng(1).normal(0, 1e-7, (2, ALL))
    values[:, 1000] += 1e-5
    anomalous = judged(values).is_anomaly
    assert anomalous[:, 1000 - LEARNED].all()
    assert anomalous.sum() == 2


def test_integers_cause_no_false_alarms() -> None:
    values = np.round(noisy(2)).astype(int)
    assert not judged(values.astype(float)).is_anomaly.any()


def test_gaps_are_no_anomalies_and_do_not_hide_any() -> None:
    values = noisy(12)
    share = np.repeat([0.02, 0.2, 0.4], 4)[:, None]
    values[np.random.default_rng(5).random(values.shape) < share] = np.nan
    values[:, 1000] = seasonal()[1000] + 60
    judgement = judged(values)
    check_judgement(judgement, values)
    assert judgement.is_anomaly[:, 1000 - LEARNED].all()
    assert judgement.is_anomaly.mean() < 0.004


def test_series_are_judged_as_before_after_a_gap() -> None:
    gaps = ((840, 900), (850, 1100), (700, 900), (100, 500), (839, 841))
    values = noisy(len(gaps))
    for row, (begin, end) in zip(values, gaps, strict=True):
        row[begin:end] = np.nan
    values[:, 1150] += 60
    judgement = judged(values)
    check_judgement(judgement, values)
    assert judgement.is_anomaly[:, 1150 - LEARNED].all()
    assert judgement.is_anomaly.sum() <= len(gaps) + 2


def test_a_series_that_stops_is_missing_and_its_return_is_no_anomaly() -> None:
    values = noisy(3)
    values[:, 900:1100] = np.nan
    judgement = judged(values, model=usual_model())
    assert (judgement.severity[:, 900 - LEARNED : 1100 - LEARNED] == 0).all()
    assert np.isfinite(judgement.expected).all()
    assert not judgement.is_anomaly.any()


@pytest.mark.parametrize(("share", "burst"), [(0.5, 1.5), (0.75, 4), (0.6, 30)])
def test_a_persistent_series_that_is_mostly_missing_is_judged(share: float, burst: float) -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 4, (8, 2_400))
    for t in range(1, noise.shape[1]):
        noise[:, t] += 0.95 * noise[:, t - 1]
    values = seasonal(2_400, "PT5M") + noise
    values[:, 2_200:2_206] += 250
    missing = np.zeros(values.shape, bool)
    starts, ends = (rng.random(values.shape) < rate for rate in (share / (1 - share) / burst, 1 / burst))
    for t in range(1, values.shape[1]):
        missing[:, t] = np.where(missing[:, t - 1], ~ends[:, t], starts[:, t])
    missing[:, 2_200:2_206] = False
    values[missing] = np.nan
    judgement = judged(values, 1_700, frequency="PT5M")
    check_judgement(judgement, values)
    before = slice(0, 2_200 - 1_700)
    low, high = np.nanmin(values[:, :2_200], axis=1), np.nanmax(values[:, :2_200], axis=1)
    from_middle = judgement.expected[:, before] - ((low + high) / 2)[:, None]
    assert (np.abs(from_middle).max(axis=1) < 0.75 * (high - low)).all()
    assert judgement.is_anomaly[:, before].mean() < 0.004
    assert judgement.is_anomaly[:, 2_200 - 1_700 :][:, :6].any(axis=1).mean() >= 0.75


def test_a_series_that_starts_in_the_history_is_judged() -> None:
    values = noisy(12)
    for start, series in ((200, slice(0, 4)), (600, slice(4, 8)), (760, slice(8, 12))):
        values[series, :start] = np.nan
    values[:, 1100] += 100
    judgement = judged(values)
    check_judgement(judgement, values)
    assert judgement.is_anomaly[:, 1100 - LEARNED].all()
    assert judgement.is_anomaly.mean() < 0.005


def test_a_series_with_too_few_values_is_not_judged_and_has_no_effect_on_others() -> None:
    values = noisy(6)
    values[1, :] = np.nan
    values[2, : LEARNED - 1] = np.nan
    values[3, : LEARNED - 20] = np.nan
    values[4, :LEARNED] = np.nan
    values[5, 1:] = np.nan
    judgement = judged(values)
    check_judgement(judgement, values)
    assert np.isnan(judgement.expected[1:]).all()
    assert np.isnan(judgement.lower[1:]).all()
    assert (judgement.severity[1:] == 0).all()
    alone = judged(values[:1])
    np.testing.assert_allclose(judgement.severity[0], alone.severity[0], atol=0.01)


@pytest.mark.parametrize("unit", [1.0, 1e-12])
def test_huge_values_are_anomalies_and_are_not_learned_from(unit: float) -> None:
    clean = np.repeat(noisy(1), 7, axis=0) * unit
    values = clean.copy()
    values[:, [100, 101, 500, 1000]] = [[1e30], [-1e30], [1e200], [1.7e308], [-1.7e308], [np.inf], [-np.inf]]
    judgement, usual = judged(values), judged(clean[:1])
    check_judgement(judgement, values)
    assert (judgement.severity[:, 1000 - LEARNED] > 80).all()
    assert judgement.is_anomaly.sum(axis=1).tolist() == [1] * 7
    np.testing.assert_allclose(judgement.expected, np.repeat(usual.expected, 7, axis=0), atol=6 * unit)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_series_of_the_largest_and_the_smallest_numbers_are_judged(scale: float) -> None:
    values = noisy(2) * scale
    values[:, 1000] *= 3
    judgement = judged(values)
    check_judgement(judgement, values)
    assert judgement.is_anomaly.sum() == 2


@pytest.mark.parametrize(
    ("frequency", "learned", "false_alarms"),
    [("P1D", 14, 0.3), ("P1D", 28, 0.05), ("PT1H", 285, 0.005), ("PT5M", 285, 0.005)],
)
def test_short_histories_are_enough_for_large_anomalies(frequency: str, learned: int, false_alarms: float) -> None:
    values = noisy(20, learned + 30, frequency)
    values[:, learned + 14] += 300
    judgement = judged(values, learned, frequency=frequency)
    check_judgement(judgement, values)
    assert judgement.is_anomaly[:, 14].all()
    assert judgement.is_anomaly[:, :14].mean() < false_alarms


@pytest.mark.parametrize("frequency", ["PT5M", "PT10M", "PT1H", "P1D"])
@pytest.mark.parametrize("n", [1, 2, 9])
def test_a_history_of_a_few_intervals_is_too_short(frequency: str, n: int) -> None:
    values = noisy(2, n + 5, frequency)
    judgement = judged(values, n, frequency=frequency)
    assert np.isnan(judgement.expected).all()
    assert not judgement.is_anomaly.any()


def test_a_history_without_intervals_is_refused() -> None:
    with pytest.raises(ModelError, match=r"^history: 0 intervals; expected at least 1$"):
        fit(metrics(np.empty((2, 0))))


def test_a_metric_set_without_metrics_is_judged() -> None:
    empty = metrics(np.empty((0, 100)), names=[])
    model = fit(metrics(np.empty((0, 90)), names=[]))
    judgement, state = judge(model, model.state, empty, 90)
    assert judgement.severity.shape == (0, 10)
    assert state.next_start == empty.starts[-1] + np.timedelta64(1, "h")


@pytest.mark.parametrize("missed", [1, 5, 18, 30, 400])
def test_intervals_between_state_and_metrics_count_as_missing(missed: int) -> None:
    values = noisy(3)
    values[:, LEARNED : LEARNED + missed] = np.nan
    values[:, LEARNED + missed + 20 :] = np.nan
    values = values[:, : LEARNED + missed + 30] if missed < 300 else values
    model = usual_model()
    from_start = judge(model, model.state, metrics(values), LEARNED)[0]
    after_gap = judge(model, model.state, metrics(values), LEARNED + missed)[0]
    np.testing.assert_allclose(after_gap.expected, from_start.expected[:, missed:], atol=3 if missed > 18 else 0.01)
    if missed <= 18:
        np.testing.assert_allclose(after_gap.severity, from_start.severity[:, missed:], atol=0.05)
    assert not after_gap.is_anomaly.any()


def test_judging_a_gap_in_steps_is_judging_it_at_once() -> None:
    values = noisy(3)
    values[:, 860:870] = np.nan
    model = usual_model()
    at_once = judged(values, model=model)
    parts, _ = by_steps(model, values, LEARNED, [860, 865, 870, 871])
    for name in ("expected", "lower", "upper", "severity"):
        in_steps = np.hstack([getattr(part, name) for part in parts])
        np.testing.assert_allclose(in_steps, getattr(at_once, name), rtol=1e-5)


def test_the_range_widens_in_a_gap_and_is_as_before_after_the_next_value() -> None:
    values = 100 + np.cumsum(np.random.default_rng(2).normal(0, 1, (6, ALL)), axis=1)
    values[:, 900:912] = np.nan
    values[:, 912:] += (values[:, 899] - values[:, 912])[:, None]
    judgement = judged(values)
    width = np.median(judgement.upper - judgement.lower, axis=0)
    gap = 900 - LEARNED
    assert width[gap + 12] > 2 * width[gap - 1]
    assert width[gap + 13] == pytest.approx(width[gap - 1], rel=0.2)
