"""Source files, or tables, as a live detector reads them."""

from __future__ import annotations

from datetime import datetime

from anomalake.definitions.detector import Detector
from anomalake.detection.ports import Interval, IntervalError
from anomalake.model.metrics import Metrics
from anomalake.sources.reading import NoDataError, ReadingError, SourceData, read_history, read_interval


class FilesSource:
    """`LiveSource` over files or tables.

    Parameters
    ----------
    detector
        Whose.
    files
        Where they lie.
    """

    def __init__(self, detector: Detector, files: SourceData) -> None:
        self._detector = detector
        self._files = files

    def interval(self, start: datetime) -> Interval:
        """Read one interval's folder; raises `IntervalError`, `StoreError`."""
        try:
            metrics, report = read_interval(self._detector, self._files, start)
        except ReadingError as error:
            raise IntervalError(str(error)) from error
        return Interval(metrics, report.used, report.bad, report.problems)

    def history(self, until: datetime) -> Metrics | None:
        """Read the historical files and the live folders before `until`; raises `IntervalError`, `StoreError`."""
        try:
            metrics, _ = read_history(self._detector, self._files, until=until)
        except NoDataError:
            return None
        except ReadingError as error:
            raise IntervalError(f"history: {error}") from error
        return metrics
