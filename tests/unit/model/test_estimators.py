"""The parts of a fit: harmonics, regression, quantiles, standardisation."""

from __future__ import annotations

import numpy as np

from anomalake.model.calendar import calendar_of, harmonics
from anomalake.model.filter_state import History
from anomalake.model.regression import regress
from anomalake.model.season import fit_harmonics
from anomalake.model.spread import median, quantiles
from anomalake.model.standard import standard, standardised
from tests.unit.model.histories import starts


def test_harmonics_are_estimated_despite_outliers_trend_and_gaps() -> None:
    rng = np.random.default_rng(1)
    calendar = calendar_of(starts(840), "PT1H", "UTC")
    basis = harmonics(calendar, ("day", "week"))
    regular = 3 * np.sin(2 * np.pi * np.arange(840) / 24)
    values = (regular + np.linspace(0, 5, 840) + rng.normal(0, 0.3, (5, 840))).T.astype(np.float32)
    values[rng.random(values.shape) < 0.03] = 50
    values[rng.random(values.shape) < 0.1] = np.nan
    fitted = basis @ fit_harmonics(values, basis, 168)
    assert np.abs(fitted.T - regular).mean() < 0.1


def test_noise_has_no_seasonal_pattern() -> None:
    calendar = calendar_of(starts(840), "PT1H", "UTC")
    basis = harmonics(calendar, ("day", "week"))
    noise = np.random.default_rng(1).normal(0, 1, (840, 20)).astype(np.float32)
    assert (basis @ fit_harmonics(noise, basis, 168)).std() < 0.15


def test_a_regression_is_robust_against_outliers() -> None:
    rng = np.random.default_rng(1)
    n, series = 2000, 4
    references = rng.normal(size=(n, 5, series)).astype(np.float32)
    harmonic = rng.normal(size=(n, series)).astype(np.float32)
    values = rng.normal(size=(n + 6, series)).astype(np.float32)
    history = History(references, harmonic, values, np.zeros((n, series), np.float32))
    beta = np.linspace(1, -1, 13, dtype=np.float32)
    targets = np.einsum("sft,f->ts", history.features(0, n), beta) + rng.normal(0, 0.5, (n, series))
    targets[rng.random(targets.shape) < 0.02] = 1e6
    targets[rng.random(targets.shape) < 0.1] = np.nan
    coefficients, sigma = regress(history, targets.astype(np.float32), 0, np.zeros(series, np.float32))
    np.testing.assert_allclose(coefficients, np.repeat(beta[:, None], series, axis=1), atol=0.06)
    np.testing.assert_allclose(sigma, 0.5, rtol=0.15)


def test_lagged_features_are_the_previous_values_relative_to_the_level() -> None:
    n = 20
    clean = np.arange(n + 6, dtype=np.float32)[:, None]
    level = np.full((n, 1), 2, np.float32)
    history = History(np.zeros((n, 5, 1), np.float32), np.zeros((n, 1), np.float32), clean, level)
    # The value of interval t has index t + 6, so the one before it has index t + 5.
    np.testing.assert_array_equal(history.features(3, 4)[0, 7:, 0], np.array([8, 7, 6, 5, 4, 3]) - 2)


def test_quantiles_leave_out_gaps() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(101, 5))
    values[rng.random(values.shape) < 0.3] = np.nan
    values[:, 4] = np.nan
    shares = (0.0, 0.1, 0.5, 0.99, 1.0)
    np.testing.assert_allclose(quantiles(values, shares)[:, :4], np.nanquantile(values[:, :4], shares, axis=0))
    assert (quantiles(values, shares)[:, 4] == 0).all()
    assert median(np.array([[1.0, np.nan], [3.0, np.nan]])).tolist() == [2.0, 0.0]


def test_standardised_values_have_median_0_and_interquartile_range_1() -> None:
    raw = np.array(
        [[1.0, 2, 3, 4, 5], [7, 7, 7, 7, np.nan], [np.nan] * 5, [0, 0, 0, 0, 10], [1e308, -1e308, 0, 1, np.inf]]
    )
    center, scale, constant = standard(raw)
    assert center.tolist()[:4] == [3, 7, 0, 0]
    assert scale[0] == 2
    assert (scale > 0).all()
    assert np.isfinite(scale).all()
    assert constant.tolist() == [False, True, True, False, False]
    values = standardised(raw, center, scale)
    assert values.dtype == np.float32
    assert np.isfinite(values).T.tolist() == (~np.isnan(raw)).tolist()
    assert values[:, 0].tolist() == [-1, -0.5, 0, 0.5, 1]
