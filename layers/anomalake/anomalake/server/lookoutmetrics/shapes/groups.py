"""Anomaly groups, their time series and feedback on these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from anomalake.server.lookoutmetrics.shapes.kinds import Boolean, ListOf, Number, Shape, Structure, Text
from anomalake.server.lookoutmetrics.shapes.scalars import (
    COLUMN_NAME,
    COUNT,
    DIMENSION_VALUE,
    GROUP_ID,
    METRIC_NAME,
    SCORE,
    SERIES_ID,
    TIMESTAMP_TEXT,
)

_SUMMARY: Final[Mapping[str, Shape]] = {
    "StartTime": TIMESTAMP_TEXT,
    "EndTime": TIMESTAMP_TEXT,
    "AnomalyGroupId": GROUP_ID,
    "AnomalyGroupScore": SCORE,
    "PrimaryMetricName": METRIC_NAME,
}
GROUP_SUMMARIES: Final = ListOf("AnomalyGroupSummaryList", Structure("AnomalyGroupSummary", _SUMMARY))
GROUP_STATISTICS: Final = Structure(
    "AnomalyGroupStatistics",
    {
        "EvaluationStartDate": TIMESTAMP_TEXT,
        "TotalCount": COUNT,
        "ItemizedMetricStatsList": ListOf(
            "ItemizedMetricStatsList",
            Structure("ItemizedMetricStats", {"MetricName": COLUMN_NAME, "OccurrenceCount": COUNT}),
        ),
    },
)

_VALUE_CONTRIBUTIONS: Final = ListOf(
    "DimensionValueContributionList",
    Structure("DimensionValueContribution", {"DimensionValue": DIMENSION_VALUE, "ContributionScore": SCORE}),
)
_MATRIX: Final = Structure(
    "ContributionMatrix",
    {
        "DimensionContributionList": ListOf(
            "DimensionContributionList",
            Structure(
                "DimensionContribution",
                {"DimensionName": COLUMN_NAME, "DimensionValueContributionList": _VALUE_CONTRIBUTIONS},
            ),
        )
    },
)
GROUP: Final = Structure(
    "AnomalyGroup",
    {
        **_SUMMARY,
        "MetricLevelImpactList": ListOf(
            "MetricLevelImpactList",
            Structure(
                "MetricLevelImpact", {"MetricName": METRIC_NAME, "NumTimeSeries": COUNT, "ContributionMatrix": _MATRIX}
            ),
        ),
    },
)

TIMESTAMPS: Final = ListOf("TimestampList", TIMESTAMP_TEXT)
TIME_SERIES: Final = ListOf(
    "TimeSeriesList",
    Structure(
        "TimeSeries",
        {
            "TimeSeriesId": SERIES_ID,
            "DimensionList": ListOf(
                "DimensionNameValueList",
                Structure(
                    "DimensionNameValue",
                    {"DimensionName": COLUMN_NAME, "DimensionValue": DIMENSION_VALUE},
                    ("DimensionName", "DimensionValue"),
                ),
            ),
            "MetricValueList": ListOf("MetricValueList", Number("MetricValue")),
        },
        ("TimeSeriesId", "DimensionList", "MetricValueList"),
    ),
)

RELATIONSHIP: Final = Text("RelationshipType", enum=("CAUSE_OF_INPUT_ANOMALY_GROUP", "EFFECT_OF_INPUT_ANOMALY_GROUP"))
RELATED_METRICS: Final = ListOf(
    "InterMetricImpactList",
    Structure(
        "InterMetricImpactDetails",
        {
            "MetricName": METRIC_NAME,
            "AnomalyGroupId": GROUP_ID,
            "RelationshipType": RELATIONSHIP,
            "ContributionPercentage": Number("MetricChangePercentage", 0, 100),
        },
    ),
)

#: What PutFeedback takes.
FEEDBACK: Final = Structure(
    "AnomalyGroupTimeSeriesFeedback",
    {"AnomalyGroupId": GROUP_ID, "TimeSeriesId": SERIES_ID, "IsAnomaly": Boolean()},
    ("AnomalyGroupId", "TimeSeriesId", "IsAnomaly"),
)
#: What GetFeedback takes.
FEEDBACK_QUERY: Final = Structure(
    "AnomalyGroupTimeSeries", {"AnomalyGroupId": GROUP_ID, "TimeSeriesId": SERIES_ID}, ("AnomalyGroupId",)
)
#: What GetFeedback answers.
FEEDBACKS: Final = ListOf(
    "TimeSeriesFeedbackList",
    Structure("TimeSeriesFeedback", {"TimeSeriesId": SERIES_ID, "IsAnomaly": Boolean()}),
)
