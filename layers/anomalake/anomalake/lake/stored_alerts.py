"""The alerts that a lake's table has, as far as a withdrawal names them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import unquote

import pyarrow as pa

from anomalake.alerts import AlertBody, StoredAlert
from anomalake.alerts.timestamps import ZonedTimestamp
from anomalake.lake import csv_rows, layout, rows
from anomalake.lake.ports import Partition
from anomalake.storage.store import ObjectNotFound, ObjectStore

_COLUMNS = (
    "alert_id", "digest", "detector_arn", "alert_event_id", "anomaly_group_id", "timestamp", "timezone",
    "local_timestamp", "metric_name", "alert_name",
)  # fmt: skip
_ATTEMPTS = 5


def read_stored_alerts(store: ObjectStore, partition: Partition) -> list[StoredAlert]:
    """Read the alerts of a partition, each body once, from the tables of all formats; raises `StoreError`."""
    for attempt in range(_ATTEMPTS):
        try:
            found = {alert.body.key: alert for format_ in layout.TABLES for alert in _read(store, format_, partition)}
        except ObjectNotFound:
            # A compaction deleted a file between listing and reading.
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        return [found[key] for key in sorted(found)]
    raise AssertionError


def _read(store: ObjectStore, format_: str, partition: Partition) -> Iterator[StoredAlert]:
    folder, ending = layout.TABLES[format_]
    for file in store.list(layout.partition_folder(folder, partition)):
        if not file.key.endswith(ending):
            continue
        body = store.get(file.key)
        table = rows.from_parquet(body, _COLUMNS) if format_ == "parquet" else _csv_table(body)
        for line in table.to_pylist():
            utc: datetime = line["timestamp"]
            seconds = int((utc - datetime(1970, 1, 1)).total_seconds())
            instant = f"{seconds}.{utc.microsecond * 1000:09d}"
            timestamp = ZonedTimestamp(utc, line["local_timestamp"], line["timezone"], instant)
            named = AlertBody(line["alert_event_id"], line["metric_name"], timestamp, line["digest"])
            # A timestamp with nanoseconds, which the table does not have; no run of anomalake makes one.
            if named.alert_id == line["alert_id"]:
                yield StoredAlert(named, line["detector_arn"], line["anomaly_group_id"], line["alert_name"])


def _csv_table(body: bytes) -> pa.Table:
    places = [csv_rows.HEADER.split(",").index(name) for name in _COLUMNS]
    lines = [line.split(",") for line in body.decode("utf-8").split("\n")[1:] if line]
    columns: dict[str, list[str | datetime | None]] = {
        name: [_decoded(line[place]) for line in lines] for name, place in zip(_COLUMNS, places, strict=True)
    }
    for name in ("timestamp", "local_timestamp"):
        columns[name] = [datetime.fromisoformat(str(text)) for text in columns[name]]
    return pa.table(columns, pa.schema([rows.SCHEMA.field(name) for name in _COLUMNS]))


def _decoded(cell: str) -> str | None:
    if not cell:
        return None
    return "" if cell == "%" else unquote(cell)
