"""One interval as a Parquet file: what was observed of each metric, what was expected, and how severe it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Combination, Metrics, sort_key
from anomalake.records.arrays import CorruptError

_ABOUT = b"anomalake"
_JUDGED = ("expected", "lower", "upper", "severity")


@dataclass(frozen=True, slots=True, eq=False)
class IntervalRecord:
    """What is kept of an interval.

    Attributes
    ----------
    start
        Its start.
    table
        A row a metric: measure, combination (JSON), value, expected, lower, upper, severity, is_anomaly, and
        model_severity, which is the severity before feedback was heeded.
    about
        frequency, timezone, measures, dimension_names; judged: whether there was a model.
    open_groups
        Ids of the groups that it belongs to or that may go on after it.
    """

    start: datetime
    table: pa.Table
    about: dict[str, Any]
    open_groups: tuple[str, ...]


def to_parquet(
    start: datetime,
    metrics: Metrics,
    judgement: Judgement | None,
    open_groups: Sequence[str] = (),
    model_severity: npt.NDArray[np.float64] | None = None,
) -> bytes:
    """An interval as Parquet.

    Parameters
    ----------
    metrics
        One interval of them.
    judgement
        Of the same; None where there was no model.
    open_groups
        Ids of groups that the next interval may continue.
    model_severity
        Severity before feedback was heeded, where it was; shape as in the judgement.
    """
    size = metrics.n_metrics
    texts = pa.array([json.dumps(one) for one in metrics.combinations], pa.string())
    k = np.arange(size, dtype=np.int32) % max(1, len(metrics.combinations))
    m = np.arange(size, dtype=np.int32) // max(1, len(metrics.combinations))
    columns: dict[str, pa.Array] = {
        "measure": pa.DictionaryArray.from_arrays(pa.array(m), pa.array(metrics.measures, pa.string())),
        "combination": pa.DictionaryArray.from_arrays(pa.array(k), texts),
        "value": _numbers(metrics.flat[:, 0]),
    }
    for name in _JUDGED:
        given = getattr(judgement, name)[:, 0] if judgement is not None else np.full(size, np.nan)
        columns[name] = _numbers(given.astype(np.float32))
    if judgement is not None and model_severity is not None:
        columns["model_severity"] = _numbers(model_severity[:, 0].astype(np.float32))
    else:
        columns["model_severity"] = columns["severity"]
    columns["is_anomaly"] = pa.array(judgement.is_anomaly[:, 0] if judgement is not None else np.zeros(size, bool))
    about = {
        "start": start.isoformat(),
        "frequency": metrics.frequency,
        "timezone": metrics.timezone,
        "measures": metrics.measures,
        "dimension_names": metrics.dimension_names,
        "judged": judgement is not None,
        "open_groups": list(open_groups),
    }
    table = pa.table(columns).replace_schema_metadata({_ABOUT: json.dumps(about, sort_keys=True)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=1, write_page_checksum=True)
    return bytes(sink.getvalue())


def from_parquet(body: bytes) -> IntervalRecord:
    """Out of `to_parquet`; raises `CorruptError`."""
    try:
        table = pq.ParquetFile(pa.BufferReader(body), page_checksum_verification=True).read()
        about = json.loads(table.schema.metadata[_ABOUT])
        start = datetime.fromisoformat(about["start"])
        return IntervalRecord(start, table, about, tuple(about["open_groups"]))
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CorruptError(f"{len(body):,} bytes: {text}; expected an interval as anomalake writes it") from error


def metrics_of(records: Sequence[IntervalRecord], starts: npt.NDArray[np.datetime64]) -> Metrics | None:
    """What was observed in some intervals, on a grid that holds them all; None where there are no records."""
    if not records:
        return None
    about = records[-1].about
    measures = pa.array(about["measures"], pa.string())
    known = pa.array([], pa.string())
    found: list[tuple[int, npt.NDArray[Any], npt.NDArray[Any]]] = []
    for record in records:
        texts = record.table["combination"].combine_chunks().cast(pa.string())
        known = pa.concat_arrays([known, pc.unique(texts.filter(pc.invert(pc.is_in(texts, known))))])
        m = pc.index_in(record.table["measure"].cast(pa.string()), measures)
        t = int(np.searchsorted(starts, np.datetime64(record.start.replace(tzinfo=None), "s")))
        place = np.asarray(m.to_numpy(), np.int64) * (1 << 32) + pc.index_in(texts, known).to_numpy()
        found.append((t, place, record.table["value"].to_numpy()))
    combinations: list[Combination] = [tuple(json.loads(text)) for text in known.to_pylist()]
    order = sorted(range(len(combinations)), key=lambda k: sort_key(combinations[k]))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    values = np.full((len(starts), len(measures), len(order)), np.nan)
    for t, place, value in found:
        values[t, place >> 32, rank[place & 0xFFFFFFFF]] = value
    return Metrics(
        about["frequency"],
        about["timezone"],
        starts,
        tuple(about["measures"]),
        tuple(about["dimension_names"]),
        tuple(combinations[k] for k in order),
        np.ascontiguousarray(values.transpose(1, 2, 0)),
    )


def _numbers(values: npt.NDArray[Any]) -> pa.Array:
    return pa.array(values, from_pandas=True)
