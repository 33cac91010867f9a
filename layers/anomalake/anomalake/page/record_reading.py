"""Reading of many records in parallel; invalid ones are noted and left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from anomalake.storage.store import ObjectNotFound, ObjectStore, StoreError

READERS: Final = 16

T = TypeVar("T")


def read_each(
    store: ObjectStore, keys: Iterable[str], read: Callable[[bytes, str], T], notes: list[str], what: str
) -> list[T]:
    """Read objects in parallel, in the order of the keys; deleted ones are ignored, invalid ones are noted."""

    def read_one(key: str) -> T | _Invalid | None:
        try:
            return read(store.get(key), f"{store.uri}/{key}")
        except ObjectNotFound:
            return None
        except (StoreError, ValueError) as error:
            return _Invalid(one_line(error))

    with ThreadPoolExecutor(READERS) as pool:
        results = list(pool.map(read_one, keys))
    invalid = [result for result in results if isinstance(result, _Invalid)]
    if invalid:
        rest = f", and {len(invalid) - 1:,} more" if len(invalid) > 1 else ""
        notes.append(f"{what} left out: {invalid[0]}{rest}.")
    return [result for result in results if result is not None and not isinstance(result, _Invalid)]


class _Invalid(str):
    """The reason why an object could not be read."""


def one_line(error: BaseException) -> str:
    """An error as one line of bounded length."""
    return " ".join(str(error).split())[:300] or type(error).__name__
