"""What anomalake replaces, to compare with: each alert reads, changes and rewrites shared CSV files with pandas.

As the old pipeline did, but for its call of a service that has ended. There is one file an hour and kind, shared by all
detectors, so two alerts of one hour that overlap lose rows, and one that comes twice counts twice; none of that is
mended here.
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
    """Entry point as a function; the bucket is named in the environment."""
    store(event, os.environ["OLD_WAY_BUCKET"])
    return "stored"


def store(alert: dict[str, Any], bucket: str) -> None:
    """Take in one alert."""
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
        dimensions = {one["dimensionName"]: one["dimensionValue"] for one in series["dimensions"]}
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
    """One row for each combination of dimension values; the new alert's values go over the old ones."""
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
