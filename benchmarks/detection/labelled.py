"""Series with labels, and the scores of several such sets put together."""

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

MINUTES = {"PT5M": 5, "PT10M": 10, "PT1H": 60, "P1D": 24 * 60}
MONDAY = np.datetime64("2024-01-01T00:00:00", "s")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSet:
    """Series of one frequency with labels.

    Attributes
    ----------
    metrics
        Their values.
    labels
        Shape (metrics, points), in the order of `Metrics.flat`.
    first_tested
        Index of the first point that is judged; those before are to learn from.
    kinds
        What each series is like.
    holidays
        Days that are known to be unlike others.
    """

    metrics: Metrics
    labels: Bools
    first_tested: int
    kinds: tuple[str, ...]
    holidays: tuple[date, ...] = ()

    @property
    def values(self) -> Floats:
        """Shape (series, points); NaN where nothing was observed."""
        return self.metrics.flat

    def each(self, step: int) -> LabelledSet:
        """One of so many measures, where each is a series by itself."""
        metrics = replace(self.metrics, measures=self.metrics.measures[::step], values=self.metrics.values[::step])
        return replace(self, metrics=metrics, labels=self.labels[::step], kinds=self.kinds[::step])

    @property
    def frequency_minutes(self) -> int:
        """Length of an interval."""
        return MINUTES[self.metrics.frequency]


def unrelated(values: Floats, frequency: str) -> Metrics:
    """Series that have nothing to do with each other as metrics: each a measure, from a Monday at midnight on."""
    starts = MONDAY + np.arange(values.shape[1]) * np.timedelta64(MINUTES[frequency] * 60, "s")
    names = tuple(f"kpi-{number}" for number in range(len(values)))
    return Metrics(frequency, "UTC", starts, names, (), ((),), values[:, None, :])


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Tested points of all parts of a set as arrays of one shape: labels, scores, where a value is, kinds of series."""

    labels: Bools
    scores: Floats
    observed: Bools
    kinds: npt.NDArray[np.str_]

    def only(self, kind: str) -> Scored:
        """The series of one kind."""
        chosen = self.kinds == kind
        return Scored(self.labels[chosen], self.scores[chosen], self.observed[chosen], self.kinds[chosen])


def pooled(parts: Sequence[LabelledSet], scores: Sequence[Floats]) -> Scored:
    """All parts together; shorter ones are filled up with points without a value."""
    longest = max(one.shape[1] for one in scores)

    def filled(arrays: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.concatenate([np.pad(one, ((0, 0), (0, longest - one.shape[1]))) for one in arrays])

    return Scored(
        filled([part.labels[:, part.first_tested :] for part in parts]),
        filled(list(scores)),
        filled([~np.isnan(part.values[:, part.first_tested :]) for part in parts]),
        np.array([kind for part in parts for kind in part.kinds]),
    )
