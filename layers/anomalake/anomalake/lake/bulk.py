"""Bulk loading: replay of alerts into a lake and rebuild of its tables, in chunks, on all cores, in bounded memory."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa

from anomalake.alerts import (
    Alert,
    AlertDocument,
    EventItem,
    ObjectPointer,
    Refusal,
    UnreadableError,
    read_file,
    read_lines,
)
from anomalake.alerts.bounds import MAX_ALERT, FileLimits
from anomalake.lake import csv_rows, layout, rows
from anomalake.lake.documents import Fetch, documents_of
from anomalake.lake.lake import Failed, Lake, Statement, read_alerts, refusal_of
from anomalake.lake.ports import CatalogError, Partition
from anomalake.lake.set_aside import SetAside
from anomalake.lake.storable import rows_of
from anomalake.processes import without_interrupts
from anomalake.storage.store import ObjectNotFound, StoreError
from anomalake.tasks import TaskRunner

#: Maximum size of a chunk. Chunks of a small source are smaller, so that all workers end at the same time.
CHUNK_BYTES = 48 * 1024 * 1024
LEAST_CHUNK_BYTES = 4 * 1024 * 1024
CHUNK_PIECES = 20_000
BATCH_CHARACTERS = 2 * 1024 * 1024
#: Bytes of rows that are collected before they are written.
ROW_BYTES = 256 * 1024 * 1024
MAX_REASONS = 1_000
# Tasks that a load is divided into, unless its chunks would be too large or too small.
_TASKS = 64
# Bytes of the size of the JSON in a report.
_SIZE_BYTES = 8

# In a batch of originals, a line may have twelve bytes for each character of an alert.
_ORIGINALS = FileLimits(record_bytes=13 * MAX_ALERT)

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
    path
        File to read, if it is not `name`.
    failure
        Why the source cannot be read beyond this piece: what was found, and what was expected.
    """

    name: str
    body: bytes | None
    first_line: int | None = None
    size: int = 0
    start: int | None = None
    path: str | None = None
    failure: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ChunkReport:
    """Result of one chunk.

    Attributes
    ----------
    identities
        32 bytes for each alert: its identity and the first half of its digest.
    known
        For each alert `NEW`, `KNOWN` (it was in the tables) or `CLASHING` (another body of it was in the tables).
    refused, failed
        Number of records that were set aside, and of those that could not be stored.
    reasons
        One line for each of the first of these, errors first.
    partitions
        Partitions that rows were written to.
    shapes
        Keys of the shapes of its alerts.
    size
        Bytes of sources read.
    """

    identities: bytes
    known: bytes
    refused: int
    failed: int
    reasons: tuple[str, ...]
    partitions: frozenset[Partition]
    shapes: frozenset[str]
    size: int

    def to_bytes(self) -> bytes:
        """Return the report for another process: about 33 bytes for each alert, and JSON before them with its size."""
        fields = {
            "n_identities": len(self.identities),
            "refused": self.refused,
            "failed": self.failed,
            "reasons": self.reasons,
            "partitions": [(partition.detector, partition.day) for partition in self.partitions],
            "shapes": list(self.shapes),
            "size": self.size,
        }
        text = json.dumps(fields).encode("ascii")
        return b"".join([len(text).to_bytes(_SIZE_BYTES, "little"), text, self.identities, self.known])

    @classmethod
    def from_bytes(cls, body: bytes) -> ChunkReport:
        """Inverse of `to_bytes`."""
        first = _SIZE_BYTES + int.from_bytes(body[:_SIZE_BYTES], "little")
        fields = json.loads(body[_SIZE_BYTES:first])
        end = first + fields["n_identities"]
        return cls(
            identities=body[first:end],
            known=body[end:],
            refused=fields["refused"],
            failed=fields["failed"],
            reasons=tuple(fields["reasons"]),
            partitions=frozenset(Partition(detector, day) for detector, day in fields["partitions"]),
            shapes=frozenset(fields["shapes"]),
            size=fields["size"],
        )


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
    notes
        One line for what was passed over in the sources.
    """

    loaded: int = 0
    repeated: int = 0
    clashes: int = 0
    refused: int = 0
    failed: int = 0
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
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
        self.refused += report.refused
        self.failed += report.failed
        self.reasons.extend(report.reasons[: max(0, MAX_REASONS - len(self.reasons))])
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
        Reads a piece without body, block by block.
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
    read: Callable[[Piece], Iterable[bytes]] | None = None
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
    runner: TaskRunner | None = None,
) -> Summary:
    """Load pieces in chunks, in several processes; a single chunk is loaded in this process.

    `size` is the number of bytes of all pieces, if it is known. With a `runner`, a task loads each chunk; pieces then
    have no body. Raises its `TaskError`.
    """
    summary = Summary()
    if runner is not None:
        share = min(CHUNK_BYTES, max(LEAST_CHUNK_BYTES, -(-size // _TASKS)))
        task = ChunkTask(job, tuple(_chunks(pieces, share)))
        for _, body in runner.run(task, len(task.chunks)):
            _count(ChunkReport.from_bytes(body), summary, progress)
        return summary
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
    with _processes(workers, job) as pool:
        waiting: set[Future[ChunkReport]] = set()
        for chunk in _chain(first, second, chunks):
            with without_interrupts():
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


@dataclass(frozen=True, slots=True)
class ChunkTask:
    """`Task` that loads one chunk; it returns the chunk's report."""

    job: Job
    chunks: tuple[list[Piece], ...]

    def __call__(self, number: int) -> bytes:
        return Worker(self.job).process(self.chunks[number]).to_bytes()


class Worker:
    """Loads chunks into a lake.

    Originals are written in batches. Rows, which are an order of magnitude smaller, are collected until the end of the
    chunk, so a chunk can be large and each partition gets few files.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._lake = job.open_lake()
        self._known: dict[Partition, _KnownRows] = {}

    def process(self, chunk: Sequence[Piece]) -> ChunkReport:
        """Load one chunk; the call may be repeated."""
        tally = _Tally()
        waiting = _WaitingRows()
        for batch in self._batches(chunk, tally):
            self._load(batch, waiting, tally, chunk)
            for aside in batch.ended:
                self._put_aside(aside, tally)
            if waiting.n_bytes >= ROW_BYTES:
                self._write(waiting, tally, chunk)
                waiting = _WaitingRows()
        self._write_statements(tally)
        self._write(waiting, tally, chunk)
        return ChunkReport(
            identities=bytes(tally.identities),
            known=bytes(tally.known),
            refused=tally.refused,
            failed=tally.failed,
            reasons=(*tally.errors, *tally.reasons),
            partitions=frozenset(tally.partitions),
            shapes=frozenset(tally.shapes),
            size=sum(piece.size for piece in chunk),
        )

    def _batches(self, chunk: Sequence[Piece], tally: _Tally) -> Iterator[_Batch]:
        batch = _Batch()
        size = 0
        for piece in chunk:
            # What is refused from one piece is one set-aside object, or one for each delivery in it.
            aside = SetAside()
            documents = documents_of(self._items(piece, tally), self._job.fetch or _no_objects, tally.fail)
            for alert, document in read_alerts(documents, aside.add, tally.state):
                # Not the document, which holds the parsed alert.
                batch.entries.append((alert, document.place, document.delivery, aside))
                size += len(alert.original)
                if size >= BATCH_CHARACTERS:
                    yield batch
                    batch, size = _Batch(), 0
            batch.ended.append(aside)
            size += aside.n_bytes
            if size >= BATCH_CHARACTERS:
                yield batch
                batch, size = _Batch(), 0
        yield batch

    def _write_statements(self, tally: _Tally) -> None:
        try:
            if not self._job.rebuild:
                for statement in tally.statements:
                    self._lake.write_statement(statement)
            self._lake.write_statement_rows(tally.statements, fresh=self._job.rebuild)
        except StoreError as error:
            tally.fail(Failed("withdrawals and causes", None, str(error)))

    def _load(self, batch: _Batch, waiting: _WaitingRows, tally: _Tally, chunk: Sequence[Piece]) -> None:
        """Store the originals of a batch, and add its rows to those that wait."""
        alerts = [entry[0] for entry in batch.entries]
        new: list[int] = []
        try:
            looked_up = [self._look_up(alert) for alert in alerts]
            new = tally.unseen(alerts, looked_up)
            # Rows before originals: an alert that cannot be stored leaves no original behind.
            found = rows_of([alerts[i] for i in new])
            unstorable = {_identity(item.alert): item for item in found.unstorable}
            stored = [i for i in new if _identity(alerts[i]) not in unstorable] if unstorable else new
            originals = [alerts[i] for i in stored if looked_up[i].lacking == self._lake.formats]
            if originals and not self._job.rebuild:
                self._lake.write_bulk_originals(originals)
            tally.shapes |= self._lake.write_shapes(alerts)
        except StoreError as error:
            # They are not stored, so a repeat later in the chunk must be stored.
            tally.forget(_identity(alerts[i]) for i in new)
            tally.lose(len(alerts), chunk, error)
            return
        if unstorable:
            tally.forget(unstorable)
        for (alert, place, delivery, aside), known in zip(batch.entries, looked_up, strict=True):
            item = unstorable.get(_identity(alert)) if unstorable else None
            if item is None:
                waiting.count(alert, known)
            else:
                document = AlertDocument(alert.original, place, delivery)
                aside.add(document, refusal_of(item, document))
        waiting.add(found.table, found.alerts, [looked_up[i].lacking for i in stored])

    def _put_aside(self, aside: SetAside, tally: _Tally) -> None:
        for group in aside.take():
            try:
                for refused in self._lake.put_aside(group):
                    tally.refuse(refused.refusal, refused.count)
            except StoreError as error:
                for reason in group.reasons:
                    tally.fail(Failed(reason.refusal.place, group.delivery, str(error)))

    def _items(self, piece: Piece, tally: _Tally) -> Iterator[EventItem]:
        limits = _ORIGINALS if self._job.rebuild else FileLimits()
        try:
            blocks = self._blocks(piece)
            if piece.first_line is None:
                yield from read_file(piece.name, blocks, limits=limits)
            else:
                yield from read_lines(blocks, piece.name, first=piece.first_line, limits=limits)
        except (StoreError, OSError) as error:
            tally.fail(Failed(piece.name, None, str(error)))

    def _blocks(self, piece: Piece) -> Iterable[bytes]:
        if piece.body is None:
            assert self._job.read is not None
            blocks = self._job.read(piece)
        else:
            blocks = [piece.body]
        return blocks if piece.failure is None else _failing(blocks, UnreadableError(*piece.failure))

    def _look_up(self, alert: Alert) -> _LookedUp:
        if not self._job.look_up:
            return _LookedUp(NEW, self._lake.formats)
        partition = layout.partition_of(alert)
        known = self._known.get(partition)
        if known is None:
            try:
                known = known_identities(self._lake, partition)
            except ObjectNotFound:
                # A compaction deleted a file between listing and reading.
                known = known_identities(self._lake, partition)
            self._known[partition] = known
        return known.look_up(alert)

    def _write(self, waiting: _WaitingRows, tally: _Tally, chunk: Sequence[Piece]) -> None:
        """Write the rows that wait, and count their alerts."""
        try:
            for formats, (tables, partitions) in waiting.rows.items():
                tally.partitions |= self._write_rows(pa.concat_tables(tables), partitions, formats)
        except StoreError as error:
            tally.forget(waiting.new)
            tally.lose(len(waiting.known), chunk, error)
        else:
            tally.identities += waiting.identities
            tally.known += waiting.known

    def _write_rows(self, table: pa.Table, partitions: list[Partition], formats: tuple[str, ...]) -> set[Partition]:
        """Write rows; `partitions` has the partition of each row."""
        stamps, names = table["timestamp"].to_pylist(), table["alert_id"].to_pylist()
        order = sorted(range(len(partitions)), key=lambda i: (partitions[i], stamps[i], names[i]))
        table = table.take(pa.array(order, pa.int64()))
        starts = [at for at, i in enumerate(order) if not at or partitions[i] != partitions[order[at - 1]]]
        spans = list(zip(starts, [*starts[1:], len(order)], strict=True))

        def write(span: tuple[int, int]) -> None:
            start, end = span
            partition = partitions[order[start]]
            rows_of_partition = table.slice(start, end - start)
            self._lake.put_rows(partition, rows_of_partition, formats=formats, fresh=self._job.rebuild)

        with ThreadPoolExecutor(self._job.writers) as pool:
            for _ in pool.map(write, spans):
                pass
        return set(partitions)


@dataclass(slots=True)
class _Batch:
    """Some alerts of a chunk.

    Attributes
    ----------
    entries
        Each alert with its place and delivery, and with what is refused from its piece.
    ended
        What is refused from each piece that ends in this batch.
    """

    entries: list[tuple[Alert, str, str | None, SetAside]] = field(default_factory=list)
    ended: list[SetAside] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _LookedUp:
    """Whether an alert is `NEW`, `KNOWN` or `CLASHING`, and the formats whose table lacks its row."""

    flag: int
    lacking: tuple[str, ...]


class _WaitingRows:
    """Rows that are not written yet, by the formats to write them in, and what their alerts count as then."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, ...], tuple[list[pa.Table], list[Partition]]] = {}
        self.new: list[bytes] = []
        self.n_bytes = 0
        self.identities = bytearray()
        self.known = bytearray()

    def count(self, alert: Alert, looked_up: _LookedUp) -> None:
        """Add an alert to those to count."""
        self.identities += _identity(alert)
        self.known.append(looked_up.flag)

    def add(self, table: pa.Table, alerts: Sequence[Alert], lacking: Sequence[tuple[str, ...]]) -> None:
        """Add the rows of alerts, of which each format in `lacking` has none."""
        if not alerts:
            return
        self.n_bytes += table.nbytes
        self.new += map(_identity, alerts)
        for formats in dict.fromkeys(lacking):
            chosen = [i for i, other in enumerate(lacking) if other == formats]
            tables, partitions = self.rows.setdefault(formats, ([], []))
            tables.append(table if len(chosen) == len(alerts) else table.take(pa.array(chosen, pa.int64())))
            partitions += [layout.partition_of(alerts[i]) for i in chosen]


class _Tally:
    """Counts and errors of a chunk."""

    def __init__(self) -> None:
        self.identities = bytearray()
        self.known = bytearray()
        self.refused = 0
        self.failed = 0
        self.reasons: list[str] = []
        self.errors: list[str] = []
        self.partitions: set[Partition] = set()
        self.shapes: set[str] = set()
        self.statements: list[Statement] = []
        self._seen: set[bytes] = set()

    def unseen(self, alerts: Sequence[Alert], looked_up: Sequence[_LookedUp]) -> list[int]:
        """Positions of the alerts whose rows are to be written, and that are new in this chunk."""
        new = []
        for i, (alert, found) in enumerate(zip(alerts, looked_up, strict=True)):
            if found.lacking and (body := _identity(alert)) not in self._seen:
                self._seen.add(body)
                new.append(i)
        return new

    def forget(self, identities: Iterable[bytes]) -> None:
        """Forget alerts of this chunk."""
        self._seen.difference_update(identities)

    def refuse(self, refusal: Refusal, count: int) -> None:
        """Count records that were set aside."""
        self.refused += count
        if len(self.reasons) < MAX_REASONS:
            self.reasons.append(str(refusal))

    def state(self, statement: Statement, document: AlertDocument) -> None:
        """Keep a statement until the end of the chunk."""
        self.statements.append(statement)

    def fail(self, failed: Failed) -> None:
        """Count a record that could not be read or set aside."""
        self.failed += 1
        if len(self.errors) < MAX_REASONS:
            self.errors.append(f"{failed.place}: {failed.error}")

    def lose(self, count: int, chunk: Sequence[Piece], error: StoreError) -> None:
        """Count alerts that could not be stored."""
        self.failed += count
        self.errors.append(f"{chunk[0].name}: {count:,} alerts not stored: {error}")


class _KnownRows:
    """The rows of a partition in each format: 32 bytes for each, its identity and half of its digest."""

    def __init__(self, rows_by_format: dict[str, set[bytes]]) -> None:
        self._rows = rows_by_format
        self._identities = {row[:16] for rows in rows_by_format.values() for row in rows}
        self._all = tuple(rows_by_format)

    def look_up(self, alert: Alert) -> _LookedUp:
        """Look up an alert; it is known if one format has it, because its original was stored before."""
        body = _identity(alert)
        lacking = tuple(format_ for format_, rows in self._rows.items() if body not in rows)
        if lacking != self._all:
            return _LookedUp(KNOWN, lacking)
        return _LookedUp(CLASHING if body[:16] in self._identities else NEW, lacking)


def known_identities(lake: Lake, partition: Partition) -> _KnownRows:
    """Read which rows of a partition each format of the lake has.

    Raises
    ------
    ObjectNotFound
        A file was deleted by a compaction meanwhile; the call may be repeated.
    """
    return _KnownRows({format_: _known_in(lake, format_, partition) for format_ in lake.formats})


def _known_in(lake: Lake, format_: str, partition: Partition) -> set[bytes]:
    table, ending = layout.TABLES[format_]
    known: set[bytes] = set()
    for found in lake.store.list(layout.partition_folder(table, partition)):
        if not found.key.endswith(ending):
            continue
        body = lake.store.get(found.key)
        try:
            columns = (
                rows.from_parquet(body, ["alert_id", "digest"]) if format_ == "parquet" else csv_rows.identities(body)
            )
            pairs = zip(columns["alert_id"].to_pylist(), columns["digest"].to_pylist(), strict=True)
            known.update([bytes.fromhex(item + entry[:32]) for item, entry in pairs])
        except (pa.ArrowException, ValueError):
            # A damaged file has no rows: they are written again. A compaction names the file.
            continue
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
    runner: TaskRunner | None = None,
) -> Summary:
    """Write the tables again from the originals, and delete the earlier files.

    Ingestion and compaction may continue meanwhile. The tables are listed before the originals, so the original of
    every deleted row is read.
    """
    before = [found.key for folder in ("tables", layout.SHAPES, layout.SUPERSEDED) for found in lake.store.list(folder)]
    pieces = [Piece(found.key, None, size=found.size) for found in lake.store.list(layout.ORIGINALS)]
    size = sum(piece.size * _expansion(piece.name) for piece in pieces)
    job = Job(open_lake, read=_StoreReader(open_lake), rebuild=True, writers=writers)
    summary = load(pieces, job, workers, progress, size, runner)
    if not summary.failed:
        lake.store.delete(key for key in before if key not in summary.shapes)
    return summary


class _StoreReader:
    """Reads objects of a lake. It is opened on first use, because it is sent to other processes."""

    def __init__(self, open_lake: Callable[[], Lake]) -> None:
        self._open_lake = open_lake
        self._lake: Lake | None = None

    def __call__(self, piece: Piece) -> Iterable[bytes]:
        if self._lake is None:
            self._lake = self._open_lake()
        return [self._lake.store.get(piece.name)]


def _no_objects(pointer: ObjectPointer) -> Iterable[EventItem]:
    raise StoreError("an event names this object; expected alerts")


def _failing(blocks: Iterable[bytes], error: UnreadableError) -> Iterator[bytes]:
    yield from blocks
    raise error


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


@contextmanager
def _processes(workers: int, job: Job) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of processes that end with the block, at once if it raises an error."""
    before = set(multiprocessing.active_children())
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start, initargs=(job,)) as pool:
        try:
            yield pool
        except BaseException:
            for process in set(multiprocessing.active_children()) - before:
                process.terminate()
            raise


_worker: Worker | None = None


def _start(job: Job) -> None:
    global _worker
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker = Worker(job)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _process(chunk: list[Piece]) -> ChunkReport:
    assert _worker is not None
    return _worker.process(chunk)
