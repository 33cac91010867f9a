"""Huber's regression of many series at once, with a prior."""

from __future__ import annotations

import numpy as np

from anomalake.model.array_types import Float32Array, IndexArray
from anomalake.model.filter_state import FEATURES, FIRST_LAG, History
from anomalake.model.layout import by_series, strips
from anomalake.model.spread import MAD, clipped_sigma, median_of_series, quantiles_of_series, row_sample

_HUBER = 1.5
# Iterations, and how many of them weight the rows. Later, weights change little, and steps with the same matrix lead to
# the same end (Huber 1981, ch. 7).
_ITERATIONS, _REWEIGHTED = 4, 2
# Iterations whose sigma is by the median; later, the fit is good enough for clipped means, which are faster.
_ITERATIONS_BY_MEDIAN = 1
# Weight of the prior, in observations, and its coefficients of the first lags and of the references; the others are 0.
# A history without a seasonal pattern says nothing about the weight of the references: with those of the prior, a
# pattern that begins later is followed.
_PRIOR_WEIGHT = 10.0
_PRIOR_LAGS, _PRIOR_REFERENCES = (0.3, 0.1), (0.2, 0.1, 0.0, 0.2, 0.1)
# Largest sum of the lags' coefficients.
_MOST_PERSISTENT = 1.05
# The regression uses at most this many of the last intervals.
_MOST_ROWS = 6_000
# Feature values per block of series: they and their products with weights stay in the cache of a core.
_CACHED_VALUES = 500_000


def regress(
    history: History, targets: Float32Array, first: int, floor: Float32Array
) -> tuple[Float32Array, Float32Array]:
    """Return the coefficients and the spread of the residuals.

    The method is iteratively reweighted least squares (Huber 1964), with a ridge penalty towards slight persistence and
    a slight effect of the references.

    Parameters
    ----------
    history, targets
        Features of T intervals, and targets of shape (T, S), NaN for points to leave out.
    first
        The first interval to use.
    floor
        Least spread, shape (S,). It keeps a series that is mostly constant from fitting its constant part exactly and
        extrapolating the rest.

    Returns
    -------
    Arrays of shape (FEATURES, S) and (S,).
    """
    n_times, n_series = targets.shape
    first = max(first, n_times - _MOST_ROWS)
    block = max(16, _CACHED_VALUES // ((n_times - first) * FEATURES))
    beta = np.empty((FEATURES, n_series), np.float32)
    sigma = np.empty(n_series, np.float32)
    for part in strips(n_series, block):
        features = history.features(first, n_times, part)
        beta[:, part], sigma[part] = _regress_block(features, by_series(targets[first:, part]), floor[part])
    return beta, sigma


def _regress_block(x: Float32Array, y: Float32Array, floor: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Regress a block of series: features `x` of shape (S, FEATURES, T), targets `y` of shape (S, T)."""
    n_series, _, n_times = x.shape
    rows = row_sample(n_times)
    deviation = y[:, rows]
    deviation = deviation - median_of_series(deviation)[:, None]
    spread = np.float32(MAD) * median_of_series(np.abs(deviation, out=deviation))
    gaps = np.flatnonzero(np.isnan(y))
    n_usable = np.maximum(n_times - np.bincount(gaps // n_times, minlength=n_series), 1)
    y.ravel()[gaps] = 0
    prior = np.zeros((n_series, FEATURES), np.float32)
    prior[:, FIRST_LAG : FIRST_LAG + len(_PRIOR_LAGS)] = _PRIOR_LAGS
    prior[:, 1 : 1 + len(_PRIOR_REFERENCES)] = _PRIOR_REFERENCES
    power = np.square(x[:, :, rows]).mean(axis=2).max(axis=1)
    prior_weight = _PRIOR_WEIGHT * np.maximum(spread, floor) ** 2 + 1e-4 * power + 1e-5
    ridge = np.repeat(prior_weight[:, None], FEATURES, axis=1).astype(np.float32)
    ridge[:, 0] = 1e-5
    diagonal = np.arange(FEATURES)
    beta = prior
    sigma = np.zeros(n_series, np.float32)
    inverse = np.zeros((n_series, FEATURES, FEATURES))
    weighted = np.empty_like(x)
    for iteration in range(_ITERATIONS):
        residual = _residuals(x, y, gaps, beta)
        size = np.abs(residual)
        if iteration < _ITERATIONS_BY_MEDIAN:
            sigma = _residual_sigma(size, gaps)
        else:
            sigma = clipped_sigma(size, sigma, axis=1) * (n_times / n_usable).astype(np.float32)
        bound = np.float32(_HUBER) * np.maximum(sigma, floor)[:, None]
        if iteration < _REWEIGHTED:
            weight = np.abs(residual, out=residual)
            np.divide(bound, np.maximum(weight, bound, out=weight), out=weight)
            weight.ravel()[gaps] = 0
            np.multiply(x, weight[:, None, :], out=weighted)
            gram = (weighted @ x.transpose(0, 2, 1)).astype(np.float64)
            gram[:, diagonal, diagonal] += ridge
            right = ((weighted @ y[:, :, None])[:, :, 0] + ridge * prior).astype(np.float64)
            if iteration < _REWEIGHTED - 1:
                beta = np.linalg.solve(gram, right[:, :, None])[:, :, 0].astype(np.float32)
            else:
                inverse = np.linalg.inv(gram)
                beta = (inverse @ right[:, :, None])[:, :, 0].astype(np.float32)
        else:
            np.minimum(residual, bound, out=residual)
            np.maximum(residual, -bound, out=residual)
            gradient = (x @ residual[:, :, None])[:, :, 0] + ridge * (prior - beta)
            beta += (inverse @ gradient.astype(np.float64)[:, :, None])[:, :, 0].astype(np.float32)
    # With a larger sum of lag coefficients, expectations would diverge after the first unusual value.
    persistence = beta[:, FIRST_LAG:].sum(axis=1)
    beta[:, FIRST_LAG:] /= np.where(persistence > _MOST_PERSISTENT, persistence, 1)[:, None]
    residual = _residuals(x, y, gaps, beta)
    return beta.T, _residual_sigma(np.abs(residual, out=residual), gaps)


def _residuals(x: Float32Array, y: Float32Array, gaps: IndexArray, beta: Float32Array) -> Float32Array:
    """Return the residuals, shape (S, T), 0 for gaps; these are places in the flat array."""
    residual: Float32Array = (beta[:, None, :] @ x)[:, 0]
    np.subtract(y, residual, out=residual)
    residual.ravel()[gaps] = 0
    return residual


def _residual_sigma(residual: Float32Array, gaps: IndexArray) -> Float32Array:
    """Return the spread by the median, or by the mean of clipped residuals where most residuals are almost 0."""
    with_gaps = residual
    if len(gaps):
        with_gaps = residual.copy()
        with_gaps.ravel()[gaps] = np.nan
    sample = with_gaps[:, row_sample(residual.shape[1])]
    middle, high = quantiles_of_series(sample, (0.5, 0.95))
    observed = ~np.isnan(sample)
    mean = np.minimum(sample, high[:, None]).sum(axis=1, where=observed) / np.maximum(observed.sum(axis=1), 1)
    sigma: Float32Array = np.maximum(np.float32(MAD) * middle, np.float32(0.3) * mean).astype(np.float32)
    return sigma + np.float32(1e-6)
