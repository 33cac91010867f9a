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
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.metrics import Metrics

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


def near_misses(metrics: Metrics, judgement: Judgement, most: int = MOST) -> tuple[NearMiss, ...]:
    """Return the near misses, most unusual first."""
    n_measures, n_combinations = len(metrics.measures), len(metrics.combinations)
    n_judged = judgement.severity.shape[1]
    if not judgement.severity.size:
        return ()
    starts = metrics.starts[judgement.first : judgement.first + n_judged].astype("datetime64[s]").astype(np.int64)
    below = np.where(judgement.severity < ANOMALOUS, judgement.severity, 0.0)
    by_measure = below.reshape(n_measures, n_combinations, n_judged)
    # The most unusual metric of each measure and interval.
    worst = np.argmax(by_measure, axis=1)
    measure, column = np.indices(worst.shape).reshape(2, -1)
    severity = by_measure.max(axis=1).ravel()

    def near_miss(place: int) -> NearMiss:
        m, t = int(measure[place]), int(column[place])
        k = int(worst[m, t])
        row = m * n_combinations + k
        return NearMiss(
            measure=metrics.measures[m],
            dimensions=metrics.dimensions(k),
            timestamp=datetime.fromtimestamp(int(starts[t]), UTC),
            value=float(metrics.flat[row, judgement.first + t]),
            expected=float(judgement.expected[row, t]),
            lower=_finite(judgement.lower[row, t]),
            upper=_finite(judgement.upper[row, t]),
            severity=float(severity[place]),
        )

    places = most_unusual(measure, starts[column], severity, metrics.frequency, most)
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
