"""Cells of columns: their text, and dictionary-encoded columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

#: A cell as it was read; None if it is missing.
Text = str | bytes | None


def as_text(value: Text) -> str:
    """Decode UTF-8; raises `ValueError`."""
    if value is None:
        raise ValueError("nothing")
    if isinstance(value, bytes):
        return value.decode("utf-8")
    value.encode("utf-8")
    return value


def codes_of(coded: pa.DictionaryArray, missing: int) -> npt.NDArray[np.int64]:
    """Places of a column's values in its dictionary; `missing` for null."""
    indices = coded.indices
    if indices.null_count:
        indices = indices.fill_null(missing)
    codes: npt.NDArray[np.int64] = indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


def joined(columns: Sequence[pa.Array]) -> pa.Array:
    """Join the texts of columns by one blank, row by row; one column stays as it is."""
    if len(columns) == 1:
        return columns[0]
    texts = [column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in columns]
    blank = pa.scalar(" ", pa.string()).cast(texts[0].type)
    return pc.binary_join_element_wise(*texts, blank).dictionary_encode()
