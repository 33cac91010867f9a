"""A source read by tasks: no machine holds all values, and sums have the bits of one process.

Tasks read whole files, and write sums of blocks of rows in the order of the files (runs). As the combinations of all
files are known then, tasks divide each run among the blocks of series. At last a task for each block adds up its sums
in the order of the files, as one process does, and writes the values of the block (docs/adr/0016). `read_distributed`
reads the history of a backtest; `distributed_history` that of a live detector.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anomalake.definitions.detector import Detector
from anomalake.definitions.intervals import starts_between
from anomalake.definitions.metric_set import MAX_METRIC_VALUE, MetricSet
from anomalake.definitions.settings import DetectionSettings
from anomalake.detection.arrow_blocks import batch_of_bytes, batch_to_bytes, values_to_batch
from anomalake.detection.backtest import Progress, first_tested
from anomalake.detection.work_history import GIVEN
from anomalake.frequencies import FREQUENCIES
from anomalake.groups.reduction import SeriesLayout
from anomalake.model.array_types import BoolArray, FloatArray, IntArray
from anomalake.model.blocks import BLOCK, divided
from anomalake.model.metrics import Combination, StoredMetrics, sort_key
from anomalake.records.codecs import Arrays, arrays_from_bytes, arrays_to_bytes
from anomalake.records.work import WorkFolder
from anomalake.sources.aggregation import MOST_COMBINATIONS, Aggregation, Entries, LimitExceededError
from anomalake.sources.file_reading import FileReader, ReadPart
from anomalake.sources.ports import SourceFile, SourceFiles
from anomalake.sources.reading import ReadReport, beyond_limits, check_history, history_files, read_files
from anomalake.sources.repeats import Window
from anomalake.sources.spacing import spacing_problem
from anomalake.storage.store import ObjectStore
from anomalake.tasks import TaskRunner

#: Most values of a history: nothing but the blocks grows with them.
MOST_VALUES: Final = 20_000_000_000
#: Bytes of files that a task reads at least, if there are as many.
TASK_BYTES: Final = 64 * 1024 * 1024
# Sums of a run. A task holds about 100 bytes for each.
_RUN_SUMS: Final = 8_000_000
# Most runs of a task, for the numbers of their objects.
_MOST_RUNS: Final = 10_000
# Objects of a task that are written or read at a time.
_AT_ONCE: Final = 8
# Kinds of objects: the files of a task, what it knows of them, the rows that are compared with each other, and the
# digests and names of combinations; its runs; the places of all combinations; and, with the number of a block, its part
# of a run.
_FILES, _READ, _HASHED, _DIGESTS, _COMBINATIONS = "files", "read", "hashed", "digests", "combinations"
_RUN, _RANKS, _ROWS = "run", "ranks", "rows"

Wanted = tuple[SourceFile, Window]


@dataclass(frozen=True, slots=True)
class SourceWork:
    """What the tasks have in common.

    Attributes
    ----------
    open_store, folder
        The work folder, as of `BlockWork`.
    open_files
        Opens the source files; it can be pickled.
    metric_set
        The metric set.
    key
        Key of the digests of combinations, which writers of source data cannot know.
    """

    open_store: Callable[[], ObjectStore]
    folder: str
    open_files: Callable[[], SourceFiles]
    metric_set: MetricSet
    key: bytes

    def work(self) -> WorkFolder:
        """Open the work folder."""
        return WorkFolder(self.open_store(), self.folder)


@dataclass(frozen=True, slots=True)
class ReadTask:
    """`Task` that reads some files, and writes their runs and what is known of them.

    Attributes
    ----------
    first
        Number of the objects of the first task: an object has the files of each.
    since
        First start of the intervals whose sums are kept, in seconds; None for all.
    """

    of: SourceWork
    first: int
    since: int | None = None

    def __call__(self, number: int) -> bytes:
        work, place, n_runs = self.of.work(), self.first + number, 0

        def keep(entries: Entries) -> None:
            nonlocal n_runs
            if self.since is not None:
                entries = entries.since(self.since)
            if not len(entries.starts):
                return
            put_run(work, place * _MOST_RUNS + n_runs, entries, np.array(aggregation.digests, np.uint64))
            n_runs += 1

        of = self.of.metric_set
        aggregation = Aggregation(of, keep, _RUN_SUMS // len(of.metric_list), self.of.key)
        reader = FileReader(of, aggregation)
        read_files(reader, self.of.open_files(), _files_from_bytes(work.get(_FILES, place)))
        aggregation.flush()
        part = reader.part()
        work.put(_READ, place, arrays_to_bytes({}, {**part.about, "runs": n_runs}))
        work.put(_HASHED, place, arrays_to_bytes(part.hashed or {}, {}))
        put_combinations(work, place, np.array(aggregation.digests, np.uint64), aggregation.combinations())
        return b""


@dataclass(frozen=True, slots=True)
class DivideTask:
    """`Task` that divides a run among the blocks of series; it returns the numbers of those that have a part.

    Attributes
    ----------
    runs
        Numbers of the runs, in the order of the files.
    starts
        Starts of all intervals, in seconds.
    bounds
        First and end index of the blocks.
    """

    of: SourceWork
    runs: tuple[int, ...]
    starts: IntArray
    bounds: tuple[tuple[int, int], ...]

    def __call__(self, number: int) -> bytes:
        work = self.of.work()
        run, _ = arrays_from_bytes(work.get(_RUN, self.runs[number]), _RUN)
        ranks, _ = arrays_from_bytes(work.get(_RANKS, 0), _RANKS)
        rank = ranks["rank"][np.searchsorted(ranks["digest"], run["digest"])]
        column = np.searchsorted(self.starts, run["start"])
        begins = np.array([begin for begin, _ in self.bounds], np.int64)
        parts: list[list[IntArray]] = []
        for m, counts in enumerate(run["counts"]):
            present = np.flatnonzero(counts)
            parts.append(
                [m * len(ranks["rank"]) + rank[present], column[present], run["sums"][m, present], counts[present]]
            )
        row, column, sums, counts = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        block = np.searchsorted(begins, row, "right") - 1
        # Stable: the sums of a block stay in the order of the files.
        order = np.argsort(block, kind="stable")
        found, firsts = np.unique(block[order], return_index=True)
        ends = [*firsts[1:].tolist(), len(order)]

        def write(of_block: int, first: int, end: int) -> None:
            some = order[first:end]
            part = {"row": row[some] - begins[of_block], "column": column[some]}
            part |= {"sum": sums[some], "count": counts[some]}
            work.put(_kind_of(of_block), number, arrays_to_bytes(part, {}))

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(write, found.tolist(), firsts.tolist(), ends))
        return found.astype(np.int64).tobytes()


@dataclass(frozen=True, slots=True)
class GivenTask:
    """`Task` that adds up the sums of one block, and writes its values; it returns what the driver needs of them.

    Attributes
    ----------
    starts, bounds
        As of `DivideTask`.
    has_part
        Which runs have a part of which blocks, shape (runs, blocks).
    layout
        Order of all series.
    first
        Index of the first tested interval.
    settings
        Settings of the detector.
    doubled
        Starts of the intervals of which no row tells its time (`FileReader.doubled`).
    """

    of: SourceWork
    starts: IntArray
    bounds: tuple[tuple[int, int], ...]
    has_part: BoolArray
    layout: SeriesLayout
    first: int
    settings: DetectionSettings
    doubled: IntArray

    def __call__(self, number: int) -> bytes:
        work, span = self.of.work(), self.bounds[number]
        parts = parts_of(work, number, np.flatnonzero(self.has_part[:, number]))
        values, large = added_up(self.of.metric_set, self.layout, span, self.starts, parts, self.doubled)
        observed = ~np.isnan(values)
        least = FREQUENCIES[self.of.metric_set.frequency].least_points
        is_known = observed[:, : self.first].sum(axis=1) >= least
        about = {"series": int(observed.any(axis=1).sum()), "enough": bool(observed[is_known, self.first :].any())}
        is_quiet = self.settings.is_quiet(self.starts.astype("datetime64[s]"))
        is_quiet[self.first :] = False
        values[:, is_quiet] = np.nan
        work.put(GIVEN, number, batch_to_bytes(values_to_batch(values)))
        return arrays_to_bytes({"has": observed.any(axis=0), **large}, about)


def parts_of(work: WorkFolder, block: int, runs: IntArray) -> Iterator[Arrays]:
    """Read the parts that some runs have of a block, in their order: ``row``, ``column``, ``sum`` and ``count``."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for body in pool.map(partial(work.get, _kind_of(block)), runs.tolist()):
            yield arrays_from_bytes(body, _ROWS)[0]


def added_up(
    of: MetricSet,
    layout: SeriesLayout,
    span: tuple[int, int],
    starts: IntArray,
    parts: Iterable[Arrays],
    doubled: IntArray,
) -> tuple[FloatArray, Arrays]:
    """Add up the sums of a block; return its values, and those that are left out with their places (`note_large`).

    Parameters
    ----------
    span
        First and end index of the block's series.
    starts, doubled
        As of `GivenTask`.
    parts
        From `parts_of`.
    """
    begin, end = span
    sums, counts = np.zeros((end - begin, len(starts))), np.zeros((end - begin, len(starts)), np.uint32)
    for part in parts:
        place = (part["row"], part["column"])
        np.add.at(sums, place, part["sum"])
        np.add.at(counts, place, part["count"])
    values = np.full(sums.shape, np.nan)
    for m, block, _ in layout.parts(begin, end):
        seen = np.nonzero(counts[block])
        found = sums[block][seen]
        is_mean = of.metric_list[m].aggregation_function == "AVG"
        values[block][seen] = found / counts[block][seen] if is_mean else found
    is_large = np.abs(values) >= MAX_METRIC_VALUE
    rows, columns = np.nonzero(is_large)
    large = {"row": begin + rows, "column": columns, "value": values[is_large]}
    values[is_large] = np.nan
    for m, block, _ in layout.parts(begin, end):
        if of.metric_list[m].aggregation_function == "SUM":
            values[block, np.isin(starts, doubled)] = np.nan
    return values, large


@dataclass(frozen=True, slots=True, eq=False)
class GivenHistory:
    """A history whose values are in the work folder, in blocks of series.

    Attributes
    ----------
    metrics
        The metrics.
    report
        Report on the rows.
    is_enough
        Whether a metric has enough values to be judged.
    """

    metrics: StoredMetrics
    report: ReadReport
    is_enough: bool


def can_read_by_tasks(detector: Detector) -> bool:
    """Whether tasks can read the history: files, and no setting that combines the values of several series."""
    of, settings = detector.metric_set, DetectionSettings.of(detector)
    modes = {settings.measure(measure).missing_data for measure in of.measures}
    return of.athena is None and not of.roll_ups and modes == {"ignore"}


def read_distributed(
    detector: Detector, of: SourceWork, runner: TaskRunner, progress: Progress | None = None
) -> GivenHistory:
    """Read the history of a detector, and write its blocks to the work folder; the values are those of `read_history`.

    Parameters
    ----------
    progress
        Called with ``read``, and the done and the total number of bytes that are known so far.

    Raises
    ------
    NoDataError, InsufficientDataError, LimitExceededError
    TaskError, StoreError
    """
    read = read_source(of, runner, progress=progress)
    with beyond_limits(of.metric_set, read.report):
        metrics, is_enough, problems = _given(detector, of, runner, read)
    spacing = spacing_problem(metrics)
    problems = [*([] if spacing is None else [spacing]), *read.report.problems, *problems]
    return GivenHistory(metrics, replace(read.report, problems=tuple(problems)), is_enough)


@dataclass(frozen=True, slots=True, eq=False)
class SourceRead:
    """Files that tasks have read: what is known of them, but for the sums of their rows, which are in the work folder.

    Attributes
    ----------
    reader, report
        What is known of the rows.
    known
        Their combinations.
    runs
        Numbers of the runs, in the order of the files.
    n_tasks
        Number of tasks: from this number on, numbers of objects are free.
    """

    reader: FileReader
    report: ReadReport
    known: Combinations
    runs: tuple[int, ...]
    n_tasks: int


def read_source(
    of: SourceWork,
    runner: TaskRunner,
    until: datetime | None = None,
    since: int | None = None,
    progress: Progress | None = None,
) -> SourceRead:
    """Read the files of a history into runs.

    Parameters
    ----------
    until
        Rows at or after this instant are not used.
    since
        As of `ReadTask`.
    progress
        As of `read_distributed`.

    Raises
    ------
    NoDataError, InsufficientDataError, LimitExceededError
    TaskError, StoreError
    """
    metric_set, files, work = of.metric_set, of.open_files(), of.work()
    reader, known = FileReader(metric_set), Combinations()
    runs: list[int] = []
    place = done = total = 0
    for wanted in history_files(metric_set, files, reader, until):
        groups = _groups(wanted)
        total += sum(file.size for file, _ in wanted)
        for number, group in enumerate(groups, place):
            work.put(_FILES, number, _files_to_bytes(group))
        for number, _ in runner.run(ReadTask(of, place, since), len(groups)):
            done += sum(file.size for file, _ in groups[number])
            if progress is not None:
                progress("read", done, total)
        for number in range(place, place + len(groups)):
            _, about = arrays_from_bytes(work.get(_READ, number), _READ)
            runs += run_numbers(number, about["runs"])
            known.add_task(work, number)
            if len(known.names) > MOST_COMBINATIONS:
                raise LimitExceededError(f"more than {MOST_COMBINATIONS:,} combinations; expected fewer values")
            is_compared = reader.aggregation.remembers_rows
            hashed = arrays_from_bytes(work.get(_HASHED, number), _HASHED)[0] if is_compared else None
            reader.add_part(ReadPart(about, hashed), files.open)
        place += len(groups)
    return SourceRead(reader, check_history(reader, until), known, tuple(runs), place)


@dataclass(frozen=True, slots=True, eq=False)
class DividedRuns:
    """The runs of all files, divided among blocks of series.

    Attributes
    ----------
    order
        Number of each combination, in the order of the metrics.
    bounds
        First and end index of the blocks.
    has_part
        Which runs have a part of which blocks, shape (runs, blocks).
    layout
        Order of all series.
    """

    order: list[int]
    bounds: tuple[tuple[int, int], ...]
    has_part: BoolArray
    layout: SeriesLayout


def divide(
    of: SourceWork, runner: TaskRunner, known: Combinations, runs: tuple[int, ...], starts: IntArray
) -> DividedRuns:
    """Divide runs among blocks, and delete them; raises `LimitExceededError`, `TaskError`, `StoreError`."""
    n_measures, n_combinations = len(of.metric_set.metric_list), len(known.names)
    if n_measures * n_combinations * len(starts) > MOST_VALUES:
        raise LimitExceededError(
            f"{n_measures} measures x {n_combinations} combinations x {len(starts)} intervals; expected up to "
            f"{MOST_VALUES:,} values"
        )
    order = sorted(range(n_combinations), key=lambda at: sort_key(known.names[at]))
    rank = np.empty(n_combinations, np.int64)
    rank[order] = np.arange(n_combinations)
    digests = np.array(known.digests, np.uint64)
    by_digest = np.argsort(digests)
    of.work().put(_RANKS, 0, arrays_to_bytes({"digest": digests[by_digest], "rank": rank[by_digest]}, {}))
    bounds = tuple(divided(n_measures * n_combinations, BLOCK))
    has_part = np.zeros((len(runs), len(bounds)), np.bool_)
    for run, found in runner.run(DivideTask(of, runs, starts, bounds), len(runs)):
        has_part[run, np.frombuffer(found, np.int64)] = True
    of.work().delete(_RUN)
    return DividedRuns(order, bounds, has_part, SeriesLayout(n_measures, np.zeros(n_combinations, np.bool_)))


def _given(
    detector: Detector, of: SourceWork, runner: TaskRunner, read: SourceRead
) -> tuple[StoredMetrics, bool, list[str]]:
    """Divide the runs and write the blocks; return the metrics, whether they are enough, and problems of values."""
    metric_set, known, aggregation = of.metric_set, read.known, read.reader.aggregation
    assert aggregation.first_start is not None
    assert aggregation.last_start is not None
    starts = starts_between(
        metric_set.frequency, metric_set.timezone, aggregation.first_start, aggregation.last_start
    ).astype(np.int64)
    runs = divide(of, runner, known, read.runs, starts)
    n_measures, n_combinations = len(metric_set.metric_list), len(known.names)
    first, settings = first_tested(len(starts)), DetectionSettings.of(detector)
    task = GivenTask(of, starts, runs.bounds, runs.has_part, runs.layout, first, settings, read.reader.doubled)
    has_value, n_series, is_enough = np.zeros(len(starts), np.bool_), 0, False
    large: list[list[tuple[int, int, float]]] = [[] for _ in metric_set.metric_list]
    for _, body in runner.run(task, len(runs.bounds)):
        arrays, about = arrays_from_bytes(body, GIVEN)
        has_value |= arrays["has"]
        n_series += about["series"]
        is_enough |= about["enough"]
        for row, column, value in zip(*(arrays[name].tolist() for name in ("row", "column", "value")), strict=True):
            m, k = divmod(row, n_combinations)
            large[m].append((runs.order[k], int(starts[column]), value))
    delete_parts(of.work())
    for measure, left_out in zip(metric_set.metric_list, large, strict=True):
        aggregation.note_large(measure.metric_name, left_out, known.names)
    metrics = StoredMetrics(
        frequency=metric_set.frequency,
        timezone=metric_set.timezone,
        starts=starts.astype("datetime64[s]"),
        measures=metric_set.measures,
        dimension_names=metric_set.dimension_list,
        combinations=tuple(known.names[at] for at in runs.order),
        values=np.broadcast_to(np.nan, (n_measures, n_combinations, len(starts))),
        intervals_with_value=has_value,
        series_with_value=n_series,
    )
    return metrics, is_enough, aggregation.problems


class Combinations:
    """Combinations of several tasks, in order of first appearance.

    Attributes
    ----------
    names, digests
        The combinations and their digests.
    """

    def __init__(self) -> None:
        self.names: list[Combination] = []
        self.digests: list[int] = []
        self._sorted = np.empty(0, np.uint64)

    def add_task(self, work: WorkFolder, place: int) -> None:
        """Add those that a task has written (`put_combinations`)."""
        digests = arrays_from_bytes(work.get(_DIGESTS, place), _DIGESTS)[0]["digest"]

        def names_of(is_new: BoolArray) -> Iterable[Combination]:
            names = batch_of_bytes(work.get(_COMBINATIONS, place))
            if not len(names.schema):
                return [()]
            return zip(*names.filter(pa.array(is_new)).to_pydict().values(), strict=True)

        self.add(digests, names_of)

    def add(self, digests: npt.NDArray[np.uint64], names_of: Callable[[BoolArray], Iterable[Combination]]) -> None:
        """Add those that are new; `names_of` returns the names of some."""
        place = np.searchsorted(self._sorted, digests)
        is_new = np.ones(len(digests), np.bool_)
        inside = place < len(self._sorted)
        is_new[inside] = self._sorted[place[inside]] != digests[inside]
        if is_new.any():
            self.names += names_of(is_new)
            self.digests += digests[is_new].tolist()
            self._sorted = np.sort(np.array(self.digests, np.uint64))


def put_combinations(
    work: WorkFolder, place: int, digests: npt.NDArray[np.uint64], names: Sequence[Combination]
) -> None:
    """Write the combinations of a task, in order of first appearance."""
    columns = [pa.array(texts, pa.string()) for texts in zip(*names, strict=True)]
    batch = pa.RecordBatch.from_arrays(columns, [str(number) for number in range(len(columns))])
    work.put(_DIGESTS, place, arrays_to_bytes({"digest": digests}, {}))
    work.put(_COMBINATIONS, place, batch_to_bytes(batch))


def put_run(work: WorkFolder, number: int, entries: Entries, digests: npt.NDArray[np.uint64]) -> None:
    """Write a run; `digests` are those of the combinations that the entries name."""
    run: Arrays = {
        "digest": digests[entries.combinations], "start": entries.starts, "sums": entries.sums, "counts": entries.counts
    }  # fmt: skip
    work.put(_RUN, number, arrays_to_bytes(run, {}))


def run_numbers(place: int, n_runs: int) -> list[int]:
    """Return the numbers of the runs of a task."""
    return [place * _MOST_RUNS + run for run in range(n_runs)]


def delete_parts(work: WorkFolder) -> None:
    """Delete the parts of all runs, when they are added up."""
    work.delete(_ROWS)


def _files_to_bytes(group: Sequence[Wanted]) -> bytes:
    return json.dumps([[file.name, file.size, window.low, window.high] for file, window in group]).encode("ascii")


def _files_from_bytes(body: bytes) -> list[Wanted]:
    return [(SourceFile(name, size), Window(low, high)) for name, size, low, high in json.loads(body)]


def _groups(wanted: Sequence[Wanted]) -> tuple[tuple[Wanted, ...], ...]:
    """Divide files among tasks, in their order."""
    groups: list[list[Wanted]] = []
    size = TASK_BYTES
    for file, window in wanted:
        if size >= TASK_BYTES:
            groups.append([])
            size = 0
        groups[-1].append((file, window))
        size += file.size
    return tuple(tuple(group) for group in groups)


def _kind_of(block: int) -> str:
    return f"{_ROWS}/{block:08d}"
