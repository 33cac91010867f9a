"""Intervals with alerts that could not be delivered: the runs after them try again."""

from __future__ import annotations

from datetime import datetime, timedelta

from anomalake.records.executions import detector_folder, parse_stamp, stamp
from anomalake.storage.store import ObjectStore

#: How long an alert is worth sending late.
FOR = timedelta(days=1)
#: At most so many intervals a run.
AT_ONCE = 5


class UndeliveredIntervals:
    """Notes of one detector's intervals, ``undelivered/<start>``.

    Parameters
    ----------
    store
        The lake.
    detector
        Its name.
    """

    def __init__(self, store: ObjectStore, detector: str) -> None:
        self._store = store
        self._folder = f"{detector_folder(detector)}/undelivered"

    def note(self, start: datetime) -> None:
        """Note an interval."""
        self._store.put(f"{self._folder}/{stamp(start)}", b"")

    def drop(self, start: datetime) -> None:
        """Forget it, because all is delivered or it is too late."""
        self._store.delete([f"{self._folder}/{stamp(start)}"])

    def starts(self) -> list[datetime]:
        """The intervals, the oldest first."""
        return sorted(parse_stamp(one.key.rsplit("/", 1)[1]) for one in self._store.list(self._folder))
