"""The alert's path: its original is stored first, then its row, then its partition is registered."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from anomalake.alerts import (
    Alert,
    AlertDocument,
    CausesDocument,
    Refusal,
    Withdrawal,
    read_alert,
    read_causes,
    read_withdrawal,
)
from anomalake.lake import cause_rows, csv_rows, layout, rows, withdrawal_rows
from anomalake.lake.ports import Catalog, CatalogError, NoCatalog, Partition
from anomalake.lake.set_aside import Group, Refused, SetAside
from anomalake.lake.storable import Unstorable, rows_of
from anomalake.storage.store import ObjectStore, StoreError

#: Up to this number of alerts in one call, each original is an object; more are stored as one compressed batch.
MAX_SINGLE_ORIGINALS = 10
#: Characters of documents that are read and stored at once.
BATCH_CHARACTERS = 16 * 1024 * 1024

Clock = Callable[[], datetime]

#: A document of anomalake itself, about alerts.
Statement = Withdrawal | CausesDocument


def utc_now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


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
    withdrawals, causes
        Distinct withdrawals, and documents of causes, that are stored now and are new in the lake.
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
    causes: int = 0
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
        """Store the alerts and statements of documents.

        Alerts are stored before refused records are. The call may be repeated with the same documents, or with some of
        them, any number of times.
        """
        tally = _Tally()
        aside = SetAside()
        last: AlertDocument | None = None
        for batch in _batches(documents):
            if last is not None:
                self._put_aside(aside.take(last.delivery), tally)
            self._ingest_batch(batch, aside, tally)
            last = batch[-1]
        self._put_aside(aside.take(), tally)
        pending_reason = None
        try:
            self.catalog.add_partitions(sorted(tally.partitions))
        except CatalogError as error:
            pending_reason = str(error)
        return Receipt(
            stored=tally.stored,
            repeated=tally.repeated,
            clashes=tally.clashes,
            withdrawals=tally.statements[Withdrawal],
            causes=tally.statements[CausesDocument],
            refused=tuple(tally.refused),
            failed=tuple(tally.failed),
            pending=tuple(sorted(tally.partitions)) if pending_reason is not None else (),
            pending_reason=pending_reason,
        )

    def _ingest_batch(self, documents: Iterable[AlertDocument], aside: SetAside, tally: _Tally) -> None:
        documents_by_alert: dict[tuple[str, str], list[AlertDocument]] = defaultdict(list)
        distinct: dict[Partition, dict[tuple[str, str], Alert]] = defaultdict(dict)
        statements: list[tuple[Statement, AlertDocument]] = []
        for alert, document in read_alerts(documents, aside.add, lambda *read: statements.append(read)):
            if _body(alert) in tally.bodies:
                tally.repeated += 1
                continue
            documents_by_alert[_body(alert)].append(document)
            distinct[layout.partition_of(alert)].setdefault(_body(alert), alert)

        def lose(lost: Iterable[Alert], error: StoreError) -> None:
            # The alert is stored for none of the deliveries that contain it.
            for alert in lost:
                for item in documents_by_alert.pop(_body(alert)):
                    tally.failed.append(Failed(item.place, item.delivery, str(error)))

        made: dict[Partition, tuple[pa.Table, list[Alert]]] = {}
        for partition, members in distinct.items():
            found = rows_of(sorted(members.values(), key=_in_time))
            made[partition] = found.table, found.alerts
            for item in found.unstorable:
                for document in documents_by_alert.pop(_body(item.alert)):
                    aside.add(document, refusal_of(item, document))
        stored = self._store_originals([alert for _, alerts in made.values() for alert in alerts], lose)
        for partition, (table, alerts) in made.items():
            kept = [alert for alert in alerts if _body(alert) in documents_by_alert]
            if not kept:
                continue
            try:
                self.write_shapes(kept)
                self.put_rows(partition, table if len(kept) == len(alerts) else rows.table_of(kept))
                tally.partitions.add(partition)
            except StoreError as error:
                lose(kept, error)
        for statement, document in statements:
            try:
                tally.statements[type(statement)] += self.write_statement(statement)
                self.write_statement_rows([statement])
            except StoreError as error:
                tally.failed.append(Failed(document.place, document.delivery, str(error)))
        new = [item for item in stored if item.new and _body(item.alert) in documents_by_alert]
        tally.stored += len(new)
        tally.repeated += sum(map(len, documents_by_alert.values())) - len(new)
        tally.clashes += sum(item.clashes for item in new)
        tally.bodies.update(documents_by_alert)

    def _put_aside(self, groups: Iterable[Group], tally: _Tally) -> None:
        for group in groups:
            try:
                tally.refused += self.put_aside(group)
            except StoreError as error:
                tally.failed += [Failed(item.refusal.place, group.delivery, str(error)) for item in group.reasons]

    def put_aside(self, group: Group) -> list[Refused]:
        """Store the refused records of a delivery as one object; raises `StoreError`."""
        key, body = group.finish(self._clock())
        first_time = self.store.put_new(key, body)
        return [Refused(item.refusal, key, group.delivery, first_time, item.count) for item in group.reasons]

    def write_statement(self, statement: Statement) -> bool:
        """Store the original of a statement; return whether it is new; raises `StoreError`."""
        return self.store.put_new(layout.statement_key(statement), statement.original.encode("utf-8"))

    def write_statement_rows(self, statements: Sequence[Statement], *, fresh: bool = False) -> None:
        """Write the rows of statements; with `fresh`, to files with new names (rebuild); raises `StoreError`."""
        withdrawals = withdrawal_rows.tables_of(item for item in statements if isinstance(item, Withdrawal))
        causes = cause_rows.tables_of(item for item in statements if isinstance(item, CausesDocument))
        for kind, table_file, tables in (
            (layout.WITHDRAWALS, withdrawal_rows, withdrawals),
            (layout.CAUSES, cause_rows, causes),
        ):
            for partition, table in tables.items():
                if fresh:
                    key = layout.fresh_table_key(kind, partition)
                else:
                    key = layout.table_key(kind, partition, table_file.names_of(table))
                self.store.put(key, table_file.to_parquet(table))

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
        self.put_rows(partition, rows.table_of(sorted(alerts, key=_in_time)))

    def put_rows(
        self, partition: Partition, table: pa.Table, *, formats: Sequence[str] | None = None, fresh: bool = False
    ) -> None:
        """Write rows of a partition, one file for each format; raises `StoreError`.

        Parameters
        ----------
        formats
            Formats that lack the rows; default: all formats of the lake.
        fresh
            To a file with a new name (rebuild), instead of the name computed from the alerts.
        """
        for format_ in self.formats if formats is None else formats:
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


class _Tally:
    """What one call of `Lake.ingest` has done so far; `bodies` are those of the alerts that it has stored."""

    def __init__(self) -> None:
        self.stored = self.repeated = self.clashes = 0
        self.statements: Counter[type[Statement]] = Counter()
        self.refused: list[Refused] = []
        self.failed: list[Failed] = []
        self.partitions: set[Partition] = set()
        self.bodies: set[tuple[str, str]] = set()


def read_alerts(
    documents: Iterable[AlertDocument],
    refused: Callable[[AlertDocument, Refusal], None],
    stated: Callable[[Statement, AlertDocument], None],
) -> Iterator[tuple[Alert, AlertDocument]]:
    """Read documents as alerts; the one path for ingest and replay.

    Parameters
    ----------
    refused
        Called for each document that is neither an alert nor a statement.
    stated
        Called for each document that is a statement.
    """
    for document in documents:
        try:
            statement = read_withdrawal(document) or read_causes(document)
            if statement is not None:
                stated(statement, document)
                continue
            alert = read_alert(document)
        except Refusal as refusal:
            refused(document, refusal)
            continue
        yield alert, document


def refusal_of(item: Unstorable, document: AlertDocument) -> Refusal:
    """The refusal of a document whose alert cannot be stored."""
    return Refusal(document.place, "$", item.found, item.expected)


def _batches(documents: Iterable[AlertDocument]) -> Iterator[list[AlertDocument]]:
    batch: list[AlertDocument] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.body)
        if size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _in_time(alert: Alert) -> tuple[datetime, str, str]:
    return alert.timestamp.utc, alert.alert_id, alert.digest


def _body(alert: Alert) -> tuple[str, str]:
    return alert.alert_id, alert.digest


def _line_of(original: str) -> str:
    """An original as one line; if it has line breaks, as a JSON string."""
    if "\n" in original or "\r" in original or not original.lstrip().startswith("{"):
        return json.dumps(original, ensure_ascii=True) + "\n"
    return original + "\n"
