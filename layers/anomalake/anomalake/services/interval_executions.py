"""Executions of a live detector, the last of each interval."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final

from anomalake.records.errors import RecordError
from anomalake.records.executions import Execution, executions_folder, from_json, parse_execution_key
from anomalake.services.known_detectors import KnownDetector
from anomalake.services.workspace import Workspace
from anomalake.storage.store import ObjectNotFound

# Executions that are read at a time.
_READERS: Final = 16


def executed_intervals(workspace: Workspace, detector: KnownDetector, start: datetime | None) -> dict[datetime, str]:
    """Return intervals with the key of their last execution, newest first; raises `StoreError`.

    Parameters
    ----------
    start
        Start of the only interval. Default: all.
    """
    last: dict[datetime, str] = {}
    for entry in workspace.store.list(executions_folder(detector.name, start)):
        parsed = parse_execution_key(entry.key)
        # The id of a run begins with the time of its begin.
        if parsed is not None and entry.key > last.get(parsed.start, ""):
            last[parsed.start] = entry.key
    return {start: last[start] for start in sorted(last, reverse=True)}


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
