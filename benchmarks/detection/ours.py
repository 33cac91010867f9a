"""anomalake's own model as a method among others."""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt

from anomalake.detection.judgement import ANOMALOUS
from anomalake.detection.metrics import Metrics

__all__ = ["ANOMALOUS", "metrics_of", "score"]

Floats = npt.NDArray[np.float64]

FREQUENCIES = {5: "PT5M", 10: "PT10M", 60: "PT1H", 24 * 60: "P1D"}
MONDAY = np.datetime64("2024-01-01T00:00:00", "s")


def score(values: Floats, frequency_minutes: int, first_tested: int) -> Floats:
    """Severity, each series being a measure of its own."""
    return severity(metrics_of(values, frequency_minutes), first_tested)


def severity(metrics: Metrics, first_tested: int, holidays: tuple[date, ...] = ()) -> Floats:
    """Severity of all metrics from a point on, learned from the points before it; shape (metrics, points)."""
    from anomalake.detection.model import fit, judge

    model = fit(until(metrics, first_tested), holidays=holidays)
    judgement, _ = judge(model, model.state, metrics, first_tested)
    return judgement.severity


def metrics_of(values: Floats, frequency_minutes: int) -> Metrics:
    """Unrelated series as metrics, each a measure without dimensions."""
    starts = MONDAY + np.arange(values.shape[1]) * np.timedelta64(frequency_minutes * 60, "s")
    names = tuple(f"kpi-{number}" for number in range(len(values)))
    return Metrics(FREQUENCIES[frequency_minutes], "UTC", starts, names, (), ((),), values[:, None, :])


def until(metrics: Metrics, end: int) -> Metrics:
    """The metrics before an interval."""
    return Metrics(
        metrics.frequency,
        metrics.timezone,
        metrics.starts[:end],
        metrics.measures,
        metrics.dimension_names,
        metrics.combinations,
        metrics.values[:, :, :end],
    )
