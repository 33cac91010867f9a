"""Blocks of series as Arrow record batches: what a task of a backtest is given, and what it returns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa

from anomalake.definitions.settings import DetectionSettings
from anomalake.detection.backtest import Finish, PreparedBacktest, judge_block, series_blocks
from anomalake.errors import AnomalakeError
from anomalake.groups.reduction import SeriesLayout
from anomalake.model.array_types import BoolArray, FloatArray, TimeArray
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.metrics import Metrics
from anomalake.records.feedback import Feedback

#: Column of the values of series.
VALUES: Final = "values"
_MISSING: Final = "missing"
_JUDGED: Final = ("expected", "lower", "upper", "severity")


class BlockError(AnomalakeError, ValueError):
    """Bytes or a batch that are not a block of series."""


@dataclass(frozen=True, slots=True, eq=False)
class BacktestPlan:
    """What all blocks of a backtest have in common.

    Attributes
    ----------
    frequency, timezone, starts
        The grid of intervals, as in `Metrics`.
    first
        Index of the first tested interval.
    settings, holidays
        Settings of the detector, and its holidays.
    bounds
        First and end index of each block's series.
    layout
        Order of all series.
    finish
        What follows the model's judgement.
    """

    frequency: str
    timezone: str
    starts: TimeArray
    first: int
    settings: DetectionSettings
    holidays: tuple[date, ...]
    bounds: tuple[tuple[int, int], ...]
    layout: SeriesLayout
    finish: Finish

    @classmethod
    def of(
        cls,
        metrics: Metrics,
        first: int,
        settings: DetectionSettings,
        holidays: tuple[date, ...],
        feedback: Iterable[Feedback] = (),
    ) -> BacktestPlan:
        """Return the plan of a backtest of a history."""
        return cls(
            metrics.frequency,
            metrics.timezone,
            metrics.starts,
            first,
            settings,
            holidays,
            tuple(series_blocks(metrics)),
            SeriesLayout.of(metrics),
            Finish.of(metrics, first, settings, feedback),
        )


class BacktestBlocks:
    """The values of a backtest's blocks.

    Parameters
    ----------
    prepared
        The history.
    bounds
        First and end index of each block (`series_blocks`).
    """

    def __init__(self, prepared: PreparedBacktest, bounds: Sequence[tuple[int, int]]) -> None:
        self._learned = prepared.learnable.flat
        self._tested = prepared.completed.metrics.flat
        missing = prepared.completed.missing
        self._missing = missing if missing.any() else None
        self._bounds = bounds

    def __len__(self) -> int:
        return len(self._bounds)

    def batch(self, number: int) -> pa.RecordBatch:
        """Return a block: a row for each series, with the values that are learned and those that are tested.

        Where a point is missing, it also has which tested ones are.
        """
        begin, end = self._bounds[number]
        batch = values_to_batch(np.concatenate([self._learned[begin:end], self._tested[begin:end]], axis=1))
        if self._missing is None:
            return batch
        return batch.append_column(_MISSING, _lists(self._missing[begin:end]))


def judge_batch(batch: pa.RecordBatch, plan: BacktestPlan, begin: int) -> pa.RecordBatch:
    """Fit a model to each series of a block, and judge its tested intervals.

    Parameters
    ----------
    batch
        From `BacktestBlocks`.
    begin
        Index of its first series.

    Returns
    -------
    A row for each series: lists of values, expected, lower, upper and severity, a number for each tested interval.
    """
    values = values_of_batch(batch, VALUES)
    missing = _missing_of(batch)
    n_series = len(values)
    series = Metrics(
        plan.frequency,
        plan.timezone,
        plan.starts[: plan.first],
        ("",),
        ("series",),
        tuple((str(index),) for index in range(n_series)),
        values[None, :, : plan.first],
    )
    tested = Metrics(
        plan.frequency,
        plan.timezone,
        plan.starts[plan.first :],
        series.measures,
        series.dimension_names,
        series.combinations,
        values[None, :, plan.first :],
    )
    judgement = judge_block(series, tested, plan.settings, plan.holidays)
    shown, judgement = plan.finish.judge(begin, tested.flat, missing, judgement)
    return judgement_to_batch(judgement).add_column(0, VALUES, _lists(shown))


def judgement_to_batch(judgement: Judgement) -> pa.RecordBatch:
    """Return a judgement as a batch, a row for each series."""
    batch = pa.RecordBatch.from_arrays([_lists(getattr(judgement, name)) for name in _JUDGED], list(_JUDGED))
    if judgement.is_missing is None:
        return batch
    return batch.append_column(_MISSING, _lists(judgement.is_missing))


def judgement_of_batch(batch: pa.RecordBatch) -> Judgement:
    """Inverse of `judgement_to_batch`; the first judged interval has index 0; raises `BlockError`."""
    expected, lower, upper, severity = (values_of_batch(batch, name) for name in _JUDGED)
    judgement = Judgement(0, expected, lower, upper, severity, severity >= ANOMALOUS)
    return replace(judgement, is_missing=_missing_of(batch))


def _missing_of(batch: pa.RecordBatch) -> BoolArray | None:
    return values_of_batch(batch, _MISSING) > 0 if _MISSING in batch.schema.names else None


def values_to_batch(values: FloatArray) -> pa.RecordBatch:
    """Return the values of some series, shape (S, T), as a batch."""
    return pa.RecordBatch.from_arrays([_lists(values)], [VALUES])


def values_of_batch(batch: pa.RecordBatch, name: str = VALUES) -> FloatArray:
    """Return the numbers in a column of lists of one length, shape (S, T); raises `BlockError`."""
    try:
        column = batch.column(name)
        numbers: FloatArray = column.flatten().to_numpy(zero_copy_only=True)
        return numbers.reshape(len(batch), column.type.list_size)
    except (KeyError, AttributeError, ValueError, pa.ArrowException) as error:
        raise BlockError(f"block: column {name!r}: {error}; expected lists of one length") from error


def batch_to_bytes(batch: pa.RecordBatch) -> bytes:
    """Write a batch in Arrow's IPC format."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def batch_of_bytes(body: bytes) -> pa.RecordBatch:
    """Inverse of `batch_to_bytes`; raises `BlockError`."""
    try:
        return pa.ipc.open_file(pa.BufferReader(body)).get_batch(0)
    except (pa.ArrowException, OSError, IndexError) as error:
        raise BlockError(f"block: {len(body):,} bytes: {error}; expected a record batch") from error


def _lists(numbers: FloatArray | BoolArray) -> pa.Array:
    flat = np.ascontiguousarray(numbers, np.float64).ravel()
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), numbers.shape[1])
