"""Rate of loading stored alerts into a lake in a folder."""

from __future__ import annotations

from statistics import median

from benchmarks.figures import Bound, Figure
from benchmarks.workspace import Workspace


def measure(workspace: Workspace) -> list[Figure]:
    """Measure `anomalake replay` of one file from start to end of the process, into a new lake each time."""
    count = workspace.size(50_000, 2_000)
    repeats = workspace.size(5, 1)
    figures = []
    for order, shuffled in (("in time order", False), ("shuffled", True)):
        seconds = median(workspace.replay(count, shuffled=shuffled).seconds for _ in range(repeats))
        figures.append(
            Figure(
                f"replay of {count:,} stored alerts, 3 affected metrics each, {order}",
                count / seconds,
                "alerts/s",
                Bound(">=", 5_000),
                f"folder lake, 2 processes, start of Python included; median of {repeats}",
            )
        )
    return figures
