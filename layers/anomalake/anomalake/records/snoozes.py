"""Snoozes: no alerts about a group or some metrics until a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from anomalake.groups.anomaly_group import AffectedMetric
from anomalake.records.errors import RecordError, RecordInputError
from anomalake.records.keys import detector_folder, key_pattern
from anomalake.storage.store import ObjectNotFound, ObjectStore

_KEY = key_pattern(r"snoozes/[0-9a-f]{32}\.json")
_FIELDS = ("until", "group_id", "time_series_id", "measure", "dimensions")


@dataclass(frozen=True, slots=True)
class Snooze:
    """A stop of alerts about a group, or about some metrics, in intervals that begin before a time.

    It names exactly one of: `group_id`; `time_series_id`; `measure`, `dimensions` or both.

    Attributes
    ----------
    until
        Time with a zone. It is compared with the interval, not with the clock, so that a repeated run decides alike.
    group_id
        A group, with all of its metrics.
    time_series_id
        A metric.
    measure, dimensions
        The metrics of a measure (None: of any) that have all these pairs of dimension name and value.
    given_at, given_by
        Time of the snooze and name of the person; None and empty for unknown. They are no part of what a snooze is.
    """

    until: datetime
    group_id: str | None = None
    time_series_id: str | None = None
    measure: str | None = None
    dimensions: tuple[tuple[str, str], ...] = ()
    given_at: datetime | None = field(default=None, compare=False)
    given_by: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.until.tzinfo is None:
            raise RecordInputError(f"snooze: until {self.until.isoformat()!r}: expected a time with its zone")
        targets = [self.group_id, self.time_series_id, self.measure if self.measure else self.dimensions]
        if sum(bool(target) for target in targets) != 1:
            raise RecordInputError(
                "snooze: expected exactly one of a group, a time series, and a measure or dimension values"
            )

    def covers(self, measure: str, metric: AffectedMetric) -> bool:
        """Return whether the snooze names a metric of a measure, by its time series or its dimension values."""
        if self.group_id is not None:
            return False
        if self.time_series_id is not None:
            return metric.time_series_id == self.time_series_id
        return self.measure in (None, measure) and set(self.dimensions) <= set(metric.dimensions)

    def to_fields(self) -> dict[str, Any]:
        """Return the fields in JSON's types."""
        fields = {
            "until": self.until.isoformat(),
            "group_id": self.group_id,
            "time_series_id": self.time_series_id,
            "measure": self.measure,
            "dimensions": [list(pair) for pair in self.dimensions],
        }
        given = {"given_at": self.given_at.isoformat() if self.given_at else None, "given_by": self.given_by or None}
        return fields | {name: value for name, value in given.items() if value is not None}

    @classmethod
    def from_fields(cls, given: Mapping[str, Any]) -> Snooze:
        """Inverse of `to_fields`; raises `RecordError`."""
        try:
            known = {name: given[name] for name in _FIELDS if given.get(name) is not None}
            known["until"] = datetime.fromisoformat(known["until"])
            if given.get("given_at") is not None:
                known["given_at"] = datetime.fromisoformat(given["given_at"])
            known["given_by"] = str(given.get("given_by") or "")
            known["dimensions"] = tuple((str(name), str(value)) for name, value in known.get("dimensions", ()))
            return cls(**known)
        except RecordInputError as error:
            raise RecordError(str(error)) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RecordError(f"snooze: {type(error).__name__} {error}; expected the fields of a snooze") from error


def snoozes_folder(detector: str) -> str:
    """Return the folder of a detector's snoozes."""
    return f"{detector_folder(detector)}/snoozes"


def snooze_id(snooze: Snooze) -> str:
    """Return the id of a snooze, 32 hex digits: the same for the same snooze, whoever gave it."""
    return hashlib.sha256(to_json(replace(snooze, given_at=None, given_by=""))).hexdigest()[:32]


def snooze_key(detector: str, snooze: Snooze) -> str:
    """Return the key of a snooze."""
    return snooze_key_of(detector, snooze_id(snooze))


def snooze_key_of(detector: str, id_: str) -> str:
    """Return the key of the snooze with an id."""
    return f"{snoozes_folder(detector)}/{id_}.json"


def is_snooze_key(key: str) -> bool:
    """Whether a key is that of a snooze."""
    return _KEY.fullmatch(key) is not None


def to_json(snooze: Snooze) -> bytes:
    """Write a snooze as JSON."""
    return json.dumps(snooze.to_fields(), indent=1, sort_keys=True).encode("ascii")


def from_json(body: bytes, place: str = "snooze") -> Snooze:
    """Inverse of `to_json`; raises `RecordError`, which names `place`."""
    try:
        return Snooze.from_fields(json.loads(body))
    except ValueError as error:
        raise RecordError(f"{place}: {error}") from error


def write_snooze(store: ObjectStore, detector: str, snooze: Snooze) -> str:
    """Write a snooze and return its key; raises `StoreError`."""
    key = snooze_key(detector, snooze)
    store.put(key, to_json(snooze))
    return key


def read_snoozes(store: ObjectStore, detector: str) -> tuple[list[Snooze], list[str]]:
    """Read a detector's snoozes, and a line for each that cannot be read; raises `StoreError`."""
    snoozes, problems = [], []
    for key in sorted(entry.key for entry in store.list(snoozes_folder(detector))):
        try:
            snoozes.append(from_json(store.get(key), f"{store.uri}/{key}"))
        except ObjectNotFound:
            continue
        except RecordError as error:
            problems.append(str(error))
    return snoozes, problems
