"""What the model says of points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: Severity from which a point is an anomaly.
ANOMALOUS = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """Judged points of all metrics, each array of shape (metrics, judged intervals), in the order of `Metrics.flat`.

    Attributes
    ----------
    first
        Index into `Metrics.starts` of the first judged interval.
    expected, lower, upper
        float64, in the measure's unit: what was expected before the point was seen, and the range within which a point
        is no anomaly. NaN where the metric is not known well enough yet.
    severity
        float64, 0 to 100, never 100 itself; 0 where nothing was observed or expected.
    is_anomaly
        bool: severity of at least `ANOMALOUS`.
    """

    first: int
    expected: npt.NDArray[np.float64]
    lower: npt.NDArray[np.float64]
    upper: npt.NDArray[np.float64]
    severity: npt.NDArray[np.float64]
    is_anomaly: npt.NDArray[np.bool_]
