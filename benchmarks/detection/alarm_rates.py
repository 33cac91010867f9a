"""What a severity means: how many runs of points of at least so much a series has in a year without anomalies.

Measured on made noise, and on the points of real series outside of labelled events. Real series without labels have
anomalies too, so their figures are upper bounds.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.detection import real
from benchmarks.detection.labelled import MINUTES, Bools, Floats, unrelated
from benchmarks.detection.ours import severity
from benchmarks.figures import Table
from benchmarks.workspace import Workspace

#: Severities of the table.
SEVERITIES = (50, 55, 60, 70, 80, 90)

HEADER = ("frequency", "series", "series-years", *(f"severity {severity}" for severity in SEVERITIES))

#: Functions that make noise of one spread, by name.
NOISE: dict[str, Callable[[np.random.Generator, tuple[int, int]], Floats]] = {
    "normal noise": lambda rng, shape: rng.normal(size=shape),
    "log-normal noise": lambda rng, shape: np.exp(0.5 * rng.normal(size=shape)) - 1,
    "noise of Student's t of 4": lambda rng, shape: rng.standard_t(4, shape),
}

#: Series of noise and their days, by frequency; half of the days are history.
NOISE_SIZES = {"PT5M": (40, 28), "PT1H": (60, 360), "P1D": (100, 1_460)}

# Spread of the noise and height of the daily and the weekly pattern, in shares of the mean.
_SPREAD, _HEIGHT = 0.05, 0.3
_DAYS_OF_YEAR = 365


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Severities of the judged points of series of one frequency, and which of the points are normal."""

    frequency: str
    severity: list[Floats]
    normal: list[Bools]

    @property
    def years(self) -> float:
        """Normal points in years of one series."""
        return sum(int(normal.sum()) for normal in self.normal) * MINUTES[self.frequency] / (60 * 24 * _DAYS_OF_YEAR)

    def alarms(self, least: float) -> float:
        """Return the runs of normal points of at least this severity, a series and year."""
        runs = sum(
            len(real.runs_of((severity >= least) & normal))
            for severity, normal in zip(self.severity, self.normal, strict=True)
        )
        return runs / self.years

    def cells(self) -> tuple[str, ...]:
        """Return the figures as cells of a table."""
        return (f"{self.years:.1f}", *(f"{self.alarms(least):.2g}" for least in SEVERITIES))


def noise(kind: str, frequency: str, series: int, days: int) -> Judged:
    """Judge the second half of made noise on a daily and a weekly pattern."""
    per_day = 24 * 60 / MINUTES[frequency]
    rng = np.random.default_rng([series, days])
    day = np.arange(int(days * per_day)) / per_day
    hours = _HEIGHT * np.cos(2 * np.pi * (day + rng.uniform(size=(series, 1)))) if per_day > 1 else 0.0
    usual = 1 + hours + _HEIGHT / 2 * np.cos(2 * np.pi * (day / 7 + rng.uniform(size=(series, 1))))
    values = 1_000 * (usual + _SPREAD * NOISE[kind](rng, (series, len(day))))
    return _judge(frequency, [(row[: len(day) // 2], row[len(day) // 2 :]) for row in values])


def measure(workspace: Workspace) -> list[Table]:
    """Return the table: made noise, and the real series of the folder where there is one."""
    rows: list[tuple[str, ...]] = []
    for frequency, (series, days) in NOISE_SIZES.items():
        for kind in NOISE:
            workspace.log(f"alarm rates: {kind}, {frequency}")
            made = noise(kind, frequency, workspace.size(series, 4), days)
            rows.append((frequency, kind, *made.cells()))
    for name, judged in _real(Path(os.environ.get(real.VARIABLE, "../shared")) / "data", workspace):
        rows.append((judged.frequency, name, *judged.cells()))
    return [Table("severity -> runs of points outside of events, a series and year", HEADER, tuple(rows))]


def _real(folder: Path, workspace: Workspace) -> list[tuple[str, Judged]]:
    judged = []
    for file, (name, *_) in real.SETS.items():
        path = folder / "real-kpis" / f"{file}.parquet"
        if path.exists():
            workspace.log(f"alarm rates: {name}")
            series = real.read(path)[:: workspace.size(1, 10)]
            normal = [_outside(metric.labels) for metric in series]
            halves = [(metric.values[: metric.first_tested], metric.values[metric.first_tested :]) for metric in series]
            judged.append((name, _judge("PT5M", halves, normal)))
    for file, (name, frequency, columns) in TABLES.items():
        path = folder / "real-tables" / file
        if path.exists():
            with path.open(encoding="latin-1", newline="") as lines:
                records = list(csv.DictReader(lines))
            values = np.array([[float(record[column] or "nan") for record in records] for column in columns])
            half = values.shape[1] // 2
            judged.append((name, _judge(frequency, [(row[:half], row[half:]) for row in values])))
    return judged


#: Real tables without labels: their name, frequency and measures.
TABLES = {
    "FremontHourly.csv": ("rides over a bridge, no labels", "PT1H", ("Fremont Bridge NB", "Fremont Bridge SB")),
    "SeoulBikeData.csv": ("rented bikes, no labels", "PT1H", ("Rented Bike Count",)),
    "US_births_2000-2014_SSA.csv": ("births, no labels", "P1D", ("births",)),
}


def _judge(frequency: str, halves: list[tuple[Floats, Floats]], normal: list[Bools] | None = None) -> Judged:
    """Judge the second of two halves of each series; series of one length together."""
    lengths = sorted({(len(first), len(second)) for first, second in halves})
    found: dict[int, Floats] = {}
    for length in lengths:
        places = [place for place, (first, second) in enumerate(halves) if (len(first), len(second)) == length]
        values = np.array([np.concatenate(halves[place]) for place in places])
        scores = severity(unrelated(values, frequency), length[0])
        found.update(zip(places, scores, strict=True))
    observed = [~np.isnan(second) for _, second in halves]
    masks = observed if normal is None else [a & b for a, b in zip(observed, normal, strict=True)]
    return Judged(frequency, [found[place] for place in range(len(halves))], masks)


def _outside(labels: Bools) -> Bools:
    """Return the points outside of events, and of the two points after them."""
    outside = ~labels
    for late in (1, 2):
        outside[late:] &= ~labels[:-late]
    return outside
