"""Objects that the tasks of one call exchange: ``detection/work/STAMP-HEX/KIND/NNNNNNNN`` (docs/adr/0016).

A kind may have parts: ``rows/00000002``. The objects are no records: the call deletes them at its end. Those of a call
that was killed are deleted by a later one.
"""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timedelta
from typing import Final

from anomalake.records.keys import DETECTION, parse_stamp, stamp
from anomalake.storage.store import ObjectStore

#: Folder of the objects.
WORK: Final = f"{DETECTION}/work"
#: Age at which a work folder counts as left behind: longer than any call takes.
LEFT_BEHIND: Final = timedelta(days=7)

_KEY: Final = re.compile(rf"{WORK}/(?P<stamp>\d{{8}}T\d{{6}}Z)-[0-9a-f]{{32}}/.+")


def new_work_folder(now: datetime) -> str:
    """Return the name of a folder that no other call uses."""
    return f"{WORK}/{stamp(now)}-{uuid.uuid4().hex}"


def delete_left_behind(store: ObjectStore, now: datetime) -> None:
    """Delete the work folders of calls that were killed; raises `StoreError`."""
    old = []
    for entry in store.list(WORK):
        match = _KEY.fullmatch(entry.key)
        if match is not None and now - parse_stamp(match["stamp"]) > LEFT_BEHIND:
            old.append(entry.key)
    store.delete(old)


class WorkFolder:
    """The objects of one call, numbered by kind; every method raises `StoreError`.

    Parameters
    ----------
    store
        The store.
    folder
        From `new_work_folder`.
    """

    def __init__(self, store: ObjectStore, folder: str) -> None:
        self._store = store
        self._folder = folder

    def put(self, kind: str, number: int, body: bytes) -> None:
        """Write an object."""
        self._store.put(self._key(kind, number), body)

    def get(self, kind: str, number: int) -> bytes:
        """Read an object; raises `ObjectNotFound`."""
        return self._store.get(self._key(kind, number))

    def delete(self, kind: str | None = None) -> None:
        """Delete the objects of a kind, and of the kinds below it; default: all objects of the folder."""
        folder = self._folder if kind is None else f"{self._folder}/{kind}"
        self._store.delete([entry.key for entry in self._store.list(folder)])

    def _key(self, kind: str, number: int) -> str:
        return f"{self._folder}/{kind}/{number:08d}"
