"""Executions of a live detector, the last of each interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Final

from anomalake.frequencies import FREQUENCIES
from anomalake.records.errors import RecordError
from anomalake.records.executions import Execution, executions_folder, from_json, parse_execution_key
from anomalake.services.definitions.known_detectors import KnownDetector
from anomalake.services.workspace import Workspace
from anomalake.storage.store import ObjectNotFound, StoredObject

#: No execution is older.
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Executions that are read at a time.
_READERS: Final = 16


def last_executions(
    workspace: Workspace, detector: KnownDetector, most: int, before: datetime | None = None
) -> dict[datetime, str]:
    """Return the latest intervals with the key of their last execution, newest first; raises `StoreError`.

    Executions are listed from the latest times back, so that about as many are listed as are returned.

    Parameters
    ----------
    most
        Number of intervals.
    before
        Only intervals that start before. Default: all.
    """
    found: dict[datetime, str] = {}
    end = executions_folder(detector.name, before) if before is not None else None
    since = before or workspace.now()
    span = timedelta(seconds=FREQUENCIES[detector.frequency].seconds) * (most + 1)
    while len(found) < most and since > _FIRST:
        since = since - span if since - _FIRST > span else _FIRST
        after = executions_folder(detector.name, since)
        found |= _last_of_each(workspace.store.list(executions_folder(detector.name), after, end))
        end, span = after, span * 16
    return dict(sorted(found.items(), reverse=True)[:most])


def executions_of_interval(workspace: Workspace, detector: KnownDetector, start: datetime) -> dict[datetime, str]:
    """As `last_executions`, for the interval with a start."""
    return _last_of_each(workspace.store.list(executions_folder(detector.name, start)))


def read_executions_of(workspace: Workspace, detector: KnownDetector, keys: Sequence[str]) -> list[Execution]:
    """Read executions by their keys; those of another detector of this name, and invalid ones, are left out.

    Raises `StoreError`.
    """

    def read(key: str) -> Execution | None:
        try:
            execution = from_json(workspace.store.get(key), f"{workspace.store.uri}/{key}")
        except (ObjectNotFound, RecordError):
            return None
        return execution if execution.detector_arn == detector.arn else None

    with ThreadPoolExecutor(_READERS) as pool:
        return [execution for execution in pool.map(read, keys) if execution is not None]


def _last_of_each(listed: Iterable[StoredObject]) -> dict[datetime, str]:
    last: dict[datetime, str] = {}
    for entry in listed:
        parsed = parse_execution_key(entry.key)
        # The id of a run begins with the time of its begin.
        if parsed is not None and entry.key > last.get(parsed.start, ""):
            last[parsed.start] = entry.key
    return last
