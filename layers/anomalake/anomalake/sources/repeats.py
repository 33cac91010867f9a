"""A remark on rows that repeat another row in all columns that are read, with an example."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from anomalake.definitions.messages import shown
from anomalake.definitions.metric_set import MetricSet
from anomalake.sources.aggregation import Repeats
from anomalake.sources.ports import ByteStream

# An example is looked for among so many rows, so that a remark costs little.
_MOST_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time in seconds since 1970: from `low` on, before `high`; None: no limit."""

    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file that was read.

    Attributes
    ----------
    place, window
        Its name, and the span of time of its rows that were used.
    again
        Opens it again.
    end
        Number of rows of the aggregation after it.
    """

    place: str
    window: Window
    again: Callable[[], ByteStream]
    end: int


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """A row as it is written: the cells that are read and, in CSV, all of its columns and their names."""

    line: int
    timestamp: Any
    dimensions: tuple[Any, ...]
    measures: tuple[Any, ...]
    cells: dict[str, str] | None = None


def remark_on_repeats(
    repeats: Repeats,
    files: Sequence[ReadFile],
    metric_set: MetricSet,
    used_rows: Callable[[ReadFile], Iterable[tuple[WrittenRow, Callable[[], bool]]]],
) -> str:
    """Say how many rows repeat another one, where, what follows from it, and what can be done.

    Parameters
    ----------
    used_rows
        Reads the rows of a file again, each with a check whether it was used.
    """
    is_sum = any(measure.aggregation_function == "SUM" for measure in metric_set.metric_list)
    effect = "SUM adds each of them" if is_sum else "AVG counts each of them"
    remedy = "remove the repeats or use AVG" if is_sum else "remove the repeats"
    return (
        f"{repeats.rows:,} rows have the same timestamp, dimension values and measures as another row (in "
        f"{repeats.intervals:,} intervals), and {effect}{_example(repeats, files, used_rows)}; if they are one record, "
        f"{remedy}, else name a column that tells them apart in DimensionList"
    )


def _example(
    repeats: Repeats,
    files: Sequence[ReadFile],
    used_rows: Callable[[ReadFile], Iterable[tuple[WrittenRow, Callable[[], bool]]]],
) -> str:
    ends = [file.end for file in files]
    numbers = [bisect_right(ends, row) for row in (repeats.first, repeats.second)]
    if numbers[1] >= len(files):
        return ""
    known: dict[Any, tuple[str, WrittenRow]] = {}
    for number in dict.fromkeys(numbers):
        file = files[number]
        for row, is_used in islice(used_rows(file), _MOST_ROWS):
            key = (row.timestamp, row.dimensions, row.measures)
            if key not in known:
                known[key] = (file.place, row)
            elif is_used():
                return _pair(*known[key], file.place, row)
    return f"; first in {files[numbers[1]].place}"


def _pair(place: str, row: WrittenRow, other_place: str, other: WrittenRow) -> str:
    earlier = f"line {row.line}" if place == other_place else f"{place}: line {row.line}"
    text = f"; first: {other_place}: line {other.line} repeats {earlier}"
    if row.cells is None or other.cells is None:
        return text
    different = [name for name, cell in row.cells.items() if other.cells.get(name) != cell]
    if not different:
        return f"{text} in all columns"
    name = different[0]
    return (
        f"{text}, but has {shown(other.cells.get(name, ''))} instead of {shown(row.cells[name])} in the column "
        f"{name!r}, which the detector does not read"
    )
