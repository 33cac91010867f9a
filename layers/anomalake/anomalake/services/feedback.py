"""Takes in what people say of anomalies, and what they do not want to hear of for a while."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from anomalake.definitions.metric_set_fields import metric_set_from_fields
from anomalake.errors import AnomalakeError
from anomalake.groups.grouping import Group
from anomalake.records.backtests import read_backtest_group
from anomalake.records.feedback import Feedback, write_feedback
from anomalake.records.groups import group_ids, read_group
from anomalake.records.intervals import Point, find_interval, points_of
from anomalake.records.metric_sets import metric_set_keys
from anomalake.records.snoozes import Snooze, write_snooze
from anomalake.storage.store import ObjectStore


class UnknownAnomalyError(AnomalakeError, ValueError):
    """A detector, group or series that the lake knows nothing of: which, and what was expected."""


def give_feedback(
    store: ObjectStore,
    *,
    detector: str | None,
    group_id: str | None,
    series_id: str | None,
    at: datetime | None,
    is_anomaly: bool,
    now: datetime,
) -> list[Feedback]:
    """Keep what was said of a metric, or of all affected metrics of a group.

    Parameters
    ----------
    detector
        Its name; None: the one that the lake has, or that has the group.
    group_id, series_id
        One of them, or both: that metric of that group.
    at
        Start of the interval; for a group None means all of its intervals.

    Raises
    ------
    UnknownAnomalyError
        There is no such group, or the metric was not judged in that interval.
    StoreError
    """
    if group_id is None and (series_id is None or at is None):
        raise UnknownAnomalyError("feedback: expected --group ID, or --series ID and --at T")
    name, group = _find(store, detector, group_id)
    arn = group.detector_arn if group is not None else _arn(store, name)
    said = []
    for start, ids in _intervals(group, series_id, at):
        for point in _points(store, name, arn, group, start, ids):
            direction = 1 if point.value >= point.expected else -1
            one = Feedback(
                arn, point.time_series_id, point.measure, point.dimensions, start, is_anomaly, direction,
                min(point.severity, 99.99), now, group_id,
            )  # fmt: skip
            write_feedback(store, name, one)
            said.append(one)
    if not said:
        where = f" in the interval from {at.isoformat()}" if at is not None else ""
        raise UnknownAnomalyError(f"detector {name}: nothing was judged of {series_id or group_id}{where}")
    return said


def line_of(said: Feedback) -> str:
    """What was said of a metric, for people."""
    dimensions = ", ".join(f"{name} {value}" for name, value in said.dimensions)
    verdict = "an anomaly" if said.is_anomaly else "no anomaly"
    return f"{said.timestamp.isoformat()} {said.measure} {dimensions}: {verdict}"


def snooze(store: ObjectStore, detector: str, wanted: Snooze) -> str:
    """Keep a snooze; returns its key; raises `UnknownAnomalyError` for a detector that the lake does not know."""
    if detector not in metric_set_keys(store) and not group_ids(store, detector):
        raise UnknownAnomalyError(_unknown(detector, sorted(metric_set_keys(store))))
    return write_snooze(store, detector, wanted)


def _find(store: ObjectStore, detector: str | None, group_id: str | None) -> tuple[str, Group | None]:
    """The detector, and the group where one is asked for."""
    known = [detector] if detector is not None else sorted(metric_set_keys(store))
    if group_id is None:
        if len(known) != 1:
            raise UnknownAnomalyError(f"feedback: the lake has {len(known)} detectors: expected --detector NAME")
        return known[0], None
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
    intervals = [one for one in group.intervals if at is None or one.timestamp == at]
    affected = [(one.timestamp, {some.time_series_id for some in one.affected}) for one in intervals]
    return [(start, ids if series_id is None else ids & {series_id}) for start, ids in affected]


def _points(
    store: ObjectStore, detector: str, arn: str, group: Group | None, start: datetime, ids: set[str]
) -> Sequence[Point]:
    """The points as the interval's record has them; where that is gone, as the group has them."""
    record = find_interval(store, detector, start)
    found = points_of(record, arn, ids) if record is not None else []
    if found or group is None:
        return found
    affected = [some for one in group.intervals if one.timestamp == start for some in one.affected]
    return [
        Point(one.time_series_id, group.measure, one.dimensions, one.value, one.expected, one.severity)
        for one in affected
        if one.time_series_id in ids
    ]


def _unknown(detector: str, known: list[str]) -> str:
    return f"detector {detector!r}: the lake knows no such one; expected one of {', '.join(known) or '(it has none)'}"
