"""Operations on feedback."""

from __future__ import annotations

from typing import Any, Final

from anomalake.server.lookoutmetrics.handling import Handler, Members
from anomalake.server.lookoutmetrics.paging import page
from anomalake.services.definitions.known_detectors import known_detector
from anomalake.services.groups import feedback as group_feedback
from anomalake.services.workspace import Workspace


def put_feedback(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Record feedback on a time series of a group."""
    detector = known_detector(workspace, members["AnomalyDetectorArn"])
    given = members["AnomalyGroupTimeSeriesFeedback"]
    group_feedback.put_feedback(
        workspace, detector, given["AnomalyGroupId"], given["TimeSeriesId"], is_anomaly=given["IsAnomaly"]
    )
    return {}


def get_feedback(workspace: Workspace, members: Members) -> dict[str, Any]:
    """List the feedback on the time series of a group."""
    detector = known_detector(workspace, members["AnomalyDetectorArn"])
    asked = members["AnomalyGroupTimeSeriesFeedback"]
    found = group_feedback.get_feedback(workspace, detector, asked["AnomalyGroupId"], asked.get("TimeSeriesId"))
    query = {"operation": "GetFeedback", **members}
    listed, token = page(found, members, lambda item: item[0], query, workspace.now())
    return {
        "AnomalyGroupTimeSeriesFeedback": [
            {"TimeSeriesId": series_id, "IsAnomaly": is_anomaly} for series_id, is_anomaly in listed
        ],
        "NextToken": token,
    }


HANDLERS: Final[dict[str, Handler]] = {"PutFeedback": put_feedback, "GetFeedback": get_feedback}
