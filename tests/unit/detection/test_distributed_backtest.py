"""A backtest whose blocks are judged by tasks: the bits of one process, and little memory in the driver."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from anomalake.detection import backtest
from anomalake.detection.backtest import conclude_backtest, judge_series, prepare_backtest
from anomalake.detection.distributed_backtest import judge_distributed
from anomalake.model import blocks
from anomalake.model.metrics import Metrics
from anomalake.records.backtests import judgement_to_parquet
from anomalake.storage.objects import memory_store
from anomalake.tasks import InProcess, Task

ARN = "arn:aws:lookoutmetrics:us-east-1:000000000000:AnomalyDetector:shop"
POINT_BYTES = 33


def made(n_series: int, n_days: int) -> Metrics:
    random = np.random.default_rng(5)
    starts = np.datetime64("2026-01-05T00:00:00", "s") + np.arange(n_days) * np.timedelta64(86_400, "s")
    values = np.round(random.normal(100, 5, (1, n_series, n_days)), 2)
    values[0, ::100, -3:] = 3.0
    names = tuple((f"page-{number:05d}",) for number in range(n_series))
    return Metrics("P1D", "UTC", starts, ("views",), ("page",), names, values)


class Measured:
    """Runs tasks in this process; the memory that is used after them is measured."""

    def run(self, task: Task, n_tasks: int) -> Iterator[tuple[int, bytes]]:
        results = list(InProcess().run(task, n_tasks))
        tracemalloc.start()
        yield from results


def test_the_driver_holds_blocks_and_not_every_judged_point(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (blocks, backtest):
        monkeypatch.setattr(module, "BLOCK", 128)
    prepared = prepare_backtest(made(5_120, 200))
    store = memory_store()
    try:
        judgement = judge_distributed(prepared, Measured(), lambda: store, "work")
        tested = conclude_backtest(prepared, [judgement], ARN)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(tested.groups) > 0
    # The blocks in memory are those that are read at a time, of forty; what is traced is all but mapped files.
    assert peak < judgement.severity.size * POINT_BYTES * 0.5
    assert isinstance(judgement.severity.base.base, np.memmap)


def test_groups_and_points_are_those_of_one_process() -> None:
    prepared = prepare_backtest(made(4_200, 60))
    store = memory_store()
    judged = judge_distributed(prepared, InProcess(), lambda: store, "work")
    of_tasks = conclude_backtest(prepared, [judged], ARN)
    of_process = conclude_backtest(prepared, [judge_series(prepared, 0, prepared.metrics.n_metrics)], ARN)
    assert len(of_process.groups) > 0
    assert of_tasks.groups == of_process.groups
    assert judgement_to_parquet(of_tasks, ARN) == judgement_to_parquet(of_process, ARN)
    assert list(store.list("")) == []
