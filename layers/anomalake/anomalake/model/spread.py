"""Medians and other quantiles down columns with gaps."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

#: A normal distribution's standard deviation in median absolute deviations.
MAD = 1.4826

Array = npt.NDArray[Any]

# Mean of |x| clipped at 3, of a standard normal x.
_MEAN_OF_CLIPPED = 0.7971


def quantiles(values: Array, shares: tuple[float, ...]) -> Array:
    """Quantiles of each column's values that are no NaN: shape (len(shares), S), 0 where a column has none."""
    # Series by series in memory, sorting takes two thirds of the time.
    ordered = np.sort(np.ascontiguousarray(values.T), axis=1)
    count = (~np.isnan(ordered)).sum(axis=1)
    series = np.arange(len(ordered))
    found = np.empty((len(shares), len(ordered)), values.dtype)
    for row, share in enumerate(shares):
        place = share * np.maximum(count - 1, 0)
        below = place.astype(np.int64)
        above = np.minimum(below + 1, np.maximum(count - 1, 0))
        part = (place - below).astype(values.dtype)
        found[row] = ordered[series, below] * (1 - part) + ordered[series, above] * part
    filled: Array = np.where(count > 0, found, 0).astype(values.dtype)
    return filled


def clipped_sigma(sizes: Array, sigma: Array, axis: int) -> Array:
    """A normal distribution's standard deviation from absolute residuals clipped at thrice the last estimate of it.

    Sorts nothing, so it serves the inner steps of iterations; NaN counts as nothing.
    """
    bound = 3 * np.expand_dims(sigma, axis)
    clipped = np.fmin(sizes, bound) if np.isnan(sizes).any() else np.minimum(sizes, bound)
    found: Array = (clipped.mean(axis=axis) / _MEAN_OF_CLIPPED).astype(np.float32) + np.float32(1e-6)
    return found


def median(values: Array) -> Array:
    """Median of each column's values that are no NaN, 0 where it has none."""
    middle: Array = quantiles(values, (0.5,))[0]
    return middle


def sparse(n_times: int) -> slice:
    """A part of so many rows that is enough for a spread, by a step that no rhythm has."""
    return slice(None, None, 1 if n_times < 400 else 5 if n_times < 8_000 else 11)
