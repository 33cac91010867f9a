"""Alerts have come: takes them in, whatever they are wrapped in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from anomalake.alerts import AlertDocument, EventItem, ObjectPointer, read_event
from anomalake.aws.environment import IngestEnvironment
from anomalake.aws.glue import GlueCatalog
from anomalake.aws.observability import count, logger, observed
from anomalake.errors import AnomalakeError
from anomalake.lake.lake import Failed, Lake, Receipt, Refused
from anomalake.lake.ports import NoCatalog
from anomalake.services.ingest import fetch
from anomalake.storage.objects import open_store
from anomalake.storage.store import StoreError

Fetch = Callable[[ObjectPointer], Iterable[EventItem]]


class IngestError(AnomalakeError):
    """Records of a direct invocation that were refused or failed; all others are stored."""


@cache
def lake() -> Lake:
    """The lake that the environment names."""
    told = IngestEnvironment.read(os.environ)
    store = open_store(told.lake)
    return Lake(store, GlueCatalog(store, told.database) if told.database else NoCatalog(), told.formats)


@observed
def handler(event: Any, context: object) -> dict[str, Any]:
    """Entry point of the function."""
    return take_in(event, lake(), fetch)


def take_in(event: Any, lake: Lake, fetch: Fetch) -> dict[str, Any]:
    """Take in what an event holds.

    Returns the failed messages of an SQS batch, or a summary for any other event; raises `IngestError` for the latter
    after everything else is stored.
    """
    unread: list[Failed] = []
    receipt = lake.ingest(_documents(read_event(event), fetch, unread))
    failed = (*receipt.failed, *unread)
    _tell(receipt, failed)
    troubles: list[Refused | Failed] = [*receipt.refused, *failed]
    if _is_batch(event) and all(trouble.delivery for trouble in troubles):
        return {"batchItemFailures": [{"itemIdentifier": one} for one in dict.fromkeys(t.delivery for t in troubles)]}
    if troubles:
        first = str(receipt.refused[0].refusal) if receipt.refused else f"{failed[0].place}: {failed[0].error}"
        raise IngestError(
            f"{len(receipt.refused)} records refused, {len(failed)} failed, {receipt.stored} stored: {first}"
        )
    return {"stored": receipt.stored, "repeated": receipt.repeated, "clashes": receipt.clashes}


def _documents(
    found: Iterable[EventItem], fetch: Fetch, unread: list[Failed], inside: bool = False
) -> Iterator[AlertDocument]:
    for one in found:
        if isinstance(one, AlertDocument):
            yield one
        elif inside:
            # An object that names objects is no alert, and following it could go round in circles.
            yield AlertDocument(one.place, one.place, one.delivery)
        else:
            try:
                yield from _documents(fetch(one), fetch, unread, inside=True)
            except StoreError as error:
                unread.append(Failed(one.place, one.delivery, str(error)))


def _is_batch(event: Any) -> bool:
    records = event.get("Records") if isinstance(event, dict) else None
    return isinstance(records, list) and any(isinstance(r, dict) and r.get("eventSource") == "aws:sqs" for r in records)


def _tell(receipt: Receipt, failed: tuple[Failed, ...]) -> None:
    count("AlertsStored", receipt.stored)
    count("AlertsRepeated", receipt.repeated)
    count("AlertClashes", receipt.clashes)
    count("RecordsSetAside", sum(refused.first_time for refused in receipt.refused))
    count("RecordsFailed", len(failed))
    count("PartitionsPending", len(receipt.pending))
    for refused in receipt.refused:
        logger.warning("record set aside", reason=str(refused.refusal), key=refused.key, first_time=refused.first_time)
    for one in failed:
        logger.error("record failed", place=one.place, reason=one.error)
    if receipt.pending:
        logger.warning("partitions pending", count=len(receipt.pending), reason=receipt.pending_reason)
    logger.info("taken in", stored=receipt.stored, repeated=receipt.repeated, clashes=receipt.clashes)
