"""Rows of source data, independent of the file format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anomalake.definitions.messages import listed, printable
from anomalake.errors import AnomalakeError

#: Number of problems that are kept; all are counted.
KEPT_PROBLEMS = 20


class SourceFileError(AnomalakeError):
    """A file of which no row can be read: the reason, and the line."""


@dataclass(frozen=True, slots=True, eq=False)
class RowBlock:
    """Some rows of a file, column by column.

    Attributes
    ----------
    timestamps
        Text or bytes, plain or dictionary-encoded, or timestamps or dates.
    dimensions
        Text or bytes, plain or dictionary-encoded; null if the row lacks the dimension.
    measures
        Text, bytes or numbers; null or empty if the row lacks the measure.
    lines
        Line of each row; None if it is unknown without reading again.
    """

    timestamps: pa.Array
    dimensions: tuple[pa.Array, ...]
    measures: tuple[pa.Array, ...]
    lines: npt.NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.timestamps)


@dataclass(slots=True)
class Notes:
    """Invalid rows and other problems of files.

    Attributes
    ----------
    bad
        Number of invalid rows.
    problems
        The first problems: file, line, column, value, what was expected.
    spare_lines
        Lines of the last CSV file that begin no row: they are empty, or go on with a quoted cell.
    """

    bad: int = 0
    problems: list[str] = field(default_factory=list)
    spare_lines: int = 0

    def add(self, problem: str, bad: int = 0) -> None:
        """Count invalid rows, and keep the problem if it is among the first."""
        self.bad += bad
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append(printable(problem))

    @property
    def full(self) -> bool:
        """Whether no further problem will be kept."""
        return len(self.problems) >= KEPT_PROBLEMS


def column_places(header: Sequence[str], wanted: Sequence[str], expected: str) -> list[int]:
    """Positions of columns in a header, found as by `found_places`.

    Raises
    ------
    SourceFileError
        A column is missing or repeated.
    """
    places = found_places(header, wanted)
    for name, place in zip(wanted, places, strict=True):
        if place is None:
            same = sum(_caseless(column) == _caseless(name) for column in header) > 1
            what = "more than one column" if same else "no column"
            raise SourceFileError(f"{expected}: {what} {name!r}; it has {listed(header)}")
    return [place for place in places if place is not None]


def found_places(header: Sequence[str], wanted: Sequence[str]) -> list[int | None]:
    """Positions of columns in a header; None if a column is missing or repeated.

    A name is found as it is, else without the blanks around it, else without regard to case.
    """
    if all(header.count(name) == 1 for name in wanted):
        return [header.index(name) for name in wanted]
    places: dict[str, int | None] = {}
    for form in (str, _stripped, _caseless):
        # A column belongs to the name that it matches best.
        free: dict[str, list[int]] = {}
        for place in sorted(set(range(len(header))) - set(places.values())):
            free.setdefault(form(header[place]), []).append(place)
        open_ = [name for name in wanted if name not in places and form(name) in free]
        for name in open_:
            is_clear = len(free[form(name)]) == 1 and sum(form(other) == form(name) for other in open_) == 1
            places[name] = free[form(name)][0] if is_clear else None
    return [places.get(name) for name in wanted]


def as_wanted(header: Sequence[str], wanted: Sequence[str], expected: str) -> tuple[str, ...]:
    """A header in which the wanted columns have the wanted names; raises `SourceFileError` as `column_places`."""
    names = list(header)
    for name, place in zip(wanted, column_places(header, wanted, expected), strict=True):
        names[place] = name
    return tuple(names)


def _stripped(name: str) -> str:
    return name.strip().strip("\ufeff").strip()


def _caseless(name: str) -> str:
    return _stripped(name).casefold()
