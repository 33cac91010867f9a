"""Anomaly groups as records of a lake, in the names of L4M's API where it has them."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

from anomalake.alerts import Contribution
from anomalake.errors import AnomalakeError
from anomalake.groups.anomaly_group import AffectedMetric, Group, GroupInterval, Overlap


class GroupRecordError(AnomalakeError, ValueError):
    """A text that is no record of a group."""


def to_record(group: Group) -> bytes:
    """A group as JSON; the same bytes for the same group."""
    record = {
        "AnomalyGroupId": group.group_id,
        "AnomalyDetectorArn": group.detector_arn,
        "PrimaryMetricName": group.measure,
        "StartTime": _text(group.start),
        "EndTime": _text(group.end),
        "AnomalyGroupScore": group.score,
        "InterMetricImpactList": [
            {
                "MetricName": one.measure,
                "AnomalyGroupId": one.group_id,
                "RelationshipType": one.relationship,
                "ContributionPercentage": one.contribution_percentage,
            }
            for one in group.related
        ],
        "Intervals": [_interval(interval) for interval in group.intervals],
    }
    return json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def from_record(text: str | bytes, place: str = "group record") -> Group:
    """Read a group back, equal to what was written.

    Raises
    ------
    GroupRecordError
        The text is no such record; `place` says which.
    """
    try:
        record = json.loads(text)
        intervals = tuple(_read_interval(one) for one in record["Intervals"])
        made = Group(
            _is(record["AnomalyGroupId"]),
            _is(record["AnomalyDetectorArn"]),
            _is(record["PrimaryMetricName"]),
            intervals,
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise GroupRecordError(
            f"{place}: {type(error).__name__}: {str(error)[:120]!r}: expected the record of an anomaly group"
        ) from error
    stamps = [interval.timestamp for interval in intervals]
    if not stamps or stamps != sorted(set(stamps)):
        raise GroupRecordError(f"{place}: Intervals: {len(stamps)} intervals: expected one or more, in order of time")
    return made


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _interval(interval: GroupInterval) -> dict[str, Any]:
    return {
        "Timestamp": _text(interval.timestamp),
        "Score": interval.score,
        "Impact": interval.impact,
        "Observed": interval.observed,
        "ExpectedTotal": interval.expected_total,
        "Affected": [
            {
                "TimeSeriesId": one.time_series_id,
                "Dimensions": [list(pair) for pair in one.dimensions],
                "Value": one.value,
                "Expected": one.expected,
                "Lower": one.lower,
                "Upper": one.upper,
                "Severity": one.severity,
            }
            for one in interval.affected
        ],
        "Contributions": [
            [one.dimension_name, one.dimension_value, one.value_contribution] for one in interval.contributions
        ],
        "Overlaps": [[one.group_id, one.measure, _text(one.start), one.deviation] for one in interval.overlaps],
    }


def _read_interval(record: dict[str, Any]) -> GroupInterval:
    affected = tuple(
        AffectedMetric(
            _is(one["TimeSeriesId"]),
            tuple((_is(name), _is(value)) for name, value in one["Dimensions"]),
            _number(one["Value"]),
            _number(one["Expected"]),
            None if one["Lower"] is None else _number(one["Lower"]),
            None if one["Upper"] is None else _number(one["Upper"]),
            _number(one["Severity"]),
        )
        for one in record["Affected"]
    )
    if not affected:
        raise ValueError("no affected metric")
    return GroupInterval(
        timestamp=_instant(record["Timestamp"]),
        score=_number(record["Score"]),
        affected=affected,
        contributions=tuple(
            Contribution(_is(n), _is(v), int(_number(share))) for n, v, share in record["Contributions"]
        ),
        impact=_number(record["Impact"]),
        observed=int(_number(record["Observed"])),
        expected_total=_number(record["ExpectedTotal"]),
        overlaps=tuple(
            Overlap(_is(other), _is(measure), _instant(start), _number(deviation))
            for other, measure, start, deviation in record["Overlaps"]
        ),
    )


def _is(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no finite number")
    return float(value)


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return instant.astimezone(UTC)
