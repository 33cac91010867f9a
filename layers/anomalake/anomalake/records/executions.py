"""What detection leaves in the lake beside its arrays: executions, under keys computed from detector and interval."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from anomalake.errors import AnomalakeError
from anomalake.storage.store import ObjectStore

FOLDER = "detection"

#: What became of a run, in the words of its record.
SUCCEEDED, FAILED, LEARNING, SKIPPED, EARLY = "SUCCEEDED", "FAILED", "LEARNING", "SKIPPED", "EARLY"

_STAMP = "%Y%m%dT%H%M%SZ"
_DETECTOR = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}")


class RecordError(AnomalakeError, ValueError):
    """A record in the lake that is not what it should be: where, and what was expected."""


def stamp(start: datetime) -> str:
    """An interval's start in a key: ``YYYYMMDDTHHMMSSZ``, UTC, so that keys sort by time."""
    return start.astimezone(UTC).strftime(_STAMP)


def parse_stamp(text: str) -> datetime:
    """The instant that a key names; raises ValueError."""
    return datetime.strptime(text, _STAMP).replace(tzinfo=UTC)


def detector_folder(name: str) -> str:
    """Folder of a detector's records; raises ValueError for what is no detector's name."""
    if not _DETECTOR.fullmatch(name):
        raise ValueError(f"detector {name!r}: expected 1 to 63 of A-Z a-z 0-9 _ -")
    return f"{FOLDER}/detector={name}"


@dataclass(frozen=True, slots=True)
class Execution:
    """One run for one interval.

    Attributes
    ----------
    detector_arn
        AnomalyDetectorArn.
    timestamp
        Start of the interval.
    status
        ``SUCCEEDED``, ``FAILED``, ``LEARNING`` (no model yet), ``SKIPPED`` (too long ago to be caught up) or ``EARLY``
        (its data is not complete yet; leaves no record).
    reason
        Why it is not ``SUCCEEDED``; empty where it is.
    run_id
        Names the run: one interval may have several.
    started_at, ended_at
        When the run worked.
    model
        Start of the interval that the model was fitted for; None while there is none.
    version
        Of what the model depends on in the detector file.
    rows, bad_rows
        Rows that were used, and those that were not and why is told in `warnings`.
    metrics, anomalies, groups
        Metrics that were observed, anomalous ones, and anomaly groups.
    delivered, undelivered
        Alerts.
    warnings
        What went differently from the plan and harmed nothing for good, a line each.
    """

    detector_arn: str
    timestamp: datetime
    status: str
    reason: str = ""
    run_id: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    model: datetime | None = None
    version: str = ""
    rows: int = 0
    bad_rows: int = 0
    metrics: int = 0
    anomalies: int = 0
    groups: int = 0
    delivered: int = 0
    undelivered: int = 0
    warnings: tuple[str, ...] = ()

    def to_fields(self) -> dict[str, Any]:
        """As JSON's own types."""
        plain = asdict(self)
        for name in _INSTANTS:
            plain[name] = plain[name].isoformat() if plain[name] is not None else None
        return {**plain, "warnings": list(self.warnings)}

    @classmethod
    def from_fields(cls, given: Mapping[str, Any]) -> Execution:
        """Out of `to_fields`; raises `RecordError`."""
        try:
            known = {one.name: given[one.name] for one in fields(cls) if one.name in given}
            for name in _INSTANTS:
                known[name] = datetime.fromisoformat(known[name]) if known.get(name) else None
            return cls(**{**known, "warnings": tuple(known.get("warnings") or ())})
        except (TypeError, ValueError) as error:
            raise RecordError(f"execution: {error}; expected the fields of an execution") from error


_INSTANTS = ("timestamp", "started_at", "ended_at", "model")


def execution_key(name: str, start: datetime, run_id: str) -> str:
    """Key of a run's record."""
    return f"{detector_folder(name)}/executions/{stamp(start)}/{run_id}.json"


def write_execution(store: ObjectStore, name: str, execution: Execution) -> None:
    """Keep a run's record; raises `StoreError`."""
    body = json.dumps(execution.to_fields(), indent=1).encode("ascii")
    store.put(execution_key(name, execution.timestamp, execution.run_id), body)


def read_executions(store: ObjectStore, name: str, start: datetime | None = None) -> Iterator[Execution]:
    """A detector's runs, of one interval or all, in the order of their keys; raises `StoreError`, `RecordError`."""
    folder = f"{detector_folder(name)}/executions"
    for key in sorted(one.key for one in store.list(f"{folder}/{stamp(start)}" if start is not None else folder)):
        try:
            yield Execution.from_fields(json.loads(store.get(key)))
        except ValueError as error:
            raise RecordError(f"{store.uri}/{key}: {error}") from error


def tried(store: ObjectStore, name: str, start: datetime) -> int:
    """How many runs of an interval are recorded; raises `StoreError`."""
    return sum(1 for _ in store.list(f"{detector_folder(name)}/executions/{stamp(start)}"))
