"""Blocks of models, of states and of histories, where tasks fit and judge the blocks of series (docs/adr/0016).

A model, state or history whose series are in blocks is an object that names its blocks. The name of a block has a
digest of its content, so a block is never replaced by another one, and writing it again changes nothing.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from anomalake.records.codecs import Arrays, arrays_from_bytes, arrays_to_bytes
from anomalake.records.errors import RecordInputError
from anomalake.records.keys import parse_stamp, stamp, version_folder
from anomalake.storage.store import ObjectStore

BlockKind = Literal["models", "states", "histories"]

_NAME: Final = re.compile(r"(?P<kind>models|states|histories)/(?P<start>\d{8}T\d{6}Z)/\d{8}-[0-9a-f]{32}\.npz")


class BlockStore:
    """Blocks of one version of one detector; every method raises `StoreError`.

    Parameters
    ----------
    store
        The lake.
    detector, version
        Name of the detector, and version of its file.
    """

    def __init__(self, store: ObjectStore, detector: str, version: str) -> None:
        self._store = store
        self._folder = f"{version_folder(detector, version)}/blocks"

    def write(self, kind: BlockKind, start: datetime, number: int, arrays: Arrays) -> str:
        """Write a block; return its name.

        Parameters
        ----------
        start
            The start that the model, the state or the history has (`ModelStore`).
        number
            Number of the block.
        """
        body = arrays_to_bytes(arrays, {})
        name = f"{kind}/{stamp(start)}/{number:08d}-{hashlib.sha256(body).hexdigest()[:32]}.npz"
        self._store.put(self._key(name), body)
        return name

    def read(self, name: str) -> dict[str, npt.NDArray[np.generic]]:
        """Read a block; raises `ObjectNotFound`, `CorruptError`, `RecordInputError`."""
        key = self._key(name)
        return arrays_from_bytes(self._store.get(key), f"{self._store.uri}/{key}")[0]

    def lost(self, names: tuple[str, ...]) -> list[str]:
        """Return the names of which there is no block; raises `RecordInputError`."""
        folders = {self._key(name).rpartition("/")[0] for name in names}
        found = {entry.key for folder in folders for entry in self._store.list(folder)}
        return [name for name in names if self._key(name) not in found]

    def delete(self, name: str) -> None:
        """Delete a block that cannot be read."""
        self._store.delete([self._key(name)])

    def delete_before(self, kind: BlockKind, oldest: datetime) -> None:
        """Delete the blocks of earlier starts."""
        old = []
        for entry in self._store.list(f"{self._folder}/{kind}"):
            match = _NAME.fullmatch(entry.key.removeprefix(f"{self._folder}/"))
            if match is not None and parse_stamp(match["start"]) < oldest:
                old.append(entry.key)
        if old:
            self._store.delete(old)

    def _key(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise RecordInputError(f"block {name[:100]!r}: expected KIND/START/NUMBER-DIGEST.npz")
        return f"{self._folder}/{name}"
