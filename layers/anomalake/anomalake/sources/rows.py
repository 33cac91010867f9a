"""Rows of source data, independent of the file format."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anomalake.definitions.messages import printable
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


def column_places(header: tuple[str, ...], wanted: tuple[str, ...], expected: str) -> list[int]:
    """Positions of columns in a header.

    Raises
    ------
    SourceFileError
        A column is missing or repeated.
    """
    for name in wanted:
        if header.count(name) != 1:
            what = "no column" if name not in header else "more than one column"
            has = ", ".join(header)
            raise SourceFileError(f"{expected}: {what} {name!r}; it has {has if len(has) <= 300 else has[:300] + '…'}")
    return [header.index(name) for name in wanted]
