"""Changes of numbered records by several writers: each change is made to the newest record, and none is lost.

A record holds the ids of the last changes that it contains. They tell a writer whose answer was lost, or whom another
writer has overtaken, whether its change was made. A change that was not made is repeated on the newest record.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from anomalake.records.errors import RecordError
from anomalake.records.numbered import number_key, read_latest, write_next
from anomalake.storage.store import ObjectStore, StoreError

T = TypeVar("T")

#: Ids of changes in a record.
_CHANGES: Final = 16
#: Tries of a change that others overtake.
_TRIES: Final = 100


@dataclass(frozen=True, slots=True)
class Codec(Generic[T]):
    """How a record is written as fields in JSON's types, and read; `from_fields` raises `RecordError`."""

    to_fields: Callable[[T], Mapping[str, Any]]
    from_fields: Callable[[Any], T]


@dataclass(frozen=True, slots=True)
class Newest(Generic[T]):
    """The newest record of a folder.

    Attributes
    ----------
    number
        Its number; 0 where there is none.
    value
        The record; None where there is none.
    changes
        Ids of the last changes that it contains, the newest last.
    """

    number: int = 0
    value: T | None = None
    changes: tuple[str, ...] = ()


def read_newest(store: ObjectStore, folder: str, codec: Codec[T]) -> Newest[T]:
    """Read the newest record of a folder; raises `RecordError` and `StoreError`."""
    found = read_latest(store, folder)
    return _decoded(store, folder, found.number, found.body, codec) if found is not None else Newest()


def read_number(store: ObjectStore, folder: str, number: int, codec: Codec[T]) -> Newest[T]:
    """Read the record with a number; raises `ObjectNotFound`, `RecordError` and `StoreError`."""
    return _decoded(store, folder, number, store.get(number_key(folder, number)), codec)


def _decoded(store: ObjectStore, folder: str, number: int, body: bytes, codec: Codec[T]) -> Newest[T]:
    try:
        fields = json.loads(body)
        return Newest(number, codec.from_fields(fields["record"]), tuple(map(str, fields["changes"])))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        place = f"{store.uri}/{number_key(folder, number)}"
        raise RecordError(f"{place}: {error}; expected a record and its changes") from error


def change_record(store: ObjectStore, folder: str, codec: Codec[T], change: Callable[[T | None], T]) -> T:
    """Change the newest record of a folder, and return what was written.

    Parameters
    ----------
    change
        Returns the new record for the newest one, or for None. It is called again if another writer was faster. What
        it raises ends the change. An equal record is not written.

    Raises
    ------
    RecordError
    StoreError
        The change may have been made.
    """
    id_ = uuid.uuid4().hex
    changed: T | None = None
    for _ in range(_TRIES):
        newest = read_newest(store, folder, codec)
        if changed is not None and id_ in newest.changes:
            return changed
        changed = change(newest.value)
        if changed == newest.value:
            return changed
        changes = [*newest.changes[1 - _CHANGES :], id_]
        body = json.dumps({"changes": changes, "record": codec.to_fields(changed)}, indent=1).encode("ascii")
        if write_next(store, folder, newest.number, body):
            return changed
    raise StoreError(f"{store.uri}/{folder}: changed by others {_TRIES} times; try again")
