"""A detector's values over time, added up until they fit the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlglot import exp

from anomalake.definitions.intervals import DAILY, floor_to_starts, starts_between
from anomalake.definitions.metric_set import FREQUENCIES
from anomalake.page.document import OTHERS, Integers, Live, Numbers
from anomalake.page.judged import Points
from anomalake.page.numbering import DetectorNames, floats, largest
from anomalake.query import templates
from anomalake.query.detectors import DetectorSchema
from anomalake.query.relations import columns_of

#: Series are not made so many that fewer times than this would be left.
_LEAST_TIMES: Final = 300
#: Of a grid's numbers so many times more may be empty ones, which pack to nothing.
_EMPTY: Final = 8
#: A grid of intervals may have so many times more starts than there are times with a value.
_GAPS: Final = 8
# Bits of a float32's mantissa that what was expected keeps: to one part in 8,000, and in half the bytes.
_EXPECTED_BITS: Final = 13
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """Observed values: a row an interval and combination.

    Attributes
    ----------
    time
        Epoch seconds; shape (row,).
    combination
        Numbers of `DetectorNames`; shape (row,).
    values
        NaN where nothing was observed; shape (measure, row), measures as `DetectorNames` numbers them.
    """

    time: Integers
    combination: Integers
    values: Numbers

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True, eq=False)
class LiveInput:
    """What a detector's values over time are made from.

    Attributes
    ----------
    sums
        Of each measure: whether several values add up (SUM); else they are averaged.
    weights
        How many anomalies each combination has; shape (combination,).
    """

    names: DetectorNames
    frequency: str | None
    timezone: str
    sums: tuple[bool, ...]
    observed: Observed
    judged: Points
    weights: Integers


def sql_of(detector: DetectorSchema) -> str:
    """The query for a detector's source data, added up by time and combination: sums and numbers of values.

    That is what ``with_livedata`` shows, but for the anomalies beside it, which cost as much again and are known.
    """
    source = detector.source
    assert source is not None
    measures, dimensions = columns_of(detector)
    keys = [exp.column("timestamp", quoted=True)]
    keys += [exp.column(dimensions[name], quoted=True) for name in source.dimension_list]
    columns: list[exp.Expr] = [*keys]
    for number, name in enumerate(source.measures):
        column = exp.column(measures[name][0], quoted=True)
        columns.append(exp.alias_(exp.func("sum", column.copy()), f"total_{number}"))
        columns.append(exp.alias_(exp.func("count", column.copy()), f"number_{number}"))
    table = exp.Table(this=exp.to_identifier(f"live_{detector.sql_name}", quoted=True))
    there = exp.column("timestamp", quoted=True).is_(exp.null()).not_()
    return exp.select(*columns).from_(table).where(there).group_by(*keys).sql(templates.DIALECT)


def observed_in(table: pa.Table, detector: DetectorSchema, names: DetectorNames) -> Observed:
    """Values out of the answer to `sql_of`, by the detector's intervals."""
    source = detector.source
    assert source is not None
    columns_in = columns_of(detector)[1]
    rows = table.num_rows
    codes = {name: names.values_of(name, table[columns_in[name]]) for name in source.dimension_list}
    combination = names.combinations_of(codes, rows)
    seconds = table["timestamp"].cast(pa.timestamp("s"), safe=False).cast(pa.int64()).to_numpy().astype(np.int64)
    unique, place = np.unique(seconds, return_inverse=True)
    time = floor_to_starts(unique, source.frequency, source.timezone)[place]
    # In one order, whatever that of the answer: so sums are the same to the last bit.
    order = np.lexsort((seconds, combination))
    time, combination = time[order], combination[order]
    new = np.ones(rows, bool)
    new[1:] = (time[1:] != time[:-1]) | (combination[1:] != combination[:-1])
    cell = np.cumsum(new) - 1
    n_cells = int(np.count_nonzero(new))
    values = np.full((len(names.measures), n_cells), np.nan)
    for number, measure in enumerate(source.metric_list):
        total = floats(table[f"total_{number}"])[order]
        count = np.bincount(cell, np.nan_to_num(floats(table[f"number_{number}"])[order]), n_cells)
        with np.errstate(divide="ignore", invalid="ignore"):
            sums = np.bincount(cell, np.nan_to_num(total), n_cells)
            value = sums / count if measure.aggregation_function == "AVG" else sums
            values[names.measures[measure.metric_name]] = np.where(count > 0, value, np.nan)
    return Observed(time[new], combination[new], values)


def observed_of(points: Points, names: DetectorNames) -> Observed:
    """Values of judged points, where there is no source."""
    seen = points.where(~np.isnan(points.value))
    key = seen.time * (largest(seen.combination) + 1) + seen.combination
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    values = np.full((len(names.measures), len(first)), np.nan)
    values[seen.measure, place] = seen.value
    return Observed(seen.time[first], seen.combination[first], values)


def shares(wanted: Sequence[LiveInput], numbers: int) -> list[int]:
    """How many numbers each detector may have: what it needs, or an equal share of what the others leave."""
    needs = [need(one) for one in wanted]
    given = [0] * len(needs)
    left = numbers
    for done, at in enumerate(sorted(range(len(needs)), key=lambda at: (needs[at], at))):
        given[at] = min(needs[at], left // (len(needs) - done))
        left -= given[at]
    # What nobody needs goes to all, for grids with gaps.
    whole = max(1, sum(given))
    return [one + left * one // whole for one in given]


def need(wanted: LiveInput) -> int:
    """How many numbers it has: observed ones, and three for each judged point."""
    return int(np.count_nonzero(~np.isnan(wanted.observed.values))) + 3 * len(wanted.judged)


def live_of(wanted: LiveInput, numbers: int, most_series: int) -> Live | None:
    """Values over time in at most so many numbers; None where nothing was observed.

    Neighbouring intervals, and combinations beyond `most_series`, are put together until they fit.
    """
    observed, names = wanted.observed, wanted.names
    if not len(observed):
        return None
    series, of = _series(wanted, numbers, most_series)
    n_series = len(series)
    n_others = len(np.unique(observed.combination[of[observed.combination] == n_series - 1])) if OTHERS in series else 0
    unique, place = np.unique(observed.time, return_inverse=True)
    judged = _kept(wanted.judged, of, unique)
    grid = _Grid(unique, wanted.frequency, wanted.timezone)
    plane = len(names.measures) * n_series
    seen, told = int(np.count_nonzero(~np.isnan(observed.values))), len(judged)

    def fits(n: int) -> bool:
        cells = plane * grid.n_times(n)
        return min(seen, cells) + 3 * min(told, cells) <= numbers and 4 * cells <= _EMPTY * numbers

    intervals = next((n for n in grid.steps() if fits(n)), grid.steps()[-1])
    times, bucket = grid.buckets(intervals)
    cells = _Cells(len(names.measures), n_series, len(times))
    at = of[observed.combination] * len(times) + bucket[place]
    values, counts = cells.observed(observed.values, at, wanted.sums)
    alone = np.zeros(n_series, bool) if intervals > 1 else np.array([one != OTHERS for one in series])
    expected, lower, upper = cells.expected(
        judged, of, bucket[np.searchsorted(unique, judged.time)], values, counts, wanted.sums, alone
    )
    return Live(intervals, times, np.array(series, np.int64), n_others, values, expected, lower, upper)


class _Grid:
    """Times, put together into longer ones that begin with the zone's days."""

    def __init__(self, unique: Integers, frequency: str | None, timezone: str) -> None:
        self._unique = unique
        self._frequency = frequency if frequency in FREQUENCIES else None
        self._timezone = timezone
        self._all = unique
        if self._frequency is not None:
            minutes = FREQUENCIES[self._frequency]
            if (int(unique[-1]) - int(unique[0])) // (60 * minutes) < _GAPS * len(unique) + 100:
                starts = starts_between(self._frequency, timezone, int(unique[0]), int(unique[-1]))
                self._all = np.union1d(starts, unique)
        self._days = floor_to_starts(self._all, DAILY, timezone)

    def steps(self) -> list[int]:
        """How many intervals may be put together."""
        day = self._per_day()
        within = [n for n in (1, 2, 3, 4, 6, 8, 12, 18, 24, 36, 48, 72, 144) if n < day and day % n == 0]
        return [*within, *(day * days for days in (1, 2, 4, 7, 14, 28, 56, 112, 224))]

    def n_times(self, intervals: int) -> int:
        """How many times there are then."""
        return len(np.unique(self._starts(intervals)))

    def buckets(self, intervals: int) -> tuple[Integers, Integers]:
        """The times then, and which of them each of the unique times belongs to."""
        starts = self._starts(intervals)
        times, place = np.unique(starts, return_inverse=True)
        return times, place[np.searchsorted(self._all, self._unique)]

    def _per_day(self) -> int:
        return 1440 // FREQUENCIES[self._frequency] if self._frequency is not None else 1

    def _starts(self, intervals: int) -> Integers:
        if intervals == 1:
            return self._all
        day = self._per_day()
        if intervals < day:
            seconds = intervals * (_DAY // day)
            return self._days + (self._all - self._days) // seconds * seconds
        days = np.unique(self._days)
        # Days since 1970; by noon, so that a change of clocks moves none to its neighbour. Weeks begin on Mondays.
        ordinal = (days + _DAY // 2) // _DAY + 3
        length = intervals // day
        _, first, place = np.unique(ordinal // length, return_index=True, return_inverse=True)
        return days[first][place][np.searchsorted(days, self._days)]


class _Cells:
    """Sums over the cells of measure, series and time."""

    def __init__(self, n_measures: int, n_series: int, n_times: int) -> None:
        self._shape = (n_measures, n_series, n_times)
        self._plane = n_series * n_times

    def observed(self, values: Numbers, at: Integers, sums: Sequence[bool]) -> tuple[Numbers, npt.NDArray[np.float64]]:
        """Values of the cells, and how many observed ones each is made of."""
        made, counts = np.empty(self._shape), np.empty(self._shape)
        for m, row in enumerate(values):
            seen = ~np.isnan(row)
            count = np.bincount(at[seen], minlength=self._plane)
            total = np.bincount(at[seen], row[seen], self._plane)
            with np.errstate(divide="ignore", invalid="ignore"):
                made[m] = np.where(count, total if sums[m] else total / count, np.nan).reshape(self._shape[1:])
            counts[m] = count.reshape(self._shape[1:])
        return made, counts

    def expected(
        self,
        judged: Points,
        of: Integers,
        bucket: Integers,
        values: Numbers,
        counts: Numbers,
        sums: Sequence[bool],
        alone: npt.NDArray[np.bool_],
    ) -> tuple[Numbers, Numbers, Numbers]:
        """What was expected of the cells, and the ranges.

        Where a part of what a cell is made of was not judged, it counts as expected; where more than half was not, the
        cell has nothing.
        """
        series = of[judged.combination]
        # Of several together, those that were observed; what is shown alone was expected even where nothing came.
        used = ~np.isnan(judged.expected) & (alone[series] | ~np.isnan(judged.value))
        cell = (judged.measure * self._shape[1] + series) * self._shape[2] + bucket
        size = self._shape[0] * self._plane

        def total(of_each: Numbers) -> Numbers:
            return np.bincount(cell[used], of_each[used], size).reshape(self._shape)

        n = np.bincount(cell[used], minlength=size).reshape(self._shape)
        expected, seen = total(judged.expected), total(np.nan_to_num(judged.value))
        below, above = total((judged.expected - judged.lower) ** 2), total((judged.upper - judged.expected) ** 2)
        summed = np.array(sums)[:, None, None]
        partly = n < counts
        whole_value = values if summed.all() else np.where(summed, values, values * counts)
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = np.where(partly, expected + whole_value - seen, expected)
            size_of = np.where(summed, 1.0, np.maximum(n, counts))
            expected = np.where((n > 0) & (2 * n >= counts), expected / size_of, np.nan)
            lower, upper = expected - np.sqrt(below) / size_of, expected + np.sqrt(above) / size_of
        return _rounded(expected), _rounded(lower), _rounded(upper)


def _series(wanted: LiveInput, numbers: int, most: int) -> tuple[list[int], Integers]:
    """The combinations with values of their own (the last may be `OTHERS`), and which of these each one belongs to."""
    observed = wanted.observed
    n = max(largest(observed.combination), largest(wanted.judged.combination)) + 1
    there = np.unique(observed.combination)
    n_measures = max(1, len(wanted.names.measures))
    most = max(1, min(most, max(10, numbers // (n_measures * _LEAST_TIMES))))
    of = np.full(n, -1, np.int64)
    if len(there) <= most:
        of[there] = np.arange(len(there))
        return there.tolist(), of
    large = np.zeros(n)
    for row in observed.values:
        size = np.bincount(observed.combination, np.nan_to_num(np.abs(row)), n)
        large += size / max(float(size.sum()), 1e-300)
    weights = np.zeros(n, np.int64)
    weights[: len(wanted.weights)] = wanted.weights[:n]
    order = there[np.lexsort((there, -large[there], -weights[there]))]
    kept = np.sort(order[: most - 1])
    of[there] = len(kept)
    of[kept] = np.arange(len(kept))
    return [*kept.tolist(), OTHERS], of


def _kept(judged: Points, of: Integers, unique: Integers) -> Points:
    """Points of metrics and times that are shown."""
    there = np.isin(judged.time, unique) & (of[judged.combination] >= 0)
    return judged.where(there)


def _rounded(numbers: Numbers) -> Numbers:
    """To the bits that a picture needs, so that they pack well."""
    drop = 23 - _EXPECTED_BITS
    bits = numbers.astype(np.float32).view(np.uint32)
    fitted = ((bits + np.uint32(1 << (drop - 1))) >> np.uint32(drop) << np.uint32(drop)).view(np.float32)
    return np.where(np.isfinite(numbers), fitted, np.nan).astype(np.float64)
