"""From judged points to anomaly groups: a whole span at once, or one interval after another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from anomalake.groups.anomaly_group import (
    ENDS_AFTER,
    AffectedMetric,
    Group,
    GroupInterval,
    Overlap,
    RelatedMeasure,
    group_id,
    interval_of,
    open_groups,
    steps,
    without,
)
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics, time_series_id

__all__ = [
    "AffectedMetric",
    "Group",
    "GroupInterval",
    "Overlap",
    "RelatedMeasure",
    "group",
    "open_groups",
    "without",
]

# A sum of up to 2^19 numbers of 34 bits is exact in float64.
_BITS = 34
#: Numbers looked at in one go.
_BLOCK = 2**21


def group(
    metrics: Metrics, judgement: Judgement, detector_arn: str, open_groups: Iterable[Group] = ()
) -> tuple[Group, ...]:
    """The groups that judged points make.

    All anomalous metrics of one measure in one interval are one group. It goes on in a later interval when one of the
    metrics that it had in either of the two intervals before is anomalous again; else another group begins. Where an
    interval goes on with two groups, it belongs to the one it shares more metrics with, then to the older.

    A span gives the same groups, to the last digit, however it is cut into calls.

    Parameters
    ----------
    metrics, judgement
        Any number of judged intervals; the judgement's rows are those of `Metrics.flat`.
    open_groups
        Groups found before that may go on; others do no harm. What they hold of the judged intervals, from an earlier
        run, is forgotten first.

    Returns
    -------
    The groups that begin, go on, or lose intervals of an earlier run in the judged intervals, by start and measure.
    """
    n_judged = judgement.is_anomaly.shape[1]
    if judgement.is_anomaly.shape[0] != metrics.n_metrics or judgement.first + n_judged > len(metrics.starts):
        raise ValueError(
            f"judgement of {judgement.is_anomaly.shape[0]} metrics, intervals {judgement.first} to "
            f"{judgement.first + n_judged}; expected {metrics.n_metrics} metrics and at most {len(metrics.starts)}"
        )
    if n_judged == 0:
        return ()
    first = _instant(metrics.starts[judgement.first])
    given = {one.group_id: one for one in open_groups}
    books = _GroupTracker(detector_arn, metrics.frequency, first, given.values())
    for timestamp, intervals in _intervals(metrics, judgement, detector_arn):
        books.add(timestamp, intervals)
    return books.changed(given)


class _GroupTracker:
    """The groups so far, by id, and which of each measure's may go on."""

    def __init__(self, detector_arn: str, frequency: str, first: datetime, given: Iterable[Group]) -> None:
        self._detector_arn = detector_arn
        self._frequency = frequency
        before = [one for one in (some.until(first) for some in given) if one is not None]
        self._bases = {one.group_id: one for one in before}
        self._intervals = {one.group_id: list(one.intervals) for one in before}
        self._open: dict[str, list[str]] = {}
        for one in open_groups(before, frequency, first):
            self._open.setdefault(one.measure, []).append(one.group_id)

    def add(self, timestamp: datetime, intervals: Mapping[str, GroupInterval]) -> None:
        """Take in one interval: for each measure with anomalies, what is affected."""
        chosen = {measure: self._group_of(measure, timestamp, one) for measure, one in intervals.items()}
        moved = {measure: {one.dimensions for one in interval.affected} for measure, interval in intervals.items()}
        for measure, interval in intervals.items():
            overlaps = []
            for other, dimensions in moved.items():
                common = [one.deviation for one in interval.affected if one.dimensions in dimensions]
                if other != measure and common:
                    start = self._intervals[chosen[other]][0].timestamp if self._intervals[chosen[other]] else timestamp
                    overlaps.append(Overlap(chosen[other], other, start, math.fsum(common)))
            self._intervals[chosen[measure]].append(replace(interval, overlaps=tuple(overlaps)))

    def _group_of(self, measure: str, timestamp: datetime, interval: GroupInterval) -> str:
        """The group that an interval's anomalies go on with, or a new one."""
        ids = {one.time_series_id for one in interval.affected}
        still_open, shared = [], []
        for candidate in self._open.get(measure, ()):
            intervals = self._intervals[candidate]
            recent = [one for one in intervals[-ENDS_AFTER:] if self._steps(one, timestamp) <= ENDS_AFTER]
            common = ids.intersection(one.time_series_id for some in recent for one in some.affected)
            if recent:
                still_open.append(candidate)
            if common:
                shared.append((-len(common), intervals[0].timestamp, candidate))
        if shared:
            chosen = min(shared)[2]
        else:
            chosen = group_id(self._detector_arn, measure, timestamp)
            self._bases[chosen] = Group(chosen, self._detector_arn, measure, ())
            self._intervals[chosen] = []
            still_open.append(chosen)
        self._open[measure] = still_open
        return chosen

    def _steps(self, interval: GroupInterval, timestamp: datetime) -> int:
        return steps(self._frequency, interval.timestamp, timestamp)

    def changed(self, given: Mapping[str, Group]) -> tuple[Group, ...]:
        """The groups that are new or no longer what was given."""
        made = (replace(self._bases[one], intervals=tuple(intervals)) for one, intervals in self._intervals.items())
        changed = [one for one in made if one.group_id not in given or one.intervals != given[one.group_id].intervals]
        return tuple(sorted(changed, key=lambda one: (one.start, one.measure)))


def _intervals(
    metrics: Metrics, judgement: Judgement, detector_arn: str
) -> Iterator[tuple[datetime, dict[str, GroupInterval]]]:
    """The intervals with anomalies, and in each the measures that have some."""
    rows, columns = np.nonzero(judgement.is_anomaly)
    values = metrics.flat[rows, judgement.first + columns]
    expected = judgement.expected[rows, columns]
    known = np.isfinite(values) & np.isfinite(expected)
    rows, columns, values, expected = rows[known], columns[known], values[known], expected[known]
    order = np.lexsort((rows, columns))
    rows, columns, values, expected = rows[order], columns[order], values[order], expected[order]
    points = zip(
        columns.tolist(),
        (rows // len(metrics.combinations)).tolist() if rows.size else [],
        rows.tolist(),
        values.tolist(),
        expected.tolist(),
        judgement.lower[rows, columns].tolist(),
        judgement.upper[rows, columns].tolist(),
        judgement.severity[rows, columns].tolist(),
        strict=True,
    )
    totals = _totals(metrics, judgement, columns)
    known_metrics: dict[int, tuple[str, tuple[tuple[str, str], ...]]] = {}

    def affected(point: tuple[int, int, int, float, float, float, float, float]) -> AffectedMetric:
        _, m, row, value, wanted, lower, upper, severity = point
        named = known_metrics.get(row)
        if named is None:
            dimensions = metrics.dimensions(row % len(metrics.combinations))
            named = (time_series_id(detector_arn, metrics.measures[m], dimensions), dimensions)
            known_metrics[row] = named
        return AffectedMetric(*named, value, wanted, _finite(lower), _finite(upper), severity)

    for column, of_interval in groupby(points, key=itemgetter(0)):
        timestamp = _instant(metrics.starts[judgement.first + column])
        made = {}
        for m, of_measure in groupby(of_interval, key=itemgetter(1)):
            observed, total = totals[m, column]
            made[metrics.measures[m]] = interval_of(timestamp, map(affected, of_measure), observed, total)
        yield timestamp, made


def _totals(
    metrics: Metrics, judgement: Judgement, columns: npt.NDArray[np.intp]
) -> dict[tuple[int, int], tuple[int, float]]:
    """How many metrics of a measure were observed in an interval, and the sum of what was expected of them.

    The sum is that of rounded numbers and exact, so that it depends neither on their order nor on the shape of the
    arrays, nor on metrics that were not observed.
    """
    wanted = np.unique(columns)
    n_combinations = len(metrics.combinations)
    at_once = max(_BLOCK // max(n_combinations, 1), 1)
    made: dict[tuple[int, int], tuple[int, float]] = {}
    for m in range(len(metrics.measures)):
        rows = slice(m * n_combinations, (m + 1) * n_combinations)
        for block in (wanted[start : start + at_once] for start in range(0, len(wanted), at_once)):
            amounts = np.abs(judgement.expected[rows, block])
            seen = np.isfinite(metrics.flat[rows, judgement.first + block]) & np.isfinite(amounts)
            amounts[~seen] = 0.0
            exponents = np.frexp(amounts.max(axis=0, initial=0.0))[1] - _BITS
            totals = np.ldexp(np.rint(np.ldexp(amounts, -exponents)).sum(axis=0), exponents)
            for column, count, total in zip(block.tolist(), seen.sum(axis=0).tolist(), totals.tolist(), strict=True):
                made[m, column] = (count, total)
    return made


def _finite(number: float) -> float | None:
    return number if -np.inf < number < np.inf else None


def _instant(start: np.datetime64) -> datetime:
    return datetime.fromtimestamp(int(start.astype("datetime64[s]").astype(np.int64)), UTC)
