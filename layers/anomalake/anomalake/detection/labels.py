"""Labels of points, from a CSV file: which of them a person, or a generator, calls anomalies."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from anomalake.definitions.intervals import NO_INSTANT, floor_to_starts, to_utc
from anomalake.definitions.metric_set import DEFAULT_TIMESTAMP_FORMAT
from anomalake.definitions.time_formats import WallClockReader, parts_of
from anomalake.errors import AnomalakeError
from anomalake.model.metrics import Metrics

if TYPE_CHECKING:
    from _csv import Reader

FLAGS: Final = ("is_anomaly", "label")
MEASURES: Final = ("measure", "metric_name")
TIMESTAMP: Final = "timestamp"

Indices = npt.NDArray[np.int64]

_TRUE: Final = ("1", "1.0", "true", "t", "yes", "y")
_FALSE: Final = ("0", "0.0", "false", "f", "no", "n", "")


class LabelsError(AnomalakeError, ValueError):
    """A file of labels that cannot be read as such."""


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Labels of a metric set's points.

    Attributes
    ----------
    is_anomaly
        bool, shape (M, K, T): those of `Metrics.values`.
    unknown
        Rows with a label that no interval or metric of the data is meant by.
    """

    is_anomaly: npt.NDArray[np.bool_]
    unknown: int


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where in a row things stand."""

    timestamp: int
    flag: int
    measure: int | None
    dimensions: tuple[tuple[int, int], ...]


def read_labels(
    path: Path,
    metrics: Metrics,
    timestamp_column: str = TIMESTAMP,
    timestamp_format: str = DEFAULT_TIMESTAMP_FORMAT,
) -> Labels:
    """Read labels.

    The file has a header with the timestamp's column, ``is_anomaly`` or ``label``, and, where a label is not for all,
    ``measure`` (or ``metric_name``) and dimensions; other columns are passed over. A row labels every metric that has
    its values. Points that no row is about are no anomalies.

    Parameters
    ----------
    metrics
        What the labels are for.
    timestamp_column, timestamp_format
        The metric set's; the column may also be ``timestamp``, and the timestamps ISO 8601's.

    Raises
    ------
    LabelsError
        A column is missing, or a value is not what it should be.
    OSError
        The file cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            intervals = _Intervals(metrics, timestamp_format)
            return _read(csv.reader(file, strict=True), path, metrics, timestamp_column, intervals)
    except UnicodeDecodeError as error:
        raise LabelsError(f"{path}: byte {error.start}: is no UTF-8") from error
    except csv.Error as error:
        raise LabelsError(f"{path}: is no CSV: {error}") from error


def _read(rows: Reader, path: Path, metrics: Metrics, timestamp_column: str, intervals: _Intervals) -> Labels:
    header = next(rows, [])
    columns = _columns(header, path, metrics, timestamp_column)
    is_anomaly = np.zeros(metrics.values.shape, np.bool_)
    meant = _Meant(metrics, columns)
    unknown = 0
    next_line = rows.line_num + 1
    for row in rows:
        # A quoted value may hold line breaks: a row is told by its first line.
        line, next_line = next_line, rows.line_num + 1
        if not row:
            continue
        if len(row) != len(header):
            raise LabelsError(f"{path}: line {line}: {len(row)} values; expected {len(header)}, as in its header")
        flag = row[columns.flag].strip().lower()
        if flag in _FALSE:
            continue
        if flag not in _TRUE:
            raise LabelsError(
                f"{path}: line {line}: {header[columns.flag]} {row[columns.flag][:40]!r}: expected 1, 0, true or false"
            )
        try:
            at = intervals.at(row[columns.timestamp])
        except ValueError:
            raise LabelsError(
                f"{path}: line {line}: {header[columns.timestamp]} {row[columns.timestamp][:40]!r}: "
                "expected a timestamp such as 2023-01-31 14:00:00"
            ) from None
        measures, combinations = meant.by(row)
        if at is None or not len(measures) or not len(combinations):
            unknown += 1
        else:
            is_anomaly[measures[:, None], combinations, at] = True
    return Labels(is_anomaly, unknown)


def _columns(header: list[str], path: Path, metrics: Metrics, timestamp_column: str) -> _Columns:
    def find(*names: str) -> int | None:
        return next((header.index(name) for name in names if name in header and name not in dimensions), None)

    dimensions = metrics.dimension_names
    named = tuple((header.index(name), d) for d, name in enumerate(dimensions) if name in header)
    timestamp, flag = find(timestamp_column, TIMESTAMP), find(*FLAGS)
    for wanted, found in ((timestamp_column, timestamp), (" or ".join(FLAGS), flag)):
        if found is None:
            raise LabelsError(f"{path}: line 1: no column {wanted}; it has {', '.join(header)[:200] or 'none'}")
    assert timestamp is not None
    assert flag is not None
    return _Columns(timestamp, flag, find(*MEASURES), named)


class _Intervals:
    """Finds the interval that a timestamp lies in."""

    def __init__(self, metrics: Metrics, timestamp_format: str) -> None:
        self._metrics = metrics
        # Typed timestamps, as in Parquet, have no format of text.
        self._reader = WallClockReader(parts_of(timestamp_format or DEFAULT_TIMESTAMP_FORMAT))
        starts = metrics.starts.astype("datetime64[s]").astype(np.int64).tolist()
        self._at = {start: at for at, start in enumerate(starts)}
        self._known: dict[str, int | None] = {}

    def at(self, text: str) -> int | None:
        """Index of the interval; None for one that the data do not span. Raises ValueError for no timestamp."""
        if text not in self._known:
            local, offset = self._wall_clock(text.strip())
            seconds = np.array([(local - datetime(1970, 1, 1)) // timedelta(seconds=1) - (offset or 0)], np.int64)
            if offset is None:
                seconds = to_utc(seconds, self._metrics.timezone)
            start = int(floor_to_starts(seconds, self._metrics.frequency, self._metrics.timezone)[0])
            self._known[text] = None if start == NO_INSTANT else self._at.get(start)
        return self._known[text]

    def _wall_clock(self, text: str) -> tuple[datetime, int | None]:
        """A wall clock, and its offset in seconds where it tells one."""
        try:
            read = self._reader.read(text)
            return read.local, read.offset
        except ValueError:
            stamp = datetime.fromisoformat(text)
            offset = stamp.utcoffset()
            return stamp.replace(tzinfo=None), None if offset is None else int(offset.total_seconds())


class _Meant:
    """Finds the metrics that a row is about."""

    def __init__(self, metrics: Metrics, columns: _Columns) -> None:
        self._columns = columns
        self._measures = {name: np.array([m]) for m, name in enumerate(metrics.measures)}
        self._all_measures = np.arange(len(metrics.measures))
        found: dict[tuple[str, ...], list[int]] = {}
        for k, combination in enumerate(metrics.combinations):
            # A row of CSV cannot tell a value that is lacking from an empty one.
            found.setdefault(tuple(combination[d] or "" for _, d in columns.dimensions), []).append(k)
        self._combinations = {values: np.array(some) for values, some in found.items()}
        self._none = np.zeros(0, np.int64)

    def by(self, row: list[str]) -> tuple[Indices, Indices]:
        """Indices of measures and of combinations."""
        measures = self._all_measures
        if self._columns.measure is not None:
            measures = self._measures.get(row[self._columns.measure], self._none)
        values = tuple(row[at] for at, _ in self._columns.dimensions)
        return measures, self._combinations.get(values, self._none)
