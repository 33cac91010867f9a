"""Changes of S3 objects: register new partitions in the catalog, and crawl the folders of the changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from anomalake.alerts import ObjectPointer, read_event
from anomalake.aws.crawler import CrawlerRunningError, GlueCrawlers
from anomalake.aws.environment import CrawlerTarget
from anomalake.lake.layout import partition_in
from anomalake.lake.ports import Catalog, CatalogError, Partition

#: Id of the message that delivered a change; None for a direct invocation.
Delivery = str | None


@dataclass(frozen=True, slots=True)
class CrawlRequest:
    """A crawler with changes in its folders.

    Attributes
    ----------
    changes
        Number of changes.
    started
        Whether a crawl was started; otherwise an earlier crawl covers the changes, or there is an `error`.
    error
        Why the changes must be delivered again.
    is_running
        Whether the reason is that the crawler is running.
    """

    crawler: str
    changes: int
    started: bool = False
    error: str | None = None
    is_running: bool = False


@dataclass(slots=True)
class ChangesResult:
    """Result of a batch of changes.

    Attributes
    ----------
    retries
        Deliveries to deliver again, with the reason.
    pending
        Number of partitions that the catalog did not take.
    pending_reason
        Why it did not.
    crawls
        The crawlers with changes.
    """

    retries: dict[Delivery, str] = field(default_factory=dict)
    pending: int = 0
    pending_reason: str | None = None
    crawls: list[CrawlRequest] = field(default_factory=list)


def follow_changes(
    event: Any, lake: str, targets: Iterable[CrawlerTarget], catalog: Catalog, crawlers: GlueCrawlers
) -> ChangesResult:
    """Register the partitions of changed table files, and start each crawler that has changes at most once.

    Parameters
    ----------
    event
        A batch of S3 events.
    lake
        URI of the lake.
    targets
        Crawlers with their folders.
    """
    sent = _times_sent(event)
    result = ChangesResult()
    partitions: dict[Partition, list[Delivery]] = defaultdict(list)
    changes: dict[str, list[Delivery]] = defaultdict(list)
    for item in read_event(event):
        if not isinstance(item, ObjectPointer):
            result.retries[item.delivery] = f"{item.place}: expected an S3 object-created event"
            continue
        uri = f"s3://{item.bucket}/{item.key}"
        partition = partition_in(item.key) if uri.startswith(f"{lake}/tables/") else None
        if partition is not None:
            partitions[partition].append(item.delivery)
        for target in targets:
            if uri.startswith(target.prefix):
                changes[target.crawler].append(item.delivery)
    try:
        catalog.add_partitions(partitions)
    except CatalogError as error:
        result.pending, result.pending_reason = len(partitions), str(error)
        result.retries.update((delivery, str(error)) for deliveries in partitions.values() for delivery in deliveries)
    for crawler, deliveries in changes.items():
        times = [sent.get(delivery) or datetime.now(UTC) for delivery in deliveries]
        try:
            started = crawlers.crawl(crawler, times)
            result.crawls.append(CrawlRequest(crawler, len(deliveries), started))
        except CatalogError as error:
            is_running = isinstance(error, CrawlerRunningError)
            result.crawls.append(CrawlRequest(crawler, len(deliveries), error=str(error), is_running=is_running))
            result.retries.update((delivery, str(error)) for delivery in deliveries)
    return result


def _times_sent(event: Any) -> dict[Delivery, datetime]:
    """Return the times at which SQS received the messages; none is before its change."""
    return {
        record["messageId"]: datetime.fromtimestamp(int(record["attributes"]["SentTimestamp"]) / 1000, UTC)
        for record in event.get("Records", [])
        if "messageId" in record and "SentTimestamp" in record.get("attributes", {})
    }
