"""Ingest of an event: the alerts in it, and in the S3 objects that it names, go into a lake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anomalake.alerts import EventItem, ObjectPointer, read_event, read_file
from anomalake.alerts.bounds import MAX_OBJECTS, MAX_RECORDS, OBJECT_LIMITS, FileLimits
from anomalake.lake.documents import Fetch, documents_of
from anomalake.lake.lake import Failed, Lake, Receipt
from anomalake.lake.set_aside import Refused
from anomalake.storage.objects import read_blocks, s3_store


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
    documents = documents_of(read_event(event), fetch, unread.append, MAX_RECORDS, MAX_OBJECTS)
    receipt = lake.ingest(documents)
    return Ingested(receipt, (*receipt.failed, *unread))


def fetch(pointer: ObjectPointer, limits: FileLimits = OBJECT_LIMITS) -> Iterator[EventItem]:
    """Read the items of an S3 object that an event names, in a stream; raises `StoreError`."""
    blocks = read_blocks(s3_store(pointer.bucket), pointer.key, pointer.place, pointer.version_id)
    return read_file(pointer.place, blocks, pointer.delivery, limits)
