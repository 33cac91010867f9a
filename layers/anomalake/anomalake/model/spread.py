"""Quantiles, medians and robust standard deviations of columns with gaps."""

from __future__ import annotations

from functools import cache

import numpy as np

from anomalake.model.array_types import BoolArray, FloatArray, IndexArray
from anomalake.model.layout import Array, by_series, wide_strips

#: Standard deviation of a normal distribution in units of its median absolute deviation.
MAD = 1.4826

# NumPy sorts so many values of single precision in the registers of a core, and more of them in several times as long.
# Rows of up to half as many again are sorted in two parts.
_SORTED_FAST, _MOST_IN_PARTS = 512, 768

# Values that are sorted at once: they stay in the cache of a core.
_CACHED_VALUES = 65_536

# Mean of min(|x|, 3) for a standard normal x.
_MEAN_OF_CLIPPED = 0.7971


def quantiles(values: Array, shares: tuple[float, ...]) -> Array:
    """Return the quantiles of each column, NaN left out: shape (len(shares), S); 0 for a column without values."""
    result = np.zeros((len(shares), values.shape[1]), values.dtype)
    if len(values):
        for strip in wide_strips(values.shape[1], len(values), _CACHED_VALUES):
            # Sorting takes a third less time when each series is contiguous in memory.
            put_quantiles(by_series(values[:, strip]), shares, result[:, strip])
    return result


def quantiles_of_series(values: Array, shares: tuple[float, ...]) -> Array:
    """Return the quantiles of each row, NaN left out: shape (len(shares), S); 0 for a row without values."""
    result = np.zeros((len(shares), len(values)), values.dtype)
    if values.shape[1]:
        for strip in wide_strips(len(values), values.shape[1], _CACHED_VALUES):
            put_quantiles(values[strip].copy(), shares, result[:, strip])
    return result


def put_quantiles(values: Array, shares: tuple[float, ...], out: Array) -> None:
    """Write the quantiles of rows to `out`, as `quantiles_of_series`; the rows are put into another order."""
    if not values.shape[1]:
        out[:] = 0
        return
    below, above, fraction = _places(values.shape[1], shares)
    in_parts = _SORTED_FAST < values.shape[1] <= _MOST_IN_PARTS and len(shares) < 3
    if in_parts:
        lower, upper, has_gaps = _in_parts(values, below)
    else:
        values.sort(axis=1)
        lower, upper, has_gaps = values.take(below, axis=1), values.take(above, axis=1), np.isnan(values[:, -1])
    fraction = fraction.astype(values.dtype)
    found = lower * (1 - fraction)
    found += upper * fraction
    out[:] = found.T
    with_gaps = has_gaps.nonzero()[0]
    if len(with_gaps):
        ordered = values[with_gaps]
        if in_parts:
            ordered.sort(axis=1)
        out[:, with_gaps] = _quantiles_with_gaps(ordered, np.array(shares))


@cache
def _places(n_values: int, shares: tuple[float, ...]) -> tuple[IndexArray, IndexArray, FloatArray]:
    """Return the places in sorted values that the quantiles are between, and the share of the upper one."""
    positions = np.array(shares) * (n_values - 1)
    below = positions.astype(np.intp)
    return below, np.minimum(below + 1, n_values - 1), positions - below


def _in_parts(values: Array, places: IndexArray) -> tuple[Array, Array, BoolArray]:
    """Return the values at some places of sorted rows and at the next ones, and which rows have NaN.

    Two sorted parts of a row have the value of a place near it: in the first part as far below as the second is long.
    """
    first, second = values[:, :_SORTED_FAST], values[:, _SORTED_FAST:]
    first.sort(axis=1)
    second.sort(axis=1)
    found = np.empty((2, len(values), len(places)), values.dtype)
    for column, place in enumerate(places):
        begin = max(0, int(place) - second.shape[1])
        near = np.concatenate([first[:, begin : place + 2], second], axis=1)
        near.sort(axis=1)
        found[0, :, column] = near[:, place - begin]
        found[1, :, column] = near[:, min(int(place) + 1, values.shape[1] - 1) - begin]
    return found[0], found[1], np.isnan(first[:, -1]) | np.isnan(second[:, -1])


def _quantiles_with_gaps(ordered: Array, shares: Array) -> Array:
    """Return the quantiles of sorted rows with NaN at their end, shape (len(shares), S)."""
    count = ordered.shape[1] - np.isnan(ordered).sum(axis=1)
    last, series = np.maximum(count - 1, 0), np.arange(len(ordered))
    positions = shares[:, None] * last
    below = positions.astype(np.int64)
    fraction = (positions - below).astype(ordered.dtype)
    found = ordered[series, below] * (1 - fraction) + ordered[series, np.minimum(below + 1, last)] * fraction
    result: Array = np.where(count > 0, found, 0)
    return result


def median(values: Array) -> Array:
    """Return the median of each column, NaN left out; 0 for a column without values."""
    result: Array = quantiles(values, (0.5,))[0]
    return result


def median_of_series(values: Array) -> Array:
    """Return the median of each row, NaN left out; 0 for a row without values."""
    result: Array = quantiles_of_series(values, (0.5,))[0]
    return result


def clipped_sigma(sizes: Array, sigma: Array, axis: int) -> Array:
    """Return the standard deviation of normal residuals from their absolute values, clipped at three `sigma`.

    `sigma` is the previous estimate. This needs no sorting, so it is fast enough for the inner steps of an iteration.
    There is no NaN. `sizes` are clipped in place.
    """
    np.minimum(sizes, 3 * np.expand_dims(sigma, axis), out=sizes)
    result: Array = (sizes.mean(axis=axis) / _MEAN_OF_CLIPPED).astype(np.float32) + np.float32(1e-6)
    return result


def row_sample(n_times: int) -> slice:
    """Return a slice of every row, every 5th or every 11th, enough rows for an estimate of spread.

    Both steps are coprime to the lengths of all seasonal periods, so the sample has every phase.
    """
    return slice(None, None, 1 if n_times < 400 else 5 if n_times < 8_000 else 11)
