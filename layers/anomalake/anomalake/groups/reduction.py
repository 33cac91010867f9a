"""What groups need of judged series, made block by block (docs/adr/0016).

First the anomalous points and the largest expected values of the measures in each interval; then, as their scale is
known, the sums of expected values as integers. Integers are added in any order, so a block may be any series that
follow each other, on any machine, and the result has the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from anomalake.model.array_types import BoolArray, FloatArray, IntArray
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.metrics import Metrics

# Expected values are added as integers of so many bits: 2^29 of them fit into 63 bits.
_BITS = 34
# Values of the series that are reduced at a time.
_AT_ONCE = 2**20


@dataclass(frozen=True, slots=True, eq=False)
class SeriesLayout:
    """Order of the series of `Metrics.flat`.

    Attributes
    ----------
    n_measures
        Number of measures; the series of each follow each other.
    is_roll_up
        Whether a combination is a roll-up, shape (K,).
    """

    n_measures: int
    is_roll_up: BoolArray

    @classmethod
    def of(cls, metrics: Metrics) -> SeriesLayout:
        """Return the layout of metrics."""
        return cls(len(metrics.measures), metrics.is_roll_up)

    @property
    def n_combinations(self) -> int:
        """Number of series of a measure."""
        return len(self.is_roll_up)

    @property
    def n_series(self) -> int:
        """Number of all series."""
        return self.n_measures * self.n_combinations

    def parts(self, begin: int, end: int) -> Iterator[tuple[int, slice, slice]]:
        """Divide series that follow each other by measure: measure, series among them, and combinations."""
        size = self.n_combinations
        for m in range(begin // max(size, 1), self.n_measures):
            first, last = max(begin, m * size), min(end, (m + 1) * size)
            if first >= last:
                return
            yield m, slice(first - begin, last - begin), slice(first - m * size, last - m * size)

    def blocks(self, n_intervals: int) -> Iterator[tuple[int, int]]:
        """Yield first and end index of series that are reduced at a time."""
        size = max(1, _AT_ONCE // max(1, n_intervals))
        for begin in range(0, self.n_series, size):
            yield begin, min(begin + size, self.n_series)


class _Columns:
    """Arrays of one length, by name."""

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class AnomalousPoints(_Columns):
    """Anomalous points.

    Attributes
    ----------
    row, column
        Index into `Metrics.flat`, and of the interval among the judged ones.
    value, expected, lower, upper, severity, is_missing
        As in `Metrics` and `Judgement`.
    """

    row: IntArray
    column: IntArray
    value: FloatArray
    expected: FloatArray
    lower: FloatArray
    upper: FloatArray
    severity: FloatArray
    is_missing: BoolArray

    def where(self, mask: npt.NDArray[Any]) -> AnomalousPoints:
        """Return some points: a mask, or their indexes."""
        return AnomalousPoints(**{name: array[mask] for name, array in self.arrays().items()})


@dataclass(frozen=True, eq=False)
class UnusualPoints(_Columns):
    """The most unusual point of each measure and interval that is no anomaly, arrays of shape (measures, intervals).

    Attributes
    ----------
    severity
        0 where there is none.
    row, value, expected, lower, upper
        The point, as of `AnomalousPoints`.
    """

    severity: FloatArray
    row: IntArray
    value: FloatArray
    expected: FloatArray
    lower: FloatArray
    upper: FloatArray

    def or_more_unusual(self, other: UnusualPoints) -> UnusualPoints:
        """Return the more unusual points; of equal ones, those of the series before."""
        is_other = other.severity > self.severity
        theirs = other.arrays()
        return UnusualPoints(**{name: np.where(is_other, theirs[name], own) for name, own in self.arrays().items()})


@dataclass(frozen=True, slots=True, eq=False)
class Reduction:
    """What groups need of judged series, but for sums.

    Attributes
    ----------
    observed
        Number of judged points with a value.
    points
        The anomalous points, series by series.
    largest, largest_roll_up
        Largest absolute expected value of an observed metric, and of an observed roll-up: shape (measures, intervals).
    unusual
        The most unusual points that are no anomalies.
    """

    observed: int
    points: AnomalousPoints
    largest: FloatArray
    largest_roll_up: FloatArray
    unusual: UnusualPoints


@dataclass(frozen=True, slots=True, eq=False)
class Totals:
    """Observed metrics without roll-ups, of some intervals: arrays of shape (measures, intervals).

    Attributes
    ----------
    counts
        Their number.
    sums
        Sum of their absolute expected values, each rounded to an integer in the scale of the largest one.
    """

    counts: IntArray
    sums: IntArray

    def __add__(self, other: Totals) -> Totals:
        return Totals(self.counts + other.counts, self.sums + other.sums)


def reduce_series(layout: SeriesLayout, begin: int, values: FloatArray, judgement: Judgement) -> Reduction:
    """Reduce series that follow each other.

    Parameters
    ----------
    begin
        Index of the first of them into `Metrics.flat`.
    values
        Their values in the judged intervals, shape (series, intervals).
    """
    shape = (layout.n_measures, values.shape[1])
    observed = np.isfinite(values)
    rows, columns = np.nonzero(judgement.is_anomaly)
    missing = judgement.is_missing
    points = AnomalousPoints(
        row=begin + rows,
        column=columns,
        value=values[rows, columns],
        expected=judgement.expected[rows, columns],
        lower=judgement.lower[rows, columns],
        upper=judgement.upper[rows, columns],
        severity=judgement.severity[rows, columns],
        is_missing=missing[rows, columns] if missing is not None else np.zeros(len(rows), np.bool_),
    )
    largest, largest_roll_up = np.zeros(shape), np.zeros(shape)
    unusual = UnusualPoints(np.zeros(shape), np.zeros(shape, np.int64), *(np.zeros(shape) for _ in range(4)))
    amounts = np.abs(judgement.expected)
    amounts[~(observed & np.isfinite(amounts))] = 0.0
    below = np.where(judgement.severity < ANOMALOUS, judgement.severity, 0.0)
    every = np.arange(shape[1])
    for m, block, combinations in layout.parts(begin, begin + len(values)):
        is_roll_up = layout.is_roll_up[combinations]
        largest[m] = amounts[block][~is_roll_up].max(axis=0, initial=0.0)
        largest_roll_up[m] = amounts[block][is_roll_up].max(axis=0, initial=0.0)
        at = block.start + below[block].argmax(axis=0)
        unusual.severity[m], unusual.row[m], unusual.value[m] = below[at, every], begin + at, values[at, every]
        for name in ("expected", "lower", "upper"):
            getattr(unusual, name)[m] = getattr(judgement, name)[at, every]
    return Reduction(int(np.count_nonzero(~np.isnan(values))), points, largest, largest_roll_up, unusual)


def merged(reductions: Sequence[Reduction]) -> Reduction:
    """Return the reduction of series from those of parts, in the order of the series; there is one at least."""
    points = [reduction.points.arrays() for reduction in reductions]
    largest, largest_roll_up, unusual = (
        getattr(reductions[0], name) for name in ("largest", "largest_roll_up", "unusual")
    )
    for reduction in reductions[1:]:
        largest = np.maximum(largest, reduction.largest)
        largest_roll_up = np.maximum(largest_roll_up, reduction.largest_roll_up)
        unusual = unusual.or_more_unusual(reduction.unusual)
    return Reduction(
        observed=sum(reduction.observed for reduction in reductions),
        points=AnomalousPoints(**{name: np.concatenate([part[name] for part in points]) for name in points[0]}),
        largest=largest,
        largest_roll_up=largest_roll_up,
        unusual=unusual,
    )


def totals_of(
    layout: SeriesLayout, begin: int, values: FloatArray, expected: FloatArray, columns: IntArray, largest: FloatArray
) -> Totals:
    """Count series that follow each other, and add up what was expected of them.

    Parameters
    ----------
    begin, values, expected
        As for `reduce_series`.
    columns
        The wanted intervals.
    largest
        Largest expected values of all series in these (`Reduction.largest`).
    """
    shape = (layout.n_measures, len(columns))
    counts, sums = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    exponents = _exponents(largest)
    for m, block, combinations in layout.parts(begin, begin + len(values)):
        amounts = np.abs(expected[block][:, columns])
        observed = np.isfinite(values[block][:, columns]) & np.isfinite(amounts)
        observed &= ~layout.is_roll_up[combinations][:, None]
        amounts[~observed] = 0.0
        counts[m] = observed.sum(axis=0)
        sums[m] = np.rint(np.ldexp(amounts, -exponents[m])).astype(np.int64).sum(axis=0)
    return Totals(counts, sums)


def expected_totals(totals: Totals, largest: FloatArray, largest_roll_up: FloatArray) -> FloatArray:
    """Return the sums of expected values: an exact sum of rounded numbers.

    It depends neither on the order of the metrics, nor on the shape of the arrays, nor on metrics that were not
    observed. Where more is expected of a roll-up, as combinations have too few values to be judged, that is the result.
    """
    sums = np.ldexp(totals.sums.astype(np.float64), _exponents(largest))
    return np.maximum(largest_roll_up, sums)


def _exponents(largest: FloatArray) -> npt.NDArray[np.intc]:
    exponents: npt.NDArray[np.intc] = np.frexp(largest)[1] - _BITS
    return exponents
