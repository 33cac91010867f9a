"""Operations on anomaly groups."""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final

from anomalake.groups.anomaly_group import Group, RelatedMeasure
from anomalake.records.group_index import GroupEntry
from anomalake.records.keys import stamp
from anomalake.server.lookoutmetrics.handling import Handler, Members
from anomalake.server.lookoutmetrics.paging import page
from anomalake.server.lookoutmetrics.times import timestamp_text
from anomalake.services.definitions.known_detectors import known_detector
from anomalake.services.groups.lists import (
    contributions_of,
    find_group,
    list_groups,
    related_groups,
    score_of,
)
from anomalake.services.groups.series import series_of, timestamps_of, values_of
from anomalake.services.workspace import Workspace

_CAUSE, _EFFECT = "CAUSE_OF_INPUT_ANOMALY_GROUP", "EFFECT_OF_INPUT_ANOMALY_GROUP"


def list_anomaly_group_summaries(workspace: Workspace, members: Members) -> dict[str, Any]:
    """List the groups from a score on, newest first, with statistics of all of them."""
    detector = known_detector(workspace, members["AnomalyDetectorArn"])
    listed = list_groups(workspace, detector, members["SensitivityThreshold"])
    query = {"operation": "ListAnomalyGroupSummaries", **members}
    groups, token = page(listed.entries, members, _key_of, query, workspace.now(), descending=True)
    start = listed.evaluated_from
    evaluated = {"EvaluationStartDate": timestamp_text(start)} if start is not None else {}
    return {
        "AnomalyGroupSummaryList": [_summary(group.measure, group) for group in groups],
        "AnomalyGroupStatistics": {
            **evaluated,
            "TotalCount": len(listed.entries),
            "ItemizedMetricStatsList": [
                {"MetricName": measure, "OccurrenceCount": count} for measure, count in listed.groups_by_measure
            ],
        },
        "NextToken": token,
    }


def get_anomaly_group(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Describe a group."""
    detector = known_detector(workspace, members["AnomalyDetectorArn"])
    group = find_group(workspace, detector, members["AnomalyGroupId"])
    by_dimension = groupby(contributions_of(group), key=lambda share: share.dimension_name)
    impact = {
        "MetricName": group.measure,
        "NumTimeSeries": len(series_of(group)),
        "ContributionMatrix": {
            "DimensionContributionList": [
                {
                    "DimensionName": name,
                    "DimensionValueContributionList": [
                        {"DimensionValue": share.dimension_value, "ContributionScore": float(share.value_contribution)}
                        for share in shares
                    ],
                }
                for name, shares in by_dimension
            ]
        },
    }
    return {"AnomalyGroup": {**_summary(group.measure, group), "MetricLevelImpactList": [impact]}}


def list_anomaly_group_time_series(workspace: Workspace, members: Members) -> dict[str, Any]:
    """List the affected time series of a group, with a value for each interval of it."""
    detector = known_detector(workspace, members["AnomalyDetectorArn"])
    group = find_group(workspace, detector, members["AnomalyGroupId"])
    # A group has one measure; another one has no affected time series in it.
    affected = series_of(group) if members["MetricName"] == group.measure else []
    query = {"operation": "ListAnomalyGroupTimeSeries", **members}
    series, token = page(affected, members, lambda metric: metric.time_series_id, query, workspace.now())
    values = values_of(workspace, detector, group, series)
    return {
        "AnomalyGroupId": group.group_id,
        "MetricName": members["MetricName"],
        "TimestampList": [timestamp_text(at) for at in timestamps_of(detector, group)],
        "TimeSeriesList": [
            {
                "TimeSeriesId": metric.time_series_id,
                "DimensionList": [
                    {"DimensionName": name, "DimensionValue": value} for name, value in metric.dimensions
                ],
                "MetricValueList": of_metric,
            }
            for metric, of_metric in zip(series, values, strict=True)
        ],
        "NextToken": token,
    }


def list_anomaly_group_related_metrics(workspace: Workspace, members: Members) -> dict[str, Any]:
    """List the groups of other measures that overlap with a group, by descending contribution."""
    detector = known_detector(workspace, members["AnomalyDetectorArn"])
    group = find_group(workspace, detector, members["AnomalyGroupId"])
    wanted = members.get("RelationshipTypeFilter")
    related = [
        other for other in related_groups(workspace, detector, group) if wanted in (None, _relationship_of(other))
    ]
    query = {"operation": "ListAnomalyGroupRelatedMetrics", **members}
    found, token = page(related, members, _key_of_related, query, workspace.now())
    return {
        "InterMetricImpactList": [
            {
                "MetricName": other.measure,
                "AnomalyGroupId": other.group_id,
                "RelationshipType": _relationship_of(other),
                "ContributionPercentage": other.contribution_percentage,
            }
            for other in found
        ],
        "NextToken": token,
    }


HANDLERS: Final[dict[str, Handler]] = {
    "ListAnomalyGroupSummaries": list_anomaly_group_summaries,
    "GetAnomalyGroup": get_anomaly_group,
    "ListAnomalyGroupTimeSeries": list_anomaly_group_time_series,
    "ListAnomalyGroupRelatedMetrics": list_anomaly_group_related_metrics,
}


def _summary(measure: str, group: Group | GroupEntry) -> dict[str, Any]:
    return {
        "StartTime": timestamp_text(group.start),
        "EndTime": timestamp_text(group.end),
        "AnomalyGroupId": group.group_id,
        "AnomalyGroupScore": score_of(group),
        "PrimaryMetricName": measure,
    }


def _key_of(group: GroupEntry) -> str:
    return f"{stamp(group.start)}/{group.group_id}"


def _key_of_related(related: RelatedMeasure) -> str:
    # Keys ascend, shares descend.
    return f"{100 - related.contribution_percentage:06.2f}/{related.measure}/{related.group_id}"


def _relationship_of(related: RelatedMeasure) -> str:
    # L4M has no word for groups that begin in the same interval. Neither is known to be the cause.
    return _CAUSE if related.relationship == _CAUSE else _EFFECT
