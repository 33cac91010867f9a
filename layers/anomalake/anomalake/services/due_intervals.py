"""Which active detectors have an interval to run, as a schedule in AWS would start it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import SimpleQueue
from typing import Final

from anomalake.aws.detector_files import DetectorFiles
from anomalake.definitions.detector import Detector, DetectorFileError
from anomalake.definitions.intervals import latest_complete
from anomalake.errors import one_line
from anomalake.lake.lake import Clock
from anomalake.records.definitions import read_definition
from anomalake.records.errors import RecordError
from anomalake.records.executions import count_executions
from anomalake.services.definitions.statuses import status_of
from anomalake.storage.store import ObjectStore

#: Age of a listing of the detector files, and of a file that was read.
LISTED_FOR: Final = timedelta(seconds=30)
READ_FOR: Final = timedelta(minutes=5)
#: Pauses before an interval whose run has failed is run again, as Lambda does.
PAUSES: Final = (timedelta(minutes=1), timedelta(minutes=2))


@dataclass(slots=True)
class _Known:
    """What is known of a detector: its file, and the interval that was handed out last."""

    detector: Detector | None
    read_at: datetime
    problem: str = ""
    interval: datetime | None = None
    failures: int = 0
    again_at: datetime | None = None


class DueDetectors:
    """The active detectors that have an interval to run: those with a file, after the interval's end and the offset.

    Parameters
    ----------
    store
        The lake.
    files
        The detector files.
    now
        The clock.
    """

    def __init__(self, store: ObjectStore, files: DetectorFiles, now: Clock) -> None:
        self._store = store
        self._files = files
        self._now = now
        self._listed_at: datetime | None = None
        self._known: dict[str, _Known] = {}
        self._problems: list[str] = []
        self._changed: SimpleQueue[str] = SimpleQueue()

    def names(self) -> list[str]:
        """Return the detectors that have an interval to run now, each interval once; raises `StoreError`."""
        now = self._now()
        # Before the listing, so that a file that is written during it is read by the next one.
        while not self._changed.empty():
            self._known.pop(self._changed.get(), None)
            self._listed_at = None
        if self._listed_at is None or now - self._listed_at >= LISTED_FOR:
            present = self._files.names()
            self._known = {name: known for name, known in self._known.items() if name in present}
            for name in present:
                self._read(name, now)
            self._listed_at = now
        return [name for name, known in self._known.items() if self._is_due(name, known, now)]

    def problems(self) -> list[str]:
        """Return the problems of invalid files, each once."""
        problems, self._problems = self._problems, []
        return problems

    def forget(self, name: str) -> None:
        """Read the file of a detector again, for it has changed; may be called by any thread."""
        self._changed.put(name)

    def failed(self, name: str) -> None:
        """Note that the run of a detector's interval has failed; it is run again, twice at most."""
        known = self._known.get(name)
        if known is not None and known.failures < len(PAUSES):
            known.again_at = self._now() + PAUSES[known.failures]
            known.failures += 1

    def _read(self, name: str, now: datetime) -> None:
        known = self._known.get(name)
        if known is not None and now - known.read_at < READ_FOR:
            return
        detector, problem = None, ""
        try:
            detector = self._files.read(name)
        except DetectorFileError as error:
            problem = one_line(error)
            if known is None or known.problem != problem:
                self._problems.append(problem)
        if known is None:
            self._known[name] = _Known(detector, now, problem)
        else:
            known.detector, known.read_at, known.problem = detector, now, problem

    def _is_due(self, name: str, known: _Known, now: datetime) -> bool:
        if known.detector is None:
            return False
        of = known.detector.metric_set
        latest = latest_complete(now, of.frequency, of.timezone, of.offset)
        if known.interval == latest:
            is_due = known.again_at is not None and now >= known.again_at
        else:
            # An earlier server may have run it, or an earlier activation: its first run is still to come then.
            is_due = (
                known.interval is not None
                or not count_executions(self._store, name, latest)
                or self._is_activating(name)
            )
            known.failures = 0
        known.interval = latest
        if is_due or known.failures == 0:
            known.again_at = None
        return is_due

    def _is_activating(self, name: str) -> bool:
        try:
            definition = read_definition(self._store, name)
            return definition is not None and status_of(self._store, definition).status == "ACTIVATING"
        except RecordError:
            # Describe tells it; the other detectors go on.
            return False
