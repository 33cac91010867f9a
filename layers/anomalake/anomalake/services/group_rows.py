"""Anomaly groups as rows of a result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from anomalake.definitions.detector import AlertRule
from anomalake.definitions.settings import NO_SETTINGS, DetectionSettings
from anomalake.groups.anomaly_group import Group
from anomalake.notify.rules import is_alerted


@dataclass(frozen=True, slots=True)
class GroupRow:
    """An anomaly group.

    Attributes
    ----------
    group
        Its id.
    measure, start, end
        Measure, and starts of its first and its last interval (UTC).
    score
        Highest score of all intervals, 0 to 100.
    alerted
        Whether one of its intervals passes an alert rule.
    metrics
        Number of metrics that were anomalous in one interval or more.
    """

    group: str
    measure: str
    start: datetime
    end: datetime
    score: float
    alerted: bool
    metrics: int


def group_rows(
    groups: Iterable[Group], rules: Sequence[AlertRule], settings: DetectionSettings = NO_SETTINGS
) -> list[GroupRow]:
    """Return a row for each group, in the same order."""
    return [
        GroupRow(
            group=group.group_id,
            measure=group.measure,
            start=group.start,
            end=group.end,
            score=group.score,
            alerted=is_alerted(group, rules, settings),
            metrics=len({metric.time_series_id for interval in group.intervals for metric in interval.affected}),
        )
        for group in groups
    ]
