"""The objects that S3 events name."""

from __future__ import annotations

from collections.abc import Iterator

import obstore

from anomalake.alerts import EventItem, ObjectPointer, read_file
from anomalake.storage.objects import TRANSIENT, first_line, s3_store
from anomalake.storage.store import ObjectNotFound, StoreError


def fetch(pointer: ObjectPointer) -> Iterator[EventItem]:
    """The documents in an S3 object that an event names; raises `StoreError`."""
    store = s3_store(pointer.bucket)
    options = {"version": pointer.version_id} if pointer.version_id else None
    try:
        body = bytes(obstore.get(store, pointer.key, options=options).bytes())  # type: ignore[arg-type]
    except FileNotFoundError as error:
        raise ObjectNotFound(f"{pointer.place}: there is no such object") from error
    except TRANSIENT as error:
        raise StoreError(f"{pointer.place}: {first_line(error)}") from error
    return read_file(pointer.place, body, pointer.delivery)
