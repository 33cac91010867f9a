"""The page of a lake: its document within a size, and its file."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow as pa

from anomalake.aws.crawler import GlueCrawlers
from anomalake.errors import AnomalakeError
from anomalake.lake.lake import utc_now
from anomalake.lake.ports import CatalogError
from anomalake.page.document import Crawl, PageDocument, pack
from anomalake.page.limits import DEFAULT, Limits
from anomalake.page.page import compressed, page
from anomalake.page.reading import read_document
from anomalake.page.reading_once import LakeReads
from anomalake.services.files import write_whole
from anomalake.services.lakes import LakeConnection

#: Maximum size of a gzipped document in bytes. In base64 and with its code, the page stays below 10 MB.
MOST_BYTES: Final = 6_000_000
#: Maximum number of halvings.
_HALVINGS: Final = 12


class PageFileError(AnomalakeError, ValueError):
    """A path that a page cannot be written to."""


@dataclass(frozen=True, slots=True)
class Written:
    """A written page: its path, its size in bytes, and its document."""

    path: Path
    size: int
    document: PageDocument


def made(lake: str | LakeConnection, limits: Limits = DEFAULT) -> tuple[PageDocument, Limits]:
    """Build a document of a lake that is small enough, and return it with its limits (`fitting`).

    The lake is read once; the document is cut to smaller limits from what was read.

    Raises
    ------
    LakeUriError
        The URI does not name a folder or bucket.
    StoreError
        The lake cannot be listed. Other parts that cannot be read are named in the document's notes.
    """
    connection = _connection(lake)
    next(iter(connection.store.list("")), None)
    reads, now, crawl = LakeReads(connection.engine.query, connection.store), utc_now(), crawl_of(connection.uri)

    def make(most: Limits) -> PageDocument:
        return read_document(
            reads.ask, reads, lake=connection.uri, now=now, limits=most, read_limits=limits, crawl=crawl
        )

    return fitting(make, limits)


def document_of(
    lake: str | LakeConnection, *, now: datetime | None = None, crawl: Crawl | None = None, limits: Limits = DEFAULT
) -> PageDocument:
    """Build the document of a lake's page.

    Parameters
    ----------
    lake
        URI of a lake, or an open connection.
    now
        The time; default: now.
    crawl
        State of the Glue crawler, if there is one.

    Raises
    ------
    LakeUriError
        The URI does not name a folder or bucket.
    """
    connection = _connection(lake)

    def ask(sql: str) -> pa.Table:
        return connection.engine.query(sql)

    return read_document(ask, connection.store, lake=connection.uri, now=now or utc_now(), limits=limits, crawl=crawl)


def _connection(lake: str | LakeConnection) -> LakeConnection:
    return lake if isinstance(lake, LakeConnection) else LakeConnection(lake)


def crawl_of(lake: str) -> Crawl | None:
    """State of the crawler that ``ANOMALAKE_CRAWLER`` names, for a lake in S3; its error if it cannot be read."""
    name = os.environ.get("ANOMALAKE_CRAWLER")
    if not name or not lake.startswith("s3://"):
        return None
    try:
        return GlueCrawlers().state(name)
    except CatalogError as error:
        return Crawl(name, "UNKNOWN", "", None, str(error))


def fitting(
    make: Callable[[Limits], PageDocument], limits: Limits = DEFAULT, most_bytes: int = MOST_BYTES
) -> tuple[PageDocument, Limits]:
    """Build a document that is small enough, and return it with its limits.

    Parameters
    ----------
    make
        Builds a document within limits.
    limits
        Limits at first; halved until the document is small enough, which is then noted in it.
    most_bytes
        Maximum size of the packed and gzipped document.
    """
    document = make(limits)
    for _ in range(_HALVINGS):
        if len(compressed(pack(document))) <= most_bytes:
            break
        limits = halved(limits)
        document = make(limits)
    if limits == DEFAULT:
        return document, limits
    note = (
        f"Shows at most {limits.group_intervals:,} anomalous intervals and {limits.numbers:,} numbers over time, "
        "so that it opens fast."
    )
    return replace(document, notes=(*document.notes, note)), limits


def halved(limits: Limits) -> Limits:
    """Half of the limits."""
    names = ("group_intervals", "affected", "contributions", "numbers", "series")
    return replace(limits, **{name: max(1, getattr(limits, name) // 2) for name in names})


def write_page(document: PageDocument, out: Path, *, title: str = "anomalake") -> Written:
    """Write the page atomically; its folder is created, and a link is followed.

    Raises
    ------
    PageFileError
        There is a folder or a device.
    FileWriteError, OSError
    """
    if out.is_dir():
        raise PageFileError(f"{str(out)!r}: is a folder; expected a file such as {str(out / 'page.html')!r}")
    if out.exists() and not out.is_file():
        raise PageFileError(f"{str(out)!r}: is not a file; expected the name of a file")
    body = page(pack(document), title=title)
    Path(os.path.realpath(out)).parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, body)
    return Written(out, len(body), document)


def summary_of(document: PageDocument) -> str:
    """Summary of a document as one line."""
    n = len(document.detectors)
    n_intervals = document.group_intervals.group.size + int(document.counts.group_intervals.sum())
    if not n:
        return "no detector yet"
    words = [(n, "detector"), (len(document.groups.id), "group"), (n_intervals, "anomalous interval")]
    text = ", ".join(f"{number:,} {word}{'' if number == 1 else 's'}" for number, word in words)
    live = sum(detector.live is not None for detector in document.detectors)
    return f"{text}, live values of {live:,}"
