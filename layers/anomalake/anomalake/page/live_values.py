"""A detector's values over time, aggregated until they fit the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from anomalake.definitions.intervals import DAILY, floor_to_starts, starts_between
from anomalake.frequencies import FREQUENCIES
from anomalake.page.document import OTHERS, Integers, Live, Numbers, Singles
from anomalake.page.judged import Points, no_points
from anomalake.page.numbering import DetectorNames, floats, indices, largest, seconds
from anomalake.query import templates
from anomalake.query.columns import DetectorSchema, columns_of
from anomalake.query.relations import BY_DAY

# Most roll-ups with values of their own, for each detector.
_MOST_ROLL_UPS: Final = 20
# Series are limited so that at least so many times remain.
_LEAST_TIMES: Final = 300
# A grid may have so many times the permitted numbers, if the others are empty: these compress well.
_EMPTY: Final = 8
# A grid of intervals may have so many times as many starts as there are times with a value.
_GAPS: Final = 8
# Bits of a float32's mantissa that expected values keep: a precision of 1 in 8,000, in half the bytes.
_EXPECTED_BITS: Final = 13
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """Observed values, a row for each interval and combination.

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
    """Input for a detector's values over time.

    Attributes
    ----------
    sums
        For each measure, whether several values are added (SUM); else they are averaged.
    anomalies
        Number of anomalies of each combination; shape (combination,).
    roll_ups
        Judged points of affected roll-ups.
    """

    names: DetectorNames
    frequency: str | None
    timezone: str
    sums: tuple[bool, ...]
    observed: Observed
    judged: Points
    anomalies: Integers
    roll_ups: Points = field(default_factory=no_points)


def sql_of(detector: DetectorSchema) -> str:
    """Return the query for a detector's source data: sums and numbers of values by time and combination.

    It reads ``live``, not ``with_livedata``, because the anomalies that the latter joins are read elsewhere. Rows
    without a time have a row of the answer, too: to find and leave out few rows is cheaper than many.
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
    table = exp.Table(this=exp.to_identifier(f"live_{detector.sql_name}{BY_DAY}", quoted=True))
    return exp.select(*columns).from_(table).group_by(*keys).sql(templates.DIALECT)


def compact(answer: pa.Table) -> pa.Table:
    """Return the answer to `sql_of` in less memory, without rows that have no time.

    Totals are doubles, and all else is numbered. No column is that of the answer, because it would keep all its memory.
    """
    rows = answer.filter(pc.is_valid(answer["timestamp"])) if answer["timestamp"].null_count else answer

    def column(name: str) -> pa.Array:
        values = rows[name].combine_chunks()
        is_total = pa.types.is_decimal(values.type) or pa.types.is_floating(values.type)
        return values.cast(pa.float64()) if is_total else values.dictionary_encode()

    return pa.table({name: column(name) for name in rows.column_names})


def observed_in(table: pa.Table, detector: DetectorSchema, names: DetectorNames) -> Observed:
    """Return the values in the answer to `sql_of`, made `compact`, by the detector's intervals."""
    source = detector.source
    assert source is not None
    columns_in = columns_of(detector)[1]
    rows = table.num_rows
    codes = {name: names.values_of(name, table[columns_in[name]]) for name in source.dimension_list}
    combination = names.combinations_of(codes, rows)
    times = table["timestamp"].combine_chunks()
    by_time = pc.sort_indices(times.dictionary)
    rank = np.empty(len(by_time), np.int64)
    rank[by_time] = np.arange(len(by_time))
    place = rank[indices(times)]
    starts = floor_to_starts(seconds(times.dictionary.take(by_time)), source.frequency, source.timezone)
    # Sorted, so that sums are equal to the last bit in whatever order the answer is.
    order = np.argsort(combination * len(starts) + place)
    time, combination = starts[place[order]], combination[order]
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
    """Return the values of judged points, for a detector without a source."""
    observed = points.where(~np.isnan(points.value))
    key = observed.time * (largest(observed.combination) + 1) + observed.combination
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    values = np.full((len(names.measures), len(first)), np.nan)
    values[observed.measure, place] = observed.value
    return Observed(observed.time[first], observed.combination[first], values)


def shares(inputs: Sequence[LiveInput], numbers: int) -> list[int]:
    """Return how many numbers each detector may have: as many as it has, or an equal share of the remaining ones."""
    needs = [_size(values) for values in inputs]
    shares = [0] * len(needs)
    rest = numbers
    for done, index in enumerate(sorted(range(len(needs)), key=lambda k: (needs[k], k))):
        shares[index] = min(needs[index], rest // (len(needs) - done))
        rest -= shares[index]
    # The rest is distributed in proportion, for grids with gaps.
    total = max(1, sum(shares))
    return [share + rest * share // total for share in shares]


def _size(values: LiveInput) -> int:
    """Return how many numbers a detector has: observed values, and three for each judged point."""
    return int(np.count_nonzero(~np.isnan(values.observed.values))) + 3 * len(values.judged)


def live_of(values: LiveInput, numbers: int, most_series: int) -> Live | None:
    """Return values over time in at most so many numbers; None where nothing was observed.

    Neighbouring intervals, and combinations beyond `most_series`, are aggregated until the values fit.
    """
    observed, names = values.observed, values.names
    if not len(observed):
        return None
    series, series_of = _series(values, numbers, most_series)
    n_series = len(series)
    others = observed.combination[series_of[observed.combination] == n_series - 1]
    n_others = len(np.unique(others)) if OTHERS in series else 0
    unique, place = np.unique(observed.time, return_inverse=True)
    shown = np.isin(values.judged.time, unique) & (series_of[values.judged.combination] >= 0)
    judged = values.judged.where(shown)
    grid = _Grid(unique, values.frequency, values.timezone)
    plane = len(names.measures) * n_series
    n_observed, n_judged = int(np.count_nonzero(~np.isnan(observed.values))), len(judged)

    def fits(n: int) -> bool:
        cells = plane * grid.n_times(n)
        return min(n_observed, cells) + 3 * min(n_judged, cells) <= numbers and 4 * cells <= _EMPTY * numbers

    intervals = next((n for n in grid.steps() if fits(n)), grid.steps()[-1])
    times, bucket = grid.buckets(intervals)
    cells = _Cells(len(names.measures), n_series, len(times))
    cell = series_of[observed.combination] * len(times) + bucket[place]
    observed_values, counts = cells.observed(observed.values, cell, values.sums)
    single = np.zeros(n_series, bool) if intervals > 1 else np.array([combination != OTHERS for combination in series])
    expected, lower, upper = cells.expected(
        judged, series_of, bucket[np.searchsorted(unique, judged.time)], observed_values, counts, values.sums, single
    )
    shown_values = observed_values.astype(np.float32)
    live = Live(intervals, times, np.array(series, np.int64), n_others, shown_values, expected, lower, upper)
    return _with_roll_ups(live, values, unique, bucket)


def _with_roll_ups(live: Live, values: LiveInput, unique: Integers, bucket: Integers) -> Live:
    """Add the affected roll-ups as the last series, those with the most anomalies.

    Parameters
    ----------
    unique, bucket
        Starts of the intervals with a value, and the index of the time of each.
    """
    points = values.roll_ups.where(np.isin(values.roll_ups.time, unique))
    present = np.unique(points.combination)
    if not len(present):
        return live
    most = np.sort(present[np.argsort(-values.anomalies[present], kind="stable")[:_MOST_ROLL_UPS]])
    points = points.where(np.isin(points.combination, most))
    series_of = np.full(largest(most) + 1, -1, np.int64)
    series_of[most] = np.arange(len(most))
    observed = observed_of(points, values.names)
    times = bucket[np.searchsorted(unique, observed.time)]
    cells = _Cells(len(values.names.measures), len(most), len(live.times))
    cell = series_of[observed.combination] * len(live.times) + times
    observed_values, counts = cells.observed(observed.values, cell, values.sums)
    single = np.full(len(most), live.intervals == 1)
    expected, lower, upper = cells.expected(
        points, series_of, bucket[np.searchsorted(unique, points.time)], observed_values, counts, values.sums, single
    )
    return replace(
        live,
        series=np.concatenate([live.series, most]),
        roll_ups=len(most),
        values=np.concatenate([live.values, observed_values.astype(np.float32)], axis=1),
        expected=np.concatenate([live.expected, expected], axis=1),
        lower=np.concatenate([live.lower, lower], axis=1),
        upper=np.concatenate([live.upper, upper], axis=1),
    )


class _Grid:
    """Starts of intervals, and of longer spans of several intervals that are aligned with the days of the time zone."""

    def __init__(self, unique: Integers, frequency: str | None, timezone: str) -> None:
        self._unique = unique
        self._frequency = frequency if frequency in FREQUENCIES else None
        self._timezone = timezone
        self._seconds = FREQUENCIES[frequency].seconds if frequency in FREQUENCIES else _DAY
        self._all = unique
        first, last = int(unique[0]), int(unique[-1])
        if self._frequency is not None and (last - first) // self._seconds < _GAPS * len(unique) + 100:
            self._all = np.union1d(starts_between(self._frequency, timezone, first, last), unique)
        self._days = floor_to_starts(self._all, DAILY, timezone)

    def steps(self) -> list[int]:
        """Return the numbers of intervals that a span may have."""
        day = _DAY // self._seconds
        within = [n for n in (1, 2, 3, 4, 6, 8, 12, 18, 24, 36, 48, 72, 144) if n < day and day % n == 0]
        spans = [days * _DAY for days in (1, 2, 4, 7, 14, 28, 56, 112, 224)]
        return [*within, *(span // self._seconds for span in spans if span % self._seconds == 0)]

    def n_times(self, intervals: int) -> int:
        """Return the number of spans of so many intervals."""
        return len(np.unique(self._starts(intervals)))

    def buckets(self, intervals: int) -> tuple[Integers, Integers]:
        """Return the starts of spans of so many intervals, and the index of the span of each unique time."""
        starts = self._starts(intervals)
        times, place = np.unique(starts, return_inverse=True)
        return times, place[np.searchsorted(self._all, self._unique)]

    def _starts(self, intervals: int) -> Integers:
        if intervals == 1:
            return self._all
        seconds = intervals * self._seconds
        if seconds < _DAY:
            return self._days + (self._all - self._days) // seconds * seconds
        days = np.unique(self._days)
        # Days since 1970, at noon, so that daylight saving time changes no day. Weeks begin on Monday.
        ordinal = (days + _DAY // 2) // _DAY + 3
        length = seconds // _DAY
        _, first, place = np.unique(ordinal // length, return_index=True, return_inverse=True)
        return days[first][place][np.searchsorted(days, self._days)]


class _Cells:
    """Cells of measure, series and time."""

    def __init__(self, n_measures: int, n_series: int, n_times: int) -> None:
        self._shape = (n_measures, n_series, n_times)
        self._plane = n_series * n_times

    def observed(
        self, values: Numbers, cell: Integers, sums: Sequence[bool]
    ) -> tuple[Numbers, npt.NDArray[np.float64]]:
        """Return the value of each cell, and the number of observed values in it."""
        combined, counts = np.empty(self._shape), np.empty(self._shape)
        for m, row in enumerate(values):
            known = ~np.isnan(row)
            count = np.bincount(cell[known], minlength=self._plane)
            total = np.bincount(cell[known], row[known], self._plane)
            with np.errstate(divide="ignore", invalid="ignore"):
                combined[m] = np.where(count, total if sums[m] else total / count, np.nan).reshape(self._shape[1:])
            counts[m] = count.reshape(self._shape[1:])
        return combined, counts

    def expected(
        self,
        judged: Points,
        series_of: Integers,
        bucket: Integers,
        values: Numbers,
        counts: Numbers,
        sums: Sequence[bool],
        single: npt.NDArray[np.bool_],
    ) -> tuple[Singles, Singles, Singles]:
        """Return expected values and ranges of the cells.

        Observed values that were not judged count as expected ones. A cell in which more than half of the values were
        not judged has no expected value.

        Parameters
        ----------
        single
            For each series, whether its cells have one point each. Those have an expected value even where nothing was
            observed; other cells aggregate the expected values of observed points only.
        """
        series = series_of[judged.combination]
        used = ~np.isnan(judged.expected) & (single[series] | ~np.isnan(judged.value))
        cell = (judged.measure * self._shape[1] + series) * self._shape[2] + bucket
        size = self._shape[0] * self._plane

        def total(numbers: Numbers) -> Numbers:
            return np.bincount(cell[used], numbers[used], size).reshape(self._shape)

        n = np.bincount(cell[used], minlength=size).reshape(self._shape)
        expected, observed = total(judged.expected), total(np.nan_to_num(judged.value))
        below, above = total((judged.expected - judged.lower) ** 2), total((judged.upper - judged.expected) ** 2)
        summed = np.array(sums)[:, None, None]
        partly = n < counts
        sum_of_values = values if summed.all() else np.where(summed, values, values * counts)
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = np.where(partly, expected + sum_of_values - observed, expected)
            size_of = np.where(summed, 1.0, np.maximum(n, counts))
            expected = np.where((n > 0) & (2 * n >= counts), expected / size_of, np.nan)
            lower, upper = expected - np.sqrt(below) / size_of, expected + np.sqrt(above) / size_of
        return _rounded(expected), _rounded(lower), _rounded(upper)


def _series(values: LiveInput, numbers: int, most: int) -> tuple[list[int], Integers]:
    """Return the combination of each series (the last may be `OTHERS`), and the series of each combination."""
    observed = values.observed
    n = max(largest(observed.combination), largest(values.judged.combination)) + 1
    present = np.unique(observed.combination)
    n_measures = max(1, len(values.names.measures))
    most = max(1, min(most, max(10, numbers // (n_measures * _LEAST_TIMES))))
    series_of = np.full(n, -1, np.int64)
    if len(present) <= most:
        series_of[present] = np.arange(len(present))
        return present.tolist(), series_of
    # Those with the most anomalies have series of their own, then those with the largest values.
    size = np.zeros(n)
    for row in observed.values:
        total = np.bincount(observed.combination, np.nan_to_num(np.abs(row)), n)
        size += total / max(float(total.sum()), 1e-300)
    anomalies = np.zeros(n, np.int64)
    anomalies[: len(values.anomalies)] = values.anomalies[:n]
    order = present[np.lexsort((present, -size[present], -anomalies[present]))]
    own = np.sort(order[: most - 1])
    series_of[present] = len(own)
    series_of[own] = np.arange(len(own))
    return [*own.tolist(), OTHERS], series_of


def _rounded(numbers: Numbers) -> Singles:
    """Round numbers to the precision that a chart needs, so that they compress well."""
    drop = 23 - _EXPECTED_BITS
    bits = numbers.astype(np.float32).view(np.uint32)
    rounded = ((bits + np.uint32(1 << (drop - 1))) >> np.uint32(drop) << np.uint32(drop)).view(np.float32)
    return np.where(np.isfinite(numbers), rounded, np.float32(np.nan))
