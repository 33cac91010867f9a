"""The result of judging points."""

from __future__ import annotations

from dataclasses import dataclass

from anomalake.model.array_types import BoolArray, FloatArray

#: Severity from which a point is an anomaly.
ANOMALOUS = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """Judged points: arrays of shape (metrics, judged intervals), with the metrics in the order of `Metrics.flat`.

    Attributes
    ----------
    first
        Index into `Metrics.starts` of the first judged interval.
    expected, lower, upper
        float64, in the measure's unit: the value expected before the point was used, and the range in which a point is
        no anomaly. NaN for a metric with too little history.
    severity
        float64, from 0 to less than 100; 0 where nothing was observed or expected.
    is_anomaly
        True for a severity of at least `ANOMALOUS`.
    is_missing
        Anomalies without a value; None where there are none.
    """

    first: int
    expected: FloatArray
    lower: FloatArray
    upper: FloatArray
    severity: FloatArray
    is_anomaly: BoolArray
    is_missing: BoolArray | None = None
