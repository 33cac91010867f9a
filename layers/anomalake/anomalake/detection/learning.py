"""When a live detector fits a model, and to which history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final, Protocol, TypeVar

import numpy as np

from anomalake.definitions.detector import Detector
from anomalake.definitions.intervals import Instants, interval_starts, previous_start
from anomalake.definitions.metric_set import MetricSet
from anomalake.definitions.settings import DetectionSettings
from anomalake.detection.judging import learnable
from anomalake.detection.presence import with_zeros
from anomalake.detection.source import HistorySource, IntervalError
from anomalake.frequencies import FREQUENCIES
from anomalake.model.array_types import TimeArray
from anomalake.model.metrics import Metrics, between, join
from anomalake.records.errors import CorruptError
from anomalake.records.intervals import IntervalStore, metrics_of
from anomalake.records.models import ModelStore
from anomalake.sources.spacing import spacing_problem

History = TypeVar("History")


@dataclass(frozen=True, slots=True)
class LearningSchedule:
    """Schedule of a live detector of one frequency.

    Attributes
    ----------
    minimum
        Number of intervals with data that a first model takes: L4M's cold start (25 h, 50 h, 12.5 days, 14 days), as
        many for the frequencies between these, and half a year of weeks.
    history
        Span that a model is fitted to. Four weeks below half an hour, so that a weekly seasonality shows four times
        (L4M: 9 and 18 days), eight of half hours; L4M's 3.4 months, and 5 years; ten years of weeks.
    refit
        Longest span that one model judges: a day where a day has about a hundred intervals or more, else a week; four
        weeks of weeks. A fit reads all of the history, and a seasonality does not change faster. While the history is
        short, it is fitted again as soon as it has grown by `GROWTH`.
    catch_up
        Most missed intervals that are judged later: a day of minutes, a week of hours, a month of days, a quarter of
        weeks.
    """

    minimum: int
    history: timedelta
    refit: timedelta
    catch_up: int


SCHEDULES = {
    "PT5M": LearningSchedule(300, timedelta(days=28), timedelta(days=1), 288),
    "PT10M": LearningSchedule(300, timedelta(days=28), timedelta(days=1), 144),
    "PT15M": LearningSchedule(300, timedelta(days=28), timedelta(days=1), 96),
    "PT30M": LearningSchedule(300, timedelta(days=56), timedelta(days=7), 336),
    "PT1H": LearningSchedule(300, timedelta(days=104), timedelta(days=7), 168),
    "P1D": LearningSchedule(14, timedelta(days=1826), timedelta(days=7), 31),
    "P7D": LearningSchedule(26, timedelta(days=3652), timedelta(days=28), 13),
}

#: Share of its history that a model judges at most.
GROWTH: Final = 0.3

#: Models are due at multiples of `LearningSchedule.refit` since this Monday, so that all runs agree on the times.
_FIRST_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


def model_due(frequency: str, start: datetime) -> datetime:
    """Return the latest regular time, up to an interval, at which a model is due."""
    every = SCHEDULES[frequency].refit
    return start - (start - _FIRST_MONDAY) % every


def is_current(frequency: str, model_start: datetime, since: datetime | None, start: datetime) -> bool:
    """Return whether a model that judges from `model_start` on is that of the interval at `start`.

    `since` is the start of the history that it was fitted to; None where it is not known.
    """
    return model_due(frequency, start) <= model_start and (
        since is None or start < model_start + _growth(frequency, since, model_start)
    )


def _growth(frequency: str, since: datetime, model_start: datetime) -> timedelta:
    """Return the time in which a history grows by `GROWTH`, in whole intervals."""
    step = timedelta(seconds=FREQUENCIES[frequency].seconds)
    return ceil(GROWTH * (model_start - since) / step) * step


class Histories(Protocol):
    """The histories that the models of a live detector are fitted to."""

    def before(self, start: datetime, warnings: list[str]) -> AbstractContextManager[Metrics | None]:
        """Open the observed values before the interval at `start`, as far back as its model is fitted to.

        They are the history of the newest model and the intervals since; where that history is lost or corrupt, the one
        of the model before. Where there is none, or an interval was never run, they are those of the source too, so
        that it does not matter which intervals were run. Values in the lake take precedence over those of the source.

        Yields
        ------
        On a grid that ends with the interval before `start`; None where nothing was observed.

        Raises
        ------
        IntervalError, StoreError, TaskError
        """
        ...

    def divided(self, history: Metrics, at: datetime) -> tuple[Metrics, Metrics]:
        """Divide a history into the intervals before an instant, and those from then on with their values."""
        ...

    def learnable(self, learnt: Metrics) -> Metrics:
        """Return what a model is fitted to."""
        ...

    def write(self, start: datetime, learnt: Metrics) -> None:
        """Store the history that the model of `start` was fitted on."""
        ...

    def source_values(self, starts: Instants, until: datetime) -> Metrics | None:
        """Return the source's values in some intervals, all before `until`; None where there are none.

        Raises
        ------
        IntervalError, StoreError, TaskError
        """
        ...


class JoinedHistories:
    """`Histories` in the memory of this process.

    Parameters
    ----------
    detector
        The detector.
    intervals, models
        Records of the detector's version.
    source
        The source.
    """

    def __init__(self, detector: Detector, intervals: IntervalStore, models: ModelStore, source: HistorySource) -> None:
        self._metric_set = detector.metric_set
        self._settings = DetectionSettings.of(detector)
        self._intervals = intervals
        self._models = models
        self._source = source

    @contextmanager
    def before(self, start: datetime, warnings: list[str]) -> Iterator[Metrics | None]:
        """Join the values before an interval."""
        yield self._before(start, warnings)

    def _before(self, start: datetime, warnings: list[str]) -> Metrics | None:
        stored, model_start = newest_history(self._models.read_history, self._models.history_starts(), start, warnings)
        span = LearntSpan.of(self._metric_set, self._intervals, start, model_start)
        records, problems = self._intervals.read_many(span.recorded)
        warnings.extend(problems)
        from_source = None
        if stored is None:
            from_source = self._source.history(start)
        elif len(span.unstored) > len(records) + len(problems):
            try:
                from_source = self._source.history(start)
            except IntervalError as error:
                warnings.append(unread_source(error))
        recent = metrics_of(records, span.unstored)
        parts = [part for part in (from_source, stored, recent) if part is not None and len(part.combinations)]
        if not parts:
            return None
        joined = join(parts, span.starts)
        observed = np.flatnonzero(joined.has_value)
        if not len(observed):
            return None
        history = between(joined, int(observed[0]), len(span.starts))
        problem = spacing_problem(history)
        warnings.extend([problem] if problem is not None else [])
        return history

    def divided(self, history: Metrics, at: datetime) -> tuple[Metrics, Metrics]:
        """Divide a history."""
        index = index_of(history.starts, at)
        since = between(history, index, len(history.starts))
        return between(history, 0, index), replace(since, values=since.values.copy())

    def learnable(self, learnt: Metrics) -> Metrics:
        """Return what a model is fitted to."""
        return learnable(with_zeros(learnt, self._settings), self._settings)

    def write(self, start: datetime, learnt: Metrics) -> None:
        """Store a history."""
        self._models.write_history(start, learnt)

    def source_values(self, starts: Instants, until: datetime) -> Metrics | None:
        """Return the source's values in some intervals."""
        history = self._source.history(until)
        return None if history is None else join([history], starts)


@dataclass(frozen=True, slots=True, eq=False)
class LearntSpan:
    """The intervals that the model of an interval is fitted to, and where their values are.

    Attributes
    ----------
    starts
        All of them.
    unstored
        Those that no stored history has.
    recorded
        Starts of those of them that were run, in ascending order.
    """

    starts: TimeArray
    unstored: TimeArray
    recorded: list[datetime]

    @classmethod
    def of(
        cls, metric_set: MetricSet, intervals: IntervalStore, start: datetime, model_start: datetime | None
    ) -> LearntSpan:
        """Return the span before the interval at `start`; `model_start` is where the stored history ends, if any."""
        frequency = metric_set.frequency
        oldest = model_due(frequency, start) - SCHEDULES[frequency].history
        last = previous_start(start, frequency, metric_set.timezone)
        since = max(model_start, oldest) if model_start is not None else oldest
        return cls(
            grid(metric_set, oldest, last),
            grid(metric_set, since, last),
            [interval for interval in intervals.starts() if since <= interval < start],
        )


def index_of(starts: TimeArray, at: datetime) -> int:
    """Return the index of the first interval that does not begin before an instant."""
    return int(np.searchsorted(starts, np.datetime64(at.replace(tzinfo=None), "s")))


def unread_source(error: IntervalError) -> str:
    """Return the warning about a source that cannot be read, where the lake has a history."""
    return f"{error}; intervals that were never run are used as not observed"


def fit_time(history: Metrics | None, frequency: str, start: datetime) -> datetime | None:
    """Return the start of the first interval that the model of an interval judges; None where there is no model yet.

    The first model is fitted as soon as there is enough history, and others at the regular times (`model_due`), or
    earlier, while the history is short. The times depend on the data only, so all runs agree on them.

    Parameters
    ----------
    history
        Observed values before `start`.
    """
    if history is None:
        return None
    observed = np.flatnonzero(history.has_value)
    minimum = SCHEDULES[frequency].minimum
    if len(observed) < minimum:
        return None
    latest = int(observed[minimum - 1])
    if latest + 1 == len(history.starts):
        return start
    since, fitted = (_instant(history.starts[index]) for index in (0, latest + 1))
    while True:
        regular = model_due(frequency, fitted) + SCHEDULES[frequency].refit
        following = min(regular, fitted + _growth(frequency, since, fitted))
        if following > start:
            return fitted
        fitted = following


def _instant(time: np.datetime64) -> datetime:
    return datetime.fromtimestamp(int(time.astype("datetime64[s]").astype(np.int64)), UTC)


def newest_history(
    read: Callable[[datetime], History | None], stored: Iterable[datetime], start: datetime, warnings: list[str]
) -> tuple[History | None, datetime | None]:
    """Return the newest history that can be read, and the start of the interval that it ends before."""
    for model_start in reversed([candidate for candidate in stored if candidate <= start]):
        try:
            history = read(model_start)
        except CorruptError as error:
            warnings.append(f"{error}; an earlier history is used")
            continue
        if history is not None:
            return history, model_start
    return None, None


def intervals_observed(history: Metrics | None) -> int:
    """Count the intervals of a history that have a value."""
    return int(history.has_value.sum()) if history is not None else 0


def grid(metric_set: MetricSet, first: datetime, last: datetime) -> Instants:
    """Return the starts of the intervals from that of one instant to that of another, both included."""
    return interval_starts(metric_set.frequency, metric_set.timezone, first, last)
