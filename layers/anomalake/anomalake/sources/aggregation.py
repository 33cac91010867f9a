"""Aggregation of rows by interval and combination of dimension values, in memory bounded by the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from anomalake.definitions.intervals import Seconds, starts_between
from anomalake.definitions.messages import shown
from anomalake.definitions.metric_set import MAX_METRIC_VALUE, MetricSet
from anomalake.errors import AnomalakeError
from anomalake.model.metrics import Combination, Metrics
from anomalake.sources.columns import Codes

#: Limits, far beyond L4M's: combinations of dimension values, and values in total.
MOST_COMBINATIONS = 1_000_000
MOST_VALUES = 1_000_000_000

# An interval's start in seconds fits into 33 bits until 2242; combinations use the other bits.
_START_BITS = 33
_PENDING_ROWS = 4_000_000
_HASHED_ROWS = 20_000_000

Floats = npt.NDArray[np.float64]


class LimitExceededError(AnomalakeError, ValueError):
    """Source data that are too large for one machine."""


class Aggregation:
    """Sums and counts of rows.

    Parameters
    ----------
    metric_set
        The metric set.

    Attributes
    ----------
    codes
        Codes of each dimension's values.
    hashed
        Number of rows among which repeated rows are found.
    problems
        Values that `metrics` has left out.
    last_start
        Start of the last interval with a row.
    """

    def __init__(self, metric_set: MetricSet) -> None:
        self._metric_set = metric_set
        self.codes = tuple(Codes() for _ in metric_set.dimension_list)
        self._combinations: dict[tuple[int, ...], int] = {}
        self._parts: list[_Sums] = []
        self._pending = 0
        self._hashes: list[npt.NDArray[np.uint64]] = []
        self._minutes: list[npt.NDArray[np.uint32]] = []
        self.hashed = 0
        self.problems: list[str] = []
        self.last_start: int | None = None

    def add(self, instants: Seconds, starts: Seconds, codes: Sequence[Seconds], values: Sequence[Floats]) -> None:
        """Add valid rows.

        Parameters
        ----------
        instants, starts
            Timestamp of each row and start of its interval, in seconds since 1970.
        codes
            One column for each dimension, from `Codes`.
        values
            One column for each measure, NaN if missing.
        """
        if not len(instants):
            return
        combinations = self._combine(codes, len(instants))
        self._remember(instants, starts, combinations, values)
        keys, place = np.unique((combinations << _START_BITS) | starts, return_inverse=True)
        sums, counts = [], []
        for column in values:
            present = ~np.isnan(column)
            sums.append(np.bincount(place, np.where(present, column, 0.0), len(keys)))
            counts.append(np.bincount(place, present, len(keys)))
        self._parts.append(_Sums(keys, np.array(sums), np.array(counts)))
        self._pending += len(keys)
        newest = int(np.max(starts))
        self.last_start = newest if self.last_start is None else max(self.last_start, newest)
        if self._pending > _PENDING_ROWS:
            self._parts = [_merged(self._parts)]
            self._pending = 0

    @property
    def empty(self) -> bool:
        """Whether no row was added."""
        return not self._parts

    def repeats(self) -> Repeats | None:
        """Rows that repeat another row in all columns of the metric set, among the first twenty million."""
        if not self._hashes:
            return None
        hashes = np.concatenate(self._hashes)
        ordered = np.sort(hashes)
        repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        if not len(repeated):
            return None
        place = np.minimum(np.searchsorted(repeated, hashes), len(repeated) - 1)
        rows = np.flatnonzero(repeated[place] == hashes)
        firsts, group = np.unique(place[rows], return_index=True, return_inverse=True)[1:]
        second = np.min(np.setdiff1d(np.arange(len(rows)), firsts))
        return Repeats(
            rows=len(rows) - len(repeated),
            intervals=len(np.unique(np.concatenate(self._minutes)[rows])),
            first=int(rows[firsts[group[second]]]),
            second=int(rows[second]),
        )

    def metrics(self) -> Metrics:
        """Return the metrics from the first interval to the last.

        Raises
        ------
        LimitExceededError
            The metrics would not fit into memory.
        """
        metric_set = self._metric_set
        total = _merged(self._parts)
        starts = total.keys & ((1 << _START_BITS) - 1)
        grid = starts_between(metric_set.frequency, metric_set.timezone, int(np.min(starts)), int(np.max(starts)))
        known = self._named()
        order = sorted(
            range(len(known)), key=lambda place: [(value is not None, value or "") for value in known[place]]
        )
        shape = (len(metric_set.metric_list), len(order), len(grid))
        if shape[0] * shape[1] * shape[2] > MOST_VALUES:
            first, last = (datetime.fromtimestamp(int(item), UTC).isoformat() for item in (grid[0], grid[-1]))
            raise LimitExceededError(
                f"{shape[0]} measures x {shape[1]} combinations x {shape[2]} intervals from {first} to {last}; "
                f"expected up to {MOST_VALUES:,} values"
            )
        values = np.full(shape, np.nan)
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        row, column = rank[total.keys >> _START_BITS], np.searchsorted(grid, starts)
        for place, measure in enumerate(metric_set.metric_list):
            seen = total.counts[place] > 0
            found = total.sums[place][seen]
            if measure.aggregation_function == "AVG":
                found = found / total.counts[place][seen]
            values[place, row[seen], column[seen]] = self._within_bounds(
                found, measure.metric_name, known, total.keys[seen]
            )
        return Metrics(
            frequency=metric_set.frequency,
            timezone=metric_set.timezone,
            starts=grid.astype("datetime64[s]"),
            measures=metric_set.measures,
            dimension_names=metric_set.dimension_list,
            combinations=tuple(known[place] for place in order),
            values=values,
        )

    def _within_bounds(self, found: Floats, measure: str, known: list[Combination], keys: Seconds) -> Floats:
        """Leave out values that an alert cannot have, and note them."""
        large = np.abs(found) >= MAX_METRIC_VALUE
        if not large.any():
            return found
        first = int(np.argmax(large))
        start = datetime.fromtimestamp(int(keys[first]) & ((1 << _START_BITS) - 1), UTC)
        of = ", ".join(
            f"{name} {shown(value)}"
            for name, value in zip(self._metric_set.dimension_list, known[int(keys[first]) >> _START_BITS], strict=True)
            if value is not None
        )
        self.problems.append(
            f"{int(large.sum()):,} values of {measure!r} are left out, for they are not below 1e18 in size; first: "
            f"{found[first]:g} in the interval from {start:%Y-%m-%dT%H:%M:%SZ}{f', {of}' if of else ''}"
        )
        return np.where(large, np.nan, found)

    def _named(self) -> list[Combination]:
        texts = [codes.values for codes in self.codes]
        return [
            tuple(values[code] for values, code in zip(texts, combination, strict=True))
            for combination in self._combinations
        ]

    def _combine(self, codes: Sequence[Seconds], rows: int) -> Seconds:
        """Return the number of each row's combination, in order of first appearance."""
        place = np.zeros(rows, np.int64)
        for column in codes:
            mixed: Seconds = place * (int(np.max(column)) + 1) + column
            place = np.unique(mixed, return_inverse=True)[1]
        _, first, place = np.unique(place, return_index=True, return_inverse=True)
        numbers = np.empty(len(first), np.int64)
        for at, item in enumerate(zip(*(column[first].tolist() for column in codes), strict=True) if codes else [()]):
            numbers[at] = self._combinations.setdefault(item, len(self._combinations))
        if len(self._combinations) > MOST_COMBINATIONS:
            raise LimitExceededError(
                f"more than {MOST_COMBINATIONS:,} combinations of {', '.join(self._metric_set.dimension_list)}; "
                "expected fewer values"
            )
        return numbers[place]

    def _remember(self, instants: Seconds, starts: Seconds, combinations: Seconds, values: Sequence[Floats]) -> None:
        if self.hashed >= _HASHED_ROWS:
            return
        row = _mixed(instants.astype(np.uint64) ^ _mixed(combinations.astype(np.uint64)))
        for column in values:
            row = _mixed(row ^ (column + 0.0).view(np.uint64))
        # A row without a value changes nothing, so it does not matter that it is repeated.
        empty = np.isnan(values[0])
        if empty.any():
            kept = ~np.all([np.isnan(column) for column in values], axis=0)
            row, starts = row[kept], starts[kept]
        self._hashes.append(row)
        self._minutes.append((starts // 60).astype(np.uint32))
        self.hashed += len(row)


@dataclass(frozen=True, slots=True)
class Repeats:
    """Rows that repeat another row: their number, their intervals, and the places of the first repeated pair."""

    rows: int
    intervals: int
    first: int
    second: int


class _Sums:
    """Sums and counts (measure x key); a key is a combination and a start."""

    def __init__(self, keys: Seconds, sums: Floats, counts: Floats) -> None:
        self.keys, self.sums, self.counts = keys, sums, counts


def _merged(parts: list[_Sums]) -> _Sums:
    if len(parts) == 1:
        return parts[0]
    keys, place = np.unique(np.concatenate([part.keys for part in parts]), return_inverse=True)
    sums, counts = (
        np.array([np.bincount(place, column, len(keys)) for column in np.concatenate(columns, axis=1)])
        for columns in ([part.sums for part in parts], [part.counts for part in parts])
    )
    return _Sums(keys, sums, counts)


def _mixed(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Steele and others' finalizer of SplitMix64: every bit of a word affects every bit of the result."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
