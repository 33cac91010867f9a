"""Time of a query for one detector and one week in a large lake."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from statistics import median

from anomalake.api import open_lake
from anomalake.local.file_names import PlainNames
from anomalake.local.lake_files import LakeFiles
from anomalake.query import rewrite
from anomalake.query.relations import Relations
from anomalake.query.trino.queries import compile_query
from anomalake.storage.objects import open_store
from benchmarks import synthetic_alerts
from benchmarks.figures import Bound, Figure
from benchmarks.processes import BenchmarkError, anomalake
from benchmarks.workspace import Workspace

DETECTOR = "shop-us"


def measure(workspace: Workspace) -> list[Figure]:
    """Measure the query on DuckDB after `anomalake compact`, warm, first in a process, and in new processes."""
    count = workspace.size(1_000_000, 30_000)
    repeats = workspace.size(7, 3)
    lake = str(workspace.lake_of(count))
    compaction = anomalake("compact", "--lake", lake)
    middle = synthetic_alerts.FIRST_HOUR + timedelta(days=count // len(synthetic_alerts.DETECTORS) // 24 // 2)
    sql = (
        "SELECT timestamp, metric_name, metric_value, anomaly_score, dimensions FROM metric_values "
        f"WHERE detector = '{DETECTOR}' AND timestamp >= TIMESTAMP '{middle:%Y-%m-%d}' "
        f"AND timestamp < TIMESTAMP '{middle + timedelta(days=7):%Y-%m-%d}' ORDER BY timestamp"
    )
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        rows = len(open_lake(lake).query(sql))
        seconds.append(time.perf_counter() - start)
        if rows != 7 * 24 * synthetic_alerts.AFFECTED:
            raise BenchmarkError(f"a week of {DETECTOR} has {rows} rows, expected {7 * 24 * synthetic_alerts.AFFECTED}")
    compile_seconds = [_compile_seconds(lake, sql) for _ in range(10 * repeats)]
    new_process_seconds = [anomalake("query", sql, "--lake", lake, "--format", "csv").seconds for _ in range(repeats)]
    subject = "metric_values of one detector and one week"
    return [
        Figure(
            f"{subject}, {count:,} alert rows in the lake",
            median(seconds[1:]),
            "s",
            Bound("<", 0.5),
            f"DuckDB, after compact, lake opened anew each time; in one process, warm; median of {repeats}",
        ),
        Figure(
            f"{subject}, compiled for DuckDB",
            1000 * median(compile_seconds),
            "ms",
            Bound("<", 10),
            f"parse and compile, in CPU time; median of {10 * repeats}",
        ),
        Figure(f"{subject}, first in a process", seconds[0], "s", None, "the same call in a new process; one run"),
        Figure(
            f"{subject}, by `anomalake query`",
            median(new_process_seconds),
            "s",
            None,
            f"a new process, from start to end; median of {repeats}",
        ),
        Figure(f"compact of {count:,} alert rows", compaction.seconds, "s", None, "one run, after the replay"),
    ]


def _compile_seconds(lake: str, sql: str) -> float:
    """Return the CPU time of parsing and compiling a query, without the expansion of relations, which lists files."""
    store = open_store(lake)
    with PlainNames() as names:
        tables = LakeFiles(store, Path(lake), {}, names)
        start = time.process_time()
        statement = rewrite.parse(sql)
        assert isinstance(statement, rewrite.Select)
        middle = time.process_time()
        query = rewrite.rewrite(statement.query, Relations(store), tables)
        listed = time.process_time()
        compile_query(query, tables.tables)
        return middle - start + time.process_time() - listed
