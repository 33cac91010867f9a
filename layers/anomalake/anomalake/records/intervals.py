"""Intervals that a live detector ran: the observed values of all metrics, and their judgement."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from anomalake.groups.contributions import Dimensions
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Combination, Metrics, sort_key, time_series_id
from anomalake.records.codecs import TABLE_ERRORS, corrupt_table, table_from_bytes, table_to_bytes
from anomalake.records.errors import CorruptError
from anomalake.records.keys import key_pattern, match_key, stamp, starts_in, version_folder
from anomalake.records.versions import read_versions
from anomalake.storage.store import ObjectNotFound, ObjectStore

#: Intervals that are read at a time; a fit may read some thousand.
READERS = 16

_ENDING = ".parquet"
_KEY = key_pattern(r"version=(?P<version>[0-9a-f]+)/intervals/{stamp}\.parquet")
_MISSING = "is_missing"
_JUDGED = ("expected", "lower", "upper", "severity")


@dataclass(frozen=True, slots=True, eq=False)
class IntervalRecord:
    """An interval.

    Attributes
    ----------
    start
        Start of the interval.
    table
        A row for each metric: measure, combination (JSON), value, expected, lower, upper, severity, is_anomaly, and
        model_severity, the severity without feedback. Where a metric had no value in the source, there is a column
        is_missing too.
    about
        frequency, timezone, measures, dimension_names; judged: whether there was a model; roll_ups: true where the
        detector has them (`Metrics.roll_ups`).
    open_groups
        Ids of the groups that have a part in the interval.
    """

    start: datetime
    table: pa.Table
    about: dict[str, Any]
    open_groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IntervalKey:
    """Parts of an interval's key."""

    detector: str
    version: str
    start: datetime


@dataclass(frozen=True, slots=True)
class Point:
    """A metric in one interval.

    Attributes
    ----------
    time_series_id, measure, dimensions
        The metric; `dimensions` are pairs of name and value.
    value, expected
        Observed and expected value, in the measure's unit.
    severity
        0 to 100, without feedback.
    """

    time_series_id: str
    measure: str
    dimensions: tuple[tuple[str, str], ...]
    value: float
    expected: float
    severity: float


def intervals_folder(detector: str, version: str) -> str:
    """Return the folder of the intervals of one version of a detector."""
    return f"{version_folder(detector, version)}/intervals"


def interval_key(detector: str, version: str, start: datetime) -> str:
    """Return the key of an interval."""
    return f"{intervals_folder(detector, version)}/{stamp(start)}{_ENDING}"


def parse_interval_key(key: str) -> IntervalKey | None:
    """Inverse of `interval_key`; None for any other key."""
    stamped = match_key(_KEY, key)
    return (
        IntervalKey(stamped.match["detector"], stamped.match["version"], stamped.start) if stamped is not None else None
    )


def to_parquet(
    start: datetime,
    metrics: Metrics,
    judgement: Judgement | None,
    open_groups: Sequence[str] = (),
    model_severity: npt.NDArray[np.float64] | None = None,
    is_missing: npt.NDArray[np.bool_] | None = None,
) -> bytes:
    """Write an interval as Parquet.

    Parameters
    ----------
    metrics
        Metrics with this one interval.
    judgement
        Judgement of the interval; None where there was no model.
    open_groups
        Ids of groups that the next interval may continue.
    model_severity
        Severity without feedback, shaped as in the judgement. Default: the judgement's.
    is_missing
        Metrics that had no value in the source.
    """
    size = metrics.n_metrics
    texts = pa.array([json.dumps(combination) for combination in metrics.combinations], pa.string())
    k = np.arange(size, dtype=np.int32) % max(1, len(metrics.combinations))
    m = np.arange(size, dtype=np.int32) // max(1, len(metrics.combinations))
    columns: dict[str, pa.Array] = {
        "measure": pa.DictionaryArray.from_arrays(pa.array(m), pa.array(metrics.measures, pa.string())),
        "combination": pa.DictionaryArray.from_arrays(pa.array(k), texts),
        "value": _numbers(metrics.flat[:, 0]),
    }
    for name in _JUDGED:
        numbers = getattr(judgement, name)[:, 0] if judgement is not None else np.full(size, np.nan)
        columns[name] = _numbers(numbers.astype(np.float32))
    if judgement is not None and model_severity is not None:
        columns["model_severity"] = _numbers(model_severity[:, 0].astype(np.float32))
    else:
        columns["model_severity"] = columns["severity"]
    columns["is_anomaly"] = pa.array(judgement.is_anomaly[:, 0] if judgement is not None else np.zeros(size, bool))
    if is_missing is not None and is_missing.any():
        columns[_MISSING] = pa.array(is_missing)
    about = {
        "start": start.isoformat(),
        "frequency": metrics.frequency,
        "timezone": metrics.timezone,
        "measures": metrics.measures,
        "dimension_names": metrics.dimension_names,
        "judged": judgement is not None,
        "open_groups": list(open_groups),
        **({"roll_ups": True} if metrics.roll_ups else {}),
    }
    return table_to_bytes(columns, about)


def from_parquet(body: bytes, place: str = "interval") -> IntervalRecord:
    """Inverse of `to_parquet`; raises `CorruptError`, which names `place`."""
    try:
        table, about = table_from_bytes(body)
        return IntervalRecord(datetime.fromisoformat(about["start"]), table, about, tuple(about["open_groups"]))
    except TABLE_ERRORS as error:
        raise corrupt_table(body, place, error, "an interval as anomalake writes it") from error


class IntervalStore:
    """Intervals of one version of one detector.

    Parameters
    ----------
    store
        The lake.
    detector
        Name of the detector.
    version
        Version of the detector file (`versions.version_of`).
    """

    def __init__(self, store: ObjectStore, detector: str, version: str) -> None:
        self._store = store
        self._detector = detector
        self._version = version

    def write(self, start: datetime, body: bytes, *, only_new: bool = False) -> None:
        """Write an interval, made by `to_parquet`; with `only_new`, unless it is there."""
        key = interval_key(self._detector, self._version, start)
        if only_new:
            self._store.put_new(key, body)
        else:
            self._store.put(key, body)

    def read(self, start: datetime) -> IntervalRecord | None:
        """Read an interval; None where there is none; raises `CorruptError`."""
        key = interval_key(self._detector, self._version, start)
        try:
            body = self._store.get(key)
        except ObjectNotFound:
            return None
        return from_parquet(body, f"{self._store.uri}/{key}")

    def read_many(self, starts: Iterable[datetime]) -> tuple[list[IntervalRecord], list[str]]:
        """Read intervals in parallel; return them, and a line for each that is corrupt."""
        records: list[IntervalRecord] = []
        problems: list[str] = []

        def read(start: datetime) -> IntervalRecord | CorruptError | None:
            try:
                return self.read(start)
            except CorruptError as error:
                return error

        with ThreadPoolExecutor(READERS) as pool:
            for result in pool.map(read, starts):
                if isinstance(result, CorruptError):
                    problems.append(str(result))
                elif result is not None:
                    records.append(result)
        return records, problems

    def starts(self) -> list[datetime]:
        """List the starts of stored intervals, in ascending order."""
        return starts_in(self._store, intervals_folder(self._detector, self._version), _ENDING)

    def delete_before(self, oldest: datetime) -> None:
        """Delete the intervals that begin before a time."""
        old = [interval_key(self._detector, self._version, start) for start in self.starts() if start < oldest]
        if old:
            self._store.delete(old)


def find_interval(store: ObjectStore, detector: str, start: datetime) -> IntervalRecord | None:
    """Read an interval of the newest version that has it; raises `StoreError`, `CorruptError`."""
    for version in read_versions(store, detector):
        record = IntervalStore(store, detector, version.version).read(start)
        if record is not None:
            return record
    return None


def points_of(record: IntervalRecord, detector_arn: str, ids: Collection[str]) -> list[Point]:
    """Return the points of time series, by their ids, that were observed and judged in an interval."""
    names = record.about["dimension_names"]
    points = []
    columns = ("measure", "combination", "value", "expected", "model_severity")
    rows = zip(*(record.table[name].to_pylist() for name in columns), strict=True)
    for measure, text, value, expected, severity in rows:
        values: list[Any] = json.loads(text)
        dimensions = tuple((name, item) for name, item in zip(names, values, strict=True) if item is not None)
        series = time_series_id(detector_arn, measure, dimensions)
        if series in ids and value is not None and expected is not None and math.isfinite(severity or 0.0):
            points.append(Point(series, measure, dimensions, value, expected, severity or 0.0))
    return points


def observed_values(record: IntervalRecord, measure: str, metrics: Iterable[Dimensions]) -> dict[Dimensions, float]:
    """Return the values of metrics of a measure, by their dimensions; those that were not observed are left out."""
    wanted = combination_texts(record.about["dimension_names"], metrics)
    table = record.table.filter(pc.equal(record.table["measure"].cast(pa.string()), measure))
    table = table.filter(
        pc.is_in(table["combination"].cast(pa.string()), value_set=pa.array(list(wanted), pa.string()))
    )
    if _MISSING in table.schema.names:
        table = table.filter(pc.invert(table[_MISSING]))
    found, values = (table[name].to_pylist() for name in ("combination", "value"))
    return {wanted[text]: value for text, value in zip(found, values, strict=True) if value is not None}


def combination_texts(names: Sequence[str], metrics: Iterable[Dimensions]) -> dict[str, Dimensions]:
    """Return metrics by the texts of their combinations in a table with some dimensions; others are left out."""
    return {
        json.dumps([dict(dimensions).get(name) for name in names]): dimensions
        for dimensions in metrics
        if {name for name, _ in dimensions} <= set(names)
    }


def metrics_of(records: Sequence[IntervalRecord], starts: npt.NDArray[np.datetime64]) -> Metrics | None:
    """Return the observed values of intervals, on a grid that has all of them; None where there are no records."""
    if not records:
        return None
    about = records[-1].about
    measures = pa.array(about["measures"], pa.string())
    known = pa.array([], pa.string())
    columns: list[tuple[int, npt.NDArray[Any], npt.NDArray[Any]]] = []
    for record in records:
        table = record.table
        if _MISSING in table.schema.names:
            table = table.filter(pc.invert(table[_MISSING]))
        texts = table["combination"].combine_chunks().cast(pa.string())
        known = pa.concat_arrays([known, pc.unique(texts.filter(pc.invert(pc.is_in(texts, known))))])
        m = pc.index_in(table["measure"].cast(pa.string()), measures)
        t = int(np.searchsorted(starts, np.datetime64(record.start.replace(tzinfo=None), "s")))
        place = np.asarray(m.to_numpy(), np.int64) * (1 << 32) + pc.index_in(texts, known).to_numpy()
        columns.append((t, place, table["value"].to_numpy()))
    combinations: list[Combination] = [tuple(json.loads(text)) for text in known.to_pylist()]
    order = sorted(range(len(combinations)), key=lambda k: sort_key(combinations[k]))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    values = np.full((len(starts), len(measures), len(order)), np.nan)
    for t, place, value in columns:
        values[t, place >> 32, rank[place & 0xFFFFFFFF]] = value
    return Metrics(
        about["frequency"],
        about["timezone"],
        starts,
        tuple(about["measures"]),
        tuple(about["dimension_names"]),
        tuple(combinations[k] for k in order),
        np.ascontiguousarray(values.transpose(1, 2, 0)),
        bool(about.get("roll_ups")),
    )


def _numbers(values: npt.NDArray[Any]) -> pa.Array:
    return pa.array(values, from_pandas=True)
