"""Handler of the function ingest: alerts arrived, in any envelope."""

from __future__ import annotations

import os
from collections import defaultdict
from functools import cache
from typing import Any

from anomalake.aws.environment import IngestEnvironment
from anomalake.aws.glue import GlueCatalog
from anomalake.aws.observability import count, logger, observed
from anomalake.errors import AnomalakeError
from anomalake.lake.documents import Fetch
from anomalake.lake.lake import Lake
from anomalake.lake.ports import NoCatalog
from anomalake.lake.set_aside import Refused
from anomalake.services.ingest import Ingested, fetch, ingest_event
from anomalake.storage.objects import open_store


class IngestError(AnomalakeError):
    """Records of a direct invocation that were set aside or failed; all others are stored."""


@cache
def lake() -> Lake:
    """The lake that the environment names."""
    environment = IngestEnvironment.read(os.environ)
    store = open_store(environment.lake)
    catalog = GlueCatalog(store, environment.database) if environment.database else NoCatalog()
    return Lake(store, catalog, environment.formats)


@observed
def handler(event: Any, context: object) -> dict[str, Any]:
    """Entry point of the function."""
    return respond(event, lake(), fetch)


def respond(event: Any, lake: Lake, fetch: Fetch) -> dict[str, Any]:
    """Ingest an event, and build the function's response.

    Returns the messages of an SQS batch that failed, or the counts of any other event. For the latter, `IngestError` is
    raised after the good records are stored.
    """
    ingested = ingest_event(event, lake, fetch)
    _report(ingested)
    receipt, problems = ingested.receipt, ingested.problems
    if _is_sqs_batch(event) and all(problem.delivery for problem in problems):
        messages = dict.fromkeys(problem.delivery for problem in problems)
        return {"batchItemFailures": [{"itemIdentifier": message} for message in messages]}
    if problems:
        refused, failed = receipt.refused, ingested.failed
        first = str(refused[0].refusal) if refused else f"{failed[0].place}: {failed[0].error}"
        n_refused = sum(item.count for item in refused)
        raise IngestError(f"{n_refused} records refused, {len(failed)} failed, {receipt.stored} stored: {first}")
    return {"stored": receipt.stored, "repeated": receipt.repeated, "clashes": receipt.clashes}


def _is_sqs_batch(event: Any) -> bool:
    records = event.get("Records") if isinstance(event, dict) else None
    return isinstance(records, list) and any(
        isinstance(record, dict) and record.get("eventSource") == "aws:sqs" for record in records
    )


def _report(ingested: Ingested) -> None:
    receipt = ingested.receipt
    count("AlertsStored", receipt.stored)
    count("AlertsRepeated", receipt.repeated)
    count("AlertClashes", receipt.clashes)
    count("RecordsSetAside", sum(refused.count for refused in receipt.refused if refused.first_time))
    count("RecordsFailed", len(ingested.failed))
    count("PartitionsPending", len(receipt.pending))
    by_key: dict[str, list[Refused]] = defaultdict(list)
    for refused in receipt.refused:
        by_key[refused.key].append(refused)
    for key, (first, *others) in by_key.items():
        # One line an object, which has the other reasons.
        n_records = sum(refused.count for refused in (first, *others))
        reason = str(first.refusal)
        logger.warning("record set aside", reason=reason, key=key, first_time=first.first_time, records=n_records)
    for failed in ingested.failed:
        logger.error("record failed", place=failed.place, reason=failed.error)
    if receipt.pending:
        logger.warning("partitions pending", count=len(receipt.pending), reason=receipt.pending_reason)
    logger.info(
        "ingested",
        stored=receipt.stored, repeated=receipt.repeated, clashes=receipt.clashes, withdrawals=receipt.withdrawals,
        causes=receipt.causes,
    )  # fmt: skip
