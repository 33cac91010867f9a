"""Handler of the function compact: merges small table files into large ones."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import cache
from typing import Any

from anomalake.aws.environment import CompactEnvironment
from anomalake.aws.observability import count, logger, observed
from anomalake.errors import AnomalakeError
from anomalake.lake.compaction import compact
from anomalake.lake.lake import Lake
from anomalake.storage.objects import open_store


class CompactError(AnomalakeError):
    """Partitions that were not merged because a file is not a table file; all others are merged."""


@cache
def _wired() -> tuple[Lake, timedelta]:
    environment = CompactEnvironment.read(os.environ)
    return Lake(open_store(environment.lake), formats=environment.formats), timedelta(hours=environment.grace_hours)


@observed
def handler(event: Any, context: object) -> dict[str, int]:
    """Entry point of the function."""
    lake, grace = _wired()
    return merge(lake, grace)


def merge(lake: Lake, grace: timedelta) -> dict[str, int]:
    """Compact a lake; raises `CompactError` after everything readable is merged."""
    report = compact(lake, grace)
    count("FilesMerged", report.merged)
    count("FilesDeleted", report.deleted)
    logger.info("compacted", partitions=report.partitions, merged=report.merged, deleted=report.deleted)
    if report.unreadable:
        raise CompactError(f"{len(report.unreadable)} partitions not merged, first {report.unreadable[0]}")
    return {"partitions": report.partitions, "merged": report.merged, "deleted": report.deleted}
