"""Numbers of the names that the page shows, and columns of query answers as NumPy arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomalake.definitions.arns import detector_of
from anomalake.page.document import LACKS, Integers, Numbers

# Numbers are sorted, not counted, where they are so many times as large as there are.
_SPARSE: Final = 8


class DetectorNames:
    """Numbers of a detector's measures, dimensions, dimension values and combinations of these.

    A new name gets the next number.

    Parameters
    ----------
    arn
        AnomalyDetectorArn.
    measures, dimensions
        Names that get the first numbers.
    """

    def __init__(self, arn: str, measures: Iterable[str] = (), dimensions: Iterable[str] = ()) -> None:
        self.arn = arn
        self.name = detector_of(arn)
        self.measures: dict[str, int] = {}
        self.dimensions: dict[str, int] = {}
        self._values: list[dict[str, int]] = []
        self._combinations: dict[tuple[int, ...], int] = {}
        for measure in measures:
            self.measure(measure)
        for dimension in dimensions:
            self.dimension(dimension)

    def measure(self, name: str) -> int:
        """Return the number of a measure."""
        return self.measures.setdefault(name, len(self.measures))

    def dimension(self, name: str) -> int:
        """Return the number of a dimension."""
        number = self.dimensions.setdefault(name, len(self.dimensions))
        if number == len(self._values):
            self._values.append({})
        return number

    def value(self, dimension: int, value: str) -> int:
        """Return the number of a value of a dimension."""
        values = self._values[dimension]
        return values.setdefault(value, len(values))

    def combination(self, dimensions: Iterable[tuple[str, str]]) -> int:
        """Return the number of a metric's combination; pairs of dimension and value, in any order."""
        codes = [LACKS] * len(self.dimensions)
        for name, value in dimensions:
            dimension = self.dimension(name)
            codes += [LACKS] * (dimension + 1 - len(codes))
            codes[dimension] = self.value(dimension, value)
        return self._combination(codes)

    def combination_in(self, text: str, names: Sequence[str]) -> int:
        """Return the number of a combination that records name: a JSON list of values, null for an absent dimension.

        Raises
        ------
        ValueError
            The text is not a JSON list, or not as long as `names`.
        """
        values = json.loads(text)
        pairs = list(zip(names, values, strict=True))
        return self.combination((name, str(value)) for name, value in pairs if value is not None)

    def measures_of(self, column: pa.Array) -> Integers:
        """Return the numbers of a column of measures; shape (row,)."""
        return _numbers(column, self.measure)

    def values_of(self, name: str, column: pa.Array) -> Integers:
        """Return the numbers of a column of one dimension's values; `LACKS` for null; shape (row,)."""
        dimension = self.dimension(name)
        return _numbers(column, lambda value: self.value(dimension, value))

    def combinations_of(self, columns: Mapping[str, Integers], rows: int) -> Integers:
        """Return the numbers of combinations, from the numbers of each dimension's values; shape (row,)."""
        if not columns:
            return np.full(rows, self._combination([]), np.int64)
        numbers = [self.dimension(name) for name in columns]
        stacked = list(columns.values())
        first, place = np.empty(0, np.int64), np.zeros(rows, np.int64)
        for codes in stacked:
            # The keys are numbered anew after each dimension, so that they do not overflow.
            first, place = first_of_equal(place * (largest(codes) + 2) + codes + 1)
        table = np.stack([codes[first] for codes in stacked], axis=1).tolist()
        combinations = np.empty(len(first), np.int64)
        for index, row in enumerate(table):
            combination = [LACKS] * len(self.dimensions)
            for number, code in zip(numbers, row, strict=True):
                combination[number] = code
            combinations[index] = self._combination(combination)
        return combinations[place]

    def values(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return the dimensions, each with its values."""
        return tuple((name, tuple(self._values[number])) for name, number in self.dimensions.items())

    def combinations(self) -> Integers:
        """Return all combinations: numbers of values, or `LACKS`; shape (combination, dimension)."""
        table = np.full((len(self._combinations), len(self.dimensions)), LACKS, np.int64)
        for number, codes in enumerate(self._combinations):
            table[number, : len(codes)] = codes
        return table

    def _combination(self, codes: Sequence[int]) -> int:
        # A combination lacks the dimensions that are numbered after it: absent values at the end are not in the key.
        length = len(codes)
        while length and codes[length - 1] == LACKS:
            length -= 1
        return self._combinations.setdefault(tuple(codes[:length]), len(self._combinations))


class LakeNames:
    """Numbers of a lake's detectors, and the names of each.

    Attributes
    ----------
    names
        By number.
    """

    def __init__(self, detectors: Iterable[DetectorNames] = ()) -> None:
        self.names: list[DetectorNames] = []
        self._numbers: dict[str, int] = {}
        for detector in detectors:
            self._numbers[detector.arn] = len(self.names)
            self.names.append(detector)

    def number(self, arn: str) -> int:
        """Return the number of a detector; a new one gets the next number."""
        if arn not in self._numbers:
            self._numbers[arn] = len(self.names)
            self.names.append(DetectorNames(arn))
        return self._numbers[arn]

    def of(self, arn: str) -> DetectorNames:
        """Return the names of a detector."""
        return self.names[self.number(arn)]


def largest(numbers: Integers) -> int:
    """Return the largest number, or -1."""
    return int(np.max(numbers)) if len(numbers) else -1


def _numbers(column: pa.Array, number_of: Callable[[str], int]) -> Integers:
    encoded = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    n_texts = len(encoded.dictionary)
    codes_: Integers = pc.fill_null(encoded.indices.cast(pa.int64()), n_texts).to_numpy(zero_copy_only=False)
    # Only names that rows have, in sorted order, because the rows of an answer have no order.
    used = np.flatnonzero(np.bincount(codes_, minlength=n_texts + 1)[:n_texts])
    texts = encoded.dictionary.take(pa.array(used)).to_pylist()
    own = np.full(n_texts + 1, LACKS, np.int64)
    for index in sorted((k for k, text in enumerate(texts) if text is not None), key=lambda k: str(texts[k])):
        own[used[index]] = number_of(texts[index])
    numbers: Integers = own[codes_]
    return numbers


def first_of_equal(numbers: Integers) -> tuple[Integers, Integers]:
    """Return the index of the first of equal numbers, by ascending number, and the place of each number among them.

    No number is negative.
    """
    size = largest(numbers) + 1
    if size > _SPARSE * len(numbers):
        _, first, place = np.unique(numbers, return_index=True, return_inverse=True)
        return first, place
    # Without sorting.
    present = np.flatnonzero(np.bincount(numbers, minlength=size))
    place_of = np.empty(size, np.int64)
    place_of[present] = np.arange(len(present))
    place = place_of[numbers]
    first = np.empty(len(present), np.int64)
    first[place[::-1]] = np.arange(len(numbers) - 1, -1, -1)
    return first, place


def first_of_equal_rows(*columns: Integers) -> tuple[Integers, Integers]:
    """Return the index of the first of equal rows, and a number for each row, the same for equal rows."""
    first, place = np.empty(0, np.int64), np.zeros(len(columns[0]), np.int64)
    for column in columns:
        codes = first_of_equal(column - (int(np.min(column)) if len(column) else 0))[1]
        first, place = first_of_equal(place * (largest(codes) + 1) + codes)
    return first, place


def indices(encoded: pa.DictionaryArray) -> Integers:
    """Return the indices of a dictionary-encoded column."""
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), np.int64)


def ranked_codes(column: pa.ChunkedArray) -> Integers:
    """Return a number for each text, in the order of the texts."""
    encoded = column.combine_chunks().dictionary_encode()
    return np.asarray(pc.rank(encoded.dictionary).to_numpy(), np.int64)[indices(encoded)]


def codes(column: pa.ChunkedArray) -> Integers:
    """Return a number for each text, the same for equal texts."""
    return indices(column.combine_chunks().dictionary_encode())


def integers(column: pa.ChunkedArray) -> Integers:
    """Return integers, 0 for null."""
    return np.asarray(pc.fill_null(column.cast(pa.int64()), 0).to_numpy(), np.int64)


def floats(column: pa.ChunkedArray) -> Numbers:
    """Return numbers as doubles, NaN for null."""
    return np.asarray(pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy(), np.float64)


def seconds(column: pa.ChunkedArray) -> Integers:
    """Return timestamps as epoch seconds, without fractions."""
    whole = pc.floor_temporal(column, unit="second").cast(pa.timestamp("s"))
    return np.asarray(whole.cast(pa.int64()).to_numpy(), np.int64)
