"""Alert rules: which groups are sent, and when they are sent again (docs/alerts.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from anomalake.definitions.detector import AlertRule
from anomalake.definitions.settings import NO_SETTINGS, DetectionSettings
from anomalake.groups.anomaly_group import AffectedMetric, Group, GroupInterval
from anomalake.groups.counting import counted_intervals
from anomalake.notify.snoozes import without_snoozed
from anomalake.records.deliveries import SentAlert
from anomalake.records.snoozes import Snooze

#: A score has grown if it is higher by this, or, above 80, by half of the difference to 100.
GROWN_BY = 10.0
#: An impact or a number of affected metrics has grown if it is this many times as large.
GROWN_TIMES = 2


@dataclass(frozen=True, slots=True)
class Due:
    """A due alert: one group interval, without snoozed metrics."""

    group: Group
    interval: GroupInterval


def alerts_due(
    groups: Iterable[Group],
    rule: AlertRule,
    sent: Mapping[str, Iterable[SentAlert]],
    snoozes: Iterable[Snooze] = (),
    *,
    since: datetime | None = None,
    settings: DetectionSettings = NO_SETTINGS,
) -> tuple[Due, ...]:
    """Return the alerts that are due under a rule, by time.

    The result depends only on the groups, the rule and the ledger. An alert that was delivered before is due again, so
    that a repeated run gives the same result; `deliver` recognises it.

    Parameters
    ----------
    sent
        Delivered alerts of this rule by group id (`Ledger.sent`).
    snoozes
        Snoozed metrics and groups.
    since
        Earlier intervals are ignored; other runs handle them.
    settings
        Settings of the detector: which intervals of a group count.
    """
    snoozed = tuple(snoozes)
    due = [
        item
        for group in groups
        if passes_measure(group, rule)
        for item in _due(group, rule, sent, snoozed, since, settings)
    ]
    return tuple(sorted(due, key=lambda entry: (entry.interval.timestamp, entry.group.measure, entry.group.group_id)))


def alerts_due_in_lake(
    groups: Iterable[Group],
    rule: AlertRule,
    sent: Mapping[str, Iterable[SentAlert]],
    snoozes: Iterable[Snooze] = (),
    *,
    since: datetime,
    settings: DetectionSettings = NO_SETTINGS,
) -> tuple[Due, ...]:
    """Return the alerts of a lake that are due under a rule, by time.

    A lake has the alerts that the results of all intervals of a group call for, whatever was sent when these were
    others. Only where no alert about an earlier interval was delivered, an interval alerts as if it were the first.

    Parameters
    ----------
    sent, snoozes, since, settings
        As in `alerts_due`.
    """
    groups, snoozed = tuple(groups), tuple(snoozes)
    due = {
        (item.group.group_id, item.interval.timestamp): item
        for item in alerts_due(groups, rule, {}, snoozed, settings=settings)
    }
    for group in groups:
        earlier = {interval.timestamp for interval in group.intervals if interval.timestamp < since}
        if not earlier.intersection(alert.timestamp for alert in sent.get(group.group_id, ())):
            due |= {
                (group.group_id, item.interval.timestamp): item
                for item in alerts_due([group], rule, {}, snoozed, since=since, settings=settings)
            }
    wanted = [item for item in due.values() if item.interval.timestamp >= since]
    return tuple(sorted(wanted, key=lambda item: (item.interval.timestamp, item.group.measure, item.group.group_id)))


def _due(
    group: Group,
    rule: AlertRule,
    sent: Mapping[str, Iterable[SentAlert]],
    snoozes: tuple[Snooze, ...],
    since: datetime | None,
    settings: DetectionSettings,
) -> list[Due]:
    alerted = list(sent.get(group.group_id, ()))
    delivered = {item.timestamp for item in alerted}
    due = []
    for whole in counted_intervals(group, settings):
        if since is not None and whole.timestamp < since:
            continue
        interval = without_snoozed(group, whole, snoozes)
        if interval is None or not passes(interval, rule):
            continue
        if interval.timestamp in delivered or has_grown(interval, alerted):
            due.append(Due(group, interval))
            alerted.append(SentAlert.of(interval))
    return due


def passes_measure(group: Group, rule: AlertRule) -> bool:
    """Whether a rule applies to a group's measure; a rule without measures applies to all."""
    return not rule.measures or group.measure in rule.measures


def passes(interval: GroupInterval, rule: AlertRule) -> bool:
    """Whether a group interval reaches a rule's threshold and passes its other filters."""
    return (
        interval.score >= rule.threshold
        and interval.impact >= rule.minimum_impact
        and any(_matches(metric, rule) for metric in interval.all_affected)
    )


def is_alerted(group: Group, rules: Iterable[AlertRule], settings: DetectionSettings = NO_SETTINGS) -> bool:
    """Whether an interval of a group that counts passes one of some rules."""
    counted = counted_intervals(group, settings)
    return any(passes_measure(group, rule) and any(passes(interval, rule) for interval in counted) for rule in rules)


def _matches(metric: AffectedMetric, rule: AlertRule) -> bool:
    """Whether a metric has one of the values of each dimension filter."""
    values = dict(metric.dimensions)
    return all(
        values.get(dimension_filter.name) in dimension_filter.values for dimension_filter in rule.dimension_filters
    )


def has_grown(interval: GroupInterval, alerted: Iterable[SentAlert]) -> bool:
    """Whether a group is worse than in all alerts so far, by its score, its impact or its number of metrics.

    True if there was no alert.
    """
    before = list(alerted)
    if not before:
        return True
    score = max(item.score for item in before)
    return (
        interval.score >= score + min(GROWN_BY, (100 - score) / 2)
        or (interval.impact > 0 and interval.impact >= GROWN_TIMES * max(entry.impact for entry in before))
        or GROWN_TIMES * max(element.affected for element in before) <= interval.breadth
    )
