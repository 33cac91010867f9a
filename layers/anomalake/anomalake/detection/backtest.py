"""A backtest: the oldest 70 % of a history trains the model, the newest 30 % is tested."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from itertools import pairwise
from typing import Final

import numpy as np

from anomalake.detection.feedback import Feedback, apply_feedback
from anomalake.errors import AnomalakeError
from anomalake.groups.grouping import group
from anomalake.model import fit, judge
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics
from anomalake.records.backtests import Backtest

#: Intervals that a history must span.
LEAST_INTERVALS: Final = 285

# Steps that the tested intervals are judged in, so that progress shows.
_STEPS: Final = 20

#: What is done so far, of what, and how much there is of it.
Progress = Callable[[str, int, int], None]


class BacktestError(AnomalakeError, ValueError):
    """A history that cannot be tested on."""


def first_tested(n_intervals: int) -> int:
    """How many intervals train: the oldest 70 %, rounded down."""
    return n_intervals * 7 // 10


def run_backtest(
    metrics: Metrics,
    detector_arn: str,
    *,
    holidays: Iterable[date] = (),
    feedback: Iterable[Feedback] = (),
    progress: Progress | None = None,
) -> Backtest:
    """Fit on the oldest 70 % of a history, judge the rest, and group what is anomalous.

    Parameters
    ----------
    feedback
        What people said of earlier anomalies.
    progress
        Called as ``progress(what, done, total)`` with ``train`` or ``test`` and numbers of intervals.

    Raises
    ------
    BacktestError
        The history spans fewer than `LEAST_INTERVALS` intervals, or has no metric.
    """
    n_intervals = len(metrics.starts)
    if n_intervals < LEAST_INTERVALS or not metrics.n_metrics:
        raise BacktestError(_too_little(metrics))
    first = first_tested(n_intervals)
    tell = progress if progress is not None else _silent
    tell("train", 0, first)
    model = fit(_until(metrics, first), holidays=tuple(holidays))
    tell("train", first, first)
    parts: list[Judgement] = []
    state = model.state
    bounds = sorted({first + (n_intervals - first) * step // _STEPS for step in range(_STEPS + 1)})
    for start, end in pairwise(bounds):
        part, state = judge(model, state, _until(metrics, end), start)
        parts.append(part)
        tell("test", end - first, n_intervals - first)
    judgement = apply_feedback(metrics, _joined(parts), feedback)
    return Backtest(metrics, judgement, group(metrics, judgement, detector_arn))


def _until(metrics: Metrics, end: int) -> Metrics:
    return Metrics(
        metrics.frequency,
        metrics.timezone,
        metrics.starts[:end],
        metrics.measures,
        metrics.dimension_names,
        metrics.combinations,
        metrics.values[:, :, :end],
    )


def _joined(parts: list[Judgement]) -> Judgement:
    return Judgement(
        parts[0].first,
        *(
            np.concatenate([getattr(part, name) for part in parts], axis=1)
            for name in ("expected", "lower", "upper", "severity", "is_anomaly")
        ),
    )


def _too_little(metrics: Metrics) -> str:
    n_intervals = len(metrics.starts)
    span = f", from {metrics.starts[0]}Z to {metrics.starts[-1]}Z" if n_intervals else ""
    return (
        f"Insufficient amount of data was found at the source location: {n_intervals:,} intervals of "
        f"{metrics.frequency}{span}, {metrics.n_metrics:,} metrics; expected at least {LEAST_INTERVALS} intervals"
    )


def _silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""
