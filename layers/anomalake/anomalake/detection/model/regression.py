"""Huber's regression of many series at once, held towards a prior."""

from __future__ import annotations

import numpy as np

from anomalake.detection.model.filter import BASE, FEATURES
from anomalake.detection.model.season import Singles
from anomalake.detection.model.spread import MAD, median, quantiles

_HUBER = 1.5
_ITERATIONS = 4
# The prior weighs as much as so many observations.
_PRIOR_WEIGHT = 10.0
_PRIOR_LAGS = (0.3, 0.1)
_MOST_ROWS = 6_000


def regress(features: Singles, targets: Singles) -> tuple[Singles, Singles]:
    """Coefficients and spread of the residuals.

    Iteratively reweighted least squares (Huber 1964), with a ridge towards a little persistence.

    Parameters
    ----------
    features
        Shape (T, FEATURES, S).
    targets
        Shape (T, S), NaN where there is nothing to learn from.

    Returns
    -------
    Arrays of shape (FEATURES, S) and (S,).
    """
    features, targets = features[-_MOST_ROWS:], targets[-_MOST_ROWS:]
    x = np.ascontiguousarray(features.transpose(2, 0, 1))
    y = np.ascontiguousarray(targets.T)
    n_series, _, n = x.shape
    usable = ~np.isnan(y)
    y = np.where(usable, y, 0)
    beta = np.zeros((n_series, n), np.float32)
    beta[:, BASE : BASE + len(_PRIOR_LAGS)] = _PRIOR_LAGS
    prior = beta
    about = np.where(usable, y, np.nan).T
    spread = np.float32(MAD) * median(np.abs(about - median(about)))
    power = np.einsum("stf,stf->sf", x, x).max(axis=1) / max(x.shape[1], 1)
    ridge = np.repeat((_PRIOR_WEIGHT * spread**2 + 1e-4 * power + 1e-5)[:, None], n, axis=1).astype(np.float32)
    ridge[:, 0] = 1e-5
    diagonal = np.arange(n)
    for _ in range(_ITERATIONS):
        residual = np.abs(y - (x @ beta[:, :, None])[:, :, 0])
        sigma = _sigma(residual, usable)
        weight = np.where(usable, np.minimum(1, _HUBER * sigma[:, None] / np.maximum(residual, 1e-9)), 0)
        weighted = (x * weight.astype(np.float32)[:, :, None]).transpose(0, 2, 1)
        gram = (weighted @ x).astype(np.float64)
        gram[:, diagonal, diagonal] += ridge
        right = (weighted @ y[:, :, None])[:, :, 0] + ridge * prior
        beta = np.linalg.solve(gram, right.astype(np.float64)[:, :, None])[:, :, 0].astype(np.float32)
    residual = np.abs(y - (x @ beta[:, :, None])[:, :, 0])
    return np.ascontiguousarray(beta.T), _sigma(residual, usable)


def _sigma(residual: Singles, usable: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Singles:
    """Spread by the median; where most residuals are next to nothing, by the mean of all but the largest."""
    step = 1 + residual.shape[1] // 1_500
    some = np.where(usable, residual, np.nan)[:, ::step].T
    middle, high = quantiles(some, (0.5, 0.95))
    clipped = np.minimum(some, high)
    mean = np.nansum(clipped, axis=0) / np.maximum((~np.isnan(clipped)).sum(axis=0), 1)
    sigma: Singles = np.maximum(np.float32(MAD) * middle, np.float32(0.3) * mean).astype(np.float32) + np.float32(1e-6)
    return sigma


assert FEATURES > BASE
