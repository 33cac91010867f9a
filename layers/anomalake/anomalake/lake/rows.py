"""The one physical table: an alert as a row, as Parquet and as CSV (docs/adr/0001)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa

METRIC_VALUE = pa.decimal128(38, 20)

SCHEMA = pa.schema(
    [
        pa.field("alert_id", pa.string(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),
        pa.field("detector_arn", pa.string()),
        pa.field("alert_event_id", pa.string()),
        pa.field("anomaly_group_id", pa.string()),
        pa.field("timestamp", pa.timestamp("us")),
        pa.field("timezone", pa.string()),
        pa.field("local_timestamp", pa.timestamp("us")),
        pa.field("metric_name", pa.string()),
        pa.field("anomaly_score", pa.float64()),
        pa.field("alert_name", pa.string()),
        pa.field("alert_arn", pa.string()),
        pa.field("alert_description", pa.string()),
        pa.field("console_url", pa.string()),
        pa.field(
            "time_series",
            pa.list_(
                pa.struct(
                    [
                        ("time_series_id", pa.string()),
                        ("dimensions", pa.map_(pa.string(), pa.string())),
                        ("metric_value", METRIC_VALUE),
                    ]
                )
            ),
        ),
        pa.field(
            "contributions",
            pa.list_(
                pa.struct(
                    [
                        ("dimension_name", pa.string()),
                        ("dimension_value", pa.string()),
                        ("value_contribution", pa.int64()),
                    ]
                )
            ),
        ),
    ]
)
