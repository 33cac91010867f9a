"""Types of anomalies, added to a series and labelled."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

AnomalyType = Literal[
    "spike",
    "dip",
    "outlier",
    "burst",
    "outage",
    "fall",
    "ramp",
    "shift",
    "episode",
    "noise",
    "flat",
    "stuck",
    "wrong_time",
]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Kpi:
    """A synthetic series.

    Attributes
    ----------
    values, usual, scale
        Shape (points,): observed values, values without noise, and the standard deviation of the noise.
    per_day
        Points per day.
    low, high
        Bounds of the values.
    is_count
        Whether the values are counts.
    labels
        Shape (points,), bool; by default, no point is labelled.
    """

    values: Floats
    usual: Floats
    scale: Floats
    per_day: int
    low: float = -np.inf
    high: float = np.inf
    is_count: bool = False
    labels: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", np.clip(self.values, self.low, self.high))
        if not len(self.labels):
            object.__setattr__(self, "labels", np.zeros(len(self.values), dtype=np.bool_))


def add_anomaly(kind: AnomalyType, kpi: Kpi, rng: np.random.Generator, first: int) -> Kpi:
    """Return the series with one more anomaly from point `first` on; unchanged if the anomaly has no effect there."""
    points = len(kpi.values)
    resolution = max(1, kpi.per_day // 96)

    def span(least: int, most: int) -> slice:
        return slice(first, min(points, first + int(rng.integers(least, most + 1))))

    values, usual, scale = kpi.values.copy(), kpi.usual.copy(), kpi.scale
    size = float(np.exp(rng.uniform(np.log(5), np.log(40)))) * scale[first]
    sign = float(rng.choice([-1, 1]))
    marked: slice
    if kind == "spike":
        marked = span(1, 2 * resolution)
        values[marked] += size
    elif kind == "dip":
        marked = span(1, 3 * resolution)
        values[marked] -= size
    elif kind == "outlier":
        marked = span(1, 1)
        values[first] = usual[first] + sign * rng.uniform(3, 8) * scale[first]
    elif kind == "burst":
        marked = span(2, 6 * resolution)
        values[marked] += rng.poisson(rng.uniform(1.5, 6) * scale[marked] + 1)
    elif kind == "outage":
        marked = span(3, 30)
        values[marked] = max(kpi.low, 0.0) if np.isfinite(kpi.low) else 0.0
    elif kind == "fall":
        marked = span(2, 10 * resolution)
        values[marked] -= rng.uniform(3, 40) * scale[marked]
    elif kind == "ramp":
        marked = span(10, 40)
        count = marked.stop - first
        values[marked] += sign * size * np.arange(1, count + 1) / count
    elif kind == "shift":
        marked = span(1, 1)
        jump = sign * float(rng.uniform(5, 16)) * scale[first]
        if np.isfinite(kpi.low) and jump < 0:
            jump = max(jump, -0.7 * usual[first])
        values[first:] += jump
        usual[first:] += jump
    elif kind == "episode":
        marked = span(6, 40 * resolution)
        values[marked] += sign * 0.6 * size
    elif kind == "noise":
        marked = span(8, 30)
        values[marked] += rng.uniform(4, 8) * scale[marked] * rng.normal(size=marked.stop - first)
    elif kind == "flat":
        marked = span(kpi.per_day // 2, kpi.per_day)
        values[marked] += values[first] - usual[marked]
    elif kind == "stuck":
        marked = span(6, 24)
        values[marked] = values[first]
    else:
        marked = span(3 * resolution, 8 * resolution)
        values[marked] += np.roll(usual, kpi.per_day // 2)[marked] - usual[marked]
    values = np.clip(values, kpi.low, kpi.high)
    if kpi.is_count:
        values = np.rint(values)
    moved = np.abs(values - kpi.values)[marked] > 2 * scale[marked]
    if kind != "stuck" and not moved.any():
        return kpi
    labels = kpi.labels.copy()
    labels[marked] = True
    return replace(kpi, values=values, usual=usual, labels=labels)
