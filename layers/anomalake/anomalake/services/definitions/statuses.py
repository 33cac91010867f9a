"""Statuses of detectors, computed from what is wanted and from what has happened since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from anomalake.records.backtest_jobs import read_job
from anomalake.records.definitions import DetectorDefinition
from anomalake.records.executions import (
    FAILED,
    LEARNING,
    SKIPPED,
    STARTED,
    SUCCEEDED,
    Execution,
    last_run_statuses,
    read_last_run,
    read_latest,
)
from anomalake.storage.store import ObjectStore

Status = Literal[
    "INACTIVE", "ACTIVATING", "LEARNING", "ACTIVE", "DEACTIVATED", "FAILED",
    "BACK_TEST_ACTIVATING", "BACK_TEST_ACTIVE", "BACK_TEST_COMPLETE",
]  # fmt: skip
FailureType = Literal["", "ACTIVATION_FAILURE", "BACK_TEST_ACTIVATION_FAILURE"]

#: Statuses of a detector that runs, or is about to: only its description and offset may change.
IN_USE: Final = frozenset({"ACTIVATING", "LEARNING", "ACTIVE", "BACK_TEST_ACTIVATING", "BACK_TEST_ACTIVE"})

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DetectorStatus:
    """A detector's status, and if it is FAILED, what failed and why."""

    status: Status
    failure_type: FailureType = ""
    reason: str = ""


def status_of(store: ObjectStore, definition: DetectorDefinition) -> DetectorStatus:
    """Compute the status of a detector that is not deleted; raises `RecordError` and `StoreError`."""
    match definition.wanted:
        case "ACTIVE":
            return _active(store, definition)
        case "BACK_TEST":
            return _backtest(store, definition)
        case "DEACTIVATED":
            return DetectorStatus("DEACTIVATED")
    return DetectorStatus("INACTIVE")


def _active(store: ObjectStore, definition: DetectorDefinition) -> DetectorStatus:
    failed = DetectorStatus("FAILED", "ACTIVATION_FAILURE", definition.failure)
    if definition.metric_set is None:
        # Its file cannot be read.
        return failed
    last = _last_run(store, definition.name, definition.wanted_since or _LONG_AGO)
    if last is not None and last.status == FAILED:
        return DetectorStatus("FAILED", "ACTIVATION_FAILURE", last.reason)
    if last is not None:
        return DetectorStatus("LEARNING" if last.status == LEARNING else "ACTIVE")
    return failed if definition.failure else DetectorStatus("ACTIVATING")


def _last_run(store: ObjectStore, name: str, since: datetime) -> Execution | None:
    """Return the last run since a time; a failed one only if all have failed, as a failure later is no failed start."""
    # A listing is one call, where a record that is missing is a call for each status.
    statuses = last_run_statuses(store, name)
    runs = [read_last_run(store, name, status) for status in (SUCCEEDED, LEARNING) if status in statuses]
    found = [run for run in runs if run is not None]
    recent = [run for run in found if _started_at(run) >= since]
    if recent:
        return max(recent, key=_started_at)
    # Lakes of earlier versions have no last runs.
    failed = read_last_run(store, name, FAILED) if FAILED in statuses else None
    if failed is None and not found:
        failed = read_latest(store, name)
    if failed is None or failed.status in (SKIPPED, STARTED) or _started_at(failed) < since:
        return None
    return failed


def _started_at(run: Execution) -> datetime:
    return run.started_at or _LONG_AGO


def _backtest(store: ObjectStore, definition: DetectorDefinition) -> DetectorStatus:
    job = read_job(store, definition.name, definition.backtest)
    match job.phase if job is not None else "WAITING":
        case "RUNNING":
            return DetectorStatus("BACK_TEST_ACTIVE")
        case "DONE":
            return DetectorStatus("BACK_TEST_COMPLETE")
        case "FAILED":
            reason = job.reason if job is not None else ""
            return DetectorStatus("FAILED", "BACK_TEST_ACTIVATION_FAILURE", reason)
    if definition.failure:
        return DetectorStatus("FAILED", "BACK_TEST_ACTIVATION_FAILURE", definition.failure)
    return DetectorStatus("BACK_TEST_ACTIVATING")
