"""A `ModelEngine` whose models and states are blocks of series in the lake, fitted and judged by tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa

from anomalake.definitions.intervals import next_start
from anomalake.detection.arrow_blocks import (
    batch_of_bytes,
    batch_to_bytes,
    judgement_of_batch,
    judgement_to_batch,
    values_to_batch,
)
from anomalake.detection.backtest import series_blocks
from anomalake.detection.engine import FittedModel, NumpyModelEngine
from anomalake.detection.work_history import GIVEN, Span, WorkHistory
from anomalake.lake.lake import Clock, utc_now
from anomalake.model import Model, ModelError, State, fit
from anomalake.model.array_types import FloatArray, IntArray
from anomalake.model.filter_state import concatenate_states
from anomalake.model.holidays import HolidayModel, concatenate_holidays
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.metrics import Combination, Metrics
from anomalake.model.model import holidays_taught
from anomalake.records.codecs import Arrays, arrays_from_bytes, arrays_to_bytes
from anomalake.records.errors import CorruptError
from anomalake.records.model_blocks import BlockStore
from anomalake.records.work import WorkFolder, new_work_folder
from anomalake.storage.store import ObjectNotFound, ObjectStore
from anomalake.tasks import TaskError, TaskRunner

# Names of the stored arrays of a model or a state in blocks.
_ABOUT: Final = "blocked"
_BLOCKS: Final = "block_names"
# Key of the metadata of a task's result: the name of a block, or of one that cannot be read.
_STATE: Final = b"state"
_LOST: Final = b"lost"
# Name in the work folder, and arrays, of what is known of holidays.
_TAUGHT: Final = "taught"
_TAUGHT_ARRAYS: Final = ("rest", "dates", "effects")
# Objects that are written at a time.
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class BlockedModel:
    """A model in blocks.

    Attributes
    ----------
    measures, dimension_names, combinations
        The metrics, as in `Metrics`.
    names
        Names of the blocks, one for each of `series_blocks`.
    """

    measures: tuple[str, ...]
    dimension_names: tuple[str, ...]
    combinations: tuple[Combination, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BlockedState:
    """A state in blocks: the names of the blocks; None: the states that the blocks of the model have."""

    names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class LakeBlocks:
    """Where the tasks of a detector find its blocks.

    Attributes
    ----------
    open_store
        Opens the lake; it can be pickled.
    detector, version
        Name of the detector, and version of its file.
    """

    open_store: Callable[[], ObjectStore]
    detector: str
    version: str

    def of(self, store: ObjectStore) -> BlockStore:
        """Return the blocks in an opened lake."""
        return BlockStore(store, self.detector, self.version)


@dataclass(frozen=True, slots=True)
class FitTask:
    """`Task` that fits the model of one block; it returns the block's name."""

    lake: LakeBlocks
    span: Span
    holidays: tuple[date, ...]
    start: datetime
    is_taught: bool

    def __call__(self, number: int) -> bytes:
        store = self.lake.open_store()
        taught = _read_taught(WorkFolder(store, self.span.folder), number) if self.is_taught else None
        model = fit(self.span.metrics(store, number), holidays=self.holidays, earlier=taught)
        return self.lake.of(store).write("models", self.start, number, model.to_arrays()).encode("ascii")


@dataclass(frozen=True, slots=True)
class JudgeTask:
    """`Task` that judges intervals of one block; it returns the judgement, and the name of the state after them."""

    lake: LakeBlocks
    span: Span
    models: tuple[str, ...]
    states: tuple[str, ...] | None
    start: datetime
    decision: float | None
    only_state: bool

    def __call__(self, number: int) -> bytes:
        store = self.lake.open_store()
        blocks, name = self.lake.of(store), self.models[number]
        try:
            model = Model.from_arrays(blocks.read(name))
            state = model.state
            if self.states is not None:
                name = self.states[number]
                state = State.from_arrays(blocks.read(name))
        except (ObjectNotFound, CorruptError, ModelError):
            return batch_to_bytes(_empty_batch({_LOST: name}))
        judgement, after = NumpyModelEngine(self.decision).judge(model, state, self.span.metrics(store, number))
        about = {_STATE: blocks.write("states", self.start, number, after.to_arrays())}
        if self.only_state:
            return batch_to_bytes(_empty_batch(about))
        return batch_to_bytes(judgement_to_batch(judgement).replace_schema_metadata(about))


class BlockedEngine:
    """`ModelEngine` with the results of `NumpyModelEngine`, whose tasks work on one block of series each.

    It reads the models and states of `NumpyModelEngine` too, and judges by them in this process until the next fit.

    Parameters
    ----------
    lake
        The blocks.
    runner
        Runs the tasks.
    decision
        Surprise from which a point is an anomaly; None: that of the frequency.
    fits_blocks
        Whether new models are in blocks; else they are fitted in this process.
    clock
        The time, for the names of work folders.
    """

    def __init__(
        self,
        lake: LakeBlocks,
        runner: TaskRunner,
        decision: float | None = None,
        *,
        fits_blocks: bool = True,
        clock: Clock = utc_now,
    ) -> None:
        self._lake = lake
        self._runner = runner
        self._decision = decision
        self._whole = NumpyModelEngine(decision)
        self._fits_blocks = fits_blocks
        self._clock = clock
        self._opened: ObjectStore | None = None

    def fit(self, history: Metrics, holidays: Sequence[date], earlier: FittedModel | None = None) -> FittedModel:
        """Fit a model; raises `TaskError`, `StoreError`."""
        taught = self._taught(earlier.model, history) if earlier is not None and holidays else None
        if not self._fits_blocks:
            model = fit(history, holidays=tuple(holidays), earlier=taught)
            return FittedModel(model, model.state)
        start = next_start(_instant(history.starts[-1]), history.frequency, history.timezone)
        bounds = series_blocks(history)

        def task_of(span: Span) -> FitTask:
            return FitTask(self._lake, span, tuple(holidays), start, taught is not None)

        if isinstance(history, WorkHistory):
            _write_taught(WorkFolder(self._store, history.span.folder), bounds, taught)
            results = self._results(task_of(history.span), len(bounds))
        else:
            results = self._run(bounds, history.flat, history, task_of, taught)
        names = tuple(result.decode("ascii") for result in results)
        blocked = BlockedModel(history.measures, history.dimension_names, history.combinations, names)
        return FittedModel(blocked, BlockedState())

    def _taught(self, model: Model | BlockedModel, history: Metrics) -> HolidayModel:
        """Return what an earlier model knows of the holidays of the metrics of a history."""
        if isinstance(model, Model):
            return holidays_taught(model.learned_holidays, model, history)
        blocks = self._lake.of(self._store)
        parts = [Model.from_arrays(blocks.read(name)).learned_holidays for name in model.names]
        return holidays_taught(concatenate_holidays(parts), model, history)

    def judge(self, model: Any, state: Any, metrics: Metrics) -> tuple[Judgement, Any]:
        """Judge all intervals of `metrics`; raises `TaskError`, `StoreError`."""
        if isinstance(model, Model):
            return self._whole.judge(model, self._joined(state), metrics)
        rows = _model_rows(model, metrics)
        after, parts = self._judge(model, state, metrics, rows, only_state=False)
        n_metrics, n_times = metrics.flat.shape
        expected, lower, upper = (np.full((n_metrics, n_times), np.nan) for _ in range(3))
        severity = np.zeros((n_metrics, n_times))
        known = rows >= 0
        for name, filled in (("expected", expected), ("lower", lower), ("upper", upper), ("severity", severity)):
            filled[known] = np.concatenate([getattr(part, name) for part in parts])[rows[known]]
        return Judgement(0, expected, lower, upper, severity, severity >= ANOMALOUS), after

    def advance(self, model: Any, state: Any, metrics: Metrics) -> Any:
        """Return the state after all intervals of `metrics`; raises `TaskError`, `StoreError`."""
        if isinstance(model, Model):
            return self._whole.advance(model, self._joined(state), metrics)
        return self._judge(model, state, metrics, _model_rows(model, metrics), only_state=True)[0]

    def combinations(self, model: Any) -> Sequence[Combination]:
        """Return the combinations of the history."""
        combinations: Sequence[Combination] = model.combinations
        return combinations

    def model_to_arrays(self, fitted: FittedModel) -> Arrays:
        """Return the names of a model's blocks as arrays."""
        model = fitted.model
        if isinstance(model, Model):
            return self._whole.model_to_arrays(fitted)
        about = {name: getattr(model, name) for name in ("measures", "dimension_names", "combinations")}
        text = np.frombuffer(json.dumps(about).encode("ascii"), np.uint8)
        return {_ABOUT: text, _BLOCKS: np.array(model.names, np.str_)}

    def model_from_arrays(self, arrays: Arrays) -> FittedModel:
        """Inverse of `model_to_arrays`; raises ValueError or KeyError, also where a block is lost."""
        if _ABOUT not in arrays:
            return self._whole.model_from_arrays(arrays)
        about = json.loads(arrays[_ABOUT].tobytes())
        model = BlockedModel(
            tuple(about["measures"]),
            tuple(about["dimension_names"]),
            tuple(tuple(combination) for combination in about["combinations"]),
            self._names(arrays),
        )
        return FittedModel(model, BlockedState())

    def state_to_arrays(self, state: Any) -> Arrays:
        """Return the names of a state's blocks as arrays."""
        if isinstance(state, State):
            return self._whole.state_to_arrays(state)
        return {_BLOCKS: np.array(state.names or (), np.str_)}

    def state_from_arrays(self, arrays: Arrays) -> Any:
        """Inverse of `state_to_arrays`; raises ValueError or KeyError, also where a block is lost."""
        if _BLOCKS not in arrays:
            return self._whole.state_from_arrays(arrays)
        return BlockedState(self._names(arrays))

    def _names(self, arrays: Arrays) -> tuple[str, ...]:
        names = tuple(arrays[_BLOCKS].tolist())
        lost = self._lake.of(self._store).lost(names)
        if lost or not names:
            raise ValueError(f"{len(lost):,} of {len(names):,} blocks are lost: {', '.join(lost[:1])}")
        return names

    def _judge(
        self, model: BlockedModel, state: BlockedState | State, metrics: Metrics, rows: IntArray, *, only_state: bool
    ) -> tuple[BlockedState, list[Judgement]]:
        n_series = len(model.measures) * len(model.combinations)
        values = np.full((n_series, len(metrics.starts)), np.nan)
        values[rows[rows >= 0]] = metrics.flat[rows >= 0]
        bounds = series_blocks(_of_model(model, metrics, values))
        start = _instant(metrics.starts[-1])
        if isinstance(state, State):
            state = self._divided(state, bounds, start)
        names = state.names
        results = self._run(
            bounds,
            values,
            metrics,
            lambda span: JudgeTask(self._lake, span, model.names, names, start, self._decision, only_state),
        )
        batches = [batch_of_bytes(result) for result in results]
        about = [dict(batch.schema.metadata) for batch in batches]
        lost = [item[_LOST].decode("ascii") for item in about if _LOST in item]
        for name in lost:
            # The next call then knows that the block is lost, and computes it again.
            self._lake.of(self._store).delete(name)
        if lost:
            raise TaskError(f"{len(lost):,} blocks cannot be read, such as {lost[0]}; the next run computes them again")
        after = BlockedState(tuple(item[_STATE].decode("ascii") for item in about))
        return after, [] if only_state else [judgement_of_batch(batch) for batch in batches]

    def _divided(self, state: State, bounds: Sequence[tuple[int, int]], start: datetime) -> BlockedState:
        """Write a state that one process has stored as blocks: the model was lost, and fitted again in blocks."""
        blocks = self._lake.of(self._store)
        parts = (State(state.next_start, state.filtered.part(begin, end)) for begin, end in bounds)
        return BlockedState(
            tuple(blocks.write("states", start, number, part.to_arrays()) for number, part in enumerate(parts))
        )

    def _joined(self, state: Any) -> State:
        """Return a state as that of one process."""
        if isinstance(state, State):
            return state
        blocks = self._lake.of(self._store)
        parts = [State.from_arrays(blocks.read(name)) for name in state.names]
        return State(parts[0].next_start, concatenate_states([part.filtered for part in parts]))

    def _run(
        self,
        bounds: Sequence[tuple[int, int]],
        values: FloatArray,
        metrics: Metrics,
        task_of: Callable[[Span], Callable[[int], bytes]],
        taught: HolidayModel | None = None,
    ) -> list[bytes]:
        """Run a task for each block of values, and of what is known of holidays; return the results in order."""
        folder = new_work_folder(self._clock())
        work = WorkFolder(self._store, folder)

        def write(number: int) -> None:
            begin, end = bounds[number]
            work.put(GIVEN, number, batch_to_bytes(values_to_batch(values[begin:end])))

        try:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                for _ in pool.map(write, range(len(bounds))):
                    pass
            _write_taught(work, bounds, taught)
            span = Span(folder, metrics.frequency, metrics.timezone, metrics.starts)
            return self._results(task_of(span), len(bounds))
        finally:
            work.delete()

    def _results(self, task: Callable[[int], bytes], n_tasks: int) -> list[bytes]:
        return [result for _, result in sorted(self._runner.run(task, n_tasks))]

    @property
    def _store(self) -> ObjectStore:
        if self._opened is None:
            self._opened = self._lake.open_store()
        return self._opened


def _write_taught(work: WorkFolder, bounds: Sequence[tuple[int, int]], taught: HolidayModel | None) -> None:
    if taught is None:
        return

    def write(number: int) -> None:
        part = taught.part(*bounds[number])
        work.put(_TAUGHT, number, arrays_to_bytes({name: getattr(part, name) for name in _TAUGHT_ARRAYS}, {}))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(write, range(len(bounds))):
            pass


def _read_taught(work: WorkFolder, number: int) -> HolidayModel:
    arrays, _ = arrays_from_bytes(work.get(_TAUGHT, number), f"{_TAUGHT} {number}")
    rest, dates, effects = (np.asarray(arrays[name]) for name in _TAUGHT_ARRAYS)
    return HolidayModel(rest, dates, effects)


def _model_rows(model: BlockedModel, metrics: Metrics) -> IntArray:
    """Return the model's row of each metric; -1 for a metric that the model does not know."""
    if (model.measures, model.dimension_names) != (metrics.measures, metrics.dimension_names):
        raise ModelError(
            f"metrics of {metrics.measures} by {metrics.dimension_names}; the model was fitted on {model.measures} by "
            f"{model.dimension_names}"
        )
    n_known = len(model.combinations)
    if model.combinations == metrics.combinations:
        places = np.arange(n_known)
    else:
        place_of = {combination: place for place, combination in enumerate(model.combinations)}
        places = np.array([place_of.get(combination, -1) for combination in metrics.combinations], np.int64)
    first = np.arange(len(model.measures))[:, None] * n_known
    return np.where(places >= 0, first + places, -1).ravel()


def _of_model(model: BlockedModel, metrics: Metrics, values: FloatArray) -> Metrics:
    shape = (len(model.measures), len(model.combinations), len(metrics.starts))
    return replace(metrics, combinations=model.combinations, values=values.reshape(shape))


def _empty_batch(about: dict[bytes, str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], pa.int8())], ["nothing"]).replace_schema_metadata(about)


def _instant(start: np.datetime64) -> datetime:
    return datetime.fromtimestamp(int(start.astype("datetime64[s]").astype(np.int64)), UTC)
