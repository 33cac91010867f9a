"""The alert documents of an event or a file, with the objects that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from anomalake.alerts import AlertDocument, EventItem, ObjectPointer, Refusal
from anomalake.lake.lake import Failed
from anomalake.storage.store import StoreError

#: Reads the items of an S3 object; raises `StoreError`.
Fetch = Callable[[ObjectPointer], Iterable[EventItem]]


def documents_of(items: Iterable[EventItem], fetch: Fetch, failed: Callable[[Failed], None]) -> Iterator[AlertDocument]:
    """Return the documents among some items, and those in the objects that the items name.

    An object that names another object is not followed, because that could go round in circles. The name is returned as
    a document that `read_alert` refuses.

    Parameters
    ----------
    fetch
        Reads an object.
    failed
        Called for an object that cannot be read; the other items are still returned.
    """
    for item in items:
        if isinstance(item, AlertDocument):
            yield item
            continue
        try:
            inner = list(fetch(item))
        except StoreError as error:
            failed(Failed(item.place, item.delivery, str(error)))
            continue
        for document in inner:
            if isinstance(document, AlertDocument):
                yield document
            else:
                yield _refused(document, item)


def _refused(pointer: ObjectPointer, outer: ObjectPointer) -> AlertDocument:
    expected = "alerts; an object that another object names is not read"
    refusal = Refusal(outer.place, "$", f"an event of {pointer.place}", expected)
    return AlertDocument(pointer.place, outer.place, pointer.delivery, refusal=refusal)
