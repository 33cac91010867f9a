"""Registration of new partitions, and crawls of prefixes with new objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from anomalake.aws.crawler import CrawlerRunningError, GlueCrawlers
from anomalake.aws.environment import CrawlerTarget
from anomalake.lake.layout import partition_in
from anomalake.lake.ports import Catalog, CatalogError, Partition


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """A new object, and the message that announced it."""

    bucket: str
    key: str
    #: Id of the message; None in a direct invocation.
    delivery: str | None
    #: When the message was sent, which is not before the change.
    sent: datetime


@dataclass(frozen=True, slots=True)
class CrawlAttempt:
    """What came of one crawler's changes."""

    crawler: str
    changes: int
    #: False where a crawl that covers the changes has succeeded, or an error prevents the crawl.
    started: bool
    #: None where the changes are crawled or the crawl was started.
    error: CatalogError | None = None

    @property
    def running(self) -> bool:
        """Whether another crawl prevents this one; the error is then expected."""
        return isinstance(self.error, CrawlerRunningError)


@dataclass(frozen=True, slots=True)
class CrawlReport:
    """What came of the changes, and the messages that must be delivered again, each with the reason."""

    pending_partitions: int
    pending_reason: str
    attempts: tuple[CrawlAttempt, ...]
    retries: dict[str | None, str]


def crawl_changes(
    changes: Iterable[ObjectChange],
    lake: str,
    targets: Collection[CrawlerTarget],
    catalog: Catalog,
    crawlers: GlueCrawlers,
) -> CrawlReport:
    """Register the partitions of new table files, and start each crawler once for all changes below its prefix.

    Parameters
    ----------
    changes
        New objects in any bucket. Those outside the lake's tables and the prefixes are ignored.
    lake
        URI of the lake.
    targets
        Crawlers and their prefixes.
    """
    partitions: dict[Partition, list[ObjectChange]] = defaultdict(list)
    crawls: dict[str, list[ObjectChange]] = defaultdict(list)
    for change in changes:
        uri = f"s3://{change.bucket}/{change.key}"
        partition = partition_in(change.key) if uri.startswith(f"{lake}/tables/") else None
        if partition is not None:
            partitions[partition].append(change)
        for target in targets:
            if uri.startswith(target.prefix):
                crawls[target.crawler].append(change)

    retries: dict[str | None, str] = {}
    pending, reason = 0, ""
    try:
        catalog.add_partitions(partitions)
    except CatalogError as error:
        pending, reason = len(partitions), str(error)
        retries.update((change.delivery, reason) for waiting in partitions.values() for change in waiting)

    attempts = tuple(_attempt(crawler, waiting, crawlers) for crawler, waiting in crawls.items())
    for attempt in attempts:
        if attempt.error is not None:
            retries.update((change.delivery, str(attempt.error)) for change in crawls[attempt.crawler])
    return CrawlReport(pending, reason, attempts, retries)


def _attempt(crawler: str, changes: list[ObjectChange], crawlers: GlueCrawlers) -> CrawlAttempt:
    try:
        started = crawlers.crawl(crawler, [change.sent for change in changes])
    except CatalogError as error:
        return CrawlAttempt(crawler, len(changes), False, error)
    return CrawlAttempt(crawler, len(changes), started)
