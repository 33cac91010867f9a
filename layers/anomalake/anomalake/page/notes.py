"""Work that may fail on a lake's content: what cannot be read is left out, and a note of the page says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import pyarrow as pa

from anomalake.definitions.errors import SourceError
from anomalake.query.errors import QueryError
from anomalake.storage.store import ObjectNotFound, ObjectStore, StoreError

#: Objects that are read at a time.
READERS: Final = 16

#: Errors of a lake, a query or a source.
LAKE_ERRORS: Final = (QueryError, SourceError, StoreError)
# Errors that a record with unexpected content may raise.
_CONTENT_ERRORS: Final = (ValueError, LookupError, TypeError, AttributeError, pa.ArrowException)

T = TypeVar("T")


class UnreadNote(str):
    """A note that a part of the lake could not be read."""


def attempt(notes: list[str], default: T, work: Callable[[], T], what: str) -> T:
    """Return the result of `work`; where it fails, return `default` and add a note that names `what`."""
    try:
        return work()
    except (*LAKE_ERRORS, *_CONTENT_ERRORS) as error:
        notes.append(UnreadNote(f"{what}: could not be read: {error_line(error)}."))
        return default


def read_each(
    store: ObjectStore, keys: Iterable[str], read: Callable[[bytes, str], T], notes: list[str], what: str
) -> list[T]:
    """Read objects in parallel, in the order of the keys.

    An object that was deleted since the listing is left out. An invalid one is left out with a line in `notes`.

    Parameters
    ----------
    read
        Reads an object's body; the second argument is its place, for errors. Raises ValueError for an invalid body.
    notes
        Receives one line for all invalid objects.
    what
        Name of the objects, for the note.
    """

    def read_object(key: str) -> T | _Invalid | None:
        try:
            return read(store.get(key), f"{store.uri}/{key}")
        except ObjectNotFound:
            return None
        except (StoreError, ValueError) as error:
            return _Invalid(error_line(error))

    with ThreadPoolExecutor(READERS) as pool:
        results = list(pool.map(read_object, keys))
    invalid = [result for result in results if isinstance(result, _Invalid)]
    if invalid:
        rest = f", and {len(invalid) - 1:,} more" if len(invalid) > 1 else ""
        notes.append(UnreadNote(f"{what} left out: {invalid[0]}{rest}."))
    return [result for result in results if result is not None and not isinstance(result, _Invalid)]


class _Invalid(str):
    """Reason why an object could not be read."""


def error_line(error: BaseException) -> str:
    """Return an error in one line of bounded length."""
    return " ".join(str(error).split())[:300] or type(error).__name__
