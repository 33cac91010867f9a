"""The physical table of causes: one row for each interval of a group that a document names (docs/adr/0017)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from anomalake.alerts import Cause, CausesDocument
from anomalake.lake import document_rows, layout
from anomalake.lake.ports import Partition
from anomalake.storage.store import ObjectNotFound, ObjectStore

SCHEMA = pa.schema(
    [
        pa.field("detector_arn", pa.string()),
        pa.field("anomaly_group_id", pa.string(), nullable=False),
        pa.field("metric_name", pa.string(), nullable=False),
        pa.field("timestamp", pa.timestamp("us")),
        pa.field("timezone", pa.string()),
        pa.field("local_timestamp", pa.timestamp("us")),
        pa.field("sequence", pa.int64(), nullable=False),
        pa.field("document", pa.string(), nullable=False),
        pa.field(
            "causes",
            pa.list_(
                pa.struct(
                    [
                        ("dimensions", pa.map_(pa.string(), pa.string())),
                        ("share_off", pa.float64()),
                        ("explained", pa.float64()),
                        ("gain", pa.float64()),
                    ]
                )
            ),
        ),
    ]
)

_READ_ATTEMPTS = 5
_NAMES = ("detector_arn", "anomaly_group_id", "metric_name", "timestamp", "document")

#: Group, measure, and start of the interval (UTC).
CausesKey = tuple[str, str, datetime]


@dataclass(frozen=True, slots=True)
class CausesState:
    """What the deciding document says of an interval of a group."""

    sequence: int
    document: str
    causes: tuple[Cause, ...]


def tables_of(documents: Iterable[CausesDocument]) -> dict[Partition, pa.Table]:
    """Return the rows of documents, sorted and each once, by partition."""
    lines: dict[Partition, dict[tuple[str, ...], dict[str, object]]] = defaultdict(dict)
    for document in documents:
        for group in document.groups:
            line = {
                "detector_arn": document.detector_arn,
                "anomaly_group_id": group.anomaly_group_id,
                "metric_name": group.metric_name,
                "timestamp": group.timestamp.utc,
                "timezone": group.timestamp.timezone,
                "local_timestamp": group.timestamp.local,
                "sequence": document.sequence,
                "document": document.digest,
                "causes": [
                    {
                        "dimensions": list(cause.dimensions),
                        "share_off": cause.share_off,
                        "explained": cause.explained,
                        "gain": cause.gain,
                    }
                    for cause in group.causes
                ],
            }
            lines[Partition(document.detector, group.day)][(*group.key, document.digest)] = line
    return {
        partition: pa.Table.from_pylist([line for _, line in sorted(of_partition.items())], SCHEMA)
        for partition, of_partition in lines.items()
    }


def names_of(table: pa.Table) -> list[str]:
    """Group, interval and document of each row."""
    columns = (map(str, table[name].cast(pa.string()).to_pylist()) for name in _NAMES)
    return ["\0".join(parts) for parts in zip(*columns, strict=True)]


to_parquet = document_rows.to_parquet


def from_parquet(body: bytes) -> pa.Table:
    """Read the rows of one file; raises pyarrow.ArrowInvalid for an invalid file."""
    return document_rows.from_parquet(body, SCHEMA)


def merged(tables: Iterable[pa.Table]) -> pa.Table:
    """Merge the distinct rows of several files, sorted."""
    return document_rows.merged(tables, names_of)


def read_causes(
    store: ObjectStore, detector: str, detector_arn: str, day: str | None = None
) -> dict[CausesKey, CausesState]:
    """Read what the lake has of the causes of a detector's groups.

    Parameters
    ----------
    day
        UTC date of the intervals. None: all days.

    Raises
    ------
    StoreError
    """
    folder = f"{layout.FILES[layout.CAUSES][0]}/detector={detector}" + ("" if day is None else f"/day={day}")
    for attempt in range(_READ_ATTEMPTS):
        states: dict[CausesKey, CausesState] = {}
        try:
            for found in store.list(folder):
                if found.key.endswith(".parquet"):
                    _add(states, from_parquet(store.get(found.key)), detector_arn)
        except ObjectNotFound:
            # A compaction deleted a file between listing and reading.
            if attempt == _READ_ATTEMPTS - 1:
                raise
            continue
        break
    return states


def _add(states: dict[CausesKey, CausesState], table: pa.Table, detector_arn: str) -> None:
    for line in table.to_pylist():
        key = line["anomaly_group_id"], line["metric_name"], line["timestamp"]
        known = states.get(key)
        if line["detector_arn"] != detector_arn or (
            known is not None and (line["sequence"], line["document"]) <= (known.sequence, known.document)
        ):
            continue
        causes = (
            Cause(tuple(cause["dimensions"]), cause["share_off"], cause["explained"], cause["gain"])
            for cause in line["causes"]
        )
        states[key] = CausesState(line["sequence"], line["document"], tuple(causes))
