"""Grouping of judged points into anomaly groups, for any number of intervals at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter

import numpy as np

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
from anomalake.groups.judged_series import IntervalPoints, JudgedArrays, JudgedSeries
from anomalake.groups.reduction import expected_totals
from anomalake.groups.roll_up_parts import RollUpParts
from anomalake.model.array_types import IntArray
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics, time_series_id

__all__ = [
    "AffectedMetric",
    "Group",
    "GroupInterval",
    "Overlap",
    "RelatedMeasure",
    "group",
    "group_series",
    "open_groups",
    "points_in",
    "without",
]

# Column, measure, row, value, expected, lower, upper, severity and whether it is missing, of an anomalous point.
_Point = tuple[int, int, int, float, float, float, float, float, bool]


def group(
    metrics: Metrics, judgement: Judgement, detector_arn: str, open_groups: Iterable[Group] = ()
) -> tuple[Group, ...]:
    """Group the anomalies of judged intervals in arrays: the judgement's rows are those of `Metrics.flat`."""
    return group_series(JudgedArrays(metrics, judgement), detector_arn, open_groups)


def group_series(judged: JudgedSeries, detector_arn: str, open_groups: Iterable[Group] = ()) -> tuple[Group, ...]:
    """Group the anomalies of judged intervals.

    All anomalous metrics of one measure in one interval belong to one group. A group continues in an interval where a
    metric is anomalous that was so in one of the two intervals before; else a new group begins. Where an interval could
    continue several groups, it belongs to the one with which it shares most metrics, then to the oldest.

    The result is the same to the last digit, however a span is split into calls.

    Parameters
    ----------
    judged
        Any number of judged intervals.
    open_groups
        Earlier groups that may continue; others have no effect. Their intervals from the first judged one on, which an
        earlier run has left, are removed first.

    Returns
    -------
    The groups that begin, continue, or lose intervals of an earlier run in the judged intervals, by start and measure.
    """
    if judged.n_judged == 0:
        return ()
    first = _instant(judged.metrics.starts[judged.first])
    given = {group.group_id: group for group in open_groups}
    tracker = _GroupTracker(detector_arn, judged.metrics.frequency, first, given.values())
    for timestamp, intervals in _intervals(judged, detector_arn):
        tracker.add(timestamp, intervals)
    return tracker.changed(given)


def points_in(judged: JudgedSeries, groups: Iterable[Group]) -> tuple[IntArray, IntArray]:
    """Return the points that are affected metrics of some groups of judged intervals: rows and intervals, by index."""
    metrics = judged.metrics
    n_combinations = len(metrics.combinations)
    combinations = {metrics.dimensions(k): k for k in range(n_combinations)}
    first_rows = {measure: m * n_combinations for m, measure in enumerate(metrics.measures)}
    starts = metrics.starts[judged.first : judged.first + judged.n_judged]
    columns = {_instant(start): column for column, start in enumerate(starts)}
    points = [
        (first_rows[group.measure] + combinations[metric.dimensions], columns[interval.timestamp])
        for group in groups
        for interval in group.intervals
        for metric in interval.affected
    ]
    rows, found = np.array(points, np.int64).reshape(-1, 2).T
    return rows, found


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


def _intervals(judged: JudgedSeries, detector_arn: str) -> Iterator[tuple[datetime, dict[str, GroupInterval]]]:
    """Yield the intervals with anomalies, each with the group intervals by measure."""
    metrics = judged.metrics
    points = _known_points(judged)
    totals = _totals(judged, np.array(sorted({point[0] for point in points}), np.int64))
    known_metrics: dict[int, tuple[str, tuple[tuple[str, str], ...]]] = {}
    n_combinations = len(metrics.combinations)
    is_roll_up = metrics.is_roll_up.tolist()
    # What is below a roll-up is read for the intervals and measures that have an anomalous one, in the order of points.
    with_roll_ups = dict.fromkeys((m, column) for column, m, row, *_ in points if is_roll_up[row % n_combinations])
    parts = RollUpParts(metrics) if with_roll_ups else None
    below = judged.intervals(list(with_roll_ups))

    def affected(point: _Point, all_points: IntervalPoints | None) -> AffectedMetric:
        _, m, row, value, expected, lower, upper, severity, is_missing = point
        k = row % n_combinations
        metric = known_metrics.get(row)
        if metric is None:
            dimensions = metrics.dimensions(k)
            metric = (time_series_id(detector_arn, metrics.measures[m], dimensions), dimensions)
            known_metrics[row] = metric
        plain = AffectedMetric(
            *metric, value, expected, _finite(lower), _finite(upper), severity, is_missing=is_missing
        )
        if parts is None or all_points is None or not is_roll_up[k]:
            return plain
        return replace(plain, roll_up=True, below=parts.of(all_points, k, value, expected))

    for column, of_interval in groupby(points, key=itemgetter(0)):
        timestamp = _instant(metrics.starts[judged.first + column])
        by_measure = {}
        for m, of_measure in groupby(of_interval, key=itemgetter(1)):
            all_points = next(below) if (m, column) in with_roll_ups else None
            metrics_affected = [affected(point, all_points) for point in of_measure]
            by_measure[metrics.measures[m]] = interval_of(timestamp, metrics_affected, *totals[m, column])
        yield timestamp, by_measure


def _known_points(judged: JudgedSeries) -> list[_Point]:
    """Return the anomalous points with value and expected value, by interval, then by series."""
    points = judged.reduction.points
    points = points.where(np.isfinite(points.value) & np.isfinite(points.expected))
    points = points.where(np.lexsort((points.row, points.column)))
    n_combinations = max(1, len(judged.metrics.combinations))
    return list(
        zip(
            points.column.tolist(),
            (points.row // n_combinations).tolist(),
            points.row.tolist(),
            points.value.tolist(),
            points.expected.tolist(),
            points.lower.tolist(),
            points.upper.tolist(),
            points.severity.tolist(),
            points.is_missing.tolist(),
            strict=True,
        )
    )


def _totals(judged: JudgedSeries, columns: IntArray) -> dict[tuple[int, int], tuple[int, float]]:
    """Return the number of observed metrics and the sum of their expected values, by measure and interval."""
    if not len(columns):
        return {}
    largest, largest_roll_up = (
        array[:, columns] for array in (judged.reduction.largest, judged.reduction.largest_roll_up)
    )
    totals = judged.totals(columns, largest)
    sums = expected_totals(totals, largest, largest_roll_up)
    return {
        (m, column): (int(totals.counts[m, place]), float(sums[m, place]))
        for m in range(len(largest))
        for place, column in enumerate(columns.tolist())
    }


def _finite(number: float) -> float | None:
    return number if -np.inf < number < np.inf else None


def _instant(start: np.datetime64) -> datetime:
    return datetime.fromtimestamp(int(start.astype("datetime64[s]").astype(np.int64)), UTC)
