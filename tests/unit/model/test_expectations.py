"""Expected values, and that neither anomalies nor the judged point itself have an effect on them."""

from __future__ import annotations

import numpy as np
import pytest

from anomalake.model import judge
from tests.unit.model.histories import (
    ALL,
    LEARNED,
    judged,
    learn,
    metrics,
    noisy,
    runs,
    seasonal,
    usual_model,
)


@pytest.mark.parametrize(("frequency", "n"), [("PT5M", 4700), ("PT10M", 2400), ("PT1H", 1200), ("P1D", 120)])
def test_daily_and_weekly_patterns_are_expected(frequency: str, n: int) -> None:
    values, learned = noisy(3, n, frequency), int(n * 0.7)
    judgement = judged(values, learned, frequency=frequency)
    error = judgement.expected - seasonal(n, frequency)[learned:]
    assert np.abs(error).mean() < 2.0  # the noise is 3, the seasonal pattern 20 to 30
    assert np.median(judgement.upper - judgement.lower) < 14 * 3
    assert judgement.is_anomaly.mean() < 1e-3


def test_a_value_of_another_time_of_day_is_an_anomaly() -> None:
    values = noisy(3)
    values[:, 1000] = 2 * 100 - seasonal()[1000]  # t = 1000 is 16 o'clock: low
    assert judged(values, model=usual_model()).is_anomaly[:, 1000 - LEARNED].all()


def test_a_weekend_is_no_anomaly_and_a_weekday_like_it_is() -> None:
    t = np.arange(ALL)
    weekend = (t // 24) % 7 >= 5
    values = np.where(weekend, 40.0, 100.0) + np.random.default_rng(1).normal(0, 3, (3, ALL))
    wednesday = (t >= 45 * 24 + 8) & (t < 45 * 24 + 16)
    values[:, wednesday] -= 60
    anomalous = judged(values).is_anomaly
    assert not anomalous[:, weekend[LEARNED:]].any()
    assert anomalous[:, np.flatnonzero(wednesday)[0] - LEARNED].all()


def test_yearly_and_monthly_patterns_of_daily_data_are_expected() -> None:
    n, learned = 1400, 1100
    t = np.arange(n)
    regular = 200 + 60 * np.sin(2 * np.pi * t / 365.25) + 15 * np.sin(2 * np.pi * t / 7)
    month = np.array([int(str(day)[8:10]) for day in np.datetime64("2021-01-01") + t])
    regular = regular + 25 * np.cos(2 * np.pi * (month - 1) / 30.4)
    values = regular + np.random.default_rng(1).normal(0, 4, (3, n))
    judgement = judged(values, learned, frequency="P1D", first="2021-01-01")
    assert np.abs(judgement.expected - regular[learned:]).mean() < 6
    assert judgement.is_anomaly.mean() < 0.005


def test_a_trend_is_continued() -> None:
    trend = 0.1 * np.arange(ALL)
    judgement = judged(noisy(3) + trend)
    assert np.abs(judgement.expected - seasonal()[LEARNED:] - trend[LEARNED:]).mean() < 3
    assert not judgement.is_anomaly.any()


def test_anomalies_of_the_history_have_little_effect() -> None:
    clean = noisy(6)
    rng = np.random.default_rng(2)
    dirty = clean.copy()
    gross = rng.random(dirty[:, :LEARNED].shape) < 0.02
    dirty[:, :LEARNED][gross] *= rng.choice([0.0, 3.0, 10.0], gross.sum())
    usual, other = judged(clean), judged(dirty)
    width = usual.upper - usual.lower
    assert np.abs(usual.expected - other.expected).mean() < 0.05 * width.mean()
    assert 0.8 < np.median((other.upper - other.lower) / width) < 1.5


@pytest.mark.parametrize("at", [LEARNED, 1005, 1010, 1012])
def test_a_point_has_no_effect_on_its_own_expected_value(at: int) -> None:
    values = noisy(3)
    values[:, 1000:1010] += 200  # an event, and the intervals after it
    model = usual_model()
    before = judged(values, model=model)
    for changed in (0.0, 150.0, -50.0, 1e30, np.nan):
        other = values.copy()
        other[:, at] = changed
        after = judged(other, model=model)
        k = at - LEARNED
        for name in ("expected", "lower", "upper"):
            np.testing.assert_array_equal(getattr(after, name)[:, : k + 1], getattr(before, name)[:, : k + 1])
        np.testing.assert_array_equal(after.severity[:, :k], before.severity[:, :k])


def test_a_spike_has_no_effect_on_later_expected_values() -> None:
    values = noisy(3)
    model = usual_model()
    quiet = judged(values, model=model)
    values[:, 1000] += 300
    judgement = judged(values, model=model)
    k = 1000 - LEARNED
    assert judgement.is_anomaly[:, k].all()
    np.testing.assert_allclose(judgement.expected[:, k + 1 :], quiet.expected[:, k + 1 :], atol=6)
    assert not judgement.is_anomaly[:, k + 1 :].any()


@pytest.mark.parametrize("size", [-0.5, -0.3, 0.5, 3.0, 1e6])
def test_a_long_anomaly_is_found_until_its_end_and_the_return_is_no_anomaly(size: float) -> None:
    values = noisy(3)
    values[:, 1000:1008] *= 1 + size
    anomalous = judged(values, model=usual_model()).is_anomaly
    assert anomalous[:, 1000 - LEARNED : 1008 - LEARNED].mean() > 0.8
    assert not anomalous[:, 1008 - LEARNED :].any()


@pytest.mark.parametrize("change", [-60.0, 40.0, 200.0])
def test_a_level_shift_is_one_event_that_ends(change: float) -> None:
    values = noisy(3)
    values[:, 900:] += change
    anomalous = judged(values, model=usual_model()).is_anomaly
    after = anomalous[:, 900 - LEARNED :]
    assert after[:, 0].all()
    assert not after[:, 36:].any()  # an event lasts a day; 12 hours more are tolerance
    assert max(runs(anomalous)) == 1


def test_a_change_of_scale_does_not_cause_alarms_for_ever() -> None:
    values = seasonal(1500) * (1 + np.random.default_rng(1).normal(0, 0.03, (12, 1500)))
    values[:, 900:] *= np.repeat([0.1, 3.0, 10.0], 4)[:, None]
    anomalous = judged(values).is_anomaly
    assert anomalous[:, 900 - LEARNED].all()
    assert anomalous[:, 1200 - LEARNED :].mean() < 0.07
    assert anomalous[:, 1400 - LEARNED :].mean() < 0.01


def test_a_level_shift_of_the_history_is_no_anomaly_later() -> None:
    values = noisy(3)
    for row, at in zip(values, (400, 800, 835), strict=True):
        row[at:] += 60
    assert not judged(values).is_anomaly[:, 24:].any()


def test_unit_offset_and_sign_have_no_effect() -> None:
    values = noisy(1)
    values[:, 1000] += 100
    judgement, scales = judged(values), np.array([[1e-12], [1e-3], [1e3], [1e15], [-1.0]])
    other = judged(values * scales)
    for name in ("expected", "severity"):
        scale = scales if name == "expected" else np.ones_like(scales)
        np.testing.assert_allclose(
            getattr(other, name) / scale, np.repeat(getattr(judgement, name), 5, axis=0), atol=0.02
        )
    np.testing.assert_allclose(other.upper[:4] / scales[:4], np.repeat(judgement.upper, 4, axis=0), rtol=1e-4)
    np.testing.assert_allclose(other.lower[4:], -judgement.upper, rtol=1e-4)
    moved = judged(values + 1e5)
    np.testing.assert_allclose(moved.expected - 1e5, judgement.expected, atol=0.01)
    np.testing.assert_allclose(moved.severity, judgement.severity, atol=0.05)


def test_noise_causes_few_false_alarms() -> None:
    assert judged(noisy(60, seed=5)).is_anomaly.mean() < 1e-3


@pytest.mark.parametrize("frequency", ["PT5M", "P1D"])
def test_noise_causes_few_false_alarms_at_other_frequencies(frequency: str) -> None:
    n = 2000 if frequency == "PT5M" else 400
    assert judged(noisy(20, n, frequency), int(n * 0.7), frequency=frequency).is_anomaly.mean() < 1e-3


def test_counts_cause_few_false_alarms_and_a_large_one_is_found() -> None:
    rates = np.repeat([0.3, 1.0, 3.0, 20.0], 15)[:, None]
    values = np.random.default_rng(1).poisson(rates, (60, ALL)).astype(float)
    values[:, 1000] = np.ceil(20 + 10 * rates[:, 0])
    anomalous = judged(values).is_anomaly
    assert anomalous[:, 1000 - LEARNED].all()
    assert anomalous[:, : 1000 - LEARNED].mean() < 2e-3


def test_values_before_the_first_judged_interval_have_no_effect() -> None:
    values = noisy(3)
    model = usual_model()
    other = values.copy()
    other[:, :LEARNED] = 1e9
    np.testing.assert_array_equal(judged(values, model=model).severity, judged(other, model=model).severity)


def test_arguments_are_not_changed_and_results_are_reproducible() -> None:
    values = noisy(3)
    values[0, 900:950] = np.nan
    history, rest = metrics(values[:, :LEARNED]), metrics(values)
    original = values.copy()
    for array in (history.values, rest.values, history.starts, rest.starts):
        array.setflags(write=False)
    model = learn(values)
    before = {name: array.copy() for name, array in model.to_arrays().items()}
    first, first_state = judge(model, model.state, rest, LEARNED)
    again, again_state = judge(model, model.state, rest, LEARNED)
    np.testing.assert_array_equal(values, original)
    for name, array in model.to_arrays().items():
        np.testing.assert_array_equal(array, before[name])
    np.testing.assert_array_equal(first.severity, again.severity)
    for name, array in first_state.to_arrays().items():
        np.testing.assert_array_equal(array, again_state.to_arrays()[name])
    other = learn(values).to_arrays()
    assert all(np.array_equal(array, other[name], equal_nan=array.dtype.kind == "f") for name, array in before.items())
