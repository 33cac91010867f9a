"""What reading source data needs of the place where its files lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file: its whole path or URI, and its size in bytes."""

    name: str
    size: int


class ByteStream(Protocol):
    """What a file is read from."""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class SourceFiles(Protocol):
    """A folder, or an object store. Names that begin with ``.`` or ``_`` are no source data."""

    def list(self, folder: str) -> Sequence[SourceFile]:
        """The files directly in a folder, or the file of that name, sorted; none where nothing is there.

        Raises
        ------
        StoreError
            The place cannot be reached.
        """
        ...

    def walk(self, folder: str) -> Iterator[SourceFile]:
        """The files below a folder, at any depth, in any order; raises `StoreError`."""
        ...

    def open(self, name: str) -> ByteStream:
        """Open a file; raises `StoreError`, also where it is gone."""
        ...
