"""Stores that go wrong: at random, or by taking the whole process with them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

from anomalake.storage.store import ObjectStore, StoredObject, StoreError


class Killed(BaseException):
    """The process is killed; nothing catches this."""


class WrappedStore:
    """Passes every call on."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @property
    def uri(self) -> str:
        return self._store.uri

    def _before(self, call: str) -> None:
        """Called before the store does anything."""

    def _after(self, call: str) -> None:
        """Called when the store has done it, before the call returns."""

    def _do(self, call: str, *arguments: Any) -> Any:
        self._before(call)
        result = getattr(self._store, call)(*arguments)
        self._after(call)
        return result

    def put(self, key: str, body: bytes) -> None:
        self._do("put", key, body)

    def put_new(self, key: str, body: bytes) -> bool:
        return bool(self._do("put_new", key, body))

    def get(self, key: str) -> bytes:
        found: bytes = self._do("get", key)
        return found

    def exists(self, key: str) -> bool:
        return bool(self._do("exists", key))

    def list(self, folder: str, after: str | None = None, before: str | None = None) -> Iterator[StoredObject]:
        self._before("list")
        yield from self._store.list(folder, after, before)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._do("delete", [key])


class FlakyStore(WrappedStore):
    """Fails in one of five calls: before it has written, or after, as a time-out does."""

    ERRORS = ("500 InternalError", "503 SlowDown", "timed out")

    def __init__(self, store: ObjectStore, seed: int, share: float = 0.2) -> None:
        super().__init__(store)
        self._random = random.Random(seed)
        self._share = share

    def _before(self, call: str) -> None:
        if self._random.random() < self._share / 2:
            raise StoreError(self._random.choice(self.ERRORS))

    def _after(self, call: str) -> None:
        if self._random.random() < self._share / 2:
            raise StoreError("timed out, though it was written")


class KillingStore(WrappedStore):
    """Kills at the write with the given number, before or after it is done."""

    WRITES = ("put", "put_new", "delete")

    def __init__(self, store: ObjectStore, at: int, after: bool) -> None:
        super().__init__(store)
        self._left = at
        self._after_it = after

    def _before(self, call: str) -> None:
        if call in self.WRITES and self._left == 0 and not self._after_it:
            raise Killed
        self._left -= call in self.WRITES and not self._after_it

    def _after(self, call: str) -> None:
        if call in self.WRITES and self._left == 0 and self._after_it:
            raise Killed
        self._left -= call in self.WRITES and self._after_it
