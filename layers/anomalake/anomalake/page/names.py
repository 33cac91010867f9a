"""Names of one detector's measures, dimensions, values and metrics, numbered in the order they are met."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomalake.definitions.arns import detector_of
from anomalake.page.document import LACKS, Integers


class Names:
    """Numbers instead of names, for one detector.

    Parameters
    ----------
    arn
        Whose.
    measures, dimensions
        Those that are known from the beginning.
    """

    def __init__(self, arn: str, measures: Iterable[str] = (), dimensions: Iterable[str] = ()) -> None:
        self.arn = arn
        self.name = detector_of(arn)
        self.measures: dict[str, int] = {}
        self.dimensions: dict[str, int] = {}
        self._values: list[dict[str, int]] = []
        self._combinations: dict[tuple[int, ...], int] = {}
        for one in measures:
            self.measure(one)
        for one in dimensions:
            self.dimension(one)

    def measure(self, name: str) -> int:
        """Number of a measure."""
        return self.measures.setdefault(name, len(self.measures))

    def dimension(self, name: str) -> int:
        """Number of a dimension."""
        number = self.dimensions.setdefault(name, len(self.dimensions))
        if number == len(self._values):
            self._values.append({})
        return number

    def value(self, dimension: int, value: str) -> int:
        """Number of a value of a dimension."""
        values = self._values[dimension]
        return values.setdefault(value, len(values))

    def combination(self, dimensions: Iterable[tuple[str, str]]) -> int:
        """Number of a metric's dimension values; pairs of dimension and value, in any order."""
        codes = [LACKS] * len(self.dimensions)
        for name, value in dimensions:
            dimension = self.dimension(name)
            codes += [LACKS] * (dimension + 1 - len(codes))
            codes[dimension] = self.value(dimension, value)
        return self._combination(codes)

    def combination_in(self, text: str, names: Sequence[str]) -> int:
        """The same, of a JSON list of values, with null for one that is lacking, as detection keeps them.

        Raises
        ------
        ValueError
            That is no such list.
        """
        values = json.loads(text)
        pairs = list(zip(names, values, strict=True))
        return self.combination((name, str(value)) for name, value in pairs if value is not None)

    def measures_of(self, column: pa.Array) -> Integers:
        """Numbers of a column of measures; shape (row,)."""
        return _numbers(column, self.measure)

    def values_of(self, name: str, column: pa.Array) -> Integers:
        """Numbers of a column of one dimension's values; `LACKS` for null; shape (row,)."""
        dimension = self.dimension(name)
        return _numbers(column, lambda value: self.value(dimension, value))

    def combinations_of(self, columns: Mapping[str, Integers], rows: int) -> Integers:
        """Numbers of combinations, from the numbers of each dimension's values; shape (row,)."""
        if not columns:
            return np.full(rows, self._combination([]), np.int64)
        numbers = [self.dimension(name) for name in columns]
        stacked = list(columns.values())
        key = np.zeros(rows, np.int64)
        for codes in stacked:
            # Renumbered after each dimension, so that the key never outgrows its integers.
            key = np.unique(key * (largest(codes) + 2) + codes + 1, return_inverse=True)[1].astype(np.int64)
        _, first, place = np.unique(key, return_index=True, return_inverse=True)
        table = np.stack([codes[first] for codes in stacked], axis=1).tolist()
        made = np.empty(len(first), np.int64)
        for at, row in enumerate(table):
            codes_ = [LACKS] * len(self.dimensions)
            for number, code in zip(numbers, row, strict=True):
                codes_[number] = code
            made[at] = self._combination(codes_)
        return made[place]

    def values(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Dimensions, each with its values."""
        return tuple((name, tuple(self._values[number])) for name, number in self.dimensions.items())

    def combinations(self) -> Integers:
        """All combinations: numbers of values, or `LACKS`; shape (combination, dimension)."""
        table = np.full((len(self._combinations), len(self.dimensions)), LACKS, np.int64)
        for number, codes in enumerate(self._combinations):
            table[number, : len(codes)] = codes
        return table

    def _combination(self, codes: Sequence[int]) -> int:
        # Dimensions that come later are lacked by those before: what is lacking at the end is not part of the key.
        length = len(codes)
        while length and codes[length - 1] == LACKS:
            length -= 1
        return self._combinations.setdefault(tuple(codes[:length]), len(self._combinations))


def largest(numbers: Integers) -> int:
    """The largest of them, or -1."""
    return int(np.max(numbers)) if len(numbers) else -1


def _numbers(column: pa.Array, number_of: Any) -> Integers:
    encoded = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    n_texts = len(encoded.dictionary)
    indices: Integers = pc.fill_null(encoded.indices.cast(pa.int64()), n_texts).to_numpy(zero_copy_only=False)
    # Only what the rows name, in sorted order: an answer's rows come in any order.
    used = np.flatnonzero(np.bincount(indices, minlength=n_texts + 1)[:n_texts])
    texts = encoded.dictionary.take(pa.array(used)).to_pylist()
    own = np.full(n_texts + 1, LACKS, np.int64)
    for at in sorted((at for at, text in enumerate(texts) if text is not None), key=lambda at: str(texts[at])):
        own[used[at]] = number_of(texts[at])
    made: Integers = own[indices]
    return made
