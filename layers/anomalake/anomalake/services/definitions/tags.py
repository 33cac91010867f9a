"""Tags of detectors, metric sets and alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from anomalake.definitions.detector_file import ALERT_ARN
from anomalake.definitions.resource_errors import InvalidRequestError
from anomalake.records.definitions import DetectorDefinition
from anomalake.services.definitions.changing import change_detector
from anomalake.services.definitions.lookup import (
    alert_by_arn,
    alert_with_arn,
    detector_by_arn,
    detector_of_metric_set,
    metric_set_by_arn,
    metric_set_with_arn,
    name_of_detector,
    with_arn,
)
from anomalake.services.workspace import Workspace

#: Most tags of a resource.
MOST_TAGS: Final = 50

Tags = Mapping[str, str]


def list_tags(workspace: Workspace, arn: str) -> Tags:
    """Return the tags of a resource; raises `ResourceNotFoundError`, `RecordError` and `StoreError`."""
    if ALERT_ARN.fullmatch(arn):
        return alert_by_arn(workspace, arn)[1].tags
    if _is_metric_set(arn):
        return metric_set_by_arn(workspace, arn)[1].tags
    return detector_by_arn(workspace, arn).tags


def add_tags(workspace: Workspace, arn: str, tags: Tags) -> None:
    """Add tags to a resource, or change their values.

    Raises
    ------
    ResourceNotFoundError
    InvalidRequestError
        It would have more than `MOST_TAGS`.
    RecordError, StoreError
    """

    def add(there: Tags) -> Tags:
        changed = {**there, **tags}
        if len(changed) > MOST_TAGS:
            raise InvalidRequestError(f"tags: {len(changed)} with those of {arn}; expected up to {MOST_TAGS}")
        return changed

    _change_tags(workspace, arn, add)


def remove_tags(workspace: Workspace, arn: str, keys: Iterable[str]) -> None:
    """Remove the tags with some keys; raises `ResourceNotFoundError`, `RecordError` and `StoreError`."""
    removed = set(keys)
    _change_tags(workspace, arn, lambda there: {key: value for key, value in there.items() if key not in removed})


def _is_metric_set(arn: str) -> bool:
    return ":MetricSet/" in arn


def _change_tags(workspace: Workspace, arn: str, change: Callable[[Tags], Tags]) -> None:
    def of_alert(current: DetectorDefinition | None) -> DetectorDefinition:
        detector, alert = alert_with_arn(current, arn)
        tagged = replace(alert, tags=change(alert.tags))
        return replace(detector, alerts=tuple(tagged if alert.arn == arn else alert for alert in detector.alerts))

    def of_metric_set(current: DetectorDefinition | None) -> DetectorDefinition:
        detector, metric_set = metric_set_with_arn(current, arn)
        return replace(detector, metric_set=replace(metric_set, tags=change(metric_set.tags)))

    def of_detector(current: DetectorDefinition | None) -> DetectorDefinition:
        detector = with_arn(current, arn)
        return replace(detector, tags=change(detector.tags))

    if ALERT_ARN.fullmatch(arn):
        change_detector(workspace, alert_by_arn(workspace, arn)[0].name, of_alert)
    elif _is_metric_set(arn):
        change_detector(workspace, detector_of_metric_set(arn), of_metric_set)
    else:
        change_detector(workspace, name_of_detector(arn), of_detector)
