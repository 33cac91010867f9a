"""Columns of an answer as NumPy arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomalake.page.document import Integers, Numbers


def unique_rows(*columns: Integers) -> tuple[Integers, Integers]:
    """Of equal rows the first one; and a number of each row, the same for equal ones."""
    key = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        _, codes = np.unique(column, return_inverse=True)
        _, key = np.unique(key * (len(column) + 1) + codes, return_inverse=True)
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    return first, place


def indices(encoded: pa.DictionaryArray) -> Integers:
    """Indices of a column that is encoded by a dictionary."""
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), np.int64)


def sorted_codes(column: pa.ChunkedArray) -> Integers:
    """A number for each text, in the order of the texts."""
    encoded = column.combine_chunks().dictionary_encode()
    return np.asarray(pc.rank(encoded.dictionary).to_numpy(), np.int64)[indices(encoded)]


def codes(column: pa.ChunkedArray) -> Integers:
    """A number for each text, the same for equal ones."""
    return indices(column.combine_chunks().dictionary_encode())


def whole(column: pa.ChunkedArray) -> Integers:
    """Whole numbers, 0 for null."""
    return np.asarray(pc.fill_null(column.cast(pa.int64()), 0).to_numpy(), np.int64)


def floats(column: pa.ChunkedArray) -> Numbers:
    """Numbers of any type as doubles, NaN for null."""
    return np.asarray(pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy(), np.float64)


def seconds(column: pa.ChunkedArray) -> Integers:
    """Timestamps as epoch seconds."""
    return np.asarray(column.cast(pa.timestamp("s")).cast(pa.int64()).to_numpy(), np.int64)
