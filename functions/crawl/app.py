"""Objects have changed: registers the partitions that Glue lacks and starts the crawlers concerned, once a batch."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from anomalake.alerts import ObjectPointer, read_event
from anomalake.aws.crawler import CrawlerRunningError, GlueCrawlers
from anomalake.aws.environment import CrawlEnvironment, CrawlerTarget
from anomalake.aws.glue import GlueCatalog
from anomalake.aws.observability import count, logger, observed
from anomalake.errors import AnomalakeError
from anomalake.lake.layout import partition_in
from anomalake.lake.ports import Catalog, CatalogError, Partition
from anomalake.storage.objects import open_store


class CrawlError(AnomalakeError):
    """Changes of a direct invocation that could not be followed."""


@cache
def _wired() -> tuple[CrawlEnvironment, GlueCatalog, GlueCrawlers]:
    told = CrawlEnvironment.read(os.environ)
    return told, GlueCatalog(open_store(told.lake), told.database), GlueCrawlers()


@observed
def handler(event: Any, context: object) -> dict[str, Any]:
    """Entry point of the function."""
    told, catalog, crawlers = _wired()
    return follow(event, told.lake, told.crawlers, catalog, crawlers)


def follow(
    event: Any, lake: str, targets: Iterable[CrawlerTarget], catalog: Catalog, crawlers: GlueCrawlers
) -> dict[str, Any]:
    """Follow the changes that a batch of S3 events tells of; returns the messages to deliver again, later."""
    sent = _sent(event)
    again: dict[str | None, str] = {}
    partitions: dict[Partition, list[str | None]] = defaultdict(list)
    crawls: dict[str, list[str | None]] = defaultdict(list)
    for found in read_event(event):
        if not isinstance(found, ObjectPointer):
            again[found.delivery] = f"{found.place}: expected an S3 object-created event"
            continue
        uri = f"s3://{found.bucket}/{found.key}"
        partition = partition_in(found.key) if uri.startswith(f"{lake}/tables/") else None
        if partition is not None:
            partitions[partition].append(found.delivery)
        for target in targets:
            if uri.startswith(target.prefix):
                crawls[target.crawler].append(found.delivery)

    pending = 0
    try:
        catalog.add_partitions(partitions)
    except CatalogError as error:
        pending = len(partitions)
        logger.warning("partitions pending", count=len(partitions), reason=str(error))
        again.update((delivery, str(error)) for deliveries in partitions.values() for delivery in deliveries)
    count("PartitionsPending", pending)

    for crawler, deliveries in crawls.items():
        try:
            started = crawlers.crawl(crawler, [sent.get(one) or datetime.now(UTC) for one in deliveries])
            count("CrawlsStarted", int(started))
            logger.info("crawl started" if started else "crawled since", crawler=crawler, changes=len(deliveries))
        except CatalogError as error:
            count("CrawlsPending", 1)
            log = logger.info if isinstance(error, CrawlerRunningError) else logger.warning
            log("crawl pending", crawler=crawler, changes=len(deliveries), reason=str(error))
            again.update((delivery, str(error)) for delivery in deliveries)

    if None in again:
        raise CrawlError(again[None])
    return {"batchItemFailures": [{"itemIdentifier": delivery} for delivery in again]}


def _sent(event: Any) -> dict[str | None, datetime]:
    """When SQS got each message: no earlier than the change that it tells of."""
    return {
        record["messageId"]: datetime.fromtimestamp(int(record["attributes"]["SentTimestamp"]) / 1000, UTC)
        for record in event.get("Records", [])
        if "messageId" in record and "SentTimestamp" in record.get("attributes", {})
    }
