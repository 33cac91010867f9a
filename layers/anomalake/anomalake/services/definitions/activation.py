"""Activate, deactivate and backtest detectors."""

from __future__ import annotations

from dataclasses import replace

from anomalake.definitions.resource_errors import InvalidRequestError
from anomalake.records.backtest_jobs import new_job_id
from anomalake.records.definitions import DetectorDefinition
from anomalake.services.bounds import check_source, check_target
from anomalake.services.definitions.changing import change_detector, conflict
from anomalake.services.definitions.detectors import start
from anomalake.services.definitions.documents import checked
from anomalake.services.definitions.lookup import name_of_detector, with_arn
from anomalake.services.definitions.statuses import DetectorStatus, status_of
from anomalake.services.workspace import Workspace


def activate_detector(workspace: Workspace, arn: str) -> None:
    """Activate a detector: write its file, and start its first run.

    While it is being activated, a repeated call starts the first run if that was not started.

    Raises
    ------
    ResourceNotFoundError
    ResourceConflictError
        It is active, or its backtest runs.
    InvalidRequestError
        It has no metric set.
    AccessRefusedError
        Its source data may not be read, or the target of an alert may not be called, any more.
    RecordError, StoreError
    """

    def change(current: DetectorDefinition | None) -> DetectorDefinition:
        detector = with_arn(current, arn)
        status = status_of(workspace.store, detector).status
        if status == "ACTIVATING":
            return detector
        if status in ("ACTIVE", "LEARNING", "BACK_TEST_ACTIVATING", "BACK_TEST_ACTIVE"):
            raise conflict(detector, f"its status is {status}; expected one that is not in use")
        _check(workspace, detector)
        return replace(detector, wanted="ACTIVE", wanted_since=workspace.now(), failure="")

    start(workspace, change_detector(workspace, name_of_detector(arn), change))


def deactivate_detector(workspace: Workspace, arn: str) -> None:
    """Deactivate a detector: delete its file.

    Raises
    ------
    ResourceNotFoundError
    ResourceConflictError
        It is not active, and its activation has not failed.
    RecordError, StoreError
    """

    def change(current: DetectorDefinition | None) -> DetectorDefinition:
        detector = with_arn(current, arn)
        status = status_of(workspace.store, detector).status
        # The schedule of a detector whose first run has failed goes on, so it can be ended.
        if detector.wanted != "ACTIVE" or status == "ACTIVATING":
            raise conflict(detector, f"its status is {status}; expected ACTIVE or LEARNING")
        return replace(detector, wanted="DEACTIVATED", wanted_since=workspace.now(), failure="")

    change_detector(workspace, name_of_detector(arn), change)


def backtest_detector(workspace: Workspace, arn: str) -> None:
    """Start a backtest of a detector that is not active.

    Raises
    ------
    ResourceNotFoundError
    InvalidRequestError
        It has no metric set, or is active, or its backtest runs.
    AccessRefusedError
        As for `activate_detector`.
    RecordError, StoreError
    """
    job = new_job_id()

    def change(current: DetectorDefinition | None) -> DetectorDefinition:
        detector = with_arn(current, arn)
        status: DetectorStatus = status_of(workspace.store, detector)
        if status.status == "BACK_TEST_ACTIVATING":
            return detector
        if detector.wanted == "ACTIVE" or status.status == "BACK_TEST_ACTIVE":
            reason = f"its status is {status.status}; expected one that is not in use"
            raise InvalidRequestError(f"detector {detector.name!r}: {reason}")
        _check(workspace, detector)
        return replace(detector, wanted="BACK_TEST", wanted_since=workspace.now(), backtest=job, failure="")

    start(workspace, change_detector(workspace, name_of_detector(arn), change))


def _check(workspace: Workspace, detector: DetectorDefinition) -> None:
    if detector.metric_set is None:
        raise InvalidRequestError(f"detector {detector.name!r}: has no metric set; expected one (CreateMetricSet)")
    # The bounds may have changed since, and a user's file was never compared with them.
    check_source(workspace.bounds, detector.metric_set.fields)
    for alert in detector.alerts:
        check_target(workspace.bounds, alert.fields)
    checked(workspace.files, detector)
