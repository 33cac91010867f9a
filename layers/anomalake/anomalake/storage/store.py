"""The port to the place where a lake's objects lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from anomalake.errors import AnomalakeError


class StoreError(AnomalakeError):
    """The store did not do what was asked: it may next time."""


class ObjectNotFound(StoreError):
    """No object bears that key."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a listing tells about an object: key below the lake's root, and size in bytes."""

    key: str
    size: int


class ObjectStore(Protocol):
    """Whole objects under keys such as ``tables/alert_rows/…``, relative to the lake's root.

    A write is atomic (readers see the old object, the new one or none) and may be repeated. Listings see every
    finished write. Every method raises `StoreError` when the store fails.
    """

    @property
    def uri(self) -> str:
        """Root of the lake, as the user would write it."""
        ...

    def put(self, key: str, body: bytes) -> None:
        """Write, replacing what was there."""
        ...

    def put_new(self, key: str, body: bytes) -> bool:
        """Write unless the key is taken; False when it was."""
        ...

    def get(self, key: str) -> bytes:
        """Read whole; raises `ObjectNotFound`."""
        ...

    def exists(self, key: str) -> bool:
        """Whether an object bears that key."""
        ...

    def list(self, folder: str) -> Iterator[StoredObject]:
        """Every object below a folder (whole path segments), in no stated order; an absent folder is empty."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Delete; keys that are not there are passed over."""
        ...
