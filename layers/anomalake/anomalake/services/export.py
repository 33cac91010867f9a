"""Relations as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa

from anomalake.errors import AnomalakeError, one_line
from anomalake.files import unfinished
from anomalake.query import output
from anomalake.query.errors import LakeChangedError, QueryError, SourceError
from anomalake.services.lakes import LakeConnection, QueryEngine
from anomalake.storage.store import StoreError

#: How often a relation is written again when compaction changed the lake meanwhile.
ATTEMPTS = 10

FORMATS = ("csv", "parquet")


class IncompleteExportError(AnomalakeError):
    """Relations that could not be read, and are not among the written ones: which, and why."""


# How many relations that could not be written an error names.
_MOST_NAMED = 5


def export(
    lake: LakeConnection, folder: Path, format_: str = "csv", progress: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Write every relation into a folder as ``<relation>.csv`` or ``<relation>.parquet``.

    Rows are written batch by batch, so memory use does not grow with the lake. A file appears when it is complete.

    Parameters
    ----------
    progress
        Called with the number of relations that are done, and of all.

    Raises
    ------
    QueryError
        The folder is a file, or the format is unknown.
    IncompleteExportError
        Relations cannot be read. The others are written.
    OSError
    """
    if format_ not in FORMATS:
        raise QueryError(f"format {format_!r}: expected {' or '.join(FORMATS)}")
    if folder.exists() and not folder.is_dir():
        raise QueryError(f"{str(folder)!r}: is a file; expected a folder to write to")
    folder.mkdir(parents=True, exist_ok=True)
    written, unread = [], []
    names = lake.engine.relations.names()
    for done, name in enumerate(names):
        if progress is not None:
            progress(done, len(names))
        try:
            written.append(_export(lake, name, folder / f"{name}.{format_}", format_))
        except (QueryError, SourceError, StoreError) as error:
            unread.append(f"{name}: {one_line(error)}")
    if unread:
        rest = f" (and {len(unread) - _MOST_NAMED:,} more)" if len(unread) > _MOST_NAMED else ""
        raise IncompleteExportError(
            f"{len(unread):,} of {len(names):,} relations could not be written to {folder}: "
            f"{'; '.join(unread[:_MOST_NAMED])}{rest}"
        )
    return written


def _export(lake: LakeConnection, name: str, path: Path, format_: str) -> Path:
    for _ in range(ATTEMPTS):
        try:
            with unfinished(path) as hidden:
                _write(lake.engine, name, hidden, format_)
            return path
        except LakeChangedError:
            continue
    raise QueryError(f"{lake.uri}: its files keep changing; run the export again")


def _write(engine: QueryEngine, name: str, path: Path, format_: str) -> None:
    with ExitStack() as stack:
        queries = stack.enter_context(engine.slices(name))
        first = stack.enter_context(engine.stream(queries[0]))

        def batches() -> Iterator[pa.RecordBatch]:
            yield from first
            for query in queries[1:]:
                with engine.stream(query) as more:
                    yield from more

        if format_ == "parquet":
            output.write_parquet(pa.RecordBatchReader.from_batches(first.schema, batches()), str(path))
        else:
            with path.open("w", encoding="utf-8", newline="") as out:
                output.write_csv(first.schema.names, output.rows_of(batches()), out)
