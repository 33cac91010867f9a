"""Create, update, list and delete detectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from typing import Any, Final

from anomalake.definitions.resource_errors import InvalidRequestError, ResourceConflictError
from anomalake.errors import AnomalakeError
from anomalake.records.definitions import DetectorDefinition
from anomalake.records.parallel import at_once
from anomalake.services.definitions.changing import change_detector, is_in_use, record_failure
from anomalake.services.definitions.documents import checked
from anomalake.services.definitions.lookup import (
    DetectorList,
    find_detector,
    name_of_detector,
    with_arn,
)
from anomalake.services.definitions.statuses import DetectorStatus, status_of
from anomalake.services.workspace import Workspace

#: After this time without a run, a backtest or the first run of an active detector is started again.
_PATIENCE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class DescribedDetector:
    """A detector and its status."""

    definition: DetectorDefinition
    status: DetectorStatus


def create_detector(workspace: Workspace, members: Mapping[str, Any]) -> DetectorDefinition:
    """Create a detector, which is inactive and has no metric set, from the members of CreateAnomalyDetector.

    Raises
    ------
    ResourceConflictError
        There is one with this name.
    RecordError, StoreError
    """
    name = members["AnomalyDetectorName"]
    now = workspace.now()
    created = DetectorDefinition(
        name=name,
        arn=workspace.account.arn(f"AnomalyDetector:{name}"),
        description=members.get("AnomalyDetectorDescription") or "",
        frequency=(members.get("AnomalyDetectorConfig") or {}).get("AnomalyDetectorFrequency") or "",
        kms_key_arn=members.get("KmsKeyArn") or "",
        tags=dict(members.get("Tags") or {}),
        created_at=now,
        changed_at=now,
    )
    # An invalid file is a detector too.
    there_is = find_detector(workspace, name)
    if there_is is not None:
        raise _exists(there_is.definition)

    def change(current: DetectorDefinition | None) -> DetectorDefinition:
        if current is not None and current.wanted != "DELETED":
            raise _exists(current)
        return created

    return change_detector(workspace, name, change)


def describe_detector(workspace: Workspace, arn: str) -> DescribedDetector:
    """Describe a detector; what another operation has begun and not ended is carried on.

    Raises
    ------
    ResourceNotFoundError
    RecordError, StoreError
    """
    found = find_detector(workspace, name_of_detector(arn))
    definition = with_arn(found.definition if found is not None else None, arn)
    return DescribedDetector(definition, _carry_on(workspace, definition))


def _carry_on(workspace: Workspace, definition: DetectorDefinition) -> DetectorStatus:
    """Start the work that was wanted and not begun, and return the status."""
    status = status_of(workspace.store, definition)
    if status.status not in ("ACTIVATING", "BACK_TEST_ACTIVATING") or definition.wanted_since is None:
        return status
    if workspace.now() - definition.wanted_since < _PATIENCE:
        return status
    start(workspace, definition)
    return status_of(workspace.store, definition)


def start(workspace: Workspace, definition: DetectorDefinition) -> None:
    """Start the wanted backtest or the first run, unless it was started; why it cannot be started is recorded."""
    begin = workspace.jobs.backtest if definition.wanted == "BACK_TEST" else workspace.jobs.activate
    try:
        begin(definition.name)
    except AnomalakeError as error:
        record_failure(workspace, definition, str(error))


def update_detector(workspace: Workspace, arn: str, members: Mapping[str, Any]) -> DetectorDefinition:
    """Change a detector by the members of UpdateAnomalyDetector.

    Raises
    ------
    ResourceNotFoundError
    InvalidRequestError
        The detector is in use, and more than its description would change; or its metric set does not allow it.
    RecordError, StoreError
    """

    def change(current: DetectorDefinition | None) -> DetectorDefinition:
        detector = with_arn(current, arn)
        config = members.get("AnomalyDetectorConfig") or {}
        changed = replace(
            detector,
            description=members.get("AnomalyDetectorDescription") or detector.description,
            frequency=config.get("AnomalyDetectorFrequency") or detector.frequency,
            kms_key_arn=members.get("KmsKeyArn") or detector.kms_key_arn,
        )
        names = {"frequency": "AnomalyDetectorConfig", "kms_key_arn": "KmsKeyArn"}
        fixed = tuple(member for name, member in names.items() if getattr(changed, name) != getattr(detector, name))
        if fixed and is_in_use(workspace, detector):
            raise in_use_error(detector, fixed)
        if changed.metric_set is not None:
            checked(workspace.files, changed)
        return changed if changed == detector else replace(changed, changed_at=workspace.now())

    return change_detector(workspace, name_of_detector(arn), change)


def in_use_error(detector: DetectorDefinition, members: Iterable[str]) -> InvalidRequestError:
    """Return the error of a change that a detector in use does not allow."""
    what = "cannot change while the detector is active; expected that it is deactivated first"
    return InvalidRequestError(f"detector {detector.name!r} is active: {what}", tuple((name, what) for name in members))


def describe_detectors(workspace: Workspace, first: str | None, batch: int) -> Iterator[DescribedDetector]:
    """Describe the detectors from a name on, or all, by name.

    Parameters
    ----------
    first
        The name; None: all.
    batch
        How many are read in advance.

    Raises
    ------
    RecordError, StoreError
    """
    found = DetectorList(workspace).beginning_at(first, batch)
    while some := list(islice(found, batch)):
        statuses = at_once(workspace.store, lambda detector: status_of(workspace.store, detector), some)
        yield from map(DescribedDetector, some, statuses)


def delete_detector(workspace: Workspace, arn: str) -> None:
    """Delete a detector with its metric set, its alerts and its file. What it has found stays in the lake.

    Raises
    ------
    ResourceNotFoundError
    RecordError, StoreError
    """
    name = name_of_detector(arn)
    found = find_detector(workspace, name)
    if found is not None and found.is_invalid:
        # There is nothing to make a definition of.
        with_arn(found.definition, arn)
        workspace.files.delete(name)
        return

    def change(current: DetectorDefinition | None) -> DetectorDefinition:
        detector = with_arn(current, arn)
        now = workspace.now()
        return replace(
            detector, metric_set=None, alerts=(), settings={}, tags={}, reserved={}, backtest="", failure="",
            wanted="DELETED", wanted_since=now, changed_at=now,
        )  # fmt: skip

    change_detector(workspace, name, change)


def _exists(definition: DetectorDefinition) -> ResourceConflictError:
    return ResourceConflictError(f"detector {definition.name!r}: exists already", definition.arn, "AnomalyDetector")
