"""Find detectors, metric sets and alerts, whether they have a definition or only a detector file.

Definition and file are kept in step here: an active detector has a file that is written from its definition, and no
other detector has one. A file that a user has written is newer than the definition, and replaces it with the next
change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, TypeAlias

from anomalake.aws.detector_files import DetectorFile, ListedFile
from anomalake.definitions.detector import DetectorFileError
from anomalake.definitions.detector_file import ALERT_ARN, DETECTOR_ARN
from anomalake.definitions.metric_set import NAME
from anomalake.definitions.resource_errors import InvalidRequestError, ResourceNotFoundError, ResourceType
from anomalake.records.definitions import (
    AlertDefinition,
    AlertName,
    DetectorDefinition,
    MetricSetDefinition,
    change_alert_name,
    change_definition,
    definition_numbers,
    read_alert_name,
    read_definition,
    read_listed_definition,
)
from anomalake.records.parallel import at_once
from anomalake.services.definitions.documents import definition_of_file, detector_text, is_derived
from anomalake.services.workspace import Workspace
from anomalake.storage.store import StoreError

#: The detector files in a listing, by name of the detector.
ListedFiles: TypeAlias = Mapping[str, ListedFile]

#: Tries to bring a file and a definition into step that others change.
_TRIES: Final = 100
#: Detectors that are read in advance where all are wanted.
_BATCH: Final = 1_000

_METRIC_SET_ARN = re.compile(
    rf"(?P<prefix>arn:[a-z0-9-]+:lookoutmetrics:[^:\s]*:[^:\s]*:)"
    rf"MetricSet/(?P<detector>{NAME.pattern})/(?P<name>{NAME.pattern})"
)


@dataclass(frozen=True, slots=True)
class FoundDetector:
    """A detector that was looked up.

    Attributes
    ----------
    definition
        Its definition; of a detector that has only a file, or a newer one, that of the file.
    is_of_file
        Whether it is that of a user's file.
    """

    definition: DetectorDefinition
    is_of_file: bool = False

    @property
    def is_invalid(self) -> bool:
        """Whether its file cannot be read."""
        return self.is_of_file and self.definition.metric_set is None


def find_detector(workspace: Workspace, name: str, listed: ListedFiles | None = None) -> FoundDetector | None:
    """Find a detector by name, and bring its definition and its file into step; None if there is none.

    What another operation has begun and not ended is carried on.

    Parameters
    ----------
    listed
        The detector files, if they were listed.

    Raises
    ------
    RecordInputError
        The name is invalid.
    RecordError, StoreError
    """
    for _ in range(_TRIES):
        record = read_definition(workspace.store, name)
        file, unread = _file(workspace, name)
        if unread is not None:
            return FoundDetector(unread, is_of_file=True)
        if record is None or (record.wanted != "ACTIVE" and file is not None and not is_derived(file)):
            return _found_in_file(workspace, record, file, listed)
        if record.wanted != "ACTIVE":
            if file is None:
                return FoundDetector(record) if record.wanted != "DELETED" else None
            workspace.files.delete(name)
        else:
            text = detector_text(record)
            if file is not None and file.body == text:
                return FoundDetector(record)
            if file is not None and not is_derived(file):
                ours = _found_in_file(workspace, record, file, listed)
                if ours is None or ours.is_invalid or not _same(ours.definition, record):
                    return ours
            workspace.files.put(name, text)
        # What was written may be out of date by now: look again.
    raise StoreError(f"detector {name!r}: changed by others {_TRIES} times; try again")


def adopt_detector(workspace: Workspace, name: str) -> DetectorDefinition | None:
    """Find a detector by name, and make the definition of one that has only a user's file; None if there is none.

    Raises
    ------
    InvalidRequestError
        Its file cannot be read.
    RecordInputError
        The name is invalid.
    RecordError, StoreError
    """
    for _ in range(_TRIES):
        before = read_definition(workspace.store, name)
        found = find_detector(workspace, name)
        if found is None or not found.is_of_file:
            return found.definition if found is not None else None
        definition = found.definition
        if found.is_invalid:
            raise InvalidRequestError(f"the detector file is invalid: {definition.failure}")
        for alert in definition.alerts:
            _claim(workspace, alert.name, name)
        _replace(workspace, name, before, definition)
        # The file is written from the definition now, so that it is no longer taken for a user's.
    raise StoreError(f"detector {name!r}: changed by others {_TRIES} times; try again")


def detector_by_name(workspace: Workspace, name: str) -> DetectorDefinition | None:
    """Find a detector by name, without changing anything; None if there is none.

    Raises
    ------
    RecordInputError
        The name is invalid.
    RecordError, StoreError
    """
    record = read_definition(workspace.store, name)
    if record is not None and record.wanted == "ACTIVE":
        return record
    file, unread = _file(workspace, name)
    if unread is not None:
        return unread
    if file is not None and (record is None or not is_derived(file)):
        found = _found_in_file(workspace, record, file)
        return found.definition if found is not None else None
    return record if record is not None and record.wanted != "DELETED" else None


def detector_by_arn(workspace: Workspace, arn: str) -> DetectorDefinition:
    """Find a detector by its ARN, without changing anything.

    Raises
    ------
    ResourceNotFoundError
    RecordError, StoreError
    """
    name = name_of_detector(arn)
    return with_arn(detector_by_name(workspace, name), arn)


def name_of_detector(arn: str) -> str:
    """Return the name in a detector's ARN; raises `ResourceNotFoundError` for any other ARN."""
    if not DETECTOR_ARN.fullmatch(arn):
        raise _not_found(arn, "AnomalyDetector")
    return arn.rpartition(":")[2]


def with_arn(definition: DetectorDefinition | None, arn: str) -> DetectorDefinition:
    """Return a detector if it has an ARN; raises `ResourceNotFoundError`."""
    if definition is None or definition.wanted == "DELETED" or definition.arn != arn:
        raise _not_found(arn, "AnomalyDetector")
    return definition


def metric_set_by_arn(workspace: Workspace, arn: str) -> tuple[DetectorDefinition, MetricSetDefinition]:
    """Find a metric set by its ARN, and its detector, without changing anything.

    Raises
    ------
    ResourceNotFoundError
    RecordError, StoreError
    """
    detector = detector_by_name(workspace, detector_of_metric_set(arn))
    return metric_set_with_arn(detector, arn)


def detector_of_metric_set(arn: str) -> str:
    """Return the name of the detector in a metric set's ARN; raises `ResourceNotFoundError` for any other ARN."""
    match = _METRIC_SET_ARN.fullmatch(arn)
    if match is None:
        raise _not_found(arn, "MetricSet")
    return match["detector"]


def metric_set_with_arn(
    detector: DetectorDefinition | None, arn: str
) -> tuple[DetectorDefinition, MetricSetDefinition]:
    """Return a detector and its metric set if that has an ARN; raises `ResourceNotFoundError`."""
    metric_set = detector.metric_set if detector is not None else None
    if detector is None or metric_set is None or metric_set.arn != arn:
        raise _not_found(arn, "MetricSet")
    return detector, metric_set


def alert_by_arn(workspace: Workspace, arn: str) -> tuple[DetectorDefinition, AlertDefinition]:
    """Find an alert by its ARN, and its detector, without changing anything.

    Raises
    ------
    ResourceNotFoundError
    RecordError, StoreError
    """
    if not ALERT_ARN.fullmatch(arn):
        raise _not_found(arn, "Alert")
    name = arn.rpartition(":")[2]
    known = read_alert_name(workspace.store, name)
    detector = detector_by_name(workspace, known.detector) if known is not None else None
    if detector is not None and known is not None and detector.has_reservation(name, known.reservation):
        return alert_with_arn(detector, arn)
    # The alerts of files have no reservations until there is a definition.
    for detector in detectors_of_files(workspace):
        if any(alert.arn == arn for alert in detector.alerts):
            return alert_with_arn(detector, arn)
    raise _not_found(arn, "Alert")


def alert_with_arn(detector: DetectorDefinition | None, arn: str) -> tuple[DetectorDefinition, AlertDefinition]:
    """Return a detector and its alert with an ARN; raises `ResourceNotFoundError`."""
    if detector is not None:
        for alert in detector.alerts:
            if alert.arn == arn:
                return detector, alert
    raise _not_found(arn, "Alert")


def detectors_of_files(workspace: Workspace) -> Iterator[DetectorDefinition]:
    """Find the detectors that have only a file, or a newer one; raises `RecordError` and `StoreError`."""
    known = definition_numbers(workspace.store).keys()
    for name, listed in sorted(workspace.files.listed().items()):
        file, unread = _file(workspace, name, listed)
        if unread is None and file is not None and (name not in known or not is_derived(file)):
            yield definition_of_file(workspace.files, file, None)


class DetectorList:
    """All detectors by name, from one listing of the definitions and one of the detector files.

    A definition and a file that are in step are not compared: the definition of an active detector is taken as it is.

    Raises
    ------
    StoreError
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._numbers = definition_numbers(workspace.store)
        self._files = workspace.files.listed()

    def beginning_at(self, name: str | None, batch: int) -> Iterator[DetectorDefinition]:
        """Find the detectors from a name on, or all, and read `batch` of them in advance.

        Raises
        ------
        RecordError, StoreError
        """
        names = iter(
            sorted(known for known in self._numbers.keys() | self._files.keys() if name is None or known >= name)
        )
        while some := list(islice(names, batch)):
            yield from (found for found in at_once(self._workspace.store, self._find, some) if found is not None)

    def _find(self, name: str) -> DetectorDefinition | None:
        if name in self._numbers:
            record = read_listed_definition(self._workspace.store, name, self._numbers[name])
            if record is not None and (record.wanted == "ACTIVE") == (name in self._files):
                return record if record.wanted != "DELETED" else None
        else:
            file, unread = _file(self._workspace, name, self._files[name])
            if unread is not None or file is not None:
                found = _found_in_file(self._workspace, None, file, self._files)
                return unread or (found.definition if found is not None else None)
        found = find_detector(self._workspace, name, self._files)
        return found.definition if found is not None else None


def listed_detectors(
    workspace: Workspace, arn: str | None, first: str | None, batch: int
) -> Iterator[DetectorDefinition]:
    """Find the detector with an ARN, or without one all detectors from the name `first` on.

    Raises
    ------
    ResourceNotFoundError, RecordError, StoreError
    """
    if arn is not None:
        return iter((detector_by_arn(workspace, arn),))
    return DetectorList(workspace).beginning_at(first, batch)


def all_detectors(workspace: Workspace) -> Iterator[DetectorDefinition]:
    """Find all detectors, by name; raises `RecordError` and `StoreError`."""
    return DetectorList(workspace).beginning_at(None, _BATCH)


def _file(
    workspace: Workspace, name: str, listed: ListedFile | None = None
) -> tuple[DetectorFile | None, DetectorDefinition | None]:
    """Return the file of a detector, or the definition that tells why it cannot be read."""
    try:
        return workspace.files.find(name, listed), None
    except DetectorFileError as error:
        unread = DetectorFile(name, name, str(error).encode())
        return None, replace(definition_of_file(workspace.files, unread, None), failure=str(error))


def _found_in_file(
    workspace: Workspace,
    record: DetectorDefinition | None,
    file: DetectorFile | None,
    listed: ListedFiles | None = None,
) -> FoundDetector | None:
    """Return the detector of a user's file, with what only a definition has."""
    if file is None:
        return None
    if listed is None:
        listed = workspace.files.listed()
    definition = definition_of_file(
        workspace.files, file, listed[file.name].written_at if file.name in listed else None
    )
    if record is not None and record.wanted != "DELETED":
        definition = replace(
            definition,
            tags=record.tags,
            kms_key_arn=record.kms_key_arn,
            created_at=record.created_at,
            wanted_since=record.wanted_since if record.wanted == "ACTIVE" else None,
            reserved=record.reserved,
        )
    return FoundDetector(definition, is_of_file=True)


def _same(left: DetectorDefinition, right: DetectorDefinition) -> bool:
    """Whether the files of two definitions are equal."""
    return detector_text(left) == detector_text(right)


def _replace(
    workspace: Workspace, name: str, before: DetectorDefinition | None, definition: DetectorDefinition
) -> None:
    """Replace a definition by that of a file; one that was changed meanwhile is left as it is."""
    change_definition(
        workspace.store, name, lambda current: definition if current == before or current is None else current
    )


def _claim(workspace: Workspace, alert: str, detector: str) -> None:
    """Reserve the name of an alert of a detector file, unless another detector has it."""

    def change(current: AlertName | None) -> AlertName:
        if current is not None and current.detector != detector:
            owner = detector_by_name(workspace, current.detector)
            if owner is not None and owner.has_reservation(alert, current.reservation):
                return current
        return AlertName(detector, "")

    change_alert_name(workspace.store, alert, change)


def _not_found(arn: str, type_: ResourceType) -> ResourceNotFoundError:
    return ResourceNotFoundError(f"{arn}: there is no such {_WORDS[type_]}", arn, type_)


_WORDS: Final[dict[ResourceType, str]] = {
    "AnomalyDetector": "detector",
    "MetricSet": "metric set",
    "Alert": "alert",
    "AnomalyGroup": "anomaly group",
    "TimeSeries": "time series",
}
