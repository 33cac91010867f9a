"""Feedback on affected metrics (L4M's AnomalyGroupTimeSeriesFeedback)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from anomalake.records.errors import RecordError
from anomalake.records.keys import detector_folder, key_pattern, match_key, stamp
from anomalake.storage.store import ObjectStore

# The stamp that is matched is that of the feedback, not that of the interval.
_KEY = key_pattern(r"feedback/[^/]+/\d{8}T\d{6}Z-{stamp}\.json")
_INTERVAL_KEY = key_pattern(r"feedback/[^/]+/{stamp}-\d{8}T\d{6}Z\.json")


@dataclass(frozen=True, slots=True)
class Feedback:
    """Feedback of a person on one metric in one interval.

    Attributes
    ----------
    detector_arn, anomaly_group_id, time_series_id, is_anomaly
        As in L4M's PutFeedback; the group may be unknown.
    measure, dimensions
        The metric; `dimensions` are pairs of name and value.
    timestamp
        Start of the interval.
    direction
        1 where the value was above the expected one, -1 where it was below.
    severity
        Severity of the point, 0 to 100, without any feedback.
    given_at
        Time of the feedback. The latest feedback on a point counts.
    given_by
        Name of the person; empty for unknown.
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
    given_by: str = ""

    def to_fields(self) -> dict[str, Any]:
        """Return the fields in JSON's types."""
        instants = {"timestamp": self.timestamp.isoformat(), "given_at": self.given_at.isoformat()}
        return {**asdict(self), **instants, "dimensions": [list(pair) for pair in self.dimensions]}

    @classmethod
    def from_fields(cls, given: Mapping[str, Any]) -> Feedback:
        """Inverse of `to_fields`; raises `RecordError`."""
        try:
            instants = {name: datetime.fromisoformat(given[name]) for name in ("timestamp", "given_at")}
            dimensions = tuple((str(name), str(value)) for name, value in given["dimensions"])
            feedback = cls(**{**given, **instants, "dimensions": dimensions})
            if feedback.direction not in (-1, 1) or not 0 <= feedback.severity < 100:
                raise ValueError(f"direction {feedback.direction!r}, severity {feedback.severity!r}")
            if not isinstance(feedback.given_by, str):
                raise ValueError(f"given_by {feedback.given_by!r}")
            return feedback
        except (TypeError, ValueError, KeyError) as error:
            raise RecordError(f"feedback: {error}; expected the fields of a feedback") from error


def feedback_folder(detector: str) -> str:
    """Return the folder of a detector's feedback."""
    return f"{detector_folder(detector)}/feedback"


def feedback_key(detector: str, feedback: Feedback) -> str:
    """Return the key of a feedback."""
    stamps = f"{stamp(feedback.timestamp)}-{stamp(feedback.given_at)}"
    return f"{feedback_folder(detector)}/{feedback.time_series_id}/{stamps}.json"


def parse_feedback_key(key: str) -> datetime | None:
    """Return the time of the feedback that has a key, to the second; None for any other key."""
    match = match_key(_KEY, key)
    return match.start if match is not None else None


def to_json(feedback: Feedback) -> bytes:
    """Write a feedback as JSON."""
    return json.dumps(feedback.to_fields(), indent=1).encode("ascii")


def from_json(body: bytes, place: str = "feedback") -> Feedback:
    """Inverse of `to_json`; raises `RecordError`, which names `place`."""
    try:
        return Feedback.from_fields(json.loads(body))
    except ValueError as error:
        raise RecordError(f"{place}: {error}") from error


def write_feedback(store: ObjectStore, detector: str, feedback: Feedback) -> None:
    """Write a feedback; raises `StoreError`."""
    store.put(feedback_key(detector, feedback), to_json(feedback))


def delete_feedback(store: ObjectStore, detector: str, feedback: Iterable[Feedback]) -> None:
    """Delete feedback, so that earlier feedback on the same points counts again; raises `StoreError`."""
    store.delete([feedback_key(detector, record) for record in feedback])


def read_feedback(
    store: ObjectStore,
    detector: str,
    series_id: str | None = None,
    intervals: tuple[datetime, datetime] | None = None,
) -> tuple[list[Feedback], list[str]]:
    """Read the latest feedback on each point, and a line for each record that cannot be read; raises `StoreError`.

    Parameters
    ----------
    series_id
        The metric. Default: all.
    intervals
        Start of the first and of the last interval. Default: all. Records of other intervals are not read.
    """
    folder = feedback_folder(detector) if series_id is None else f"{feedback_folder(detector)}/{series_id}"
    latest: dict[tuple[str, datetime], Feedback] = {}
    problems: list[str] = []
    for key in sorted(entry.key for entry in store.list(folder)):
        if intervals is not None and not _is_within(key, *intervals):
            continue
        try:
            feedback = from_json(store.get(key), f"{store.uri}/{key}")
        except RecordError as error:
            problems.append(str(error))
            continue
        point = (feedback.time_series_id, feedback.timestamp)
        if point not in latest or latest[point].given_at <= feedback.given_at:
            latest[point] = feedback
    return list(latest.values()), problems


def _is_within(key: str, first: datetime, last: datetime) -> bool:
    # A key that has no interval is read, so that the problem is reported.
    match = match_key(_INTERVAL_KEY, key)
    return match is None or first <= match.start <= last
