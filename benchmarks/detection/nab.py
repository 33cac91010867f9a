"""Labelled KPIs in a folder of the user, in the layout of the Numenta Anomaly Benchmark.

`windows.json` maps each file's name to a list of [start, end]; a file is CSV with the columns timestamp and value.
"""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anomalake.model.metrics import Metrics
from benchmarks.detection.labelled import MINUTES, LabelledSet

#: Environment variable with the path of the folder.
VARIABLE = "ANOMALAKE_LABELLED_KPIS"

#: Share of each series that is history.
LEARNED = 0.4


def labelled_kpis(folder: Path) -> tuple[LabelledSet, ...]:
    """Return one set per file, as means per interval of the next longer frequency that detectors support."""
    windows = json.loads((folder / "windows.json").read_text(encoding="utf-8"))
    return tuple(_read(folder / name, windows[name]) for name in sorted(windows))


def _read(path: Path, windows: list[list[str]]) -> LabelledSet:
    metrics, _, _ = read_file(path, windows)
    starts, step = metrics.starts.astype(np.int64), MINUTES[metrics.frequency] * 60
    labels = np.zeros(len(starts), dtype=np.bool_)
    for begin, end in windows:
        labels |= (starts + step > _seconds(begin)) & (starts <= _seconds(end))
    return LabelledSet(metrics, labels[None, :], int(LEARNED * len(labels)), (path.stem[:10],))


def read_file(
    path: Path, windows: list[list[str]]
) -> tuple[Metrics, npt.NDArray[np.int64], list[npt.NDArray[np.int64]]]:
    """Return a file's values as means per interval, the interval of each row, and the rows of each window."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows = [(_seconds(row["timestamp"]), float(row["value"])) for row in csv.DictReader(lines)]
    stamps, values = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    interval_minutes = float(np.median(np.diff(np.sort(stamps)))) / 60
    frequency = next((name for name, minutes in MINUTES.items() if minutes >= interval_minutes), "P1D")
    step = MINUTES[frequency] * 60
    first = int(stamps.min()) // step
    slots = stamps.astype(np.int64) // step - first
    count = np.bincount(slots)
    with np.errstate(invalid="ignore"):
        means = np.bincount(slots, weights=values) / count
    starts = (first + np.arange(len(means))) * step
    metrics = Metrics(frequency, "UTC", starts.astype("datetime64[s]"), (path.stem,), (), ((),), means[None, None, :])
    inside = [np.flatnonzero((stamps >= _seconds(begin)) & (stamps <= _seconds(end))) for begin, end in windows]
    return metrics, slots, inside


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
