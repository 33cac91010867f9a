"""A lake of many small files: what a query and a page cost with the index of files, and by DuckDB's own listing.

``python -m benchmarks.small_files MOST_FILES …`` is the command ``anomalake …``, which indexes more files than that.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median

from anomalake.api import open_lake
from anomalake.local import file_index
from benchmarks.figures import Bound, Figure
from benchmarks.processes import BenchmarkError, environment, run
from benchmarks.synthetic_alerts import DETECTORS, FIRST_HOUR, line
from benchmarks.workspace import Workspace

#: One file of rows for each.
N_DETECTORS = 300
QUERY = (
    "SELECT detector, count(*) AS alerts, max(anomaly_score) AS worst FROM alerts GROUP BY detector ORDER BY detector"
)

_NEVER = 10**9


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took, and what it printed."""

    cpu: float
    peak_bytes: int
    output: str


def measure(workspace: Workspace) -> list[Figure]:
    """Measure a query and a page, each in a new process, without and with the index."""
    lake = _lake(workspace, days=workspace.size(200, 3))
    n_files = sum(1 for _ in (lake / "tables" / "alert_rows").rglob("*.parquet"))
    times = workspace.size(3, 1)
    page = workspace.folder / "page.html"
    query, dashboard = ("query", QUERY, "--format", "csv"), ("dashboard", "--out", str(page))
    by_listing = [_run(lake, _NEVER, *query) for _ in range(times)]
    page_by_listing = _run(lake, _NEVER, *dashboard)
    first = _run(lake, file_index.MOST_FILES, *query)
    if not (lake / file_index.FOLDER).is_dir():
        raise BenchmarkError(f"{n_files:,} files: the query made no index")
    later = [_run(lake, file_index.MOST_FILES, *query) for _ in range(times)]
    page_by_index = _run(lake, file_index.MOST_FILES, *dashboard)
    shutil.rmtree(lake)
    outputs = {cost.output for cost in (*by_listing, first, *later)}
    if len(outputs) != 1:
        raise BenchmarkError(f"{n_files:,} files: {len(outputs)} different answers; expected one")
    listed, read = (median(cost.cpu for cost in costs) for costs in (by_listing, later))

    def figure(what: str, cost: float, other: float, bound: float, how: str, peak: int) -> Figure:
        against = (
            f"{how}; {cost:.1f} s against {other:.1f} s of CPU, start of Python included; peak {peak / 1e6:,.0f} MB"
        )
        name = f"CPU with the index against DuckDB's own listing, {what} of {n_files:,} small files"
        return Figure(name, cost / other, "times", Bound("<=", bound), against)

    return [
        figure("the first query", first.cpu, listed, 2, "it makes the index; one run", first.peak_bytes),
        figure("later queries", read, listed, 0.25, f"all alerts by detector; median of {times}", later[0].peak_bytes),
        figure("a page", page_by_index.cpu, page_by_listing.cpu, 0.35, "one run", page_by_index.peak_bytes),
    ]


def _lake(workspace: Workspace, days: int) -> Path:
    """Return a lake with a file for each detector and day."""
    folder = workspace.new_folder()
    folder.mkdir()
    source, lake = folder / "alerts.jsonl", folder / "lake"
    with source.open("w", encoding="ascii", newline="\n", buffering=1 << 20) as out:
        out.writelines(_lines(days))
    report = open_lake(str(lake)).replay(source)
    if report.loaded != N_DETECTORS * days:
        raise BenchmarkError(f"{report.loaded:,} alerts loaded, expected {N_DETECTORS * days:,}")
    source.unlink()
    workspace.log(f"made a lake of {N_DETECTORS} detectors and {days} days")
    return lake


def _lines(days: int) -> Iterator[str]:
    arn = json.loads(line(0))["anomalyDetectorArn"]
    for day in range(days):
        for number in range(N_DETECTORS):
            # Each has its own id, and other values.
            given = json.loads(line(len(DETECTORS) * (day * N_DETECTORS + number)))
            given["anomalyDetectorArn"] = arn.replace(DETECTORS[0], f"shop-{number:03}")
            given["timestamp"] = f"{FIRST_HOUR + timedelta(days=day):%Y-%m-%dT%H:%M}:00Z[UTC]"
            yield json.dumps(given) + "\n"


def _run(lake: Path, most_files: int, *arguments: str) -> Cost:
    """Run the command, and measure the CPU time of its process."""
    before = _children_cpu()
    command = [sys.executable, "-m", "benchmarks.small_files", str(most_files), *arguments, "--lake", str(lake)]
    done = run(command, environment())
    return Cost(_children_cpu() - before, done.peak_bytes, done.output)


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    from anomalake.__main__ import main

    file_index.MOST_FILES = int(sys.argv.pop(1))  # type: ignore[misc]
    main()
