"""Create, update and list the metric sets of detectors: each detector has at most one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from anomalake.definitions.resource_errors import QuotaExceededError, ResourceConflictError
from anomalake.records.definitions import DetectorDefinition, MetricSetDefinition
from anomalake.services.bounds import check_source, source_paths
from anomalake.services.definitions.changing import change_detector, is_in_use
from anomalake.services.definitions.detectors import in_use_error
from anomalake.services.definitions.documents import arn_prefix, checked, kept_members
from anomalake.services.definitions.lookup import (
    detector_by_arn,
    detector_of_metric_set,
    find_detector,
    listed_detectors,
    metric_set_with_arn,
    name_of_detector,
    with_arn,
)
from anomalake.services.samples.reading import check_metric_set
from anomalake.services.workspace import Workspace

#: What may change while the detector is in use.
_FREE: Final = ("MetricSetDescription", "Offset")


def create_metric_set(workspace: Workspace, members: Mapping[str, Any]) -> MetricSetDefinition:
    """Create a metric set from the members of CreateMetricSet.

    Raises
    ------
    ResourceNotFoundError
        There is no such detector.
    ResourceConflictError, QuotaExceededError
        The detector has this metric set, or another one.
    InvalidRequestError
        Detection cannot use it, or its files are other ones.
    AccessRefusedError
        Its files may not be read.
    RecordError, StoreError
    """
    arn, name = members["AnomalyDetectorArn"], members["MetricSetName"]
    fields = kept_members(members)
    now = workspace.now()

    def change(current: DetectorDefinition | None) -> DetectorDefinition:
        detector = with_arn(current, arn)
        metric_set = MetricSetDefinition(
            name=name,
            arn=f"{arn_prefix(arn)}MetricSet/{detector.name}/{name}",
            fields=fields,
            tags=dict(members.get("Tags") or {}),
            created_at=now,
            changed_at=now,
        )
        if detector.metric_set is not None:
            there_is = f"detector {detector.name!r} has the metric set {detector.metric_set.name!r}"
            if detector.metric_set.name == name:
                raise ResourceConflictError(f"{there_is} already", metric_set.arn, "MetricSet")
            raise QuotaExceededError(f"{there_is}; expected one for each detector", metric_set.arn, "MetricSet")
        changed = replace(detector, metric_set=metric_set)
        checked(workspace.files, changed, "MetricSet.")
        return changed

    # First without a write: the files are read before it.
    change(detector_by_arn(workspace, arn))
    _check_files(workspace, fields)
    changed = change_detector(workspace, name_of_detector(arn), change)
    assert changed.metric_set is not None
    return changed.metric_set


def describe_metric_set(workspace: Workspace, arn: str) -> tuple[DetectorDefinition, MetricSetDefinition]:
    """Describe a metric set and its detector; raises `ResourceNotFoundError`, `RecordError` and `StoreError`."""
    found = find_detector(workspace, detector_of_metric_set(arn))
    return metric_set_with_arn(found.definition if found is not None else None, arn)


def update_metric_set(workspace: Workspace, members: Mapping[str, Any]) -> MetricSetDefinition:
    """Change a metric set by the members of UpdateMetricSet: each of them replaces the one that is there.

    Raises
    ------
    ResourceNotFoundError
    InvalidRequestError
        The detector is in use and more than description and offset would change; or as in `create_metric_set`.
    AccessRefusedError
        Its files may not be read.
    RecordError, StoreError
    """
    arn = members["MetricSetArn"]
    name = detector_of_metric_set(arn)
    given = kept_members(members)

    def change(current: DetectorDefinition | None) -> DetectorDefinition:
        detector, metric_set = metric_set_with_arn(current, arn)
        fields = {**metric_set.fields, **given}
        fixed = [member for member in given if member not in _FREE and given[member] != metric_set.fields.get(member)]
        if fixed and is_in_use(workspace, detector):
            raise in_use_error(detector, fixed)
        if fields == metric_set.fields:
            return detector
        changed = replace(detector, metric_set=replace(metric_set, fields=fields, changed_at=workspace.now()))
        checked(workspace.files, changed, "MetricSet.")
        return changed

    found = find_detector(workspace, name)
    before = found.definition if found is not None else None
    _, metric_set = metric_set_with_arn(before, arn)
    after = change(before).metric_set
    assert after is not None
    if any(after.fields.get(member) != metric_set.fields.get(member) for member in given if member not in _FREE):
        _check_files(workspace, after.fields)
    changed = change_detector(workspace, name, change).metric_set
    assert changed is not None
    return changed


def list_metric_sets(
    workspace: Workspace, arn: str | None, first: str | None, batch: int
) -> Iterator[tuple[DetectorDefinition, MetricSetDefinition]]:
    """Find the metric set of a detector, or those of all detectors, by the detectors' names.

    Parameters
    ----------
    first, batch
        Of all detectors: the name to begin at, or None, and how many are read in advance.

    Raises
    ------
    ResourceNotFoundError, RecordError, StoreError
    """
    for detector in listed_detectors(workspace, arn, first, batch):
        if detector.metric_set is not None:
            yield detector, detector.metric_set


def _check_files(workspace: Workspace, fields: Mapping[str, Any]) -> None:
    """Check the source data; those of a user's file, which may be in folders, are checked by the first run."""
    check_source(workspace.bounds, fields)
    if all(path.startswith("s3://") for path in source_paths(fields)):
        check_metric_set(workspace, fields)
