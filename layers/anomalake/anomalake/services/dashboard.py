"""The page of a lake: small enough to open fast, and as a file written whole or not at all."""

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
from anomalake.services.files import write_whole
from anomalake.services.lakes import LakeConnection

#: Bytes of a gzipped document: in base64, and with the code that draws it, a page then stays below 10 MB.
MOST_BYTES: Final = 6_000_000
#: How often the limits are halved at most.
_HALVINGS: Final = 12


class PageFileError(AnomalakeError, ValueError):
    """A place that no page can be written to: which, and what was expected."""


@dataclass(frozen=True, slots=True)
class Written:
    """A page that was written: where, how many bytes, and what it shows."""

    path: Path
    size: int
    document: PageDocument


def made(lake: str | LakeConnection, limits: Limits = DEFAULT) -> tuple[PageDocument, Limits]:
    """A lake's document that is small enough, and the limits that made it so (`fitting`).

    Raises
    ------
    LakeUriError
        That names no place.
    StoreError
        The lake does not answer at all; what else cannot be read is told in the document's notes.
    """
    connection = _connection(lake)
    next(iter(connection.store.list("")), None)
    return fitting(lambda most: document_of(connection, limits=most, crawl=crawl_of(connection.uri)), limits)


def document_of(
    lake: str | LakeConnection, *, now: datetime | None = None, crawl: Crawl | None = None, limits: Limits = DEFAULT
) -> PageDocument:
    """All that the page shows of a lake.

    Parameters
    ----------
    lake
        A folder or ``s3://bucket/prefix``, which Athena is asked about (``ANOMALAKE_DATABASE``,
        ``ANOMALAKE_WORKGROUP``); or one that is open, with a database and workgroup of its own.
    now
        The time; default: now.
    crawl
        Of the Glue crawler, where there is one.

    Raises
    ------
    LakeUriError
        That names no place.
    """
    connection = _connection(lake)

    def ask(sql: str) -> pa.Table:
        return connection.engine.query(sql)

    return read_document(ask, connection.store, lake=connection.uri, now=now or utc_now(), limits=limits, crawl=crawl)


def _connection(lake: str | LakeConnection) -> LakeConnection:
    return lake if isinstance(lake, LakeConnection) else LakeConnection(lake)


def crawl_of(lake: str) -> Crawl | None:
    """The state of the crawler that ``ANOMALAKE_CRAWLER`` names, for a lake in S3; where it cannot be had: why."""
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
    """A document that is small enough, and the limits that made it so.

    Parameters
    ----------
    make
        Makes a document within limits.
    limits
        To begin with; halved until the document is small enough, which it then says in its notes.
    most_bytes
        Of the packed and gzipped document.

    Raises
    ------
    Whatever `make` raises.
    """
    document = make(limits)
    for _ in range(_HALVINGS):
        if len(compressed(pack(document))) <= most_bytes:
            break
        limits = halved(limits)
        document = make(limits)
    if limits == DEFAULT:
        return document, limits
    note = f"Shows at most {limits.moments:,} moments and {limits.numbers:,} numbers over time, so that it opens fast."
    return replace(document, notes=(*document.notes, note)), limits


def halved(limits: Limits) -> Limits:
    """Half as much detail."""
    names = ("moments", "affected", "contributions", "numbers", "series")
    return replace(limits, **{name: max(1, getattr(limits, name) // 2) for name in names})


def write_page(document: PageDocument, out: Path, *, title: str = "anomalake") -> Written:
    """Write the page; its folder is made, and a reader sees the old file or the new one. A link stays one.

    Raises
    ------
    PageFileError
        A folder lies there, or a device.
    FileWriteError, OSError
    """
    if out.is_dir():
        raise PageFileError(f"--out {str(out)!r}: is a folder; expected a file such as {str(out / 'page.html')!r}")
    if out.exists() and not out.is_file():
        raise PageFileError(f"--out {str(out)!r}: is no file, which it would become; expected a file's name")
    body = page(pack(document), title=title)
    Path(os.path.realpath(out)).parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, body)
    return Written(out, len(body), document)


def summary_of(document: PageDocument) -> str:
    """What a document holds, in one line."""
    n, moments = len(document.detectors), document.moments.group.size + int(document.counts.moments.sum())
    if not n:
        return "no detector yet"
    words = [(n, "detector"), (len(document.groups.id), "group"), (moments, "moment")]
    told = ", ".join(f"{number:,} {word}{'' if number == 1 else 's'}" for number, word in words)
    live = sum(detector.live is not None for detector in document.detectors)
    return f"{told}, live values of {live:,}"
