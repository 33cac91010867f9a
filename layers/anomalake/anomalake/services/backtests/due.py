"""Which backtests a server has to begin, or to look at again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from anomalake.aws.detector_files import DetectorFiles
from anomalake.services.backtests.jobs import BacktestJobs, JobRun, next_run
from anomalake.services.backtests.requests import backtest_requests

#: Between two looks at all definitions: another server may have answered a request.
LOOK_AGAIN: Final = timedelta(minutes=5)
#: Before a backtest is taken up again whose process or store has failed.
PAUSE: Final = timedelta(seconds=30)


class DueBacktests:
    """The backtests that wait for a run: those that earlier servers have left unfinished among them.

    Parameters
    ----------
    jobs
        What the jobs work with.
    files
        The detector files.
    """

    def __init__(self, jobs: BacktestJobs, files: DetectorFiles) -> None:
        self._jobs = jobs
        self._files = files
        self._looked_at: datetime | None = None
        self._watched: dict[str, datetime] = {}

    def names(self) -> list[str]:
        """Return the detectors whose backtest is to be run now; raises `RecordError` and `StoreError`.

        They are returned again after `ended` only.
        """
        now = self._jobs.now()
        if self._looked_at is None or now - self._looked_at >= LOOK_AGAIN:
            self._looked_at = now
            for name in backtest_requests(self._jobs.store, self._files):
                self._watched.setdefault(name, now)
        due = []
        for name in sorted(name for name, at in list(self._watched.items()) if at <= now):
            next_ = next_run(self._jobs, name)
            if next_ != "LATER":
                self._watched.pop(name, None)
            if next_ == "NOW":
                due.append(name)
        return due

    def ended(self, name: str, run: JobRun | None) -> None:
        """Note how a run has ended, None for a process that died, and look at the job again."""
        failed = run is None or (run.status == "AGAIN" and bool(run.reason))
        self._watched[name] = self._jobs.now() + (PAUSE if failed else timedelta())
