"""Feedback on affected metrics (AnomalyGroupTimeSeriesFeedback), and its effect on later scores.

A point's evidence is ``e = s / (100 - s)`` for its severity ``s``: how unlikely it is, in units of what makes an
anomaly, so that 1 is where one begins. Who says that a point of evidence ``f`` is no anomaly raises what it takes, for
that metric and that direction, from 1 to ``1.25 f``; who says that it is one lowers it to between 0.25 and 0.8,
according to how little evidence it had. It counts in full at the same time of day (for daily data: on the same
weekday), and the less the farther from it, down to half of it (the square root) at the opposite one. So the same
deviation is passed over next time, a far larger one is not, and no other metric is touched.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from anomalake.alerts.timestamps import zone_of
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.metrics import Metrics
from anomalake.records.executions import RecordError, detector_folder, stamp
from anomalake.storage.store import ObjectStore

#: How far beyond what was called no anomaly the next one begins.
MARGIN = 1.25
#: The least that evidence must be for an anomaly, however much people ask for.
LEAST = 0.25

_DAY, _WEEK = 86_400, 7 * 86_400


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a person said of one metric in one interval.

    Attributes
    ----------
    detector_arn, anomaly_group_id, time_series_id, is_anomaly
        As in L4M's PutFeedback; the group may be unknown.
    measure, dimensions
        Of the metric; `dimensions` are pairs of name and value.
    timestamp
        Start of the interval.
    direction
        1 where the value was above what was expected, -1 below.
    severity
        Of the point, 0 to 100, as it was before anybody said anything.
    given_at
        When it was said; of two sayings about one point the later one counts.
    """

    detector_arn: str
    time_series_id: str
    measure: str
    dimensions: tuple[tuple[str, str], ...]
    timestamp: datetime
    is_anomaly: bool
    direction: int
    severity: float
    given_at: datetime
    anomaly_group_id: str | None = None

    @property
    def threshold(self) -> float:
        """What evidence an anomaly takes after it, at the same time of day."""
        evidence = self.severity / (100 - self.severity)
        if self.is_anomaly:
            return float(min(max(evidence / MARGIN, LEAST), 1 / MARGIN))
        return max(1.0, MARGIN * evidence)

    def to_fields(self) -> dict[str, Any]:
        """As JSON's own types."""
        instants = {"timestamp": self.timestamp.isoformat(), "given_at": self.given_at.isoformat()}
        return {**asdict(self), **instants, "dimensions": [list(pair) for pair in self.dimensions]}

    @classmethod
    def from_fields(cls, given: Mapping[str, Any]) -> Feedback:
        """Out of `to_fields`; raises `RecordError`."""
        try:
            instants = {name: datetime.fromisoformat(given[name]) for name in ("timestamp", "given_at")}
            dimensions = tuple((str(name), str(value)) for name, value in given["dimensions"])
            made = cls(**{**given, **instants, "dimensions": dimensions})
            if made.direction not in (-1, 1) or not 0 <= made.severity < 100:
                raise ValueError(f"direction {made.direction!r}, severity {made.severity!r}")
            return made
        except (TypeError, ValueError, KeyError) as error:
            raise RecordError(f"feedback: {error}; expected the fields of a feedback") from error


def write_feedback(store: ObjectStore, detector: str, feedback: Feedback) -> None:
    """Keep what was said; raises `StoreError`."""
    said = f"{stamp(feedback.timestamp)}-{stamp(feedback.given_at)}"
    key = f"{detector_folder(detector)}/feedback/{feedback.time_series_id}/{said}.json"
    store.put(key, json.dumps(feedback.to_fields(), indent=1).encode("ascii"))


def read_feedback(store: ObjectStore, detector: str) -> tuple[list[Feedback], list[str]]:
    """What was said last of each point, and what cannot be read of it, a line each; raises `StoreError`."""
    last: dict[tuple[str, datetime], Feedback] = {}
    unread: list[str] = []
    for key in sorted(one.key for one in store.list(f"{detector_folder(detector)}/feedback")):
        try:
            said = Feedback.from_fields(json.loads(store.get(key)))
        except ValueError as error:
            unread.append(f"{store.uri}/{key}: {error}")
            continue
        before = last.get((said.time_series_id, said.timestamp))
        if before is None or before.given_at <= said.given_at:
            last[said.time_series_id, said.timestamp] = said
    return list(last.values()), unread


def apply_feedback(metrics: Metrics, judgement: Judgement, feedback: Iterable[Feedback]) -> Judgement:
    """A judgement that heeds what was said of earlier intervals.

    Parameters
    ----------
    metrics, judgement
        Any number of judged intervals.
    feedback
        Of the same detector; what was said of a metric that is not there, or of a later interval, does nothing.

    Returns
    -------
    The same, with other severities where it was heeded; a range then reaches to the value where it is no anomaly any
    more, and ends before it where it has become one.
    """
    said = list(feedback)
    if not said or not judgement.severity.size:
        return judgement
    rows = _rows(metrics)
    judged = metrics.starts[judgement.first : judgement.first + judgement.severity.shape[1]]
    deviation = metrics.flat[:, judgement.first : judgement.first + len(judged)] - judgement.expected
    # For each metric and direction that anybody spoke of: the highest threshold by "no", the lowest by "yes".
    raised: dict[tuple[int, int], npt.NDArray[np.float64]] = {}
    lowered: dict[tuple[int, int], npt.NDArray[np.float64]] = {}
    for one in said:
        row = rows.get((one.measure, tuple(sorted(one.dimensions))))
        if row is None:
            continue
        threshold = np.log(one.threshold) * _likeness(metrics, judged, one.timestamp)
        place = (row, one.direction)
        if one.is_anomaly:
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
    values = metrics.flat[:, judgement.first : judgement.first + len(judged)]
    passed, caught = judgement.is_anomaly & ~is_anomaly, is_anomaly & ~judgement.is_anomaly
    lower[passed], upper[passed] = np.fmin(lower, values)[passed], np.fmax(upper, values)[passed]
    inside = np.nextafter(values, judgement.expected)
    above = caught & (deviation > 0)
    below = caught & (deviation < 0)
    upper[above], lower[below] = np.fmin(upper, inside)[above], np.fmax(lower, inside)[below]
    return replace(judgement, severity=severity, lower=lower, upper=upper, is_anomaly=is_anomaly)


def _rows(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], int]:
    named = [tuple(sorted(metrics.dimensions(k))) for k in range(len(metrics.combinations))]
    return {
        (measure, dimensions): m * len(named) + k
        for m, measure in enumerate(metrics.measures)
        for k, dimensions in enumerate(named)
    }


def _likeness(metrics: Metrics, starts: npt.NDArray[np.datetime64], timestamp: datetime) -> npt.NDArray[np.float64]:
    """How much of it counts in each interval: 0 up to its own, then 1 down to 0.5 by the distance in the rhythm."""
    period = _WEEK if metrics.frequency == "P1D" else _DAY
    instants = starts.astype("datetime64[s]").astype(np.int64)
    zone = zone_of(metrics.timezone)
    at = int(timestamp.timestamp())
    shift = {one: _offset(zone, one) for one in {at, *(instants // 3600 * 3600).tolist()}}
    local = instants + np.array([shift[one] for one in (instants // 3600 * 3600).tolist()], np.int64)
    apart = np.abs(local - (at + shift[at])) % period
    distance = np.minimum(apart, period - apart) / (period / 2)
    return np.where(instants > at, 1 - distance / 2, 0.0)


def _offset(zone: Any, instant: int) -> int:
    shift = datetime.fromtimestamp(instant, zone).utcoffset()
    return int(shift.total_seconds()) if shift is not None else 0
