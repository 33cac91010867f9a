"""Replay, rebuild and compaction of a lake."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from anomalake.alerts.bounds import FileLimits
from anomalake.lake import bulk, layout
from anomalake.lake.compaction import Compaction
from anomalake.lake.compaction import compact as compact_lake
from anomalake.lake.lake import Lake
from anomalake.lake.settings import parse_formats, write_formats
from anomalake.services import replay_sources as sources
from anomalake.services.engines import Engine, EngineError
from anomalake.services.ingest import fetch
from anomalake.services.lakes import open_existing, open_writer, reopen

#: How long merged files are kept in S3: an Athena query may list a file half an hour before it reads it.
S3_GRACE = timedelta(hours=1)

#: Number of concurrent writes to S3 in each process: one takes about 20 ms.
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
    engine: Engine | None = None,
) -> bulk.Summary:
    """Load stored alerts.

    Parameters
    ----------
    uri
        URI of the lake, which is created if it does not exist.
    names
        Files, folders, ``s3://`` prefixes, ``-`` for standard input.
    formats
        Table formats of a new lake.
    workers
        Number of processes. Several need a ``__main__`` that can be imported, as in Python's multiprocessing.
    progress
        Called after each chunk with its report and the summary so far.
    started
        Called once with the number of bytes to read; 0 if it is unknown.
    engine
        Loads chunks of whole files, instead of the processes.

    Raises
    ------
    ReplaySourceError, LakeUriError, SettingsError, StoreError, EngineError, TaskError
    """
    notes: list[str] = []
    names = list(names)
    if engine is not None:
        engine.check_reachable(uri, "lake")
        for name in names:
            if name == "-":
                raise EngineError(
                    "source '-': tasks cannot read standard input; expected files, folders or s3:// prefixes"
                )
            engine.check_reachable(name, "source")
    files = list(sources.find_sources(names, notes.append))
    size = sum(source.size for source in files)
    if started is not None:
        started(size)
    lake = open_writer(uri, formats)
    job = bulk.Job(
        open_lake=reopen(uri, lake.formats),
        read=sources.read_piece,
        fetch=partial(fetch, limits=FileLimits()),
        look_up=has_rows(lake),
        writers=_writers(uri),
    )
    if engine is not None:
        summary = bulk.load(sources.whole_pieces(files), job, progress=progress, size=size, runner=engine.runner)
        summary.notes += notes
        register_partitions(lake, summary)
        return summary
    with TemporaryDirectory(prefix="anomalake-") as scratch:
        summary = bulk.load(sources.pieces_of(files, Path(scratch)), job, workers, progress, size)
    summary.notes += notes
    register_partitions(lake, summary)
    return summary


def rebuild(
    uri: str,
    *,
    formats: str | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> bulk.Summary:
    """Write the tables of a lake again from its originals, in its formats or in others.

    Parameters
    ----------
    engine
        Reads the originals in chunks, instead of the processes.

    Raises
    ------
    SettingsError, StoreError, EngineError, TaskError
    """
    if engine is not None:
        engine.check_reachable(uri, "lake")
    lake = open_existing(uri)
    if formats is not None:
        lake = Lake(lake.store, lake.catalog, parse_formats(formats))
    runner = engine.runner if engine is not None else None
    summary = bulk.rebuild(lake, reopen(uri, lake.formats), workers, _writers(uri), progress, runner)
    if formats is not None:
        write_formats(lake.store, lake.formats)
    register_partitions(lake, summary)
    return summary


def compact(
    uri: str, *, grace: timedelta | None = None, progress: Callable[[int, int], None] | None = None
) -> Compaction:
    """Merge small files. In S3 the merged files are kept for an hour, in a folder they are deleted at once."""
    lake = open_existing(uri)
    if grace is None:
        grace = S3_GRACE if uri.startswith("s3://") else timedelta(0)
    return compact_lake(lake, grace, progress=progress)


def _writers(uri: str) -> int:
    return S3_WRITERS if uri.startswith("s3://") else 1


def has_rows(lake: Lake) -> bool:
    """Whether a table of a lake has a file, in one of its formats."""
    return any(next(iter(lake.store.list(layout.TABLES[format_][0])), None) is not None for format_ in lake.formats)


def register_partitions(lake: Lake, summary: bulk.Summary) -> None:
    """Register the partitions of loaded alerts; a failure is added to the summary's reasons."""
    pending = bulk.register(lake, summary)
    if pending is not None:
        summary.reasons.append(f"catalog: {pending}; the rows are stored, the next crawl registers their partitions")
