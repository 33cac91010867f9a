"""Rows of source data on their way from a file's format to metrics."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anomalake.definitions.messages import printable
from anomalake.errors import AnomalakeError

#: How many problems are kept in words; all are counted.
KEPT_PROBLEMS = 20


class SourceFileError(AnomalakeError):
    """A file of which no row can be read: why, and in which line."""


@dataclass(frozen=True, slots=True, eq=False)
class RowBlock:
    """Some rows of a file, column by column.

    Attributes
    ----------
    timestamps
        Text or bytes, plain or as a dictionary, or values of a type of timestamps or dates.
    dimensions
        Text or bytes, plain or as a dictionary; null where a row lacks the dimension.
    measures
        Text, bytes or numbers; null or empty where a row lacks the measure.
    lines
        The line of each row; None where it is not known without reading again.
    """

    timestamps: pa.Array
    dimensions: tuple[pa.Array, ...]
    measures: tuple[pa.Array, ...]
    lines: npt.NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.timestamps)


@dataclass(slots=True)
class Notes:
    """What was found in files besides good rows.

    Attributes
    ----------
    bad
        Bad rows.
    problems
        The first of them, and what else is to be told: file, line, column, value, what was expected.
    """

    bad: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, problem: str, bad: int = 0) -> None:
        """Count bad rows, and keep the problem if it is among the first."""
        self.bad += bad
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append(printable(problem))

    @property
    def full(self) -> bool:
        """Whether no further problem would be kept."""
        return len(self.problems) >= KEPT_PROBLEMS


def column_places(header: tuple[str, ...], wanted: tuple[str, ...], expected: str) -> list[int]:
    """Where the wanted columns stand.

    Raises
    ------
    SourceFileError
        One of them is not there, or is there twice.
    """
    for name in wanted:
        if header.count(name) != 1:
            what = "no column" if name not in header else "more than one column"
            has = ", ".join(header)
            raise SourceFileError(f"{expected}: {what} {name!r}; it has {has if len(has) <= 300 else has[:300] + '…'}")
    return [header.index(name) for name in wanted]
