"""The page's document from a lake's URI: where its real parts are put together."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from anomalake.api import LakeHandle, open_lake
from anomalake.lake.lake import utc_now
from anomalake.page.document import Crawl, Document
from anomalake.page.limits import DEFAULT, Limits
from anomalake.page.reading import read_document
from anomalake.storage.objects import open_store


def document_of(
    lake: str | LakeHandle, *, now: datetime | None = None, crawl: Crawl | None = None, limits: Limits = DEFAULT
) -> Document:
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
    handle = lake if isinstance(lake, LakeHandle) else open_lake(lake)

    def ask(sql: str) -> pa.Table:
        return handle.query_table(sql)

    return read_document(
        ask, open_store(handle.uri, create=False), lake=handle.uri, now=now or utc_now(), limits=limits, crawl=crawl
    )
