"""Snoozes: metrics and groups without alerts until a time."""

from __future__ import annotations

from collections.abc import Iterable

from anomalake.groups.anomaly_group import Group, GroupInterval, without
from anomalake.records.snoozes import Snooze


def without_snoozed(group: Group, interval: GroupInterval, snoozes: Iterable[Snooze]) -> GroupInterval | None:
    """The interval without its snoozed metrics; None if all are snoozed."""
    active = [snooze for snooze in snoozes if interval.timestamp < snooze.until]
    if any(snooze.group_id == group.group_id for snooze in active if snooze.group_id is not None):
        return None
    snoozed = {
        metric.time_series_id
        for metric in interval.all_affected
        if any(snooze.covers(group.measure, metric) for snooze in active)
    }
    return without(interval, snoozed)
