"""Judging a history as `anomalake detect` does: one interval after another, with models fitted as the schedule has it.

Models are fitted and intervals judged by the model itself; what a live detector keeps in a lake is left out.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from anomalake.detection.learning import SCHEDULES, fit_time
from anomalake.model import fit, judge
from anomalake.model.metrics import Metrics, between
from benchmarks.detection.labelled import Floats


def severity_online(metrics: Metrics) -> Floats:
    """Return severities of shape (metrics, intervals): 0 before there is a first model."""
    n_times = len(metrics.starts)
    severity = np.zeros((metrics.n_metrics, n_times))
    fits = fit_indices(metrics)
    for first, end in zip(fits, [*fits[1:], n_times], strict=True):
        learnt = _history(metrics, first)
        model = fit(learnt)
        severity[:, first:end] = judge(model, model.state, between(metrics, 0, end), first)[0].severity
    return severity


def fit_indices(metrics: Metrics) -> list[int]:
    """Return the index of the first interval that each model judges."""
    fits: list[int] = []
    # Metrics of one series, of which only the presence of values counts: a fit's time depends on nothing else.
    present = np.where(metrics.has_value, 0.0, np.nan)[None, None, :]
    outline = replace(metrics, measures=("any",), dimension_names=(), combinations=((),), values=present)
    index = 0
    starts = metrics.starts.astype("datetime64[s]").astype(np.int64)
    while index < len(starts):
        begins = datetime.fromtimestamp(int(starts[index]), UTC)
        due = fit_time(_history(outline, index), metrics.frequency, begins) if index else None
        if due is not None:
            first = int(np.searchsorted(starts, due.timestamp()))
            if not fits or first > fits[-1]:
                fits.append(first)
        index += 1
    return fits


def _history(metrics: Metrics, end: int) -> Metrics:
    """Return the metrics before an interval, as far back as its model is fitted to."""
    span = np.timedelta64(int(SCHEDULES[metrics.frequency].history.total_seconds()), "s")
    oldest = int(np.searchsorted(metrics.starts, metrics.starts[end] - span))
    return between(metrics, oldest, end)
