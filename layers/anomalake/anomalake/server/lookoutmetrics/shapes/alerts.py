"""Alerts: whom a detector calls, and for which anomaly groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from anomalake.server.lookoutmetrics.shapes.kinds import ListOf, Shape, Structure, Text, Time
from anomalake.server.lookoutmetrics.shapes.scalars import (
    ARN,
    COLUMN_NAME,
    DIMENSION_VALUE,
    METRIC_NAME,
    TAGS,
    THRESHOLD,
    name,
    not_blank,
)

ALERT_NAME: Final = name("AlertName")
_TYPE: Final = Text("AlertType", enum=("SNS", "LAMBDA"))
_STATUS: Final = Text("AlertStatus", enum=("ACTIVE", "INACTIVE"))

ACTION: Final = Structure(
    "Action",
    {
        "SNSConfiguration": Structure(
            "SNSConfiguration",
            {
                "RoleArn": ARN,
                "SnsTopicArn": ARN,
                "SnsFormat": Text("SnsFormat", enum=("LONG_TEXT", "SHORT_TEXT", "JSON")),
            },
            ("RoleArn", "SnsTopicArn"),
        ),
        "LambdaConfiguration": Structure(
            "LambdaConfiguration", {"RoleArn": ARN, "LambdaArn": ARN}, ("RoleArn", "LambdaArn")
        ),
    },
    one_of=True,
)

#: The members that CreateAlert and UpdateAlert set.
ALERT_MEMBERS: Final[Mapping[str, Shape]] = {
    "AlertDescription": not_blank("AlertDescription", 256, shortest=0),
    "AlertSensitivityThreshold": THRESHOLD,
    "Action": ACTION,
    "AlertFilters": Structure(
        "AlertFilters",
        {
            "MetricList": ListOf("MetricNameList", METRIC_NAME, 1, 5),
            "DimensionFilterList": ListOf(
                "DimensionFilterList",
                Structure(
                    "DimensionFilter",
                    {
                        "DimensionName": COLUMN_NAME,
                        "DimensionValueList": ListOf("DimensionValueList", DIMENSION_VALUE, 1, 10),
                    },
                ),
                1,
                5,
            ),
        },
    ),
}

_ALERT: Final[Mapping[str, Shape]] = {
    "AlertArn": ARN,
    "AnomalyDetectorArn": ARN,
    "AlertName": ALERT_NAME,
    "AlertType": _TYPE,
    "AlertStatus": _STATUS,
    "LastModificationTime": Time(),
    "CreationTime": Time(),
}
ALERT: Final = Structure("Alert", {**_ALERT, **ALERT_MEMBERS})
ALERT_SUMMARIES: Final = ListOf(
    "AlertSummaryList", Structure("AlertSummary", {**_ALERT, "AlertSensitivityThreshold": THRESHOLD, "Tags": TAGS})
)
