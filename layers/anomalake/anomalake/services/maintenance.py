"""Replay, rebuild and compaction of a lake that a URI names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from anomalake.lake import bulk, layout
from anomalake.lake.compaction import Compaction
from anomalake.lake.compaction import compact as compact_lake
from anomalake.lake.lake import Lake
from anomalake.lake.settings import parse_formats, write_formats
from anomalake.services import replay_sources as sources
from anomalake.services.ingest import fetch
from anomalake.services.lakes import open_existing, open_writer, reopen

#: Queries in Athena may have listed a file up to half an hour before they read it.
S3_GRACE = timedelta(hours=1)

#: Writes to S3 under way at once in each process: each waits some 20 ms for its answer.
S3_WRITERS = 8

Progress = Callable[[bulk.ChunkReport, bulk.Summary], None]


def replay(
    uri: str,
    names: Iterable[str],
    *,
    formats: str | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    started: Callable[[int], None] | None = None,
) -> bulk.Summary:
    """Load stored alerts.

    Parameters
    ----------
    uri
        The lake.
    names
        Files, folders, ``s3://`` prefixes, ``-`` for standard input.
    formats
        Table formats of a new lake.
    workers
        Processes. More than one needs a ``__main__`` that can be imported, as Python's multiprocessing does.
    started
        Called with the bytes to read, 0 when unknown, before the first is read.

    Raises
    ------
    SourceError, LakeUriError, SettingsError, StoreError
    """
    found = list(sources.find_sources(names))
    size = sum(one.size for one in found)
    if started is not None:
        started(size)
    lake = open_writer(uri, formats)
    job = bulk.Job(
        open_lake=reopen(uri, lake.formats),
        read=sources.read_piece,
        fetch=fetch,
        look_up=_has_rows(lake),
        writers=_writers(uri),
    )
    summary = bulk.load(sources.pieces_of(found), job, workers, progress, size)
    _register(lake, summary)
    return summary


def rebuild(
    uri: str, *, formats: str | None = None, workers: int = 1, progress: Progress | None = None
) -> bulk.Summary:
    """Write a lake's tables anew from its originals, in its formats or in others."""
    lake = open_existing(uri)
    if formats is not None:
        lake = Lake(lake.store, lake.catalog, parse_formats(formats))
    summary = bulk.rebuild(lake, reopen(uri, lake.formats), workers, _writers(uri), progress)
    if formats is not None:
        write_formats(lake.store, lake.formats)
    _register(lake, summary)
    return summary


def compact(
    uri: str, *, grace: timedelta | None = None, progress: Callable[[int, int], None] | None = None
) -> Compaction:
    """Merge small files; in S3 the old ones stay for an hour, in a folder they go at once."""
    lake = open_existing(uri)
    if grace is None:
        grace = S3_GRACE if uri.startswith("s3://") else timedelta(0)
    return compact_lake(lake, grace, progress=progress)


def _writers(uri: str) -> int:
    return S3_WRITERS if uri.startswith("s3://") else 1


def _has_rows(lake: Lake) -> bool:
    return next(iter(lake.store.list(layout.TABLES[lake.formats[0]][0])), None) is not None


def _register(lake: Lake, summary: bulk.Summary) -> None:
    pending = bulk.register(lake, summary)
    if pending is not None:
        summary.reasons.append(f"catalog: {pending}; the rows are stored, the next crawl registers their partitions")
