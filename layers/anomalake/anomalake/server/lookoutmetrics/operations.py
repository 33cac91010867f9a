"""The table of the 30 operations of Lookout for Metrics, version 2017-07-25."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from anomalake.server.lookoutmetrics.shapes.alerts import ALERT, ALERT_MEMBERS, ALERT_NAME, ALERT_SUMMARIES
from anomalake.server.lookoutmetrics.shapes.detectors import (
    DATA_QUALITY,
    DETECTOR,
    DETECTOR_CONFIG,
    DETECTOR_DESCRIPTION,
    DETECTOR_NAME,
    DETECTOR_SUMMARIES,
    EXECUTIONS,
)
from anomalake.server.lookoutmetrics.shapes.errors import BY_LETTER, ErrorShape
from anomalake.server.lookoutmetrics.shapes.groups import (
    FEEDBACK,
    FEEDBACK_QUERY,
    FEEDBACKS,
    GROUP,
    GROUP_STATISTICS,
    GROUP_SUMMARIES,
    RELATED_METRICS,
    RELATIONSHIP,
    TIME_SERIES,
    TIMESTAMPS,
)
from anomalake.server.lookoutmetrics.shapes.kinds import Shape, Structure
from anomalake.server.lookoutmetrics.shapes.metric_sets import (
    METRIC_SET,
    METRIC_SET_MEMBERS,
    METRIC_SET_NAME,
    METRIC_SET_SUMMARIES,
    TIMEZONE,
)
from anomalake.server.lookoutmetrics.shapes.samples import (
    DETECTED_CONFIG,
    DETECTION_SOURCE,
    HEADER_VALUES,
    SAMPLE_ROWS,
    SAMPLE_SOURCE,
)
from anomalake.server.lookoutmetrics.shapes.scalars import (
    ARN,
    GROUP_ID,
    KMS_KEY_ARN,
    METRIC_NAME,
    NEXT,
    PAGE,
    TAG_KEYS,
    TAGS,
    THRESHOLD,
    TIMESTAMP_TEXT,
)

#: The path of the operations on tags, before the ARN.
TAGS_PATH: Final = "/tags/"


@dataclass(frozen=True)
class Location:
    """Where a request has a member: in its path, query or body, and under which name."""

    part: Literal["uri", "querystring", "body"]
    name: str


@dataclass(frozen=True)
class Operation:
    """An operation.

    Attributes
    ----------
    name
        Such as ``CreateAlert``.
    summary
        What it does, in one sentence.
    input, output
        The shapes of the request and of the answer.
    errors
        The errors that it may answer.
    method, path
        HTTP method and path.
    status
        HTTP status of the answer.
    locations
        Members of the request that are not in the body under their own names.
    """

    name: str
    summary: str
    input: Structure
    output: Structure
    errors: tuple[ErrorShape, ...]
    method: str
    path: str
    status: int = 200
    locations: Mapping[str, Location] = field(default_factory=dict)


_Members = Mapping[str, Shape]
_NOTHING: Final[_Members] = {}
_DETECTOR_ARN: Final[_Members] = {"AnomalyDetectorArn": ARN}
_METRIC_SET_ARN: Final[_Members] = {"MetricSetArn": ARN}
_ALERT_ARN: Final[_Members] = {"AlertArn": ARN}
_RESOURCE_ARN: Final[_Members] = {"ResourceArn": ARN}


def _input(name: str, members: _Members, required: tuple[str, ...]) -> Structure:
    return Structure(f"{name}Request", members, required)


def _output(name: str, members: _Members | Structure) -> Structure:
    return members if isinstance(members, Structure) else Structure(f"{name}Response", members)


def _errors(letters: str) -> tuple[ErrorShape, ...]:
    return tuple(BY_LETTER[letter] for letter in letters)


def _post(
    name: str, errors: str, summary: str, members: _Members, required: tuple[str, ...], output: _Members | Structure
) -> Operation:
    return Operation(
        name, summary, _input(name, members, required), _output(name, output), _errors(errors), "POST", f"/{name}"
    )


def _tags(
    name: str, method: str, status: int, summary: str, members: _Members, location: Location | None, output: _Members
) -> Operation:
    locations = {"ResourceArn": Location("uri", "resourceArn")}
    if location is not None:
        [other] = members
        locations[other] = location
    return Operation(
        name,
        summary,
        _input(name, {**_RESOURCE_ARN, **members}, ("ResourceArn", *members)),
        _output(name, output),
        _errors("VNI"),
        method,
        f"{TAGS_PATH}{{resourceArn}}",
        status,
        locations,
    )


_TABLE: Final = (
    _post(
        "CreateAnomalyDetector",
        "CVQATI",
        "Creates a detector.",
        {
            "AnomalyDetectorName": DETECTOR_NAME,
            "AnomalyDetectorDescription": DETECTOR_DESCRIPTION,
            "AnomalyDetectorConfig": DETECTOR_CONFIG,
            "KmsKeyArn": KMS_KEY_ARN,
            "Tags": TAGS,
        },
        ("AnomalyDetectorName", "AnomalyDetectorConfig"),
        _DETECTOR_ARN,
    ),
    _post(
        "DescribeAnomalyDetector",
        "VNATI",
        "Returns a detector with its status.",
        _DETECTOR_ARN,
        ("AnomalyDetectorArn",),
        DETECTOR,
    ),
    _post(
        "UpdateAnomalyDetector",
        "VNATI",
        "Changes a detector.",
        {
            **_DETECTOR_ARN,
            "KmsKeyArn": KMS_KEY_ARN,
            "AnomalyDetectorDescription": DETECTOR_DESCRIPTION,
            "AnomalyDetectorConfig": DETECTOR_CONFIG,
        },
        ("AnomalyDetectorArn",),
        _DETECTOR_ARN,
    ),
    _post(
        "ListAnomalyDetectors",
        "VNATI",
        "Lists the detectors.",
        PAGE,
        (),
        {"AnomalyDetectorSummaryList": DETECTOR_SUMMARIES, **NEXT},
    ),
    _post(
        "ActivateAnomalyDetector",
        "VNATIC",
        "Activates a detector: its intervals are evaluated as they end.",
        _DETECTOR_ARN,
        ("AnomalyDetectorArn",),
        _NOTHING,
    ),
    _post(
        "DeactivateAnomalyDetector",
        "VNATIC",
        "Deactivates a detector.",
        _DETECTOR_ARN,
        ("AnomalyDetectorArn",),
        _NOTHING,
    ),
    _post(
        "BackTestAnomalyDetector",
        "VNATI",
        "Starts the backtest of a detector on its historical data.",
        _DETECTOR_ARN,
        ("AnomalyDetectorArn",),
        _NOTHING,
    ),
    _post(
        "DeleteAnomalyDetector",
        "VNATIC",
        "Deletes a detector with its metric set and its alerts.",
        _DETECTOR_ARN,
        ("AnomalyDetectorArn",),
        _NOTHING,
    ),
    _post(
        "CreateMetricSet",
        "CVNQATI",
        "Creates the metric set of a detector.",
        {
            **_DETECTOR_ARN,
            "MetricSetName": METRIC_SET_NAME,
            **METRIC_SET_MEMBERS,
            "Timezone": TIMEZONE,
            "Tags": TAGS,
        },
        ("AnomalyDetectorArn", "MetricSetName", "MetricList", "MetricSource"),
        _METRIC_SET_ARN,
    ),
    _post("DescribeMetricSet", "VNATI", "Returns a metric set.", _METRIC_SET_ARN, ("MetricSetArn",), METRIC_SET),
    _post(
        "UpdateMetricSet",
        "VNATIQ",
        "Changes a metric set.",
        {**_METRIC_SET_ARN, **METRIC_SET_MEMBERS},
        ("MetricSetArn",),
        _METRIC_SET_ARN,
    ),
    _post(
        "ListMetricSets",
        "VNATI",
        "Lists the metric sets of a detector, or of all.",
        {**_DETECTOR_ARN, **PAGE},
        (),
        {"MetricSetSummaryList": METRIC_SET_SUMMARIES, **NEXT},
    ),
    _post(
        "CreateAlert",
        "CVQATNI",
        "Creates an alert of a detector.",
        {"AlertName": ALERT_NAME, **_DETECTOR_ARN, **ALERT_MEMBERS, "Tags": TAGS},
        ("AlertName", "AnomalyDetectorArn", "Action"),
        _ALERT_ARN,
    ),
    _post("DescribeAlert", "VNATI", "Returns an alert.", _ALERT_ARN, ("AlertArn",), {"Alert": ALERT}),
    _post("UpdateAlert", "VNATI", "Changes an alert.", {**_ALERT_ARN, **ALERT_MEMBERS}, ("AlertArn",), _ALERT_ARN),
    _post(
        "ListAlerts",
        "VNATI",
        "Lists the alerts of a detector, or of all.",
        {**_DETECTOR_ARN, **PAGE},
        (),
        {"AlertSummaryList": ALERT_SUMMARIES, **NEXT},
    ),
    _post("DeleteAlert", "VNATI", "Deletes an alert.", _ALERT_ARN, ("AlertArn",), _NOTHING),
    _post(
        "ListAnomalyGroupSummaries",
        "VNATI",
        "Lists the anomaly groups of a detector whose score is at least the threshold.",
        {**_DETECTOR_ARN, "SensitivityThreshold": THRESHOLD, **PAGE},
        ("AnomalyDetectorArn", "SensitivityThreshold"),
        {"AnomalyGroupSummaryList": GROUP_SUMMARIES, "AnomalyGroupStatistics": GROUP_STATISTICS, **NEXT},
    ),
    _post(
        "GetAnomalyGroup",
        "VNATI",
        "Returns an anomaly group with the contributions of dimension values.",
        {**_DETECTOR_ARN, "AnomalyGroupId": GROUP_ID},
        ("AnomalyDetectorArn", "AnomalyGroupId"),
        {"AnomalyGroup": GROUP},
    ),
    _post(
        "ListAnomalyGroupTimeSeries",
        "VNATI",
        "Lists the time series of an anomaly group for a measure.",
        {**_DETECTOR_ARN, "AnomalyGroupId": GROUP_ID, "MetricName": METRIC_NAME, **PAGE},
        ("AnomalyDetectorArn", "AnomalyGroupId", "MetricName"),
        {
            "AnomalyGroupId": GROUP_ID,
            "MetricName": METRIC_NAME,
            "TimestampList": TIMESTAMPS,
            "TimeSeriesList": TIME_SERIES,
            **NEXT,
        },
    ),
    _post(
        "ListAnomalyGroupRelatedMetrics",
        "VNATI",
        "Lists measures that may be causes or effects of an anomaly group.",
        {**_DETECTOR_ARN, "AnomalyGroupId": GROUP_ID, "RelationshipTypeFilter": RELATIONSHIP, **PAGE},
        ("AnomalyDetectorArn", "AnomalyGroupId"),
        {"InterMetricImpactList": RELATED_METRICS, **NEXT},
    ),
    _post(
        "PutFeedback",
        "VNATI",
        "Records whether a time series of an anomaly group really was an anomaly.",
        {**_DETECTOR_ARN, "AnomalyGroupTimeSeriesFeedback": FEEDBACK},
        ("AnomalyDetectorArn", "AnomalyGroupTimeSeriesFeedback"),
        _NOTHING,
    ),
    _post(
        "GetFeedback",
        "VNATI",
        "Lists the feedback on an anomaly group.",
        {**_DETECTOR_ARN, "AnomalyGroupTimeSeriesFeedback": FEEDBACK_QUERY, **PAGE},
        ("AnomalyDetectorArn", "AnomalyGroupTimeSeriesFeedback"),
        {"AnomalyGroupTimeSeriesFeedback": FEEDBACKS, **NEXT},
    ),
    _post(
        "DescribeAnomalyDetectionExecutions",
        "VNATI",
        "Lists the executions of a detector, or that of one interval.",
        {**_DETECTOR_ARN, "Timestamp": TIMESTAMP_TEXT, **PAGE},
        ("AnomalyDetectorArn",),
        {"ExecutionList": EXECUTIONS, **NEXT},
    ),
    _post(
        "GetDataQualityMetrics",
        "VNATI",
        "Returns the quality of the data of a detector.",
        {**_DETECTOR_ARN, **_METRIC_SET_ARN},
        ("AnomalyDetectorArn",),
        {"AnomalyDetectorDataQualityMetricList": DATA_QUALITY},
    ),
    _post(
        "GetSampleData",
        "VNATI",
        "Returns the first rows of source data.",
        {"S3SourceConfig": SAMPLE_SOURCE},
        (),
        {"HeaderValues": HEADER_VALUES, "SampleRows": SAMPLE_ROWS},
    ),
    _post(
        "DetectMetricSetConfig",
        "VNATI",
        "Detects how source data are written: format, frequency and offset.",
        {**_DETECTOR_ARN, "AutoDetectionMetricSource": DETECTION_SOURCE},
        ("AnomalyDetectorArn", "AutoDetectionMetricSource"),
        {"DetectedMetricSetConfig": DETECTED_CONFIG},
    ),
    _tags(
        "ListTagsForResource",
        "GET",
        200,
        "Returns the tags of a detector, metric set or alert.",
        _NOTHING,
        None,
        {"Tags": TAGS},
    ),
    _tags(
        "TagResource",
        "POST",
        204,
        "Adds tags to a detector, metric set or alert.",
        {"Tags": TAGS},
        Location("body", "tags"),
        _NOTHING,
    ),
    _tags(
        "UntagResource",
        "DELETE",
        204,
        "Removes tags from a detector, metric set or alert.",
        {"TagKeys": TAG_KEYS},
        Location("querystring", "tagKeys"),
        _NOTHING,
    ),
)

#: The operations by name.
OPERATIONS: Final[Mapping[str, Operation]] = {operation.name: operation for operation in _TABLE}
