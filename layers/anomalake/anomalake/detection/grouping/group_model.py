"""Anomaly groups: the metrics of one measure that were unexpected in the same intervals (docs/alerts.md)."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

from anomalake.alerts import Contribution
from anomalake.detection.grouping.contributions import Dimensions, coarse, contributions
from anomalake.detection.grouping.group_score import group_score

#: So many intervals without an affected metric of its own end a group: it may pause for one.
ENDS_AFTER = 2

_SECONDS = {"PT5M": 300, "PT10M": 600, "PT1H": 3600, "P1D": 86_400}


@dataclass(frozen=True, slots=True)
class AffectedMetric:
    """A metric that was unexpected in one interval.

    Attributes
    ----------
    time_series_id
        As `detection.metrics.time_series_id` makes it.
    dimensions
        Pairs of name and value; those that it lacks are left out.
    value, expected, lower, upper
        What was observed, what was expected, and the range within which it would not have been an anomaly (None where
        that side is open), in the measure's unit.
    severity
        0 to 100.
    """

    time_series_id: str
    dimensions: Dimensions
    value: float
    expected: float
    lower: float | None
    upper: float | None
    severity: float

    @property
    def deviation(self) -> float:
        """How far the value is from what was expected, either way."""
        return abs(self.value - self.expected)


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a group shares with another measure's group in one interval.

    Attributes
    ----------
    group_id, measure, start
        The other group.
    deviation
        Deviation of those of this group's metrics whose dimension values are affected in the other measure too.
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
        The affected metrics, those that deviate most (to six digits) first; of equal ones, by dimensions.
    contributions
        Shares of dimension values in the deviation, in whole per cent adding up to 100 a dimension.
    impact
        Deviation of all affected metrics together, each taken as positive, in the measure's unit.
    observed
        How many metrics of the measure were observed in the interval, affected or not.
    expected_total
        What was expected of them together, each taken as positive.
    overlaps
        What it shares with the groups of other measures.
    """

    timestamp: datetime
    score: float
    affected: tuple[AffectedMetric, ...]
    contributions: tuple[Contribution, ...]
    impact: float
    observed: int
    expected_total: float
    overlaps: tuple[Overlap, ...] = ()


@dataclass(frozen=True, slots=True)
class RelatedMeasure:
    """A group of another measure that moved together with this one.

    Attributes
    ----------
    relationship
        L4M's ``CAUSE_OF_INPUT_ANOMALY_GROUP`` where the other group began earlier, ``EFFECT_OF_INPUT_ANOMALY_GROUP``
        where it began later; ``SAME_TIME`` where both began in one interval.
    contribution_percentage
        Share of this group's deviation, over all its intervals, that lies in metrics whose dimension values were
        affected in the other measure in the same interval; 0 to 100.
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
        In order of time; an interval in which it paused is left out.
    """

    group_id: str
    detector_arn: str
    measure: str
    intervals: tuple[GroupInterval, ...]

    @property
    def start(self) -> datetime:
        """Start of its first interval, UTC."""
        return self.intervals[0].timestamp

    @property
    def end(self) -> datetime:
        """Start of its last interval, UTC."""
        return self.intervals[-1].timestamp

    @cached_property
    def score(self) -> float:
        """Its highest score in any interval."""
        return max(interval.score for interval in self.intervals)

    @cached_property
    def related(self) -> tuple[RelatedMeasure, ...]:
        """Groups of other measures, those that share most first."""
        return related_measures(self)

    def until(self, end: datetime) -> Group | None:
        """The group as it was before `end`; None where it had not begun."""
        if self.end < end:
            return self
        kept = tuple(interval for interval in self.intervals if interval.timestamp < end)
        return replace(self, intervals=kept) if kept else None


def group_id(detector_arn: str, measure: str, start: datetime) -> str:
    """Id of the group of a measure that begins in one interval: a UUID."""
    named = json.dumps([detector_arn, measure, start.astimezone(UTC).isoformat()], ensure_ascii=True)
    return str(uuid.uuid5(uuid.NAMESPACE_URL, named))


def interval_of(
    timestamp: datetime,
    affected: Iterable[AffectedMetric],
    observed: int,
    expected_total: float,
    overlaps: tuple[Overlap, ...] = (),
) -> GroupInterval:
    """A group's interval with all that follows from its affected metrics, of which there is at least one."""
    ordered = tuple(sorted(affected, key=lambda one: (-coarse(one.deviation), one.dimensions)))
    # Correctly rounded, so that the order of the metrics means nothing.
    impact = math.fsum(one.deviation for one in ordered)
    worst = max(one.severity for one in ordered)
    return GroupInterval(
        timestamp=timestamp,
        score=group_score(worst, len(ordered), observed, impact, expected_total),
        affected=ordered,
        contributions=contributions([(one.dimensions, one.deviation) for one in ordered]),
        impact=impact,
        observed=observed,
        expected_total=expected_total,
        overlaps=overlaps,
    )


def without(interval: GroupInterval, time_series_ids: Collection[str]) -> GroupInterval | None:
    """The interval as though these metrics were not affected; None where no other is."""
    kept = [one for one in interval.affected if one.time_series_id not in time_series_ids]
    if len(kept) == len(interval.affected):
        return interval
    if not kept:
        return None
    return interval_of(interval.timestamp, kept, interval.observed, interval.expected_total, interval.overlaps)


def related_measures(group: Group) -> tuple[RelatedMeasure, ...]:
    """The groups of other measures that a group shares metrics and intervals with."""
    shared: dict[tuple[str, str, datetime], float] = {}
    for interval in group.intervals:
        for one in interval.overlaps:
            key = (one.measure, one.group_id, one.start)
            shared[key] = shared.get(key, 0.0) + one.deviation
    total = math.fsum(interval.impact for interval in group.intervals)
    made = []
    for (measure, other, start), deviation in shared.items():
        if start == group.start:
            relationship = "SAME_TIME"
        else:
            relationship = f"{'CAUSE' if start < group.start else 'EFFECT'}_OF_INPUT_ANOMALY_GROUP"
        share = min(100.0 * deviation / total, 100.0) if total > 0 else 100.0
        made.append(RelatedMeasure(measure, other, relationship, round(share, 2)))
    return tuple(sorted(made, key=lambda one: (-one.contribution_percentage, one.measure, one.group_id)))


def open_groups(groups: Iterable[Group], frequency: str, timestamp: datetime) -> tuple[Group, ...]:
    """Those of the groups, as of before `timestamp`, that may go on in the interval that begins then."""
    before = (group.until(timestamp) for group in groups)
    return tuple(one for one in before if one is not None and steps(frequency, one.end, timestamp) <= ENDS_AFTER)


def steps(frequency: str, earlier: datetime, later: datetime) -> int:
    """Number of intervals from one start to another; a day of 23 or 25 hours is one."""
    return round((later - earlier).total_seconds() / _SECONDS[frequency])
