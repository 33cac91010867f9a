"""anomalake's own model as a method among others."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics
from benchmarks.detection.labelled import MINUTES, Floats, unrelated


def score(values: Floats, frequency_minutes: int, first_tested: int) -> Floats:
    """Severity, each series being a measure of its own."""
    frequency = next(name for name, minutes in MINUTES.items() if minutes == frequency_minutes)
    return severity(unrelated(values, frequency), first_tested)


def severity(metrics: Metrics, first_tested: int, holidays: tuple[date, ...] = ()) -> Floats:
    """Severity of all metrics from a point on, learned from the points before it; shape (metrics, points)."""
    return judged(metrics, first_tested, holidays).severity


def judged(metrics: Metrics, first_tested: int, holidays: tuple[date, ...] = ()) -> Judgement:
    """All metrics from a point on, learned from the points before it."""
    # Here, so that the other methods' figures need no model of ours.
    from anomalake.model import fit, judge

    model = fit(until(metrics, first_tested), holidays=holidays)
    return judge(model, model.state, metrics, first_tested)[0]


def until(metrics: Metrics, end: int) -> Metrics:
    """The metrics before an interval."""
    return replace(metrics, starts=metrics.starts[:end], values=metrics.values[:, :, :end])
