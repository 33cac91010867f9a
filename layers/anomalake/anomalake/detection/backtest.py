"""Backtest: fits a model to the oldest 70 % of a history and judges the newest 30 %."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from itertools import pairwise
from typing import Final

import numpy as np

from anomalake.detection.feedback import apply_feedback
from anomalake.detection.learning import SCHEDULES
from anomalake.errors import AnomalakeError
from anomalake.groups.grouping import group
from anomalake.model import fit, judge
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics, between
from anomalake.records.backtests import Backtest
from anomalake.records.feedback import Feedback

# Number of steps in which the tested intervals are judged, so that progress is reported.
_STEPS: Final = 20

#: Called with the name of a phase, and the done and total number of its intervals.
Progress = Callable[[str, int, int], None]


class BacktestError(AnomalakeError, ValueError):
    """A history is too short, or has no metric."""


def first_tested(n_intervals: int) -> int:
    """Return the index of the first tested interval: 70 % of the intervals, rounded down."""
    return n_intervals * 7 // 10


def run_backtest(
    metrics: Metrics,
    detector_arn: str,
    *,
    holidays: Iterable[date] = (),
    feedback: Iterable[Feedback] = (),
    first: int | None = None,
    progress: Progress | None = None,
) -> Backtest:
    """Fit a model to the oldest 70 % of a history, judge the rest, and group the anomalies.

    Parameters
    ----------
    feedback
        Feedback on earlier intervals.
    first
        Index of the first tested interval. Default: `first_tested`.
    progress
        Called with the phase, ``train`` or ``test``, and the done and total number of its intervals.

    Raises
    ------
    BacktestError
        The history has fewer intervals than `LearningSchedule.backtest`, or has no metric.
    """
    n_intervals = len(metrics.starts)
    if n_intervals < SCHEDULES[metrics.frequency].backtest or not metrics.n_metrics:
        raise BacktestError(_insufficient(metrics))
    first = first_tested(n_intervals) if first is None else first
    report = progress if progress is not None else _no_progress
    report("train", 0, first)
    model = fit(between(metrics, 0, first), holidays=tuple(holidays))
    report("train", first, first)
    parts: list[Judgement] = []
    state = model.state
    bounds = sorted({first + (n_intervals - first) * step // _STEPS for step in range(_STEPS + 1)})
    for start, end in pairwise(bounds):
        part, state = judge(model, state, between(metrics, 0, end), start)
        parts.append(part)
        report("test", end - first, n_intervals - first)
    judgement = apply_feedback(metrics, _joined(parts), feedback)
    return Backtest(metrics, judgement, group(metrics, judgement, detector_arn))


def _joined(parts: list[Judgement]) -> Judgement:
    return Judgement(
        parts[0].first,
        *(
            np.concatenate([getattr(part, name) for part in parts], axis=1)
            for name in ("expected", "lower", "upper", "severity", "is_anomaly")
        ),
    )


def _insufficient(metrics: Metrics) -> str:
    n_intervals = len(metrics.starts)
    n_with_rows = int(metrics.has_value.sum())
    with_rows = f" ({n_with_rows:,} with rows)" if n_with_rows < n_intervals else ""
    span = f", from {metrics.starts[0]}Z to {metrics.starts[-1]}Z" if n_intervals else ""
    return (
        f"Insufficient amount of data was found at the source location: {n_intervals:,} intervals of "
        f"{metrics.frequency}{with_rows}{span}, {metrics.n_metrics:,} metrics; "
        f"expected at least {SCHEDULES[metrics.frequency].backtest} intervals"
    )


def _no_progress(phase: str, done: int, total: int) -> None:
    """Report nothing."""
