"""How complete rows are: for each column the rows with a usable value, and the rows that lack some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from anomalake.definitions.intervals import NO_INSTANT, Seconds
from anomalake.sources.columns import Codes

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ColumnCompleteness:
    """A column, and the number of rows with a usable value in it.

    A timestamp is usable if it can be read, a measure if it is a number, and a dimension value if it is a text that is
    not empty.
    """

    name: str
    usable: int


class Completeness:
    """Counts the unusable cells of rows.

    Parameters
    ----------
    names
        Names of timestamp, dimensions and measures, in this order.
    codes
        Codes of the dimensions.

    Attributes
    ----------
    partial
        Rows that were used and lack a dimension value or a measure.
    """

    def __init__(self, names: Sequence[str], codes: Sequence[Codes]) -> None:
        self._names = tuple(names)
        self._codes = codes
        self._unusable = [0] * len(names)
        self._rows = 0
        self.partial = 0

    def add_used(self, codes: Sequence[Seconds], values: Sequence[Floats]) -> int:
        """Count the cells of rows that were used; return the number of measures without a value."""
        rows = len(values[0])
        self._rows += rows
        masks = [*self._empty(codes), *(np.isnan(column) for column in values)]
        numbers = [0 if mask is None else int(np.count_nonzero(mask)) for mask in masks]
        incomplete = [mask for mask, number in zip(masks, numbers, strict=True) if mask is not None and number]
        if incomplete:
            self._count([0, *numbers])
            self.partial += int(np.count_nonzero(reduce(np.logical_or, incomplete)))
        return sum(numbers[len(codes) :])

    def add_bad(self, instants: Seconds, codes: Sequence[Seconds], values: Sequence[Floats]) -> None:
        """Count the cells of rows that could not be used."""
        self._rows += len(instants)
        dimensions = [
            column < 0 if empty is None else (column < 0) | empty
            for column, empty in zip(codes, self._empty(codes), strict=True)
        ]
        masks = [instants == NO_INSTANT, *dimensions, *(np.isnan(column) for column in values)]
        self._count([int(np.count_nonzero(mask)) for mask in masks])

    def columns(self) -> tuple[ColumnCompleteness, ...]:
        """The columns with their numbers of usable values."""
        return tuple(
            ColumnCompleteness(name, self._rows - unusable)
            for name, unusable in zip(self._names, self._unusable, strict=True)
        )

    @property
    def numbers(self) -> tuple[int, ...]:
        """Rows, rows that lack something, and unusable cells of each column."""
        return (self._rows, self.partial, *self._unusable)

    def add_numbers(self, numbers: Sequence[int]) -> None:
        """Add the numbers of other rows."""
        self._rows += numbers[0]
        self.partial += numbers[1]
        self._count(numbers[2:])

    def _empty(self, codes: Sequence[Seconds]) -> list[Flags | None]:
        """Which rows have no value of a dimension; None where all have one."""
        return [_is_any(column, known.empty) for column, known in zip(codes, self._codes, strict=True)]

    def _count(self, numbers: Sequence[int]) -> None:
        self._unusable = [before + number for before, number in zip(self._unusable, numbers, strict=True)]


def _is_any(column: Seconds, wanted: Sequence[int]) -> Flags | None:
    found: Flags | None = None
    for code in wanted:
        found = column == code if found is None else found | (column == code)
    return found
