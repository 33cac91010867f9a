"""Sums of rows by interval and combination: the same bits in any division into blocks' order, and little memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest

from anomalake.definitions.metric_set import MAX_METRIC_VALUE, Measure, MetricSet
from anomalake.model.metrics import Metrics
from anomalake.sources import aggregation
from anomalake.sources.aggregation import Aggregation, LimitExceededError

ARN = "arn:aws:lookoutmetrics:us-east-1:000000000000:AnomalyDetector:shop"
FIRST = 1_767_571_200
HOUR = 3600

Rows = tuple[np.ndarray, np.ndarray, list[np.ndarray]]


def metric_set(function: str = "SUM") -> MetricSet:
    return MetricSet(
        ARN, "timestamp", dimension_list=("page",), frequency="PT1H", timezone="UTC",
        metric_list=(Measure("views", function), Measure("orders")), historical_data_path_list=("data",),
    )  # fmt: skip


def blocks(random: np.random.Generator, n_blocks: int) -> list[Rows]:
    """Rows with repeated keys, missing values, sizes far apart, and intervals without rows."""
    made = []
    for _ in range(n_blocks):
        n = int(random.integers(1, 300))
        starts = FIRST + HOUR * random.integers(0, 90, n) * 2
        pages = random.integers(0, int(random.integers(1, 30)), n)
        values = [random.normal(0, 10.0 ** random.integers(-3, 9), n) for _ in range(2)]
        values[0][random.random(n) < 0.2] = np.nan
        made.append((starts, pages, values))
    return made


def aggregated(of: MetricSet, rows: Sequence[Rows]) -> tuple[Metrics, list[str]]:
    made = Aggregation(of)
    # Combinations are named in the order of their codes.
    made.codes[0].values.extend(f"page-{number:02d}" for number in range(30))
    for starts, pages, values in rows:
        made.add(starts + 7, starts, [pages], values)
    return made.metrics(), made.problems


def added_one_by_one(rows: Sequence[Rows], measure: int, is_mean: bool) -> dict[tuple[int, int], float]:
    """Add the sums of each block, in the order of the blocks."""
    sums: dict[tuple[int, int], float] = {}
    counts: dict[tuple[int, int], int] = {}
    for starts, pages, values in rows:
        of_block: dict[tuple[int, int], float] = {}
        for start, page, value in zip(starts.tolist(), pages.tolist(), values[measure].tolist(), strict=True):
            if value == value:
                of_block[page, start] = of_block.get((page, start), 0.0) + value
                counts[page, start] = counts.get((page, start), 0) + 1
        for key, value in of_block.items():
            sums[key] = sums.get(key, 0.0) + value
    return {key: value / counts[key] if is_mean else value for key, value in sums.items()}


@pytest.mark.parametrize("function", ["SUM", "AVG"])
@pytest.mark.parametrize("seed", range(10))
def test_values_are_the_sums_of_blocks_in_their_order(
    function: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregation, "_PENDING", (1, 500, 1_000_000)[seed % 3])
    rows = blocks(np.random.default_rng(seed), 8)
    metrics, problems = aggregated(metric_set(function), rows)
    assert problems == []
    starts = metrics.starts.astype(np.int64)
    assert (np.diff(starts) == HOUR).all()
    for measure in range(2):
        expected = added_one_by_one(rows, measure, function == "AVG" and not measure)
        found = {
            (int(name[0][-2:]), int(start)): float(metrics.values[measure, row, column])
            for row, name in enumerate(metrics.combinations)
            if name[0] is not None
            for column, start in enumerate(starts)
            if not np.isnan(metrics.values[measure, row, column])
        }
        assert found == expected


def test_the_first_value_that_is_too_large_is_named() -> None:
    rows = blocks(np.random.default_rng(3), 2)
    for place, size in ((40, 2e18), (3, 3e18)):
        rows[1][2][1][place] = size
    metrics, (problem,) = aggregated(metric_set(), rows)
    assert np.nanmax(np.abs(metrics.values)) < MAX_METRIC_VALUE
    assert problem.startswith("2 values of 'orders' are left out, for they are not below 1e18 in size; first: ")


def test_memory_is_bounded_by_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregation, "_HASHED_ROWS", 0)
    monkeypatch.setattr(aggregation, "_PENDING", 20_000)
    n_pages, n_times, per_block = 400, 1_000, 20
    of = metric_set()
    made = Aggregation(of)
    made.codes[0].values.extend(f"page-{number:03d}" for number in range(n_pages))
    pages = np.tile(np.arange(n_pages), per_block)
    values = [np.ones(len(pages)), np.ones(len(pages))]
    tracemalloc.start()
    try:
        for begin in range(0, n_times, per_block):
            starts = FIRST + HOUR * np.repeat(np.arange(begin, begin + per_block), n_pages)
            made.add(starts, starts, [pages], values)
        n_values = made.metrics().values.size
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n_values == 2 * n_pages * n_times
    # 8 bytes for a sum, 4 for a count, and 8 for the value.
    assert peak < 30 * n_values


def test_more_values_than_the_limit_are_refused_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregation, "MOST_VALUES", 1_000)
    rows = blocks(np.random.default_rng(1), 8)
    with pytest.raises(
        LimitExceededError, match=r"2 measures x \d+ combinations x \d+ intervals .* up to 1,000 values"
    ):
        aggregated(metric_set(), rows)
