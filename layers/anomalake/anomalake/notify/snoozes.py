"""What people do not want to hear of until a time."""

from __future__ import annotations

from collections.abc import Iterable

from anomalake.groups.anomaly_group import Group, GroupInterval, without
from anomalake.records.snoozes import Snooze


def heard(group: Group, interval: GroupInterval, snoozes: Iterable[Snooze]) -> GroupInterval | None:
    """The interval as though snoozed metrics were not affected; None where nothing is left to tell of."""
    active = [one for one in snoozes if interval.timestamp < one.until]
    if any(one.group_id == group.group_id for one in active if one.group_id is not None):
        return None
    silent = {
        metric.time_series_id
        for metric in interval.affected
        if any(one.covers(group.measure, metric) for one in active)
    }
    return without(interval, silent)
