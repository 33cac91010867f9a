"""The page of a lake: a document that is small enough to open fast, and a file that is written completely or not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from anomalake.aws.crawler import GlueCrawlers
from anomalake.definitions.errors import SourceError
from anomalake.errors import AnomalakeError
from anomalake.files import write_whole
from anomalake.lake.lake import Clock, utc_now
from anomalake.lake.ports import CatalogError
from anomalake.page.composing import document_of, is_current, offsets_of
from anomalake.page.contents import LakeContents
from anomalake.page.document import UNKNOWN, Crawl, PageDocument
from anomalake.page.limits import DEFAULT, Limits, halve
from anomalake.page.notes import UnreadNote, error_line
from anomalake.page.page import gzipped, page
from anomalake.page.reading import read_lake
from anomalake.query.detectors import DetectorSchemas
from anomalake.query.errors import QueryError
from anomalake.services.lakes import LakeConnection
from anomalake.storage.objects import store_folder
from anomalake.storage.store import StoreError

#: Most bytes of a gzipped document. With base64 and the code, the page is then smaller than 10 MB.
MOST_BYTES: Final = 6_000_000
# How many parts that could not be read an error names.
_MOST_NAMED: Final = 5
# How often the limits are halved.
_MOST_HALVINGS: Final = 12


class IncompletePageError(AnomalakeError):
    """A page lacks parts of its lake that could not be read: which, and why."""


class PageFileError(AnomalakeError, ValueError):
    """A page cannot be written to a path: which, and what was expected."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """A page that was written: its path, its size in bytes, and its document."""

    path: Path
    size: int
    document: PageDocument


def make_document(lake: str | LakeConnection, limits: Limits = DEFAULT) -> tuple[PageDocument, Limits]:
    """Read a lake once, and return its document with the limits that make it small enough (`fit_document`).

    Raises
    ------
    LakeUriError
        The URI does not name a folder or bucket.
    StoreError
        The lake does not answer. Anything else that cannot be read is in the notes of the document.
    """
    connection = _connection(lake)
    next(iter(connection.store.list("")), None)
    return fit_document(_read(connection, utc_now(), limits, crawl_of(connection.uri)), limits)


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """A document, with what it depends on: the state of the lake (`state_of`), and the detectors' offsets."""

    document: PageDocument
    state: str | None
    offsets: Mapping[str, int]


class ServedPage:
    """The page of a lake that is looked at again and again.

    The document is used again where no file has changed since the last time, and where all could be read then.

    Parameters
    ----------
    lake
        A folder or ``s3://bucket/prefix``; that of a lake in S3 is made every time.
    now
        The clock.
    """

    def __init__(self, lake: str, now: Clock = utc_now) -> None:
        self._lake = lake
        self._now = now
        self._limits = DEFAULT
        self._last: _Made | None = None

    def document(self) -> PageDocument:
        """Return the document of the lake as it is now; raises what `make_document` raises."""
        connection, now, last = LakeConnection(self._lake), self._now(), self._last
        # Before the reading, so that what changes during it counts for the next time. The first page does not wait.
        state = _state_of(connection) if last is not None else None
        if last is not None and state is not None and state == last.state and _holds(last, now):
            return last.document
        next(iter(connection.store.list("")), None)
        contents = _read(connection, now, self._limits, crawl_of(connection.uri))
        document, self._limits = fit_document(contents, self._limits, served=True)
        self._last = _Made(document, state, offsets_of(contents))
        return document


def _holds(made: _Made, now: datetime) -> bool:
    return not unread_in(made.document) and is_current(made.document, made.offsets, now)


def _state_of(connection: LakeConnection) -> str | None:
    if connection.is_in_s3:
        return None
    from anomalake.local.lake_state import state_of

    try:
        schemas = DetectorSchemas(connection.store).all()
    except (QueryError, SourceError, StoreError):
        return None
    return state_of(store_folder(connection.uri), [schema.source for schema in schemas if schema.source is not None])


def read_document(
    lake: str | LakeConnection, *, now: datetime | None = None, crawl: Crawl | None = None, limits: Limits = DEFAULT
) -> PageDocument:
    """Read a lake, and return its document, whatever its size.

    Parameters
    ----------
    lake
        A folder or ``s3://bucket/prefix``, which is queried with Athena (``ANOMALAKE_DATABASE``,
        ``ANOMALAKE_WORKGROUP``); or an open connection.
    now
        Time of reading. Default: the current time.
    crawl
        State of the Glue crawler; None where there is none.

    Raises
    ------
    LakeUriError
        The URI does not name a folder or bucket.
    """
    return document_of(_read(_connection(lake), now or utc_now(), limits, crawl), limits)


def _read(connection: LakeConnection, now: datetime, limits: Limits, crawl: Crawl | None) -> LakeContents:
    return read_lake(
        connection.engine.prepared, connection.store, lake=connection.uri, now=now, limits=limits, crawl=crawl
    )


def _connection(lake: str | LakeConnection) -> LakeConnection:
    return lake if isinstance(lake, LakeConnection) else LakeConnection(lake)


def crawl_of(lake: str) -> Crawl | None:
    """Return the state of the crawler that ``ANOMALAKE_CRAWLER`` names, for a lake in S3.

    Where the state cannot be read, its message is the reason.
    """
    name = os.environ.get("ANOMALAKE_CRAWLER")
    if not name or not lake.startswith("s3://"):
        return None
    try:
        return GlueCrawlers().state(name)
    except CatalogError as error:
        return Crawl(name, UNKNOWN, "", None, error_line(error))


def fit_document(
    contents: LakeContents, limits: Limits = DEFAULT, most_bytes: int = MOST_BYTES, *, served: bool = False
) -> tuple[PageDocument, Limits]:
    """Return a document that is small enough, and the limits that make it so.

    Parameters
    ----------
    contents
        Contents of the lake, read with `limits`.
    limits
        The first limits. They are halved until the document is small enough; a note of the document names them.
    most_bytes
        Most bytes of the packed and gzipped document.
    served
        Whether the page is served, so that the document is compressed less (`gzipped`) if it is small enough then.
    """
    document = _with_note(document_of(contents, limits), limits)
    for _ in range(_MOST_HALVINGS):
        if _fits(document, most_bytes, served):
            break
        limits = halve(limits)
        document = _with_note(document_of(contents, limits), limits)
    return document, limits


def _with_note(document: PageDocument, limits: Limits) -> PageDocument:
    if limits == DEFAULT:
        return document
    note = (
        f"Shows at most {limits.group_intervals:,} anomalies (groups in single intervals) and {limits.numbers:,} "
        "numbers over time, so that the page opens fast."
    )
    return replace(document, notes=(*document.notes, note))


def _fits(document: PageDocument, most_bytes: int, served: bool) -> bool:
    return any(len(gzipped(document, served=less)) <= most_bytes for less in ((True, False) if served else (False,)))


def write_page(document: PageDocument, out: Path, *, title: str = "anomalake") -> PageFile:
    """Write the page and its folder; a reader sees the old file or the new one. A symbolic link stays a link.

    Raises
    ------
    PageFileError
        The path is a folder or a device.
    FileWriteError, OSError
    """
    if out.is_dir():
        raise PageFileError(f"{str(out)!r}: is a folder; expected a file such as {str(out / 'page.html')!r}")
    if out.exists() and not out.is_file():
        raise PageFileError(f"{str(out)!r}: is not a regular file; expected the name of a file")
    body = page(document, title=title)
    Path(os.path.realpath(out)).parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, body)
    return PageFile(out, len(body), document)


def unread_in(document: PageDocument) -> tuple[str, ...]:
    """Return the notes of a document about what could not be read."""
    return tuple(note for note in document.notes if isinstance(note, UnreadNote))


def check_complete(written: PageFile) -> None:
    """Check that a page shows all that it is to show.

    Raises
    ------
    IncompletePageError
        A part of the lake could not be read.
    """
    unread = unread_in(written.document)
    if unread:
        rest = f" (and {len(unread) - _MOST_NAMED:,} more)" if len(unread) > _MOST_NAMED else ""
        raise IncompletePageError(f"{written.path}: is incomplete: {' '.join(unread[:_MOST_NAMED])}{rest}")


def summary_of(document: PageDocument) -> str:
    """Return what a document shows, in one line."""
    n_detectors = len(document.detectors)
    if not n_detectors:
        return "no detector yet"
    n_intervals = document.group_intervals.group.size + int(document.counts.group_intervals.sum())
    numbers = [(n_detectors, "detector"), (len(document.groups.id), "group"), (n_intervals, "anomalous interval")]
    parts = ", ".join(f"{number:,} {word}{'' if number == 1 else 's'}" for number, word in numbers)
    n_live = sum(detector.live is not None for detector in document.detectors)
    return f"{parts}, live values of {n_live:,}"
