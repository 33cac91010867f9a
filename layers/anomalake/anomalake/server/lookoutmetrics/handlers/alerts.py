"""Operations on alerts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from anomalake.definitions.detector import DEFAULT_THRESHOLD
from anomalake.records.definitions import AlertDefinition, DetectorDefinition
from anomalake.server.lookoutmetrics.handlers.known_members import known_members
from anomalake.server.lookoutmetrics.handling import Handler, Members
from anomalake.server.lookoutmetrics.paging import page, read_ahead, read_token
from anomalake.server.lookoutmetrics.shapes.alerts import ALERT
from anomalake.services.definitions import alerts
from anomalake.services.workspace import Workspace


def create_alert(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Create an alert."""
    return {"AlertArn": alerts.create_alert(workspace, members).arn}


def describe_alert(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Describe an alert."""
    detector, alert = alerts.describe_alert(workspace, members["AlertArn"])
    return {"Alert": {**known_members(ALERT, alert.fields), **_common(detector, alert)}}


def update_alert(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Change an alert."""
    return {"AlertArn": alerts.update_alert(workspace, members).arn}


def list_alerts(workspace: Workspace, members: Members) -> dict[str, Any]:
    """List the alerts of a detector, or all, by the names of detectors and alerts."""
    query, now = {"operation": "ListAlerts", **members}, workspace.now()
    last = read_token(members, query, now)
    first = last.partition(" ")[0] if last is not None else None
    listed = alerts.list_alerts(workspace, members.get("AnomalyDetectorArn"), first, read_ahead(members))
    # A blank comes before every character of a name, so that the keys are in order.
    found, token = page(listed, members, lambda pair: f"{pair[0].name} {pair[1].name}", query, now)
    summaries = [{**_common(*pair), "Tags": dict(pair[1].tags)} for pair in found]
    return {"AlertSummaryList": summaries, "NextToken": token}


def delete_alert(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Delete an alert."""
    alerts.delete_alert(workspace, members["AlertArn"])
    return {}


def _common(detector: DetectorDefinition, alert: AlertDefinition) -> dict[str, Any]:
    action = alert.fields.get("Action") or {}
    type_ = "SNS" if "SNSConfiguration" in action else "LAMBDA" if "LambdaConfiguration" in action else None
    return {
        "AlertArn": alert.arn,
        "AnomalyDetectorArn": detector.arn,
        "AlertName": alert.name,
        # Detector files may have fractions. A score that reaches the whole number reaches those too.
        "AlertSensitivityThreshold": math.ceil(alert.fields.get("AlertSensitivityThreshold", DEFAULT_THRESHOLD)),
        "AlertType": type_,
        "AlertStatus": alert.fields.get("AlertStatus", "ACTIVE"),
        "CreationTime": alert.created_at,
        "LastModificationTime": alert.changed_at,
    }


HANDLERS: Final[Mapping[str, Handler]] = {
    "CreateAlert": create_alert,
    "DescribeAlert": describe_alert,
    "UpdateAlert": update_alert,
    "ListAlerts": list_alerts,
    "DeleteAlert": delete_alert,
}
