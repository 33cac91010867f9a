"""What the model expects, and that neither anomalies nor the point judged teach it anything."""

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
    rhythm,
    runs,
    usual_model,
)


@pytest.mark.parametrize(("frequency", "n"), [("PT5M", 4700), ("PT10M", 2400), ("PT1H", 1200), ("P1D", 120)])
def test_rhythms_of_day_and_week_are_expected(frequency: str, n: int) -> None:
    values, learned = noisy(3, n, frequency), int(n * 0.7)
    found = judged(values, learned, frequency=frequency)
    error = found.expected - rhythm(n, frequency)[learned:]
    assert np.abs(error).mean() < 2.0  # the noise is 3, the rhythm 20 to 30
    assert np.median(found.upper - found.lower) < 14 * 3
    assert found.is_anomaly.mean() < 1e-3


def test_a_value_that_is_usual_at_another_time_of_day_is_an_anomaly() -> None:
    values = noisy(3)
    values[:, 1000] = 2 * 100 - rhythm()[1000]  # t = 1000 is 16 o'clock: low
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


def test_a_yearly_and_a_monthly_rhythm_of_days_are_expected() -> None:
    n, learned = 1400, 1100
    t = np.arange(n)
    regular = 200 + 60 * np.sin(2 * np.pi * t / 365.25) + 15 * np.sin(2 * np.pi * t / 7)
    month = np.array([int(str(one)[8:10]) for one in np.datetime64("2021-01-01") + t])
    regular = regular + 25 * np.cos(2 * np.pi * (month - 1) / 30.4)
    values = regular + np.random.default_rng(1).normal(0, 4, (3, n))
    found = judged(values, learned, frequency="P1D", first="2021-01-01")
    assert np.abs(found.expected - regular[learned:]).mean() < 6
    assert found.is_anomaly.mean() < 0.005


def test_a_trend_goes_on() -> None:
    trend = 0.1 * np.arange(ALL)
    found = judged(noisy(3) + trend)
    assert np.abs(found.expected - rhythm()[LEARNED:] - trend[LEARNED:]).mean() < 3
    assert not found.is_anomaly.any()


def test_gross_anomalies_of_the_history_change_expectations_and_ranges_little() -> None:
    clean = noisy(6)
    rng = np.random.default_rng(2)
    dirty = clean.copy()
    gross = rng.random(dirty[:, :LEARNED].shape) < 0.02
    dirty[:, :LEARNED][gross] *= rng.choice([0.0, 3.0, 10.0], gross.sum())
    one, other = judged(clean), judged(dirty)
    width = one.upper - one.lower
    assert np.abs(one.expected - other.expected).mean() < 0.05 * width.mean()
    assert 0.8 < np.median((other.upper - other.lower) / width) < 1.3


@pytest.mark.parametrize("at", [LEARNED, 1005, 1010, 1012])
def test_the_point_judged_has_no_part_in_its_own_expectation(at: int) -> None:
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


def test_after_a_spike_the_expectation_is_what_usually_would_have_been() -> None:
    values = noisy(3)
    model = usual_model()
    quiet = judged(values, model=model)
    values[:, 1000] += 300
    found = judged(values, model=model)
    k = 1000 - LEARNED
    assert found.is_anomaly[:, k].all()
    np.testing.assert_allclose(found.expected[:, k + 1 :], quiet.expected[:, k + 1 :], atol=6)
    assert not found.is_anomaly[:, k + 1 :].any()


@pytest.mark.parametrize("size", [-0.5, -0.3, 0.5, 3.0, 1e6])
def test_a_long_anomaly_is_found_to_its_end_and_its_end_is_none(size: float) -> None:
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
    assert not after[:, 36:].any()  # a day, and some hours to be sure of it
    assert max(runs(anomalous)) == 1


def test_growth_with_rhythm_and_noise_is_no_alarm_for_ever() -> None:
    values = rhythm(1500) * (1 + np.random.default_rng(1).normal(0, 0.03, (12, 1500)))
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


def test_unit_offset_and_sign_make_no_difference() -> None:
    values = noisy(1)
    values[:, 1000] += 100
    one, scales = judged(values), np.array([[1e-12], [1e-3], [1e3], [1e15], [-1.0]])
    other = judged(values * scales)
    for name in ("expected", "severity"):
        scale = scales if name == "expected" else np.ones_like(scales)
        np.testing.assert_allclose(getattr(other, name) / scale, np.repeat(getattr(one, name), 5, axis=0), atol=0.02)
    np.testing.assert_allclose(other.upper[:4] / scales[:4], np.repeat(one.upper, 4, axis=0), rtol=1e-4)
    np.testing.assert_allclose(other.lower[4:], -one.upper, rtol=1e-4)
    moved = judged(values + 1e5)
    np.testing.assert_allclose(moved.expected - 1e5, one.expected, atol=0.01)
    np.testing.assert_allclose(moved.severity, one.severity, atol=0.05)


def test_noise_raises_few_alarms() -> None:
    assert judged(noisy(60, seed=5)).is_anomaly.mean() < 1e-3


@pytest.mark.parametrize("frequency", ["PT5M", "P1D"])
def test_noise_raises_few_alarms_at_other_frequencies(frequency: str) -> None:
    n = 2000 if frequency == "PT5M" else 400
    assert judged(noisy(20, n, frequency), int(n * 0.7), frequency=frequency).is_anomaly.mean() < 1e-3


def test_counts_raise_few_alarms_and_many_more_are_one() -> None:
    rates = np.repeat([0.3, 1.0, 3.0, 20.0], 15)[:, None]
    values = np.random.default_rng(1).poisson(rates, (60, ALL)).astype(float)
    values[:, 1000] = np.ceil(20 + 10 * rates[:, 0])
    found = judged(values).is_anomaly
    assert found[:, 1000 - LEARNED].all()
    assert found[:, : 1000 - LEARNED].mean() < 2e-3


def test_what_judge_is_given_before_the_first_does_not_matter() -> None:
    values = noisy(3)
    model = usual_model()
    other = values.copy()
    other[:, :LEARNED] = 1e9
    np.testing.assert_array_equal(judged(values, model=model).severity, judged(other, model=model).severity)


def test_nothing_given_is_changed_and_the_same_gives_the_same() -> None:
    values = noisy(3)
    values[0, 900:950] = np.nan
    history, rest = metrics(values[:, :LEARNED]), metrics(values)
    kept = values.copy()
    for array in (history.values, rest.values, history.starts, rest.starts):
        array.setflags(write=False)
    model = learn(values)
    before = {name: array.copy() for name, array in model.to_arrays().items()}
    first, first_state = judge(model, model.state, rest, LEARNED)
    again, again_state = judge(model, model.state, rest, LEARNED)
    np.testing.assert_array_equal(values, kept)
    for name, array in model.to_arrays().items():
        np.testing.assert_array_equal(array, before[name])
    np.testing.assert_array_equal(first.severity, again.severity)
    for name, array in first_state.to_arrays().items():
        np.testing.assert_array_equal(array, again_state.to_arrays()[name])
    other = learn(values).to_arrays()
    assert all(np.array_equal(array, other[name], equal_nan=array.dtype.kind == "f") for name, array in before.items())
