"""Compaction: merge small files into large ones; queries return the same before, during and after."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import pyarrow as pa

from anomalake.errors import AnomalakeError, first_line
from anomalake.lake import cause_rows, csv_rows, layout, rows, withdrawal_rows
from anomalake.lake.lake import Clock, Lake, utc_now
from anomalake.lake.ports import Partition
from anomalake.storage.store import ObjectNotFound, ObjectStore

ATTEMPTS = 5


class _StatementRows(Protocol):
    """The module of a table of statements."""

    def from_parquet(self, body: bytes) -> pa.Table: ...

    def merged(self, tables: Iterable[pa.Table]) -> pa.Table: ...

    def to_parquet(self, table: pa.Table) -> bytes: ...


_STATEMENTS: dict[str, _StatementRows] = {layout.WITHDRAWALS: withdrawal_rows, layout.CAUSES: cause_rows}


@dataclass(slots=True)
class Compaction:
    """Result of a compaction: numbers of merged partitions, merged files and deleted files; unreadable files."""

    partitions: int = 0
    merged: int = 0
    deleted: int = 0
    unreadable: list[str] = field(default_factory=list)


def compact(
    lake: Lake,
    grace: timedelta = timedelta(0),
    clock: Clock = utc_now,
    progress: Callable[[int, int], None] | None = None,
) -> Compaction:
    """Merge the files of every partition that has several.

    The merged file has a new name, so that runs may overlap with each other, with ingestion and with a rebuild. Until
    the merged files are deleted, queries still return each row once.

    Parameters
    ----------
    grace
        How long merged files are kept for queries that have listed them; a later run deletes them. Zero: they are
        deleted at the end of this run.
    progress
        Called with the number of partitions done, and of all partitions.
    """
    done = Compaction()
    waiting = _sweep(lake.store, clock(), grace, done)
    todo = [
        (format_, partition)
        for format_ in (*lake.formats, *_STATEMENTS)
        for partition, keys in sorted(_files(lake.store, format_, layout.FILES[format_][0]).items())
        if len(keys - waiting) > 1
    ]
    superseded: list[str] = []
    for number, (format_, partition) in enumerate(todo, 1):
        try:
            replaced = _merge(lake.store, format_, partition, waiting)
        except _UnreadableFileError as error:
            done.unreadable.append(str(error))
            continue
        finally:
            if progress is not None:
                progress(number, len(todo))
        if not replaced:
            continue
        done.partitions += 1
        done.merged += len(replaced)
        if grace > timedelta(0):
            note = {"at": clock().isoformat(), "keys": sorted(replaced)}
            lake.store.put(f"{layout.SUPERSEDED}/{uuid.uuid4().hex}.json", json.dumps(note).encode())
        else:
            superseded += sorted(replaced)
    # All at once and last, so that a query that is affected needs to be run again only once.
    lake.store.delete(superseded)
    done.deleted += len(superseded)
    return done


class _UnreadableFileError(AnomalakeError):
    pass


def _files(store: ObjectStore, format_: str, folder: str) -> dict[Partition, set[str]]:
    ending = layout.FILES[format_][1]
    files: dict[Partition, set[str]] = defaultdict(set)
    for found in store.list(folder):
        partition = layout.partition_in(found.key)
        if partition is not None and found.key.endswith(ending):
            files[partition].add(found.key)
    return files


def _merge(store: ObjectStore, format_: str, partition: Partition, waiting: set[str]) -> set[str]:
    """Merge one partition; return the keys that the new file replaces."""
    folder = layout.partition_folder(layout.FILES[format_][0], partition)
    for _ in range(ATTEMPTS):
        keys = _files(store, format_, folder).get(partition, set()) - waiting
        if len(keys) < 2:
            return set()
        try:
            bodies = [(key, store.get(key)) for key in sorted(keys)]
        except ObjectNotFound:
            # Another compaction or a rebuild deleted a file: list again.
            continue
        store.put(layout.fresh_table_key(format_, partition), _merged(format_, bodies))
        return keys
    return set()


def _merged(format_: str, bodies: list[tuple[str, bytes]]) -> bytes:
    tables = []
    for key, body in bodies:
        try:
            if format_ == "csv":
                csv_rows.merge([body])
            elif format_ in _STATEMENTS:
                tables.append(_STATEMENTS[format_].from_parquet(body))
            else:
                tables.append(rows.from_parquet(body))
        except (pa.ArrowException, ValueError) as error:
            first = first_line(error)
            raise _UnreadableFileError(
                f"{key}: {first}: expected a {format_} file; a rebuild writes it again"
            ) from error
    if format_ == "csv":
        return csv_rows.merge(body for _, body in bodies)
    if format_ in _STATEMENTS:
        return _STATEMENTS[format_].to_parquet(_STATEMENTS[format_].merged(tables))
    return rows.to_parquet(_distinct(pa.concat_tables(tables)))


def _distinct(table: pa.Table) -> pa.Table:
    """One row for each identity and digest, sorted by time."""
    seen: dict[tuple[str, str], int] = {}
    stamps = table["timestamp"].to_pylist()
    for i, body in enumerate(zip(table["alert_id"].to_pylist(), table["digest"].to_pylist(), strict=True)):
        seen.setdefault(body, i)
    order = sorted(seen.values(), key=lambda i: (stamps[i], table["alert_id"][i].as_py(), table["digest"][i].as_py()))
    return table.take(pa.array(order, pa.int64()))


def _sweep(store: ObjectStore, now: datetime, grace: timedelta, done: Compaction) -> set[str]:
    """Delete files that earlier runs replaced and whose grace is over; return the keys that are kept for now."""
    waiting: set[str] = set()
    for note in list(store.list(layout.SUPERSEDED)):
        try:
            body = json.loads(store.get(note.key))
            keys, at = set(body["keys"]), datetime.fromisoformat(body["at"])
        except ObjectNotFound:
            continue
        if now - at < grace:
            waiting |= keys
            continue
        store.delete(sorted(keys))
        store.delete([note.key])
        done.deleted += len(keys)
    return waiting
