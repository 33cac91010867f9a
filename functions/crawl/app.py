"""Handler of the function crawl: objects were created in S3."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from typing import Any

from anomalake.aws.crawler import GlueCrawlers
from anomalake.aws.environment import CrawlEnvironment, CrawlerTarget
from anomalake.aws.glue import GlueCatalog
from anomalake.aws.observability import count, logger, observed
from anomalake.errors import AnomalakeError
from anomalake.lake.ports import Catalog
from anomalake.services.crawl import ChangesResult, follow_changes
from anomalake.storage.objects import open_store


class CrawlError(AnomalakeError):
    """Changes of a direct invocation that must be delivered again."""


@cache
def _wired() -> tuple[CrawlEnvironment, GlueCatalog, GlueCrawlers]:
    environment = CrawlEnvironment.read(os.environ)
    return environment, GlueCatalog(open_store(environment.lake), environment.database), GlueCrawlers()


@observed
def handler(event: Any, context: object) -> dict[str, Any]:
    """Entry point of the function."""
    environment, catalog, crawlers = _wired()
    return follow(event, environment.lake, environment.crawlers, catalog, crawlers)


def follow(
    event: Any, lake: str, targets: Iterable[CrawlerTarget], catalog: Catalog, crawlers: GlueCrawlers
) -> dict[str, Any]:
    """Follow a batch of changes, and return the messages to deliver again; raises `CrawlError`."""
    result = follow_changes(event, lake, targets, catalog, crawlers)
    _report(result)
    if None in result.retries:
        raise CrawlError(result.retries[None])
    return {"batchItemFailures": [{"itemIdentifier": delivery} for delivery in result.retries]}


def _report(result: ChangesResult) -> None:
    count("PartitionsPending", result.pending)
    if result.pending_reason is not None:
        logger.warning("partitions pending", count=result.pending, reason=result.pending_reason)
    for crawl in result.crawls:
        if crawl.error is not None:
            count("CrawlsPending", 1)
            log = logger.info if crawl.is_running else logger.warning
            log("crawl pending", crawler=crawl.crawler, changes=crawl.changes, reason=crawl.error)
            continue
        count("CrawlsStarted", int(crawl.started))
        message = "crawl started" if crawl.started else "crawled since"
        logger.info(message, crawler=crawl.crawler, changes=crawl.changes)
