"""The alert's path: original first, then its row, then the partition it lies in."""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from anomalake.alerts import SET_ASIDE_RECORD, Alert, AlertDocument, Refusal, read_alert
from anomalake.lake import csv_rows, layout, rows
from anomalake.lake.ports import Catalog, CatalogError, NoCatalog, Partition
from anomalake.storage.store import ObjectStore, StoreError

#: Up to so many alerts at once, each original is an object of its own; more go into one compressed batch.
MAX_SINGLE_ORIGINALS = 10

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that was set aside.

    Attributes
    ----------
    refusal
        Why.
    key
        Where in the lake it lies.
    delivery
        The delivery that brought it, where there is one.
    first_time
        False when the same record lay there already.
    """

    refusal: Refusal
    key: str
    delivery: str | None
    first_time: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """A record that the store did not take: deliver it again."""

    place: str
    delivery: str | None
    error: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the records of one call.

    Attributes
    ----------
    stored
        Distinct alerts that are in the lake for certain now and were not seen before, by this call or, as single
        originals, by the lake.
    repeated
        Records that repeat such an alert.
    clashes
        Stored alerts whose identity came with another body before.
    refused, failed
        Records set aside, records to deliver again.
    pending
        Partitions with stored rows that the catalog does not know yet.
    pending_reason
        Why it does not.
    """

    stored: int = 0
    repeated: int = 0
    clashes: int = 0
    refused: tuple[Refused, ...] = ()
    failed: tuple[Failed, ...] = ()
    pending: tuple[Partition, ...] = ()
    pending_reason: str | None = None


class Lake:
    """A lake that alerts are written to.

    Parameters
    ----------
    store
        Where its objects lie.
    catalog
        What tells query engines of new partitions.
    formats
        Formats of the table: ``parquet``, ``csv`` or both.
    clock
        The time, for records that are set aside.
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
        """Take documents in. Nothing is raised for a bad record or a failing store: the receipt tells of each.

        May be repeated with the same documents, all or some, any number of times.
        """
        failed: list[Failed] = []
        alerts, refused = self._read(documents, failed)
        bearers: dict[tuple[str, str], list[AlertDocument]] = defaultdict(list)
        distinct: dict[tuple[str, str], Alert] = {}
        for alert, document in alerts:
            bearers[alert.alert_id, alert.digest].append(document)
            distinct.setdefault((alert.alert_id, alert.digest), alert)

        def lose(lost: Iterable[Alert], error: StoreError) -> None:
            # Whoever brought it, for none of them is it stored.
            for alert in lost:
                for item in bearers.pop((alert.alert_id, alert.digest)):
                    failed.append(Failed(item.place, item.delivery, str(error)))

        kept = self._keep_originals(list(distinct.values()), lose)
        partitions: dict[Partition, list[Alert]] = defaultdict(list)
        for item in kept:
            partitions[layout.partition_of(item.alert)].append(item.alert)
        written = []
        for partition, members in partitions.items():
            try:
                self.write_shapes(members)
                self.write_rows(partition, members)
                written.append(partition)
            except StoreError as error:
                lose(members, error)
        pending_reason = None
        try:
            self.catalog.add_partitions(written)
        except CatalogError as error:
            pending_reason = str(error)
        new = [entry for entry in kept if entry.new and (entry.alert.alert_id, entry.alert.digest) in bearers]
        return Receipt(
            stored=len(new),
            repeated=sum(map(len, bearers.values())) - len(new),
            clashes=sum(element.clashes for element in new),
            refused=tuple(refused),
            failed=tuple(failed),
            pending=tuple(written) if pending_reason is not None else (),
            pending_reason=pending_reason,
        )

    def set_aside(self, document: AlertDocument, refusal: Refusal) -> Refused:
        """Keep a refused record with its reason; raises `StoreError`."""
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

    def write_bulk_originals(self, alerts: Sequence[Alert]) -> None:
        """Keep originals as one compressed object; raises `StoreError`."""
        lines = (_line_of(alert.original) for alert in sorted(alerts, key=lambda item: (item.alert_id, item.digest)))
        body = gzip.compress("".join(lines).encode("utf-8"), compresslevel=1, mtime=0)
        self.store.put(layout.bulk_key(alerts), body)

    def write_shapes(self, alerts: Iterable[Alert]) -> set[str]:
        """Note which relations the alerts' detectors need; returns the keys, raises `StoreError`."""
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
        """Write the rows of one partition's alerts, one file a format; raises `StoreError`."""
        ordered = sorted(alerts, key=lambda item: (item.timestamp.utc, item.alert_id, item.digest))
        self.put_rows(partition, rows.table_of(ordered))

    def put_rows(self, partition: Partition, table: pa.Table, *, fresh: bool = False) -> None:
        """Write one partition's rows, one file a format; raises `StoreError`.

        Parameters
        ----------
        fresh
            Under a name never used before (rebuild), not the one computed from the alerts.
        """
        for format_ in self.formats:
            body = rows.to_parquet(table) if format_ == "parquet" else csv_rows.to_csv(table)
            if fresh:
                key = layout.fresh_table_key(format_, partition)
            else:
                key = layout.table_key(format_, partition, rows.names_of(table))
            self.store.put(key, body)

    def _read(
        self, documents: Iterable[AlertDocument], failed: list[Failed]
    ) -> tuple[list[tuple[Alert, AlertDocument]], list[Refused]]:
        alerts: list[tuple[Alert, AlertDocument]] = []
        refused: list[Refused] = []
        for document in documents:
            try:
                alerts.append((read_alert(document), document))
            except Refusal as refusal:
                try:
                    refused.append(self.set_aside(document, refusal))
                except StoreError as error:
                    failed.append(Failed(document.place, document.delivery, str(error)))
        return alerts, refused

    def _keep_originals(self, alerts: list[Alert], lose: Callable[[Iterable[Alert], StoreError], None]) -> list[_Kept]:
        """The alerts whose originals are stored."""
        if len(alerts) > MAX_SINGLE_ORIGINALS:
            try:
                self.write_bulk_originals(alerts)
            except StoreError as error:
                lose(alerts, error)
                return []
            first: dict[str, str] = {}
            return [
                _Kept(alert, True, first.setdefault(alert.alert_id, alert.digest) != alert.digest) for alert in alerts
            ]
        kept = []
        for alert in alerts:
            try:
                new = self.store.put_new(layout.original_key(alert), alert.original.encode("utf-8"))
                bodies = sum(1 for _ in self.store.list(layout.originals_folder(alert))) if new else 1
                kept.append(_Kept(alert, new, bodies > 1))
            except StoreError as error:
                lose([alert], error)
        return kept


@dataclass(frozen=True, slots=True)
class _Kept:
    """An alert whose original is stored: whether the store had it not before, and whether it had another body of it."""

    alert: Alert
    new: bool
    clashes: bool


def _line_of(original: str) -> str:
    """An original as one line: itself, or, when it spans lines, as a JSON string."""
    if "\n" in original or "\r" in original or not original.lstrip().startswith("{"):
        return json.dumps(original, ensure_ascii=True) + "\n"
    return original + "\n"
