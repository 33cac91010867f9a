"""How fast detection is: many series from arrays to groups, a live interval of them, a whole backtest."""

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
from benchmarks.workplace import Workplace

HOURS = 840

#: Hours that a detector learns from before its first live interval; its cold start wants 300.
LEARNED = 336

START = datetime(2023, 1, 1)

#: A rule for each group, whose alerts go into the lake.
ALERTS = """
Alerts:
  - AlertName: all
    AlertSensitivityThreshold: 50
    Action:
      LambdaConfiguration:
        RoleArn: arn:aws:iam::123456789012:role/benchmark
        LambdaArn: arn:aws:lambda:us-east-1:123456789012:function:ingest
"""


def measure(work: Workplace) -> list[Figure]:
    """Speed, memory, and false alarms."""
    return [*_arrays(work), *_live(work), *_backtest(work), *quiet.measure(work)]


def _arrays(work: Workplace) -> list[Figure]:
    few, many = work.size(5_000, 200), work.size(50_000, 2_000)
    repeats = work.size(3, 1)
    seconds, peaks = {}, {}
    for count in (few, many):
        work.say(f"{count:,} series from arrays to groups")
        told = []
        for _ in range(repeats):
            command = [sys.executable, "-m", "benchmarks.detection.arrays", str(count), str(HOURS)]
            told.append(run(command, environment(**THREADS)).output.split())
        seconds[count] = median(float(one[0]) for one in told)
        peaks[count] = max(int(one[1]) for one in told)
        groups = told[0][2]
    how = f"trained on the first 70 %, the rest evaluated and grouped ({groups} groups); median of {repeats}"
    return [
        Figure(f"{many:,} hourly series of {HOURS} points, arrays to groups", seconds[many], "s", Bound("<=", 15), how),
        Figure(
            "peak memory of the same run", peaks[many] / 1e6, "MB", Bound("<", 4_000), "the process with the arrays"
        ),
        Figure(
            f"time for {many:,} against {few:,} series",
            seconds[many] / seconds[few],
            "times",
            Bound("<=", 11),
            f"{many // few} times the series; {few:,} took {seconds[few]:.2f} s",
        ),
    ]


def _live(work: Workplace) -> list[Figure]:
    series = work.size(50_000, 400)
    folder, lake = work.new_folder(), str(work.new_folder())
    work.say(f"a live interval of {series:,} series")
    detector = _shop(folder, "--series", str(series // 2), "--intervals", str(LEARNED), "--live", "4")
    with detector.open("a", encoding="utf-8") as file:
        file.write(ALERTS)
    ran = [_detect(detector, lake, START + timedelta(hours=LEARNED + hour), series) for hour in range(4)]
    live = ran[1:]
    return [
        Figure(
            f"one live interval of {series:,} series, files to alerts",
            median(one.seconds for one in live),
            "s",
            Bound("<=", 15),
            f"`anomalake detect`, start to end; median of {len(live)} intervals; "
            f"the last: {live[-1].output.strip().partition('succeeded: ')[2]}",
        ),
        Figure(
            "peak memory of the same run", max(one.peak_bytes for one in live) / 1e6, "MB", None, "sampled every 20 ms"
        ),
        Figure(
            "first interval of a detector, with training",
            ran[0].seconds,
            "s",
            None,
            f"from {LEARNED} hours of history in CSV; peak memory {ran[0].peak_bytes / 1e6:,.0f} MB",
        ),
    ]


def _detect(detector: Path, lake: str, start: datetime, series: int) -> Run:
    done = anomalake("detect", str(detector), "--lake", lake, "--at", f"{start.isoformat()}Z")
    if f" succeeded: {series // 2:,} rows, {series:,} metrics, " not in done.output:
        raise BenchmarkError(f"detect at {start}: it says {done.output.strip()!r}; expected {series:,} metrics judged")
    return done


def _backtest(work: Workplace) -> list[Figure]:
    repeats = work.size(3, 1)
    work.say("the backtest of a shop")
    detector = _shop(work.new_folder(), "--live", "0", *(("--intervals", "1000") if work.quick else ()))
    done = [anomalake("backtest", str(detector), "--lake", str(work.new_folder())) for _ in range(repeats)]
    told = re.search(r"alerts in .*: ([\d,]+) new, 0 repeated", done[0].output)
    if told is None or told[1] == "0":
        raise BenchmarkError(f"backtest left no alert in the lake; it says {done[0].output.strip()[-300:]!r}")
    return [
        Figure(
            "backtest of the shop, 12 months, 42 series, CSV to alerts in the lake",
            median(one.seconds for one in done),
            "s",
            Bound("<=", 10),
            f"`anomalake backtest`, start to end, {told[1]} alerts; L4M took 20 to 25 minutes; median of {repeats}",
        ),
        Figure(
            "peak memory of the same run", max(one.peak_bytes for one in done) / 1e6, "MB", None, "sampled every 20 ms"
        ),
    ]


def _shop(folder: Path, *arguments: str) -> Path:
    """Its detector file."""
    anomalake("synth", str(folder), *arguments)
    return folder / "detector.yaml"
