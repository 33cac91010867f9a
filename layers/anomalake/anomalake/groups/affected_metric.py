"""An affected metric, and the choice of those of an interval that do not overlap."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from anomalake.groups.contributions import Dimensions, Part, coarse

# A level is used if its deviations are at least this share of those of the level with the largest ones.
_EXPLAINED: Final = 0.8


@dataclass(frozen=True, slots=True)
class AffectedMetric:
    """An anomalous metric in one interval.

    Attributes
    ----------
    time_series_id
        Id of the metric (`model.metrics.time_series_id`).
    dimensions
        Pairs of name and value; missing values are left out.
    value, expected, lower, upper
        Observed value, expected value, and bounds of the range without an anomaly (None where a side is open), in the
        measure's unit.
    severity
        0 to 100.
    roll_up
        Whether it is a total of combinations (`Metrics.is_roll_up`).
    below
        Of a roll-up: how much of its deviation each dimension value below it accounts for.
    is_missing
        Whether there is no value; `value` is 0 then.
    """

    time_series_id: str
    dimensions: Dimensions
    value: float
    expected: float
    lower: float | None
    upper: float | None
    severity: float
    roll_up: bool = False
    below: tuple[Part, ...] = ()
    is_missing: bool = False

    @property
    def deviation(self) -> float:
        """Absolute difference of value and expected value."""
        return abs(self.value - self.expected)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Dimension values, each with its part of the deviation."""
        return self.below if self.roll_up else tuple((name, value, self.deviation) for name, value in self.dimensions)


def total_deviation(metrics: Iterable[AffectedMetric]) -> float:
    """Return the sum of deviations; it is correctly rounded, so that it does not depend on the order."""
    return math.fsum(metric.deviation for metric in metrics)


def without_overlap(affected: Sequence[AffectedMetric]) -> tuple[list[AffectedMetric], list[AffectedMetric]]:
    """Choose affected metrics of which none is a part of another, so that their sums count nothing twice.

    The combinations are one level, the roll-ups of each dimension another, the total the last. The most detailed level
    is chosen that accounts for most of the deviation; then the metrics of other levels that are apart from those.

    Parameters
    ----------
    affected
        Affected metrics of one measure in one interval, by descending deviation.

    Returns
    -------
    The chosen metrics and the others, each in the order of `affected`.
    """
    levels: dict[tuple[int, str], list[AffectedMetric]] = defaultdict(list)
    for metric in affected:
        levels[_level(metric)].append(metric)
    if len(levels) == 1 and not affected[0].roll_up:
        return list(affected), []
    sums = {level: coarse(total_deviation(metrics)) for level, metrics in levels.items()}
    most = _EXPLAINED * max(sums.values())
    chosen = min((level for level in sums if sums[level] >= most), key=lambda level: (level[0], -sums[level], level[1]))
    ids = {metric.time_series_id for metric in levels[chosen]}
    apart = _Apart(levels[chosen])
    for metric in affected:
        if metric.time_series_id not in ids and apart.is_apart(metric):
            apart.add(metric)
            ids.add(metric.time_series_id)
    return (
        [metric for metric in affected if metric.time_series_id in ids],
        [metric for metric in affected if metric.time_series_id not in ids],
    )


def most_of_a_level(affected: Iterable[AffectedMetric]) -> int:
    """Return the largest number of affected metrics of one level (`without_overlap`)."""
    return max(Counter(map(_level, affected)).values())


def _level(metric: AffectedMetric) -> tuple[int, str]:
    """Return the level of a metric: the lowest number for the most detail, and the dimension of a roll-up."""
    if not metric.roll_up:
        return (0, "")
    return (1, metric.dimensions[0][0]) if metric.dimensions else (2, "")


class _Apart:
    """Tells whether a metric has no part in common with any of the chosen ones.

    It has none if one of its dimensions has another value in each of them. Combinations never overlap with each other.
    """

    def __init__(self, chosen: Iterable[AffectedMetric]) -> None:
        self._all: Counter[str | tuple[str, str]] = Counter()
        self._roll_ups: Counter[str | tuple[str, str]] = Counter()
        self._n_all = self._n_roll_ups = 0
        for metric in chosen:
            self.add(metric)

    def add(self, metric: AffectedMetric) -> None:
        keys = [key for name, value in metric.dimensions for key in (name, (name, value))]
        self._all.update(keys)
        self._n_all += 1
        if metric.roll_up:
            self._roll_ups.update(keys)
            self._n_roll_ups += 1

    def is_apart(self, metric: AffectedMetric) -> bool:
        counts, n = (self._all, self._n_all) if metric.roll_up else (self._roll_ups, self._n_roll_ups)
        return not n or any(counts[name] == n and not counts[name, value] for name, value in metric.dimensions)
