"""Feedback on the time series of an anomaly group, in L4M's terms (PutFeedback, GetFeedback)."""

from __future__ import annotations

from datetime import datetime
from itertools import chain

from anomalake.definitions.resource_errors import ResourceNotFoundError
from anomalake.groups.anomaly_group import Group
from anomalake.records.feedback import Feedback, read_feedback
from anomalake.records.parallel import at_once
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
    said = {(record.time_series_id, record.timestamp): record.is_anomaly for record in recorded}
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

    A group that detection has withdrawn since keeps its feedback.

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
        points = _points(find_group(workspace, detector, group_id), series_id)
    except ResourceNotFoundError:
        of_group = _withdrawn(workspace, detector, group_id, series_id)
    else:
        if series_id is not None and not points:
            raise _unknown_series(group_id, series_id)
        of_group = _on_points(workspace, detector, points)
    latest: dict[str, Feedback] = {}
    for record in sorted(of_group, key=lambda record: (record.given_at, record.timestamp)):
        latest[record.time_series_id] = record
    return [(id_, latest[id_].is_anomaly) for id_ in sorted(latest)]


def _on_points(workspace: Workspace, detector: KnownDetector, points: set[Point]) -> list[Feedback]:
    # A detector may have much feedback: only that of these time series and intervals is listed and read.
    def of_series(series_id: str) -> list[Feedback]:
        return read_feedback(workspace.store, detector.name, series_id, _span(points))[0]

    series = sorted({series_id for series_id, _ in points})
    of_all = chain.from_iterable(at_once(workspace.store, of_series, series))
    return [record for record in of_all if (record.time_series_id, record.timestamp) in points]


def _withdrawn(workspace: Workspace, detector: KnownDetector, group_id: str, series_id: str | None) -> list[Feedback]:
    recorded, _ = read_feedback(workspace.store, detector.name)
    of_group = [record for record in recorded if record.anomaly_group_id == group_id]
    if not of_group:
        raise unknown_group(group_id)
    of_series = [record for record in of_group if series_id in (None, record.time_series_id)]
    if not of_series:
        raise _unknown_series(group_id, str(series_id))
    return of_series


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
