"""What is below an anomalous roll-up: the part of each dimension value in its deviation."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from anomalake.groups.contributions import Part
from anomalake.groups.judged_series import IntervalPoints
from anomalake.model.metrics import Metrics

# Most values of a dimension that are named below a roll-up, those with the largest parts.
_MOST_VALUES: Final = 1_000


class RollUpParts:
    """Parts of the roll-ups of judged intervals.

    Parameters
    ----------
    metrics
        The metrics; combinations that were not observed in an interval are among them.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._is_roll_up = metrics.is_roll_up
        self._values: list[list[str]] = []
        self._codes: list[npt.NDArray[np.int64]] = []
        for d in range(len(metrics.dimension_names)):
            numbers: dict[str, int] = {}
            codes = [
                -1 if (value := combination[d]) is None else numbers.setdefault(value, len(numbers))
                for combination in metrics.combinations
            ]
            self._values.append(list(numbers))
            self._codes.append(np.array(codes, np.int64))

    def of(self, points: IntervalPoints, k: int, value: float, expected: float) -> tuple[Part, ...]:
        """Return the parts of a roll-up's deviation.

        The part of a value is how far all of it deviates in the direction of the roll-up. A combination that was not
        observed counts as zero.

        Parameters
        ----------
        points
            All points of its measure and interval.
        k
            Index of its combination.
        value, expected
            Its value, and what was expected of it.
        """
        metrics = self._metrics
        deviation = value - expected
        own = next((d for d, of_dimension in enumerate(metrics.combinations[k]) if of_dimension is not None), None)
        parts: list[Part] = []
        for d, name in enumerate(metrics.dimension_names):
            if d == own:
                parts.append((name, str(metrics.combinations[k][d]), abs(deviation)))
                continue
            below = self._below(k, own, d)
            amounts = self._amounts(points, below, d, expected) * np.sign(deviation)
            largest = np.argsort(-amounts, kind="stable")[:_MOST_VALUES]
            parts += [(name, self._values[d][v], float(amounts[v])) for v in largest.tolist() if amounts[v] > 0]
        return tuple(parts)

    def _below(self, k: int, own: int | None, d: int) -> npt.NDArray[np.int64]:
        """Return the combinations that split a roll-up by dimension `d`, each with a value of it."""
        is_roll_up = self._is_roll_up
        has_value = self._codes[d] >= 0
        if own is not None:
            return np.flatnonzero(~is_roll_up & has_value & (self._codes[own] == self._codes[own][k]))
        # The totals of the values; with one dimension, these are the combinations.
        return np.flatnonzero(has_value & (is_roll_up if len(self._codes) > 1 else ~is_roll_up))

    def _amounts(
        self, points: IntervalPoints, below: npt.NDArray[np.int64], d: int, whole: float
    ) -> npt.NDArray[np.float64]:
        """Return the deviation of each value of a dimension; `whole`: what is expected of all combinations."""
        value, expected = points.values[below], points.expected[below]
        known = np.isfinite(expected)
        value, expected, codes = value[known], expected[known], self._codes[d][below[known]]
        missing = np.isnan(value)
        # What ended long ago is still expected: together, the combinations have no more than the roll-up.
        left, absent = whole - expected[~missing].sum(), np.maximum(expected[missing], 0.0).sum()
        share = min(max(left / absent, 0.0), 1.0) if absent > 0 else 0.0
        deviation = np.where(missing, -share * np.maximum(expected, 0.0), value - expected)
        return np.bincount(codes, deviation, len(self._values[d]))
