"""The alert documents of an event or a file, with the objects that it names."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from anomalake.alerts import AlertDocument, EventItem, ObjectPointer, Refusal
from anomalake.lake.lake import Failed
from anomalake.storage.store import StoreError

#: Reads the items of an S3 object; raises `StoreError`, also after some items.
Fetch = Callable[[ObjectPointer], Iterable[EventItem]]


def documents_of(
    items: Iterable[EventItem],
    fetch: Fetch,
    failed: Callable[[Failed], None],
    most_records: int | None = None,
    most_objects: int | None = None,
) -> Iterator[AlertDocument]:
    """Return the documents among some items, and those in the objects that the items name.

    An object that names another object is not followed, because that could go round in circles. The name is returned as
    a document that `read_alert` refuses.

    Parameters
    ----------
    fetch
        Reads an object.
    failed
        Called for an object that cannot be read; the other items are still returned.
    most_records, most_objects
        Limits for each delivery. What is beyond them is returned as documents that `read_alert` refuses; an object is
        not read further.
    """
    n_records: Counter[str | None] = Counter()
    n_objects: Counter[str | None] = Counter()

    def beyond(delivery: str | None) -> bool:
        n_records[delivery] += 1
        return most_records is not None and n_records[delivery] > most_records

    for item in items:
        delivery = item.delivery
        if isinstance(item, AlertDocument):
            yield _too_many(item, most_records, "records") if beyond(delivery) else item
            continue
        n_objects[delivery] += 1
        if most_objects is not None and n_objects[delivery] > most_objects:
            yield _too_many(_named(item), most_objects, "objects")
            continue
        try:
            for document in fetch(item):
                if beyond(delivery):
                    rest = AlertDocument("", item.place, delivery, is_beginning=True)
                    yield _too_many(rest, most_records, "records")
                    break
                yield document if isinstance(document, AlertDocument) else _refused(document, item)
        except StoreError as error:
            failed(Failed(item.place, delivery, str(error)))


def _too_many(document: AlertDocument, most: int | None, what: str) -> AlertDocument:
    refusal = Refusal(document.place, "$", f"more than {most:,} {what} in one delivery", f"at most {most:,}")
    return replace(document, refusal=refusal)


def _named(pointer: ObjectPointer) -> AlertDocument:
    """An event that names the object, for a later replay."""
    named = {"key": pointer.key} | ({"version-id": pointer.version_id} if pointer.version_id else {})
    detail = {"bucket": {"name": pointer.bucket}, "object": named}
    event = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    return AlertDocument(json.dumps(event), pointer.place, pointer.delivery)


def _refused(pointer: ObjectPointer, outer: ObjectPointer) -> AlertDocument:
    expected = "alerts; an object that another object names is not read"
    refusal = Refusal(outer.place, "$", f"an event of {pointer.place}", expected)
    return AlertDocument(pointer.place, outer.place, pointer.delivery, refusal=refusal)
