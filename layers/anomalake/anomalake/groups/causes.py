"""Root causes of anomaly groups, from all metrics of the measure that have a value."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from anomalake.alerts import Cause
from anomalake.causes.leaves import MISSING, Ints
from anomalake.causes.search import Element, find_causes
from anomalake.groups.anomaly_group import Group, GroupInterval
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics


def with_causes(
    groups: Iterable[Group],
    metrics: Metrics,
    judgement: Judgement,
    is_wanted: Callable[[Group, GroupInterval], bool] = lambda group, interval: True,
) -> tuple[Group, ...]:
    """Return groups with the root causes of their judged intervals.

    Parameters
    ----------
    groups
        Groups of `metrics` and `judgement`; their intervals that are not judged here keep their causes.
    is_wanted
        Tells whether an interval of a group gets causes.
    """
    finder = _Finder(metrics, judgement)
    return tuple(
        replace(
            group,
            intervals=tuple(
                replace(interval, causes=finder.causes(group.measure, place))
                if (place := finder.place(interval)) is not None and is_wanted(group, interval)
                else interval
                for interval in group.intervals
            ),
        )
        for group in groups
    )


class _Finder:
    def __init__(self, metrics: Metrics, judgement: Judgement) -> None:
        self._metrics = metrics
        self._judgement = judgement
        starts = metrics.starts[judgement.first :].astype("datetime64[s]").astype(np.int64)
        self._places = {start: place for place, start in enumerate(starts[: judgement.is_anomaly.shape[1]].tolist())}
        self._codes: Ints | None = None
        self._values: list[list[str]] = []

    def place(self, interval: GroupInterval) -> int | None:
        """Return the index of an interval among the judged ones; None where it was not judged here."""
        return self._places.get(int(interval.timestamp.timestamp()))

    def causes(self, measure: str, place: int) -> tuple[Cause, ...]:
        metrics, judgement = self._metrics, self._judgement
        if self._codes is None:
            self._encode()
        assert self._codes is not None
        number = metrics.measures.index(measure)
        rows = slice(number * len(metrics.combinations), (number + 1) * len(metrics.combinations))
        values = metrics.values[number, :, judgement.first + place]
        # Roll-ups are sums of leaves, and no leaves.
        found = find_causes(
            self._codes,
            np.where(metrics.is_roll_up, np.nan, values),
            judgement.expected[rows, place],
            judgement.lower[rows, place],
            judgement.upper[rows, place],
        )
        return tuple(self._named(element) for element in found)

    def _encode(self) -> None:
        """Give each dimension value a code."""
        combinations = self._metrics.combinations
        codes = np.full((len(self._metrics.dimension_names), len(combinations)), MISSING, np.int64)
        for dimension in range(len(codes)):
            known: dict[str, int] = {}
            for row, combination in enumerate(combinations):
                value = combination[dimension]
                if value is not None:
                    codes[dimension, row] = known.setdefault(value, len(known))
            self._values.append(list(known))
        self._codes = codes

    def _named(self, element: Element) -> Cause:
        names = self._metrics.dimension_names
        return Cause(
            tuple((names[dimension], self._values[dimension][code]) for dimension, code in element.values),
            round(element.share_off, 4) if math.isfinite(element.share_off) else None,
            round(element.explained, 4),
            round(element.gain, 2),
        )
