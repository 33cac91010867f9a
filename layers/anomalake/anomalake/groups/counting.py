"""When an anomaly group counts: it is alerted, and is a result of a backtest."""

from __future__ import annotations

import numpy as np

from anomalake.definitions.settings import DetectionSettings
from anomalake.groups.anomaly_group import Group, GroupInterval, steps


def counted_intervals(group: Group, settings: DetectionSettings) -> tuple[GroupInterval, ...]:
    """Return the intervals of a group that count: from the one on that completes the minimum duration, none quiet.

    The duration is a number of intervals in a row, quiet ones too; a pause begins it anew. What counts does not depend
    on later intervals, so that live detection and a backtest agree.
    """
    starts = np.array([interval.timestamp.replace(tzinfo=None) for interval in group.intervals], "datetime64[s]")
    is_quiet = settings.is_quiet(starts)
    least = settings.measure(group.measure).minimum_duration
    counted = []
    duration = 0
    for place, interval in enumerate(group.intervals):
        if duration < least:
            before = group.intervals[place - 1] if place else None
            follows = before is not None and steps(settings.frequency, before.timestamp, interval.timestamp) == 1
            duration = duration + 1 if follows else 1
        if duration >= least and not is_quiet[place]:
            counted.append(interval)
    return tuple(counted)
