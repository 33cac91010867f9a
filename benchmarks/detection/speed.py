"""Speed of detection: many series from arrays to groups, a live interval of many series, and a backtest."""

from __future__ import annotations

import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

from benchmarks.detection import quiet
from benchmarks.detection.worker import THREADS
from benchmarks.figures import Bound, Figure
from benchmarks.processes import BenchmarkError, Run, anomalake, environment, run
from benchmarks.workspace import Workspace

HOURS = 840

#: Hours of history before the first live interval; the cold start needs 300.
LEARNED = 336

START = datetime(2023, 1, 1)

#: An alert rule for all groups; the alerts go into the lake.
ALERTS = """
Alerts:
  - AlertName: all
    AlertSensitivityThreshold: 50
    Action:
      LambdaConfiguration:
        RoleArn: arn:aws:iam::123456789012:role/benchmark
        LambdaArn: arn:aws:lambda:us-east-1:123456789012:function:ingest
"""


def measure(workspace: Workspace) -> list[Figure]:
    """Measure speed, memory, and false alarms."""
    return [*_arrays(workspace), *_live(workspace), *_backtest(workspace), *quiet.measure(workspace)]


def _arrays(workspace: Workspace) -> list[Figure]:
    fewer, more = workspace.size(5_000, 200), workspace.size(50_000, 2_000)
    repeats = workspace.size(3, 1)
    seconds, peaks = {}, {}
    for count in (fewer, more):
        workspace.log(f"{count:,} series from arrays to groups")
        outputs = []
        for _ in range(repeats):
            command = [sys.executable, "-m", "benchmarks.detection.arrays", str(count), str(HOURS)]
            outputs.append(run(command, environment(**THREADS)).output.split())
        seconds[count] = median(float(output[0]) for output in outputs)
        peaks[count] = max(int(output[1]) for output in outputs)
        groups = outputs[0][2]
    how = f"trained on the first 70 %, the rest evaluated and grouped ({groups} groups); median of {repeats}"
    return [
        Figure(f"{more:,} hourly series of {HOURS} points, arrays to groups", seconds[more], "s", Bound("<=", 15), how),
        Figure(
            "peak memory of the same run", peaks[more] / 1e6, "MB", Bound("<", 4_000), "the process with the arrays"
        ),
        Figure(
            f"time for {more:,} against {fewer:,} series",
            seconds[more] / seconds[fewer],
            "times",
            Bound("<=", 11),
            f"{more // fewer} times the series; {fewer:,} took {seconds[fewer]:.2f} s",
        ),
    ]


def _live(workspace: Workspace) -> list[Figure]:
    series = workspace.size(50_000, 400)
    folder, lake = workspace.new_folder(), str(workspace.new_folder())
    workspace.log(f"a live interval of {series:,} series")
    detector = _shop(folder, "--series", str(series // 2), "--intervals", str(LEARNED), "--live", "4")
    with detector.open("a", encoding="utf-8") as file:
        file.write(ALERTS)
    runs = [_detect(detector, lake, START + timedelta(hours=LEARNED + hour), series) for hour in range(4)]
    live = runs[1:]
    return [
        Figure(
            f"one live interval of {series:,} series, files to alerts",
            median(run.seconds for run in live),
            "s",
            Bound("<=", 15),
            f"`anomalake detect`, start to end; median of {len(live)} intervals; "
            f"the last: {live[-1].output.strip().partition('succeeded: ')[2]}",
        ),
        Figure(
            "peak memory of the same run", max(run.peak_bytes for run in live) / 1e6, "MB", None, "sampled every 20 ms"
        ),
        Figure(
            "first interval of a detector, with training",
            runs[0].seconds,
            "s",
            None,
            f"from {LEARNED} hours of history in CSV; peak memory {runs[0].peak_bytes / 1e6:,.0f} MB",
        ),
    ]


def _detect(detector: Path, lake: str, start: datetime, series: int) -> Run:
    detection = anomalake("detect", str(detector), "--lake", lake, "--at", f"{start.isoformat()}Z")
    if f" succeeded: {series // 2:,} rows, {series:,} metrics, " not in detection.output:
        raise BenchmarkError(
            f"detect at {start}: the output is {detection.output.strip()!r}; expected {series:,} metrics judged"
        )
    return detection


def _backtest(workspace: Workspace) -> list[Figure]:
    repeats = workspace.size(3, 1)
    workspace.log("the backtest of a shop")
    detector = _shop(workspace.new_folder(), "--live", "0", *(("--intervals", "1000") if workspace.quick else ()))
    runs = [anomalake("backtest", str(detector), "--lake", str(workspace.new_folder())) for _ in range(repeats)]
    alerts = re.search(r"alerts in .*: ([\d,]+) new, 0 repeated", runs[0].output)
    if alerts is None or alerts[1] == "0":
        raise BenchmarkError(f"backtest: no alert in the lake; the output ends with {runs[0].output.strip()[-300:]!r}")
    return [
        Figure(
            "backtest of the shop, 12 months, 42 series, CSV to alerts in the lake",
            median(run.seconds for run in runs),
            "s",
            Bound("<=", 10),
            f"`anomalake backtest`, start to end, {alerts[1]} alerts; L4M took 20 to 25 minutes; median of {repeats}",
        ),
        Figure(
            "peak memory of the same run", max(run.peak_bytes for run in runs) / 1e6, "MB", None, "sampled every 20 ms"
        ),
    ]


def _shop(folder: Path, *arguments: str) -> Path:
    """Write a shop and return its detector file."""
    anomalake("synth", str(folder), *arguments)
    return folder / "detector.yaml"
