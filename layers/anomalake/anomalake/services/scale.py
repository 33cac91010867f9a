"""Where the intervals of a stack's detectors are judged: in the function detect, or by a job on Apache Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final, Protocol

from anomalake.detection.learning import SCHEDULES
from anomalake.detection.live import LiveDetector, TooManyMetricsError
from anomalake.detection.live_groups import DeliverySummary
from anomalake.frequencies import FREQUENCIES
from anomalake.records.executions import STARTED, Execution, read_last_run

# Memory that does not depend on the metrics: Python, libraries, what is read of a file; 300 MB were measured.
_BASE: Final = 400 * 2**20
# Memory of a metric for each interval of the history that its model is fitted to; 62 bytes were measured.
_BYTES_AN_INTERVAL: Final = 64
# Memory of a metric for its model, its state and its names.
_BYTES_A_METRIC: Final = 16 * 1024


class JobRuns(Protocol):
    """Starts jobs that judge intervals, and knows whether they still run."""

    def start(self, detector: str, start: datetime) -> str:
        """Start a job for the interval of a detector, and return the id of its run."""
        ...

    def is_running(self, run_id: str) -> bool:
        """Return whether a run has not ended."""
        ...


def most_metrics(memory: int, frequency: str) -> int:
    """Return the most metrics that fit into the memory of a function while a model is fitted.

    A metric needs 64 bytes for each interval of the history that its model is fitted to (eight numbers: as read,
    joined, completed, and stored) and 16 KiB for its model and its state: 176 kB if it is hourly.

    Parameters
    ----------
    memory
        Megabytes.
    """
    intervals = SCHEDULES[frequency].history.total_seconds() / FREQUENCIES[frequency].seconds
    return max(1, int((memory * 2**20 - _BASE) / (intervals * _BYTES_AN_INTERVAL + _BYTES_A_METRIC)))


def run_or_start(
    live: LiveDetector, at: datetime | None, time_left: Callable[[], timedelta], jobs: JobRuns | None
) -> Iterator[tuple[Execution, DeliverySummary]]:
    """Run the due intervals here, or start a job for the wanted one, which runs those missed before it too.

    A job is started for a detector with ``Scale: spark``, and for an interval with more metrics than `live` may judge.
    While a job of the detector runs, no other one is started, unless an interval is asked for: the next schedule finds
    what that job has not done. Nothing of an interval is recorded before its job is started, so one whose job could
    not be started is a missed one, which the next run catches up.

    Parameters
    ----------
    at
        An instant of the interval; None: the latest one whose data are complete.
    jobs
        None: everything runs here.

    Raises
    ------
    StoreError, TaskError, JobRunError
    """
    wanted = live.wanted(at)
    if jobs is None or live.detector.scale != "spark" or wanted > live.latest():
        try:
            yield from live.run(at, time_left=time_left)
            return
        except TooManyMetricsError as error:
            if jobs is None:
                raise
            reason = str(error)
    else:
        reason = "the detector has Scale: spark"
    yield _started(live, wanted, at is not None, jobs, reason), DeliverySummary()


def _started(live: LiveDetector, wanted: datetime, is_asked_for: bool, jobs: JobRuns, reason: str) -> Execution:
    last = None if is_asked_for else read_last_run(live.store, live.detector.name, STARTED)
    if last is not None and last.job_run and jobs.is_running(last.job_run):
        return last
    run_id = jobs.start(live.detector.name, wanted)
    return live.record_started(wanted, run_id, f"judged by job run {run_id} on Apache Spark: {reason}")
