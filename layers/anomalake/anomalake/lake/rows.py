"""The physical table: one row for each alert (docs/adr/0001)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

import pyarrow as pa
import pyarrow.parquet as pq

from anomalake.alerts import Alert
from anomalake.alerts.bounds import METRIC_VALUE_DECIMALS, METRIC_VALUE_DIGITS

METRIC_VALUE = pa.decimal128(METRIC_VALUE_DIGITS, METRIC_VALUE_DECIMALS)

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

_SERIES = SCHEMA.field("time_series").type
_CONTRIBUTIONS = SCHEMA.field("contributions").type
_DIMENSIONS = _SERIES.value_type.field("dimensions").type


def table_of(alerts: Sequence[Alert]) -> pa.Table:
    """The alerts as rows of the physical table, in their order."""
    all_series = [series for alert in alerts for series in alert.time_series]
    pairs = [pair for series in all_series for pair in series.dimensions]
    shares = [share for alert in alerts for share in alert.contributions]
    dimensions = pa.MapArray.from_arrays(
        _offsets(len(series.dimensions) for series in all_series),
        pa.array([name for name, _ in pairs], pa.string()),
        pa.array([value for _, value in pairs], pa.string()),
        type=_DIMENSIONS,
    )
    time_series = pa.StructArray.from_arrays(
        [
            pa.array([series.time_series_id for series in all_series], pa.string()),
            dimensions,
            pa.array([series.metric_value for series in all_series], METRIC_VALUE),
        ],
        fields=list(_SERIES.value_type),
    )
    contributions = pa.StructArray.from_arrays(
        [
            pa.array([share.dimension_name for share in shares], pa.string()),
            pa.array([share.dimension_value for share in shares], pa.string()),
            pa.array([share.value_contribution for share in shares], pa.int64()),
        ],
        fields=list(_CONTRIBUTIONS.value_type),
    )
    columns = {
        "alert_id": [alert.alert_id for alert in alerts],
        "digest": [alert.digest for alert in alerts],
        "detector_arn": [alert.detector_arn for alert in alerts],
        "alert_event_id": [alert.alert_event_id for alert in alerts],
        "anomaly_group_id": [alert.anomaly_group_id for alert in alerts],
        "timestamp": [alert.timestamp.utc for alert in alerts],
        "timezone": [alert.timestamp.timezone for alert in alerts],
        "local_timestamp": [alert.timestamp.local for alert in alerts],
        "metric_name": [alert.metric_name for alert in alerts],
        "anomaly_score": [alert.anomaly_score for alert in alerts],
        "alert_name": [alert.alert_name for alert in alerts],
        "alert_arn": [alert.alert_arn for alert in alerts],
        "alert_description": [alert.alert_description for alert in alerts],
        "console_url": [alert.console_url for alert in alerts],
    }
    arrays = [pa.array(values, SCHEMA.field(name).type) for name, values in columns.items()]
    arrays.append(
        pa.ListArray.from_arrays(_offsets(len(alert.time_series) for alert in alerts), time_series, type=_SERIES)
    )
    arrays.append(
        pa.ListArray.from_arrays(
            _offsets(len(alert.contributions) for alert in alerts), contributions, type=_CONTRIBUTIONS
        )
    )
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _offsets(lengths: Iterable[int]) -> pa.Array:
    return pa.array([0, *accumulate(lengths)], pa.int32())


def names_of(table: pa.Table) -> list[str]:
    """Identity and digest of each row."""
    ids, digests = table["alert_id"].to_pylist(), table["digest"].to_pylist()
    return [alert_id + digest for alert_id, digest in zip(ids, digests, strict=True)]


#: A file with fewer rows will be compacted: it is written fast, not small.
SMALL = 1_000

# Columns whose values repeat within a file. Ids and digests do not repeat, so a dictionary would only add overhead.
_DICTIONARY = [
    "detector_arn",
    "timezone",
    "metric_name",
    "alert_name",
    "alert_arn",
    "alert_description",
    "time_series.list.element.dimensions.key_value.key",
    "time_series.list.element.dimensions.key_value.value",
    "contributions.list.element.dimension_name",
    "contributions.list.element.dimension_value",
]
_FAST = {"compression": "snappy", "use_dictionary": False, "write_statistics": ["timestamp"]}
_COMPACT = {"compression": "zstd", "use_dictionary": _DICTIONARY, "write_statistics": True}


def to_parquet(table: pa.Table) -> bytes:
    """Write rows as one Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, store_schema=False, **(_FAST if table.num_rows < SMALL else _COMPACT))
    return bytes(sink.getvalue())


def from_parquet(body: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """Read the rows of one Parquet file; raises pyarrow.ArrowInvalid for an invalid file."""
    read = pq.ParquetFile(pa.BufferReader(body)).read(columns=list(columns) if columns else None)
    return read if columns else read.cast(SCHEMA)
