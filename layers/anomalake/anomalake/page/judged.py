"""Judged points, from records of intervals and of a backtest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from anomalake.model.judgement import ANOMALOUS
from anomalake.model.metrics import roll_up_shaped
from anomalake.page.document import Integers, Numbers
from anomalake.page.numbering import DetectorNames
from anomalake.records.backtests import TestedPoints
from anomalake.records.intervals import IntervalRecord

_NUMBERED: Final = ("measure", "combination", "roll_up", "time")
_JUDGED: Final = ("expected", "lower", "upper", "severity")
_COLUMNS: Final = (*_NUMBERED, "value", *_JUDGED)


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Judged points, in no order; each column of shape (point,); NaN for an unknown number or an open side.

    Attributes
    ----------
    measure, combination
        Numbers of `DetectorNames`.
    roll_up
        1 for a roll-up, else 0.
    time
        Epoch seconds.
    """

    measure: Integers
    combination: Integers
    roll_up: Integers
    time: Integers
    value: Numbers
    expected: Numbers
    lower: Numbers
    upper: Numbers
    severity: Numbers

    def __len__(self) -> int:
        return len(self.time)

    def where(self, rows: npt.NDArray[Any]) -> Points:
        """Return the points that a mask or indices select."""
        return Points(*(getattr(self, name)[rows] for name in _COLUMNS))


def no_points() -> Points:
    """Return empty columns."""
    return joined(())


def joined(parts: Sequence[Points]) -> Points:
    """Return the points of all parts."""
    empty = {name: np.empty(0, np.int64 if name in _NUMBERED else np.float64) for name in _COLUMNS}
    return Points(*(np.concatenate([empty[name], *(getattr(part, name) for part in parts)]) for name in _COLUMNS))


def live_over_backtest(live: Points, backtest: Points) -> Points:
    """Return the live points, and those of the backtest in intervals that did not run live."""
    return joined((live, backtest.where(~np.isin(backtest.time, np.unique(live.time)))))


def points_of_intervals(records: Sequence[IntervalRecord], names: DetectorNames) -> Points:
    """Return the points of intervals."""
    return joined([_points(record.table, names, record.about, int(record.start.timestamp())) for record in records])


def points_of_backtest(tested: TestedPoints, names: DetectorNames) -> Points:
    """Return the points of a backtest."""
    return _points(tested.table, names, tested.about, None)


def anomalies_of(points: Points, combinations: int) -> Integers:
    """Count the anomalous points of each combination; shape (combination,)."""
    anomalous = points.combination[points.severity >= ANOMALOUS]
    return np.bincount(anomalous, minlength=combinations).astype(np.int64)


def _points(table: pa.Table, names: DetectorNames, about: Mapping[str, Any], time: int | None) -> Points:
    rows = table.num_rows
    coded = table["combination"].combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = pa.concat_arrays(coded.chunks)
    texts = coded.dictionary.to_pylist()
    numbers = np.array([names.combination_in(text, about["dimension_names"]) for text in texts], np.int64)
    has_roll_ups = bool(about.get("roll_ups"))
    roll_ups = np.array([has_roll_ups and roll_up_shaped(json.loads(text)) for text in texts], np.int64)
    coded_rows = coded.indices.to_numpy() if rows else np.empty(0, np.int64)
    return Points(
        measure=names.measures_of(table["measure"]),
        combination=numbers[coded_rows],
        roll_up=roll_ups[coded_rows],
        time=np.full(rows, time, np.int64) if time is not None else table["time"].to_numpy().astype(np.int64),
        value=_finite(table["value"]),
        **{name: _finite(table[name]) for name in _JUDGED},
    )


def _finite(column: pa.ChunkedArray) -> Numbers:
    if pa.types.is_floating(column.type):
        # Nulls become NaN.
        numbers = column.to_numpy().astype(np.float64)
    else:
        numbers = np.asarray(pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy(), np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)
