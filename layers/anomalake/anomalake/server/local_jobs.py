"""Jobs of the local server: backtests and the due intervals of active detectors, in processes of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from anomalake.aws.detector_files import DetectorFiles
from anomalake.errors import AnomalakeError, one_line
from anomalake.lake.lake import Clock, utc_now
from anomalake.server.worker import Worker, WorkError
from anomalake.services.backtest_jobs import BacktestJobs, JobRun, next_run, run_backtest_job
from anomalake.services.backtest_requests import backtest_request, backtest_requests
from anomalake.services.detect import detect
from anomalake.services.due_intervals import DueDetectors
from anomalake.storage.objects import open_store

#: Seconds between two looks at jobs and detectors.
TICK: Final = 5.0
#: Between two looks at all definitions: other processes may have asked for backtests.
_ALL: Final = timedelta(minutes=5)
#: Before a backtest whose process or store has failed is taken up again.
_PAUSE: Final = timedelta(seconds=30)


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
    return run_backtest_job(settings.backtests(), name)


def run_due(settings: JobSettings, name: str) -> list[str]:
    """Run the due intervals of a detector, in a worker's process; return lines for the operator."""
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
            self.work(name)
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
        self._now = now
        self._tick = tick
        self._jobs = settings.backtests(now)
        self._files = settings.files()
        self._due = DueDetectors(self._jobs.store, self._files, now) if detects else None
        self._backtests = _Lane(self._run_backtest)
        self._detections = _Lane(self._run_due)
        self._looked_at: datetime | None = None
        # Backtests to look at again, and when: those of other runs, and those that have just ended.
        self._watched: dict[str, datetime] = {}
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
        if self._due is not None:
            self._due.forget(detector)
            self._wake.set()

    def _watch(self) -> None:
        while not self._stopped.is_set():
            for look in (self._look_at_backtests, self._look_at_detectors):
                try:
                    look()
                except AnomalakeError as error:
                    self._report(one_line(error))
            self._wake.wait(self._tick)
            self._wake.clear()

    def _look_at_backtests(self) -> None:
        now = self._now()
        if self._looked_at is None or now - self._looked_at >= _ALL:
            self._looked_at = now
            for name in backtest_requests(self._jobs.store, self._files):
                self._watched.setdefault(name, now)
        for name in [name for name, at in list(self._watched.items()) if at <= now]:
            self._watched.pop(name, None)
            match next_run(self._jobs, name):
                case "NOW":
                    self._backtests.add(name)
                case "LATER":
                    self._watched[name] = now

    def _look_at_detectors(self) -> None:
        if self._due is None:
            return
        for name in self._due.names():
            self._detections.add(name)
        for line in self._due.problems():
            self._report(line)

    def _run_backtest(self, name: str) -> None:
        pause = timedelta()
        try:
            run: JobRun = self._backtests.worker.run(run_backtest, self._settings, name)
        except WorkError as error:
            reason, pause = str(error), _PAUSE
        else:
            reason = run.reason if run.status != "NONE" else ""
            if run.status == "AGAIN" and reason:
                pause = _PAUSE
        if reason and not self._stopped.is_set():
            self._report(f"backtest of {name}: {reason}")
        self._watched[name] = self._now() + pause

    def _run_due(self, name: str) -> None:
        assert self._due is not None
        try:
            for line in self._detections.worker.run(run_due, self._settings, name):
                self._report(line)
        except WorkError as error:
            if not self._stopped.is_set():
                self._report(f"{name}: {error}")
                self._due.failed(name)
