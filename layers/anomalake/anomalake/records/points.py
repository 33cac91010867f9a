"""Single points of the intervals in a lake, by the ids of their time series."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from anomalake.model.metrics import time_series_id
from anomalake.records.intervals import IntervalRecord
from anomalake.records.states import StateStore
from anomalake.records.versions import versions
from anomalake.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Point:
    """One metric in one interval.

    Attributes
    ----------
    time_series_id, measure, dimensions
        Which metric; `dimensions` are pairs of name and value.
    value, expected
        What was observed and what was expected, in the measure's unit.
    severity
        0 to 100, before feedback was heeded.
    """

    time_series_id: str
    measure: str
    dimensions: tuple[tuple[str, str], ...]
    value: float
    expected: float
    severity: float


def interval_record(store: ObjectStore, detector: str, start: datetime) -> IntervalRecord | None:
    """The record of an interval, by the detector file as it was last; raises `StoreError`, `CorruptError`."""
    for version in versions(store, detector):
        record = StateStore(store, detector, version).interval(start)
        if record is not None:
            return record
    return None


def points_of(record: IntervalRecord, detector_arn: str, ids: Collection[str]) -> list[Point]:
    """The points of some time series that were observed and judged in an interval."""
    names = record.about["dimension_names"]
    found = []
    columns = ("measure", "combination", "value", "expected", "model_severity")
    rows = zip(*(record.table[name].to_pylist() for name in columns), strict=True)
    for measure, text, value, expected, severity in rows:
        values: list[Any] = json.loads(text)
        dimensions = tuple((name, one) for name, one in zip(names, values, strict=True) if one is not None)
        series = time_series_id(detector_arn, measure, dimensions)
        if series in ids and value is not None and expected is not None and math.isfinite(severity or 0.0):
            found.append(Point(series, measure, dimensions, value, expected, severity or 0.0))
    return found
