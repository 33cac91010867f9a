"""Metric sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from anomalake.server.lookoutmetrics.shapes.kinds import ListOf, Shape, Structure, Text, Time
from anomalake.server.lookoutmetrics.shapes.scalars import (
    ARN,
    COLUMN_NAME,
    DIMENSION_VALUE,
    FREQUENCY,
    OFFSET,
    TAGS,
    name,
    not_blank,
)
from anomalake.server.lookoutmetrics.shapes.sources import METRIC_SOURCE

METRIC_SET_NAME: Final = name("MetricSetName")
METRIC_SET_DESCRIPTION: Final = not_blank("MetricSetDescription", 256)
TIMEZONE: Final = not_blank("Timezone", 60, shortest=0)

#: The members that CreateMetricSet and UpdateMetricSet set.
METRIC_SET_MEMBERS: Final[Mapping[str, Shape]] = {
    "MetricSetDescription": METRIC_SET_DESCRIPTION,
    "MetricList": ListOf(
        "MetricList",
        Structure(
            "Metric",
            {
                "MetricName": COLUMN_NAME,
                "AggregationFunction": Text("AggregationFunction", enum=("AVG", "SUM")),
                "Namespace": Text("Namespace", 1, 255, r"[^:].*", "not beginning with :"),
            },
            ("MetricName", "AggregationFunction"),
        ),
        1,
    ),
    "Offset": OFFSET,
    "TimestampColumn": Structure(
        "TimestampColumn", {"ColumnName": COLUMN_NAME, "ColumnFormat": not_blank("DateTimeFormat", 63, shortest=0)}
    ),
    "DimensionList": ListOf("DimensionList", COLUMN_NAME, 1),
    "MetricSetFrequency": FREQUENCY,
    "MetricSource": METRIC_SOURCE,
    "DimensionFilterList": ListOf(
        "MetricSetDimensionFilterList",
        Structure(
            "MetricSetDimensionFilter",
            {
                "Name": COLUMN_NAME,
                "FilterList": ListOf(
                    "FilterList",
                    Structure(
                        "Filter",
                        {
                            "DimensionValue": DIMENSION_VALUE,
                            "FilterOperation": Text("FilterOperation", enum=("EQUALS",)),
                        },
                    ),
                    1,
                ),
            },
        ),
    ),
}

#: The answer to DescribeMetricSet.
METRIC_SET: Final = Structure(
    "DescribeMetricSetResponse",
    {
        "MetricSetArn": ARN,
        "AnomalyDetectorArn": ARN,
        "MetricSetName": METRIC_SET_NAME,
        "CreationTime": Time(),
        "LastModificationTime": Time(),
        "Timezone": TIMEZONE,
        **METRIC_SET_MEMBERS,
    },
)

METRIC_SET_SUMMARIES: Final = ListOf(
    "MetricSetSummaryList",
    Structure(
        "MetricSetSummary",
        {
            "MetricSetArn": ARN,
            "AnomalyDetectorArn": ARN,
            "MetricSetDescription": METRIC_SET_DESCRIPTION,
            "MetricSetName": METRIC_SET_NAME,
            "CreationTime": Time(),
            "LastModificationTime": Time(),
            "Tags": TAGS,
        },
    ),
)
