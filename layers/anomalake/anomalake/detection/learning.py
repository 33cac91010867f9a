"""When a detector learns, from what, and how much of it there must be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np

from anomalake.definitions.intervals import Instants, interval_starts, previous_start
from anomalake.definitions.metric_set import MetricSet
from anomalake.model.metrics import Metrics, between, join
from anomalake.records.arrays import CorruptError
from anomalake.records.intervals import metrics_of
from anomalake.records.states import StateStore


@dataclass(frozen=True, slots=True)
class LearningSchedule:
    """How a detector of one frequency lives.

    Attributes
    ----------
    least
        Intervals to learn from before anything is judged: L4M's cold start (25 h, 50 h, 12.5 days, 14 days).
    history
        How far back it learns from. Four weeks below an hour, so that a weekly rhythm shows four times (L4M: 9 and 18
        days); then L4M's 3.4 months, and 5 years.
    refit
        How long it judges with one model. Clocks of a day for data that has hundreds of intervals a day, a week
        for the others: a fit reads all of the history, and no rhythm changes sooner.
    catch_up
        How many missed intervals are judged afterwards: a day of them, a week of hours, a month of days.
    """

    least: int
    history: timedelta
    refit: timedelta
    catch_up: int


SCHEDULES = {
    "PT5M": LearningSchedule(300, timedelta(days=28), timedelta(days=1), 288),
    "PT10M": LearningSchedule(300, timedelta(days=28), timedelta(days=1), 144),
    "PT1H": LearningSchedule(300, timedelta(days=104), timedelta(days=7), 168),
    "P1D": LearningSchedule(14, timedelta(days=1826), timedelta(days=7), 31),
}

#: Models are due at multiples of `refit` since this Monday, so that every run agrees on when.
_FIRST_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


class HistorySource(Protocol):
    """Where a detector learns from when the lake holds nothing yet."""

    def history(self, until: datetime) -> Metrics | None:
        """What the source's history holds of the intervals before `until`; None where it has none."""
        ...


def model_due(frequency: str, start: datetime) -> datetime:
    """The instant that the model of an interval must not be older than."""
    every = SCHEDULES[frequency].refit
    return start - (start - _FIRST_MONDAY) % every


def history_before(
    start: datetime, metric_set: MetricSet, states: StateStore, source: HistorySource, warnings: list[str]
) -> Metrics | None:
    """All that a model for the interval at `start` may learn from, up to the interval before it.

    That is what the last model was fitted on and the intervals since; where that is lost, the one before; with
    nothing left, the source's history. What the lake has of an interval goes before what the source says now.

    Returns
    -------
    On a grid that ends with the interval before `start`; None where nothing was ever observed.
    """
    frequency, timezone = metric_set.frequency, metric_set.timezone
    oldest, last = start - SCHEDULES[frequency].history, previous_start(start, frequency, timezone)
    learnt, since = _latest_history(start, states, warnings)
    since = max(since, oldest) if since is not None else oldest
    records, corrupt = states.intervals(one for one in states.interval_starts() if since <= one < start)
    warnings.extend(corrupt)
    missing = len(grid(metric_set, since, last)) - len(records)
    # After a long pause, too, the source tells of what was never judged.
    told = source.history(start) if learnt is None or missing > SCHEDULES[frequency].catch_up else None
    seen = metrics_of(records, grid(metric_set, since, last))
    parts = [one for one in (told, learnt, seen) if one is not None and len(one.combinations)]
    if not parts:
        return None
    whole = grid(metric_set, oldest, last)
    joined = join(parts, whole)
    observed = np.flatnonzero(~np.isnan(joined.values).all(axis=(0, 1)))
    return between(joined, int(observed[0]), len(whole)) if len(observed) else None


def _latest_history(start: datetime, states: StateStore, warnings: list[str]) -> tuple[Metrics | None, datetime | None]:
    """What the newest model that can be read was fitted on, and the interval that it ends before."""
    for kept in reversed([one for one in states.history_starts() if one <= start]):
        try:
            found = states.history(kept)
        except CorruptError as error:
            warnings.append(f"{error}; learns from what was kept before it")
            continue
        if found is not None:
            return found, kept
    return None, None


def intervals_observed(history: Metrics | None) -> int:
    """How many intervals of a history hold anything at all."""
    return int((~np.isnan(history.values)).any(axis=(0, 1)).sum()) if history is not None else 0


def grid(metric_set: MetricSet, first: datetime, last: datetime) -> Instants:
    """Starts of the intervals from one instant to another, both with theirs."""
    return interval_starts(metric_set.frequency, metric_set.timezone, first, last)
