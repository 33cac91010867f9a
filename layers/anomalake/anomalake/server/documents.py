"""The page's document, kept while it is new."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from starlette.concurrency import run_in_threadpool

from anomalake.errors import one_line
from anomalake.lake.lake import Clock, utc_now
from anomalake.page.document import PageDocument, pack
from anomalake.page.page import gzipped
from anomalake.server.requests import RequestError
from anomalake.storage.store import ObjectStore

#: Seconds for which a document is new.
MAX_AGE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Site:
    """The page of a lake: its content, and the store for what people say.

    Attributes
    ----------
    make
        Reads the document from the lake.
    show
        Renders a document and the page's token as HTML.
    store
        Store of the lake, for feedback, snoozes and comments.
    report
        Called with a line for the operator of the server.
    user
        Name of the person who uses the page; empty for unknown.
    """

    make: Callable[[], PageDocument]
    show: Callable[[PageDocument, str], bytes]
    store: ObjectStore
    report: Callable[[str], None]
    now: Clock = utc_now
    clock: Callable[[], float] = time.monotonic
    user: str = ""


@dataclass(frozen=True, slots=True)
class RenderedDocument:
    """A document, gzipped, with its page and the digest of its content without the time."""

    digest: str
    body: bytes
    page: bytes

    @property
    def etag(self) -> str:
        """HTTP's ETag; equal for equal content."""
        return f'"{self.digest}"'


class Documents:
    """The newest document; read again if it is old, or if the lake was written to.

    One is read at a time, in a thread. If that fails, the last good one stays.

    Parameters
    ----------
    site
        The page of a lake.
    token
        The page's token.
    """

    def __init__(self, site: Site, token: str) -> None:
        self._site = site
        self._token = token
        self._lock = asyncio.Lock()
        self._document: RenderedDocument | None = None
        self._made: PageDocument | None = None
        self._at = 0.0
        self._writes = self._seen = 0
        self.problem = ""

    def start(self) -> None:
        """Read the first document; raises what `Site.make` raises."""
        self._document, self._at = self._make(), self._site.clock()

    def written(self) -> None:
        """Note that the lake was written to."""
        self._writes += 1

    async def newest(self) -> RenderedDocument:
        """Return the document, at most `MAX_AGE` old unless there is a `problem`."""
        async with self._lock:
            old = self._site.clock() - self._at >= MAX_AGE
            if self._document is None or old or self._seen != self._writes:
                await self._renew()
            if self._document is None:
                raise RequestError(503, self.problem)
            return self._document

    async def _renew(self) -> None:
        writes = self._writes
        try:
            self._document, self.problem = await run_in_threadpool(self._make), ""
        except Exception as error:  # any failure: the last good document stays
            self.problem = one_line(error)
            self._site.report(self.problem)
        # A write during the reading counts for the next one. A failure is not repeated at once.
        self._at, self._seen = self._site.clock(), writes

    def _make(self) -> RenderedDocument:
        document = self._site.make()
        if self._document is not None and document is self._made:
            return self._document
        self._made = document
        digest = hashlib.sha256(pack(replace(document, made_at=0))).hexdigest()[:32]
        if self._document is not None and self._document.digest == digest:
            return self._document
        return RenderedDocument(digest, gzipped(document, served=True), self._site.show(document, self._token))
