"""Backtest: fits a model to the oldest 70 % of a history and judges the newest 30 %."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Final

import numpy as np

from anomalake.definitions.sensitivity import decision_of
from anomalake.definitions.settings import NO_SETTINGS, DetectionSettings
from anomalake.detection.engine import NumpyModelEngine
from anomalake.detection.feedback import Grid, RowFeedback, apply_to_rows, rows_of
from anomalake.detection.judging import in_direction_of, joined, judge_quiet, learnable, signs_of, stacked
from anomalake.detection.presence import Completed, complete, learn_presence, with_missing, with_zeros
from anomalake.errors import AnomalakeError
from anomalake.frequencies import FREQUENCIES, least_intervals
from anomalake.groups.counting import counted_intervals
from anomalake.groups.grouping import group_series, points_in
from anomalake.groups.judged_series import JudgedArrays, JudgedSeries
from anomalake.model import fit
from anomalake.model.array_types import BoolArray, FloatArray, IntArray
from anomalake.model.blocks import BLOCK, divided
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


@dataclass(frozen=True, slots=True, eq=False)
class PreparedBacktest:
    """A history that is divided, and completed by what a detector's settings ask for.

    Attributes
    ----------
    metrics
        The whole history.
    first
        Index of the first tested interval.
    completed
        The tested intervals.
    settings, holidays
        Settings of the detector, and its holidays.
    """

    metrics: Metrics
    first: int
    completed: Completed
    settings: DetectionSettings
    holidays: tuple[date, ...]

    @property
    def history(self) -> Metrics:
        """The intervals that the model is fitted on."""
        return between(self.metrics, 0, self.first)

    @property
    def learnable(self) -> Metrics:
        """The history as the model learns from it."""
        return learnable(with_zeros(self.history, self.settings), self.settings)

    @property
    def shown(self) -> Metrics:
        """The whole history, with what was added to the tested intervals."""
        if not self.completed.added.any():
            return self.metrics
        values = np.concatenate([self.history.values, self.completed.shown.values], axis=2)
        return replace(self.metrics, values=values)


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
    prepared = prepare_backtest(metrics, holidays=holidays, settings=settings, first=first)
    judgement = judge_series(prepared, 0, metrics.n_metrics, progress)
    return conclude_backtest(prepared, [judgement], detector_arn, feedback)


def prepare_backtest(
    metrics: Metrics,
    *,
    holidays: Iterable[date] = (),
    settings: DetectionSettings = NO_SETTINGS,
    first: int | None = None,
) -> PreparedBacktest:
    """Divide and complete a history; parameters and errors are those of `run_backtest`."""
    n_intervals = len(metrics.starts)
    first = first_tested(n_intervals) if first is None else first
    observed = ~np.isnan(metrics.flat)
    is_known = observed[:, :first].sum(axis=1) >= FREQUENCIES[metrics.frequency].least_points
    if not observed[is_known, first:].any():
        raise insufficient(metrics, first)
    holidays = tuple(holidays)
    presence = learn_presence(between(metrics, 0, first), settings, holidays)
    completed = complete(between(metrics, first, n_intervals), presence, settings, holidays)
    return PreparedBacktest(metrics, first, completed, settings, holidays)


def series_blocks(metrics: Metrics) -> list[tuple[int, int]]:
    """Return the first and the end index of the blocks of series that may be judged one by one, with equal results.

    A process computes several of them at once, where they are many.
    """
    return list(divided(metrics.n_metrics, BLOCK))


def judge_series(prepared: PreparedBacktest, begin: int, end: int, progress: Progress | None = None) -> Judgement:
    """Fit a model to some series, and judge their tested intervals.

    Parameters
    ----------
    begin, end
        Indexes into `Metrics.flat`: all series, or one of `series_blocks`.
    """
    return judge_block(
        series_of(prepared.learnable, begin, end),
        series_of(prepared.completed.metrics, begin, end),
        prepared.settings,
        prepared.holidays,
        progress,
    )


def judge_block(
    history: Metrics,
    tested: Metrics,
    settings: DetectionSettings,
    holidays: tuple[date, ...] = (),
    progress: Progress | None = None,
) -> Judgement:
    """Fit a model to the history of some series, and judge their tested intervals.

    No series has an effect on another one.

    Parameters
    ----------
    history
        What is learned (`PreparedBacktest.learnable`).
    tested
        The intervals after it.
    """
    n_learned, n_tested = len(history.starts), len(tested.starts)
    report = progress if progress is not None else _no_progress
    report("train", 0, n_learned)
    model = fit(history, holidays=holidays)
    del history
    report("train", n_learned, n_learned)
    parts: list[Judgement] = []
    state = model.state
    engine = NumpyModelEngine(decision_of(settings.sensitivity, tested.frequency))
    bounds = sorted({n_tested * step // _STEPS for step in range(_STEPS + 1)})
    for step_begin, step_end in pairwise(bounds):
        part, state = judge_quiet(
            lambda before, span: engine.judge(model, before, span),
            state,
            between(tested, step_begin, step_end),
            settings,
        )
        parts.append(part)
        report("test", step_end, n_tested)
    return joined(parts)


@dataclass(frozen=True, slots=True, eq=False)
class Finish:
    """What follows the model's judgement of tested intervals: directions, missing values and feedback.

    Attributes
    ----------
    grid
        The tested intervals.
    first
        Index of the first of them into the history.
    signs
        Direction of each measure (`judging.signs_of`).
    n_combinations
        Number of series of a measure.
    feedback
        Feedback with the indexes of the series.
    """

    grid: Grid
    first: int
    signs: IntArray
    n_combinations: int
    feedback: tuple[RowFeedback, ...]

    @classmethod
    def of(cls, metrics: Metrics, first: int, settings: DetectionSettings, feedback: Iterable[Feedback] = ()) -> Finish:
        """Return what follows in a backtest of a history."""
        grid = Grid(metrics.frequency, metrics.timezone, metrics.starts[first:])
        signs = signs_of(metrics.measures, settings)
        return cls(grid, first, signs, len(metrics.combinations), rows_of(metrics, feedback))

    def judge(
        self, begin: int, values: FloatArray, missing: BoolArray | None, judgement: Judgement
    ) -> tuple[FloatArray, Judgement]:
        """Return values and judgement of series that follow each other, as they are shown.

        Parameters
        ----------
        begin
            Index of the first of them into `Metrics.flat`.
        values, missing
            Their tested values, and which points are missing (`presence.Completed`); None for none.
        """
        end = begin + len(values)
        signs = self.signs[np.arange(begin, end) // self.n_combinations] if self.signs.any() else self.signs
        judgement = replace(in_direction_of(signs, values, judgement), first=self.first)
        if missing is not None and missing.any():
            judgement = with_missing(judgement, missing)
            values = np.where(missing, 0.0, values)
        feedback = [(row - begin, item) for row, item in self.feedback if begin <= row < end]
        return values, apply_to_rows(self.grid, values, judgement, feedback)


def conclude_backtest(
    prepared: PreparedBacktest, parts: Sequence[Judgement], detector_arn: str, feedback: Iterable[Feedback] = ()
) -> Backtest:
    """Group the anomalies of all series; `parts` are the judgements of consecutive ones."""
    return group_backtest(judged_arrays(prepared, parts, feedback), prepared.settings, detector_arn)


def judged_arrays(
    prepared: PreparedBacktest, parts: Sequence[Judgement], feedback: Iterable[Feedback] = ()
) -> JudgedArrays:
    """Return the tested intervals of all series; `parts` are the judgements of consecutive ones."""
    completed = prepared.completed
    finish = Finish.of(prepared.metrics, prepared.first, prepared.settings, feedback)
    _, judgement = finish.judge(0, completed.metrics.flat, completed.missing, stacked(parts))
    return JudgedArrays(prepared.shown, judgement)


def group_backtest(judged: JudgedSeries, settings: DetectionSettings, detector_arn: str) -> Backtest:
    """Group the anomalies of the tested intervals; those of groups that do not count are none."""
    groups = group_series(judged, detector_arn)
    counted = tuple(group for group in groups if counted_intervals(group, settings))
    if len(counted) < len(groups):
        judged = judged.with_anomalies(*points_in(judged, counted))
    return Backtest(judged, counted)


def series_of(metrics: Metrics, begin: int, end: int) -> Metrics:
    """Return some series as metrics of their own, under other names."""
    if (begin, end) == (0, metrics.n_metrics):
        return metrics
    values = metrics.flat[None, begin:end]
    names = tuple((str(index),) for index in range(begin, end))
    return replace(metrics, measures=("",), dimension_names=("series",), combinations=names, values=values)


def insufficient(metrics: Metrics, first: int) -> BacktestError:
    """Return the error of a history of which no metric can be judged."""
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
    return BacktestError(
        f"Insufficient amount of data was found at the source location: {n_intervals:,} intervals of "
        f"{metrics.frequency}{with_rows}{span}, {metrics.n_metrics:,} metrics; expected {expected}"
    )


def _no_progress(phase: str, done: int, total: int) -> None:
    """Report nothing."""
