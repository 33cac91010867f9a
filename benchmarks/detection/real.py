"""Quality of detection on real labelled KPIs in a folder of the user, compared with simple methods.

The folder has `real-kpis/NAME.parquet` with the columns series, timestamp, value and label, on a grid of five minutes.
The first half of each series is the history. An event is found by an anomaly in it or up to two points later; each run
of anomalies outside of events is a false alarm.

Files of the Numenta Anomaly Benchmark (`NUMENTA`) are judged online and scored as it defines.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from benchmarks.detection.labelled import Bools, Floats
from benchmarks.detection.methods import METHODS, OURS
from benchmarks.detection.nab import read_file
from benchmarks.detection.numenta import PUBLISHED, ScoredFile, best_scores, scores_at
from benchmarks.detection.online import severity_online
from benchmarks.figures import Bound, Figure, Table
from benchmarks.workspace import Workspace

#: Environment variable with the folder; without it, `../shared` is used where it exists.
VARIABLE = "ANOMALAKE_SHARED"

#: The sets, with their names in the results and the targets of F1 at the default and of average precision.
SETS = {"web-5min": ("web KPIs, 5 minutes", 0.78, 0.53), "service-5min": ("service KPIs, 5 minutes", 0.6, 0.42)}

#: Folders with files of the Numenta Anomaly Benchmark, and the target of its score.
NUMENTA, LEAST_NUMENTA = ("real-kpis/nab", "labelled-kpis"), 60

#: Methods that take seconds for a set.
COMPARED = (OURS, "huber", "recent_median", "differences", "hour_of_week")

#: Series of a set: all, and each half, to see how much a figure depends on them.
PARTS = {"all": slice(None), "first half": slice(0, None, 2), "second half": slice(1, None, 2)}

HEADER = (
    "set", "series", "method", "F1 at the default", "precision", "recall", "best F1", "average precision",
    "normal points at the default",
)  # fmt: skip

_MINUTES = 5
# Points after an event in which it still counts as found.
_LATE = 2
# Thresholds that are tried: quantiles of all scores, to the top 20 %.
_THRESHOLDS = 60


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Values of one series, and the labels of its second half."""

    values: Floats
    labels: Bools

    @property
    def first_tested(self) -> int:
        """Index of the first judged point."""
        return len(self.values) // 2


def measure(workspace: Workspace) -> list[Figure | Table]:
    """Measure all methods on the sets of the folder; nothing where it does not exist."""
    folder = Path(os.environ.get(VARIABLE, "../shared")) / "data" / "real-kpis"
    figures: list[Figure | Table] = []
    rows: list[tuple[str, ...]] = []
    for file, (name, least_f1, least_precision) in SETS.items():
        path = folder / f"{file}.parquet"
        if not path.exists():
            workspace.log(f"{path} does not exist: left out")
            continue
        series = read(path)[:: workspace.size(1, 10)]
        for key in COMPARED:
            workspace.log(f"{name}: {key}")
            scores = [_scores(key, metric) for metric in series]
            threshold = METHODS[key].threshold
            for part, selected in (
                ("all", slice(None)),
                ("first half", slice(0, None, 2)),
                ("second half", slice(1, None, 2)),
            ):
                result = Result.of(scores[selected], [metric.labels for metric in series[selected]], threshold)
                rows.append((name, part, METHODS[key].title, *result.cells()))
                if key == OURS and part == "all":
                    how = f"best threshold {result.best:.3f}; {len(series)} series, the second half of each"
                    figures.append(
                        Figure(f"event-wise F1 at the default, {name}", result.f1, "", Bound(">=", least_f1), how)
                    )
                    figures.append(
                        Figure(f"mean average precision, {name}", result.precise, "", Bound(">=", least_precision), how)
                    )
    figures += _numenta(workspace, folder.parent)
    return [*figures, Table("real KPIs, each method at its own default", HEADER, tuple(rows))] if rows else figures


def _numenta(workspace: Workspace, folder: Path) -> list[Figure | Table]:
    """Judge the files of the Numenta Anomaly Benchmark online; nothing where there are none."""
    listed = [path for name in NUMENTA if (path := folder / name / "windows.json").exists()]
    files: list[ScoredFile] = []
    for path in listed:
        windows = json.loads(path.read_text(encoding="utf-8"))
        for name in sorted(windows)[:: workspace.size(1, 5)]:
            workspace.log(f"online: {name}")
            metrics, slots, inside = read_file(path.parent / name, windows[name])
            limits = np.array([[rows[0], rows[-1]] for rows in inside])
            files.append(ScoredFile(severity_online(metrics)[0][slots], limits))
    if not files:
        return []
    each, first = scores_at(files, METHODS[OURS].threshold)
    (best_each, at_each), (best_first, at_first) = best_scores(files, range(30, 90))
    how = f"standard profile, {len(files)} files judged online; best {best_first:.1f} at {at_first}"
    rows = [("anomalake, the first point of each run", f"{first:.1f}", f"{best_first:.1f} at {at_first}")]
    rows += [("anomalake, each point", f"{each:.1f}", f"{best_each:.1f} at {at_each}")]
    rows += [(f"{name}, published, all 58 files", "", f"{score:.1f}") for name, score in PUBLISHED.items()]
    return [
        Figure("Numenta Anomaly Benchmark at the default", first, "", Bound(">=", LEAST_NUMENTA), how),
        Table("Numenta Anomaly Benchmark", ("detector", "at the default", "at its best threshold"), tuple(rows)),
    ]


def read(path: Path) -> list[Series]:
    """Return the series of a file."""
    table = pq.read_table(path)
    names = table["series"].to_numpy()
    values, labels = table["value"].to_numpy().astype(float), table["label"].to_numpy().astype(np.bool_)
    rows = [np.flatnonzero(names == name) for name in np.unique(names)]
    return [Series(values[at], labels[at][len(at) // 2 :]) for at in rows]


def _scores(method: str, metric: Series) -> Floats:
    scores: Floats = METHODS[method].score(metric.values[None], _MINUTES, metric.first_tested)[0]
    return np.nan_to_num(scores)


@dataclass(frozen=True, slots=True)
class Result:
    """Figures of a method on a set."""

    f1: float
    precision: float
    recall: float
    best: float
    precise: float
    normal: float

    @classmethod
    def of(cls, scores: Sequence[Floats], labels: Sequence[Bools], threshold: float) -> Result:
        """Return the figures at a threshold, and those that need none."""
        every = np.concatenate(scores)
        candidates = np.unique(np.quantile(every, 1 - np.logspace(-5, np.log10(0.2), _THRESHOLDS)))
        best = max(by_events([score > candidate for score in scores], labels)[0] for candidate in candidates)
        precise = [average_precision(score, of) for score, of in zip(scores, labels, strict=True) if of.any()]
        normal = float((every[~np.concatenate(labels)] >= threshold).mean())
        flags = [score >= threshold for score in scores]
        return cls(*by_events(flags, labels), best, float(np.mean(precise)), normal)

    def cells(self) -> tuple[str, ...]:
        """Return the figures as cells of a table."""
        shares = (self.f1, self.precision, self.recall, self.best, self.precise)
        return (*(f"{share:.3f}" for share in shares), f"{self.normal:.1e}")


def by_events(flags: Sequence[Bools], labels: Sequence[Bools]) -> tuple[float, float, float]:
    """Return F1, precision and recall of events."""
    found = false = total = 0
    for flag, label in zip(flags, labels, strict=True):
        covered = label.copy()
        for first, end in runs_of(label):
            total += 1
            found += bool(flag[first : end + _LATE].any())
            covered[first : end + _LATE] = True
        false += len(runs_of(flag & ~covered))
    precision, recall = found / max(found + false, 1), found / max(total, 1)
    return 2 * precision * recall / max(precision + recall, 1e-9), precision, recall


def runs_of(flags: Bools) -> npt.NDArray[np.int64]:
    """Return the first and the end index of each run, shape (runs, 2)."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int64), [0]]))
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], axis=1)


def average_precision(scores: Floats, labels: Bools) -> float:
    """Return the average precision of the points of one series."""
    hits = labels[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1) * hits).sum() / max(hits.sum(), 1))
