"""All metrics of a metric set on one grid of intervals: what the model works on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

#: Values of the dimensions of one metric, in the order of `Metrics.dimension_names`; None where a row lacked it.
Combination = tuple[str | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Metrics:
    """Measures × combinations of dimension values × intervals.

    Attributes
    ----------
    frequency
        ``PT5M``, ``PT10M``, ``PT1H`` or ``P1D``.
    timezone
        Zone of the metric set, an IANA name.
    starts
        Starts of the intervals in UTC, ``datetime64[s]``, shape (T,), ascending, none left out.
    measures
        Names, M of them.
    dimension_names
        Names, in the metric set's order.
    combinations
        K combinations of dimension values, sorted; one empty tuple where there are no dimensions.
    values
        float64, shape (M, K, T); NaN where nothing was observed.
    """

    frequency: str
    timezone: str
    starts: npt.NDArray[np.datetime64]
    measures: tuple[str, ...]
    dimension_names: tuple[str, ...]
    combinations: tuple[Combination, ...]
    values: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = (len(self.measures), len(self.combinations), len(self.starts))
        if self.values.shape != shape:
            raise ValueError(f"values have shape {self.values.shape}; expected (measures, combinations, times) {shape}")

    @property
    def n_metrics(self) -> int:
        """M × K."""
        return len(self.measures) * len(self.combinations)

    @property
    def flat(self) -> npt.NDArray[np.float64]:
        """The values as (M × K, T), measure by measure; a view."""
        return self.values.reshape(self.n_metrics, len(self.starts))

    def dimensions(self, k: int) -> tuple[tuple[str, str], ...]:
        """Names and values of one combination; a dimension that its rows lack is left out."""
        named = zip(self.dimension_names, self.combinations[k], strict=True)
        return tuple((name, value) for name, value in named if value is not None)


def time_series_id(detector_arn: str, measure: str, dimensions: tuple[tuple[str, str], ...]) -> str:
    """L4M's TimeSeriesId of one metric: 64 hex digits, the same for the same detector, measure and dimensions."""
    named: list[Any] = [detector_arn, measure, sorted(dimensions)]
    return hashlib.sha256(json.dumps(named, ensure_ascii=True).encode("ascii")).hexdigest()
