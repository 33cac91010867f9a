"""Memory of a replay: it is not to grow with the number of alerts."""

from __future__ import annotations

from benchmarks.figures import Bound, Figure
from benchmarks.processes import BenchmarkError
from benchmarks.workspace import Workspace


def measure(workspace: Workspace) -> list[Figure]:
    """Measure the peak memory of `anomalake replay` and its workers for two numbers of alerts."""
    fewer, more = workspace.size(50_000, 20_000), workspace.size(500_000, 40_000)
    peak_of_fewer = workspace.replay(fewer).peak_bytes
    peak_of_more = workspace.replay(more).peak_bytes
    if not peak_of_fewer:
        raise BenchmarkError("memory: this system has no /proc; expected Linux")
    how = "resident memory of parent and 2 workers added up, shared pages counted for each, sampled every 20 ms"
    return [
        Figure(f"peak memory, {more:,} alerts", peak_of_more / 1e6, "MB", Bound("<", 1_000), how),
        Figure(f"peak memory, {fewer:,} alerts", peak_of_fewer / 1e6, "MB", None, how),
        Figure(
            f"peak memory, {more:,} against {fewer:,} alerts",
            peak_of_more / peak_of_fewer,
            "times",
            None,
            f"{more // fewer} times the alerts; 1 is flat",
        ),
    ]
