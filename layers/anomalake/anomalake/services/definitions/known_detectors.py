"""Detectors that groups, feedback and executions are asked of, by their ARN."""

from __future__ import annotations

from dataclasses import dataclass

from anomalake.records.definitions import DetectorDefinition
from anomalake.services.definitions.lookup import detector_by_arn
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
    """Find a detector by its ARN, as `detector_by_arn`; raises the same errors."""
    return known(detector_by_arn(workspace, arn))


def known(definition: DetectorDefinition) -> KnownDetector:
    """Return what groups, feedback and executions need of a detector's definition."""
    fields = definition.metric_set.fields if definition.metric_set is not None else {}
    frequency = definition.frequency or str(fields.get("MetricSetFrequency", "PT1H"))
    return KnownDetector(definition.name, definition.arn, frequency, str(fields.get("Timezone") or "UTC"))
