"""Root causes in a data frame: from the columns of the frame to a frame of causes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anomalake.causes.leaves import MISSING
from anomalake.causes.search import Element, find_causes
from anomalake.definitions.messages import shown
from anomalake.definitions.metric_set_fields import MOST_DIMENSIONS
from anomalake.detection.result_tables import CAUSE_COLUMNS, EXPLAINED, GAIN, RANK, SHARE_OFF
from anomalake.local.frames import Frame, FrameError, check_columns, read_frame, to_kind

#: Most rows of a frame.
MOST_ROWS: Final = 5_000_000
# Most pairs of a row and a set of dimensions that are looked at.
_MOST_WORK: Final = 20_000_000


def root_causes(
    frame: Any, dimensions: str | Sequence[str], actual: str, expected: str, lower: str | None, upper: str | None
) -> Any:
    """Find root causes in a data frame; raises `FrameError`."""
    names = [dimensions] if isinstance(dimensions, str) else list(dimensions)
    numbers = {"actual": actual, "expected": expected}
    numbers |= {argument: name for argument, name in (("lower", lower), ("upper", upper)) if name is not None}
    _check_dimensions(names)
    table = read_frame(frame, {*names, *numbers.values()})
    check_columns(table, "dimensions", names)
    for argument, name in numbers.items():
        check_columns(table, argument, [name])
    if table.table.num_rows > MOST_ROWS:
        raise FrameError(f"frame: {table.table.num_rows:,} rows; expected at most {MOST_ROWS:,}")
    values = {argument: _numbers(table, argument, name) for argument, name in numbers.items()}
    encoded = [_encoded(table, name) for name in names]
    codes = np.array([column for column, _ in encoded], np.int64).reshape(len(names), table.table.num_rows)
    causes = find_causes(
        codes, values["actual"], values["expected"], values.get("lower"), values.get("upper"), most_work=_MOST_WORK
    )
    texts = dict(zip(names, (dictionary for _, dictionary in encoded), strict=True))
    return to_kind(_table(causes, texts), table.kind)


def _check_dimensions(names: list[str]) -> None:
    if len(names) > MOST_DIMENSIONS:
        raise FrameError(f"dimensions: {len(names)} columns; expected at most {MOST_DIMENSIONS}")
    for name in names:
        if name in CAUSE_COLUMNS:
            raise FrameError(f"dimensions {shown(name)}: a column of the result has this name; expected another name")
        if names.count(name) > 1:
            raise FrameError(f"dimensions {shown(name)}: is named twice; expected each column once")


def _numbers(frame: Frame, argument: str, name: str) -> npt.NDArray[np.float64]:
    column = frame.table.column(name)
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
        raise FrameError(f"{argument} {shown(name)}: the column has the type {column.type}; expected numbers")
    values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _encoded(frame: Frame, name: str) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """Return the codes of a column, and its different values."""
    column = frame.table.column(name)
    try:
        encoded = column.combine_chunks().dictionary_encode()
    except pa.ArrowException as error:
        raise FrameError(f"dimensions {shown(name)}: the type {column.type}; expected texts or numbers") from error
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return np.asarray(encoded.indices.fill_null(MISSING).to_numpy(), np.int64), encoded.dictionary


def _table(causes: Sequence[Element], values: dict[str, pa.Array]) -> pa.Table:
    columns: dict[str, pa.Array] = {RANK: pa.array(range(1, len(causes) + 1), pa.int64())}
    for dimension, (name, dictionary) in enumerate(values.items()):
        codes = pa.array([dict(cause.values).get(dimension) for cause in causes], pa.int64())
        columns[name] = dictionary.take(codes)
    for name in (SHARE_OFF, EXPLAINED, GAIN):
        columns[name] = pa.array([getattr(cause, name) for cause in causes], pa.float64())
    return pa.table(columns)
