"""The pipeline that anomalake replaces, for comparison: each alert reads, changes and rewrites CSV files with pandas.

It does what the old pipeline did, without the call of the ended service. All detectors share one file per hour and
kind. So two concurrent alerts of one hour lose rows, and a repeated alert is counted twice; these faults are kept.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from datetime import datetime
from typing import Any

import boto3
import pandas as pd
from botocore.exceptions import ClientError

s3 = boto3.client("s3")


def handler(event: dict[str, Any], context: object) -> str:
    """Handle an event of the Lambda function; the bucket is in OLD_PIPELINE_BUCKET."""
    store(event, os.environ["OLD_PIPELINE_BUCKET"])
    return "stored"


def store(alert: dict[str, Any], bucket: str) -> None:
    """Store one alert."""
    hour = datetime.strptime(alert["timestamp"].partition("Z")[0], "%Y-%m-%dT%H:%M")
    stamp = hour.strftime("%Y-%m-%d %H:%M:%S")
    path = hour.strftime("%Y%m%d/%H%M/%Y%m%d_%H%M%S.csv")
    _rewrite(
        bucket,
        f"anomalyResults/metricValue_AnomalyScore/{path}",
        lambda old: _scores(old, _new_scores(alert, stamp)),
    )
    _rewrite(
        bucket,
        f"anomalyResults/dimensionContributions/{path}",
        lambda old: pd.concat([old, _new_contributions(alert, stamp)], ignore_index=True),
    )


def _new_scores(alert: dict[str, Any], stamp: str) -> pd.DataFrame:
    measure = alert["impactedMetric"]["metricName"]
    rows = []
    for series in alert["impactedMetric"]["relevantTimeSeries"]:
        dimensions = {item["dimensionName"]: item["dimensionValue"] for item in series["dimensions"]}
        rows.append(
            {
                "key": stamp + "".join(dimensions.values()),
                "Timestamp": stamp,
                **dimensions,
                f"{measure}AnomalyMetricValue": series["metricValue"],
                f"{measure}GroupScore": alert["anomalyScore"],
            }
        )
    return pd.DataFrame(rows)


def _scores(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Merge rows by combination of dimension values; values of the new alert replace old ones."""
    if old.empty:
        return new
    return new.set_index("key").combine_first(old.set_index("key")).reset_index()


def _new_contributions(alert: dict[str, Any], stamp: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Timestamp": stamp,
            "metricName": alert["impactedMetric"]["metricName"],
            "dimensionName": dimension["dimensionName"],
            "dimensionValue": share["dimensionValue"],
            "valueContribution": share["valueContribution"],
        }
        for dimension in alert["impactedMetric"]["dimensionContribution"]
        for share in dimension["dimensionValueContributions"]
    )


def _rewrite(bucket: str, key: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    try:
        old = pd.read_csv(io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        old = pd.DataFrame()
    s3.put_object(Bucket=bucket, Key=key, Body=change(old).to_csv(index=False).encode())
