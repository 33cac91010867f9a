"""Bulk loading: replay of alerts into a lake and rebuild of its tables, in chunks, on all cores, in bounded memory."""

from __future__ import annotations

import io
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import pyarrow as pa

from anomalake.alerts import Alert, AlertDocument, EventItem, ObjectPointer, Withdrawal, read_file, read_lines
from anomalake.lake import csv_rows, layout, rows
from anomalake.lake.documents import Fetch, documents_of
from anomalake.lake.lake import Failed, Lake, Refused
from anomalake.lake.ports import CatalogError, Partition
from anomalake.storage.store import ObjectNotFound, StoreError

#: Maximum size of a chunk. Chunks of a small source are smaller, so that all workers end at the same time.
CHUNK_BYTES = 48 * 1024 * 1024
LEAST_CHUNK_BYTES = 4 * 1024 * 1024
CHUNK_PIECES = 20_000
BATCH_CHARACTERS = 2 * 1024 * 1024
MAX_REASONS = 1_000

NEW, KNOWN, CLASHING = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a source.

    Attributes
    ----------
    name
        Name of the source in messages.
    body
        A complete file, or complete lines of one; None: the worker reads it.
    first_line
        Number of the first line, if the piece consists of lines.
    size
        Bytes of the source that the piece covers.
    start
        Offset of the lines that the worker reads.
    """

    name: str
    body: bytes | None
    first_line: int | None = None
    size: int = 0
    start: int | None = None


@dataclass(frozen=True, slots=True)
class ChunkReport:
    """Result of one chunk.

    Attributes
    ----------
    identities
        32 bytes for each alert: its identity and the first half of its digest.
    known
        For each alert `NEW`, `KNOWN` (it was in the tables) or `CLASHING` (another body of it was in the tables).
    refused
        One line for each refused record.
    failed
        Number of records that could not be stored.
    errors
        One line for each error.
    partitions
        Partitions that rows were written to.
    shapes
        Keys of the shapes of its alerts.
    size
        Bytes of sources read.
    """

    identities: bytes
    known: bytes
    refused: tuple[str, ...]
    failed: int
    errors: tuple[str, ...]
    partitions: frozenset[Partition]
    shapes: frozenset[str]
    size: int


@dataclass(slots=True)
class Summary:
    """Result of a replay or rebuild.

    Attributes
    ----------
    loaded
        Distinct alerts; each body of a clash counts.
    repeated
        Records with an alert that was counted already or was in the lake.
    clashes
        Alerts whose identity has another body too.
    refused, failed
        Records that were set aside, and records that could not be stored.
    reasons
        One line for each of the first of these.
    """

    loaded: int = 0
    repeated: int = 0
    clashes: int = 0
    refused: int = 0
    failed: int = 0
    reasons: list[str] = field(default_factory=list)
    partitions: set[Partition] = field(default_factory=set)
    shapes: set[str] = field(default_factory=set)
    _bodies: dict[bytes, bytes] = field(default_factory=dict, repr=False)

    def add(self, report: ChunkReport) -> None:
        """Add the report of a chunk."""
        for i, known in enumerate(report.known):
            identity, body = report.identities[32 * i : 32 * i + 16], report.identities[32 * i + 16 : 32 * i + 32]
            before = self._bodies.setdefault(identity, body)
            if before is not body and before == body:
                self.repeated += 1
                continue
            if before is not body:
                # Another body of the same identity; it has a key of its own.
                if self._bodies.setdefault(identity + body, body) is not body:
                    self.repeated += 1
                    continue
                self.clashes += known == NEW
            self.clashes += known == CLASHING
            self.repeated += known == KNOWN
            self.loaded += known != KNOWN
        self.refused += len(report.refused)
        self.failed += report.failed
        self.reasons.extend((*report.errors, *report.refused)[: max(0, MAX_REASONS - len(self.reasons))])
        self.partitions |= report.partitions
        self.shapes |= report.shapes


@dataclass(frozen=True, slots=True)
class Job:
    """Settings of the workers, sent to each once.

    Attributes
    ----------
    open_lake
        Opens the lake.
    read
        Reads a piece without body.
    fetch
        Reads an S3 object that a stored event names.
    rebuild
        Write rows only, to new files.
    look_up
        Look up whether alerts are in the tables already.
    writers
        Number of writing threads: several for a store that is reached over a network.
    """

    open_lake: Callable[[], Lake]
    read: Callable[[Piece], bytes] | None = None
    fetch: Fetch | None = None
    rebuild: bool = False
    look_up: bool = False
    writers: int = 1


def load(
    pieces: Iterable[Piece],
    job: Job,
    workers: int = 1,
    progress: Callable[[ChunkReport, Summary], None] | None = None,
    size: int = 0,
) -> Summary:
    """Load pieces in chunks, in several processes; a single chunk is loaded in this process.

    `size` is the number of bytes of all pieces, if it is known.
    """
    summary = Summary()
    share = -(-size // workers) if size else CHUNK_BYTES
    chunks = _chunks(pieces, min(CHUNK_BYTES, max(LEAST_CHUNK_BYTES, share)))
    first = next(chunks, None)
    if first is None:
        return summary
    second = next(chunks, None)
    if second is None or workers < 2:
        worker = Worker(job)
        for chunk in _chain(first, second, chunks):
            _count(worker.process(chunk), summary, progress)
        return summary
    with ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start, initargs=(job,)
    ) as pool:
        waiting: set[Future[ChunkReport]] = set()
        for chunk in _chain(first, second, chunks):
            waiting.add(pool.submit(_process, chunk))
            if len(waiting) > workers:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    _count(future.result(), summary, progress)
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                _count(future.result(), summary, progress)
    return summary


class Worker:
    """Loads chunks into a lake.

    Originals are written in batches. Rows, which are an order of magnitude smaller, are collected until the end of the
    chunk, so a chunk can be large and each partition gets few files.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._lake = job.open_lake()
        self._known: dict[Partition, tuple[set[bytes], set[bytes]]] = {}

    def process(self, chunk: Sequence[Piece]) -> ChunkReport:
        """Load one chunk; the call may be repeated."""
        tally = _Tally()
        tables: list[pa.Table] = []
        partitions: list[Partition] = []
        for alerts in self._batches(chunk, tally):
            new: list[Alert] = []
            try:
                known = [self._look_up(alert) for alert in alerts]
                new = tally.unseen(alert for alert, flag in zip(alerts, known, strict=True) if flag != KNOWN)
                if new and not self._job.rebuild:
                    self._lake.write_bulk_originals(new)
                tally.shapes |= self._lake.write_shapes(alerts)
            except StoreError as error:
                # They are not stored, so a repeat later in the chunk must be stored.
                tally.forget(new)
                tally.lose(len(alerts), chunk, error)
                continue
            tally.count(alerts, known)
            tables.append(rows.table_of(new))
            partitions += map(layout.partition_of, new)
        self._write_withdrawals(tally)
        written: set[Partition] = set()
        try:
            if partitions:
                written = self._write_rows(pa.concat_tables(tables), partitions)
        except StoreError as error:
            tally.lose(len(tally.known), chunk, error)
            tally.identities.clear()
            tally.known.clear()
        return ChunkReport(
            identities=bytes(tally.identities),
            known=bytes(tally.known),
            refused=tuple(tally.refused),
            failed=tally.failed,
            errors=tuple(tally.errors),
            partitions=frozenset(written),
            shapes=frozenset(tally.shapes),
            size=sum(piece.size for piece in chunk),
        )

    def _batches(self, chunk: Sequence[Piece], tally: _Tally) -> Iterator[list[Alert]]:
        batch: list[Alert] = []
        size = 0
        for alert, _ in self._lake.read(self._documents(chunk, tally), tally.refuse, tally.fail, tally.withdraw):
            batch.append(alert)
            size += len(alert.original)
            if size >= BATCH_CHARACTERS:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _write_withdrawals(self, tally: _Tally) -> None:
        try:
            if not self._job.rebuild:
                for withdrawal in tally.withdrawals:
                    self._lake.write_withdrawal(withdrawal)
            self._lake.write_withdrawal_rows(tally.withdrawals, fresh=self._job.rebuild)
        except StoreError as error:
            tally.fail(Failed("withdrawals", None, str(error)))

    def _documents(self, chunk: Sequence[Piece], tally: _Tally) -> Iterator[AlertDocument]:
        for piece in chunk:
            body = piece.body
            if body is None:
                assert self._job.read is not None
                try:
                    body = self._job.read(piece)
                except (StoreError, OSError) as error:
                    tally.fail(Failed(piece.name, None, str(error)))
                    continue
            if piece.first_line is None:
                items = read_file(piece.name, body)
            else:
                items = read_lines(io.BytesIO(body), piece.name, first=piece.first_line)
            yield from documents_of(items, self._job.fetch or _no_objects, tally.fail)

    def _look_up(self, alert: Alert) -> int:
        if not self._job.look_up:
            return NEW
        partition = layout.partition_of(alert)
        if partition not in self._known:
            try:
                bodies = known_identities(self._lake, partition)
            except ObjectNotFound:
                # A compaction deleted a file between listing and reading.
                bodies = known_identities(self._lake, partition)
            self._known[partition] = bodies, {body[:16] for body in bodies}
        bodies, identities = self._known[partition]
        body = _identity(alert)
        return KNOWN if body in bodies else CLASHING if body[:16] in identities else NEW

    def _write_rows(self, table: pa.Table, partitions: list[Partition]) -> set[Partition]:
        """Write rows; `partitions` has the partition of each row."""
        stamps, names = table["timestamp"].to_pylist(), table["alert_id"].to_pylist()
        order = sorted(range(len(partitions)), key=lambda i: (partitions[i], stamps[i], names[i]))
        table = table.take(pa.array(order, pa.int64()))
        starts = [at for at, i in enumerate(order) if not at or partitions[i] != partitions[order[at - 1]]]
        spans = list(zip(starts, [*starts[1:], len(order)], strict=True))

        def write(span: tuple[int, int]) -> None:
            start, end = span
            partition = partitions[order[start]]
            self._lake.put_rows(partition, table.slice(start, end - start), fresh=self._job.rebuild)

        with ThreadPoolExecutor(self._job.writers) as pool:
            for _ in pool.map(write, spans):
                pass
        return set(partitions)


class _Tally:
    """Counts and errors of a chunk."""

    def __init__(self) -> None:
        self.identities = bytearray()
        self.known = bytearray()
        self.refused: list[str] = []
        self.errors: list[str] = []
        self.failed = 0
        self.shapes: set[str] = set()
        self.withdrawals: list[Withdrawal] = []
        self._seen: set[bytes] = set()

    def unseen(self, alerts: Iterable[Alert]) -> list[Alert]:
        """Alerts that are new in this chunk."""
        new = []
        for alert in alerts:
            body = _identity(alert)
            if body not in self._seen:
                self._seen.add(body)
                new.append(alert)
        return new

    def forget(self, alerts: Iterable[Alert]) -> None:
        """Forget alerts of this chunk."""
        self._seen.difference_update(map(_identity, alerts))

    def count(self, alerts: Iterable[Alert], known: Iterable[int]) -> None:
        """Count alerts with stored originals."""
        for alert in alerts:
            self.identities += _identity(alert)
        self.known += bytes(known)

    def refuse(self, refused: Refused) -> None:
        """Count a record that was set aside."""
        self.refused.append(str(refused.refusal))

    def withdraw(self, withdrawal: Withdrawal, document: AlertDocument) -> None:
        """Keep a withdrawal until the end of the chunk."""
        self.withdrawals.append(withdrawal)

    def fail(self, failed: Failed) -> None:
        """Count a record that could not be read."""
        self.failed += 1
        self.errors.append(f"{failed.place}: {failed.error}")

    def lose(self, count: int, chunk: Sequence[Piece], error: StoreError) -> None:
        """Count alerts that could not be stored."""
        self.failed += count
        self.errors.append(f"{chunk[0].name}: {count:,} alerts not stored: {error}")


def known_identities(lake: Lake, partition: Partition) -> set[bytes]:
    """Read the identity and half of the digest, 32 bytes, of every row of a partition in the lake's first format.

    Raises
    ------
    ObjectNotFound
        A file was deleted by a compaction meanwhile; the call may be repeated.
    """
    format_ = lake.formats[0]
    table, ending = layout.TABLES[format_]
    known: set[bytes] = set()
    for found in lake.store.list(layout.partition_folder(table, partition)):
        if found.key.endswith(ending):
            body = lake.store.get(found.key)
            columns = (
                rows.from_parquet(body, ["alert_id", "digest"]) if format_ == "parquet" else csv_rows.identities(body)
            )
            for item, entry in zip(columns["alert_id"].to_pylist(), columns["digest"].to_pylist(), strict=True):
                known.add(bytes.fromhex(item + entry[:32]))
    return known


def register(lake: Lake, summary: Summary) -> str | None:
    """Register the written partitions in the catalog; return the reason if that failed."""
    try:
        lake.catalog.add_partitions(sorted(summary.partitions))
    except CatalogError as error:
        return str(error)
    return None


def rebuild(
    lake: Lake,
    open_lake: Callable[[], Lake],
    workers: int = 1,
    writers: int = 1,
    progress: Callable[[ChunkReport, Summary], None] | None = None,
) -> Summary:
    """Write the tables again from the originals, and delete the earlier files.

    Ingestion and compaction may continue meanwhile. The tables are listed before the originals, so the original of
    every deleted row is read.
    """
    before = [found.key for folder in ("tables", layout.SHAPES, layout.SUPERSEDED) for found in lake.store.list(folder)]
    pieces = [Piece(found.key, None, size=found.size) for found in lake.store.list(layout.ORIGINALS)]
    size = sum(piece.size * _expansion(piece.name) for piece in pieces)
    job = Job(open_lake, read=_StoreReader(open_lake), rebuild=True, writers=writers)
    summary = load(pieces, job, workers, progress, size)
    if not summary.failed:
        lake.store.delete(key for key in before if key not in summary.shapes)
    return summary


class _StoreReader:
    """Reads objects of a lake. It is opened on first use, because it is sent to other processes."""

    def __init__(self, open_lake: Callable[[], Lake]) -> None:
        self._open_lake = open_lake
        self._lake: Lake | None = None

    def __call__(self, piece: Piece) -> bytes:
        if self._lake is None:
            self._lake = self._open_lake()
        return self._lake.store.get(piece.name)


def _no_objects(pointer: ObjectPointer) -> Iterable[EventItem]:
    raise StoreError("an event names this object; expected alerts")


def _identity(alert: Alert) -> bytes:
    return bytes.fromhex(alert.alert_id + alert.digest[:32])


def _chunks(pieces: Iterable[Piece], most: int) -> Iterator[list[Piece]]:
    chunk: list[Piece] = []
    size = 0
    for piece in pieces:
        chunk.append(piece)
        size += len(piece.body) if piece.body is not None else piece.size * _expansion(piece.name)
        if size >= most or len(chunk) >= CHUNK_PIECES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _expansion(name: str) -> int:
    """Factor by which a file grows when it is read."""
    return 10 if name.endswith(".gz") else 1


def _chain(first: list[Piece], second: list[Piece] | None, rest: Iterator[list[Piece]]) -> Iterator[list[Piece]]:
    yield first
    if second is not None:
        yield second
    yield from rest


def _count(report: ChunkReport, summary: Summary, progress: Callable[[ChunkReport, Summary], None] | None) -> None:
    summary.add(report)
    if progress is not None:
        progress(report, summary)


_worker: Worker | None = None


def _start(job: Job) -> None:
    global _worker
    _worker = Worker(job)


def _process(chunk: list[Piece]) -> ChunkReport:
    assert _worker is not None
    return _worker.process(chunk)
