"""Runs of backtest jobs: after the answer to a request, in one go or in steps (docs/adr/0014)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from anomalake.definitions.detector import About, Detector
from anomalake.detection.backtest import PreparedBacktest, first_tested, judge_series, judged_arrays, series_blocks
from anomalake.errors import AnomalakeError, one_line
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics
from anomalake.records.backtest_jobs import (
    LONGEST_REASON,
    BacktestJob,
    other_jobs,
    read_job,
    write_job,
)
from anomalake.records.backtest_steps import BacktestSteps, delete_steps
from anomalake.records.backtests import read_backtest_groups
from anomalake.records.data_quality import DataQuality, backtest_quality_of
from anomalake.records.feedback import read_feedback
from anomalake.services.backtests.alerts import send_backtest_alerts
from anomalake.services.backtests.backtest import conclude, prepare, write_alerts
from anomalake.services.backtests.heartbeats import Heartbeat, JobLostError, is_dead, is_free, new_runner
from anomalake.services.backtests.jobs import BacktestJobs, BacktestRequest, JobRun, is_late, may_be_late
from anomalake.services.lakes import open_writer
from anomalake.services.sources import open_source_files
from anomalake.sources.reading import read_history
from anomalake.storage.store import StoreError

#: Runs that ended without a result, after which a job has failed.
MOST_DEATHS: Final = 3
#: Step of a job whose results are in the lake, and whose alerts are sent.
SEND: Final = "send"
# Time that the sending of one group's alerts may take.
_SENDING: Final = timedelta(seconds=60)

#: Returns the time that this process may still take.
TimeLeft = Callable[[], timedelta]


class _OutOfTimeError(Exception):
    """The rest is for the next run."""


def run_backtest_job(jobs: BacktestJobs, name: str, time_left: TimeLeft | None = None) -> JobRun:
    """Run the backtest job of a detector, or go on with it.

    A job that a run has left unfinished, wherever that was, ends with the same results. Of a job that has ended, only
    alerts that were attached later are sent.

    Parameters
    ----------
    name
        Name of the detector.
    time_left
        Returns the time that the process may take. Results of steps are then stored, and no step is begun that may
        take longer. None: no limit, in one go.

    Raises
    ------
    RecordError, StoreError
    """
    request = jobs.requested(name)
    if request is None:
        jobs.store.delete(list(other_jobs(jobs.store, name, None)))
        return JobRun("NONE")
    job = read_job(jobs.store, name, request.id)
    if job is not None and job.has_ended:
        return _send_late(jobs, request, job)
    now = jobs.now()
    if job is not None and not is_free(job, now):
        return JobRun("BUSY")
    died = job is not None and bool(job.runner) and is_dead(job, now)
    job = job or BacktestJob(request.id, name, "WAITING", now, now)
    taken = write_job(
        jobs.store,
        replace(job, phase="RUNNING", heartbeat_at=now, runner=new_runner(), deaths=job.deaths + died),
    )
    if taken is None:
        return JobRun("BUSY")
    jobs.store.delete(list(other_jobs(jobs.store, name, request.id)))
    return _run(jobs, taken, time_left)


def _run(jobs: BacktestJobs, job: BacktestJob, time_left: TimeLeft | None) -> JobRun:
    """Run a job that this run has taken."""
    name = job.detector

    def is_wanted() -> bool:
        request = jobs.requested(name)
        return request is not None and request.id == job.id

    with Heartbeat(jobs.store, job, is_wanted, jobs.now, jobs.heartbeat) as heartbeat:
        ended = JobRun("ENDED")
        try:
            try:
                if job.deaths >= MOST_DEATHS:
                    raise _GaveUpError(f"its process has ended {job.deaths} times; is there enough memory?")
                considered, reason = _Work(jobs, job, heartbeat, time_left).do()
                heartbeat.end(
                    lambda job: replace(job, phase="DONE", runner="", heartbeat_at=considered, reason=_cut(reason))
                )
            except _OutOfTimeError:
                heartbeat.end(lambda job: replace(job, runner="", heartbeat_at=jobs.now()))
                return JobRun("AGAIN")
            except StoreError as error:
                reason, deaths = one_line(error), job.deaths + 1
                if deaths < MOST_DEATHS:
                    heartbeat.end(lambda job: replace(job, runner="", heartbeat_at=jobs.now(), deaths=deaths))
                    return JobRun("AGAIN", reason)
                ended = _failed(jobs, heartbeat, reason)
            except JobLostError:
                raise
            except Exception as error:  # whatever fails is the job's reason
                ended = _failed(jobs, heartbeat, one_line(error))
        except JobLostError:
            # Who has deleted or taken it has the rest.
            if not is_wanted():
                jobs.store.delete(list(other_jobs(jobs.store, name, _wanted_id(jobs, name))))
            return JobRun("NONE", "the job was deleted, or taken by another run")
    delete_steps(jobs.store, name, job.id)
    return ended


class _GaveUpError(AnomalakeError):
    """The job is not tried again."""


def _failed(jobs: BacktestJobs, heartbeat: Heartbeat, reason: str) -> JobRun:
    heartbeat.end(lambda job: replace(job, phase="FAILED", runner="", heartbeat_at=jobs.now(), reason=_cut(reason)))
    return JobRun("ENDED", reason)


def _wanted_id(jobs: BacktestJobs, name: str) -> str | None:
    request = jobs.requested(name)
    return request.id if request is not None else None


class _Work:
    """One run of a job."""

    def __init__(self, jobs: BacktestJobs, job: BacktestJob, heartbeat: Heartbeat, time_left: TimeLeft | None) -> None:
        self._jobs = jobs
        self._job = job
        self._heartbeat = heartbeat
        self._time_left = time_left
        self._begun_with = time_left() if time_left is not None else timedelta.max
        self._longest = timedelta()

    def do(self) -> tuple[datetime, str]:
        """Do what is left; return the time at which the alerts were read, and a line about alerts that were not sent.

        Raises `_OutOfTimeError`, `JobLostError` and the errors of a backtest.
        """
        if self._job.progress.step != SEND:
            self._test()
            self._heartbeat.beat(SEND)
        considered, request = self._jobs.now(), self._request()
        return considered, _send(self._jobs, request, self._send_progress)

    def _test(self) -> None:
        jobs, detector = self._jobs, self._request().detector()
        steps = BacktestSteps(jobs.store, detector.name, self._job.id, version_of(detector))
        metrics, quality = self._history(detector, steps)
        prepared = prepare(detector, metrics)
        parts = self._judged(prepared, steps)
        self._check_time(last=True)
        # Alerts may have been attached meanwhile.
        now = self._request().detector()
        if version_of(now) != version_of(detector):
            raise _OutOfTimeError
        feedback, _ = read_feedback(jobs.store, detector.name)
        tested = conclude(now, judged_arrays(prepared, parts, feedback))
        self._heartbeat.beat("alerts")
        write_alerts(jobs.lake, now, tested, self._heartbeat.report, jobs.page, quality)

    def _history(self, detector: Detector, steps: BacktestSteps) -> tuple[Metrics, DataQuality]:
        if self._time_left is not None:
            stored, quality = steps.read_history(), steps.read_quality()
            if stored is not None and quality is not None:
                return stored, quality
        before = self._left()
        files = open_source_files(detector.metric_set)
        metrics, read = read_history(detector, files, progress=partial(self._heartbeat.report, "read"))
        quality = backtest_quality_of(read, metrics, first_tested(len(metrics.starts)))
        if self._time_left is not None:
            steps.write_quality(quality)
            steps.write_history(metrics)
        self._took(before)
        return metrics, quality

    def _judged(self, prepared: PreparedBacktest, steps: BacktestSteps) -> Sequence[Judgement]:
        n_series = prepared.metrics.n_metrics
        if self._time_left is None:
            return [judge_series(prepared, 0, n_series, self._heartbeat.report)]
        blocks = series_blocks(prepared.metrics)
        stored = steps.blocks()
        parts = []
        for number, (begin, end) in enumerate(blocks):
            part = steps.read_block(begin) if begin in stored else None
            if part is None:
                self._check_time()
                before = self._left()
                part = judge_series(prepared, begin, end, partial(self._block_progress, number, len(blocks)))
                steps.write_block(begin, part)
                self._took(before)
            parts.append(part)
        return parts

    def _block_progress(self, number: int, n_blocks: int, step: str, done: int, total: int) -> None:
        self._heartbeat.report(step, number * total + done, n_blocks * total)

    def _send_progress(self, done: int, total: int) -> None:
        self._heartbeat.report(SEND, done, total)
        if self._time_left is not None and done and self._left() < _SENDING:
            raise _OutOfTimeError

    def _request(self) -> BacktestRequest:
        request = self._jobs.requested(self._job.detector)
        if request is None or request.id != self._job.id:
            raise JobLostError
        return request

    def _left(self) -> timedelta:
        return self._time_left() if self._time_left is not None else timedelta.max

    def _took(self, before: timedelta) -> None:
        self._longest = max(self._longest, before - self._left())

    def _check_time(self, *, last: bool = False) -> None:
        """Raise `_OutOfTimeError` if the next step may take too long; a run does one step at least."""
        if self._longest and self._left() < max(2 * self._longest, self._begun_with / 2 if last else timedelta()):
            raise _OutOfTimeError


def _send_late(jobs: BacktestJobs, request: BacktestRequest, job: BacktestJob) -> JobRun:
    """Send the alerts that were attached after the backtest had read them."""
    if not may_be_late(jobs, request, job) or not is_late(request, job):
        return JobRun("ENDED")
    considered = jobs.now()
    reason = _send(jobs, request, lambda done, total: None)
    write_job(jobs.store, replace(job, heartbeat_at=considered, reason=_cut(reason)))
    return JobRun("ENDED", reason)


def _send(jobs: BacktestJobs, request: BacktestRequest, progress: Callable[[int, int], None]) -> str:
    """Send the alerts of the backtest in the lake, if that is asked for; return a line about those not sent."""
    if not jobs.send and not request.sends:
        return ""
    detector = request.detector()
    groups = list(read_backtest_groups(jobs.store, detector.name))
    sent = send_backtest_alerts(
        detector, open_writer(jobs.lake), groups, page=jobs.page, progress=progress, channel=jobs.channel
    )
    return "; ".join(sent.reasons)


def version_of(detector: Detector) -> str:
    """Return a digest of what the judgements of a backtest depend on: all but alerts and texts."""
    plain = replace(detector, alerts=(), about=About(), description="")
    return hashlib.sha256(repr(plain).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _cut(reason: str) -> str:
    return reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 1]}…"
