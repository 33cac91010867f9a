"""Source data of a live detector: an interval, or the history before one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from anomalake.definitions.detector import Detector
from anomalake.errors import AnomalakeError
from anomalake.model.metrics import Metrics
from anomalake.records.data_quality import DataQuality, quality_of
from anomalake.sources.reading import NoDataError, ReadingError, SourceData, read_history, read_interval


class IntervalError(AnomalakeError, ValueError):
    """The data of an interval cannot be used: what, where, and what was expected.

    Attributes
    ----------
    quality
        Quality of the rows that were read; None where none were.
    """

    def __init__(self, message: str, quality: DataQuality | None = None) -> None:
        super().__init__(message)
        self.quality = quality


@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """Data of one interval.

    Attributes
    ----------
    metrics
        Metrics with this one interval.
    rows, bad_rows
        Number of rows that were used, and of rows that were not.
    reasons
        Why rows were not used, a line each.
    quality
        Quality of the rows; None if it is not known.
    """

    metrics: Metrics
    rows: int
    bad_rows: int = 0
    reasons: tuple[str, ...] = ()
    quality: DataQuality | None = None


class HistorySource(Protocol):
    """Source of a history."""

    def history(self, until: datetime) -> Metrics | None:
        """Read the history of the intervals before `until`; None where there are none."""
        ...


class LiveSource(HistorySource, Protocol):
    """Source of a live detector."""

    def interval(self, start: datetime) -> Interval:
        """Read one interval.

        Raises
        ------
        IntervalError
            There are no usable data.
        StoreError
            The source does not answer; a later call may succeed.
        """
        ...


class SourceReader:
    """`LiveSource` over files or tables.

    Parameters
    ----------
    detector
        The detector.
    data
        Its files or tables.
    """

    def __init__(self, detector: Detector, data: SourceData) -> None:
        self._detector = detector
        self._data = data

    def interval(self, start: datetime) -> Interval:
        """Read the data of one interval; raises `IntervalError`, `StoreError`."""
        try:
            metrics, report = read_interval(self._detector, self._data, start)
        except ReadingError as error:
            quality = quality_of(error.report, None, start) if error.report.files else None
            raise IntervalError(str(error), quality) from error
        return Interval(metrics, report.used, report.bad, report.problems, quality_of(report, metrics, start))

    def history(self, until: datetime) -> Metrics | None:
        """Read the historical data and the live data before `until`; raises `IntervalError`, `StoreError`."""
        try:
            metrics, _ = read_history(self._detector, self._data, until=until)
        except NoDataError:
            return None
        except ReadingError as error:
            raise IntervalError(f"history: {error}") from error
        return metrics
