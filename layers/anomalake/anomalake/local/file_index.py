"""Rows of many small files in few large ones (docs/adr/0018): an index that queries read in place of the files.

A part of the index is a Parquet file with the rows of some files, and a list of these files beside it. It is used only
while all of them are there, unchanged. So an index can be deleted at any time, and is never true by itself.
"""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from anomalake.errors import AnomalakeError
from anomalake.files import unfinished

#: Folder of the indexes in a lake.
FOLDER: Final = "index"
#: Most files that a query reads one by one. Each costs 0.2 to 0.5 ms.
MOST_FILES: Final = 500
#: Most parts of an index; then they become one.
MOST_PARTS: Final = 8


# Files that are read at a time.
_READ_FILES: Final = 1_000
# Rows of a row group.
_GROUP_ROWS: Final = 50_000
# Nanoseconds: a file that was changed just now may change again within the resolution of its time.
_SETTLED: Final = 2_000_000_000
_lock = threading.Lock()

#: Opens a reader of the rows of parts and of files.
Read = Callable[[Sequence[str], Sequence[str]], AbstractContextManager[pa.RecordBatchReader]]


@dataclass(frozen=True, slots=True)
class Indexed:
    """Where the rows of files are.

    Attributes
    ----------
    parts
        Parts of the index.
    rest
        Files that none of the parts has.
    """

    parts: tuple[str, ...]
    rest: tuple[str, ...]


def indexed(folder: Path, files: Mapping[str, str | None], read: Read) -> Indexed:
    """Return where the rows of files are, after the index was extended if many files were not in it.

    Parameters
    ----------
    folder
        Folder of the index. If it cannot be written, the index stays as it is.
    files
        Identity by path: another one for another content. None: the content may be changing.
    """
    found = _find(folder, files)
    if sum(files[file] is not None for file in found.rest) <= MOST_FILES:
        return found
    with _lock:
        # Another thread may have extended it.
        found = _find(folder, files)
        settled = [file for file in found.rest if files[file] is not None]
        if len(settled) <= MOST_FILES:
            return found
        # What fails here fails again, and is reported, where the files themselves are read.
        with suppress(OSError, AnomalakeError, duckdb.Error, pa.ArrowException):
            _extend(folder, files, found, settled, read)
            return _find(folder, files)
    return found


def identity_of(file: str) -> str | None:
    """Return the identity of a file by its path, size and times; None if it was changed just now, or is gone."""
    try:
        state = os.stat(file)  # noqa: PTH116 - thousands of files
    except OSError:
        return None
    if max(state.st_mtime_ns, state.st_ctime_ns) > time.time_ns() - _SETTLED:
        return None
    return f"{file}|{state.st_size}|{state.st_mtime_ns}|{state.st_ctime_ns}"


def _find(folder: Path, files: Mapping[str, str | None]) -> Indexed:
    identities = {identity: file for file, identity in files.items() if identity is not None}
    parts: list[str] = []
    covered: set[str] = set()
    # Parts of two processes may have the same files: the larger one is used.
    for part, members in sorted(_parts(folder), key=lambda item: (-len(item[1]), item[0])):
        if members <= identities.keys() and covered.isdisjoint(members):
            parts.append(part)
            covered |= members
    rest = tuple(file for file, identity in files.items() if identity is None or identity not in covered)
    return Indexed(tuple(parts), rest)


def _parts(folder: Path) -> Iterator[tuple[str, set[str]]]:
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a Path for each name costs more
    except OSError:
        return
    for name in names:
        if not name.endswith(".parquet") or name.startswith("."):
            continue
        with suppress(OSError, ValueError, TypeError):
            yield str(folder / name), set(json.loads((folder / f"{name[:-8]}.json").read_bytes()))


def _batches(parts: Sequence[str], files: Sequence[str], read: Read) -> Iterator[pa.RecordBatch]:
    """Yield the rows of parts and of files: of some files at a time, so that rows of one folder stay together."""
    reads: list[tuple[Sequence[str], Sequence[str]]] = [(parts, ())] if parts else []
    reads += [((), files[first : first + _READ_FILES]) for first in range(0, len(files), _READ_FILES)]
    for of_parts, of_files in reads:
        with read(of_parts, of_files) as reader:
            # A batch first, for the schema, even if there are no rows.
            yield pa.RecordBatch.from_pylist([], reader.schema)
            yield from reader


def _write(out: Path, batches: Iterator[pa.RecordBatch]) -> None:
    first = next(batches)
    with pq.ParquetWriter(out, first.schema, compression="zstd") as writer:
        waiting, rows = [first], first.num_rows
        for batch in batches:
            waiting.append(batch)
            rows += batch.num_rows
            if rows >= _GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(waiting))
                waiting, rows = [], 0
        writer.write_table(pa.Table.from_batches(waiting, first.schema))


def _extend(folder: Path, files: Mapping[str, str | None], found: Indexed, settled: Sequence[str], read: Read) -> None:
    merged = found.parts if len(found.parts) >= MOST_PARTS else ()
    rest = set(found.rest)
    members = [files[file] for file in settled]
    if merged:
        members += [identity for file, identity in files.items() if file not in rest]
    folder.mkdir(parents=True, exist_ok=True)
    stem = uuid.uuid4().hex
    with unfinished(folder / f"{stem}.json") as hidden:
        hidden.write_text(json.dumps(members), encoding="ascii")
    with unfinished(folder / f"{stem}.parquet") as hidden:
        _write(hidden, _batches(merged, settled, read))
    _delete_unused(folder, {Path(part).stem for part in found.parts if part not in merged} | {stem})


def _delete_unused(folder: Path, used: set[str]) -> None:
    names = set(os.listdir(folder))  # noqa: PTH208 - as above
    for name in names:
        stem, _, ending = name.partition(".")
        # A list without its part may belong to another process that is writing the part.
        is_whole = ending == "parquet" or f"{stem}.parquet" in names
        if is_whole and stem not in used and not name.startswith("."):
            with suppress(OSError):
                (folder / name).unlink()
