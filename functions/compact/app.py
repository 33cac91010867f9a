"""Handler of the function compact: merges small table files into large ones, on a schedule."""

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


class UnreadablePartitionsError(AnomalakeError):
    """Partitions with a file that is not a table file; all others are merged."""


@cache
def _wired() -> tuple[Lake, timedelta]:
    environment = CompactEnvironment.read(os.environ)
    lake = Lake(open_store(environment.lake), formats=environment.formats)
    return lake, timedelta(hours=environment.grace_hours)


@observed
def handler(event: Any, context: object) -> dict[str, int]:
    """Entry point of the function."""
    lake, grace = _wired()
    return merge(lake, grace)


def merge(lake: Lake, grace: timedelta) -> dict[str, int]:
    """Compact a lake; raises `UnreadablePartitionsError` after all other partitions are merged."""
    compaction = compact(lake, grace)
    count("FilesMerged", compaction.merged)
    count("FilesDeleted", compaction.deleted)
    partitions, merged, deleted = compaction.partitions, compaction.merged, compaction.deleted
    logger.info("compacted", partitions=partitions, merged=merged, deleted=deleted)
    unreadable = compaction.unreadable
    if unreadable:
        raise UnreadablePartitionsError(f"{len(unreadable)} partitions not merged, first {unreadable[0]}")
    return {"partitions": partitions, "merged": merged, "deleted": deleted}
