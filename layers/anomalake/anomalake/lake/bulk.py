"""Many alerts at once: replay into a lake, and rebuild of its tables, by chunks on all cores with flat memory."""

from __future__ import annotations

import io
import multiprocessing
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial

from anomalake.alerts import Alert, Document, Found, ObjectPointer, Refusal, read_alert, read_file, read_lines
from anomalake.lake import csv_rows, layout, rows
from anomalake.lake.lake import Lake
from anomalake.lake.ports import CatalogError, Partition
from anomalake.lake.store import ObjectNotFound, StoreError

CHUNK_BYTES = 16 * 1024 * 1024
CHUNK_PIECES = 10_000
MAX_REASONS = 1_000

NEW, KNOWN, CLASHING = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a source.

    Attributes
    ----------
    name
        What people call the source.
    body
        A whole file, or whole lines of one; None when the worker is to read it itself.
    first_line
        Number of the first line, when the piece is lines.
    size
        Bytes of the source that it stands for.
    start
        Where in the source lines begin that the worker is to read.
    """

    name: str
    body: bytes | None
    first_line: int | None = None
    size: int = 0
    start: int | None = None


@dataclass(frozen=True, slots=True)
class ChunkReport:
    """What became of a chunk.

    Attributes
    ----------
    identities
        32 bytes an alert: identity and the first half of the body's digest.
    known
        For each of them `NEW`, `KNOWN` (the tables held it before) or `CLASHING` (they held another body of it).
    refused
        One line each.
    failed
        How many records the store did not take.
    errors
        Why, a line an error.
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
    """What a replay or rebuild did.

    Attributes
    ----------
    loaded
        Distinct alerts, a clash counting as one each body.
    repeated
        Records that bore an alert already counted, or in the lake before.
    clashes
        Alerts whose identity also came with another body.
    refused, failed
        Records set aside, records that the store did not take.
    reasons
        One line each for the first of those.
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
        """Count a chunk."""
        for i, known in enumerate(report.known):
            identity, body = report.identities[32 * i : 32 * i + 16], report.identities[32 * i + 16 : 32 * i + 32]
            before = self._bodies.setdefault(identity, body)
            if before is not body and before == body:
                self.repeated += 1
                continue
            if before is not body:
                # A second body of one identity; which of several it repeats is told by a key of its own.
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
    """What a worker needs, sent to each once.

    Attributes
    ----------
    open_lake
        Opens the lake to write to.
    read
        Reads a piece without body.
    fetch
        The documents of an S3 object that a stored event names.
    rebuild
        Write rows only, under fresh names.
    look_up
        Look in the tables for what is there already.
    writers
        Threads that write: several where a write waits for the network.
    """

    open_lake: Callable[[], Lake]
    read: Callable[[Piece], bytes] | None = None
    fetch: Callable[[ObjectPointer], Iterable[Found]] | None = None
    rebuild: bool = False
    look_up: bool = False
    writers: int = 1


def load(
    pieces: Iterable[Piece],
    job: Job,
    workers: int = 1,
    progress: Callable[[ChunkReport, Summary], None] | None = None,
) -> Summary:
    """Load pieces, by chunks, in as many processes; a single chunk stays in this one."""
    summary = Summary()
    chunks = _chunks(pieces)
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
    """Loads chunks into a lake."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._lake = job.open_lake()
        self._known: dict[Partition, set[bytes]] = {}

    def process(self, chunk: Sequence[Piece]) -> ChunkReport:
        """Load one chunk; may be repeated."""
        refused: list[str] = []
        errors: list[str] = []
        alerts: list[Alert] = []
        for document in self._documents(chunk, errors):
            try:
                alerts.append(read_alert(document))
            except Refusal as refusal:
                try:
                    self._lake.set_aside(document, refusal)
                    refused.append(str(refusal))
                except StoreError as error:
                    errors.append(f"{document.place}: {error}")
        failed = len(errors)
        partitions: dict[Partition, dict[bytes, Alert]] = defaultdict(dict)
        for alert in alerts:
            partitions[layout.partition_of(alert)].setdefault(_identity(alert), alert)
        shapes: set[str] = set()
        written: set[Partition] = set()
        known: set[bytes] = set()
        identities_known: set[bytes] = set()
        try:
            if self._job.look_up:
                for partition, members in partitions.items():
                    there = self._known_in(partition)
                    known |= members.keys() & there
                    identities_known |= {body[:16] for body in there}
            new = {
                partition: [alert for identity, alert in members.items() if identity not in known]
                for partition, members in partitions.items()
            }
            written = {partition for partition, members in new.items() if members}
            ordered = [alert for partition in sorted(written) for alert in new[partition]]
            if ordered and not self._job.rebuild:
                self._lake.write_bulk_originals(ordered)
            shapes = self._lake.write_shapes(alerts)
            self._write_rows({partition: new[partition] for partition in sorted(written)})
        except StoreError as error:
            failed += len(alerts)
            errors.append(f"{chunk[0].name}: {len(alerts):,} alerts not stored: {error}")
            alerts, written = [], set()
        identities = [_identity(alert) for alert in alerts]
        return ChunkReport(
            identities=b"".join(identities),
            known=bytes(
                KNOWN if body in known else CLASHING if body[:16] in identities_known else NEW for body in identities
            ),
            refused=tuple(refused),
            failed=failed,
            errors=tuple(errors),
            partitions=frozenset(written),
            shapes=frozenset(shapes),
            size=sum(piece.size for piece in chunk),
        )

    def _documents(self, chunk: Sequence[Piece], errors: list[str]) -> Iterator[Document]:
        for piece in chunk:
            body = piece.body
            if body is None:
                assert self._job.read is not None
                try:
                    body = self._job.read(piece)
                except (StoreError, OSError) as error:
                    errors.append(f"{piece.name}: {error}")
                    continue
            if piece.first_line is None:
                found = read_file(piece.name, body)
            else:
                found = read_lines(io.BytesIO(body), piece.name, first=piece.first_line)
            yield from self._resolved(found, errors)

    def _resolved(self, found: Iterable[Found], errors: list[str]) -> Iterator[Document]:
        for one in found:
            if isinstance(one, Document):
                yield one
            elif self._job.fetch is None:
                errors.append(f"{one.place}: an event names this object; expected alerts")
            else:
                try:
                    inner = list(self._job.fetch(one))
                except StoreError as error:
                    errors.append(f"{one.place}: {error}")
                else:
                    yield from (each for each in inner if isinstance(each, Document))

    def _known_in(self, partition: Partition) -> set[bytes]:
        if partition not in self._known:
            try:
                self._known[partition] = known_identities(self._lake, partition)
            except ObjectNotFound:
                # Compaction took a file away between listing and reading.
                self._known[partition] = known_identities(self._lake, partition)
        return self._known[partition]

    def _write_rows(self, partitions: dict[Partition, list[Alert]]) -> None:
        ordered = {
            partition: sorted(members, key=lambda one: (one.timestamp.utc, one.alert_id, one.digest))
            for partition, members in partitions.items()
        }
        table = rows.table_of([alert for members in ordered.values() for alert in members])
        jobs: list[tuple[str, Callable[[], bytes]]] = []
        start = 0
        for partition, members in ordered.items():
            for format_ in self._lake.formats:
                if self._job.rebuild:
                    key = layout.fresh_table_key(format_, partition)
                else:
                    key = layout.table_key(format_, partition, members)
                if format_ == "parquet":
                    jobs.append((key, partial(rows.to_parquet, table.slice(start, len(members)))))
                else:
                    jobs.append((key, partial(csv_rows.to_csv, members)))
            start += len(members)
        with ThreadPoolExecutor(self._job.writers) as pool:
            for _ in pool.map(lambda one: self._lake.store.put(one[0], one[1]()), jobs):
                pass


def known_identities(lake: Lake, partition: Partition) -> set[bytes]:
    """Identity and half digest, 32 bytes each, of every row of a partition, by the lake's first format.

    Raises
    ------
    ObjectNotFound
        A file was merged away between listing and reading: ask again.
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
            for one, two in zip(columns["alert_id"].to_pylist(), columns["digest"].to_pylist(), strict=True):
                known.add(bytes.fromhex(one + two[:32]))
    return known


def register(lake: Lake, summary: Summary) -> str | None:
    """Tell the catalog of the partitions written; returns why it could not be told."""
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
    """Write the tables anew from the originals, and delete what stood there before.

    Ingestion and compaction may go on meanwhile. The tables are listed before the originals, so that whatever row
    is deleted has its original among those read.
    """
    before = [found.key for folder in ("tables", layout.SHAPES, layout.SUPERSEDED) for found in lake.store.list(folder)]
    pieces = (Piece(found.key, None, size=found.size) for found in lake.store.list(layout.ORIGINALS))
    summary = load(
        pieces, Job(open_lake, read=_StoreReader(open_lake), rebuild=True, writers=writers), workers, progress
    )
    if not summary.failed:
        lake.store.delete(key for key in before if key not in summary.shapes)
    return summary


class _StoreReader:
    """Reads a lake's own objects; opened where it is first used, for it is sent to other processes."""

    def __init__(self, open_lake: Callable[[], Lake]) -> None:
        self._open_lake = open_lake
        self._lake: Lake | None = None

    def __call__(self, piece: Piece) -> bytes:
        if self._lake is None:
            self._lake = self._open_lake()
        return self._lake.store.get(piece.name)


def _identity(alert: Alert) -> bytes:
    return bytes.fromhex(alert.alert_id + alert.digest[:32])


def _chunks(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    chunk: list[Piece] = []
    size = 0
    for piece in pieces:
        chunk.append(piece)
        size += len(piece.body) if piece.body is not None else piece.size
        if size >= CHUNK_BYTES or len(chunk) >= CHUNK_PIECES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


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
