"""Detectors that groups, feedback and executions are asked of, by their ARN."""

from __future__ import annotations

from dataclasses import dataclass

from anomalake.definitions.arns import detector_of
from anomalake.definitions.detector import DetectorFileError
from anomalake.definitions.metric_set import NAME
from anomalake.definitions.resource_errors import ResourceNotFoundError
from anomalake.records.definitions import read_definition
from anomalake.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class KnownDetector:
    """A detector.

    Attributes
    ----------
    name, arn, frequency
        AnomalyDetectorName, AnomalyDetectorArn, AnomalyDetectorFrequency.
    timezone
        Timezone of its metric set.
    """

    name: str
    arn: str
    frequency: str
    timezone: str


def known_detector(workspace: Workspace, arn: str) -> KnownDetector:
    """Return a detector that the API has made, or that has a file; raises `ResourceNotFoundError`, `StoreError`."""
    name = detector_of(arn)
    unknown = ResourceNotFoundError(f"AnomalyDetectorArn {arn}: there is no such detector", arn, "AnomalyDetector")
    if not NAME.fullmatch(name):
        raise unknown
    definition = read_definition(workspace.store, name)
    if definition is not None:
        if definition.wanted == "DELETED" or definition.arn != arn:
            raise unknown
        fields = definition.metric_set.fields if definition.metric_set is not None else {}
        frequency = definition.frequency or str(fields.get("MetricSetFrequency", "PT1H"))
        return KnownDetector(name, arn, frequency, str(fields.get("Timezone") or "UTC"))
    try:
        detector = workspace.files.read(name)
    except DetectorFileError as error:
        raise unknown from error
    if detector is None or detector.arn != arn:
        raise unknown
    return KnownDetector(name, arn, detector.frequency, detector.timezone)
