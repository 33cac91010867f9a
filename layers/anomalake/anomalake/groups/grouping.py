"""Grouping of judged points into anomaly groups, for any number of intervals at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from anomalake.groups.affected_metric import total_deviation, without_overlap
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
from anomalake.groups.roll_up_parts import RollUpParts
from anomalake.model.array_types import BoolArray
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics, time_series_id

__all__ = [
    "AffectedMetric",
    "Group",
    "GroupInterval",
    "Overlap",
    "RelatedMeasure",
    "group",
    "in_groups",
    "open_groups",
    "without",
]

# A sum of up to 2^19 numbers of 34 bits is exact in float64.
_BITS = 34
# Number of points that are summed in one block.
_BLOCK = 2**21


def group(
    metrics: Metrics, judgement: Judgement, detector_arn: str, open_groups: Iterable[Group] = ()
) -> tuple[Group, ...]:
    """Group the anomalies of judged intervals.

    All anomalous metrics of one measure in one interval belong to one group. A group continues in an interval where a
    metric is anomalous that was so in one of the two intervals before; else a new group begins. Where an interval could
    continue several groups, it belongs to the one with which it shares most metrics, then to the oldest.

    The result is the same to the last digit, however a span is split into calls.

    Parameters
    ----------
    metrics, judgement
        Any number of judged intervals; the judgement's rows are those of `Metrics.flat`.
    open_groups
        Earlier groups that may continue; others have no effect. Their intervals from the first judged one on, which an
        earlier run has left, are removed first.

    Returns
    -------
    The groups that begin, continue, or lose intervals of an earlier run in the judged intervals, by start and measure.
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
    given = {group.group_id: group for group in open_groups}
    tracker = _GroupTracker(detector_arn, metrics.frequency, first, given.values())
    for timestamp, intervals in _intervals(metrics, judgement, detector_arn):
        tracker.add(timestamp, intervals)
    return tracker.changed(given)


def in_groups(metrics: Metrics, judgement: Judgement, groups: Iterable[Group]) -> BoolArray:
    """Return which judged points are affected metrics of some groups, shape (metrics, judged intervals)."""
    n_combinations = len(metrics.combinations)
    dimensions = [metrics.dimensions(k) for k in range(n_combinations)]
    rows = {
        (measure, of): m * n_combinations + k
        for m, measure in enumerate(metrics.measures)
        for k, of in enumerate(dimensions)
    }
    judged = metrics.starts[judgement.first : judgement.first + judgement.is_anomaly.shape[1]]
    columns = {_instant(start): column for column, start in enumerate(judged)}
    affected = np.zeros(judgement.is_anomaly.shape, np.bool_)
    for group in groups:
        for interval in group.intervals:
            of_interval = [rows[group.measure, metric.dimensions] for metric in interval.affected]
            affected[of_interval, columns[interval.timestamp]] = True
    return affected


class _GroupTracker:
    """The groups so far, by id, and those of each measure that may continue."""

    def __init__(self, detector_arn: str, frequency: str, first: datetime, given: Iterable[Group]) -> None:
        self._detector_arn = detector_arn
        self._frequency = frequency
        before = [group for group in (earlier.until(first) for earlier in given) if group is not None]
        self._bases = {group.group_id: group for group in before}
        self._intervals = {group.group_id: list(group.intervals) for group in before}
        self._open: dict[str, list[str]] = {}
        for group in open_groups(before, frequency, first):
            self._open.setdefault(group.measure, []).append(group.group_id)

    def add(self, timestamp: datetime, intervals: Mapping[str, GroupInterval]) -> None:
        """Add one interval: the group interval of each measure with anomalies."""
        chosen = {measure: self._group_of(measure, timestamp, interval) for measure, interval in intervals.items()}
        affected = {
            measure: {metric.dimensions for metric in interval.all_affected} for measure, interval in intervals.items()
        }
        for measure, interval in intervals.items():
            overlaps = []
            for other, dimensions in affected.items():
                common = [metric for metric in interval.all_affected if metric.dimensions in dimensions]
                if other != measure and common:
                    start = self._intervals[chosen[other]][0].timestamp if self._intervals[chosen[other]] else timestamp
                    deviation = total_deviation(without_overlap(common)[0])
                    overlaps.append(Overlap(chosen[other], other, start, deviation))
            self._intervals[chosen[measure]].append(replace(interval, overlaps=tuple(overlaps)))

    def _group_of(self, measure: str, timestamp: datetime, interval: GroupInterval) -> str:
        """Return the id of the group that an interval continues, or of a new one."""
        ids = {metric.time_series_id for metric in interval.all_affected}
        still_open, shared = [], []
        for candidate in self._open.get(measure, ()):
            intervals = self._intervals[candidate]
            recent = [earlier for earlier in intervals[-ENDS_AFTER:] if self._steps(earlier, timestamp) <= ENDS_AFTER]
            common = ids.intersection(metric.time_series_id for earlier in recent for metric in earlier.all_affected)
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
        """Return the groups that are new or differ from the given ones."""
        groups = (replace(self._bases[id_], intervals=tuple(intervals)) for id_, intervals in self._intervals.items())
        changed = [
            group
            for group in groups
            if group.group_id not in given or group.intervals != given[group.group_id].intervals
        ]
        return tuple(sorted(changed, key=lambda group: (group.start, group.measure)))


def _intervals(
    metrics: Metrics, judgement: Judgement, detector_arn: str
) -> Iterator[tuple[datetime, dict[str, GroupInterval]]]:
    """Yield the intervals with anomalies, each with the group intervals by measure."""
    rows, columns = np.nonzero(judgement.is_anomaly)
    values = metrics.flat[rows, judgement.first + columns]
    expected = judgement.expected[rows, columns]
    known = np.isfinite(values) & np.isfinite(expected)
    rows, columns, values, expected = rows[known], columns[known], values[known], expected[known]
    order = np.lexsort((rows, columns))
    rows, columns, values, expected = rows[order], columns[order], values[order], expected[order]
    missing = judgement.is_missing
    is_missing = missing[rows, columns] if missing is not None else np.zeros(len(rows), np.bool_)
    points = zip(
        columns.tolist(),
        (rows // len(metrics.combinations)).tolist() if rows.size else [],
        rows.tolist(),
        values.tolist(),
        expected.tolist(),
        judgement.lower[rows, columns].tolist(),
        judgement.upper[rows, columns].tolist(),
        judgement.severity[rows, columns].tolist(),
        is_missing.tolist(),
        strict=True,
    )
    totals = _totals(metrics, judgement, columns)
    known_metrics: dict[int, tuple[str, tuple[tuple[str, str], ...]]] = {}
    is_roll_up = metrics.is_roll_up
    parts = RollUpParts(metrics, judgement) if is_roll_up[rows % len(is_roll_up)].any() else None

    def affected(point: tuple[int, int, int, float, float, float, float, float, bool]) -> AffectedMetric:
        column, m, row, value, expected_value, lower, upper, severity, is_missing = point
        k = row % len(metrics.combinations)
        metric = known_metrics.get(row)
        if metric is None:
            dimensions = metrics.dimensions(k)
            metric = (time_series_id(detector_arn, metrics.measures[m], dimensions), dimensions)
            known_metrics[row] = metric
        plain = AffectedMetric(
            *metric, value, expected_value, _finite(lower), _finite(upper), severity, is_missing=is_missing
        )
        if parts is None or not is_roll_up[k]:
            return plain
        return replace(plain, roll_up=True, below=parts.of(m, k, column, value, expected_value))

    for column, of_interval in groupby(points, key=itemgetter(0)):
        timestamp = _instant(metrics.starts[judgement.first + column])
        by_measure = {}
        for m, of_measure in groupby(of_interval, key=itemgetter(1)):
            observed, total = totals[m, column]
            by_measure[metrics.measures[m]] = interval_of(timestamp, map(affected, of_measure), observed, total)
        yield timestamp, by_measure


def _totals(
    metrics: Metrics, judgement: Judgement, columns: npt.NDArray[np.intp]
) -> dict[tuple[int, int], tuple[int, float]]:
    """Return the number of observed metrics and the sum of their expected values, by measure and interval.

    The sum is an exact one of rounded numbers, so that it depends neither on their order, nor on the shape of the
    arrays, nor on metrics that were not observed. Where more is
    expected of a roll-up, as combinations have too few values to be judged, that is the result.
    """
    intervals = np.unique(columns)
    n_combinations = len(metrics.combinations)
    is_roll_up = metrics.is_roll_up[:, None]
    per_block = max(_BLOCK // max(n_combinations, 1), 1)
    totals_by_place: dict[tuple[int, int], tuple[int, float]] = {}
    for m in range(len(metrics.measures)):
        rows = slice(m * n_combinations, (m + 1) * n_combinations)
        for block in (intervals[start : start + per_block] for start in range(0, len(intervals), per_block)):
            amounts = np.abs(judgement.expected[rows, block])
            observed = np.isfinite(metrics.flat[rows, judgement.first + block]) & np.isfinite(amounts)
            largest = np.where(observed & is_roll_up, amounts, 0.0).max(axis=0, initial=0.0)
            observed &= ~is_roll_up
            amounts[~observed] = 0.0
            exponents = np.frexp(amounts.max(axis=0, initial=0.0))[1] - _BITS
            totals = np.maximum(largest, np.ldexp(np.rint(np.ldexp(amounts, -exponents)).sum(axis=0), exponents))
            for column, count, total in zip(
                block.tolist(), observed.sum(axis=0).tolist(), totals.tolist(), strict=True
            ):
                totals_by_place[m, column] = (count, total)
    return totals_by_place


def _finite(number: float) -> float | None:
    return number if -np.inf < number < np.inf else None


def _instant(start: np.datetime64) -> datetime:
    return datetime.fromtimestamp(int(start.astype("datetime64[s]").astype(np.int64)), UTC)
