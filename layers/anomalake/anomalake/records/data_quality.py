"""Data quality: how complete the rows of a backtest, or of an interval, were.

That of an interval is a part of its execution.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from anomalake.model.metrics import Metrics
from anomalake.records.errors import RecordError
from anomalake.records.keys import detector_folder
from anomalake.sources.reading import ReadReport
from anomalake.storage.store import ObjectNotFound, ObjectStore

_NUMBERS = ("rows", "partial", "invalid", "series")
_SPAN = ("training_start", "training_end", "inference_start", "inference_end")


@dataclass(frozen=True, slots=True)
class ColumnQuality:
    """A column that is read.

    Attributes
    ----------
    name
        Its name.
    usable
        Rows with a usable value (`sources.completeness`).
    distinct
        Number of values of a dimension; None for timestamp and measures.
    """

    name: str
    usable: int
    distinct: int | None = None


@dataclass(frozen=True, slots=True)
class BacktestSpan:
    """Starts of the first and the last interval that a backtest trained on, and of those that it tested."""

    training_start: datetime
    training_end: datetime
    inference_start: datetime
    inference_end: datetime


@dataclass(frozen=True, slots=True)
class DataQuality:
    """Completeness of rows.

    Attributes
    ----------
    start
        Start of the first interval.
    rows
        Rows that were processed: used and invalid ones.
    partial
        Used rows that lack a dimension value or a measure.
    invalid
        Rows that could not be used, and lines that are no rows.
    series
        Metrics with a value.
    columns
        Timestamp, dimensions and measures.
    span
        Of a backtest; None for an interval.
    """

    start: datetime
    rows: int
    partial: int
    invalid: int
    series: int
    columns: tuple[ColumnQuality, ...]
    span: BacktestSpan | None = None

    def to_fields(self) -> dict[str, Any]:
        """Return the fields in JSON's types."""
        columns = [
            {"name": column.name, "usable": column.usable}
            | ({} if column.distinct is None else {"distinct": column.distinct})
            for column in self.columns
        ]
        fields = {"start": self.start.isoformat(), **{name: getattr(self, name) for name in _NUMBERS}}
        span = {} if self.span is None else {name: getattr(self.span, name).isoformat() for name in _SPAN}
        return {**fields, "columns": columns, **span}

    @classmethod
    def from_fields(cls, given: Mapping[str, Any]) -> DataQuality:
        """Inverse of `to_fields`; raises `RecordError`."""
        try:
            span = BacktestSpan(*(_instant(given[name]) for name in _SPAN)) if _SPAN[0] in given else None
            columns = tuple(
                ColumnQuality(_text(column["name"]), _number(column["usable"]), _number_or_none(column.get("distinct")))
                for column in given["columns"]
            )
            numbers = {name: _number(given[name]) for name in _NUMBERS}
            return cls(start=_instant(given["start"]), columns=columns, span=span, **numbers)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise RecordError(f"data quality: {error!r}; expected the fields of data quality") from error


def quality_of(report: ReadReport, metrics: Metrics | None, start: datetime) -> DataQuality:
    """Return the quality of rows that were read.

    Parameters
    ----------
    metrics
        What became of the rows; None if they could not be used.
    start
        Start of the first interval.
    """
    distinct = {} if metrics is None else _distinct(metrics)
    columns = tuple(ColumnQuality(column.name, column.usable, distinct.get(column.name)) for column in report.columns)
    series = 0 if metrics is None else metrics.n_with_value
    return DataQuality(start, report.used + report.bad, report.partial, report.bad, series, columns)


def backtest_quality_of(report: ReadReport, metrics: Metrics, first: int) -> DataQuality:
    """Return the quality of the history of a backtest.

    Parameters
    ----------
    first
        Index into `Metrics.starts` of the first tested interval. Without one before it and one from it on, there is no
        `BacktestSpan`.
    """
    last = len(metrics.starts) - 1
    places = (0, first - 1, first, last) if 0 < first <= last else (0,)
    seconds = metrics.starts.astype("datetime64[s]").astype(np.int64)
    starts = [datetime.fromtimestamp(int(seconds[place]), UTC) for place in places]
    quality = quality_of(report, metrics, starts[0])
    return replace(quality, span=BacktestSpan(*starts)) if len(starts) > 1 else quality


def summed(qualities: Sequence[DataQuality]) -> DataQuality:
    """Return the quality of several intervals together: rows are added, of numbers of values the largest counts."""
    usable: dict[str, int] = {}
    distinct: dict[str, int | None] = {}
    for column in (column for quality in qualities for column in quality.columns):
        usable[column.name] = usable.get(column.name, 0) + column.usable
        numbers = [number for number in (distinct.get(column.name), column.distinct) if number is not None]
        distinct[column.name] = max(numbers, default=None)
    return DataQuality(
        min(quality.start for quality in qualities),
        sum(quality.rows for quality in qualities),
        sum(quality.partial for quality in qualities),
        sum(quality.invalid for quality in qualities),
        max(quality.series for quality in qualities),
        tuple(ColumnQuality(name, number, distinct[name]) for name, number in usable.items()),
    )


def backtest_quality_key(detector: str) -> str:
    """Return the key of the quality of a detector's last backtest."""
    return f"{detector_folder(detector)}/backtest/data-quality.json"


def write_backtest_quality(store: ObjectStore, detector: str, quality: DataQuality) -> None:
    """Write the quality of a backtest in place of that of an earlier one; raises `StoreError`."""
    store.put(backtest_quality_key(detector), json.dumps(quality.to_fields()).encode("ascii"))


def read_backtest_quality(store: ObjectStore, detector: str) -> DataQuality | None:
    """Read the quality of a detector's last backtest; None where there is none.

    Raises
    ------
    RecordError, StoreError
    """
    key = backtest_quality_key(detector)
    try:
        return DataQuality.from_fields(json.loads(store.get(key)))
    except ObjectNotFound:
        return None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{store.uri}/{key}: {error}") from error


def _distinct(metrics: Metrics) -> dict[str, int]:
    """Number of values of each dimension; the empty value is none."""
    rows = [
        combination
        for combination, is_total in zip(metrics.combinations, metrics.is_roll_up, strict=True)
        if not is_total
    ]
    return {
        name: len({combination[place] for combination in rows} - {None, ""})
        for place, name in enumerate(metrics.dimension_names)
    }


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text}: expected a time with its zone")
    return instant


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r}: expected a whole number")
    return value


def _number_or_none(value: Any) -> int | None:
    return None if value is None else _number(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r}: expected a text")
    return value
