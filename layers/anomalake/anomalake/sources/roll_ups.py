"""Roll-ups: the total of all combinations of dimension values, and the totals of each dimension value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from anomalake.definitions.metric_set import MAX_METRIC_VALUE
from anomalake.model.metrics import Combination, Metrics, roll_up_shaped, sort_key
from anomalake.sources.aggregation import MOST_VALUES, LimitExceededError

# Number of values that are added up at a time.
_BLOCK = 2**22

Indices = npt.NDArray[np.int64]


def with_roll_ups(metrics: Metrics, is_sum: Sequence[bool]) -> tuple[Metrics, list[str]]:
    """Add the roll-ups of some measures to metrics.

    A roll-up has the dimensions of a combination that lacks the others. Rows that lack them count in it, and are no
    metric of their own.

    Parameters
    ----------
    is_sum
        For each measure, whether it is a sum and has roll-ups.

    Returns
    -------
    Metrics, list
        The metrics, and a line for each measure with totals that an alert cannot have; these are left out.

    Raises
    ------
    LimitExceededError
        The metrics would not fit into memory.
    """
    given = metrics.combinations
    own = [k for k, combination in enumerate(given) if not roll_up_shaped(combination)]
    targets = [_roll_ups_of(combination) for combination in given]
    roll_ups = sorted({roll_up for of_one in targets for roll_up in of_one}, key=sort_key)
    n_values = len(metrics.measures) * (len(own) + len(roll_ups)) * len(metrics.starts)
    if n_values > MOST_VALUES:
        raise LimitExceededError(
            f"{len(metrics.measures)} measures x {len(own) + len(roll_ups):,} combinations with roll-ups x "
            f"{len(metrics.starts):,} intervals; expected up to {MOST_VALUES:,} values"
        )
    place = {roll_up: number for number, roll_up in enumerate(roll_ups)}
    pairs = [(place[roll_up], k) for k, of_one in enumerate(targets) for roll_up in of_one]
    target, source = (np.array(column, np.int64) for column in (zip(*pairs, strict=True) if pairs else ((), ())))
    combinations = tuple(sorted([*(given[k] for k in own), *roll_ups], key=sort_key))
    row_of = {combination: row for row, combination in enumerate(combinations)}
    own_rows, roll_up_rows = [row_of[given[k]] for k in own], [row_of[roll_up] for roll_up in roll_ups]
    values = np.full((len(metrics.measures), len(combinations), len(metrics.starts)), np.nan)
    values[:, own_rows] = metrics.values[:, own]
    problems = []
    for m, measure in enumerate(metrics.measures):
        if not is_sum[m] or not roll_ups:
            continue
        totals = _totals(metrics.values[m], source, target, len(roll_ups))
        large = np.abs(totals) >= MAX_METRIC_VALUE
        if large.any():
            problems.append(
                f"{int(large.sum()):,} roll-ups of {measure!r} are left out, for they are not below 1e18 in size"
            )
        values[m, roll_up_rows] = np.where(large, np.nan, totals)
    return replace(metrics, combinations=combinations, values=values, roll_ups=True), problems


def _roll_ups_of(combination: Combination) -> list[Combination]:
    """Return the roll-ups that a combination is a part of."""
    size = len(combination)
    if not size:
        return []
    total: Combination = (None,) * size
    if size == 1:
        return [total]
    singles = [(*total[:d], value, *total[d + 1 :]) for d, value in enumerate(combination) if value is not None]
    return [total, *singles]


def _totals(values: npt.NDArray[np.float64], source: Indices, target: Indices, n: int) -> npt.NDArray[np.float64]:
    """Add up rows: `source` to `target`, of which there are `n`; NaN where nothing was observed.

    They are added one by one in their order, and what was not observed changes nothing. So a sum is the same to the
    last digit, whichever intervals and combinations are read together.
    """
    n_times = values.shape[1]
    totals = np.empty((n, n_times))
    width = max(1, _BLOCK // max(1, len(source)))
    for first in range(0, n_times, width):
        block = values[:, first : first + width][source]
        observed = ~np.isnan(block)
        cells = (target[:, None] * block.shape[1] + np.arange(block.shape[1])).ravel()
        size = n * block.shape[1]
        sums = np.bincount(cells, np.where(observed, block, 0.0).ravel(), size)
        counts = np.bincount(cells, observed.ravel(), size)
        totals[:, first : first + width] = np.where(counts > 0, sums, np.nan).reshape(n, -1)
    return totals
