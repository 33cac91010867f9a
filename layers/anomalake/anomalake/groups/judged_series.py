"""Judged series, wherever they are: in arrays, or in blocks that tasks have judged (docs/adr/0016)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from anomalake.groups.reduction import Reduction, SeriesLayout, Totals, merged, reduce_series, totals_of
from anomalake.model.array_types import BoolArray, FloatArray, IntArray
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics


@dataclass(frozen=True, slots=True, eq=False)
class IntervalPoints:
    """The judged points of a measure in an interval: arrays of shape (combinations,)."""

    values: FloatArray
    expected: FloatArray
    lower: FloatArray
    upper: FloatArray


#: A measure and a judged interval, by their indexes.
Place = tuple[int, int]


class JudgedSeries(Protocol):
    """The judged intervals of all series of some metrics."""

    @property
    def metrics(self) -> Metrics:
        """The metrics; values of judged intervals are read by the methods."""
        ...

    @property
    def first(self) -> int:
        """Index into `Metrics.starts` of the first judged interval."""
        ...

    @property
    def n_judged(self) -> int:
        """Number of judged intervals."""
        ...

    @property
    def reduction(self) -> Reduction:
        """What groups need of them."""
        ...

    def totals(self, columns: IntArray, largest: FloatArray) -> Totals:
        """Count the metrics of some intervals, and add up what was expected of them (`reduction.totals_of`)."""
        ...

    def intervals(self, places: Sequence[Place]) -> Iterator[IntervalPoints]:
        """Yield all points of some measures and intervals, in their order."""
        ...

    def rows(self, begin: int, end: int) -> tuple[FloatArray, Judgement]:
        """Return values and judgement of the series between two indexes into `Metrics.flat`."""
        ...

    def with_anomalies(self, rows: IntArray, columns: IntArray) -> JudgedSeries:
        """Return the series with some of their anomalies only: indexes of series and judged intervals."""
        ...


class JudgedArrays:
    """`JudgedSeries` in the arrays of this process.

    Parameters
    ----------
    metrics, judgement
        Any number of judged intervals; the judgement's rows are those of `Metrics.flat`.
    """

    def __init__(self, metrics: Metrics, judgement: Judgement) -> None:
        n_series, n_judged = judgement.is_anomaly.shape
        if n_series != metrics.n_metrics or judgement.first + n_judged > len(metrics.starts):
            raise ValueError(
                f"judgement of {n_series} metrics, intervals {judgement.first} to {judgement.first + n_judged}; "
                f"expected {metrics.n_metrics} metrics and at most {len(metrics.starts)}"
            )
        self.metrics = metrics
        self.judgement = judgement
        self.first = judgement.first
        self.n_judged = n_judged
        self._values = metrics.flat[:, judgement.first : judgement.first + n_judged]
        self._layout = SeriesLayout.of(metrics)

    @cached_property
    def reduction(self) -> Reduction:
        bounds = list(self._layout.blocks(self.n_judged)) or [(0, 0)]
        return merged([reduce_series(self._layout, begin, *self.rows(begin, end)) for begin, end in bounds])

    def totals(self, columns: IntArray, largest: FloatArray) -> Totals:
        n_measures = self._layout.n_measures
        totals = Totals(*(np.zeros((n_measures, len(columns)), np.int64) for _ in range(2)))
        for begin, end in self._layout.blocks(self.n_judged):
            expected = self.judgement.expected[begin:end]
            totals += totals_of(self._layout, begin, self._values[begin:end], expected, columns, largest)
        return totals

    def intervals(self, places: Sequence[Place]) -> Iterator[IntervalPoints]:
        judgement, size = self.judgement, self._layout.n_combinations
        for m, column in places:
            rows = slice(m * size, (m + 1) * size)
            yield IntervalPoints(
                self._values[rows, column],
                judgement.expected[rows, column],
                judgement.lower[rows, column],
                judgement.upper[rows, column],
            )

    def rows(self, begin: int, end: int) -> tuple[FloatArray, Judgement]:
        return self._values[begin:end], part_of(self.judgement, begin, end)

    def with_anomalies(self, rows: IntArray, columns: IntArray) -> JudgedArrays:
        wanted = np.zeros(self.judgement.is_anomaly.shape, np.bool_)
        wanted[rows, columns] = True
        is_anomaly = self.judgement.is_anomaly & wanted
        return JudgedArrays(self.metrics, replace(self.judgement, is_anomaly=is_anomaly))


def part_of(judgement: Judgement, begin: int, end: int) -> Judgement:
    """Return the judgement of some series."""
    arrays = (getattr(judgement, name)[begin:end] for name in ("expected", "lower", "upper", "severity", "is_anomaly"))
    missing: BoolArray | None = judgement.is_missing
    return replace(Judgement(judgement.first, *arrays), is_missing=None if missing is None else missing[begin:end])
