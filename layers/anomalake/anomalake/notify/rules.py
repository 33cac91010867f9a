"""Which groups an alert sends, and when again (docs/alerts.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from anomalake.definitions.detector import AlertRule
from anomalake.groups.anomaly_group import AffectedMetric, Group, GroupInterval
from anomalake.notify.snoozes import without_snoozed
from anomalake.records.deliveries import SentAlert
from anomalake.records.snoozes import Snooze

#: A score that is so much higher has grown; above 80, one that is half of the way to 100.
GROWN_BY = 10.0
#: An impact, or a number of affected metrics, that is so many times as large has grown.
GROWN_TIMES = 2


@dataclass(frozen=True, slots=True)
class Due:
    """An alert to send: one interval of one group, without what is snoozed."""

    group: Group
    interval: GroupInterval


def alerts_due(
    groups: Iterable[Group],
    rule: AlertRule,
    sent: Mapping[str, Iterable[SentAlert]],
    snoozes: Iterable[Snooze] = (),
    *,
    since: datetime | None = None,
) -> tuple[Due, ...]:
    """The alerts that a rule has to send about groups, by time.

    A pure function: the same groups, rule and ledger give the same alerts. One that was delivered before is due again,
    so that a run again gives the same; `deliver` knows that it was.

    Parameters
    ----------
    sent
        What was delivered under this rule, by group id (`Ledger.sent`).
    snoozes
        Metrics and groups to be silent about.
    since
        Intervals before it are passed over: they are other runs' business.
    """
    snoozed = tuple(snoozes)
    due = [item for group in groups if passes_measure(group, rule) for item in _due(group, rule, sent, snoozed, since)]
    return tuple(sorted(due, key=lambda entry: (entry.interval.timestamp, entry.group.measure, entry.group.group_id)))


def _due(
    group: Group,
    rule: AlertRule,
    sent: Mapping[str, Iterable[SentAlert]],
    snoozes: tuple[Snooze, ...],
    since: datetime | None,
) -> list[Due]:
    told = list(sent.get(group.group_id, ()))
    delivered = {item.timestamp for item in told}
    due = []
    for whole in group.intervals:
        if since is not None and whole.timestamp < since:
            continue
        interval = without_snoozed(group, whole, snoozes)
        if interval is None or not passes(interval, rule):
            continue
        if interval.timestamp in delivered or has_grown(interval, told):
            due.append(Due(group, interval))
            told.append(SentAlert.of(interval))
    return due


def passes_measure(group: Group, rule: AlertRule) -> bool:
    """Whether a rule is about a group's measure; one that names no measures is about all."""
    return not rule.measures or group.measure in rule.measures


def passes(interval: GroupInterval, rule: AlertRule) -> bool:
    """Whether a group in one interval reaches a rule's threshold and passes its other filters."""
    return (
        interval.score >= rule.threshold
        and interval.impact >= rule.minimum_impact
        and any(_matches(metric, rule) for metric in interval.affected)
    )


def _matches(metric: AffectedMetric, rule: AlertRule) -> bool:
    """One of the values for each dimension that the rule filters by."""
    values = dict(metric.dimensions)
    return all(
        values.get(dimension_filter.name) in dimension_filter.values for dimension_filter in rule.dimension_filters
    )


def has_grown(interval: GroupInterval, told: Iterable[SentAlert]) -> bool:
    """Whether a group is worse than at any time it was told of: its score, its impact or the number of its metrics.

    True where nothing was told.
    """
    before = list(told)
    if not before:
        return True
    score = max(item.score for item in before)
    return (
        interval.score >= score + min(GROWN_BY, (100 - score) / 2)
        or 0 < GROWN_TIMES * max(entry.impact for entry in before) <= interval.impact
        or GROWN_TIMES * max(element.affected for element in before) <= len(interval.affected)
    )
