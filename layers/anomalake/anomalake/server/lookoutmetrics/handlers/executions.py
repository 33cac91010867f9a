"""Operations on executions."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from anomalake.definitions.intervals import interval_start
from anomalake.definitions.resource_errors import InvalidRequestError
from anomalake.records.executions import EARLY, FAILED, LEARNING, SKIPPED, STARTED, SUCCEEDED, Execution
from anomalake.records.keys import parse_stamp, stamp
from anomalake.server.lookoutmetrics.handling import Handler, Members
from anomalake.server.lookoutmetrics.paging import page, page_size, read_token
from anomalake.server.lookoutmetrics.times import parse_timestamp_text, timestamp_text
from anomalake.services.definitions.known_detectors import known_detector
from anomalake.services.interval_executions import executions_of_interval, last_executions, read_executions_of
from anomalake.services.workspace import Workspace

#: AnomalyDetectionTaskStatus by the status of an execution.
STATUSES: Final = {
    SUCCEEDED: "COMPLETED",
    LEARNING: "COMPLETED",
    FAILED: "FAILED",
    SKIPPED: "FAILED_TO_SCHEDULE",
    EARLY: "PENDING",
    STARTED: "IN_PROGRESS",
}
_LONGEST_REASON: Final = 256


def describe_anomaly_detection_executions(workspace: Workspace, members: Members) -> dict[str, Any]:
    """List the last execution of each interval, newest interval first."""
    detector = known_detector(workspace, members["AnomalyDetectorArn"])
    start = None
    if members.get("Timestamp") is not None:
        try:
            at = parse_timestamp_text(members["Timestamp"])
            start = interval_start(at, detector.frequency, detector.timezone)
        except (ValueError, OverflowError) as error:
            reason = "expected a time such as 2021-02-17T11:00Z[UTC]"
            raise InvalidRequestError(f"Timestamp: {reason}", (("Timestamp", reason),)) from error
    query = {"operation": "DescribeAnomalyDetectionExecutions", **members}
    now = workspace.now()
    if start is not None:
        intervals = executions_of_interval(workspace, detector, start)
    else:
        before = _start_in(read_token(members, query, now))
        intervals = last_executions(workspace, detector, page_size(members) + 1, before)
    starts, token = page(list(intervals), members, stamp, query, now, descending=True)
    executions = read_executions_of(workspace, detector, [intervals[start] for start in starts])
    return {"ExecutionList": [_fields(execution) for execution in executions], "NextToken": token}


HANDLERS: Final[dict[str, Handler]] = {"DescribeAnomalyDetectionExecutions": describe_anomaly_detection_executions}


def _start_in(last: str | None) -> datetime | None:
    try:
        return parse_stamp(last) if last is not None else None
    except ValueError as error:
        reason = "is not a token of this service"
        raise InvalidRequestError(f"NextToken: {reason}", (("NextToken", reason),)) from error


def _fields(execution: Execution) -> dict[str, Any]:
    status = STATUSES.get(execution.status, "FAILED")
    fields = {"Timestamp": timestamp_text(execution.timestamp), "Status": status}
    if execution.reason and status in ("FAILED", "FAILED_TO_SCHEDULE"):
        fields["FailureReason"] = execution.reason[:_LONGEST_REASON]
    return fields
