"""What detection expected, point by point: out of its records of intervals, and of a backtest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomalake.model.judgement import ANOMALOUS
from anomalake.page.document import Integers, Numbers
from anomalake.page.names import Names
from anomalake.page.objects import read_each
from anomalake.records import intervals as interval_records
from anomalake.records.backtests import JUDGEMENT, TestedPoints, backtest_key, judgement_from_parquet
from anomalake.records.intervals import IntervalRecord, interval_key
from anomalake.records.listing import DetectorRecords
from anomalake.storage.store import ObjectStore

#: Points of intervals that are read of one detector: fewer intervals where each has many.
MOST_POINTS: Final = 3_000_000

_JUDGED: Final = ("expected", "lower", "upper", "severity")


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Judged points, in no order; each column of shape (point,); NaN for unknown or open.

    Attributes
    ----------
    measure, combination
        Numbers of `Names`.
    time
        Epoch seconds.
    """

    measure: Integers
    combination: Integers
    time: Integers
    value: Numbers
    expected: Numbers
    lower: Numbers
    upper: Numbers
    severity: Numbers

    def __len__(self) -> int:
        return len(self.time)

    def where(self, rows: Any) -> Points:
        """Some of them."""
        return Points(*(getattr(self, name)[rows] for name in _COLUMNS))


_COLUMNS = ("measure", "combination", "time", "value", *_JUDGED)


def no_points() -> Points:
    """None at all."""
    return joined(())


def joined(parts: Sequence[Points]) -> Points:
    """All of them."""
    nothing = [np.empty(0, np.int64 if name in _COLUMNS[:3] else np.float64) for name in _COLUMNS]
    columns = zip(_COLUMNS, nothing, strict=True)
    return Points(*(np.concatenate([empty, *(getattr(one, name) for one in parts)]) for name, empty in columns))


def live_over_backtest(live: Points, backtest: Points) -> Points:
    """Both, without what the backtest says of intervals that ran live."""
    return joined((live, backtest.where(~np.isin(backtest.time, np.unique(live.time)))))


@dataclass(frozen=True, slots=True)
class IntervalGrid:
    """A detector's intervals, as a record names them."""

    frequency: str
    timezone: str


def of_intervals(
    store: ObjectStore, of: DetectorRecords, versions: Sequence[str], names: Names, most: int, notes: list[str]
) -> tuple[Points, IntervalGrid | None]:
    """Points of the newest intervals.

    Parameters
    ----------
    versions
        Of the detector file, the newest first: an interval that several have judged is the newest one's.
    """
    version_of: dict[datetime, str] = {}
    for version in versions:
        for start in of.intervals.get(version, ()):
            version_of.setdefault(start, version)
    newest = sorted(version_of)[-most:]
    if not newest:
        return no_points(), None

    def read(starts: Iterable[datetime]) -> list[IntervalRecord]:
        keys = [interval_key(of.name, version_of[start], start) for start in starts]
        return read_each(store, keys, _interval, notes, f"{of.name}: intervals")

    last = read(newest[-1:])
    rows = max((one.table.num_rows for one in last), default=0)
    fitting = max(1, MOST_POINTS // max(1, rows))
    if fitting < len(newest):
        notes.append(f"{of.name}: what was expected is shown of the newest {fitting:,} intervals.")
    records = [*read(newest[-fitting:][:-1]), *last]
    parts = [_points(one.table, names, one.about["dimension_names"], int(one.start.timestamp())) for one in records]
    rhythm = IntervalGrid(records[-1].about["frequency"], records[-1].about["timezone"]) if records else None
    return joined(parts), rhythm


def of_backtest(store: ObjectStore, of: DetectorRecords, notes: list[str]) -> TestedPoints | None:
    """What the last backtest left."""
    if JUDGEMENT not in of.backtest:
        return None
    key = backtest_key(of.name, JUDGEMENT)
    found = read_each(store, [key], judgement_from_parquet, notes, f"{of.name}: the backtest's judgement")
    return found[0] if found else None


def points_of(tested: TestedPoints, names: Names) -> Points:
    """Points of a backtest."""
    return _points(tested.table, names, tested.about["dimension_names"], None)


def anomalies_of(points: Points, combinations: int) -> Integers:
    """How many points of each combination were anomalies; shape (combination,)."""
    some = points.combination[points.severity >= ANOMALOUS]
    return np.bincount(some, minlength=combinations).astype(np.int64)


def _interval(body: bytes, place: str) -> IntervalRecord:
    record = interval_records.from_parquet(body, place)
    absent = [name for name in ("dimension_names", "frequency", "timezone") if name not in record.about]
    if absent:
        raise ValueError(f"{place}: {absent[0]}: absent from the metadata")
    return record


def _points(table: pa.Table, names: Names, dimensions: Sequence[str], time: int | None) -> Points:
    rows = table.num_rows
    coded = table["combination"].combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = pa.concat_arrays(coded.chunks)
    own = np.array([names.combination_in(text, dimensions) for text in coded.dictionary.to_pylist()], np.int64)
    return Points(
        measure=names.measures_of(table["measure"]),
        combination=own[coded.indices.to_numpy()] if rows else np.empty(0, np.int64),
        time=np.full(rows, time, np.int64) if time is not None else table["time"].to_numpy().astype(np.int64),
        value=_finite(table["value"]),
        **{name: _finite(table[name]) for name in _JUDGED},
    )


def _finite(column: pa.ChunkedArray) -> Numbers:
    numbers = np.asarray(pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy(), np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)
