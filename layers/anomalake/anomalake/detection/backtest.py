"""Backtest: fits a model to the oldest 70 % of a history and judges the newest 30 %."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Final

import numpy as np

from anomalake.definitions.sensitivity import decision_of
from anomalake.definitions.settings import NO_SETTINGS, DetectionSettings
from anomalake.detection.engine import NumpyModelEngine
from anomalake.detection.feedback import apply_feedback
from anomalake.detection.judging import joined, judge_intervals, learnable
from anomalake.detection.presence import complete, learn_presence, with_zeros
from anomalake.errors import AnomalakeError
from anomalake.frequencies import FREQUENCIES
from anomalake.groups.counting import counted_intervals
from anomalake.groups.grouping import group, in_groups
from anomalake.model import fit
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics, between
from anomalake.records.backtests import Backtest
from anomalake.records.feedback import Feedback

# Number of steps in which the tested intervals are judged, so that progress is reported.
_STEPS: Final = 20

#: Called with the name of a phase, and the done and total number of its intervals.
Progress = Callable[[str, int, int], None]


class BacktestError(AnomalakeError, ValueError):
    """No metric has enough values to be judged."""


def first_tested(n_intervals: int) -> int:
    """Return the index of the first tested interval: 70 % of the intervals, rounded down."""
    return n_intervals * 7 // 10


def least_intervals(frequency: str) -> int:
    """Return the fewest intervals of a backtest: their oldest 70 % are enough for the model to judge a metric."""
    return -(-FREQUENCIES[frequency].least_points * 10 // 7)


def run_backtest(
    metrics: Metrics,
    detector_arn: str,
    *,
    holidays: Iterable[date] = (),
    settings: DetectionSettings = NO_SETTINGS,
    feedback: Iterable[Feedback] = (),
    first: int | None = None,
    progress: Progress | None = None,
) -> Backtest:
    """Fit a model to the oldest 70 % of a history, judge the rest, and group the anomalies.

    Parameters
    ----------
    settings
        Settings of the detector.
    feedback
        Feedback on earlier intervals.
    first
        Index of the first tested interval. Default: `first_tested`.
    progress
        Called with the phase, ``train`` or ``test``, and the done and total number of its intervals.

    Raises
    ------
    BacktestError
        No metric has the values that the model needs (`Frequency.least_points`) in the oldest 70 %, and one after them.
    """
    n_intervals = len(metrics.starts)
    first = first_tested(n_intervals) if first is None else first
    observed = ~np.isnan(metrics.flat)
    is_known = observed[:, :first].sum(axis=1) >= FREQUENCIES[metrics.frequency].least_points
    if not observed[is_known, first:].any():
        raise BacktestError(_insufficient(metrics, first))
    report = progress if progress is not None else _no_progress
    report("train", 0, first)
    holidays, history = tuple(holidays), between(metrics, 0, first)
    model = fit(learnable(with_zeros(history, settings), settings), holidays=holidays)
    presence = learn_presence(history, settings, holidays)
    completed = complete(between(metrics, first, n_intervals), presence, settings, holidays)
    report("train", first, first)
    parts: list[Judgement] = []
    state = model.state
    engine = NumpyModelEngine(decision_of(settings.sensitivity, metrics.frequency))
    bounds = sorted({first + (n_intervals - first) * step // _STEPS for step in range(_STEPS + 1)})
    for start, end in pairwise(bounds):
        part, state = judge_intervals(
            lambda before, span: engine.judge(model, before, span),
            state,
            between(completed.metrics, start - first, end - first),
            settings,
            completed.missing[:, start - first : end - first],
        )
        parts.append(part)
        report("test", end - first, n_intervals - first)
    if completed.added.any():
        metrics = replace(metrics, values=np.concatenate([history.values, completed.shown.values], axis=2))
    judgement = apply_feedback(metrics, joined(parts, first), feedback)
    groups = group(metrics, judgement, detector_arn)
    counted = tuple(one for one in groups if counted_intervals(one, settings))
    if len(counted) < len(groups):
        is_anomaly = judgement.is_anomaly & in_groups(metrics, judgement, counted)
        judgement = replace(judgement, is_anomaly=is_anomaly)
    return Backtest(metrics, judgement, counted)


def _insufficient(metrics: Metrics, first: int) -> str:
    n_intervals, least = len(metrics.starts), least_intervals(metrics.frequency)
    n_with_rows = int(metrics.has_value.sum())
    with_rows = f" ({n_with_rows:,} with rows)" if n_with_rows < n_intervals else ""
    span = f", from {metrics.starts[0]}Z to {metrics.starts[-1]}Z" if n_intervals else ""
    if n_intervals < least and first == first_tested(n_intervals):
        expected = f"at least {least} intervals"
    else:
        least_points = FREQUENCIES[metrics.frequency].least_points
        expected = (
            f"a metric with at least {least_points} values in the first {first:,} intervals, "
            "which the model is trained on, and one in the rest"
        )
    return (
        f"Insufficient amount of data was found at the source location: {n_intervals:,} intervals of "
        f"{metrics.frequency}{with_rows}{span}, {metrics.n_metrics:,} metrics; expected {expected}"
    )


def _no_progress(phase: str, done: int, total: int) -> None:
    """Report nothing."""
