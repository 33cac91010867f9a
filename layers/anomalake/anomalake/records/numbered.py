"""Records that are changed on a condition: a folder of numbered objects, of which the highest number counts.

A writer that has read number N writes number N + 1, unless that key is in use. So of two writers that have read the
same record one is refused, on a folder and on S3 alike.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from anomalake.storage.store import ObjectNotFound, ObjectStore

_NAME: Final = re.compile(r"(?P<number>\d{8})\.json")


class Numbered(NamedTuple):
    """A record's number and its bytes."""

    number: int
    body: bytes


def number_key(folder: str, number: int) -> str:
    """Return the key of the record with a number."""
    return f"{folder}/{number:08d}.json"


def read_latest(store: ObjectStore, folder: str) -> Numbered | None:
    """Read the record with the highest number; None where there is none; raises `StoreError`."""
    while numbers := _numbers(store, folder):
        try:
            return Numbered(numbers[-1], store.get(number_key(folder, numbers[-1])))
        except ObjectNotFound:
            # A newer one was written, and this one deleted, after the listing.
            continue
    return None


def write_next(store: ObjectStore, folder: str, read: int, body: bytes) -> bool:
    """Write the record that follows the one that was read, and delete those before that one; raises `StoreError`.

    Parameters
    ----------
    read
        Number of the record that was read; 0 for none.

    Returns
    -------
    Whether it is written; False where another writer has written one meanwhile.
    """
    key = number_key(folder, read + 1)
    if not store.put_new(key, body):
        return False
    numbers = _numbers(store, folder)
    if numbers and numbers[-1] > read + 1:
        # Others have written this number and higher ones, and deleted this one.
        store.delete([key])
        return False
    # The one before stays, so that a listing that runs now finds one of the two.
    store.delete(number_key(folder, number) for number in numbers if number < read)
    return True


def _numbers(store: ObjectStore, folder: str) -> list[int]:
    names = (_NAME.fullmatch(entry.key.removeprefix(f"{folder}/")) for entry in store.list(folder))
    return sorted(int(name["number"]) for name in names if name is not None)
