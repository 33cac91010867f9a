"""Aggregation of rows by interval and combination of dimension values, in memory bounded by the result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from operator import itemgetter

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
_HASHED_ROWS = 20_000_000
# Sums of blocks of rows that are added to the intervals at a time: a block may have few rows of each of many intervals.
_PENDING = 1_000_000
# Intervals that are written into the result at a time, for each metric next to each other.
_AT_ONCE = 64

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.uint32]


class LimitExceededError(AnomalakeError, ValueError):
    """Source data that are too large for one machine."""


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Sums and counts of blocks of rows, one block after the other.

    Attributes
    ----------
    combinations
        Number of the combination of each entry, in order of first appearance.
    starts
        Start of its interval.
    sums, counts
        Sum and number of values of its rows, by measure.
    """

    combinations: Seconds
    starts: Seconds
    sums: Floats
    counts: Counts

    def since(self, start: int) -> Entries:
        """Return those of the intervals from a start on."""
        kept = self.starts >= start
        if kept.all():
            return self
        return Entries(self.combinations[kept], self.starts[kept], self.sums[:, kept], self.counts[:, kept])


class Aggregation:
    """Sums and counts of rows.

    Parameters
    ----------
    metric_set
        The metric set.
    keep
        Keeps the entries, so that `metrics` is not called; default: they are added up here.
    n_pending
        Number of entries that are kept or added up at a time. Default: a million.
    key
        Key of the digests of combinations.

    Attributes
    ----------
    codes
        Codes of each dimension's values.
    digests
        Digest of each combination, in order of first appearance: 64 bits, the same wherever it is read.
    hashed
        Number of rows among which repeated rows are found.
    problems
        Values that `metrics` has left out.
    first_start, last_start
        Start of the first and the last interval with a row.
    """

    def __init__(
        self,
        metric_set: MetricSet,
        keep: Callable[[Entries], None] | None = None,
        n_pending: int | None = None,
        key: bytes = b"",
    ) -> None:
        self._metric_set = metric_set
        self._keep = keep
        self._most_pending = _PENDING if n_pending is None else n_pending
        self._key = key
        self.digests: list[int] = []
        self._digests = np.empty(0, np.uint64)
        self.codes = tuple(Codes() for _ in metric_set.dimension_list)
        self._combinations: dict[tuple[int, ...], int] = {}
        self._columns: dict[int, _Column] = {}
        self._pending: list[tuple[Seconds, Floats, Counts]] = []
        self._n_pending = 0
        self._hashes: list[npt.NDArray[np.uint64]] = []
        self._minutes: list[npt.NDArray[np.uint32]] = []
        self.hashed = 0
        self.problems: list[str] = []
        self.first_start: int | None = None
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
        sums, counts = np.empty((len(values), len(keys))), np.empty((len(values), len(keys)), np.uint32)
        for number, column in enumerate(values):
            present = ~np.isnan(column)
            sums[number] = np.bincount(place, np.where(present, column, 0.0), len(keys))
            counts[number] = np.bincount(place[present], minlength=len(keys))
        oldest, newest = int(np.min(starts)), int(np.max(starts))
        self.first_start = oldest if self.first_start is None else min(self.first_start, oldest)
        self.last_start = newest if self.last_start is None else max(self.last_start, newest)
        self._pending.append((keys, sums, counts))
        self._n_pending += len(keys)
        if self._n_pending >= self._most_pending:
            self.flush()

    def flush(self) -> None:
        """Keep or add up the pending sums and counts, in the order of their blocks."""
        if not self._pending:
            return
        keys = np.concatenate([part[0] for part in self._pending])
        sums, counts = (np.concatenate([part[place] for part in self._pending], axis=1) for place in (1, 2))
        self._pending, self._n_pending = [], 0
        starts = keys & ((1 << _START_BITS) - 1)
        if self._keep is not None:
            self._keep(Entries(keys >> _START_BITS, starts, sums, counts))
            return
        # Stable: a combination's sums stay in the order of their blocks.
        order = np.argsort(starts, kind="stable")
        ordered, combinations = starts[order], (keys >> _START_BITS)[order]
        del keys, starts
        sums, counts = sums[:, order], counts[:, order]
        begins = np.flatnonzero(np.diff(ordered, prepend=-1))
        for begin, end in pairwise([*begins.tolist(), len(ordered)]):
            column = self._columns.setdefault(int(ordered[begin]), _Column(len(sums)))
            column.add(combinations[begin:end], sums[:, begin:end], counts[:, begin:end], len(self._combinations))
        if len(self._columns) * len(self._combinations) * len(sums) > MOST_VALUES:
            # The result has at least as many values, and is refused; nothing is kept for it.
            self._columns = {start: _Column(len(sums)) for start in self._columns}

    @property
    def empty(self) -> bool:
        """Whether no row was added."""
        return self.last_start is None

    @property
    def remembers_rows(self) -> bool:
        """Whether the next rows are compared with each other."""
        return self.hashed < _HASHED_ROWS

    def hashed_rows(self) -> Iterator[tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32]]]:
        """Yield the hashes of rows and the minutes of their intervals, block by block."""
        return zip(self._hashes, self._minutes, strict=True)

    def add_hashed_rows(self, hashes: npt.NDArray[np.uint64], minutes: npt.NDArray[np.uint32]) -> None:
        """Add the hashes of a block of rows that another aggregation has read, up to the limit."""
        if self.remembers_rows:
            self._hashes.append(hashes)
            self._minutes.append(minutes)
            self.hashed += len(hashes)

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
        """Return the metrics from the first interval to the last; the sums are given up, so it is called once.

        Raises
        ------
        LimitExceededError
            The metrics would not fit into memory.
        """
        metric_set = self._metric_set
        assert self.first_start is not None
        assert self.last_start is not None
        self.flush()
        grid = starts_between(metric_set.frequency, metric_set.timezone, self.first_start, self.last_start)
        known = self.combinations()
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
        large: list[list[tuple[int, int, float]]] = [[] for _ in metric_set.metric_list]
        starts = sorted(self._columns)
        for begin in range(0, len(starts), _AT_ONCE):
            some = np.array(starts[begin : begin + _AT_ONCE], np.int64)
            columns = [self._columns.pop(start) for start in some.tolist()]
            places = np.searchsorted(grid, some)
            for place, measure in enumerate(metric_set.metric_list):
                found = np.full((len(order), len(columns)), np.nan)
                for number, column in enumerate(columns):
                    column.values(place, measure.aggregation_function == "AVG", found[:, number])
                for combination, number in np.argwhere(np.abs(found) >= MAX_METRIC_VALUE).tolist():
                    large[place].append((combination, int(some[number]), float(found[combination, number])))
                    found[combination, number] = np.nan
                values[place, rank[:, None], places] = found
        for measure, left_out in zip(metric_set.metric_list, large, strict=True):
            self.note_large(measure.metric_name, left_out, known)
        return Metrics(
            frequency=metric_set.frequency,
            timezone=metric_set.timezone,
            starts=grid.astype("datetime64[s]"),
            measures=metric_set.measures,
            dimension_names=metric_set.dimension_list,
            combinations=tuple(known[place] for place in order),
            values=values,
        )

    def note_large(self, measure: str, left_out: list[tuple[int, int, float]], known: Sequence[Combination]) -> None:
        """Note values of a measure that an alert cannot have: each with its combination and start."""
        if not left_out:
            return
        combination, first, value = min(left_out, key=itemgetter(0, 1))
        start = datetime.fromtimestamp(first, UTC)
        of = ", ".join(
            f"{name} {shown(text)}"
            for name, text in zip(self._metric_set.dimension_list, known[combination], strict=True)
            if text is not None
        )
        self.problems.append(
            f"{len(left_out):,} values of {measure!r} are left out, for they are not below 1e18 in size; first: "
            f"{value:g} in the interval from {start:%Y-%m-%dT%H:%M:%SZ}{f', {of}' if of else ''}"
        )

    def combinations(self) -> list[Combination]:
        """Return the combinations, in order of first appearance."""
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
            if numbers[at] == len(self.digests):
                names = [known.values[code] for known, code in zip(self.codes, item, strict=True)]
                self.digests.append(digest_of(names, self._key))
        if len(self._combinations) > MOST_COMBINATIONS:
            raise LimitExceededError(
                f"more than {MOST_COMBINATIONS:,} combinations of {', '.join(self._metric_set.dimension_list)}; "
                "expected fewer values"
            )
        return numbers[place]

    def _remember(self, instants: Seconds, starts: Seconds, combinations: Seconds, values: Sequence[Floats]) -> None:
        if not self.remembers_rows:
            return
        new = self.digests[len(self._digests) :]
        if new:
            self._digests = np.concatenate([self._digests, np.array(new, np.uint64)])
        row = _mixed(instants.astype(np.uint64) ^ self._digests[combinations])
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


class _Column:
    """Sums and counts of one interval, by measure and combination."""

    __slots__ = ("_counts", "_sums")

    def __init__(self, n_measures: int) -> None:
        self._sums: Floats = np.zeros((n_measures, 0))
        self._counts: Counts = np.zeros((n_measures, 0), np.uint32)

    def add(self, combinations: Seconds, sums: Floats, counts: Counts, n_combinations: int) -> None:
        """Add to some combinations, in order, of those that are known so far."""
        if int(np.max(combinations)) >= self._sums.shape[1]:
            # Not `np.pad`, which takes longer than all else that is done for an interval.
            before, n_before = (self._sums, self._counts), self._sums.shape[1]
            self._sums, self._counts = (np.zeros((len(part), n_combinations), part.dtype) for part in before)
            self._sums[:, :n_before], self._counts[:, :n_before] = before
        for measure in range(len(sums)):
            np.add.at(self._sums[measure], combinations, sums[measure])
            np.add.at(self._counts[measure], combinations, counts[measure])

    def values(self, measure: int, is_mean: bool, out: Floats) -> None:
        """Write the values of a measure in place of those of the combinations that have one."""
        counts = self._counts[measure]
        seen = np.flatnonzero(counts)
        found = self._sums[measure, seen]
        out[seen] = found / counts[seen] if is_mean else found


def digest_of(names: Sequence[str | None], key: bytes = b"") -> int:
    """Return the digest of a combination: 64 bits."""
    text = json.dumps(names).encode("ascii")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8, key=key).digest(), "little")


def _mixed(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Steele and others' finalizer of SplitMix64: every bit of a word affects every bit of the result."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
