"""The heartbeat of a backtest job: signs of life with its progress, and whether it is still this run's."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

from anomalake.lake.lake import Clock
from anomalake.records.backtest_jobs import BacktestJob, JobProgress, read_job, write_job
from anomalake.records.errors import RecordError
from anomalake.storage.store import ObjectStore, StoreError

#: Seconds between two heartbeats.
HEARTBEAT: Final = 10.0
#: Age of a heartbeat from which the run counts as dead.
STALE: Final = timedelta(seconds=60)


class JobLostError(Exception):
    """The job is no longer this run's: it was deleted or replaced, or another run has taken it."""


class Heartbeat:
    """Writes the progress of a job that this run has, every few seconds, in a thread.

    Parameters
    ----------
    store
        The lake.
    job
        The job, as this run has taken it.
    is_wanted
        Whether the job is still asked for.
    now
        The clock.
    every
        Seconds between two heartbeats.
    """

    def __init__(
        self, store: ObjectStore, job: BacktestJob, is_wanted: Callable[[], bool], now: Clock, every: float = HEARTBEAT
    ) -> None:
        self._store = store
        self._job = job
        self._is_wanted = is_wanted
        self._now = now
        self._every = every
        self._progress = job.progress
        self._lock = threading.Lock()
        self._lost, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat of {job.detector}", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def report(self, step: str, done: int, total: int) -> None:
        """Note the progress, for the next heartbeat; raises `JobLostError`."""
        self._progress = JobProgress(step, done, total)
        if self._lost.is_set():
            raise JobLostError

    def beat(self, step: str | None = None) -> None:
        """Write a heartbeat now, with a new step; raises `JobLostError` and `StoreError`."""
        if step is not None:
            self._progress = JobProgress(step)
        with self._lock:
            if not self._is_wanted():
                self._lost.set()
            elif not self._lost.is_set():
                self._write(replace(self._job, progress=self._progress, heartbeat_at=self._now()))
        if self._lost.is_set():
            raise JobLostError

    def end(self, job: Callable[[BacktestJob], BacktestJob]) -> None:
        """Write the last state of the job; raises `JobLostError` and `StoreError`."""
        self._stopped.set()
        with self._lock:
            self._write(job(replace(self._job, progress=self._progress)))
        if self._lost.is_set():
            raise JobLostError

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            # A heartbeat that cannot be written is followed by the next one.
            with suppress(JobLostError, StoreError, RecordError):
                self.beat()

    def _write(self, job: BacktestJob) -> None:
        written = write_job(self._store, job)
        if written is None:
            # After a `StoreError` it may have been this run that has written the record.
            stored = read_job(self._store, job.detector, job.id)
            if stored is not None and stored.runner == self._job.runner:
                written = write_job(self._store, replace(job, number=stored.number))
        if written is None:
            self._lost.set()
        else:
            self._job = written


def new_runner() -> str:
    """Return the id of a run: this machine, this process, and a random part."""
    return f"{_machine()}/{os.getpid()}/{uuid.uuid4().hex[:12]}"


def is_free(job: BacktestJob, now: datetime) -> bool:
    """Whether a run may take a job: it waits, or the run that had it is dead."""
    return not job.runner or is_dead(job, now)


def is_dead(job: BacktestJob, now: datetime) -> bool:
    """Whether the run that has a job is dead: its process is gone, or its heartbeat is old."""
    machine, _, rest = job.runner.partition("/")
    process = rest.partition("/")[0]
    if machine == _machine() and process.isdecimal() and not _is_alive(int(process)):
        return True
    return abs(now - job.heartbeat_at) > STALE


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@cache
def _machine() -> str:
    """Name of this machine with the id of its start, so that process ids mean the same."""
    boot = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return f"{socket.gethostname()}~{boot}".replace("/", "_")
