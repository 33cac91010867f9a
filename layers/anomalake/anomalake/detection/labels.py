"""Labels of points, read from a CSV file: which points are anomalies."""

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
from anomalake.definitions.time_formats import timestamp_reader
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
    """A file of labels is invalid."""


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Labels of a metric set's points.

    Attributes
    ----------
    is_anomaly
        bool, shape (M, K, T): those of `Metrics.values`.
    unknown
        Number of labelled rows whose interval or metric is not in the data.
    """

    is_anomaly: npt.NDArray[np.bool_]
    unknown: int


@dataclass(frozen=True, slots=True)
class _Columns:
    """Indices of the columns; `dimensions` are pairs of a column and a dimension."""

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

    The file has a header with the timestamp's column and ``is_anomaly`` or ``label``. Where a label is not for all
    metrics, it has ``measure`` (or ``metric_name``) and dimensions; other columns are ignored. A row labels every
    metric that has its values. Points without a row are no anomalies.

    Parameters
    ----------
    metrics
        The labelled metrics.
    timestamp_column, timestamp_format
        Those of the metric set; the column may also be ``timestamp``, and the timestamps may be in ISO 8601.

    Raises
    ------
    LabelsError
        A column is missing, or a value is invalid.
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
    matcher = _MetricMatcher(metrics, columns)
    unknown = 0
    next_line = rows.line_num + 1
    for row in rows:
        # A quoted value may have line breaks: errors name the first line of a row.
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
            at = intervals.index(row[columns.timestamp])
        except ValueError:
            raise LabelsError(
                f"{path}: line {line}: {header[columns.timestamp]} {row[columns.timestamp][:40]!r}: "
                "expected a timestamp such as 2023-01-31 14:00:00"
            ) from None
        measures, combinations = matcher.match(row)
        if at is None or not len(measures) or not len(combinations):
            unknown += 1
        else:
            is_anomaly[measures[:, None], combinations, at] = True
    return Labels(is_anomaly, unknown)


def _columns(header: list[str], path: Path, metrics: Metrics, timestamp_column: str) -> _Columns:
    def index_of(*names: str) -> int | None:
        return next((header.index(name) for name in names if name in header and name not in dimensions), None)

    dimensions = metrics.dimension_names
    named = tuple((header.index(name), d) for d, name in enumerate(dimensions) if name in header)
    timestamp, flag = index_of(timestamp_column, TIMESTAMP), index_of(*FLAGS)
    for wanted, index in ((timestamp_column, timestamp), (" or ".join(FLAGS), flag)):
        if index is None:
            raise LabelsError(f"{path}: line 1: no column {wanted}; it has {', '.join(header)[:200] or 'none'}")
    assert timestamp is not None
    assert flag is not None
    return _Columns(timestamp, flag, index_of(*MEASURES), named)


class _Intervals:
    """Finds the interval of a timestamp."""

    def __init__(self, metrics: Metrics, timestamp_format: str) -> None:
        self._metrics = metrics
        # Sources with typed timestamps, such as Parquet, have no timestamp format.
        self._reader = timestamp_reader(timestamp_format or DEFAULT_TIMESTAMP_FORMAT)
        starts = metrics.starts.astype("datetime64[s]").astype(np.int64).tolist()
        self._at = {start: at for at, start in enumerate(starts)}
        self._known: dict[str, int | None] = {}

    def index(self, text: str) -> int | None:
        """Return the index of the interval; None for one outside the data; raises ValueError for an invalid text."""
        if text not in self._known:
            local, offset = self._wall_clock(text.strip())
            seconds = np.array([(local - datetime(1970, 1, 1)) // timedelta(seconds=1) - (offset or 0)], np.int64)
            if offset is None:
                seconds = to_utc(seconds, self._metrics.timezone)
            start = int(floor_to_starts(seconds, self._metrics.frequency, self._metrics.timezone)[0])
            self._known[text] = None if start == NO_INSTANT else self._at.get(start)
        return self._known[text]

    def _wall_clock(self, text: str) -> tuple[datetime, int | None]:
        """Return a wall clock, and its UTC offset in seconds where the text has one."""
        try:
            read = self._reader.read(text)
            return read.local, read.offset
        except ValueError:
            stamp = datetime.fromisoformat(text)
            offset = stamp.utcoffset()
            return stamp.replace(tzinfo=None), None if offset is None else int(offset.total_seconds())


class _MetricMatcher:
    """Finds the metrics that a row labels."""

    def __init__(self, metrics: Metrics, columns: _Columns) -> None:
        self._columns = columns
        self._measures = {name: np.array([m]) for m, name in enumerate(metrics.measures)}
        self._all_measures = np.arange(len(metrics.measures))
        matches: dict[tuple[str, ...], list[int]] = {}
        for k, combination in enumerate(metrics.combinations):
            # In CSV a missing value and an empty one are the same.
            matches.setdefault(tuple(combination[d] or "" for _, d in columns.dimensions), []).append(k)
        self._combinations = {values: np.array(indices) for values, indices in matches.items()}
        self._none = np.zeros(0, np.int64)

    def match(self, row: list[str]) -> tuple[Indices, Indices]:
        """Return the indices of the measures and of the combinations that a row labels."""
        measures = self._all_measures
        if self._columns.measure is not None:
            measures = self._measures.get(row[self._columns.measure], self._none)
        values = tuple(row[at] for at, _ in self._columns.dimensions)
        return measures, self._combinations.get(values, self._none)
