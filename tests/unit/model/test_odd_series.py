"""Series that are no curve with noise: constants, gaps, births, deaths, sizes beyond reason."""

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
    rhythm,
    runs,
    usual_model,
)
from tests.unit.model.test_severity import is_sound


def test_a_constant_stays_usual_and_its_change_is_one_event() -> None:
    level = np.array([[0.0], [7.0], [-3.0], [1e9], [0.1 + 0.2]])
    values = np.repeat(level, ALL, axis=1)
    assert not judged(values).is_anomaly.any()
    values[:, 900:] = level + np.maximum(abs(level) * 0.1, 1.0)
    found = judged(values)
    is_sound(found, values)
    assert found.is_anomaly[:, 900 - LEARNED].all()
    assert not found.is_anomaly[:, 940 - LEARNED :].any()
    assert max(runs(found.is_anomaly)) == 1


def test_rounding_is_no_change_of_a_constant() -> None:
    values = np.where(np.random.default_rng(1).random((2, ALL)) < 0.3, 0.1 + 0.2, 0.3)
    values[0, :LEARNED] = 0.3
    assert not judged(values).is_anomaly.any()
    values[:, 1000] = 0.4
    assert judged(values).is_anomaly[:, 1000 - LEARNED].all()


def test_a_constant_with_hardly_any_noise_is_judged_by_that_noise() -> None:
    values = 7 + np.random.default_rng(1).normal(0, 1e-7, (2, ALL))
    values[:, 1000] += 1e-5
    anomalous = judged(values).is_anomaly
    assert anomalous[:, 1000 - LEARNED].all()
    assert anomalous.sum() == 2


def test_a_number_of_whole_numbers_is_judged_as_any() -> None:
    values = np.round(noisy(2)).astype(int)
    assert not judged(values.astype(float)).is_anomaly.any()


def test_gaps_are_no_anomalies_and_hide_none() -> None:
    values = noisy(12)
    share = np.repeat([0.02, 0.2, 0.4], 4)[:, None]
    values[np.random.default_rng(5).random(values.shape) < share] = np.nan
    values[:, 1000] = rhythm()[1000] + 60
    found = judged(values)
    is_sound(found, values)
    assert found.is_anomaly[:, 1000 - LEARNED].all()
    assert found.is_anomaly.mean() < 0.004


def test_after_a_gap_all_goes_on() -> None:
    gaps = ((840, 900), (850, 1100), (700, 900), (100, 500), (839, 841))
    values = noisy(len(gaps))
    for row, (begin, end) in zip(values, gaps, strict=True):
        row[begin:end] = np.nan
    values[:, 1150] += 60
    found = judged(values)
    is_sound(found, values)
    assert found.is_anomaly[:, 1150 - LEARNED].all()
    assert found.is_anomaly.sum() <= len(gaps) + 2


def test_a_series_that_dies_is_missing_and_its_return_no_anomaly() -> None:
    values = noisy(3)
    values[:, 900:1100] = np.nan
    found = judged(values, model=usual_model())
    assert (found.severity[:, 900 - LEARNED : 1100 - LEARNED] == 0).all()
    assert np.isfinite(found.expected).all()
    assert not found.is_anomaly.any()


def test_a_series_born_in_the_history_is_judged_by_what_it_has() -> None:
    values = noisy(12)
    for born, of in ((200, slice(0, 4)), (600, slice(4, 8)), (760, slice(8, 12))):
        values[of, :born] = np.nan
    values[:, 1100] += 100
    found = judged(values)
    is_sound(found, values)
    assert found.is_anomaly[:, 1100 - LEARNED].all()
    assert found.is_anomaly.mean() < 0.005


def test_a_series_with_too_little_is_not_judged_and_does_no_harm() -> None:
    values = noisy(6)
    values[1, :] = np.nan
    values[2, : LEARNED - 1] = np.nan
    values[3, : LEARNED - 20] = np.nan
    values[4, :LEARNED] = np.nan
    values[5, 1:] = np.nan
    found = judged(values)
    is_sound(found, values)
    assert np.isnan(found.expected[1:]).all()
    assert np.isnan(found.lower[1:]).all()
    assert (found.severity[1:] == 0).all()
    alone = judged(values[:1])
    np.testing.assert_allclose(found.severity[0], alone.severity[0], atol=0.01)


@pytest.mark.parametrize("unit", [1.0, 1e-12])
def test_huge_values_are_anomalies_and_teach_nothing(unit: float) -> None:
    clean = np.repeat(noisy(1), 7, axis=0) * unit
    values = clean.copy()
    values[:, [100, 101, 500, 1000]] = [[1e30], [-1e30], [1e200], [1.7e308], [-1.7e308], [np.inf], [-np.inf]]
    found, usual = judged(values), judged(clean[:1])
    is_sound(found, values)
    assert (found.severity[:, 1000 - LEARNED] > 80).all()
    assert found.is_anomaly.sum(axis=1).tolist() == [1] * 7
    np.testing.assert_allclose(found.expected, np.repeat(usual.expected, 7, axis=0), atol=6 * unit)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_series_of_the_largest_and_the_smallest_numbers_are_judged(scale: float) -> None:
    values = noisy(2) * scale
    values[:, 1000] *= 3
    found = judged(values)
    is_sound(found, values)
    assert found.is_anomaly.sum() == 2


@pytest.mark.parametrize(
    ("frequency", "learned", "false_alarms"),
    [("P1D", 14, 0.3), ("P1D", 28, 0.05), ("PT1H", 285, 0.005), ("PT5M", 285, 0.005)],
)
def test_short_histories_are_enough_to_find_what_is_gross(frequency: str, learned: int, false_alarms: float) -> None:
    values = noisy(20, learned + 30, frequency)
    values[:, learned + 14] += 300
    found = judged(values, learned, frequency=frequency)
    is_sound(found, values)
    assert found.is_anomaly[:, 14].all()
    assert found.is_anomaly[:, :14].mean() < false_alarms


@pytest.mark.parametrize("frequency", ["PT5M", "PT10M", "PT1H", "P1D"])
@pytest.mark.parametrize("n", [1, 2, 9])
def test_a_history_of_hardly_anything_teaches_nothing(frequency: str, n: int) -> None:
    values = noisy(2, n + 5, frequency)
    found = judged(values, n, frequency=frequency)
    assert np.isnan(found.expected).all()
    assert not found.is_anomaly.any()


def test_no_interval_is_refused() -> None:
    with pytest.raises(ModelError, match=r"^history: no interval; expected some$"):
        fit(metrics(np.empty((2, 0))))


def test_no_metric_is_no_fault() -> None:
    empty = metrics(np.empty((0, 100)), names=[])
    model = fit(metrics(np.empty((0, 90)), names=[]))
    found, state = judge(model, model.state, empty, 90)
    assert found.severity.shape == (0, 10)
    assert state.next_start == empty.starts[-1] + np.timedelta64(1, "h")


@pytest.mark.parametrize("missed", [1, 5, 18, 30, 400])
def test_intervals_between_state_and_metrics_count_as_missing(missed: int) -> None:
    values = noisy(3)
    values[:, LEARNED : LEARNED + missed] = np.nan
    values[:, LEARNED + missed + 20 :] = np.nan
    values = values[:, : LEARNED + missed + 30] if missed < 300 else values
    model = usual_model()
    told = judge(model, model.state, metrics(values), LEARNED)[0]
    untold = judge(model, model.state, metrics(values), LEARNED + missed)[0]
    np.testing.assert_allclose(untold.expected, told.expected[:, missed:], atol=3 if missed > 18 else 0.01)
    if missed <= 18:
        np.testing.assert_allclose(untold.severity, told.severity[:, missed:], atol=0.05)
    assert not untold.is_anomaly.any()


def test_late_data_that_never_came_is_the_same_as_told_in_steps() -> None:
    values = noisy(3)
    values[:, 860:870] = np.nan
    model = usual_model()
    whole = judged(values, model=model)
    parts, _ = by_steps(model, values, LEARNED, [860, 865, 870, 871])
    np.testing.assert_allclose(np.hstack([one.expected for one in parts]), whole.expected, rtol=1e-5)
