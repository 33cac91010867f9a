"""Effect of feedback on the severity of later points.

The evidence of a point of severity ``s`` is ``e = s / (100 - s)``; a point is an anomaly from ``e = 1`` on. Feedback
changes this threshold for its metric and its direction. "No anomaly" on a point with evidence ``f`` raises it from 1 to
``1.25 f``. "Anomaly" lowers it to between 0.25 and 0.8, the lower the less evidence the point had.

The full change holds at the same time of day (for daily data, on the same weekday; for weekly data, in every week). It
decreases with the distance from that time, down to the square root at the opposite time. So the same deviation is no
anomaly the next time, a much larger one still is, and no other metric changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from anomalake.alerts.timestamps import zone_of
from anomalake.frequencies import FREQUENCIES
from anomalake.model.array_types import FloatArray, TimeArray
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.metrics import Metrics
from anomalake.records.feedback import Feedback

#: Ratio between the evidence of a point with feedback and the threshold after it.
MARGIN = 1.25
#: Lowest threshold that feedback leads to.
MIN_THRESHOLD = 0.25

_DAY, _WEEK = 86_400, 7 * 86_400


def evidence_threshold(feedback: Feedback) -> float:
    """Return the evidence that makes an anomaly after a feedback, at the same time of day."""
    evidence = feedback.severity / (100 - feedback.severity)
    if feedback.is_anomaly:
        return float(min(max(evidence / MARGIN, MIN_THRESHOLD), 1 / MARGIN))
    return max(1.0, MARGIN * evidence)


def apply_feedback(metrics: Metrics, judgement: Judgement, feedback: Iterable[Feedback]) -> Judgement:
    """Change a judgement by the feedback on earlier intervals.

    Parameters
    ----------
    metrics, judgement
        Any number of judged intervals.
    feedback
        Feedback on the same detector. Feedback on an unknown metric, or on a later interval, has no effect.

    Returns
    -------
    The judgement with changed severities. Where a point is no anomaly any more, its range is extended to its value;
    where it has become one, its range ends before its value.
    """
    judged = metrics.starts[judgement.first : judgement.first + judgement.severity.shape[1]]
    values = metrics.flat[:, judgement.first : judgement.first + len(judged)]
    grid = Grid(metrics.frequency, metrics.timezone, judged)
    return apply_to_rows(grid, values, judgement, rows_of(metrics, feedback))


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Judged intervals: frequency, zone and starts, as of `Metrics`."""

    frequency: str
    timezone: str
    starts: TimeArray


#: Feedback with the index of its metric.
RowFeedback = tuple[int, Feedback]


def rows_of(metrics: Metrics, feedback: Iterable[Feedback]) -> tuple[RowFeedback, ...]:
    """Return the feedback on some metrics with their indexes into `Metrics.flat`."""
    feedback = list(feedback)
    rows = _rows(metrics) if feedback else {}
    found = ((rows.get((item.measure, tuple(sorted(item.dimensions)))), item) for item in feedback)
    return tuple((row, item) for row, item in found if row is not None)


def apply_to_rows(grid: Grid, values: FloatArray, judgement: Judgement, feedback: Iterable[RowFeedback]) -> Judgement:
    """Change the judgement of some series with these values; `feedback` has the indexes of these series."""
    feedback = list(feedback)
    if not feedback or not judgement.severity.size:
        return judgement
    judged = grid.starts
    deviation = values - judgement.expected
    # Logarithms of the thresholds by metric and direction: the highest that was raised, the lowest that was lowered.
    raised: dict[tuple[int, int], npt.NDArray[np.float64]] = {}
    lowered: dict[tuple[int, int], npt.NDArray[np.float64]] = {}
    for row, item in feedback:
        threshold = np.log(evidence_threshold(item)) * _weights(grid, item.timestamp)
        place = (row, item.direction)
        if item.is_anomaly:
            lowered[place] = np.minimum(lowered.get(place, np.zeros(len(judged))), threshold)
        else:
            raised[place] = np.maximum(raised.get(place, np.zeros(len(judged))), threshold)
    severity, lower, upper = judgement.severity.copy(), judgement.lower.copy(), judgement.upper.copy()
    for row, direction in raised.keys() | lowered.keys():
        change = raised.get((row, direction), 0.0) + lowered.get((row, direction), 0.0)
        same = np.sign(deviation[row]) == direction
        evidence = severity[row] / (100 - severity[row]) / np.exp(change)
        severity[row] = np.where(same, 100 * evidence / (1 + evidence), severity[row])
    is_anomaly = severity >= ANOMALOUS
    removed, added = judgement.is_anomaly & ~is_anomaly, is_anomaly & ~judgement.is_anomaly
    lower[removed], upper[removed] = np.fmin(lower, values)[removed], np.fmax(upper, values)[removed]
    inside = np.nextafter(values, judgement.expected)
    above = added & (deviation > 0)
    below = added & (deviation < 0)
    upper[above], lower[below] = np.fmin(upper, inside)[above], np.fmax(lower, inside)[below]
    return replace(judgement, severity=severity, lower=lower, upper=upper, is_anomaly=is_anomaly)


def _rows(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], int]:
    combinations = [tuple(sorted(metrics.dimensions(k))) for k in range(len(metrics.combinations))]
    return {
        (measure, dimensions): m * len(combinations) + k
        for m, measure in enumerate(metrics.measures)
        for k, dimensions in enumerate(combinations)
    }


def _weights(grid: Grid, timestamp: datetime) -> npt.NDArray[np.float64]:
    """Return the weight of a feedback in each interval.

    It is 0 up to the feedback's interval, and then 1 at the same time of day or week, down to 0.5 at the opposite time.
    """
    period = _WEEK if FREQUENCIES[grid.frequency].days else _DAY
    instants = grid.starts.astype("datetime64[s]").astype(np.int64)
    zone = zone_of(grid.timezone)
    at = int(timestamp.timestamp())
    hours = (instants // 3600 * 3600).tolist()
    offsets = {instant: _offset(zone, instant) for instant in {at, *hours}}
    local = instants + np.array([offsets[hour] for hour in hours], np.int64)
    apart = np.abs(local - (at + offsets[at])) % period
    distance = np.minimum(apart, period - apart) / (period / 2)
    return np.where(instants > at, 1 - distance / 2, 0.0)


def _offset(zone: Any, instant: int) -> int:
    offset = datetime.fromtimestamp(instant, zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0
