"""Time to make a page, size of its file, and time to open it in a browser."""

from __future__ import annotations

import csv
import json
import shutil
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from statistics import median

from anomalake.api import open_lake
from anomalake.definitions.metric_set import Measure, MetricSet
from benchmarks.figures import Bound, Figure
from benchmarks.processes import BenchmarkError, anomalake
from benchmarks.synthetic_alerts import DETECTORS, FIRST_HOUR, MARKETPLACES, PLATFORMS, line
from benchmarks.workspace import Workspace

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: Metrics of each live source: those of the synthetic alerts.
COMBINATIONS = list(product(MARKETPLACES, PLATFORMS))
#: Number of times that a page is opened.
OPENED = 5


def measure(workspace: Workspace) -> list[Figure]:
    """Measure pages of the demo's lake, of one detector with many alerts, and of many detectors with live sources."""
    figures: list[Figure] = []
    for name, how, lake in _lakes(workspace):
        out = workspace.new_folder() / "page.html"
        run = anomalake("dashboard", "--lake", str(lake), "--out", str(out))
        size = out.stat().st_size
        workspace.log(f"{name}: {run.output.strip()}")
        figures += [
            Figure(f"page of {name}", run.seconds, "s", Bound("<", 10), f"{how}; `anomalake dashboard`"),
            Figure(f"page of {name}, memory", run.peak_bytes / 1e6, "MB", None, "peak"),
            Figure(f"page of {name}, file", size / 1e6, "MB", Bound("<", 10), how),
        ]  # fmt: skip
        opened = opening_times(out, OPENED)
        if opened:
            against = f"Chromium, from navigation until the page responds; median of {len(opened)}"
            figures.append(Figure(f"page of {name}, opened", median(opened), "s", Bound("<", 2), against))
        else:
            workspace.log("no browser: expected playwright and chromium")
    return figures


def opening_times(file: Path, times: int) -> list[float]:
    """Return the seconds to open a page in a browser with an empty cache; an empty list without a browser."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return []
    if browser is None:
        return []
    opened = []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for _ in range(times):
            context = started.new_context()
            page = context.new_page()
            start = time.perf_counter()
            page.goto(file.as_uri())
            page.wait_for_selector("body[data-open]")
            opened.append(time.perf_counter() - start)
            context.close()
        started.close()
    return opened


def _lakes(workspace: Workspace) -> Iterator[tuple[str, str, Path]]:
    demo = workspace.new_folder()
    anomalake("demo", str(demo))
    yield "the demo", "a year of flights by the hour, 105 metrics, a backtest, 192 live hours", demo / "lake"
    count = workspace.size(100_000, 1_000)
    lines = (line(len(DETECTORS) * number) for number in range(count))
    yield (
        f"{count:,} alerts",
        "one detector, 3 metrics each, hourly; replayed and compacted",
        _lake(workspace, lines, count),
    )
    detectors, per_detector = workspace.size(50, 3), workspace.size(2_000, 100)
    lines = (
        line(len(DETECTORS) * hour).replace(DETECTORS[0], f"shop-{number:02}")
        for hour in range(per_detector)
        for number in range(detectors)
    )
    lake = _lake(workspace, lines, detectors * per_detector)
    source = _source_file(workspace.new_folder(), per_detector)
    for number in range(detectors):
        _register(lake, f"shop-{number:02}", source)
    how = (
        f"{per_detector:,} alerts each, and {per_detector:,} hours of a live source with {len(COMBINATIONS)} metrics "
        "of 2 measures"
    )
    yield f"{detectors} detectors", how, lake


def _lake(workspace: Workspace, lines: Iterator[str], count: int) -> Path:
    folder = workspace.new_folder()
    folder.mkdir()
    file = folder / "alerts.jsonl"
    with file.open("w", encoding="ascii", newline="\n", buffering=1 << 20) as out:
        out.writelines(lines)
    lake = folder / "lake"
    report = open_lake(str(lake)).replay(file)
    if report.loaded != count:
        raise BenchmarkError(f"{report.loaded:,} alerts loaded, expected {count:,}")
    open_lake(str(lake)).compact()
    return lake


def _source_file(folder: Path, hours: int) -> Path:
    """Write a live source, with the values of each metric per hour, and return its path."""
    folder.mkdir()
    file = folder / "rows.csv"
    with file.open("w", encoding="ascii", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["timestamp", "marketplace", "platform", "revenue", "views"])
        for hour in range(hours):
            stamp = FIRST_HOUR + timedelta(hours=hour)
            for k, names in enumerate(COMBINATIONS):
                noise = (hour * 2654435761 + k * 40503) & 0xFFFF
                writer.writerow([_format_time(stamp), *names, 100 + noise % 997 / 7, 1000 + noise % 1009])
    return file


def _register(lake: Path, detector: str, source: Path) -> None:
    arn = json.loads(line(0))["anomalyDetectorArn"].replace(DETECTORS[0], detector)
    measures = (Measure("revenue"), Measure("views"))
    open_lake(str(lake)).register_source(
        MetricSet(arn, "timestamp", measures, ("marketplace", "platform"), historical_data_path_list=(str(source),))
    )


def _format_time(stamp: datetime) -> str:
    return f"{stamp:%Y-%m-%d %H:%M:%S}"
