"""anomalake's model as one of the methods."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from anomalake.model import fit, judge
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics
from benchmarks.detection.labelled import MINUTES, Floats, unrelated


def score(values: Floats, frequency_minutes: int, first_tested: int) -> Floats:
    """Return severities; each series is a separate measure."""
    frequency = next(name for name, minutes in MINUTES.items() if minutes == frequency_minutes)
    return severity(unrelated(values, frequency), first_tested)


def severity(metrics: Metrics, first_tested: int, holidays: tuple[date, ...] = ()) -> Floats:
    """Return severities of shape (metrics, points), as `judged`."""
    return judged(metrics, first_tested, holidays).severity


def judged(metrics: Metrics, first_tested: int, holidays: tuple[date, ...] = ()) -> Judgement:
    """Fit on the points before `first_tested` and judge the others."""
    model = fit(until(metrics, first_tested), holidays=holidays)
    return judge(model, model.state, metrics, first_tested)[0]


def until(metrics: Metrics, end: int) -> Metrics:
    """Return the metrics before the interval with index `end`."""
    return replace(metrics, starts=metrics.starts[:end], values=metrics.values[:, :, :end])
