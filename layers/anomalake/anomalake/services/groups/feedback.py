"""Feedback on the time series of an anomaly group, in L4M's terms (PutFeedback, GetFeedback)."""

from __future__ import annotations

from datetime import datetime

from anomalake.definitions.resource_errors import ResourceNotFoundError
from anomalake.groups.anomaly_group import Group
from anomalake.records.feedback import Feedback, read_feedback
from anomalake.services.definitions.known_detectors import KnownDetector
from anomalake.services.feedback import give_feedback
from anomalake.services.groups.lists import find_group, unknown_group
from anomalake.services.workspace import Workspace

Point = tuple[str, datetime]


def put_feedback(
    workspace: Workspace, detector: KnownDetector, group_id: str, series_id: str, *, is_anomaly: bool
) -> None:
    """Record whether a time series was an anomaly in all intervals of a group; a repetition records nothing.

    Raises
    ------
    ResourceNotFoundError
        There is no such group, or the time series is not affected in it.
    RecordError, StoreError
    """
    points = _points(find_group(workspace, detector, group_id), series_id)
    if not points:
        raise _unknown_series(group_id, series_id)
    recorded, _ = read_feedback(workspace.store, detector.name, series_id, _span(points))
    said = {(one.time_series_id, one.timestamp): one.is_anomaly for one in recorded}
    if all(said.get(point) is is_anomaly for point in points):
        return
    give_feedback(
        workspace.store,
        detector=detector.name,
        group_id=group_id,
        series_id=series_id,
        at=None,
        is_anomaly=is_anomaly,
        now=workspace.now(),
    )


def get_feedback(
    workspace: Workspace, detector: KnownDetector, group_id: str, series_id: str | None
) -> list[tuple[str, bool]]:
    """Return the time series of a group with feedback, by id, each with its latest feedback.

    A group that detection has withdrawn since keeps its feedback. Of a group that there is, the feedback on its own
    intervals is read.

    Parameters
    ----------
    series_id
        The time series. Default: all.

    Raises
    ------
    ResourceNotFoundError
        There is no such group and no feedback on it, or the time series is not affected in it.
    RecordError, StoreError
    """
    try:
        group: Group | None = find_group(workspace, detector, group_id)
    except ResourceNotFoundError:
        group = None
    points = _points(group, series_id) if group is not None else set()
    # A time series that the group has is the name of a folder; any other text may be none.
    folder = series_id if points else None
    intervals = _span(_points(group, None)) if group is not None else None
    recorded, _ = read_feedback(workspace.store, detector.name, folder, intervals)
    if group is None and not any(one.anomaly_group_id == group_id for one in recorded):
        raise unknown_group(group_id)
    of_group = [
        one
        for one in recorded
        if (one.anomaly_group_id == group_id or (one.time_series_id, one.timestamp) in points)
        and series_id in (None, one.time_series_id)
    ]
    if series_id is not None and not points and not of_group:
        raise _unknown_series(group_id, series_id)
    latest: dict[str, Feedback] = {}
    for one in sorted(of_group, key=lambda one: (one.given_at, one.timestamp)):
        latest[one.time_series_id] = one
    return [(id_, latest[id_].is_anomaly) for id_ in sorted(latest)]


def _points(group: Group, series_id: str | None) -> set[Point]:
    return {
        (metric.time_series_id, interval.timestamp)
        for interval in group.intervals
        for metric in interval.all_affected
        if series_id in (None, metric.time_series_id)
    }


def _span(points: set[Point]) -> tuple[datetime, datetime] | None:
    starts = [start for _, start in points]
    return (min(starts), max(starts)) if starts else None


def _unknown_series(group_id: str, series_id: str) -> ResourceNotFoundError:
    message = f"TimeSeriesId {series_id[:64]}: is not affected in the anomaly group {group_id}"
    return ResourceNotFoundError(message, series_id, "TimeSeries")
