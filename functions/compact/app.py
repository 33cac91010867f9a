"""The night has come: merges small table files into large ones."""

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


class Unreadable(AnomalakeError):
    """Partitions with a file that is no table file; all others are merged."""


@cache
def _wired() -> tuple[Lake, timedelta]:
    told = CompactEnvironment.read(os.environ)
    return Lake(open_store(told.lake), formats=told.formats), timedelta(hours=told.grace_hours)


@observed
def handler(event: Any, context: object) -> dict[str, int]:
    """Entry point of the function."""
    lake, grace = _wired()
    return merge(lake, grace)


def merge(lake: Lake, grace: timedelta) -> dict[str, int]:
    """Compact a lake; raises `Unreadable` after everything readable is merged."""
    done = compact(lake, grace)
    count("FilesMerged", done.merged)
    count("FilesDeleted", done.deleted)
    logger.info("compacted", partitions=done.partitions, merged=done.merged, deleted=done.deleted)
    if done.unreadable:
        raise Unreadable(f"{len(done.unreadable)} partitions not merged, first {done.unreadable[0]}")
    return {"partitions": done.partitions, "merged": done.merged, "deleted": done.deleted}
