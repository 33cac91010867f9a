"""Jobs of the local server: backtests and the due intervals of active detectors, in processes of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from anomalake.aws.detector_files import DetectorFiles
from anomalake.errors import one_line
from anomalake.lake.lake import Clock, utc_now
from anomalake.server.worker import Worker, WorkError
from anomalake.services.backtests.due import DueBacktests
from anomalake.services.backtests.jobs import BacktestJobs, JobRun
from anomalake.services.backtests.requests import backtest_request
from anomalake.services.due_intervals import DueDetectors
from anomalake.storage.objects import open_store

#: Seconds between two looks at jobs and detectors.
TICK: Final = 5.0


@dataclass(frozen=True, slots=True)
class JobSettings:
    """What the processes of jobs work with.

    Attributes
    ----------
    lake
        URI of the lake.
    detectors
        Folder of the detector files.
    region, account
        In the ARNs of detectors whose files have no ARN.
    page
        URL of the page that alerts link to.
    send
        Send the alerts of due intervals to the functions and topics of their rules.
    send_backtest_alerts
        Send those of backtests.
    """

    lake: str
    detectors: str
    region: str
    account: str
    page: str = ""
    send: bool = False
    send_backtest_alerts: bool = False

    def files(self) -> DetectorFiles:
        """Open the detector files."""
        return DetectorFiles(self.detectors, self.region, self.account)

    def backtests(self, now: Clock = utc_now) -> BacktestJobs:
        """Open what backtest jobs work with."""
        store = open_store(self.lake, create=False)
        requested = partial(backtest_request, store, self.files())
        return BacktestJobs(self.lake, store, requested, now, send=self.send_backtest_alerts, page=self.page)


def run_backtest(settings: JobSettings, name: str) -> JobRun:
    """Run the backtest job of a detector, in a worker's process."""
    # Imported here, because the server itself runs no job.
    from anomalake.services.backtests.job_runs import run_backtest_job

    return run_backtest_job(settings.backtests(), name)


def run_due(settings: JobSettings, name: str) -> list[str]:
    """Run the due intervals of a detector, in a worker's process; return lines for the operator."""
    from anomalake.services.detect import detect

    detector = settings.files().read(name)
    if detector is None:
        return []
    lines = []
    for interval in detect(detector, settings.lake, page=settings.page, send=settings.send):
        execution = interval.execution
        if execution.reason and execution.status == "FAILED":
            lines.append(f"{name}: {execution.timestamp:%Y-%m-%dT%H:%MZ}: {execution.reason}")
        lines += [f"{name}: {warning}" for warning in execution.warnings]
    return lines


@dataclass(slots=True)
class _Lane:
    """Names of detectors that wait for a worker, and the work that is done for each."""

    work: Callable[[str], Any]
    report: Callable[[str], None]
    worker: Worker = field(default_factory=Worker)
    waiting: dict[str, None] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    current: str | None = None
    changed: threading.Condition = field(default_factory=threading.Condition)
    stopped: bool = False

    def add(self, name: str) -> None:
        """Add a name; one that is worked on is done again afterwards."""
        with self.changed:
            if name == self.current:
                self.again.add(name)
            else:
                self.waiting[name] = None
            self.changed.notify_all()

    def loop(self) -> None:
        """Do the work, name by name, until `stop`."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.waiting or self.stopped)
                if self.stopped:
                    return
                name = next(iter(self.waiting))
                del self.waiting[name]
                self.current = name
            try:
                self.work(name)
            except Exception as error:  # the other detectors do not wait for ever for this one
                self.report(f"{name}: {one_line(error)}")
            with self.changed:
                self.current = None
                if name in self.again:
                    self.again.discard(name)
                    self.waiting[name] = None

    def stop(self) -> None:
        """End the work and its process."""
        with self.changed:
            self.stopped = True
            self.changed.notify_all()
        self.worker.stop()


class LocalJobs:
    """`Jobs` of the local server.

    One backtest runs at a time, and one detector's intervals. Backtests that an earlier server has left unfinished are
    taken up, and those that another server runs are left to it.

    Parameters
    ----------
    settings
        What the jobs work with.
    report
        Called with a line for the operator of the server.
    detects
        Whether due intervals are run.
    now
        The clock.
    tick
        Seconds between two looks at jobs and detectors.
    """

    def __init__(
        self,
        settings: JobSettings,
        report: Callable[[str], None],
        *,
        detects: bool = True,
        now: Clock = utc_now,
        tick: float = TICK,
    ) -> None:
        self._settings = settings
        self._report = report
        self._tick = tick
        jobs, files = settings.backtests(now), settings.files()
        self._due_backtests = DueBacktests(jobs, files)
        self._due_intervals = DueDetectors(jobs.store, files, now) if detects else None
        self._backtests = _Lane(self._run_backtest, report)
        self._detections = _Lane(self._run_due, report)
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for name, target in (
                ("backtests", self._backtests.loop),
                ("detections", self._detections.loop),
                ("jobs", self._watch),
            )
        ]

    def start(self) -> None:
        """Begin to work; unfinished backtests are taken up."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End all work and its processes. What is unfinished is taken up by the next server."""
        self._stopped.set()
        self._wake.set()
        self._backtests.stop()
        self._detections.stop()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(self._tick + 10)

    def backtest(self, detector: str) -> None:
        """Start the backtest that is recorded for a detector."""
        self._backtests.add(detector)

    def activate(self, detector: str) -> None:
        """Start the first run of an active detector; without due intervals, whoever runs them starts it."""
        if self._due_intervals is not None:
            self._due_intervals.forget(detector)
            self._wake.set()

    def _watch(self) -> None:
        while not self._stopped.is_set():
            for look in (self._look_at_backtests, self._look_at_intervals):
                try:
                    look()
                except Exception as error:  # a look that fails is no reason never to look again
                    self._report(one_line(error))
            self._wake.wait(self._tick)
            self._wake.clear()

    def _look_at_backtests(self) -> None:
        for name in self._due_backtests.names():
            self._backtests.add(name)

    def _look_at_intervals(self) -> None:
        if self._due_intervals is None:
            return
        for name in self._due_intervals.names():
            self._detections.add(name)
        for line in self._due_intervals.problems():
            self._report(line)

    def _run_backtest(self, name: str) -> None:
        run: JobRun | None = None
        try:
            run = self._backtests.worker.run(run_backtest, self._settings, name)
            reason = run.reason if run is not None and run.status != "NONE" else ""
        except WorkError as error:
            reason = str(error)
        if reason and not self._stopped.is_set():
            self._report(f"backtest of {name}: {reason}")
        self._due_backtests.ended(name, run)

    def _run_due(self, name: str) -> None:
        assert self._due_intervals is not None
        try:
            for line in self._detections.worker.run(run_due, self._settings, name):
                self._report(line)
        except WorkError as error:
            if not self._stopped.is_set():
                self._report(f"{name}: {error}")
                self._due_intervals.failed(name)
