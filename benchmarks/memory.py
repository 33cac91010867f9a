"""How much memory a replay takes, and that it does not grow with the number of alerts."""

from __future__ import annotations

from benchmarks.figures import Bound, Figure
from benchmarks.processes import BenchmarkError
from benchmarks.workplace import Workplace


def measure(work: Workplace) -> list[Figure]:
    """Peak memory of `anomalake replay`, its workers included, for few and for many alerts."""
    few, many = work.size(50_000, 20_000), work.size(500_000, 40_000)
    peak_of_few = work.replay(few).peak_bytes
    peak_of_many = work.replay(many).peak_bytes
    if not peak_of_few:
        raise BenchmarkError("memory: this system has no /proc; expected Linux")
    how = "resident memory of parent and 2 workers added up, shared pages counted for each, sampled every 20 ms"
    return [
        Figure(f"peak memory, {many:,} alerts", peak_of_many / 1e6, "MB", Bound("<", 1_000), how),
        Figure(f"peak memory, {few:,} alerts", peak_of_few / 1e6, "MB", None, how),
        Figure(
            f"peak memory, {many:,} against {few:,} alerts",
            peak_of_many / peak_of_few,
            "times",
            None,
            f"{many // few} times the alerts; 1 is flat",
        ),
    ]
