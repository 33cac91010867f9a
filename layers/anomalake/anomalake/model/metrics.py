"""The values of all metrics of a metric set on one grid of intervals."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from anomalake.model.array_types import BoolArray, FloatArray, TimeArray

#: Values of the dimensions of one metric, in the order of `Metrics.dimension_names`; None for a missing value.
Combination = tuple[str | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Metrics:
    """Measures × combinations of dimension values × intervals.

    Attributes
    ----------
    frequency
        One of `FREQUENCIES`.
    timezone
        Zone of the metric set, an IANA name.
    starts
        Starts of the intervals in UTC, ``datetime64[s]``, shape (T,), ascending, without gaps.
    measures
        M names.
    dimension_names
        Names in the metric set's order.
    combinations
        K combinations of dimension values, sorted; one empty tuple where there are no dimensions.
    values
        float64, shape (M, K, T); NaN where nothing was observed.
    roll_ups
        Whether combinations with one value at most, where there are more dimensions, are roll-ups (`is_roll_up`).
    """

    frequency: str
    timezone: str
    starts: TimeArray
    measures: tuple[str, ...]
    dimension_names: tuple[str, ...]
    combinations: tuple[Combination, ...]
    values: FloatArray
    roll_ups: bool = False

    def __post_init__(self) -> None:
        shape = (len(self.measures), len(self.combinations), len(self.starts))
        if self.values.shape != shape:
            raise ValueError(f"values have shape {self.values.shape}; expected (measures, combinations, times) {shape}")

    @property
    def n_metrics(self) -> int:
        """Number of metrics, M × K."""
        return len(self.measures) * len(self.combinations)

    @property
    def flat(self) -> FloatArray:
        """View of the values as (M × K, T), measure by measure."""
        return self.values.reshape(self.n_metrics, len(self.starts))

    @property
    def has_value(self) -> BoolArray:
        """Whether anything was observed in an interval, shape (T,)."""
        observed: BoolArray = (~np.isnan(self.values)).any(axis=(0, 1))
        return observed

    @property
    def n_with_value(self) -> int:
        """Number of metrics without roll-ups of which anything was observed."""
        observed = ~np.isnan(self.values[:, ~self.is_roll_up])
        return int(np.count_nonzero(observed.any(axis=2)))

    @property
    def is_roll_up(self) -> BoolArray:
        """Whether a combination is a roll-up, shape (K,): the total, or that of one dimension value."""
        return np.array([self.roll_ups and roll_up_shaped(combination) for combination in self.combinations], np.bool_)

    def dimensions(self, k: int) -> tuple[tuple[str, str], ...]:
        """Return names and values of combination `k`, without missing values."""
        pairs = zip(self.dimension_names, self.combinations[k], strict=True)
        return tuple((name, value) for name, value in pairs if value is not None)


@dataclass(frozen=True, slots=True, eq=False)
class StoredMetrics(Metrics):
    """Metrics whose values are stored in blocks of series; `values` has none, and needs no memory.

    Attributes
    ----------
    intervals_with_value
        As `has_value`.
    series_with_value
        As `n_with_value`.
    """

    intervals_with_value: BoolArray = field(kw_only=True)
    series_with_value: int = field(kw_only=True)

    @property
    def has_value(self) -> BoolArray:
        """Whether anything was observed in an interval, shape (T,)."""
        return self.intervals_with_value

    @property
    def n_with_value(self) -> int:
        """Number of metrics of which anything was observed."""
        return self.series_with_value


def time_series_id(detector_arn: str, measure: str, dimensions: tuple[tuple[str, str], ...]) -> str:
    """Return L4M's TimeSeriesId: 64 hex digits, equal for equal detector, measure and dimensions."""
    identity = [detector_arn, measure, sorted(dimensions)]
    return hashlib.sha256(json.dumps(identity, ensure_ascii=True).encode("ascii")).hexdigest()


def sort_key(combination: Combination) -> tuple[tuple[bool, str], ...]:
    """Return the sort key of a combination: by value, a missing value first."""
    return tuple((value is not None, value or "") for value in combination)


def roll_up_shaped(combination: Combination) -> bool:
    """Whether a combination has a missing value, and one value at most."""
    n_values = sum(value is not None for value in combination)
    return n_values <= 1 and n_values < len(combination)


def between(metrics: Metrics, first: int, last: int) -> Metrics:
    """Return a view of the intervals from index `first` up to `last`, the latter excluded."""
    return replace(metrics, starts=metrics.starts[first:last], values=metrics.values[:, :, first:last])


def join(parts: Sequence[Metrics], starts: TimeArray) -> Metrics:
    """Join metrics of several intervals or sources on one grid.

    Parameters
    ----------
    parts
        At least one, all of the same frequency, zone, measures and dimensions. If several parts observed the same
        metric and interval, the value of the last of them is used.
    starts
        The grid, ascending. Intervals without a part are NaN; intervals of a part that are not on the grid are left
        out.
    """
    first = parts[0]
    combinations = tuple(sorted({combination for part in parts for combination in part.combinations}, key=sort_key))
    values = np.full((len(first.measures), len(combinations), len(starts)), np.nan)
    row_of = {combination: row for row, combination in enumerate(combinations)}
    for part in parts:
        columns = np.searchsorted(starts, part.starts)
        on_grid = (columns < len(starts)) & (starts[np.minimum(columns, len(starts) - 1)] == part.starts)
        if not on_grid.any():
            continue
        rows = np.array([row_of[combination] for combination in part.combinations], dtype=np.intp)
        observed = part.values[:, :, on_grid]
        target = np.ix_(range(len(first.measures)), rows, columns[on_grid])
        values[target] = np.where(np.isnan(observed), values[target], observed)
    return replace(first, starts=starts, combinations=combinations, values=values)


def with_combinations(metrics: Metrics, combinations: Sequence[Combination]) -> Metrics:
    """Return metrics that have some more combinations, which were not observed."""
    values = np.full((len(metrics.measures), len(combinations), len(metrics.starts)), np.nan)
    return join([replace(metrics, combinations=tuple(combinations), values=values), metrics], metrics.starts)
