"""The alert's path: its original is stored first, then its row, then its partition is registered."""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from anomalake.alerts import (
    SET_ASIDE_RECORD,
    Alert,
    AlertDocument,
    Refusal,
    Withdrawal,
    read_alert,
    read_withdrawal,
)
from anomalake.lake import csv_rows, layout, rows, withdrawal_rows
from anomalake.lake.ports import Catalog, CatalogError, NoCatalog, Partition
from anomalake.storage.store import ObjectStore, StoreError

#: Up to this number of alerts in one call, each original is an object; more are stored as one compressed batch.
MAX_SINGLE_ORIGINALS = 10

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that was set aside.

    Attributes
    ----------
    refusal
        The reason.
    key
        Key of the set-aside record.
    delivery
        Id of its delivery, if there is one.
    first_time
        False if the same record was set aside before.
    """

    refusal: Refusal
    key: str
    delivery: str | None
    first_time: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """A record that could not be stored; it must be delivered again."""

    place: str
    delivery: str | None
    error: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """Result of one call of `Lake.ingest`.

    Attributes
    ----------
    stored
        Distinct alerts that are stored now and are new in this call or, as single originals, in the lake.
    repeated
        Records that repeat such an alert.
    clashes
        Stored alerts whose identity has another body.
    withdrawals
        Distinct withdrawals that are stored now and are new in the lake.
    refused, failed
        Records that were set aside, and records to deliver again.
    pending
        Partitions with stored rows that are not registered in the catalog yet.
    pending_reason
        Why they are not registered.
    """

    stored: int = 0
    repeated: int = 0
    clashes: int = 0
    withdrawals: int = 0
    refused: tuple[Refused, ...] = ()
    failed: tuple[Failed, ...] = ()
    pending: tuple[Partition, ...] = ()
    pending_reason: str | None = None


class Lake:
    """A lake, for writing alerts.

    Parameters
    ----------
    store
        Store of its objects.
    catalog
        Catalog of its partitions.
    formats
        Formats of the table: ``parquet``, ``csv`` or both.
    clock
        Returns the time, for set-aside records.
    """

    def __init__(
        self,
        store: ObjectStore,
        catalog: Catalog | None = None,
        formats: Sequence[str] = ("parquet",),
        clock: Clock = utc_now,
    ) -> None:
        if not formats or any(format_ not in layout.TABLES for format_ in formats):
            raise ValueError(f"table formats {','.join(formats)!r}: expected parquet, csv or parquet,csv")
        self.store = store
        self.catalog = catalog if catalog is not None else NoCatalog()
        self.formats = tuple(dict.fromkeys(formats))
        self._clock = clock
        self._known_shapes: set[str] = set()

    def ingest(self, documents: Iterable[AlertDocument]) -> Receipt:
        """Store the alerts and withdrawals of documents.

        Bad records and store failures raise nothing; they are in the receipt. The call may be repeated with the same
        documents, or with some of them, any number of times.
        """
        failed: list[Failed] = []
        refused: list[Refused] = []
        withdrawals: list[tuple[Withdrawal, AlertDocument]] = []
        alerts = list(self.read(documents, refused.append, failed.append, lambda *read: withdrawals.append(read)))
        documents_by_alert: dict[tuple[str, str], list[AlertDocument]] = defaultdict(list)
        distinct: dict[tuple[str, str], Alert] = {}
        for alert, document in alerts:
            documents_by_alert[_body(alert)].append(document)
            distinct.setdefault(_body(alert), alert)

        def lose(lost: Iterable[Alert], error: StoreError) -> None:
            # The alert is stored for none of the deliveries that contain it.
            for alert in lost:
                for item in documents_by_alert.pop(_body(alert)):
                    failed.append(Failed(item.place, item.delivery, str(error)))

        stored = self._store_originals(list(distinct.values()), lose)
        partitions: dict[Partition, list[Alert]] = defaultdict(list)
        for item in stored:
            partitions[layout.partition_of(item.alert)].append(item.alert)
        written = []
        for partition, members in partitions.items():
            try:
                self.write_shapes(members)
                self.write_rows(partition, members)
                written.append(partition)
            except StoreError as error:
                lose(members, error)
        withdrawn = 0
        for withdrawal, document in withdrawals:
            try:
                withdrawn += self.write_withdrawal(withdrawal)
                self.write_withdrawal_rows([withdrawal])
            except StoreError as error:
                failed.append(Failed(document.place, document.delivery, str(error)))
        pending_reason = None
        try:
            self.catalog.add_partitions(written)
        except CatalogError as error:
            pending_reason = str(error)
        new = [entry for entry in stored if entry.new and _body(entry.alert) in documents_by_alert]
        return Receipt(
            stored=len(new),
            repeated=sum(map(len, documents_by_alert.values())) - len(new),
            clashes=sum(element.clashes for element in new),
            withdrawals=withdrawn,
            refused=tuple(refused),
            failed=tuple(failed),
            pending=tuple(written) if pending_reason is not None else (),
            pending_reason=pending_reason,
        )

    def read(
        self,
        documents: Iterable[AlertDocument],
        refused: Callable[[Refused], None],
        failed: Callable[[Failed], None],
        withdrawn: Callable[[Withdrawal, AlertDocument], None],
    ) -> Iterator[tuple[Alert, AlertDocument]]:
        """Read documents as alerts, and set aside those that are refused; the one path for ingest and replay.

        Parameters
        ----------
        refused
            Called for each record that was set aside.
        failed
            Called for each record that could not be set aside.
        withdrawn
            Called for each document that is a withdrawal.
        """
        for document in documents:
            try:
                withdrawal = read_withdrawal(document)
                if withdrawal is not None:
                    withdrawn(withdrawal, document)
                    continue
                alert = read_alert(document)
            except Refusal as refusal:
                try:
                    refused(self.set_aside(document, refusal))
                except StoreError as error:
                    failed(Failed(document.place, document.delivery, str(error)))
                continue
            yield alert, document

    def set_aside(self, document: AlertDocument, refusal: Refusal) -> Refused:
        """Store a refused record with the reason; raises `StoreError`."""
        body = document.body
        raw = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
        record: dict[str, str] = {
            "record": SET_ASIDE_RECORD,
            "reason": str(refusal),
            "place": refusal.place,
            "field": refusal.field,
            "value": refusal.value,
            "expected": refusal.expected,
            "received_at": self._clock().isoformat(timespec="seconds"),
        }
        if isinstance(body, str):
            record["body"] = body
        else:
            record["body_base64"] = base64.b64encode(body).decode("ascii")
        key = layout.set_aside_key(raw)
        first_time = self.store.put_new(key, json.dumps(record, indent=1).encode("ascii"))
        return Refused(refusal, key, document.delivery, first_time)

    def write_withdrawal(self, withdrawal: Withdrawal) -> bool:
        """Store the original of a withdrawal; return whether it is new; raises `StoreError`."""
        return self.store.put_new(layout.withdrawal_key(withdrawal), withdrawal.original.encode("utf-8"))

    def write_withdrawal_rows(self, withdrawals: Iterable[Withdrawal], *, fresh: bool = False) -> None:
        """Write the rows of withdrawals; with `fresh`, to files with new names (rebuild); raises `StoreError`."""
        for partition, table in withdrawal_rows.tables_of(withdrawals).items():
            if fresh:
                key = layout.fresh_table_key(layout.WITHDRAWALS, partition)
            else:
                key = layout.table_key(layout.WITHDRAWALS, partition, withdrawal_rows.names_of(table))
            self.store.put(key, withdrawal_rows.to_parquet(table))

    def write_bulk_originals(self, alerts: Sequence[Alert]) -> None:
        """Store originals as one compressed object; raises `StoreError`."""
        lines = (_line_of(alert.original) for alert in sorted(alerts, key=lambda item: (item.alert_id, item.digest)))
        body = gzip.compress("".join(lines).encode("utf-8"), compresslevel=1, mtime=0)
        self.store.put(layout.bulk_key(alerts), body)

    def write_shapes(self, alerts: Iterable[Alert]) -> set[str]:
        """Store the shapes of alerts (measure and dimensions), and return their keys; raises `StoreError`."""
        keys = set()
        for arn, detector, metric_name, dimensions in {
            (alert.detector_arn, alert.detector, alert.metric_name, alert.dimension_names) for alert in alerts
        }:
            shape = {"detector_arn": arn, "metric_name": metric_name, "dimensions": list(dimensions)}
            body = json.dumps(shape).encode("ascii")
            key = layout.shape_key(detector, body)
            keys.add(key)
            if key not in self._known_shapes:
                self.store.put_new(key, body)
                self._known_shapes.add(key)
        return keys

    def write_rows(self, partition: Partition, alerts: Iterable[Alert]) -> None:
        """Write the rows of a partition's alerts, one file for each format; raises `StoreError`."""
        ordered = sorted(alerts, key=lambda item: (item.timestamp.utc, item.alert_id, item.digest))
        self.put_rows(partition, rows.table_of(ordered))

    def put_rows(self, partition: Partition, table: pa.Table, *, fresh: bool = False) -> None:
        """Write rows of a partition, one file for each format; raises `StoreError`.

        Parameters
        ----------
        fresh
            To a file with a new name (rebuild), instead of the name computed from the alerts.
        """
        for format_ in self.formats:
            body = rows.to_parquet(table) if format_ == "parquet" else csv_rows.to_csv(table)
            if fresh:
                key = layout.fresh_table_key(format_, partition)
            else:
                key = layout.table_key(format_, partition, rows.names_of(table))
            self.store.put(key, body)

    def _store_originals(
        self, alerts: list[Alert], lose: Callable[[Iterable[Alert], StoreError], None]
    ) -> list[_StoredOriginal]:
        """Store originals; return the alerts for which that succeeded."""
        if len(alerts) > MAX_SINGLE_ORIGINALS:
            try:
                self.write_bulk_originals(alerts)
            except StoreError as error:
                lose(alerts, error)
                return []
            first: dict[str, str] = {}
            return [
                _StoredOriginal(alert, True, first.setdefault(alert.alert_id, alert.digest) != alert.digest)
                for alert in alerts
            ]
        stored = []
        for alert in alerts:
            try:
                new = self.store.put_new(layout.original_key(alert), alert.original.encode("utf-8"))
                bodies = sum(1 for _ in self.store.list(layout.originals_folder(alert))) if new else 1
                stored.append(_StoredOriginal(alert, new, bodies > 1))
            except StoreError as error:
                lose([alert], error)
        return stored


@dataclass(frozen=True, slots=True)
class _StoredOriginal:
    """An alert with a stored original: whether it is new, and whether its identity has another body."""

    alert: Alert
    new: bool
    clashes: bool


def _body(alert: Alert) -> tuple[str, str]:
    return alert.alert_id, alert.digest


def _line_of(original: str) -> str:
    """An original as one line; if it has line breaks, as a JSON string."""
    if "\n" in original or "\r" in original or not original.lstrip().startswith("{"):
        return json.dumps(original, ensure_ascii=True) + "\n"
    return original + "\n"
