"""A backtest: the oldest 70 % of a history trains the model, the newest 30 % is tested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from anomalake.detection.feedback import Feedback, heed
from anomalake.groups.grouping import Group, group
from anomalake.model import fit, judge
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics

#: Intervals that a history must span.
LEAST_INTERVALS: Final = 285

# Steps that the tested intervals are judged in, so that progress shows.
_STEPS: Final = 20

#: What is done so far, of what, and how much there is of it.
Progress = Callable[[str, int, int], None]


class BacktestError(ValueError):
    """A history that cannot be tested on."""


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """What a backtest found.

    Attributes
    ----------
    metrics
        The whole history.
    judgement
        Of its tested part, from `first` on.
    groups
        By start and measure.
    """

    metrics: Metrics
    judgement: Judgement
    groups: tuple[Group, ...]

    @property
    def first(self) -> int:
        """Index into `Metrics.starts` of the first tested interval; those before are trained on."""
        return self.judgement.first

    @property
    def tested(self) -> int:
        """How many intervals are tested."""
        return len(self.metrics.starts) - self.first

    @property
    def observed(self) -> npt.NDArray[np.bool_]:
        """Tested points that have a value: (metrics, tested intervals)."""
        return ~np.isnan(self.metrics.flat[:, self.first :])

    def points_by_measure(self) -> dict[str, int]:
        """Anomalous points of each measure."""
        per_metric = self.judgement.is_anomaly.sum(axis=1).reshape(len(self.metrics.measures), -1)
        return dict(zip(self.metrics.measures, per_metric.sum(axis=1).tolist(), strict=True))

    def groups_by_measure(self) -> dict[str, int]:
        """Groups of each measure."""
        counted = Counter(one.measure for one in self.groups)
        return {measure: counted[measure] for measure in self.metrics.measures}

    def worst_groups(self, most: int) -> tuple[Group, ...]:
        """The groups with the highest scores."""
        return tuple(sorted(self.groups, key=lambda one: (-one.score, one.start, one.measure))[:most])


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
    judgement = heed(metrics, _joined(parts), feedback)
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
