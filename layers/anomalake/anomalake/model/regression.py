"""Huber's regression of many series at once, with a prior."""

from __future__ import annotations

import numpy as np

from anomalake.model.array_types import Float32Array, FloatArray, IndexArray
from anomalake.model.filter_state import FEATURES, FIRST_LAG, History
from anomalake.model.layout import by_series, strips
from anomalake.model.spread import MAD, clipped_sigma, median_of_series, quantiles_of_series, row_sample

_HUBER = 1.5
# The first iteration uses the newest half of the rows, from so many rows on. Its sigma is by the median; later, the fit is good
# enough for clipped means, which are faster.
_ITERATIONS, _HALF_FROM = 4, 400
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
    a slight effect of the references. The last iterations keep the weights of the matrix (Huber 1981, ch. 7).

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
    newest = slice(n_times * 2 // 5 if n_times >= _HALF_FROM else 0, None)
    deviation = y[:, row_sample(n_times)]
    deviation = deviation - median_of_series(deviation)[:, None]
    spread = np.float32(MAD) * median_of_series(np.abs(deviation, out=deviation))
    missing = np.isnan(y)
    gaps = np.flatnonzero(missing)
    y.ravel()[gaps] = 0
    prior = np.zeros((n_series, FEATURES), np.float32)
    prior[:, FIRST_LAG : FIRST_LAG + len(_PRIOR_LAGS)] = _PRIOR_LAGS
    prior[:, 1 : 1 + len(_PRIOR_REFERENCES)] = _PRIOR_REFERENCES
    sample, y_sample = x[:, :, newest], y[:, newest]
    power = np.einsum("sft,sft->sf", sample, sample).max(axis=1) / max(sample.shape[2], 1)
    prior_weight = _PRIOR_WEIGHT * np.maximum(spread, floor) ** 2 + 1e-4 * power + 1e-5
    ridge = np.repeat(prior_weight[:, None], FEATURES, axis=1).astype(np.float32)
    ridge[:, 0] = 1e-5

    # The first iteration is far off: the newest rows are enough.
    gaps_of_sample = np.flatnonzero(missing[:, newest]) if len(gaps) else gaps
    residual = _residuals(sample, y_sample, gaps_of_sample, prior)
    sigma = _residual_sigma(np.abs(residual), gaps_of_sample, row_sample(n_times))
    bound = np.float32(_HUBER) * np.maximum(sigma, floor)[:, None]
    gram, right = _weighted_sums(sample, y_sample, gaps_of_sample, residual, bound)
    weight_of_row = np.float32(n_times / max(sample.shape[2], 1))
    beta = np.linalg.solve(*_with_prior(gram * weight_of_row, right * weight_of_row, ridge, prior))[..., 0]
    beta = beta.astype(np.float32)

    of_observed = (n_times / np.maximum(n_times - np.bincount(gaps // n_times, minlength=n_series), 1)).astype(np.float32)
    inverse: FloatArray | None = None
    for _ in range(_ITERATIONS - 1):
        residual = _residuals(x, y, gaps, beta)
        sigma = clipped_sigma(np.abs(residual), sigma, axis=1) * of_observed
        bound = np.float32(_HUBER) * np.maximum(sigma, floor)[:, None]
        if inverse is None:
            gram, right = _with_prior(*_weighted_sums(x, y, gaps, residual, bound), ridge, prior)
            inverse = np.linalg.inv(gram)
            beta = (inverse @ right)[..., 0].astype(np.float32)
        else:
            # The weights change little from now on: steps with the same matrix lead to the same end.
            np.minimum(residual, bound, out=residual)
            np.maximum(residual, -bound, out=residual)
            gradient = (x @ residual[:, :, None])[:, :, 0] + ridge * (prior - beta)
            beta += (inverse @ gradient.astype(np.float64)[:, :, None])[:, :, 0].astype(np.float32)
    # With a larger sum of lag coefficients, expectations would diverge after the first unusual value.
    persistence = beta[:, FIRST_LAG:].sum(axis=1)
    beta[:, FIRST_LAG:] /= np.where(persistence > _MOST_PERSISTENT, persistence, 1)[:, None]
    residual = _residuals(x, y, gaps, beta)
    return beta.T, _residual_sigma(np.abs(residual, out=residual), gaps, row_sample(n_times))


def _residuals(x: Float32Array, y: Float32Array, gaps: IndexArray, beta: Float32Array) -> Float32Array:
    """Return the residuals, shape (S, T), 0 for gaps; these are places in the flat array."""
    residual: Float32Array = (beta[:, None, :] @ x)[:, 0]
    np.subtract(y, residual, out=residual)
    residual.ravel()[gaps] = 0
    return residual


def _weighted_sums(
    x: Float32Array, y: Float32Array, gaps: IndexArray, residual: Float32Array, bound: Float32Array
) -> tuple[Float32Array, Float32Array]:
    """Return the sums of products of features with features and targets, with Huber's weights; `residual` is changed."""
    size = np.abs(residual, out=residual)
    weight = np.divide(bound, np.maximum(size, bound, out=size), out=size)
    weight.ravel()[gaps] = 0
    weighted = x * weight[:, None, :]
    return weighted @ x.transpose(0, 2, 1), weighted @ y[:, :, None]


def _with_prior(
    gram: Float32Array, right: Float32Array, ridge: Float32Array, prior: Float32Array
) -> tuple[FloatArray, FloatArray]:
    """Return the sums of products with those of the prior."""
    diagonal = np.arange(FEATURES)
    with_ridge = gram.astype(np.float64)
    with_ridge[:, diagonal, diagonal] += ridge
    return with_ridge, (right + (ridge * prior)[:, :, None]).astype(np.float64)


def _residual_sigma(residual: Float32Array, gaps: IndexArray, rows: slice) -> Float32Array:
    """Return the spread of some rows by the median, or by the mean of clipped residuals where most are almost 0."""
    with_gaps = residual
    if len(gaps):
        with_gaps = residual.copy()
        with_gaps.ravel()[gaps] = np.nan
    sample = with_gaps[:, rows]
    middle, high = quantiles_of_series(sample, (0.5, 0.95))
    observed = ~np.isnan(sample)
    mean = np.minimum(sample, high[:, None]).sum(axis=1, where=observed) / np.maximum(observed.sum(axis=1), 1)
    sigma: Float32Array = np.maximum(np.float32(MAD) * middle, np.float32(0.3) * mean).astype(np.float32)
    return sigma + np.float32(1e-6)
