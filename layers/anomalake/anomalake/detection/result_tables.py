"""Judged points and anomaly groups as tables, for data frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anomalake.groups.anomaly_group import Group
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics

#: Columns of the points after the time and the dimensions.
POINT_COLUMNS: Final = ("measure", "value", "expected", "lower", "upper", "severity", "is_anomaly", "group")

#: Columns of root causes, beside the dimensions.
RANK, SHARE_OFF, EXPLAINED, GAIN = CAUSE_COLUMNS = ("rank", "share_off", "explained", "gain")


@dataclass(frozen=True, slots=True)
class KeyColumns:
    """Columns of a result that its data frame has too, so that both can be joined.

    Attributes
    ----------
    time, time_type
        Name and type of the time: a timestamp with a zone, or without one for the wall clock of the metrics' zone; or a
        date.
    dimension_types
        Types of the dimensions.
    """

    time: str
    time_type: pa.DataType
    dimension_types: tuple[pa.DataType, ...]


def points_table(metrics: Metrics, judgement: Judgement, groups: Sequence[Group], keys: KeyColumns) -> pa.Table:
    """Return the observed judged points, metric by metric, each by time.

    `expected` is null where the model did not know the metric well enough; `lower` and `upper` are null there, and
    where that side is open; `group` is null for points that are no anomalies.
    """
    n_judged = judgement.severity.shape[1]
    starts = metrics.starts[judgement.first : judgement.first + n_judged]
    values = metrics.flat[:, judgement.first : judgement.first + n_judged]
    rows, columns = np.nonzero(~np.isnan(values))
    n_combinations = max(1, len(metrics.combinations))
    names = pa.array(metrics.measures, pa.string())
    table = {keys.time: times(starts, metrics.timezone, keys.time_type).take(pa.array(columns))}
    for place, (name, type_) in enumerate(zip(metrics.dimension_names, keys.dimension_types, strict=True)):
        texts = pa.array([combination[place] for combination in metrics.combinations], pa.string())
        table[name] = _cast(texts, type_).take(pa.array(rows % n_combinations))
    table["measure"] = names.take(pa.array(rows // n_combinations))
    table["value"] = pa.array(values[rows, columns])
    for name in ("expected", "lower", "upper"):
        numbers = getattr(judgement, name)[rows, columns]
        table[name] = pa.array(numbers, mask=~np.isfinite(numbers))
    table["severity"] = pa.array(judgement.severity[rows, columns])
    table["is_anomaly"] = pa.array(judgement.is_anomaly[rows, columns])
    ids = pa.array([group.group_id for group in groups], pa.string())
    places = _group_places(metrics, judgement, groups)[rows, columns]
    table["group"] = ids.take(pa.array(places, mask=places < 0))
    return pa.table(table)


def causes_table(metrics: Metrics, groups: Sequence[Group], keys: KeyColumns) -> pa.Table:
    """Return the root causes of groups, each group by time and each interval by rank.

    A dimension that a cause does not name is null.
    """
    found = [
        (group, interval.timestamp, rank, cause)
        for group in groups
        for interval in group.intervals
        for rank, cause in enumerate(interval.causes, 1)
    ]
    starts = (np.datetime64(start.astimezone(UTC).replace(tzinfo=None), "s") for _, start, _, _ in found)
    table = {
        "group": pa.array([group.group_id for group, *_ in found], pa.string()),
        "measure": pa.array([group.measure for group, *_ in found], pa.string()),
        keys.time: times(starts, metrics.timezone, keys.time_type),
        RANK: pa.array([rank for _, _, rank, _ in found], pa.int64()),
    }
    for name, type_ in zip(metrics.dimension_names, keys.dimension_types, strict=True):
        texts = pa.array([dict(cause.dimensions).get(name) for *_, cause in found], pa.string())
        table[name] = _cast(texts, type_)
    for name in (SHARE_OFF, EXPLAINED, GAIN):
        table[name] = pa.array([getattr(cause, name) for *_, cause in found], pa.float64())
    return pa.table(table)


def times(starts: Iterable[np.datetime64], timezone: str, type_: pa.DataType) -> pa.Array:
    """Return instants as a column of a type."""
    zone: tzinfo = ZoneInfo(timezone)
    instants = [datetime.fromtimestamp(int(start.astype("datetime64[s]").astype(np.int64)), UTC) for start in starts]
    if pa.types.is_timestamp(type_) and type_.tz is not None:
        return pa.array(instants, pa.timestamp("s", "UTC")).cast(type_)
    local = [instant.astimezone(zone).replace(tzinfo=None) for instant in instants]
    return pa.array(local, pa.timestamp("s")).cast(type_)


def _group_places(metrics: Metrics, judgement: Judgement, groups: Sequence[Group]) -> npt.NDArray[np.int64]:
    """Return the place of each point's group, -1 for none."""
    n_combinations = len(metrics.combinations)
    rows = {metrics.dimensions(k): k for k in range(n_combinations)}
    first_rows = {name: m * n_combinations for m, name in enumerate(metrics.measures)}
    seconds = metrics.starts[judgement.first :].astype("datetime64[s]").astype(np.int64).tolist()
    columns = {second: column for column, second in enumerate(seconds)}
    places = np.full(judgement.severity.shape, -1, np.int64)
    for place, group in enumerate(groups):
        for interval in group.intervals:
            column = columns.get(int(interval.timestamp.timestamp()))
            if column is not None:
                affected = [first_rows[group.measure] + rows[metric.dimensions] for metric in interval.affected]
                places[affected, column] = place
    return places


def _cast(texts: pa.Array, type_: pa.DataType) -> pa.Array:
    """Return the values of a dimension in the type that its column has, where that can hold them."""
    try:
        return texts.cast(type_)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return texts
