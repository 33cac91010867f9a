"""Blocks of series, and their distribution among processes."""

from __future__ import annotations

import os
from itertools import pairwise

import pytest

from anomalake.model import blocks
from anomalake.model.blocks import BLOCK, block_bounds, in_blocks
from anomalake.model.layout import STRIP


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 16 series, in several processes from the first value on."""
    monkeypatch.setattr(blocks, "_PARALLEL_FROM", 1)
    monkeypatch.setattr(blocks, "BLOCK", 16)


@pytest.mark.parametrize(
    ("n_times", "size"),
    [(1, 16_384), (588, 16_384), (1_464, 4096), (2_496, 4096), (8_064, 1024), (105_120, 64), (1_000_000_000, 16)],
)
def test_blocks_depend_only_on_the_index_of_the_series_and_the_intervals(n_times: int, size: int) -> None:
    fewer, more = block_bounds(40_000, n_times), block_bounds(50_000, n_times)
    assert fewer[:-1] == more[: len(fewer) - 1]
    assert {end - first for first, end in more[:-1]} == {size}


@pytest.mark.parametrize("n_times", [1, 588, 840, 2_496, 8_064, 30_000])
def test_blocks_are_whole_strips_so_that_products_have_one_shape(n_times: int) -> None:
    assert BLOCK % STRIP == 0
    assert all((end - first) % STRIP == 0 for first, end in block_bounds(50_000, n_times)[:-1])


def test_blocks_of_other_sizes_are_computed_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", STRIP - 28)
    assert block_bounds(300, 100) == [(0, 100), (100, 200), (200, 300)]


@pytest.mark.parametrize("n_series", [0, 1, 15, 16, 17, 513, 5000])
def test_blocks_are_consecutive_and_complete(n_series: int) -> None:
    bounds = in_blocks(lambda first, end: (first, end), n_series, 10_000)
    assert bounds[0][0] == 0
    assert bounds[-1][1] == n_series
    assert n_series == 1 or all(end - first != 1 for first, end in bounds)
    assert all(end == next_first for (_, end), (next_first, _) in pairwise(bounds))


@pytest.mark.usefixtures("small_blocks")
def test_blocks_are_distributed_among_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_available_cores", lambda: 3)
    results = in_blocks(lambda first, end: (first, end, os.getpid()), 100, 10)
    assert [(first, end) for first, end, _ in results] == [(at, min(at + 16, 100)) for at in range(0, 100, 16)]
    assert len({process for *_, process in results}) == 3
    assert results[0][2] == os.getpid()


def test_processes_have_equal_shares_of_whole_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_available_cores", lambda: 2)
    results = in_blocks(lambda first, end: (first, end, os.getpid()), 50_000, 588)
    of_first = [end - first for first, end, process in results if process == os.getpid()]
    assert sum(of_first) == 12 * BLOCK
    assert results[len(of_first)][0] == 12 * BLOCK
    assert results[-1][1] == 50_000
    assert all((end - first) % BLOCK == 0 for first, end, _ in results[:-1])


@pytest.mark.usefixtures("small_blocks")
def test_the_work_of_a_process_that_dies_is_done_in_the_first_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_available_cores", lambda: 2)
    parent = os.getpid()

    def work(first: int, end: int) -> int:
        if os.getpid() != parent:
            os._exit(1)
        return first

    assert in_blocks(work, 64, 10) == [0, 16, 32, 48]


@pytest.mark.usefixtures("small_blocks")
def test_an_error_of_the_work_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_available_cores", lambda: 2)

    def work(first: int, end: int) -> int:
        if first >= 32:
            raise ValueError(f"series {first}")
        return first

    with pytest.raises(ValueError, match="series 32"):
        in_blocks(work, 64, 10)
