"""Metrics of several intervals or sources put together on one grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from anomalake.model.metrics import Combination, Metrics


def sort_key(combination: Combination) -> tuple[tuple[bool, str], ...]:
    """Order of combinations: by value, a dimension that is lacking first."""
    return tuple((value is not None, value or "") for value in combination)


def join(parts: Sequence[Metrics], starts: npt.NDArray[np.datetime64]) -> Metrics:
    """Several parts as one.

    Parameters
    ----------
    parts
        Of the same frequency, zone, measures and dimensions, at least one. Where several have an interval, what the
        later one observed of a metric counts.
    starts
        The grid, ascending; intervals of no part are NaN, and those of a part that are not on it are left out.
    """
    first = parts[0]
    combinations = tuple(sorted({one for part in parts for one in part.combinations}, key=sort_key))
    values = np.full((len(first.measures), len(combinations), len(starts)), np.nan)
    place = {one: k for k, one in enumerate(combinations)}
    for part in parts:
        columns = np.searchsorted(starts, part.starts)
        kept = (columns < len(starts)) & (starts[np.minimum(columns, len(starts) - 1)] == part.starts)
        if not kept.any():
            continue
        rows = np.array([place[one] for one in part.combinations], dtype=np.intp)
        given = part.values[:, :, kept]
        target = np.ix_(range(len(first.measures)), rows, columns[kept])
        values[target] = np.where(np.isnan(given), values[target], given)
    return Metrics(first.frequency, first.timezone, starts, first.measures, first.dimension_names, combinations, values)


def between(metrics: Metrics, first: int, last: int) -> Metrics:
    """The intervals with index `first` up to `last`, the latter excluded; a view."""
    return Metrics(
        metrics.frequency,
        metrics.timezone,
        metrics.starts[first:last],
        metrics.measures,
        metrics.dimension_names,
        metrics.combinations,
        metrics.values[:, :, first:last],
    )


def nothing(like: Metrics, starts: npt.NDArray[np.datetime64]) -> Metrics:
    """The same metrics, with nothing observed."""
    return join([between(like, 0, 0)], starts)
