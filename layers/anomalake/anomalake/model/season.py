"""The regular part of many series: harmonics on one shared design, fitted so that outliers have no weight."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomalake.model.calendar import Floats
from anomalake.model.spread import MAD, median, sparse

Singles = npt.NDArray[np.float32]

_ITERATIONS = 4
# Pseudo-values: first wide, for the start is a poor fit, then Huber's.
_WIDE, _HUBER = 3.0, 1.5
# A pair of coefficients is shrunk by so many times the variance that noise alone would give it.
_SHRINKAGE = 2.0
_MOST_SLOW = 40
# Rows whose values stay in a core's cache while the harmonics are added up.
_ROWS_AT_ONCE = 64


def fit_harmonics(values: Singles, basis: Floats, longest: int) -> Singles:
    """Coefficients of the harmonics.

    A robust regression on harmonics beside slow cosines, which take up trend and level shifts, by Huber's
    pseudo-values: what lies far from the fit is replaced by what lies as near as noise does, so that one projection
    serves all series and all iterations. Each pair of coefficients is then shrunk as James and Stein do, so that
    rhythms that are not there add no noise.

    Parameters
    ----------
    values
        Shape (T, S), NaN where nothing was observed.
    basis
        Shape (T, 2 × harmonics).
    longest
        Intervals of the longest rhythm; the slow cosines are slower than that.

    Returns
    -------
    Array of shape (2 × harmonics, S).
    """
    n_times, n_series = values.shape
    if not basis.shape[1]:
        return np.zeros((0, n_series), np.float32)
    n_slow = min(_MOST_SLOW, max(1, n_times // longest))
    turn = np.pi * (np.arange(n_times) + 0.5) / n_times
    slow = np.column_stack([np.cos(np.outer(turn, np.arange(n_slow + 1))), np.linspace(-0.5, 0.5, n_times)])
    q, r = np.linalg.qr(np.column_stack([slow, basis]))
    projection = np.ascontiguousarray(q.T, dtype=np.float32)
    back = q.astype(np.float32)
    missing = np.isnan(values)
    has_gaps = bool(missing.any())
    fit = np.repeat(median(values)[None], n_times, axis=0)
    coefficients = np.zeros((q.shape[1], n_series), np.float32)
    sigma = np.zeros(n_series, np.float32)
    for iteration in range(_ITERATIONS):
        residual = values - fit
        if has_gaps:
            residual[missing] = 0
        sigma = np.float32(MAD) * median(np.abs(residual[sparse(n_times)])) + np.float32(1e-6)
        bound = np.float32(_WIDE if iteration < 2 else _HUBER) * sigma
        np.clip(residual, -bound, bound, out=residual)
        residual += fit
        coefficients = projection @ residual
        fit = back @ coefficients
    n_nuisance = slow.shape[1]
    pairs = coefficients[n_nuisance:].reshape(basis.shape[1] // 2, 2, n_series)
    energy = np.maximum((pairs**2).sum(axis=1), np.float32(1e-12))
    kept = np.clip(1 - _SHRINKAGE * 2 * sigma**2 / energy, 0, 1)
    coefficients[n_nuisance:] = (pairs * kept[:, None]).reshape(basis.shape[1], n_series)
    solved: Floats = np.linalg.solve(r, coefficients.astype(np.float64))
    return solved[n_nuisance:].astype(np.float32)


def sum_of_harmonics(basis: Singles, coefficients: Singles) -> Singles:
    """Values of the harmonics: basis of shape (T, 2 × harmonics), coefficients (2 × harmonics, S), values (T, S).

    Each value is added up in the order of the harmonics, so it depends on its interval and its series only. A product
    of matrices by BLAS depends on their shapes too: judging in steps would differ in the last bits from judging at
    once.
    """
    made = np.zeros((len(basis), coefficients.shape[1]), np.float32)
    for first in range(0, len(basis), _ROWS_AT_ONCE):
        rows = made[first : first + _ROWS_AT_ONCE]
        term = np.empty_like(rows)
        for column, row in zip(basis[first : first + _ROWS_AT_ONCE].T, coefficients, strict=True):
            np.multiply(column[:, None], row, out=term)
            rows += term
    return made
