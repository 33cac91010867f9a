"""Ports to source data: files, and tables of a query engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from anomalake.definitions.metric_set import MetricSet


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file: its path or URI, its size in bytes, and when it was written, if that is known."""

    name: str
    size: int
    modified: datetime | None = field(default=None, compare=False)


def is_hidden(relative: str) -> bool:
    """Whether a part of a file's relative path begins with ``.`` or ``_``, as of files that are not finished."""
    return any(part.startswith((".", "_")) for part in relative.split("/"))


class ByteStream(Protocol):
    """An open file."""

    def read(self, size: int, /) -> bytes:
        """Read up to `size` bytes; none at the end."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class SourceFiles(Protocol):
    """Files in folders or in an object store. Names that begin with ``.`` or ``_`` are ignored."""

    def list(self, folder: str, *, recursive: bool = False) -> Sequence[SourceFile]:
        """List the files directly in a folder, sorted, or the file with that name; empty if there is none.

        Parameters
        ----------
        recursive
            List the files of subfolders too, at any depth. Links are not followed.

        Raises
        ------
        StoreError
            The files cannot be listed.
        """
        ...

    def walk(self, folder: str) -> Iterator[SourceFile]:
        """List the files below a folder, at any depth, in any order; raises `StoreError`."""
        ...

    def folders(self, folder: str) -> Sequence[str]:
        """List the names of the folders directly in a folder, sorted; raises `StoreError`."""
        ...

    def open(self, name: str) -> ByteStream:
        """Open a file; raises `StoreError`, also if it was deleted."""
        ...


class SourceTables(Protocol):
    """Tables of a query engine, such as Athena."""

    def rows(self, metric_set: MetricSet, low: datetime | None, high: datetime | None) -> Iterator[pa.RecordBatch]:
        """Read the rows of a metric set's table: timestamps and dimensions as text, measures as numbers.

        Parameters
        ----------
        low, high
            Rows from `low` on and before `high` are needed; more may be returned. None: no limit.

        Raises
        ------
        StoreError
            The engine failed.
        """
        ...
