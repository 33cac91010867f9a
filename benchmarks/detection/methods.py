"""All methods by name: how they score, and from which score on they speak of an anomaly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.detection import ours, simple

Floats = npt.NDArray[np.float64]
#: Values (series, points) with NaN, minutes of an interval, first point to judge; scores (series, points from there).
Score = Callable[[Floats, int, int], Floats]


@dataclass(frozen=True, slots=True)
class Method:
    """A way to find anomalies.

    Attributes
    ----------
    what
        For people.
    score
        The higher, the more of an anomaly.
    threshold
        A score at or above it is one, by the method's or the field's default.
    """

    what: str
    score: Score
    threshold: float


METHODS: dict[str, Method] = {
    "ours": Method("anomalake", ours.score, ours.ANOMALOUS),
    "huber": Method("Huber autoregression, lags 1-6, a day, a week", simple.huber_autoregression, 3),
    "hour_of_week": Method("hour-of-week median / MAD", simple.hour_of_week, 3),
    "recent_median": Method("hour-of-week residual less its recent median", simple.recent_median, 3),
    "differences": Method("plain differences", simple.differences, 3),
    "spectral_residual": Method("spectral residual", simple.spectral_residual, 3),
}
