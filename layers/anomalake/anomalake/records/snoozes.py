"""Snoozes in a lake: ``snoozes/<hash>.json`` below the detector's folder, one object each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from anomalake.groups.anomaly_group import AffectedMetric
from anomalake.records.executions import detector_folder
from anomalake.storage.store import ObjectNotFound, ObjectStore

_FIELDS = ("until", "group_id", "time_series_id", "measure", "dimensions")


@dataclass(frozen=True, slots=True)
class Snooze:
    """Silence about a group, or about some metrics, in intervals that begin before a time.

    Exactly one of the three ways to say about what: `group_id`; `time_series_id`; `measure`, `dimensions` or both.

    Attributes
    ----------
    until
        With a zone. Compared with the interval, not with the clock, so that a run again decides alike.
    group_id
        All of one group.
    time_series_id
        One metric.
    measure, dimensions
        The metrics of a measure (None: of any) that bear all these pairs of dimension name and value.
    """

    until: datetime
    group_id: str | None = None
    time_series_id: str | None = None
    measure: str | None = None
    dimensions: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.until.tzinfo is None:
            raise ValueError(f"snooze: until {self.until.isoformat()!r}: expected a time with its zone")
        ways = [self.group_id, self.time_series_id, self.measure if self.measure else self.dimensions]
        if sum(bool(way) for way in ways) != 1:
            raise ValueError(
                "snooze: expected exactly one of a group, a time series, and a measure or dimension values"
            )

    def covers(self, measure: str, metric: AffectedMetric) -> bool:
        """Whether it is about a metric of a measure."""
        if self.group_id is not None:
            return False
        if self.time_series_id is not None:
            return metric.time_series_id == self.time_series_id
        return self.measure in (None, measure) and set(self.dimensions) <= set(metric.dimensions)

    def to_fields(self) -> dict[str, Any]:
        """As JSON's own types."""
        return {
            "until": self.until.isoformat(),
            "group_id": self.group_id,
            "time_series_id": self.time_series_id,
            "measure": self.measure,
            "dimensions": [list(pair) for pair in self.dimensions],
        }

    @classmethod
    def from_fields(cls, given: Mapping[str, Any]) -> Snooze:
        """Out of `to_fields`; raises ValueError."""
        try:
            known = {name: given[name] for name in _FIELDS if given.get(name) is not None}
            known["until"] = datetime.fromisoformat(known["until"])
            known["dimensions"] = tuple((str(name), str(value)) for name, value in known.get("dimensions", ()))
            return cls(**known)
        except (KeyError, TypeError) as error:
            raise ValueError(f"snooze: {type(error).__name__} {error}; expected the fields of a snooze") from error


def write_snooze(store: ObjectStore, detector: str, snooze: Snooze) -> str:
    """Keep a snooze; returns its key, the same for the same snooze; raises `StoreError`."""
    body = json.dumps(snooze.to_fields(), indent=1, sort_keys=True).encode("ascii")
    key = f"{detector_folder(detector)}/snoozes/{hashlib.sha256(body).hexdigest()[:32]}.json"
    store.put(key, body)
    return key


def read_snoozes(store: ObjectStore, detector: str) -> tuple[list[Snooze], list[str]]:
    """All snoozes of a detector, and what cannot be read of them, a line each; raises `StoreError`."""
    snoozes, unread = [], []
    for key in sorted(one.key for one in store.list(f"{detector_folder(detector)}/snoozes")):
        try:
            snoozes.append(Snooze.from_fields(json.loads(store.get(key))))
        except ObjectNotFound:
            continue
        except ValueError as error:
            unread.append(f"{store.uri}/{key}: {error}")
    return snoozes, unread
