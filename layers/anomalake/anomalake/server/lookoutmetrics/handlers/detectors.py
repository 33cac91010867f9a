"""Operations on detectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from anomalake.server.lookoutmetrics.handling import Handler, Members
from anomalake.server.lookoutmetrics.paging import page, read_ahead, read_token
from anomalake.services.definitions.activation import activate_detector, backtest_detector, deactivate_detector
from anomalake.services.definitions.detectors import (
    DescribedDetector,
    create_detector,
    delete_detector,
    describe_detector,
    describe_detectors,
    update_detector,
)
from anomalake.services.workspace import Workspace

_LONGEST_REASON: Final = 256


def create_anomaly_detector(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Create a detector."""
    return {"AnomalyDetectorArn": create_detector(workspace, members).arn}


def describe_anomaly_detector(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Describe a detector."""
    described = describe_detector(workspace, members["AnomalyDetectorArn"])
    detector, status = described.definition, described.status
    frequency = detector.frequency
    if not frequency and detector.metric_set is not None:
        frequency = detector.metric_set.fields.get("MetricSetFrequency", "")
    return {
        "AnomalyDetectorArn": detector.arn,
        "AnomalyDetectorName": detector.name,
        "AnomalyDetectorDescription": detector.description or None,
        "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": frequency or None},
        "CreationTime": detector.created_at,
        "LastModificationTime": detector.changed_at,
        "Status": status.status,
        "FailureReason": status.reason[:_LONGEST_REASON] or None,
        "FailureType": status.failure_type or None,
        "KmsKeyArn": detector.kms_key_arn or None,
    }


def update_anomaly_detector(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Change a detector."""
    return {"AnomalyDetectorArn": update_detector(workspace, members["AnomalyDetectorArn"], members).arn}


def list_anomaly_detectors(workspace: Workspace, members: Members) -> dict[str, Any]:
    """List all detectors, by name."""
    now = workspace.now()
    query = {"operation": "ListAnomalyDetectors", **members}
    last = read_token(members, query, now)
    described = describe_detectors(workspace, last, read_ahead(members))
    found, token = page(described, members, lambda item: item.definition.name, query, now)
    return {"AnomalyDetectorSummaryList": [_summary(item) for item in found], "NextToken": token}


def activate_anomaly_detector(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Activate a detector."""
    activate_detector(workspace, members["AnomalyDetectorArn"])
    return {}


def deactivate_anomaly_detector(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Deactivate a detector."""
    deactivate_detector(workspace, members["AnomalyDetectorArn"])
    return {}


def back_test_anomaly_detector(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Start a backtest."""
    backtest_detector(workspace, members["AnomalyDetectorArn"])
    return {}


def delete_anomaly_detector(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Delete a detector with its metric set and its alerts."""
    delete_detector(workspace, members["AnomalyDetectorArn"])
    return {}


def _summary(described: DescribedDetector) -> dict[str, Any]:
    detector = described.definition
    return {
        "AnomalyDetectorArn": detector.arn,
        "AnomalyDetectorName": detector.name,
        "AnomalyDetectorDescription": detector.description or None,
        "CreationTime": detector.created_at,
        "LastModificationTime": detector.changed_at,
        "Status": described.status.status,
        "Tags": dict(detector.tags),
    }


HANDLERS: Final[Mapping[str, Handler]] = {
    "CreateAnomalyDetector": create_anomaly_detector,
    "DescribeAnomalyDetector": describe_anomaly_detector,
    "UpdateAnomalyDetector": update_anomaly_detector,
    "ListAnomalyDetectors": list_anomaly_detectors,
    "ActivateAnomalyDetector": activate_anomaly_detector,
    "DeactivateAnomalyDetector": deactivate_anomaly_detector,
    "BackTestAnomalyDetector": back_test_anomaly_detector,
    "DeleteAnomalyDetector": delete_anomaly_detector,
}
