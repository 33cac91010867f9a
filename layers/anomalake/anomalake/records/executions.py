"""Executions: records of a live detector's runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

from anomalake.records.data_quality import DataQuality
from anomalake.records.errors import RecordError
from anomalake.records.keys import detector_folder, key_pattern, match_key, stamp
from anomalake.storage.store import ObjectNotFound, ObjectStore

#: Status of an execution.
SUCCEEDED, FAILED, LEARNING, SKIPPED, EARLY = "SUCCEEDED", "FAILED", "LEARNING", "SKIPPED", "EARLY"
STARTED = "STARTED"
# End of the id of a run that only started a job, which is no try of the interval.
_STARTING = "-started"

_KEY = key_pattern(r"executions/{stamp}/(?P<run>[^/]+)\.json")
_INSTANTS = ("timestamp", "started_at", "ended_at", "model")


@dataclass(frozen=True, slots=True)
class Execution:
    """A run of one interval.

    Attributes
    ----------
    detector_arn
        AnomalyDetectorArn.
    timestamp
        Start of the interval.
    status
        ``SUCCEEDED``, ``FAILED``, ``LEARNING`` (no model yet), ``SKIPPED`` (too old to be caught up automatically),
        ``STARTED`` (a job on Apache Spark was started for the interval; its own execution follows) or ``EARLY`` (the
        data of the interval are not complete yet; no record is stored).
    reason
        Why the status is not ``SUCCEEDED``; else empty.
    run_id
        Id of the run: an interval may have several.
    started_at, ended_at
        Start and end of the run.
    model
        First interval that the model judges; None while there is no model.
    version
        Version of the detector file.
    rows, bad_rows
        Rows that were used, and rows that were not; `warnings` has the reasons.
    metrics, anomalies, groups
        Number of observed metrics, of anomalous metrics and of anomaly groups.
    delivered, undelivered
        Number of alerts.
    warnings
        Problems that did not stop the run, a line each.
    quality
        Quality of the rows that were read; None where none were, and in records of earlier versions of anomalake.
    job_run
        Id of the job run that was started; empty for other statuses.
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
    quality: DataQuality | None = None
    job_run: str = ""

    def to_fields(self) -> dict[str, Any]:
        """Return the fields in JSON's types."""
        plain = asdict(replace(self, quality=None))
        del plain["quality"]
        for name in _INSTANTS:
            plain[name] = plain[name].isoformat() if plain[name] is not None else None
        quality = {} if self.quality is None else {"quality": self.quality.to_fields()}
        if not self.job_run:
            del plain["job_run"]
        return {**plain, "warnings": list(self.warnings), **quality}

    @classmethod
    def from_fields(cls, given: Mapping[str, Any]) -> Execution:
        """Inverse of `to_fields`; raises `RecordError`."""
        try:
            known = {field.name: given[field.name] for field in fields(cls) if field.name in given}
            for name in _INSTANTS:
                known[name] = datetime.fromisoformat(known[name]) if known.get(name) else None
            quality = DataQuality.from_fields(known["quality"]) if known.get("quality") else None
            return cls(**{**known, "warnings": tuple(known.get("warnings") or ()), "quality": quality})
        except (TypeError, ValueError) as error:
            raise RecordError(f"execution: {error}; expected the fields of an execution") from error


@dataclass(frozen=True, slots=True)
class ExecutionKey:
    """Parts of an execution's key."""

    detector: str
    start: datetime
    run_id: str


def starting_run_id(run_id: str) -> str:
    """Return the id of a run that only starts a job; it sorts as `run_id`."""
    return run_id + _STARTING


def executions_folder(detector: str, start: datetime | None = None) -> str:
    """Return the folder of a detector's executions, or of those of one interval."""
    folder = f"{detector_folder(detector)}/executions"
    return f"{folder}/{stamp(start)}" if start is not None else folder


def execution_key(detector: str, start: datetime, run_id: str) -> str:
    """Return the key of an execution."""
    return f"{executions_folder(detector, start)}/{run_id}.json"


def parse_execution_key(key: str) -> ExecutionKey | None:
    """Inverse of `execution_key`; None for any other key."""
    stamped = match_key(_KEY, key)
    return ExecutionKey(stamped.match["detector"], stamped.start, stamped.match["run"]) if stamped is not None else None


def to_json(execution: Execution) -> bytes:
    """Write an execution as JSON."""
    return json.dumps(execution.to_fields(), indent=1).encode("ascii")


def from_json(body: bytes, place: str = "execution") -> Execution:
    """Inverse of `to_json`; raises `RecordError`, which names `place`."""
    try:
        execution = Execution.from_fields(json.loads(body))
        if execution.timestamp.tzinfo is None:
            raise ValueError(f"timestamp {execution.timestamp.isoformat()}: expected a time with its zone")
        return execution
    except (ValueError, AttributeError, TypeError) as error:
        raise RecordError(f"{place}: {error}") from error


def write_execution(store: ObjectStore, detector: str, execution: Execution) -> None:
    """Write an execution, also as the last run with its status; raises `StoreError`."""
    store.put(last_run_key(detector, execution.status), to_json(execution))
    store.put(execution_key(detector, execution.timestamp, execution.run_id), to_json(execution))


def read_executions(store: ObjectStore, detector: str, start: datetime | None = None) -> Iterator[Execution]:
    """Read a detector's executions, or those of one interval, in the order of their keys.

    Raises
    ------
    RecordError
        A record is invalid.
    StoreError
    """
    for key in sorted(entry.key for entry in store.list(executions_folder(detector, start))):
        yield from_json(store.get(key), f"{store.uri}/{key}")


def last_run_key(detector: str, status: str) -> str:
    """Return the key of the last run that ended with a status."""
    return f"{detector_folder(detector)}/last-runs/{status}.json"


def read_last_run(store: ObjectStore, detector: str, status: str) -> Execution | None:
    """Read the last run of a detector that ended with a status, whatever its interval; None where there is none.

    Raises
    ------
    RecordError, StoreError
    """
    key = last_run_key(detector, status)
    try:
        return from_json(store.get(key), f"{store.uri}/{key}")
    except ObjectNotFound:
        return None


def last_run_statuses(store: ObjectStore, detector: str) -> frozenset[str]:
    """List the statuses that runs of a detector have ended with (`read_last_run`); raises `StoreError`."""
    keys = (entry.key for entry in store.list(f"{detector_folder(detector)}/last-runs"))
    return frozenset(key.rpartition("/")[2].removesuffix(".json") for key in keys)


def read_latest(store: ObjectStore, detector: str) -> Execution | None:
    """Read the last run of a detector's latest interval; None where there is none.

    It lists all executions; `read_last_run` does not, but older lakes lack its records.

    Raises
    ------
    RecordError, StoreError
    """
    key = max((entry.key for entry in store.list(executions_folder(detector))), default=None)
    return from_json(store.get(key), f"{store.uri}/{key}") if key is not None else None


def count_executions(store: ObjectStore, detector: str, start: datetime) -> int:
    """Count the executions of an interval, without those that only started a job; raises `StoreError`."""
    keys = (entry.key for entry in store.list(executions_folder(detector, start)))
    return sum(not key.endswith(f"{_STARTING}.json") for key in keys)
