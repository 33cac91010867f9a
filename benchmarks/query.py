"""How soon a question about one detector and one week of a large lake is answered."""

from __future__ import annotations

import time
from datetime import timedelta
from statistics import median

from anomalake.api import open_lake
from benchmarks import made
from benchmarks.figures import Bound, Figure
from benchmarks.processes import BenchmarkError, anomalake
from benchmarks.workplace import Workplace

DETECTOR = "shop-us"


def measure(work: Workplace) -> list[Figure]:
    """A week of one detector out of all rows, on DuckDB, after `anomalake compact`."""
    count = work.size(1_000_000, 30_000)
    repeats = work.size(7, 3)
    lake = str(work.lake_of(count))
    compaction = anomalake("compact", "--lake", lake)
    middle = made.FIRST_HOUR + timedelta(days=count // len(made.DETECTORS) // 24 // 2)
    sql = (
        "SELECT timestamp, metric_name, metric_value, anomaly_score, dimensions FROM metric_values "
        f"WHERE detector = '{DETECTOR}' AND timestamp >= TIMESTAMP '{middle:%Y-%m-%d}' "
        f"AND timestamp < TIMESTAMP '{middle + timedelta(days=7):%Y-%m-%d}' ORDER BY timestamp"
    )
    asked = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        rows = len(open_lake(lake).query(sql))
        asked.append(time.perf_counter() - start)
        if rows != 7 * 24 * made.AFFECTED:
            raise BenchmarkError(f"a week of {DETECTOR} has {rows} rows, expected {7 * 24 * made.AFFECTED}")
    fresh = [anomalake("query", sql, "--lake", lake, "--format", "csv").seconds for _ in range(repeats)]
    what = "metric_values of one detector and one week"
    return [
        Figure(
            f"{what}, {count:,} alert rows in the lake",
            median(asked[1:]),
            "s",
            Bound("<", 0.5),
            f"DuckDB, after compact, lake opened anew each time; in one process, warm; median of {repeats}",
        ),
        Figure(f"{what}, first in a process", asked[0], "s", None, "the same call in a new process; one run"),
        Figure(
            f"{what}, by `anomalake query`",
            median(fresh),
            "s",
            None,
            f"a new process, from start to end; median of {repeats}",
        ),
        Figure(f"compact of {count:,} alert rows", compaction.seconds, "s", None, "one run, after the replay"),
    ]
