"""A lake that is read once: each answer and each object is kept for the next composition of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from typing import Any, TypeVar

import pyarrow as pa

from anomalake.storage.store import ObjectStore, StoredObject

T = TypeVar("T")


class LakeReads:
    """Queries and reads of a lake, each made once. Safe for several threads.

    Errors are kept too, so that every composition has the same notes.

    Parameters
    ----------
    ask
        Runs a query.
    store
        The lake's store.
    """

    def __init__(self, ask: Callable[[str], pa.Table], store: ObjectStore) -> None:
        self._ask = ask
        self._store = store
        self._results: dict[tuple[str, str], tuple[Any, Exception | None]] = {}
        self._lock = Lock()

    @property
    def uri(self) -> str:
        """URI of the lake."""
        return self._store.uri

    def ask(self, sql: str) -> pa.Table:
        """Run a query, or return its earlier answer."""
        return self._once(("ask", sql), lambda: self._ask(sql))

    def get(self, key: str) -> bytes:
        """Read an object, or return its earlier content."""
        return self._once(("get", key), lambda: self._store.get(key))

    def list(self, folder: str) -> Iterator[StoredObject]:
        """List a folder, or return the earlier listing."""
        return iter(self._once(("list", folder), lambda: [*self._store.list(folder)]))

    def exists(self, key: str) -> bool:
        """Whether an object exists, or existed at the first call."""
        return self._once(("exists", key), lambda: self._store.exists(key))

    def put(self, key: str, body: bytes) -> None:
        """Write through to the store."""
        self._store.put(key, body)

    def put_new(self, key: str, body: bytes) -> bool:
        """Write through to the store."""
        return self._store.put_new(key, body)

    def delete(self, keys: Iterable[str]) -> None:
        """Write through to the store."""
        self._store.delete(keys)

    def _once(self, call: tuple[str, str], make: Callable[[], T]) -> T:
        with self._lock:
            known = self._results.get(call)
        if known is None:
            try:
                known = make(), None
            except Exception as error:
                known = None, error
            with self._lock:
                known = self._results.setdefault(call, known)
        result, failure = known
        if failure is not None:
            raise failure
        return result  # type: ignore[no-any-return]
