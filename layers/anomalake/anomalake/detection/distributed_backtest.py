"""A backtest whose blocks of series are judged by tasks, on any machines, with the results of one process."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from anomalake.detection.arrow_blocks import (
    BacktestBlocks,
    BacktestPlan,
    batch_of_bytes,
    batch_to_bytes,
    judge_batch,
    judgement_of_batch,
)
from anomalake.detection.backtest import PreparedBacktest, Progress, series_blocks
from anomalake.model.judgement import Judgement
from anomalake.records.work import WorkFolder
from anomalake.storage.store import ObjectStore
from anomalake.tasks import TaskRunner

# Objects that are written or read at a time.
_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class JudgeTask:
    """`Task` that judges one block: it reads the block's object, and writes that of its judgement.

    Attributes
    ----------
    open_store
        Opens the store of the work folder.
    folder
        The work folder.
    plan
        What all blocks have in common.
    """

    open_store: Callable[[], ObjectStore]
    folder: str
    plan: BacktestPlan

    def __call__(self, number: int) -> bytes:
        work = WorkFolder(self.open_store(), self.folder)
        judged = judge_batch(batch_of_bytes(work.get("given", number)), self.plan)
        work.put("judged", number, batch_to_bytes(judged))
        return b""


def judge_distributed(
    prepared: PreparedBacktest,
    runner: TaskRunner,
    open_store: Callable[[], ObjectStore],
    folder: str,
    progress: Progress | None = None,
) -> Judgement:
    """Judge all series of a backtest; the result has the same bits as that of `judge_series`.

    Its arrays are files of this machine, which are mapped: 33 bytes for each point do not have to fit into memory.

    Parameters
    ----------
    runner
        Runs a task for each block.
    open_store
        Opens, here and in each task, the store of the blocks; it can be pickled.
    folder
        Folder in it. What this call writes there is deleted at its end.

    Raises
    ------
    TaskError, StoreError, OSError
    """
    bounds = series_blocks(prepared.metrics)
    blocks = BacktestBlocks(prepared, bounds)
    report = progress if progress is not None else _no_progress
    work = WorkFolder(open_store(), folder)
    n_tested = len(prepared.metrics.starts) - prepared.first
    shape = (prepared.metrics.n_metrics, n_tested)
    expected, lower, upper, severity = (_in_a_file(shape, np.float64) for _ in range(4))
    whole = Judgement(0, expected, lower, upper, severity, _in_a_file(shape, np.bool_))
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            done = pool.map(
                lambda number: work.put("given", number, batch_to_bytes(blocks.batch(number))), range(len(blocks))
            )
            for number, _ in enumerate(done, 1):
                report("train", number, len(blocks))
            task = JudgeTask(open_store, folder, BacktestPlan.of(prepared))
            numbers = [number for number, _ in runner.run(task, len(blocks))]

            def read(number: int) -> None:
                part = judgement_of_batch(batch_of_bytes(work.get("judged", number)))
                for name in ("expected", "lower", "upper", "severity", "is_anomaly"):
                    getattr(whole, name)[slice(*bounds[number])] = getattr(part, name)

            for count, _ in enumerate(pool.map(read, numbers), 1):
                report("test", count, len(blocks))
    finally:
        work.delete()
    return whole


def _in_a_file(shape: tuple[int, int], dtype: type) -> npt.NDArray[Any]:
    """Return an array of series by intervals in a temporary file, which is deleted with the array.

    The points of an interval lie together: groups and root causes read few intervals, each of all series.

    Raises
    ------
    OSError
        The disk is full.
    """
    n_bytes = shape[0] * shape[1] * np.dtype(dtype).itemsize
    if not n_bytes:
        return np.empty(shape, dtype)
    with TemporaryFile(prefix="anomalake-") as file:
        # Writing to a mapped file that the disk has no room for would end the process.
        reserve = getattr(os, "posix_fallocate", lambda descriptor, begin, size: os.truncate(descriptor, size))
        reserve(file.fileno(), 0, n_bytes)
        mapped = np.memmap(file, dtype, "r+", shape=shape[::-1])
    return np.asarray(mapped).T


def _no_progress(step: str, done: int, total: int) -> None:
    """Report nothing."""
