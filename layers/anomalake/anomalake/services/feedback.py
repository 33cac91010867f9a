"""What people say of anomalies: feedback, snoozes and comments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from anomalake.definitions.metric_set_fields import metric_set_from_fields
from anomalake.errors import AnomalakeError
from anomalake.groups.grouping import Group
from anomalake.records.backtests import read_backtest_group
from anomalake.records.comments import Comment, comment_key, write_comment
from anomalake.records.feedback import Feedback, delete_feedback, read_feedback, write_feedback
from anomalake.records.groups import group_ids, read_group
from anomalake.records.intervals import Point, find_interval, points_of
from anomalake.records.metric_sets import metric_set_keys
from anomalake.records.snoozes import Snooze, snooze_key_of, write_snooze
from anomalake.storage.store import ObjectStore


class UnknownAnomalyError(AnomalakeError, ValueError):
    """A detector, group or metric that is not in the lake."""


def give_feedback(
    store: ObjectStore,
    *,
    detector: str | None,
    group_id: str | None,
    series_id: str | None,
    at: datetime | None,
    is_anomaly: bool,
    now: datetime,
    by: str = "",
) -> list[Feedback]:
    """Record whether a metric, or each affected metric of a group, was an anomaly.

    Parameters
    ----------
    detector
        Name of the detector. None: the only one of the lake, or the one with the group.
    group_id, series_id
        The group, the metric, or both: that metric of that group.
    at
        Start of the interval. None: all intervals of the group.
    by
        Name of the person.

    Raises
    ------
    UnknownAnomalyError
        There is no such group, or the interval has no judgement of the metric.
    StoreError
    """
    if group_id is None and (series_id is None or at is None):
        raise UnknownAnomalyError("feedback: expected a group, or a metric and the start of its interval")
    name, group = _find(store, detector, group_id)
    arn = group.detector_arn if group is not None else _arn(store, name)
    recorded = []
    for start, ids in _intervals(group, series_id, at):
        for point in _points(store, name, arn, group, start, ids):
            direction = 1 if point.value >= point.expected else -1
            feedback = Feedback(
                arn, point.time_series_id, point.measure, point.dimensions, start, is_anomaly, direction,
                min(point.severity, 99.99), now, group_id, by,
            )  # fmt: skip
            write_feedback(store, name, feedback)
            recorded.append(feedback)
    if not recorded:
        where = f" in the interval from {at.isoformat()}" if at is not None else ""
        raise UnknownAnomalyError(f"detector {name}: no judgement of {series_id or group_id}{where}")
    return recorded


def line_of(feedback: Feedback) -> str:
    """Feedback as one line of text."""
    dimensions = ", ".join(f"{name} {value}" for name, value in feedback.dimensions)
    verdict = "an anomaly" if feedback.is_anomaly else "no anomaly"
    return f"{feedback.timestamp.isoformat()} {feedback.measure} {dimensions}: {verdict}"


def line_of_snooze(snooze: Snooze) -> str:
    """A snooze as one line of text."""
    return f"no alerts until {snooze.until.isoformat()}"


def snooze(store: ObjectStore, detector: str, wanted: Snooze) -> str:
    """Write a snooze and return its key; raises `UnknownAnomalyError` for an unknown detector."""
    if detector not in metric_set_keys(store) and not group_ids(store, detector):
        raise UnknownAnomalyError(_unknown(detector, sorted(metric_set_keys(store))))
    return write_snooze(store, detector, wanted)


def undo_feedback(store: ObjectStore, detector: str, group_id: str) -> list[Feedback]:
    """Delete the latest feedback on a group, so that what was there before counts again; return it.

    Raises
    ------
    UnknownAnomalyError
        There is no feedback on that group.
    StoreError
    """
    recorded, _ = read_feedback(store, detector)
    of_group = [record for record in recorded if record.anomaly_group_id == group_id]
    latest = max((record.given_at for record in of_group), default=None)
    undone = [record for record in of_group if record.given_at == latest]
    if not undone:
        raise UnknownAnomalyError(f"anomaly group {group_id!r}: has no feedback that can be undone")
    delete_feedback(store, detector, undone)
    return undone


def undo_snooze(store: ObjectStore, detector: str, id_: str) -> None:
    """Delete a snooze, whether or not it is there; raises `StoreError`."""
    store.delete([snooze_key_of(detector, id_)])


def comment(
    store: ObjectStore, *, detector: str, group_id: str, text: str, acknowledged: bool, now: datetime, by: str = ""
) -> Comment:
    """Record a comment on a group; raises `UnknownAnomalyError`, `RecordInputError`, `StoreError`."""
    _, group = _find(store, detector, group_id)
    assert group is not None
    wanted = Comment(group.detector_arn, group_id, text, acknowledged, now, by)
    write_comment(store, detector, wanted)
    return wanted


def undo_comment(store: ObjectStore, detector: str, group_id: str, id_: str) -> None:
    """Delete a comment, whether or not it is there; raises `StoreError`."""
    store.delete([comment_key(detector, group_id, id_)])


def _find(store: ObjectStore, detector: str | None, group_id: str | None) -> tuple[str, Group | None]:
    """Find the detector, and the group if its id is given."""
    known = [detector] if detector is not None else sorted(metric_set_keys(store))
    if group_id is None:
        if len(known) != 1:
            raise UnknownAnomalyError(f"feedback: the lake has {len(known)} detectors; expected the name of one")
        return known[0], None
    return _find_group(store, known, group_id)


def find_group(store: ObjectStore, detector: str | None, group_id: str) -> Group:
    """Find a group by its id, live or of a backtest.

    Parameters
    ----------
    detector
        Name of the detector. None: the one with the group.

    Raises
    ------
    UnknownAnomalyError
        There is no such group.
    RecordError, StoreError
    """
    known = [detector] if detector is not None else sorted(metric_set_keys(store))
    return _find_group(store, known, group_id)[1]


def _find_group(store: ObjectStore, known: Sequence[str], group_id: str) -> tuple[str, Group]:
    for name in known:
        group = read_group(store, name, group_id) or read_backtest_group(store, name, group_id)
        if group is not None:
            return name, group
    raise UnknownAnomalyError(
        f"anomaly group {group_id!r}: no detector of the lake has it ({', '.join(known) or 'none'})"
    )


def _arn(store: ObjectStore, detector: str) -> str:
    keys = metric_set_keys(store).get(detector, [])
    if not keys:
        raise UnknownAnomalyError(_unknown(detector, sorted(metric_set_keys(store))))
    return metric_set_from_fields(json.loads(store.get(keys[0]))).detector_arn


def _intervals(group: Group | None, series_id: str | None, at: datetime | None) -> list[tuple[datetime, set[str]]]:
    if group is None:
        assert at is not None
        assert series_id is not None
        return [(at, {series_id})]
    intervals = [interval for interval in group.intervals if at is None or interval.timestamp == at]
    affected = [
        (interval.timestamp, {metric.time_series_id for metric in interval.all_affected}) for interval in intervals
    ]
    return [(start, ids if series_id is None else ids & {series_id}) for start, ids in affected]


def _points(
    store: ObjectStore, detector: str, arn: str, group: Group | None, start: datetime, ids: set[str]
) -> Sequence[Point]:
    """Points from the record of the interval; if it was deleted, from the group."""
    record = find_interval(store, detector, start)
    points = points_of(record, arn, ids) if record is not None else []
    if points or group is None:
        return points
    return [
        Point(metric.time_series_id, group.measure, metric.dimensions, metric.value, metric.expected, metric.severity)
        for interval in group.intervals
        if interval.timestamp == start
        for metric in interval.all_affected
        if metric.time_series_id in ids
    ]


def _unknown(detector: str, known: list[str]) -> str:
    return f"detector {detector!r}: is not in the lake; expected one of {', '.join(known) or '(it has none)'}"
