"""Ingest of an event: the alerts in it, and in the S3 objects that it names, go into a lake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import obstore

from anomalake.alerts import EventItem, ObjectPointer, read_event, read_file
from anomalake.errors import first_line
from anomalake.lake.documents import Fetch, documents_of
from anomalake.lake.lake import Failed, Lake, Receipt, Refused
from anomalake.storage.objects import TRANSIENT, s3_store
from anomalake.storage.store import ObjectNotFound, StoreError


@dataclass(frozen=True, slots=True)
class Ingested:
    """Result of the ingest of one event.

    Attributes
    ----------
    receipt
        Of the lake.
    failed
        Records that could not be read or stored; they must be delivered again.
    """

    receipt: Receipt
    failed: tuple[Failed, ...]

    @property
    def problems(self) -> tuple[Refused | Failed, ...]:
        """Records that were set aside or failed."""
        return (*self.receipt.refused, *self.failed)


def ingest_event(event: Any, lake: Lake, fetch: Fetch) -> Ingested:
    """Take the alerts of an event into a lake, whatever envelopes they are in; nothing is raised for a bad record."""
    unread: list[Failed] = []
    receipt = lake.ingest(documents_of(read_event(event), fetch, unread.append))
    return Ingested(receipt, (*receipt.failed, *unread))


def fetch(pointer: ObjectPointer) -> Iterator[EventItem]:
    """Read the items of an S3 object that an event names; raises `StoreError`."""
    store = s3_store(pointer.bucket)
    options = {"version": pointer.version_id} if pointer.version_id else None
    try:
        body = bytes(obstore.get(store, pointer.key, options=options).bytes())  # type: ignore[arg-type]
    except FileNotFoundError as error:
        raise ObjectNotFound(f"{pointer.place}: there is no such object") from error
    except TRANSIENT as error:
        raise StoreError(f"{pointer.place}: {first_line(error)}") from error
    return read_file(pointer.place, body, pointer.delivery)
