"""Detectors, their executions and the quality of their data."""

from __future__ import annotations

from typing import Final

from anomalake.server.lookoutmetrics.shapes.kinds import ListOf, Structure, Text, Time
from anomalake.server.lookoutmetrics.shapes.scalars import (
    ARN,
    DOUBLE,
    FREQUENCY,
    KMS_KEY_ARN,
    TAGS,
    TIMESTAMP_TEXT,
    name,
    not_blank,
)

DETECTOR_NAME: Final = name("AnomalyDetectorName")
DETECTOR_DESCRIPTION: Final = not_blank("AnomalyDetectorDescription", 256)
DETECTOR_CONFIG: Final = Structure("AnomalyDetectorConfig", {"AnomalyDetectorFrequency": FREQUENCY})

_STATUS: Final = Text(
    "AnomalyDetectorStatus",
    enum=(
        "ACTIVE",
        "ACTIVATING",
        "DELETING",
        "FAILED",
        "INACTIVE",
        "LEARNING",
        "BACK_TEST_ACTIVATING",
        "BACK_TEST_ACTIVE",
        "BACK_TEST_COMPLETE",
        "DEACTIVATED",
        "DEACTIVATING",
    ),
)
_FAILURE_TYPE: Final = Text(
    "AnomalyDetectorFailureType",
    enum=("ACTIVATION_FAILURE", "BACK_TEST_ACTIVATION_FAILURE", "DELETION_FAILURE", "DEACTIVATION_FAILURE"),
)

#: The answer to DescribeAnomalyDetector.
DETECTOR: Final = Structure(
    "DescribeAnomalyDetectorResponse",
    {
        "AnomalyDetectorArn": ARN,
        "AnomalyDetectorName": DETECTOR_NAME,
        "AnomalyDetectorDescription": DETECTOR_DESCRIPTION,
        "AnomalyDetectorConfig": Structure("AnomalyDetectorConfigSummary", {"AnomalyDetectorFrequency": FREQUENCY}),
        "CreationTime": Time(),
        "LastModificationTime": Time(),
        "Status": _STATUS,
        "FailureReason": Text("ErrorMessage", 0, 256),
        "KmsKeyArn": KMS_KEY_ARN,
        "FailureType": _FAILURE_TYPE,
    },
)

DETECTOR_SUMMARIES: Final = ListOf(
    "AnomalyDetectorSummaryList",
    Structure(
        "AnomalyDetectorSummary",
        {
            "AnomalyDetectorArn": ARN,
            "AnomalyDetectorName": DETECTOR_NAME,
            "AnomalyDetectorDescription": DETECTOR_DESCRIPTION,
            "CreationTime": Time(),
            "LastModificationTime": Time(),
            "Status": _STATUS,
            "Tags": TAGS,
        },
    ),
)

EXECUTIONS: Final = ListOf(
    "ExecutionList",
    Structure(
        "ExecutionStatus",
        {
            "Timestamp": TIMESTAMP_TEXT,
            "Status": Text(
                "AnomalyDetectionTaskStatus",
                enum=("PENDING", "IN_PROGRESS", "COMPLETED", "FAILED", "FAILED_TO_SCHEDULE"),
            ),
            "FailureReason": not_blank("AnomalyDetectionTaskStatusMessage", 256),
        },
    ),
)

_QUALITY_METRIC: Final = Structure(
    "DataQualityMetric",
    {
        "MetricType": Text(
            "DataQualityMetricType",
            enum=(
                "COLUMN_COMPLETENESS",
                "DIMENSION_UNIQUENESS",
                "TIME_SERIES_COUNT",
                "ROWS_PROCESSED",
                "ROWS_PARTIAL_COMPLIANCE",
                "INVALID_ROWS_COMPLIANCE",
                "BACKTEST_TRAINING_DATA_START_TIME_STAMP",
                "BACKTEST_TRAINING_DATA_END_TIME_STAMP",
                "BACKTEST_INFERENCE_DATA_START_TIME_STAMP",
                "BACKTEST_INFERENCE_DATA_END_TIME_STAMP",
            ),
        ),
        "MetricDescription": not_blank("DataQualityMetricDescription", 256),
        "RelatedColumnName": not_blank("RelatedColumnName", 256),
        "MetricValue": DOUBLE,
    },
)
DATA_QUALITY: Final = ListOf(
    "AnomalyDetectorDataQualityMetricList",
    Structure(
        "AnomalyDetectorDataQualityMetric",
        {
            "StartTimestamp": Time(),
            "MetricSetDataQualityMetricList": ListOf(
                "MetricSetDataQualityMetricList",
                Structure(
                    "MetricSetDataQualityMetric",
                    {
                        "MetricSetArn": ARN,
                        "DataQualityMetricList": ListOf("DataQualityMetricList", _QUALITY_METRIC),
                    },
                ),
            ),
        },
    ),
)
