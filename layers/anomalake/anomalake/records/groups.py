"""Anomaly groups, in the field names of L4M's API where it has them.

An object holds a group's part in one interval, so that no run rewrites another's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from anomalake.alerts import Cause, Contribution
from anomalake.groups.anomaly_group import AffectedMetric, Group, GroupInterval, Overlap
from anomalake.records.errors import RecordError
from anomalake.records.keys import detector_folder, key_pattern, match_key, parse_stamp, stamp
from anomalake.storage.store import ObjectNotFound, ObjectStore

#: Groups that are read at a time.
READERS = 8
# Parts up to which they are read one after another.
_FEW = 4

_KEY = key_pattern(r"groups/(?P<group>[^/]+)/{stamp}\.json")


@dataclass(frozen=True, slots=True)
class GroupKey:
    """Parts of the key of a group's part."""

    detector: str
    group_id: str
    start: datetime


def groups_folder(detector: str) -> str:
    """Return the folder of a detector's groups."""
    return f"{detector_folder(detector)}/groups"


def group_key(detector: str, group_id: str, start: datetime) -> str:
    """Return the key of a group's part in the interval that begins at `start`."""
    return f"{groups_folder(detector)}/{group_id}/{stamp(start)}.json"


def parse_group_key(key: str) -> GroupKey | None:
    """Inverse of `group_key`; None for any other key."""
    stamped = match_key(_KEY, key)
    return GroupKey(stamped.match["detector"], stamped.match["group"], stamped.start) if stamped is not None else None


def to_json(group: Group) -> bytes:
    """Write a group as JSON; equal bytes for equal groups."""
    record = {
        "AnomalyGroupId": group.group_id,
        "AnomalyDetectorArn": group.detector_arn,
        "PrimaryMetricName": group.measure,
        "StartTime": _format_instant(group.start),
        "EndTime": _format_instant(group.end),
        "AnomalyGroupScore": group.score,
        "InterMetricImpactList": [
            {
                "MetricName": related.measure,
                "AnomalyGroupId": related.group_id,
                "RelationshipType": related.relationship,
                "ContributionPercentage": related.contribution_percentage,
            }
            for related in group.related
        ],
        "Intervals": [_interval_fields(interval) for interval in group.intervals],
    }
    return json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def beginning_of(group_id: str) -> bytes:
    """Return the bytes that a group's JSON begins with, and that of no other group."""
    return f'{{"AnomalyGroupId":{json.dumps(group_id)},'.encode("ascii")


def from_json(body: str | bytes, place: str = "group") -> Group:
    """Inverse of `to_json`; raises `RecordError`, which names `place`."""
    try:
        record = json.loads(body)
        intervals = tuple(_interval(fields) for fields in record["Intervals"])
        group = Group(
            _text(record["AnomalyGroupId"]),
            _text(record["AnomalyDetectorArn"]),
            _text(record["PrimaryMetricName"]),
            intervals,
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise RecordError(
            f"{place}: {type(error).__name__}: {str(error)[:120]!r}: expected the record of an anomaly group"
        ) from error
    starts = [interval.timestamp for interval in intervals]
    if not starts or starts != sorted(set(starts)):
        raise RecordError(f"{place}: Intervals: {len(starts)} intervals: expected one or more, in order of time")
    return group


def write_group(store: ObjectStore, detector: str, group: Group, start: datetime) -> None:
    """Write a group's part in one interval, or delete it where the group has none; raises `StoreError`."""
    part = tuple(interval for interval in group.intervals if interval.timestamp == start)
    if part:
        store.put(group_key(detector, group.group_id, start), to_json(replace(group, intervals=part)))
    else:
        delete_group(store, detector, group.group_id, start)


def delete_group(store: ObjectStore, detector: str, group_id: str, start: datetime) -> None:
    """Delete a group's part in one interval, if there is one; raises `StoreError`."""
    store.delete([group_key(detector, group_id, start)])


def group_ids(store: ObjectStore, detector: str) -> list[str]:
    """List the ids of a detector's groups; raises `StoreError`."""
    prefix = len(groups_folder(detector)) + 1
    return sorted({entry.key[prefix:].split("/", 1)[0] for entry in store.list(groups_folder(detector))})


def read_group(store: ObjectStore, detector: str, group_id: str, before: datetime | None = None) -> Group | None:
    """Read a group.

    Parameters
    ----------
    before
        Leave out intervals from this time on.

    Returns
    -------
    None where the group has no such interval.

    Raises
    ------
    RecordError
        A part is invalid.
    StoreError
    """
    keys = [
        key
        for key in sorted(entry.key for entry in store.list(f"{groups_folder(detector)}/{group_id}"))
        if before is None or parse_stamp(key.rsplit("/", 1)[1].removesuffix(".json")) < before
    ]
    parts = []
    for part in read_parts(store, keys):
        if isinstance(part, RecordError):
            raise part
        if part is not None:
            parts.append(part)
    if not parts:
        return None
    return replace(parts[0], intervals=tuple(interval for part in parts for interval in part.intervals))


def read_parts(store: ObjectStore, keys: Sequence[str]) -> list[Group | RecordError | None]:
    """Read parts of groups by their keys, many of them in parallel: None where there is none; raises `StoreError`."""

    def read(key: str) -> Group | RecordError | None:
        try:
            return from_json(store.get(key), f"{store.uri}/{key}")
        except ObjectNotFound:
            return None
        except RecordError as error:
            return error

    if len(keys) <= _FEW:
        return [read(key) for key in keys]
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(read, keys))


def read_groups(
    store: ObjectStore, detector: str, ids: Iterable[str], before: datetime | None = None
) -> tuple[list[Group], list[str]]:
    """Read groups by their ids, in parallel.

    Parameters
    ----------
    before
        Leave out intervals from this time on.

    Returns
    -------
    The groups that have such an interval, and a line for each that cannot be read. Raises `StoreError`.
    """

    def read(group_id: str) -> Group | RecordError | None:
        try:
            return read_group(store, detector, group_id, before)
        except RecordError as error:
            return error

    with ThreadPoolExecutor(READERS) as pool:
        results = list(pool.map(read, ids))
    groups = [result for result in results if isinstance(result, Group)]
    return groups, [str(result) for result in results if isinstance(result, RecordError)]


def _interval_fields(interval: GroupInterval) -> dict[str, Any]:
    return {
        "Timestamp": _format_instant(interval.timestamp),
        "Score": interval.score,
        "Impact": interval.impact,
        "Observed": interval.observed,
        "ExpectedTotal": interval.expected_total,
        "Affected": [_affected_fields(metric) for metric in interval.affected],
        "Contributions": [
            [share.dimension_name, share.dimension_value, share.value_contribution] for share in interval.contributions
        ],
        "Overlaps": [
            [overlap.group_id, overlap.measure, _format_instant(overlap.start), overlap.deviation]
            for overlap in interval.overlaps
        ],
        **(
            {"AlsoAffected": [_affected_fields(metric) for metric in interval.also_affected]}
            if interval.also_affected
            else {}
        ),
        # Records of earlier versions have no causes.
        **({"Causes": [_cause_fields(cause) for cause in interval.causes]} if interval.causes else {}),
    }


def _affected_fields(metric: AffectedMetric) -> dict[str, Any]:
    return {
        "TimeSeriesId": metric.time_series_id,
        "Dimensions": [list(pair) for pair in metric.dimensions],
        "Value": metric.value,
        "Expected": metric.expected,
        "Lower": metric.lower,
        "Upper": metric.upper,
        "Severity": metric.severity,
        **({"Missing": True} if metric.is_missing else {}),
        **({"RollUp": True, "Below": [list(part) for part in metric.below]} if metric.roll_up else {}),
    }


def _cause_fields(cause: Cause) -> dict[str, Any]:
    return {
        "Dimensions": [list(pair) for pair in cause.dimensions],
        "ShareOff": cause.share_off,
        "Explained": cause.explained,
        "Gain": cause.gain,
    }


def _interval(fields: dict[str, Any]) -> GroupInterval:
    affected = tuple(_affected(metric) for metric in fields["Affected"])
    if not affected:
        raise ValueError("no affected metric")
    return GroupInterval(
        timestamp=_instant(fields["Timestamp"]),
        score=_number(fields["Score"]),
        affected=affected,
        contributions=tuple(
            Contribution(_text(name), _text(value), int(_number(share)))
            for name, value, share in fields["Contributions"]
        ),
        impact=_number(fields["Impact"]),
        observed=int(_number(fields["Observed"])),
        expected_total=_number(fields["ExpectedTotal"]),
        overlaps=tuple(
            Overlap(_text(group_id), _text(measure), _instant(start), _number(deviation))
            for group_id, measure, start, deviation in fields["Overlaps"]
        ),
        also_affected=tuple(_affected(metric) for metric in fields.get("AlsoAffected", ())),
        causes=tuple(_cause(cause) for cause in fields.get("Causes", ())),
    )


def _affected(metric: dict[str, Any]) -> AffectedMetric:
    return AffectedMetric(
        _text(metric["TimeSeriesId"]),
        tuple((_text(name), _text(value)) for name, value in metric["Dimensions"]),
        _number(metric["Value"]),
        _number(metric["Expected"]),
        None if metric["Lower"] is None else _number(metric["Lower"]),
        None if metric["Upper"] is None else _number(metric["Upper"]),
        _number(metric["Severity"]),
        metric.get("RollUp") is True,
        tuple((_text(name), _text(value), _number(amount)) for name, value, amount in metric.get("Below", ())),
        metric.get("Missing") is True,
    )


def _cause(fields: dict[str, Any]) -> Cause:
    return Cause(
        tuple((_text(name), _text(value)) for name, value in fields["Dimensions"]),
        None if fields["ShareOff"] is None else _number(fields["ShareOff"]),
        _number(fields["Explained"]),
        _number(fields["Gain"]),
    )


def _format_instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _text(value: object) -> str:
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
