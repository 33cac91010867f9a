"""The seasonal pattern of many series: harmonics on one design matrix, fitted by a robust regression."""

from __future__ import annotations

import numpy as np

from anomalake.model.array_types import Float32Array, FloatArray
from anomalake.model.layout import by_series, strips
from anomalake.model.spread import MAD, median_of_series, row_sample

_ITERATIONS = 4
# Clipping bounds of the pseudo-values in sigmas: wide in the first two iterations, because the first fit is poor, then
# Huber's constant.
_WIDE_ITERATIONS, _WIDE, _HUBER = 2, 3.0, 1.5
# Shrinkage of a pair of coefficients, in units of the variance that noise alone gives to it.
_SHRINKAGE = 2.0
_MOST_SLOW_COSINES = 40
# Rows that are added up at once: their values stay in the cache of a core.
_ROWS_AT_ONCE = 64


def fit_harmonics(values: Float32Array, basis: FloatArray, longest: int) -> Float32Array:
    """Estimate the coefficients of the harmonics.

    The regression also has slow cosines, which take up trend and level shifts. It is made robust by Huber's
    pseudo-values (Huber 1981, ch. 7): a value far from the fit is replaced by the fit plus a clipped residual, so the
    same projection serves all series and iterations. Each pair of coefficients is then shrunk as in James and Stein
    (1961), so a seasonality that does not exist adds no noise.

    Parameters
    ----------
    values
        Shape (T, S), NaN where nothing was observed.
    basis
        Harmonics, shape (T, 2 × harmonics).
    longest
        Intervals of the longest seasonal period; the slow cosines are slower.

    Returns
    -------
    Coefficients, shape (2 × harmonics, S).
    """
    n_times, n_series = values.shape
    if not basis.shape[1]:
        return np.zeros((0, n_series), np.float32)
    n_slow = min(_MOST_SLOW_COSINES, max(1, n_times // longest))
    angle = np.pi * (np.arange(n_times) + 0.5) / n_times
    slow = np.column_stack([np.cos(np.outer(angle, np.arange(n_slow + 1))), np.linspace(-0.5, 0.5, n_times)])
    q, r = np.linalg.qr(np.column_stack([slow, basis]))
    q32, n_nuisance = q.astype(np.float32), slow.shape[1]
    # Of the columns of `basis`, from the coefficients of the orthogonal columns.
    inverse = np.linalg.inv(r)[n_nuisance:]
    coefficients = np.empty((basis.shape[1], n_series), np.float32)
    for strip in strips(n_series):
        of_strip, sigma = _fit_strip(by_series(values[:, strip]), q32)
        pairs = of_strip.T[n_nuisance:].reshape(basis.shape[1] // 2, 2, len(sigma))
        energy = np.maximum((pairs**2).sum(axis=1), np.float32(1e-12))
        shrinkage = np.clip(1 - _SHRINKAGE * 2 * sigma**2 / energy, 0, 1)
        orthogonal = of_strip.T.astype(np.float64)
        orthogonal[n_nuisance:] = (pairs * shrinkage[:, None]).reshape(basis.shape[1], len(sigma))
        coefficients[:, strip] = inverse @ orthogonal
    return coefficients


def _fit_strip(values: Float32Array, q: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Return the coefficients of orthogonal columns, shape (S, columns), and the spread; `values` are by series."""
    projection, rows = np.ascontiguousarray(q.T), row_sample(values.shape[1])
    missing = np.flatnonzero(np.isnan(values))
    residual, fit = np.empty_like(values), np.empty_like(values)
    fit[:] = median_of_series(values[:, rows])[:, None]
    coefficients = np.zeros((len(values), q.shape[1]), np.float32)
    sigma = np.zeros(len(values), np.float32)
    for iteration in range(_ITERATIONS):
        np.subtract(values, fit, out=residual)
        residual.ravel()[missing] = 0
        sigma = np.float32(MAD) * median_of_series(np.abs(residual[:, rows])) + np.float32(1e-6)
        bound = (np.float32(_WIDE if iteration < _WIDE_ITERATIONS else _HUBER) * sigma)[:, None]
        np.minimum(residual, bound, out=residual)
        np.maximum(residual, -bound, out=residual)
        residual += fit
        np.matmul(residual, q, out=coefficients)
        if iteration < _ITERATIONS - 1:
            np.matmul(coefficients, projection, out=fit)
    return coefficients, sigma


def sum_of_harmonics(basis: Float32Array, coefficients: Float32Array, out: Float32Array | None = None) -> Float32Array:
    """Return the values of the harmonics, shape (T, S); they are written to `out`.

    `basis` has shape (T, 2 × harmonics), `coefficients` (2 × harmonics, S). Terms are added in the order of the
    harmonics, so a value depends only on its interval and its series. The rounding of a matrix product by BLAS depends
    on the shapes of its arrays: judging in steps would differ in the last bits from judging at once.
    """
    # Many intervals are at the same place in the day and the week.
    basis, place = np.unique(basis, axis=0, return_inverse=True)
    values = np.zeros((len(basis), coefficients.shape[1]), np.float32)
    for first in range(0, len(basis), _ROWS_AT_ONCE):
        rows = values[first : first + _ROWS_AT_ONCE]
        term = np.empty_like(rows)
        for column, row in zip(basis[first : first + _ROWS_AT_ONCE].T, coefficients, strict=True):
            np.multiply(column[:, None], row, out=term)
            rows += term
    result: Float32Array = values.take(place, axis=0, out=out, mode="clip")
    return result
