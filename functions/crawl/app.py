"""Handler of the function crawl: objects are new in the lake or in the source data."""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import UTC, datetime
from functools import cache
from typing import Any

from anomalake.alerts import ObjectPointer, read_event
from anomalake.aws.crawler import GlueCrawlers
from anomalake.aws.environment import CrawlEnvironment, CrawlerTarget
from anomalake.aws.glue import GlueCatalog
from anomalake.aws.observability import count, logger, observed
from anomalake.errors import AnomalakeError
from anomalake.lake.ports import Catalog
from anomalake.services.crawl import CrawlReport, ObjectChange, crawl_changes
from anomalake.storage.objects import open_store


class CrawlError(AnomalakeError):
    """Changes of a direct invocation that are not registered or crawled."""


@cache
def _wired() -> tuple[CrawlEnvironment, GlueCatalog, GlueCrawlers]:
    environment = CrawlEnvironment.read(os.environ)
    return environment, GlueCatalog(open_store(environment.lake), environment.database), GlueCrawlers()


@observed
def handler(event: Any, context: object) -> dict[str, Any]:
    """Entry point of the function."""
    environment, catalog, crawlers = _wired()
    return respond(event, environment.lake, environment.crawlers, catalog, crawlers)


def respond(
    event: Any, lake: str, targets: Collection[CrawlerTarget], catalog: Catalog, crawlers: GlueCrawlers
) -> dict[str, Any]:
    """Process a batch of S3 events; returns the messages to deliver again, or raises `CrawlError` if there are none."""
    sent = _sent(event)
    changes, retries = [], {}
    for item in read_event(event):
        if isinstance(item, ObjectPointer):
            time = sent.get(item.delivery) or datetime.now(UTC)
            changes.append(ObjectChange(item.bucket, item.key, item.delivery, time))
        else:
            retries[item.delivery] = f"{item.place}: expected an S3 object-created event"
    report = crawl_changes(changes, lake, targets, catalog, crawlers)
    _report(report)
    retries |= report.retries
    if None in retries:
        raise CrawlError(retries[None])
    return {"batchItemFailures": [{"itemIdentifier": message} for message in retries]}


def _sent(event: Any) -> dict[str | None, datetime]:
    """When each SQS message was sent, by message id."""
    return {
        record["messageId"]: datetime.fromtimestamp(int(record["attributes"]["SentTimestamp"]) / 1000, UTC)
        for record in event.get("Records", [])
        if "messageId" in record and "SentTimestamp" in record.get("attributes", {})
    }


def _report(report: CrawlReport) -> None:
    count("PartitionsPending", report.pending_partitions)
    if report.pending_partitions:
        logger.warning("partitions pending", count=report.pending_partitions, reason=report.pending_reason)
    for attempt in report.attempts:
        where: dict[str, Any] = {"crawler": attempt.crawler, "changes": attempt.changes}
        if attempt.error is not None:
            count("CrawlsPending", 1)
            log = logger.info if attempt.running else logger.warning
            log("crawl pending", **where, reason=str(attempt.error))
        else:
            count("CrawlsStarted", int(attempt.started))
            logger.info("crawl started" if attempt.started else "crawled already", **where)
