"""Huber's regression of many series at once, with a prior."""

from __future__ import annotations

import numpy as np

from anomalake.model.array_types import BoolArray, Float32Array
from anomalake.model.filter_state import FEATURES, FIRST_LAG, History
from anomalake.model.spread import MAD, clipped_sigma, median, quantiles, row_sample

_HUBER = 1.5
_ITERATIONS = 3
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
# Feature values per block of series: they stay in the cache of a core.
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
    block = max(8, _CACHED_VALUES // ((n_times - first) * FEATURES))
    beta = np.empty((FEATURES, n_series), np.float32)
    sigma = np.empty(n_series, np.float32)
    for begin in range(0, n_series, block):
        part = slice(begin, begin + block)
        features = history.features(first, n_times, part)
        beta[:, part], sigma[part] = _regress_block(features, targets[first:, part], floor[part])
    return beta, sigma


def _regress_block(
    features: Float32Array, targets: Float32Array, floor: Float32Array
) -> tuple[Float32Array, Float32Array]:
    """Regress a block of series: features (T, FEATURES, S), targets (T, S)."""
    x = np.ascontiguousarray(features.transpose(2, 0, 1))
    y = np.ascontiguousarray(targets.T)
    usable = ~np.isnan(y)
    y = np.where(usable, y, np.float32(0))
    n_usable = np.maximum(usable.sum(axis=1), 1)
    prior = np.zeros((len(x), FEATURES), np.float32)
    prior[:, FIRST_LAG : FIRST_LAG + len(_PRIOR_LAGS)] = _PRIOR_LAGS
    prior[:, 1 : 1 + len(_PRIOR_REFERENCES)] = _PRIOR_REFERENCES
    spread = np.maximum(np.float32(MAD) * median(np.abs(targets - median(targets))), floor)
    power = np.einsum("stf,stf->sf", x, x).max(axis=1) / max(x.shape[1], 1)
    ridge = np.repeat((_PRIOR_WEIGHT * spread**2 + 1e-4 * power + 1e-5)[:, None], FEATURES, axis=1).astype(np.float32)
    ridge[:, 0] = 1e-5
    diagonal = np.arange(FEATURES)
    beta = prior
    sigma = np.zeros(len(x), np.float32)
    for iteration in range(_ITERATIONS):
        residual = np.abs(y - (x @ beta[:, :, None])[:, :, 0])
        if iteration < _ITERATIONS_BY_MEDIAN:
            sigma = _residual_sigma(residual, usable)
        else:
            sigma = clipped_sigma(residual * usable, sigma, axis=1) * (x.shape[1] / n_usable).astype(np.float32)
        bound = np.float32(_HUBER) * np.maximum(sigma, floor)[:, None]
        weight = usable * (bound / np.maximum(residual, bound))
        weighted = (x * weight[:, :, None]).transpose(0, 2, 1)
        gram = (weighted @ x).astype(np.float64)
        gram[:, diagonal, diagonal] += ridge
        right = (weighted @ y[:, :, None])[:, :, 0] + ridge * prior
        beta = np.linalg.solve(gram, right.astype(np.float64)[:, :, None])[:, :, 0].astype(np.float32)
    # With a larger sum of lag coefficients, expectations would diverge after the first unusual value.
    persistence = beta[:, FIRST_LAG:].sum(axis=1)
    beta[:, FIRST_LAG:] /= np.where(persistence > _MOST_PERSISTENT, persistence, 1)[:, None]
    residual = np.abs(y - (x @ beta[:, :, None])[:, :, 0])
    return beta.T, _residual_sigma(residual, usable)


def _residual_sigma(residual: Float32Array, usable: BoolArray) -> Float32Array:
    """Return the spread by the median, or by the mean of clipped residuals where most residuals are almost 0."""
    rows = row_sample(residual.shape[1])
    sample = np.where(usable[:, rows], residual[:, rows], np.float32(np.nan)).T
    middle, high = quantiles(sample, (0.5, 0.95))
    clipped = np.minimum(sample, high)
    mean = np.nansum(clipped, axis=0) / np.maximum((~np.isnan(clipped)).sum(axis=0), 1)
    sigma: Float32Array = np.maximum(np.float32(MAD) * middle, np.float32(0.3) * mean).astype(np.float32)
    return sigma + np.float32(1e-6)
