"""The physical table of withdrawals: one row for each alert that a document names (docs/adr/0010)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from anomalake.alerts import Withdrawal
from anomalake.lake import document_rows, layout
from anomalake.lake.ports import Partition
from anomalake.storage.store import ObjectNotFound, ObjectStore

SCHEMA = pa.schema(
    [
        pa.field("alert_id", pa.string(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),
        pa.field("sequence", pa.string(), nullable=False),
        pa.field("document", pa.string(), nullable=False),
        pa.field("is_withdrawn", pa.bool_(), nullable=False),
        pa.field("decided_at", pa.timestamp("us")),
        pa.field("reason", pa.string()),
        pa.field("detector_arn", pa.string()),
        pa.field("alert_event_id", pa.string()),
        pa.field("metric_name", pa.string()),
        pa.field("timestamp", pa.timestamp("us")),
        pa.field("timezone", pa.string()),
        pa.field("local_timestamp", pa.timestamp("us")),
        # Columns of the files too, because the table has no partitions in Glue.
        pa.field("detector", pa.string(), nullable=False),
        pa.field("day", pa.string(), nullable=False),
    ]
)

_READ_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, order=True)
class AlertState:
    """What the deciding document says of an alert's body."""

    sequence: str
    document: str
    is_withdrawn: bool


def tables_of(withdrawals: Iterable[Withdrawal]) -> dict[Partition, pa.Table]:
    """Return the rows of withdrawals, sorted and each once, by the partition of the alerts that they name."""
    lines: dict[Partition, dict[tuple[str, str, str], dict[str, object]]] = defaultdict(dict)
    for withdrawal in withdrawals:
        decided_at = datetime.fromisoformat(withdrawal.sequence).replace(tzinfo=None)
        for is_withdrawn, bodies in ((True, withdrawal.withdrawn), (False, withdrawal.reinstated)):
            for body in bodies:
                partition = Partition(withdrawal.detector, body.day)
                lines[partition][(*body.key, withdrawal.digest)] = {
                    "alert_id": body.alert_id,
                    "digest": body.digest,
                    "sequence": withdrawal.sequence,
                    "document": withdrawal.digest,
                    "is_withdrawn": is_withdrawn,
                    "decided_at": decided_at,
                    "reason": withdrawal.reason,
                    "detector_arn": withdrawal.detector_arn,
                    "alert_event_id": body.alert_event_id,
                    "metric_name": body.metric_name,
                    "timestamp": body.timestamp.utc,
                    "timezone": body.timestamp.timezone,
                    "local_timestamp": body.timestamp.local,
                    "detector": withdrawal.detector,
                    "day": body.day,
                }
    return {
        partition: pa.Table.from_pylist([line for _, line in sorted(of_partition.items())], SCHEMA)
        for partition, of_partition in lines.items()
    }


def names_of(table: pa.Table) -> list[str]:
    """Identity, body and document of each row."""
    columns = (table[name].to_pylist() for name in ("alert_id", "digest", "document"))
    return ["".join(parts) for parts in zip(*columns, strict=True)]


to_parquet = document_rows.to_parquet


def from_parquet(body: bytes) -> pa.Table:
    """Read the rows of one file; raises pyarrow.ArrowInvalid for an invalid file."""
    return document_rows.from_parquet(body, SCHEMA)


def merged(tables: Iterable[pa.Table]) -> pa.Table:
    """Merge the distinct rows of several files, sorted."""
    return document_rows.merged(tables, names_of)


def read_states(store: ObjectStore, detector: str, day: str | None = None) -> dict[tuple[str, str], AlertState]:
    """Read the state of each body of a detector's alerts that a document names, by identity and digest.

    Parameters
    ----------
    day
        UTC date of the alerts. None: all days.

    Raises
    ------
    StoreError
    """
    folder = f"{layout.FILES[layout.WITHDRAWALS][0]}/detector={detector}" + ("" if day is None else f"/day={day}")
    for attempt in range(_READ_ATTEMPTS):
        states: dict[tuple[str, str], AlertState] = {}
        try:
            for found in store.list(folder):
                if found.key.endswith(".parquet"):
                    _add(states, from_parquet(store.get(found.key)))
        except ObjectNotFound:
            # A compaction deleted a file between listing and reading.
            if attempt == _READ_ATTEMPTS - 1:
                raise
            continue
        break
    return states


def _add(states: dict[tuple[str, str], AlertState], table: pa.Table) -> None:
    names = ("alert_id", "digest", "sequence", "document", "is_withdrawn")
    for alert_id, digest, *state in zip(*(table[name].to_pylist() for name in names), strict=True):
        decided = AlertState(*state)
        known = states.get((alert_id, digest))
        if known is None or decided > known:
            states[alert_id, digest] = decided
