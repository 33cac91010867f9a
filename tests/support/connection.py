"""Lakes whose store and query engine a test chooses."""

from __future__ import annotations

from typing import Any

from anomalake import LakeHandle
from anomalake.services.lakes import LakeConnection
from anomalake.storage.store import ObjectStore


class OpenedConnection(LakeConnection):
    """A connection to a store and an engine that are open already."""

    def __init__(self, store: ObjectStore, engine: Any) -> None:
        self.uri = store.uri
        self._opened = store, engine

    @property
    def store(self) -> ObjectStore:
        return self._opened[0]

    @property
    def engine(self) -> Any:
        return self._opened[1]

    def create(self) -> None:
        """Nothing: the store is there."""


def opened(store: ObjectStore, engine: Any) -> LakeHandle:
    """A handle on an open store and engine."""
    return LakeHandle(OpenedConnection(store, engine))
