"""Huber's regression of many series at once, held towards a prior."""

from __future__ import annotations

import numpy as np

from anomalake.model.calendar import Bools
from anomalake.model.filter import BASE, FEATURES, History
from anomalake.model.season import Singles
from anomalake.model.spread import MAD, clipped_sigma, median, quantiles, sparse

_HUBER = 1.5
_ITERATIONS = 3
# Spreads are medians first; when the fit is near, clipped means do.
_BY_MEDIAN = 1
# The prior weighs as much as so many observations.
_PRIOR_WEIGHT = 10.0
_PRIOR_LAGS = (0.3, 0.1)
_MOST_PERSISTENT = 1.05
_MOST_ROWS = 6_000
# Features of so many series at once as stay in a core's cache.
_CACHED = 500_000


def regress(history: History, targets: Singles, first: int, floor: Singles) -> tuple[Singles, Singles]:
    """Coefficients and spread of the residuals.

    Iteratively reweighted least squares (Huber 1964), with a ridge towards a little persistence.

    Parameters
    ----------
    history, targets
        Of T intervals; targets of shape (T, S), NaN where there is nothing to learn from.
    first
        The first interval to learn from.
    floor
        Least spread that is believed, shape (S,): else what is mostly the same teaches to extrapolate what is not.

    Returns
    -------
    Arrays of shape (FEATURES, S) and (S,).
    """
    n_times, n_series = targets.shape
    first = max(first, n_times - _MOST_ROWS)
    block = max(8, _CACHED // ((n_times - first) * FEATURES))
    beta = np.empty((FEATURES, n_series), np.float32)
    sigma = np.empty(n_series, np.float32)
    for begin in range(0, n_series, block):
        part = slice(begin, begin + block)
        features = history.features(first, n_times, part)
        beta[:, part], sigma[part] = _regress_block(features, targets[first:, part], floor[part])
    return beta, sigma


def _regress_block(features: Singles, targets: Singles, floor: Singles) -> tuple[Singles, Singles]:
    """The same of some series: features (T, FEATURES, S), targets (T, S)."""
    x = np.ascontiguousarray(features.transpose(2, 0, 1))
    y = np.ascontiguousarray(targets.T)
    usable = ~np.isnan(y)
    y = np.where(usable, y, np.float32(0))
    n_usable = np.maximum(usable.sum(axis=1), 1)
    prior = np.zeros((len(x), FEATURES), np.float32)
    prior[:, BASE : BASE + len(_PRIOR_LAGS)] = _PRIOR_LAGS
    spread = np.maximum(np.float32(MAD) * median(np.abs(targets - median(targets))), floor)
    power = np.einsum("stf,stf->sf", x, x).max(axis=1) / max(x.shape[1], 1)
    ridge = np.repeat((_PRIOR_WEIGHT * spread**2 + 1e-4 * power + 1e-5)[:, None], FEATURES, axis=1).astype(np.float32)
    ridge[:, 0] = 1e-5
    diagonal = np.arange(FEATURES)
    beta = prior
    sigma = np.zeros(len(x), np.float32)
    for iteration in range(_ITERATIONS):
        residual = np.abs(y - (x @ beta[:, :, None])[:, :, 0])
        if iteration < _BY_MEDIAN:
            sigma = _sigma(residual, usable)
        else:
            sigma = clipped_sigma(residual * usable, sigma, axis=1) * (x.shape[1] / n_usable).astype(np.float32)
        bound = np.float32(_HUBER) * np.maximum(sigma, floor)[:, None]
        weight = usable * (bound / np.maximum(residual, bound))
        weighted = (x * weight[:, :, None]).transpose(0, 2, 1)
        gram = (weighted @ x).astype(np.float64)
        gram[:, diagonal, diagonal] += ridge
        right = (weighted @ y[:, :, None])[:, :, 0] + ridge * prior
        beta = np.linalg.solve(gram, right.astype(np.float64)[:, :, None])[:, :, 0].astype(np.float32)
    # An expectation that outgrows what it rests on would run away from the first unusual value.
    persistence = beta[:, BASE:].sum(axis=1)
    beta[:, BASE:] /= np.where(persistence > _MOST_PERSISTENT, persistence, 1)[:, None]
    residual = np.abs(y - (x @ beta[:, :, None])[:, :, 0])
    return beta.T, _sigma(residual, usable)


def _sigma(residual: Singles, usable: Bools) -> Singles:
    """Spread by the median; where most residuals are next to nothing, by the mean of all but the largest."""
    few = sparse(residual.shape[1])
    some = np.where(usable[:, few], residual[:, few], np.float32(np.nan)).T
    middle, high = quantiles(some, (0.5, 0.95))
    clipped = np.minimum(some, high)
    mean = np.nansum(clipped, axis=0) / np.maximum((~np.isnan(clipped)).sum(axis=0), 1)
    sigma: Singles = np.maximum(np.float32(MAD) * middle, np.float32(0.3) * mean).astype(np.float32) + np.float32(1e-6)
    return sigma
