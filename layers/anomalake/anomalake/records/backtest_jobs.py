"""Backtest jobs: what is known of a backtest that runs after the answer to its request."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal, get_args

from anomalake.records.errors import RecordError, RecordInputError
from anomalake.records.keys import detector_folder, key_pattern
from anomalake.records.numbered import read_latest, write_next
from anomalake.storage.store import ObjectStore

Phase = Literal["WAITING", "RUNNING", "DONE", "FAILED"]

#: Most characters of a job's reason, as of L4M's FailureReason.
LONGEST_REASON: Final = 256

_ID: Final = "[0-9a-f]{32}"
_KEY = key_pattern(rf"backtest-jobs/(?P<id>{_ID})/\d{{8}}\.json")
_STEP_KEY = key_pattern(rf"backtest-steps/(?P<id>{_ID})/.+")


@dataclass(frozen=True, slots=True)
class JobProgress:
    """What a job is doing: the step (``read``, ``train``, ``test``, ``alerts``), and how much of it is done."""

    step: str = ""
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class BacktestJob:
    """A backtest job.

    Attributes
    ----------
    id
        Id of the job, 32 hex digits (`new_job_id`).
    detector
        Name of the detector.
    phase
        ``WAITING`` for a runner, ``RUNNING``, ``DONE`` or ``FAILED``.
    begun_at
        Time at which a runner took it for the first time.
    heartbeat_at
        Time of the last sign of its runner; of its end where it has ended.
    progress
        What it is doing.
    reason
        Why it failed: one line of up to `LONGEST_REASON` characters; else empty.
    runner
        Id of the run that has it; empty while it waits.
    deaths
        Number of runs that ended without a word.
    number
        Number of the stored record; 0 before the first.
    """

    id: str
    detector: str
    phase: Phase
    begun_at: datetime
    heartbeat_at: datetime
    progress: JobProgress = JobProgress()
    reason: str = ""
    runner: str = ""
    deaths: int = 0
    number: int = field(default=0, compare=False)

    @property
    def has_ended(self) -> bool:
        """Whether it is ``DONE`` or ``FAILED``."""
        return self.phase in ("DONE", "FAILED")

    def to_fields(self) -> dict[str, Any]:
        """Return the fields in JSON's types."""
        return {
            "id": self.id,
            "detector": self.detector,
            "phase": self.phase,
            "begun_at": self.begun_at.isoformat(),
            "heartbeat_at": self.heartbeat_at.isoformat(),
            "progress": {"step": self.progress.step, "done": self.progress.done, "total": self.progress.total},
            "reason": self.reason,
            "runner": self.runner,
            "deaths": self.deaths,
        }

    @classmethod
    def from_fields(cls, given: Mapping[str, Any], number: int = 0) -> BacktestJob:
        """Inverse of `to_fields`; raises `RecordError`."""
        try:
            if given["phase"] not in get_args(Phase):
                raise ValueError(f"phase {str(given['phase'])[:40]!r}")
            progress = given["progress"]
            return cls(
                id=str(given["id"]),
                detector=str(given["detector"]),
                phase=given["phase"],
                begun_at=_instant(given["begun_at"]),
                heartbeat_at=_instant(given["heartbeat_at"]),
                progress=JobProgress(str(progress["step"]), int(progress["done"]), int(progress["total"])),
                reason=str(given.get("reason", "")),
                runner=str(given.get("runner", "")),
                deaths=int(given.get("deaths", 0)),
                number=number,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RecordError(f"{type(error).__name__} {error}; expected the fields of a backtest job") from error


def new_job_id() -> str:
    """Return a new id of a job."""
    return uuid.uuid4().hex


def to_json(job: BacktestJob) -> bytes:
    """Write a job as JSON."""
    return json.dumps(job.to_fields(), indent=1, sort_keys=True).encode("ascii")


def from_json(body: bytes, number: int = 0, place: str = "backtest job") -> BacktestJob:
    """Inverse of `to_json`; raises `RecordError`, which names `place`."""
    try:
        return BacktestJob.from_fields(json.loads(body), number)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{place}: {error}") from error


def read_job(store: ObjectStore, detector: str, id_: str) -> BacktestJob | None:
    """Read a job; None where there is none.

    Raises
    ------
    RecordError, RecordInputError, StoreError
    """
    folder = job_folder(detector, id_)
    latest = read_latest(store, folder)
    if latest is None:
        return None
    return from_json(latest.body, latest.number, f"{store.uri}/{folder}/{latest.number:08d}.json")


def write_job(store: ObjectStore, job: BacktestJob) -> BacktestJob | None:
    """Write a job in place of the record that was read (`BacktestJob.number`); raises `StoreError`.

    Returns
    -------
    The stored job, or None where another process has changed it meanwhile.
    """
    if not write_next(store, job_folder(job.detector, job.id), job.number, to_json(job)):
        return None
    return replace(job, number=job.number + 1)


def other_jobs(store: ObjectStore, detector: str, id_: str | None) -> Iterator[str]:
    """List the keys of a detector's jobs, and of what they have stored, except for one job; raises `StoreError`."""
    for name, pattern in (("backtest-jobs", _KEY), ("backtest-steps", _STEP_KEY)):
        for entry in store.list(f"{detector_folder(detector)}/{name}"):
            match = pattern.fullmatch(entry.key)
            if match is not None and match["id"] != id_:
                yield entry.key


def job_folder(detector: str, id_: str) -> str:
    """Return the folder of a job's record; raises `RecordInputError` for an invalid name or id."""
    return f"{detector_folder(detector)}/backtest-jobs/{_checked(id_)}"


def steps_folder(detector: str, id_: str) -> str:
    """Return the folder of what a job has stored; raises `RecordInputError` for an invalid name or id."""
    return f"{detector_folder(detector)}/backtest-steps/{_checked(id_)}"


def _checked(id_: str) -> str:
    if not re.fullmatch(_ID, id_):
        raise RecordInputError(f"backtest job {id_[:100]!r}: expected 32 hex digits")
    return id_


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"time {text[:40]!r}")
    return instant
