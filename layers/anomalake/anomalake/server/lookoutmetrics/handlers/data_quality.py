"""The operation on data quality."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from anomalake.records.data_quality import DataQuality
from anomalake.server.lookoutmetrics.handling import Handler, Members
from anomalake.services.data_quality import data_quality_of
from anomalake.services.workspace import Workspace


def get_data_quality_metrics(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Return the quality of the latest live intervals, together and one by one, and that of the last backtest."""
    found = data_quality_of(workspace, members["AnomalyDetectorArn"], members.get("MetricSetArn"))
    metrics = [
        {
            "StartTimestamp": quality.start,
            "MetricSetDataQualityMetricList": [
                {"MetricSetArn": found.metric_set_arn, "DataQualityMetricList": list(_metrics(quality))}
            ],
        }
        for quality in found.parts
    ]
    return {"AnomalyDetectorDataQualityMetricList": metrics}


HANDLERS: Final[dict[str, Handler]] = {"GetDataQualityMetrics": get_data_quality_metrics}


def _metrics(quality: DataQuality) -> Iterator[dict[str, Any]]:
    yield _metric("ROWS_PROCESSED", quality.rows, "Rows that were read")
    yield _metric("ROWS_PARTIAL_COMPLIANCE", quality.partial, "Used rows that lack a dimension value or a measure")
    yield _metric("INVALID_ROWS_COMPLIANCE", quality.invalid, "Rows that could not be used")
    yield _metric("TIME_SERIES_COUNT", quality.series, "Metrics: measures with each combination of dimension values")
    for column in quality.columns:
        share = 100 * column.usable / quality.rows if quality.rows else 0.0
        description = "Per cent of the rows with a usable value in the column"
        yield _metric("COLUMN_COMPLETENESS", share, description, column.name)
        if column.distinct is not None:
            yield _metric("DIMENSION_UNIQUENESS", column.distinct, "Values of the dimension", column.name)
    span = quality.span
    if span is not None:
        times = {
            "BACKTEST_TRAINING_DATA_START_TIME_STAMP": (span.training_start, "first interval of the training data"),
            "BACKTEST_TRAINING_DATA_END_TIME_STAMP": (span.training_end, "last interval of the training data"),
            "BACKTEST_INFERENCE_DATA_START_TIME_STAMP": (span.inference_start, "first interval that was tested"),
            "BACKTEST_INFERENCE_DATA_END_TIME_STAMP": (span.inference_end, "last interval that was tested"),
        }
        for name, (instant, what) in times.items():
            yield _metric(name, instant.timestamp(), f"Start of the {what}, in seconds since 1970")


def _metric(type_: str, value: float, description: str, column: str | None = None) -> dict[str, Any]:
    return {
        "MetricType": type_,
        "MetricDescription": description,
        "RelatedColumnName": column,
        "MetricValue": float(value),
    }
