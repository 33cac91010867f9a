"""Root causes of anomaly groups, from all metrics of the measure that have a value."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from anomalake.alerts import Cause
from anomalake.causes.leaves import MISSING, Ints
from anomalake.causes.search import Element, find_causes
from anomalake.groups.anomaly_group import Group, GroupInterval
from anomalake.groups.judged_series import JudgedSeries, Place


def with_causes(
    groups: Iterable[Group],
    judged: JudgedSeries,
    is_wanted: Callable[[Group, GroupInterval], bool] = lambda group, interval: True,
) -> tuple[Group, ...]:
    """Return groups with the root causes of their judged intervals.

    Parameters
    ----------
    groups
        Groups of `judged`; their intervals that are not judged here keep their causes.
    is_wanted
        Tells whether an interval of a group gets causes.
    """
    groups = tuple(groups)
    finder = _Finder(judged)
    places = {
        (group.group_id, interval.timestamp): place
        for group in groups
        for interval in group.intervals
        if (place := finder.place(group, interval)) is not None and is_wanted(group, interval)
    }
    causes = finder.causes(sorted(set(places.values()), key=lambda place: place[::-1])) if places else {}

    def with_own(group: Group, interval: GroupInterval) -> GroupInterval:
        place = places.get((group.group_id, interval.timestamp))
        return interval if place is None else replace(interval, causes=causes[place])

    return tuple(
        replace(group, intervals=tuple(with_own(group, interval) for interval in group.intervals)) for group in groups
    )


class _Finder:
    def __init__(self, judged: JudgedSeries) -> None:
        self._judged = judged
        self._metrics = judged.metrics
        self._measures = {measure: m for m, measure in enumerate(judged.metrics.measures)}
        starts = judged.metrics.starts[judged.first : judged.first + judged.n_judged]
        seconds = starts.astype("datetime64[s]").astype(np.int64).tolist()
        self._columns = {start: column for column, start in enumerate(seconds)}
        self._values: list[list[str]] = []

    def place(self, group: Group, interval: GroupInterval) -> Place | None:
        """Return the place of a group's interval among the judged ones; None where it was not judged here."""
        column = self._columns.get(int(interval.timestamp.timestamp()))
        return None if column is None else (self._measures[group.measure], column)

    def causes(self, places: Sequence[Place]) -> dict[Place, tuple[Cause, ...]]:
        codes, is_roll_up = self._encoded(), self._metrics.is_roll_up
        causes = {}
        for place, points in zip(places, self._judged.intervals(places), strict=True):
            # Roll-ups are sums of leaves, and no leaves.
            values = np.where(is_roll_up, np.nan, points.values)
            found = find_causes(codes, values, points.expected, points.lower, points.upper)
            causes[place] = tuple(self._named(element) for element in found)
        return causes

    def _encoded(self) -> Ints:
        """Return the codes of the combinations' dimension values."""
        combinations = self._metrics.combinations
        codes = np.full((len(self._metrics.dimension_names), len(combinations)), MISSING, np.int64)
        for dimension in range(len(codes)):
            known: dict[str, int] = {}
            for row, combination in enumerate(combinations):
                value = combination[dimension]
                if value is not None:
                    codes[dimension, row] = known.setdefault(value, len(known))
            self._values.append(list(known))
        return codes

    def _named(self, element: Element) -> Cause:
        names = self._metrics.dimension_names
        return Cause(
            tuple((names[dimension], self._values[dimension][code]) for dimension, code in element.values),
            round(element.share_off, 4) if math.isfinite(element.share_off) else None,
            round(element.explained, 4),
            round(element.gain, 2),
        )
