"""Labelled series, and the pooled scores of several sets of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from anomalake.model.metrics import Metrics

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MINUTES = {"PT5M": 5, "PT10M": 10, "PT15M": 15, "PT30M": 30, "PT1H": 60, "P1D": 24 * 60}
MONDAY = np.datetime64("2024-01-01T00:00:00", "s")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSet:
    """Labelled series of one frequency.

    Attributes
    ----------
    metrics
        The values.
    labels
        Shape (metrics, points), in the order of `Metrics.flat`.
    first_tested
        Index of the first judged point; the points before are the history.
    kinds
        Kind of each series.
    holidays
        Known holidays.
    """

    metrics: Metrics
    labels: Bools
    first_tested: int
    kinds: tuple[str, ...]
    holidays: tuple[date, ...] = ()

    @property
    def values(self) -> Floats:
        """Values of shape (series, points); NaN where nothing was observed."""
        return self.metrics.flat

    def every(self, step: int) -> LabelledSet:
        """Return every `step`-th measure of a set in which each measure is one series."""
        metrics = replace(self.metrics, measures=self.metrics.measures[::step], values=self.metrics.values[::step])
        return replace(self, metrics=metrics, labels=self.labels[::step], kinds=self.kinds[::step])

    @property
    def frequency_minutes(self) -> int:
        """Length of an interval in minutes."""
        return MINUTES[self.metrics.frequency]


def unrelated(values: Floats, frequency: str) -> Metrics:
    """Return unrelated series as metrics: each is a measure; the first interval is a Monday at midnight."""
    starts = MONDAY + np.arange(values.shape[1]) * np.timedelta64(MINUTES[frequency] * 60, "s")
    names = tuple(f"kpi-{number}" for number in range(len(values)))
    return Metrics(frequency, "UTC", starts, names, (), ((),), values[:, None, :])


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Judged points of all parts of a set: labels, scores, which points have a value, and kinds of series."""

    labels: Bools
    scores: Floats
    observed: Bools
    kinds: npt.NDArray[np.str_]

    def only(self, kind: str) -> Scored:
        """Return the series of one kind."""
        is_kind = self.kinds == kind
        return Scored(self.labels[is_kind], self.scores[is_kind], self.observed[is_kind], self.kinds[is_kind])


def pooled(parts: Sequence[LabelledSet], scores: Sequence[Floats]) -> Scored:
    """Pool all parts; shorter ones are padded with points without a value."""
    longest = max(part_scores.shape[1] for part_scores in scores)

    def padded(arrays: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.concatenate([np.pad(array, ((0, 0), (0, longest - array.shape[1]))) for array in arrays])

    return Scored(
        padded([part.labels[:, part.first_tested :] for part in parts]),
        padded(list(scores)),
        padded([~np.isnan(part.values[:, part.first_tested :]) for part in parts]),
        np.array([kind for part in parts for kind in part.kinds]),
    )
