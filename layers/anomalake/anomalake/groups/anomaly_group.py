"""Anomaly groups: the anomalous metrics of one measure in successive intervals (docs/alerts.md)."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

from anomalake.alerts import Cause, Contribution
from anomalake.frequencies import FREQUENCIES
from anomalake.groups.affected_metric import AffectedMetric as AffectedMetric
from anomalake.groups.affected_metric import most_of_a_level, total_deviation, without_overlap
from anomalake.groups.contributions import coarse, shares_of
from anomalake.groups.score import group_score

#: Number of intervals without an affected metric of the group that end it: it may pause for one.
ENDS_AFTER = 2


@dataclass(frozen=True, slots=True)
class Overlap:
    """Overlap of a group with a group of another measure in one interval.

    Attributes
    ----------
    group_id, measure, start
        The other group.
    deviation
        Sum of the deviations of this group's metrics whose dimension values are affected in the other measure too.
    """

    group_id: str
    measure: str
    start: datetime
    deviation: float


@dataclass(frozen=True, slots=True)
class GroupInterval:
    """A group in one interval.

    Attributes
    ----------
    timestamp
        Start of the interval, UTC.
    score
        Severity of the group in this interval (`group_score`).
    affected
        The affected metrics, by descending deviation (six digits), then by dimensions. With roll-ups, those of which
        none is a part of another (`without_overlap`).
    contributions
        Shares of dimension values in the deviation, in whole per cent with a sum of 100 for each dimension.
    impact
        Sum of the deviations of all affected metrics, in the measure's unit.
    observed
        Number of metrics of the measure that were observed in the interval, affected or not, without roll-ups.
    expected_total
        Sum of the absolute expected values of the observed metrics.
    overlaps
        Overlaps with the groups of other measures.
    also_affected
        Roll-ups of the affected metrics, or combinations below them, that are affected too.
    causes
        Root causes, by descending gain; none where none was looked for.
    """

    timestamp: datetime
    score: float
    affected: tuple[AffectedMetric, ...]
    contributions: tuple[Contribution, ...]
    impact: float
    observed: int
    expected_total: float
    overlaps: tuple[Overlap, ...] = ()
    also_affected: tuple[AffectedMetric, ...] = ()
    causes: tuple[Cause, ...] = ()

    @property
    def all_affected(self) -> tuple[AffectedMetric, ...]:
        """All affected metrics; with roll-ups, some are parts of others."""
        return (*self.affected, *self.also_affected)

    @property
    def breadth(self) -> int:
        """Number of affected metrics; with roll-ups, of the level with the most, so that none is counted twice."""
        return most_of_a_level(self.all_affected)


@dataclass(frozen=True, slots=True)
class RelatedMeasure:
    """A group of another measure that overlaps with this one.

    Attributes
    ----------
    relationship
        L4M's ``CAUSE_OF_INPUT_ANOMALY_GROUP`` where the other group began earlier, ``EFFECT_OF_INPUT_ANOMALY_GROUP``
        where it began later; ``SAME_TIME`` where both began in the same interval.
    contribution_percentage
        Share, 0 to 100, of this group's deviation over all its intervals that belongs to metrics whose dimension values
        were affected in the other measure in the same interval.
    """

    measure: str
    group_id: str
    relationship: str
    contribution_percentage: float


@dataclass(frozen=True)
class Group:
    """An anomaly group.

    Attributes
    ----------
    group_id
        The same for the same detector, measure and first interval.
    intervals
        Its intervals by time; an interval in which it paused is left out.
    """

    group_id: str
    detector_arn: str
    measure: str
    intervals: tuple[GroupInterval, ...]

    @property
    def start(self) -> datetime:
        """Start of the first interval, UTC."""
        return self.intervals[0].timestamp

    @property
    def end(self) -> datetime:
        """Start of the last interval, UTC."""
        return self.intervals[-1].timestamp

    @cached_property
    def score(self) -> float:
        """Highest score of all intervals."""
        return max(interval.score for interval in self.intervals)

    @cached_property
    def related(self) -> tuple[RelatedMeasure, ...]:
        """Groups of other measures that overlap with it, by descending share."""
        return related_measures(self)

    def until(self, end: datetime) -> Group | None:
        """Return the group with its intervals before `end`; None where there are none."""
        if self.end < end:
            return self
        intervals = tuple(interval for interval in self.intervals if interval.timestamp < end)
        return replace(self, intervals=intervals) if intervals else None


def group_id(detector_arn: str, measure: str, start: datetime) -> str:
    """Return the id of a measure's group that begins at `start`: a UUID."""
    name = json.dumps([detector_arn, measure, start.astimezone(UTC).isoformat()], ensure_ascii=True)
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def interval_of(
    timestamp: datetime,
    affected: Iterable[AffectedMetric],
    observed: int,
    expected_total: float,
    overlaps: tuple[Overlap, ...] = (),
) -> GroupInterval:
    """Return a group interval, computed from all its affected metrics, of which there is at least one."""
    ordered = sorted(affected, key=lambda metric: (-coarse(metric.deviation), metric.dimensions))
    chosen, others = without_overlap(ordered)
    impact = total_deviation(chosen)
    worst = max(metric.severity for metric in ordered)
    return GroupInterval(
        timestamp=timestamp,
        score=group_score(worst, len(chosen), observed, impact, expected_total),
        affected=tuple(chosen),
        contributions=shares_of(part for metric in chosen for part in metric.parts),
        impact=impact,
        observed=observed,
        expected_total=expected_total,
        overlaps=overlaps,
        also_affected=tuple(others),
    )


def without(interval: GroupInterval, time_series_ids: Collection[str]) -> GroupInterval | None:
    """Return the interval without some affected metrics; None where no other is affected."""
    others = [metric for metric in interval.all_affected if metric.time_series_id not in time_series_ids]
    if len(others) == len(interval.all_affected):
        return interval
    if not others:
        return None
    part = interval_of(interval.timestamp, others, interval.observed, interval.expected_total, interval.overlaps)
    return replace(part, causes=interval.causes)


def related_measures(group: Group) -> tuple[RelatedMeasure, ...]:
    """Return the groups of other measures that overlap with a group, by descending share."""
    shared: dict[tuple[str, str, datetime], float] = {}
    for interval in group.intervals:
        for overlap in interval.overlaps:
            key = (overlap.measure, overlap.group_id, overlap.start)
            shared[key] = shared.get(key, 0.0) + overlap.deviation
    total = math.fsum(interval.impact for interval in group.intervals)
    related = []
    for (measure, other, start), deviation in shared.items():
        if start == group.start:
            relationship = "SAME_TIME"
        else:
            relationship = f"{'CAUSE' if start < group.start else 'EFFECT'}_OF_INPUT_ANOMALY_GROUP"
        share = min(100.0 * deviation / total, 100.0) if total > 0 else 100.0
        related.append(RelatedMeasure(measure, other, relationship, round(share, 2)))
    return tuple(sorted(related, key=lambda item: (-item.contribution_percentage, item.measure, item.group_id)))


def open_groups(groups: Iterable[Group], frequency: str, timestamp: datetime) -> tuple[Group, ...]:
    """Return the groups, cut to before `timestamp`, that may continue in the interval that begins then."""
    before = (group.until(timestamp) for group in groups)
    return tuple(
        group for group in before if group is not None and steps(frequency, group.end, timestamp) <= ENDS_AFTER
    )


def steps(frequency: str, earlier: datetime, later: datetime) -> int:
    """Return the number of intervals from one start to another; a day of 23 or 25 hours counts as 1."""
    return round((later - earlier).total_seconds() / FREQUENCIES[frequency].seconds)
