"""The history of a live detector's fit, read by tasks: its source, and the history and intervals in the lake.

Tasks read the source as that of a backtest (`distributed_reading`), and the intervals that were run; another task for
each block of series joins them with the block's values in the stored history, and writes them to the work folder. There
the tasks of the fit find them. After the fit, tasks store them as blocks of the lake (docs/adr/0016).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from anomalake.definitions.detector import Detector
from anomalake.definitions.intervals import Instants
from anomalake.definitions.settings import DetectionSettings
from anomalake.detection.arrow_blocks import batch_of_bytes, batch_to_bytes, values_of_batch, values_to_batch
from anomalake.detection.backtest import series_blocks
from anomalake.detection.blocked_engine import LakeBlocks
from anomalake.detection.distributed_reading import (
    Combinations,
    DividedRuns,
    SourceRead,
    SourceWork,
    added_up,
    delete_parts,
    divide,
    parts_of,
    put_combinations,
    put_run,
    read_source,
    run_numbers,
)
from anomalake.detection.learning import LearntSpan, index_of, newest_history, unread_source
from anomalake.detection.source import IntervalError
from anomalake.detection.work_history import GIVEN, Span, WorkHistory
from anomalake.lake.lake import Clock, utc_now
from anomalake.model.array_types import FloatArray, IntArray, TimeArray
from anomalake.model.metrics import Metrics, join
from anomalake.records.codecs import arrays_from_bytes, arrays_to_bytes
from anomalake.records.errors import CorruptError
from anomalake.records.intervals import IntervalStore, metrics_of
from anomalake.records.models import HistoryBlocks, ModelStore, narrowed
from anomalake.records.work import WorkFolder, new_work_folder
from anomalake.sources.aggregation import Entries, LimitExceededError, digest_of
from anomalake.sources.ports import SourceFiles
from anomalake.sources.reading import NoDataError, ReadingError
from anomalake.sources.spacing import spacing_problem
from anomalake.storage.store import ObjectNotFound
from anomalake.tasks import TaskError, TaskRunner

# Values of intervals that a task reads at most; it holds about 100 bytes for each.
_TASK_VALUES: Final = 8_000_000
# Most intervals that a task reads, so that there are tasks for several cores.
_TASK_INTERVALS: Final = 24
# Objects that are written or read at a time.
_AT_ONCE: Final = 8
# Names of objects in the work folder: blocks of a history that is stored as a whole; for each block of series, the
# series' places in the stored history; and the values since a fit.
_STORED, _STORED_ROWS, _SINCE = "stored", "stored_rows", "since"
_VALUES: Final = "values"
_LOST: Final = "lost"


@dataclass(frozen=True, slots=True)
class IntervalsTask:
    """`Task` that reads some intervals that were run into a run, whose sums are their values.

    It returns the problems of those that are corrupt, and whether there are others.

    Attributes
    ----------
    of, lake
        The work folder, and the detector's records.
    groups
        Starts of the intervals of each task.
    first
        Number of the objects of the first task.
    """

    of: SourceWork
    lake: LakeBlocks
    groups: tuple[tuple[datetime, ...], ...]
    first: int

    def __call__(self, number: int) -> bytes:
        intervals = IntervalStore(self.lake.open_store(), self.lake.detector, self.lake.version)
        records, problems = intervals.read_many(self.groups[number])
        starts = np.array([record.start.replace(tzinfo=None) for record in records], "datetime64[s]")
        metrics = metrics_of(records, starts)
        if metrics is not None and metrics.combinations:
            work, place = self.of.work(), self.first + number
            digests = np.array([digest_of(names, self.of.key) for names in metrics.combinations], np.uint64)
            n_measures, n_combinations, n_times = metrics.values.shape
            sums = metrics.values.transpose(0, 2, 1).reshape(n_measures, n_times * n_combinations)
            entries = Entries(
                np.tile(np.arange(n_combinations), n_times),
                np.repeat(metrics.starts.astype(np.int64), n_combinations),
                sums,
                (~np.isnan(sums)).astype(np.uint32),
            )
            put_run(work, run_numbers(place, 1)[0], entries, digests)
            put_combinations(work, place, digests, metrics.combinations)
        return json.dumps([problems, metrics is not None and bool(metrics.combinations)]).encode("ascii")


@dataclass(frozen=True, slots=True, eq=False)
class StoredBlocks:
    """A stored history, for the tasks that join it with other values.

    Attributes
    ----------
    names
        Names of its blocks; None where they are in the work folder.
    begins
        Index of the first series of each block.
    columns
        Index of each of its intervals among those that are read; -1 for none.
    """

    names: tuple[str, ...] | None
    begins: IntArray
    columns: IntArray

    def read(self, work: WorkFolder, lake: LakeBlocks, block: int) -> FloatArray:
        """Read the values of a block; raises `CorruptError`, `ObjectNotFound`."""
        if self.names is None:
            return values_of_batch(batch_of_bytes(work.get(_STORED, block)))
        return lake.of(lake.open_store()).read(self.names[block])[_VALUES].astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class JoinTask:
    """`Task` that writes the values of one block: of the source, of the stored history, and of the intervals since.

    If several have the same value, the last of them is used, as `metrics.join` does. It returns which intervals have a
    value, and the number of series that have one; or the name of a stored block that cannot be read.

    Attributes
    ----------
    of, lake
        The work folder, and the detector's blocks.
    starts
        Starts of all intervals, in seconds.
    runs
        The runs: those of the source, and then those of intervals.
    n_summed
        Number of runs of the source.
    doubled
        As of `GivenTask`.
    stored
        The stored history, if there is one.
    """

    of: SourceWork
    lake: LakeBlocks
    starts: IntArray
    runs: DividedRuns
    n_summed: int
    doubled: IntArray
    stored: StoredBlocks | None

    def __call__(self, number: int) -> bytes:
        work, span = self.of.work(), self.runs.bounds[number]
        runs = np.flatnonzero(self.runs.has_part[:, number])
        parts = parts_of(work, number, runs[runs < self.n_summed])
        values, _ = added_up(self.of.metric_set, self.runs.layout, span, self.starts, parts, self.doubled)
        if self.stored is not None:
            lost = self._put_stored(self.stored, work, number, values)
            if lost is not None:
                return arrays_to_bytes({}, {_LOST: lost})
        for part in parts_of(work, number, runs[runs >= self.n_summed]):
            values[part["row"], part["column"]] = part["sum"]
        work.put(GIVEN, number, batch_to_bytes(values_to_batch(values)))
        observed = ~np.isnan(values)
        return arrays_to_bytes({"has": observed.any(axis=0)}, {"series": int(observed.any(axis=1).sum())})

    def _put_stored(self, stored: StoredBlocks, work: WorkFolder, number: int, values: FloatArray) -> str | None:
        """Put the stored values in place of those of the source; return the name of a block that cannot be read."""
        rows = arrays_from_bytes(work.get(_STORED_ROWS, number), _STORED_ROWS)[0]["row"]
        wanted = stored.columns >= 0
        own = np.flatnonzero(rows >= 0)
        block_of = np.searchsorted(stored.begins, rows[own], "right") - 1
        for block in np.unique(block_of).tolist():
            try:
                of_block = stored.read(work, self.lake, block)
            except (ObjectNotFound, CorruptError):
                if stored.names is None:
                    raise
                name: str = stored.names[block]
                return name
            some = own[block_of == block]
            observed = of_block[rows[some] - stored.begins[block]][:, wanted]
            place = np.ix_(some, stored.columns[wanted])
            values[place] = np.where(np.isnan(observed), values[place], observed)
        return None


@dataclass(frozen=True, slots=True)
class SinceTask:
    """`Task` that writes the values of one block in some intervals as an object of their own."""

    lake: LakeBlocks
    span: Span

    def __call__(self, number: int) -> bytes:
        store = self.lake.open_store()
        values = values_to_batch(self.span.values(store, number))
        WorkFolder(store, self.span.folder).put(_SINCE, number, batch_to_bytes(values))
        return b""


@dataclass(frozen=True, slots=True)
class StoreTask:
    """`Task` that stores one block of a history in the lake; it returns the block's name."""

    lake: LakeBlocks
    span: Span
    start: datetime

    def __call__(self, number: int) -> bytes:
        store = self.lake.open_store()
        values = narrowed(self.span.values(store, number))
        return self.lake.of(store).write("histories", self.start, number, {_VALUES: values}).encode("ascii")


class DistributedHistories:
    """`Histories` with the values of `JoinedHistories`, which tasks read, join and store.

    This process holds the metrics' names, and the values of the intervals since a fit. The metric set is one that
    `can_read_by_tasks`.

    Parameters
    ----------
    detector
        The detector.
    intervals, models
        Records of the detector's version.
    lake
        Where the tasks find its blocks.
    runner
        Runs the tasks.
    open_files
        Opens the source files; it can be pickled.
    clock
        The time, for the names of work folders.
    """

    def __init__(
        self,
        detector: Detector,
        intervals: IntervalStore,
        models: ModelStore,
        lake: LakeBlocks,
        runner: TaskRunner,
        open_files: Callable[[], SourceFiles],
        *,
        clock: Clock = utc_now,
    ) -> None:
        self._metric_set = detector.metric_set
        self._settings = DetectionSettings.of(detector)
        self._intervals = intervals
        self._models = models
        self._lake = lake
        self._runner = runner
        self._open_files = open_files
        self._clock = clock

    @contextmanager
    def before(self, start: datetime, warnings: list[str]) -> Iterator[WorkHistory | None]:
        """Read the values before an interval into a work folder, which is deleted at the end of the context."""
        stored: Metrics | HistoryBlocks | None
        stored, model_start = newest_history(self._models.find_history, self._models.history_starts(), start, warnings)
        learnt = LearntSpan.of(self._metric_set, self._intervals, start, model_start)
        with self._work() as of:
            read, unread = None, None
            if stored is None or len(learnt.unstored) > len(learnt.recorded):
                try:
                    read = self._read_source(of, start, learnt.starts)
                except IntervalError as error:
                    if stored is None:
                        raise
                    unread = error
            reading = _Reading(self._lake, self._runner, of, read)
            warnings.extend(reading.add_intervals(learnt.recorded, stored))
            warnings.extend([] if unread is None else [unread_source(unread)])
            history = reading.join(learnt.starts, stored)
            observed = np.flatnonzero(history.has_value) if history is not None else np.empty(0, np.intp)
            if history is None or not len(observed):
                yield None
                return
            history = history.between(int(observed[0]), len(history.starts))
            problem = spacing_problem(history)
            warnings.extend([problem] if problem is not None else [])
            yield history

    def divided(self, history: Metrics, at: datetime) -> tuple[WorkHistory, Metrics]:
        """Divide a history of `before`, and read the values from the instant on."""
        assert isinstance(history, WorkHistory)
        index = index_of(history.starts, at)
        return history.between(0, index), self._read(history.between(index, len(history.starts)))

    def learnable(self, learnt: Metrics) -> WorkHistory:
        """Return what a model is fitted to."""
        assert isinstance(learnt, WorkHistory)
        return learnt.without(self._settings.is_quiet(learnt.starts))

    def write(self, start: datetime, learnt: Metrics) -> None:
        """Store a history of `before` as blocks."""
        assert isinstance(learnt, WorkHistory)
        task = StoreTask(self._lake, learnt.span, start)
        names = tuple(name.decode("ascii") for _, name in sorted(self._runner.run(task, len(series_blocks(learnt)))))
        self._models.write_history_blocks(start, HistoryBlocks(learnt, names))

    def source_values(self, starts: Instants, until: datetime) -> Metrics | None:
        """Return the source's values in some intervals."""
        with self._work() as of:
            read = self._read_source(of, until, starts)
            history = None if read is None else _Reading(self._lake, self._runner, of, read).join(starts, None)
            return None if history is None else join([self._read(history)], starts)

    @contextmanager
    def _work(self) -> Iterator[SourceWork]:
        folder = new_work_folder(self._clock())
        key = secrets.token_bytes(16)
        of = SourceWork(self._lake.open_store, folder, self._open_files, self._metric_set, key)
        try:
            yield of
        finally:
            of.work().delete()

    def _read_source(self, of: SourceWork, until: datetime, starts: TimeArray) -> SourceRead | None:
        """Read the source's rows of some intervals before an instant; None where there are none."""
        try:
            return read_source(of, self._runner, until, int(starts[0].astype("datetime64[s]").astype(np.int64)))
        except NoDataError:
            return None
        except ReadingError as error:
            raise IntervalError(f"history: {error}") from error

    def _read(self, history: WorkHistory) -> Metrics:
        """Read the values of a history into memory."""
        shape = history.values.shape
        values = np.empty((shape[0] * shape[1], shape[2]))
        if shape[2]:
            store, bounds = self._lake.open_store(), series_blocks(history)
            for _ in self._runner.run(SinceTask(self._lake, history.span), len(bounds)):
                pass
            work = WorkFolder(store, history.span.folder)
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                bodies = pool.map(partial(work.get, _SINCE), range(len(bounds)))
                for (begin, end), body in zip(bounds, bodies, strict=True):
                    values[begin:end] = values_of_batch(batch_of_bytes(body))
        names = (history.measures, history.dimension_names, history.combinations)
        return Metrics(history.frequency, history.timezone, history.starts, *names, values.reshape(shape))


class _Reading:
    """The values of one history, while they are read."""

    def __init__(self, lake: LakeBlocks, runner: TaskRunner, of: SourceWork, read: SourceRead | None) -> None:
        self._lake = lake
        self._runner = runner
        self._of = of
        self._known = read.known if read is not None else Combinations()
        self._runs = list(read.runs) if read is not None else []
        self._place = read.n_tasks if read is not None else 0
        self._n_summed = len(self._runs)
        self._doubled = read.reader.doubled if read is not None else np.empty(0, np.int64)
        self._first = read.reader.aggregation.first_start if read is not None else None

    def add_intervals(self, recorded: Sequence[datetime], stored: Metrics | HistoryBlocks | None) -> list[str]:
        """Read intervals that were run; return a line for each that is corrupt."""
        n_combinations = max(1, len(self._known.names), len(_metrics(stored).combinations) if stored is not None else 0)
        n_metrics = n_combinations * len(self._of.metric_set.metric_list)
        size = max(1, min(_TASK_INTERVALS, _TASK_VALUES // n_metrics))
        groups = tuple(tuple(recorded[at : at + size]) for at in range(0, len(recorded), size))
        task = IntervalsTask(self._of, self._lake, groups, self._place)
        problems: list[str] = []
        for number, body in sorted(self._runner.run(task, len(groups))):
            found, has_values = json.loads(body)
            problems += found
            if has_values:
                self._known.add_task(self._of.work(), self._place + number)
                self._runs += run_numbers(self._place + number, 1)
        if len(self._runs) > self._n_summed:
            self._begin_with(recorded[0])
        return problems

    def join(self, starts: TimeArray, stored: Metrics | HistoryBlocks | None) -> WorkHistory | None:
        """Join all values in some intervals; None where there are no metrics."""
        known, of = self._known, self._of
        stored_digests = np.empty(0, np.uint64)
        if stored is not None and _metrics(stored).combinations:
            names = _metrics(stored).combinations
            stored_digests = np.array([digest_of(combination, of.key) for combination in names], np.uint64)
            known.add(stored_digests, lambda is_new: [names[at] for at in np.flatnonzero(is_new).tolist()])
            self._begin_with(_instant(_metrics(stored).starts[0]))
        if not known.names or self._first is None:
            return None
        # Intervals before the first one with values are left out, of which most histories have many.
        starts = starts[index_of(starts, _instant(np.datetime64(self._first, "s"))) :]
        if not len(starts):
            return None
        seconds = starts.astype("datetime64[s]").astype(np.int64)
        try:
            runs = divide(of, self._runner, known, tuple(self._runs), seconds)
        except LimitExceededError as error:
            raise IntervalError(f"history: {error}") from error
        blocks = None
        if stored is not None and len(stored_digests):
            blocks = self._stored_blocks(stored, stored_digests, starts, runs)
        task = JoinTask(of, self._lake, seconds, runs, self._n_summed, self._doubled, blocks)
        has_value, n_series, lost = np.zeros(len(starts), np.bool_), 0, []
        for _, body in self._runner.run(task, len(runs.bounds)):
            arrays, about = arrays_from_bytes(body, GIVEN)
            if _LOST in about:
                lost.append(about[_LOST])
                continue
            has_value |= arrays["has"]
            n_series += about["series"]
        if lost:
            # The next call then knows that the block is lost, and uses an earlier history.
            for name in lost:
                self._lake.of(self._lake.open_store()).delete(name)
            raise TaskError(
                f"{len(lost):,} blocks cannot be read, such as {lost[0]}; the next run uses an earlier history"
            )
        delete_parts(of.work())
        metric_set = of.metric_set
        shape = (len(metric_set.metric_list), len(known.names), len(starts))
        return WorkHistory(
            frequency=metric_set.frequency,
            timezone=metric_set.timezone,
            starts=starts,
            measures=metric_set.measures,
            dimension_names=metric_set.dimension_list,
            combinations=tuple(known.names[at] for at in runs.order),
            values=np.broadcast_to(np.nan, shape),
            intervals_with_value=has_value,
            series_with_value=n_series,
            span=Span(of.folder, metric_set.frequency, metric_set.timezone, starts),
        )

    def _begin_with(self, start: datetime) -> None:
        seconds = int(start.timestamp())
        self._first = seconds if self._first is None else min(self._first, seconds)

    def _stored_blocks(
        self,
        stored: Metrics | HistoryBlocks,
        digests: npt.NDArray[np.uint64],
        starts: TimeArray,
        runs: DividedRuns,
    ) -> StoredBlocks:
        """Write where the tasks find the stored values of their series."""
        work, metrics = self._of.work(), _metrics(stored)
        bounds = series_blocks(metrics)
        by_digest = np.argsort(digests)
        wanted = np.array(self._known.digests, np.uint64)[runs.order]
        place = np.minimum(np.searchsorted(digests[by_digest], wanted), len(digests) - 1)
        combination = np.where(digests[by_digest][place] == wanted, by_digest[place], -1)
        rows = np.concatenate([
            np.where(combination >= 0, m * len(digests) + combination, -1) for m in range(len(metrics.measures))
        ])  # fmt: skip
        columns = np.searchsorted(starts, metrics.starts)
        on_grid = (columns < len(starts)) & (starts[np.minimum(columns, len(starts) - 1)] == metrics.starts)

        def write(number: int) -> None:
            begin, end = runs.bounds[number]
            work.put(_STORED_ROWS, number, arrays_to_bytes({"row": rows[begin:end]}, {}))

        def write_whole(number: int) -> None:
            begin, end = bounds[number]
            work.put(_STORED, number, batch_to_bytes(values_to_batch(metrics.flat[begin:end])))

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(write, range(len(runs.bounds))))
            if not isinstance(stored, HistoryBlocks):
                list(pool.map(write_whole, range(len(bounds))))
        return StoredBlocks(
            stored.names if isinstance(stored, HistoryBlocks) else None,
            np.array([begin for begin, _ in bounds], np.int64),
            np.where(on_grid, columns, -1),
        )


def _metrics(history: Metrics | HistoryBlocks) -> Metrics:
    return history.metrics if isinstance(history, HistoryBlocks) else history


def _instant(start: np.datetime64) -> datetime:
    return datetime.fromtimestamp(int(start.astype("datetime64[s]").astype(np.int64)), UTC)
