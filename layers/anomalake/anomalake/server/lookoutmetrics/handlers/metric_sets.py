"""Operations on metric sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from anomalake.records.definitions import DetectorDefinition, MetricSetDefinition
from anomalake.server.lookoutmetrics.handlers.known_members import known_members
from anomalake.server.lookoutmetrics.handling import Handler, Members
from anomalake.server.lookoutmetrics.paging import page, read_ahead, read_token
from anomalake.server.lookoutmetrics.shapes.metric_sets import METRIC_SET
from anomalake.services.definitions import metric_sets
from anomalake.services.workspace import Workspace


def create_metric_set(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Create a metric set."""
    return {"MetricSetArn": metric_sets.create_metric_set(workspace, members).arn}


def describe_metric_set(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Describe a metric set; what was not given has its default."""
    detector, metric_set = metric_sets.describe_metric_set(workspace, members["MetricSetArn"])
    defaults = {"Offset": 0, "Timezone": "UTC", "MetricSetFrequency": detector.frequency or None}
    return {
        **known_members(METRIC_SET, {**defaults, **metric_set.fields}),
        "MetricSetArn": metric_set.arn,
        "AnomalyDetectorArn": detector.arn,
        "MetricSetName": metric_set.name,
        "CreationTime": metric_set.created_at,
        "LastModificationTime": metric_set.changed_at,
    }


def update_metric_set(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Change a metric set."""
    return {"MetricSetArn": metric_sets.update_metric_set(workspace, members).arn}


def list_metric_sets(workspace: Workspace, members: Members) -> dict[str, Any]:
    """List the metric sets of a detector, or all, by the detectors' names."""
    query, now = {"operation": "ListMetricSets", **members}, workspace.now()
    last = read_token(members, query, now)
    listed = metric_sets.list_metric_sets(workspace, members.get("AnomalyDetectorArn"), last, read_ahead(members))
    found, token = page(listed, members, lambda pair: pair[0].name, query, now)
    return {"MetricSetSummaryList": [_summary(*pair) for pair in found], "NextToken": token}


def _summary(detector: DetectorDefinition, metric_set: MetricSetDefinition) -> dict[str, Any]:
    return {
        "MetricSetArn": metric_set.arn,
        "AnomalyDetectorArn": detector.arn,
        "MetricSetName": metric_set.name,
        "MetricSetDescription": metric_set.fields.get("MetricSetDescription"),
        "CreationTime": metric_set.created_at,
        "LastModificationTime": metric_set.changed_at,
        "Tags": dict(metric_set.tags),
    }


HANDLERS: Final[Mapping[str, Handler]] = {
    "CreateMetricSet": create_metric_set,
    "DescribeMetricSet": describe_metric_set,
    "UpdateMetricSet": update_metric_set,
    "ListMetricSets": list_metric_sets,
}
