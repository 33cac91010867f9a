"""Create, update, list and delete alerts.

The name of an alert is unique among all detectors, because its ARN does not name the detector. A name is reserved
before the alert is made: first its detector notes the reservation, then the record of the name points to it, and then
the alert takes its place. Whoever finds a name that points to an unfinished reservation takes that back, after which
it cannot be finished. So two callers never both make an alert, and one that was stopped leaves no name in use.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from anomalake.definitions.detector import DetectorFileError
from anomalake.definitions.detector_file import check_alert
from anomalake.definitions.resource_errors import ResourceConflictError
from anomalake.records.definitions import (
    AlertDefinition,
    AlertName,
    DetectorDefinition,
    change_alert_name,
    change_definition,
)
from anomalake.services.bounds import check_target
from anomalake.services.definitions.changing import change_detector
from anomalake.services.definitions.documents import arn_prefix, checked, invalid, kept_members
from anomalake.services.definitions.lookup import (
    adopt_detector,
    alert_by_arn,
    alert_with_arn,
    detector_by_name,
    detectors_of_files,
    find_detector,
    listed_detectors,
    name_of_detector,
    with_arn,
)
from anomalake.services.workspace import Workspace


def create_alert(workspace: Workspace, members: Mapping[str, Any]) -> AlertDefinition:
    """Create an alert from the members of CreateAlert, whatever the detector's status.

    Raises
    ------
    ResourceNotFoundError
        There is no such detector.
    ResourceConflictError
        There is an alert with this name, or another call makes one.
    InvalidRequestError
        Detection cannot use it.
    AccessRefusedError
        Its target may not be called.
    RecordError, StoreError
    """
    detector_arn, name = members["AnomalyDetectorArn"], members["AlertName"]
    detector = with_arn(adopt_detector(workspace, name_of_detector(detector_arn)), detector_arn)
    now = workspace.now()
    alert = AlertDefinition(
        name=name,
        arn=f"{arn_prefix(detector_arn)}Alert:{name}",
        fields=kept_members(members),
        tags=dict(members.get("Tags") or {}),
        created_at=now,
        changed_at=now,
        reservation=uuid.uuid4().hex,
    )
    check_target(workspace.bounds, alert.fields)
    _check(workspace, detector, alert)
    _reserve(workspace, detector, alert)

    def finish(current: DetectorDefinition | None) -> DetectorDefinition:
        found = with_arn(current, detector_arn)
        if found.reserved.get(name) != alert.reservation or found.alert(name) is not None:
            raise _exists(alert)
        _check(workspace, found, alert)
        return replace(found, alerts=(*found.alerts, alert), reserved=_without(found.reserved, name))

    _alert_backtest(workspace, change_detector(workspace, detector.name, finish))
    return alert


def describe_alert(workspace: Workspace, arn: str) -> tuple[DetectorDefinition, AlertDefinition]:
    """Describe an alert and its detector; raises `ResourceNotFoundError`, `RecordError` and `StoreError`."""
    detector, _ = alert_by_arn(workspace, arn)
    found = find_detector(workspace, detector.name)
    return alert_with_arn(found.definition if found is not None else None, arn)


def update_alert(workspace: Workspace, members: Mapping[str, Any]) -> AlertDefinition:
    """Change an alert by the members of UpdateAlert: each of them replaces the one that is there.

    Raises
    ------
    ResourceNotFoundError
    InvalidRequestError
        Detection cannot use it.
    AccessRefusedError
        Its target may not be called.
    RecordError, StoreError
    """
    arn = members["AlertArn"]
    given = kept_members(members)
    check_target(workspace.bounds, given)

    def change(current: DetectorDefinition | None) -> DetectorDefinition:
        detector, alert = alert_with_arn(current, arn)
        fields = {**alert.fields, **given}
        if fields == alert.fields:
            return detector
        changed = replace(alert, fields=fields, changed_at=workspace.now())
        _check(workspace, detector, changed)
        return replace(detector, alerts=tuple(changed if alert.arn == arn else alert for alert in detector.alerts))

    detector, _ = alert_by_arn(workspace, arn)
    detector = change_detector(workspace, detector.name, change)
    _alert_backtest(workspace, detector)
    return alert_with_arn(detector, arn)[1]


def _alert_backtest(workspace: Workspace, detector: DetectorDefinition) -> None:
    """Let an alert that is attached after a backtest be sent for its groups, where that is asked for."""
    if detector.wanted == "BACK_TEST":
        workspace.jobs.backtest(detector.name)


def delete_alert(workspace: Workspace, arn: str) -> None:
    """Delete an alert; raises `ResourceNotFoundError`, `InvalidRequestError`, `RecordError` and `StoreError`."""

    def change(current: DetectorDefinition | None) -> DetectorDefinition:
        detector, _ = alert_with_arn(current, arn)
        return replace(detector, alerts=tuple(alert for alert in detector.alerts if alert.arn != arn))

    detector, _ = alert_by_arn(workspace, arn)
    change_detector(workspace, detector.name, change)


def list_alerts(
    workspace: Workspace, arn: str | None, first: str | None, batch: int
) -> Iterator[tuple[DetectorDefinition, AlertDefinition]]:
    """Find the alerts of a detector, or all, by the names of detectors and alerts.

    Parameters
    ----------
    first, batch
        Of all detectors: the name to begin at, or None, and how many are read in advance.

    Raises
    ------
    ResourceNotFoundError, RecordError, StoreError
    """
    for detector in listed_detectors(workspace, arn, first, batch):
        for alert in sorted(detector.alerts, key=lambda alert: alert.name):
            yield detector, alert


def _check(workspace: Workspace, detector: DetectorDefinition, alert: AlertDefinition) -> None:
    """Check an alert against its detector's metric set, if there is one; raises `InvalidRequestError`."""
    metric_set = None
    if detector.metric_set is not None:
        metric_set = checked(workspace.files, replace(detector, alerts=())).metric_set
    try:
        check_alert(alert.fields, detector.arn, metric_set)
    except DetectorFileError as error:
        raise invalid(error) from error


def _reserve(workspace: Workspace, detector: DetectorDefinition, alert: AlertDefinition) -> None:
    """Reserve the name of an alert; raises `ResourceConflictError` if it is in use."""
    name, mine = alert.name, alert.reservation
    if any(other.alert(name) for other in detectors_of_files(workspace)):
        raise _exists(alert)

    def note(current: DetectorDefinition | None) -> DetectorDefinition:
        found = with_arn(current, detector.arn)
        if found.alert(name) is not None:
            raise _exists(alert)
        return replace(found, reserved={**found.reserved, name: mine})

    def point(current: AlertName | None) -> AlertName:
        if current is not None and current.reservation != mine:
            # A later call for the same detector has taken this reservation's place; it is to go on.
            noted = detector_by_name(workspace, detector.name)
            if noted is None or noted.reserved.get(name) != mine:
                raise _exists(alert)
            _take_back(workspace, current, alert)
        return AlertName(detector.name, mine)

    change_definition(workspace.store, detector.name, note)
    change_alert_name(workspace.store, name, point)


def _take_back(workspace: Workspace, other: AlertName, alert: AlertDefinition) -> None:
    """Take back another reservation of a name; raises `ResourceConflictError` if there is an alert under it."""
    owner = detector_by_name(workspace, other.detector)
    if owner is None or not owner.has_reservation(alert.name, other.reservation):
        return

    def change(current: DetectorDefinition | None) -> DetectorDefinition:
        assert current is not None
        made = current.alert(alert.name)
        if made is not None and made.reservation == other.reservation:
            raise _exists(alert)
        if current.reserved.get(alert.name) != other.reservation:
            return current
        return replace(current, reserved=_without(current.reserved, alert.name))

    if owner.alert(alert.name) is not None:
        raise _exists(alert)
    change_definition(workspace.store, other.detector, change)


def _without(reserved: Mapping[str, str], name: str) -> dict[str, str]:
    return {other: reservation for other, reservation in reserved.items() if other != name}


def _exists(alert: AlertDefinition) -> ResourceConflictError:
    return ResourceConflictError(f"alert {alert.name!r}: exists already, or is being made", alert.arn, "Alert")
