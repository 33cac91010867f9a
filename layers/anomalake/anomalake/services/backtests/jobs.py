"""Backtest jobs: what they work with, and when one has something to do.

This module imports little, so that a server that has no backtest imports nothing that runs one (`job_runs`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from anomalake.aws.channels import channel_of
from anomalake.definitions.detector import AlertRule, Detector
from anomalake.lake.lake import Clock, Lake, utc_now
from anomalake.notify.channel import Channel
from anomalake.records.backtest_jobs import BacktestJob, read_job
from anomalake.services.backtests.heartbeats import HEARTBEAT, is_free
from anomalake.storage.store import ObjectStore

#: How long after its end the alerts that are attached to a backtest are sent, as if it still ran.
LATE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    """A backtest that a detector's definition asks for.

    Attributes
    ----------
    id
        Id of the job.
    detector
        Makes the detector as it is defined now; raises `DetectorFileError`.
    sends
        Whether the detector asks for its alerts to be sent.
    alerted_at
        When its newest alert was attached; None without alerts.
    """

    id: str
    detector: Callable[[], Detector]
    sends: bool = False
    alerted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BacktestJobs:
    """What backtest jobs work with.

    Attributes
    ----------
    lake, store
        URI of the lake, and its store.
    requested
        Returns the backtest that is asked for by the name of a detector; None for none, or where the detector is
        deleted. Raises `StoreError`.
    now
        The clock.
    send
        Send the alerts of every backtest to the functions and topics of their rules.
    page
        URL of the page that alerts link to.
    heartbeat
        Seconds between two heartbeats.
    channel
        Returns the channel of an alert rule.
    """

    lake: str
    store: ObjectStore
    requested: Callable[[str], BacktestRequest | None]
    now: Clock = utc_now
    send: bool = False
    page: str = ""
    heartbeat: float = HEARTBEAT
    channel: Callable[[AlertRule, Lake], Channel] = channel_of


@dataclass(frozen=True, slots=True)
class JobRun:
    """How a run of a job ended.

    Attributes
    ----------
    status
        ``ENDED``: the job has ended. ``NONE``: no backtest is asked for. ``BUSY``: another run has the job.
        ``AGAIN``: the next run goes on.
    reason
        Why it failed, or must go on; else empty.
    """

    status: Literal["ENDED", "NONE", "BUSY", "AGAIN"]
    reason: str = ""


def next_run(jobs: BacktestJobs, name: str) -> Literal["NOW", "LATER", "NEVER"]:
    """Return when a run of a detector's backtest job would do something; raises `RecordError` and `StoreError`.

    ``LATER`` is not known yet: another run has the job, or an alert may be attached.
    """
    request = jobs.requested(name)
    if request is None:
        return "NEVER"
    job, now = read_job(jobs.store, name, request.id), jobs.now()
    if job is None or not job.has_ended:
        return "NOW" if job is None or is_free(job, now) else "LATER"
    if not may_be_late(jobs, request, job):
        return "NEVER"
    return "NOW" if is_late(request, job) else "LATER"


def may_be_late(jobs: BacktestJobs, request: BacktestRequest, job: BacktestJob) -> bool:
    """Whether an alert that is attached now is still sent."""
    return job.phase == "DONE" and (jobs.send or request.sends) and jobs.now() - job.heartbeat_at <= LATE


def is_late(request: BacktestRequest, job: BacktestJob) -> bool:
    """Whether an alert was attached after the backtest had read them."""
    return request.alerted_at is not None and request.alerted_at >= job.heartbeat_at
