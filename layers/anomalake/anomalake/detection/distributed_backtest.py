"""A backtest whose blocks of series are judged by tasks, on any machines, with the results of one process.

The tasks keep the judged points. This process gets the anomalous ones, counts and sums for each measure and interval,
and the points of those intervals in which root causes are searched (docs/adr/0016).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from anomalake.detection.arrow_blocks import (
    VALUES,
    BacktestBlocks,
    BacktestPlan,
    BlockError,
    batch_of_bytes,
    batch_to_bytes,
    judge_batch,
    judgement_of_batch,
    values_of_batch,
)
from anomalake.detection.backtest import PreparedBacktest, Progress
from anomalake.detection.judging import stacked
from anomalake.detection.work_history import GIVEN
from anomalake.groups.judged_series import IntervalPoints, Place, part_of
from anomalake.groups.reduction import (
    AnomalousPoints,
    Reduction,
    Totals,
    UnusualPoints,
    merged,
    reduce_series,
    totals_of,
)
from anomalake.model.array_types import FloatArray, IntArray
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics
from anomalake.records.codecs import arrays_from_bytes, arrays_to_bytes
from anomalake.records.feedback import Feedback
from anomalake.records.work import WorkFolder
from anomalake.storage.store import ObjectNotFound, ObjectStore
from anomalake.tasks import Task, TaskRunner

# Objects that are written or read at a time.
_AT_ONCE: Final = 4
# Bytes of points of whole intervals that are in memory at a time.
_INTERVAL_BYTES: Final = 512 * 1024 * 1024
# Names of the objects with the judged points of a block, and with what groups need of them.
_JUDGED, _REDUCED = "judged", "reduced"
# Numbers of a point of an interval: value, expected, lower, upper.
_NUMBERS: Final = 4


@dataclass(frozen=True, slots=True)
class BlockWork:
    """What the tasks of a backtest have in common.

    Attributes
    ----------
    open_store
        Opens the store of the work folder; it can be pickled.
    folder
        The work folder.
    plan
        What all blocks have in common.
    """

    open_store: Callable[[], ObjectStore]
    folder: str
    plan: BacktestPlan

    def work(self) -> WorkFolder:
        """Open the work folder."""
        return WorkFolder(self.open_store(), self.folder)

    def judged(self, work: WorkFolder, number: int) -> tuple[FloatArray, Judgement]:
        """Read the values and the judgement of a block."""
        batch = batch_of_bytes(work.get(_JUDGED, number))
        return values_of_batch(batch, VALUES), replace(judgement_of_batch(batch), first=self.plan.first)


@dataclass(frozen=True, slots=True)
class JudgeTask:
    """`Task` that judges one block, and writes its judged points and what groups need of them."""

    of: BlockWork

    def __call__(self, number: int) -> bytes:
        work, plan = self.of.work(), self.of.plan
        begin, _ = plan.bounds[number]
        judged = judge_batch(batch_of_bytes(work.get(GIVEN, number)), plan, begin)
        work.put(_JUDGED, number, batch_to_bytes(judged))
        reduction = reduce_series(plan.layout, begin, values_of_batch(judged), judgement_of_batch(judged))
        work.put(_REDUCED, number, _reduction_to_bytes(reduction))
        return b""


@dataclass(frozen=True, slots=True)
class TotalsTask:
    """`Task` that counts and adds up the metrics of one block in some intervals (`reduction.totals_of`)."""

    of: BlockWork
    columns: IntArray
    largest: FloatArray

    def __call__(self, number: int) -> bytes:
        plan = self.of.plan
        values, judgement = self.of.judged(self.of.work(), number)
        begin, _ = plan.bounds[number]
        totals = totals_of(plan.layout, begin, values, judgement.expected, self.columns, self.largest)
        return arrays_to_bytes({"counts": totals.counts, "sums": totals.sums}, {})


@dataclass(frozen=True, slots=True)
class IntervalsTask:
    """`Task` that writes the points of one block in some measures and intervals, an object for each of some parts."""

    of: BlockWork
    parts: tuple[tuple[str, tuple[Place, ...]], ...]

    def __call__(self, number: int) -> bytes:
        work = self.of.work()
        values, judgement = self.of.judged(work, number)
        for kind, places in self.parts:
            numbers = [
                np.stack([array[block, column] for array in (values, *_ranges(judgement))])
                for (_, column), block in zip(places, _blocks(self.of.plan, number, places), strict=True)
            ]
            work.put(kind, number, arrays_to_bytes({"points": np.concatenate(numbers, axis=1)}, {}))
        return b""


class JudgedBlocks:
    """`JudgedSeries` in the blocks of a work folder.

    Parameters
    ----------
    metrics
        The metrics.
    of
        The blocks, which are judged.
    runner
        Runs tasks on them.
    reduction
        What groups need of all.
    kept
        Indexes of series and intervals of the anomalies; None for those of the judgement.
    """

    def __init__(
        self,
        metrics: Metrics,
        of: BlockWork,
        runner: TaskRunner,
        reduction: Reduction,
        kept: tuple[IntArray, IntArray] | None = None,
    ) -> None:
        self.metrics = metrics
        self.reduction = reduction
        self.first = of.plan.first
        self.n_judged = len(of.plan.starts) - of.plan.first
        self._of = of
        self._runner = runner
        self._kept = kept
        self._read: dict[int, tuple[FloatArray, Judgement]] = {}

    @cached_property
    def _work(self) -> WorkFolder:
        return self._of.work()

    def totals(self, columns: IntArray, largest: FloatArray) -> Totals:
        totals = Totals(*(np.zeros((len(largest), len(columns)), np.int64) for _ in range(2)))
        for _, body in self._run(TotalsTask(self._of, columns, largest)):
            arrays, _ = arrays_from_bytes(body, "totals")
            totals += Totals(arrays["counts"], arrays["sums"])
        return totals

    def intervals(self, places: Sequence[Place]) -> Iterator[IntervalPoints]:
        if not places:
            return
        n_combinations = self._of.plan.layout.n_combinations
        size = max(1, _INTERVAL_BYTES // (n_combinations * _NUMBERS * 8))
        some_of_them = [tuple(places[at : at + size]) for at in range(0, len(places), size)]
        # A task that is run again writes the same object under the same key.
        parts = tuple((f"points-{hashlib.sha256(repr(some).encode()).hexdigest()[:16]}", some) for some in some_of_them)
        for _ in self._run(IntervalsTask(self._of, parts)):
            pass
        for kind, some in parts:
            whole = np.empty((len(some), _NUMBERS, n_combinations))
            for number in range(len(self._of.plan.bounds)):
                self._place(whole, kind, some, number)
            for points in whole:
                yield IntervalPoints(*points)

    def _place(self, whole: FloatArray, kind: str, places: Sequence[Place], number: int) -> None:
        """Read the points of a block, and write them to their place."""
        points = arrays_from_bytes(self._work.get(kind, number), kind)[0]["points"]
        begin, _ = self._of.plan.bounds[number]
        at = 0
        for of_place, (m, _), block in zip(whole, places, _blocks(self._of.plan, number, places), strict=True):
            n_series = block.stop - block.start
            first = begin + block.start - m * whole.shape[2]
            of_place[:, first : first + n_series] = points[:, at : at + n_series]
            at += n_series

    def rows(self, begin: int, end: int) -> tuple[FloatArray, Judgement]:
        """Read values and judgement of some series.

        Raises
        ------
        BlockError
            The backtest has ended.
        """
        bounds = self._of.plan.bounds
        wanted = [n for n, (first, last) in enumerate(bounds) if first < end and last > begin]
        self._read = {n: self._read.get(n) or self._block(n) for n in wanted}
        parts = [self._read[n] for n in wanted]
        if not parts:
            nothing = np.empty((0, self.n_judged))
            return nothing, Judgement(self.first, nothing, nothing, nothing, nothing, nothing > 0)
        start = bounds[wanted[0]][0]
        values = np.concatenate([values for values, _ in parts])
        judgement = stacked([judgement for _, judgement in parts])
        judgement = part_of(judgement, begin - start, end - start)
        if self._kept is not None:
            rows, columns = self._kept
            own = (rows >= begin) & (rows < end)
            is_anomaly = np.zeros(judgement.is_anomaly.shape, np.bool_)
            is_anomaly[rows[own] - begin, columns[own]] = True
            judgement = replace(judgement, is_anomaly=judgement.is_anomaly & is_anomaly)
        return values[begin - start : end - start], judgement

    def with_anomalies(self, rows: IntArray, columns: IntArray) -> JudgedBlocks:
        points = self.reduction.points
        kept = np.isin(points.row * self.n_judged + points.column, rows * self.n_judged + columns)
        reduction = replace(self.reduction, points=points.where(kept))
        return JudgedBlocks(self.metrics, self._of, self._runner, reduction, (rows, columns))

    def _block(self, number: int) -> tuple[FloatArray, Judgement]:
        try:
            return self._of.judged(self._work, number)
        except ObjectNotFound as error:
            raise BlockError(f"{error}: points are there until the backtest ends") from error

    def _run(self, task: Task) -> Iterator[tuple[int, bytes]]:
        return self._runner.run(task, len(self._of.plan.bounds))


@contextmanager
def judge_distributed(
    prepared: PreparedBacktest,
    runner: TaskRunner,
    open_store: Callable[[], ObjectStore],
    folder: str,
    feedback: Iterable[Feedback] = (),
    progress: Progress | None = None,
) -> Iterator[JudgedBlocks]:
    """Judge all series of a backtest; the results have the same bits as those of `judged_arrays`.

    Parameters
    ----------
    runner
        Runs a task for each block.
    open_store
        Opens, here and in each task, the store of the blocks; it can be pickled.
    folder
        Folder in it. What is written there is deleted at the end of the context, and judged points with it.

    Raises
    ------
    TaskError, StoreError
    """
    plan = BacktestPlan.of(prepared.metrics, prepared.first, prepared.settings, prepared.holidays, feedback)
    of = BlockWork(open_store, folder, plan)
    blocks = BacktestBlocks(prepared, plan.bounds)
    work = of.work()
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            done = pool.map(
                lambda number: work.put(GIVEN, number, batch_to_bytes(blocks.batch(number))), range(len(blocks))
            )
            for number, _ in enumerate(done, 1):
                if progress is not None:
                    progress("train", number, len(blocks))
        yield judge_given(prepared.shown, of, runner, progress)
    finally:
        work.delete()


def judge_given(metrics: Metrics, of: BlockWork, runner: TaskRunner, progress: Progress | None = None) -> JudgedBlocks:
    """Judge the blocks whose values are in the work folder; raises `TaskError`, `StoreError`."""
    n_blocks, work = len(of.plan.bounds), of.work()
    for count, _ in enumerate(runner.run(JudgeTask(of), n_blocks), 1):
        if progress is not None:
            progress("test", count, n_blocks)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        bodies = pool.map(lambda number: work.get(_REDUCED, number), range(n_blocks))
        reduction = merged([_reduction_of_bytes(body) for body in bodies])
    return JudgedBlocks(metrics, of, runner, reduction)


def _blocks(plan: BacktestPlan, number: int, places: Sequence[Place]) -> list[slice]:
    """Return the series of a block that belong to the measure of each place."""
    of_measures = {m: block for m, block, _ in plan.layout.parts(*plan.bounds[number])}
    return [of_measures.get(m, slice(0, 0)) for m, _ in places]


def _ranges(judgement: Judgement) -> tuple[FloatArray, FloatArray, FloatArray]:
    return judgement.expected, judgement.lower, judgement.upper


def _reduction_to_bytes(reduction: Reduction) -> bytes:
    arrays = {f"point_{name}": array for name, array in reduction.points.arrays().items()}
    arrays |= {f"unusual_{name}": array for name, array in reduction.unusual.arrays().items()}
    arrays |= {"largest": reduction.largest, "largest_roll_up": reduction.largest_roll_up}
    return arrays_to_bytes(arrays, {"observed": reduction.observed})


def _reduction_of_bytes(body: bytes) -> Reduction:
    arrays, about = arrays_from_bytes(body, _REDUCED)
    points, unusual = (
        {name.removeprefix(kind): array for name, array in arrays.items() if name.startswith(kind)}
        for kind in ("point_", "unusual_")
    )
    return Reduction(
        about["observed"], AnomalousPoints(**points), arrays["largest"], arrays["largest_roll_up"],
        UnusualPoints(**unusual),
    )  # fmt: skip
