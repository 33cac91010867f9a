"""Layouts of arrays of many series: by interval, shape (T, S), and by series, shape (S, T).

The filter works by interval, and what concerns one series at a time, as sorting, by series. Both are done in strips of
few series, which stay in the cache of a core. Copying a column of a wide array would be several times as slow: rows of
a power of two bytes are all mapped to the same few sets of a cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Series of a strip; blocks of series are made of whole strips.
STRIP: Final = 128
# Values between the rows of a strip that is copied.
_PADDING: Final = 8
# Values of an array of a strip, so that several of them stay in the cache of a core.
_CACHED_VALUES: Final = 131_072
# With fewer intervals, strips are not worth their loop.
_LEAST_TIMES = 16


def strips(n_series: int, size: int = STRIP) -> Iterator[slice]:
    """Return consecutive slices of series."""
    return (slice(first, first + size) for first in range(0, n_series, size))


def wide_strips(n_series: int, n_times: int, n_values: int = _CACHED_VALUES) -> Iterator[slice]:
    """Return consecutive slices of series of which arrays have at most so many values; few intervals make them wide."""
    return strips(n_series, max(STRIP, n_values // max(n_times, 1) // STRIP * STRIP))


def by_series(values: Array, out: Array | None = None) -> Array:
    """Return values of shape (T, S) as an array of shape (S, T), each series contiguous; or write them to `out`."""
    n_times, n_series = values.shape
    result = np.empty((n_series, n_times), values.dtype) if out is None else out
    if n_times < _LEAST_TIMES:
        result[:] = values.T
        return result
    # Rows that are a little longer than a power of two bytes are mapped to all sets of a cache.
    rows = np.empty((n_times, STRIP + _PADDING), values.dtype)
    for strip in strips(n_series):
        part = values[:, strip]
        copied = rows[:, : part.shape[1]]
        copied[:] = part
        result[strip] = copied.T
    return result


class Buffers:
    """Arrays of single precision, by name, that the next block of series uses again: fresh memory takes time too."""

    def __init__(self) -> None:
        self._arrays: dict[str, npt.NDArray[np.float32]] = {}

    def get(self, name: str, *shape: int) -> npt.NDArray[np.float32]:
        """Return the array of a name, with values of the last use; it is a part of it where that was larger."""
        size = math.prod(shape)
        if name not in self._arrays or self._arrays[name].size < size:
            self._arrays[name] = np.empty(size, np.float32)
        return self._arrays[name][:size].reshape(shape)
