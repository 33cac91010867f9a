"""The content of lakes that are folders."""

from __future__ import annotations

import re
from pathlib import Path

# Keys of objects that have the time of the run: executions, changes of groups, first uses of versions.
_TIMED = re.compile(r"detection/detector=[^/]+/(executions|last-runs|group-index|versions|deliveries)/.+")


def content(lake: Path) -> dict[str, bytes]:
    """Return the objects of a lake by their keys, without those that have the time of the run."""
    keys = {str(path.relative_to(lake)): path for path in lake.rglob("*") if path.is_file()}
    return {key: path.read_bytes() for key, path in keys.items() if not _TIMED.fullmatch(key)}
