"""Root causes of a group in a lake."""

from __future__ import annotations

from typing import Any

from anomalake.alerts import Cause
from anomalake.causes.texts import describe
from anomalake.groups.anomaly_group import Group, GroupInterval


def fields_of(group: Group) -> list[dict[str, Any]]:
    """Return the causes of a group as fields for JSON, in the order of the intervals."""
    return [
        {
            "detector_arn": group.detector_arn,
            "anomaly_group_id": group.group_id,
            "timestamp": _instant(interval),
            "metric_name": group.measure,
            "rank": rank,
            "dimensions": dict(cause.dimensions),
            "share_off": cause.share_off,
            "explained": cause.explained,
            "gain": cause.gain,
            "text": describe(cause),
        }
        for interval in group.intervals
        for rank, cause in enumerate(interval.causes, 1)
    ]


def lines_of(group: Group) -> list[str]:
    """Return the causes of a group as lines of text; one line where it has none."""
    lines = [_line(group, interval, cause) for interval in group.intervals for cause in interval.causes]
    return lines or [f"{_instant(group.intervals[0])} {group.measure}: no combination of dimension values explains it"]


def _line(group: Group, interval: GroupInterval, cause: Cause) -> str:
    return f"{_instant(interval)} {group.measure}: {describe(cause)}"


def _instant(interval: GroupInterval) -> str:
    return interval.timestamp.isoformat().replace("+00:00", "Z")
