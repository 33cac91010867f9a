"""The port to an object store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from anomalake.errors import AnomalakeError


class StoreError(AnomalakeError):
    """The store failed; the call may be repeated."""


class ObjectNotFound(StoreError):
    """There is no object with that key."""


class InvalidKey(StoreError):
    """A key, or a part of one, that cannot be read, such as ``a/../b`` or ``a//b``."""


class BucketNotFound(StoreError):
    """There is no such bucket, or it is in another region."""


class StoreAccessDenied(StoreError):
    """The store denies access, or there are no credentials."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in a listing: its key below the lake's root, its size in bytes, and when it was written, if known."""

    key: str
    size: int
    written_at: datetime | None = field(default=None, compare=False)


class ObjectStore(Protocol):
    """Objects under keys such as ``tables/alert_rows/…``, relative to the lake's root.

    A write is atomic (readers see the old object, the new one or none) and may be repeated. Listings show every
    finished write. Every method raises `StoreError` when the store fails.
    """

    @property
    def uri(self) -> str:
        """URI of the lake's root, as the user writes it."""
        ...

    def put(self, key: str, body: bytes) -> None:
        """Write an object; an object with the same key is replaced."""
        ...

    def put_new(self, key: str, body: bytes) -> bool:
        """Write an object unless the key is in use; return whether it was written."""
        ...

    def get(self, key: str) -> bytes:
        """Read an object; raises `ObjectNotFound`."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is an object with that key."""
        ...

    def list(self, folder: str, after: str | None = None, before: str | None = None) -> Iterator[StoredObject]:
        """List every object below a folder (complete path segments), in any order; a missing folder is empty.

        With `after` or `before`, only the objects whose keys come after or before it in the order of keys. In S3 no
        others are listed, except for those of one page.
        """
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; keys without an object are ignored."""
        ...
