"""Near misses: the most unusual points that are no anomalies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from anomalake.frequencies import FREQUENCIES
from anomalake.groups.anomaly_group import ENDS_AFTER
from anomalake.groups.contributions import Dimensions
from anomalake.groups.judged_series import JudgedSeries

#: Number of near misses of one detector that are reported.
MOST: Final = 5


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A point that is among the most unusual ones, and no anomaly.

    Attributes
    ----------
    measure, dimensions
        The metric; `dimensions` are pairs of name and value.
    timestamp
        Start of the interval, UTC.
    value, expected, lower, upper
        Observed value, expected value, and bounds of the range without an anomaly (None where a side is open), in the
        measure's unit.
    severity
        Above 0, and below `ANOMALOUS`.
    """

    measure: str
    dimensions: Dimensions
    timestamp: datetime
    value: float
    expected: float
    lower: float | None
    upper: float | None
    severity: float


def near_misses(judged: JudgedSeries, most: int = MOST) -> tuple[NearMiss, ...]:
    """Return the near misses, most unusual first."""
    metrics, unusual = judged.metrics, judged.reduction.unusual
    n_combinations = len(metrics.combinations)
    judged_starts = metrics.starts[judged.first : judged.first + judged.n_judged]
    starts = judged_starts.astype("datetime64[s]").astype(np.int64)
    measure, column = np.indices(unusual.severity.shape).reshape(2, -1)

    def near_miss(place: int) -> NearMiss:
        at = int(measure[place]), int(column[place])
        return NearMiss(
            measure=metrics.measures[at[0]],
            dimensions=metrics.dimensions(int(unusual.row[at]) % n_combinations),
            timestamp=datetime.fromtimestamp(int(starts[at[1]]), UTC),
            value=float(unusual.value[at]),
            expected=float(unusual.expected[at]),
            lower=_finite(unusual.lower[at]),
            upper=_finite(unusual.upper[at]),
            severity=float(unusual.severity[at]),
        )

    places = most_unusual(measure, starts[column], unusual.severity.ravel(), metrics.frequency, most)
    return tuple(near_miss(place) for place in places.tolist())


def most_unusual(
    measure: npt.NDArray[np.int64],
    time: npt.NDArray[np.int64],
    severity: npt.NDArray[np.float64],
    frequency: str,
    most: int = MOST,
) -> npt.NDArray[np.int64]:
    """Return the indices of the points with the highest severities, highest first.

    Of the points of one measure whose intervals are as near to each other as those of a group, only the first counts:
    they are one event.

    Parameters
    ----------
    measure, time, severity
        Number of the measure, start of the interval in epoch seconds, and severity of each point. Points with a
        severity of 0 or NaN are left out.
    """
    apart = ENDS_AFTER + 0.5
    left = np.nan_to_num(severity)
    chosen: list[int] = []
    while len(chosen) < most and len(left):
        best = int(np.argmax(left))
        if not left[best] > 0:
            break
        chosen.append(best)
        same_event = np.abs(time - time[best]) < apart * FREQUENCIES[frequency].seconds
        left = np.where(same_event & (measure == measure[best]), 0.0, left)
    return np.array(chosen, np.int64)


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None
