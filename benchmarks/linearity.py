"""Time of a replay by the number of alerts: it is to be linear."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

from benchmarks.figures import Bound, Figure
from benchmarks.workspace import Workspace


def measure(workspace: Workspace) -> list[Figure]:
    """Measure `anomalake replay` at three sizes; the largest lake is kept for `query`."""
    sizes = [workspace.size(full, quick) for full, quick in ((10_000, 300), (100_000, 3_000), (1_000_000, 30_000))]
    repeats = [workspace.size(full, 1) for full in (5, 3, 1)]
    figures = []
    seconds = []
    for count, times in zip(sizes, repeats, strict=True):
        runs = [workspace.replay(count, keep=count == sizes[-1]) for _ in range(times)]
        seconds.append(median(run.seconds for run in runs))
        how = f"{count / seconds[-1]:,.0f} alerts/s, peak memory {max(run.peak_bytes for run in runs) / 1e6:,.0f} MB; "
        how += f"median of {times}" if times > 1 else "one run"
        figures.append(Figure(f"replay of {count:,} alerts", seconds[-1], "s", None, how))
    for (fewer, more), (before, after) in zip(pairwise(sizes), pairwise(seconds), strict=True):
        figures.append(
            Figure(
                f"time for {more:,} against {fewer:,} alerts",
                after / before,
                "times",
                Bound("<=", 11),
                "10 times the alerts; start of Python included",
            )
        )
    return figures
