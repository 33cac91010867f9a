"""Data frames of pandas, Polars, PyArrow and DuckDB, by Arrow's C stream interface.

None of these libraries but PyArrow is imported: a library whose frame is given is imported already.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from anomalake.definitions.messages import listed, shown
from anomalake.errors import AnomalakeError, first_line

#: Name of the column of a pandas index that has no name.
UNNAMED_INDEX: Final = "time"

_KINDS: Final = ("pandas", "polars", "duckdb", "pyarrow")
_EXPECTED: Final = "a pandas, Polars or PyArrow table, or a DuckDB relation"


class FrameError(AnomalakeError, ValueError):
    """A data frame, or an argument about one, that cannot be used: which, and what was expected."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A data frame.

    Attributes
    ----------
    table
        Its columns.
    kind
        ``pandas``, ``polars``, ``duckdb`` or ``pyarrow``; ``pyarrow`` for other libraries.
    index
        Columns that are the index of a pandas frame.
    """

    table: pa.Table
    kind: str
    index: tuple[str, ...] = ()


def read_frame(frame: Any, columns: Collection[str] | None = None) -> Frame:
    """Read a data frame.

    Parameters
    ----------
    columns
        Columns that are needed; others may be left out. None: all.

    Raises
    ------
    FrameError
        It is no data frame, or its columns cannot be converted to Arrow.
    """
    kind = _kind_of(frame)
    frame = _as_table(frame, kind)
    if not hasattr(frame, "__arrow_c_stream__"):
        raise FrameError(f"frame: {_type_of(frame)}; expected {_EXPECTED}{_hint(frame)}")
    if columns is not None:
        frame = _narrowed(frame, kind, columns)
    elif kind == "pandas":
        frame = _convertible(frame)
    try:
        table = pa.RecordBatchReader.from_stream(frame).read_all()
    except (ValueError, TypeError, ImportError, NotImplementedError, pa.ArrowException) as error:
        raise FrameError(f"frame: {_type_of(frame)} cannot be read: {_reason(error)}") from error
    except Exception as error:
        # DuckDB runs the query of a relation now, and has errors of its own.
        raise FrameError(f"frame: {_type_of(frame)} cannot be read: {first_line(error)[:200]}") from error
    index = _index_of(table)
    table = table.replace_schema_metadata(None)
    if len(index) == 1 and index[0].startswith("__index_level_") and UNNAMED_INDEX not in table.column_names:
        table = table.rename_columns([UNNAMED_INDEX if name == index[0] else name for name in table.column_names])
        index = (UNNAMED_INDEX,)
    repeated = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if repeated:
        raise FrameError(f"frame: has more than one column {shown(repeated[0])}; expected each name once")
    return Frame(_plain(table), kind, index)


def to_kind(table: pa.Table, kind: str) -> Any:
    """Return a table as a data frame of a kind; DuckDB's relation is one of its default connection."""
    if kind == "pandas":
        return table.to_pandas()
    if kind == "polars":
        return sys.modules["polars"].from_arrow(table)
    if kind == "duckdb":
        return sys.modules["duckdb"].from_arrow(table)
    return table


def check_columns(frame: Frame, argument: str, names: Sequence[str]) -> None:
    """Check that a frame has the columns that an argument names; raises `FrameError`."""
    for name in names:
        if name not in frame.table.column_names:
            raise FrameError(
                f"{argument} {shown(name)}: the frame has no such column; it has {listed(frame.table.column_names)}"
            )


def _kind_of(frame: Any) -> str:
    roots = [base.__module__.partition(".")[0].lstrip("_") for base in type(frame).__mro__]
    return next((root for root in roots if root in _KINDS), "pyarrow")


def _as_table(frame: Any, kind: str) -> Any:
    """Return a series of pandas or Polars as a frame with one column."""
    if kind in ("pandas", "polars") and type(frame).__name__ == "Series":
        return frame.to_frame(frame.name or "value")
    return frame


def _narrowed(frame: Any, kind: str, columns: Collection[str]) -> Any:
    """Leave out columns that are not needed, where it saves their conversion; keep all if one is missing."""
    if kind not in ("pandas", "polars", "duckdb"):
        return frame
    names = list(frame.columns)
    wanted = [name for name in names if name in columns]
    in_index = frame.index.names if kind == "pandas" else ()
    if set(columns) - set(wanted) - {*in_index} - ({UNNAMED_INDEX} if None in in_index else set()):
        return frame
    if kind == "duckdb":
        quoted = ['"' + name.replace('"', '""') + '"' for name in wanted]
        return frame.project(", ".join(quoted))
    return frame[wanted]


def _convertible(frame: Any) -> Any:
    """Leave out the columns of a pandas frame that have values of several types, for they cannot be used."""
    odd = []
    for place, dtype in enumerate(frame.dtypes):
        if str(dtype) == "object":
            try:
                pa.array(frame.iloc[:, place], from_pandas=True)
            except (pa.ArrowException, ValueError, TypeError, OverflowError):
                odd.append(place)
    return frame if not odd else frame.iloc[:, [place for place in range(frame.shape[1]) if place not in odd]]


def _index_of(table: pa.Table) -> tuple[str, ...]:
    """Return the columns that pandas has marked as its index; a range is no column."""
    try:
        described = json.loads((table.schema.metadata or {}).get(b"pandas", b"{}"))
        return tuple(name for name in described.get("index_columns", ()) if name in table.column_names)
    except (ValueError, TypeError, AttributeError):
        return ()


def _plain(table: pa.Table) -> pa.Table:
    """Replace types of text that few functions know, categories, and NaN, which means no value in a data frame."""
    columns = [pa.chunked_array([_plain_chunk(chunk) for chunk in column.chunks], _plain_type(column.type))
               for column in table.columns]  # fmt: skip
    return pa.Table.from_arrays(columns, table.column_names)


def _plain_chunk(chunk: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(chunk.type):
        return pa.DictionaryArray.from_arrays(chunk.indices, _plain_chunk(chunk.dictionary)).dictionary_decode()
    if pa.types.is_floating(chunk.type):
        return pc.if_else(pc.is_nan(chunk), pa.scalar(None, chunk.type), chunk)
    return chunk.cast(_plain_type(chunk.type))


def _plain_type(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(type_):
        return _plain_type(type_.value_type)
    if pa.types.is_string_view(type_) or pa.types.is_large_string(type_):
        return pa.string()
    return type_


def _reason(error: Exception) -> str:
    # pyarrow names the column in the second of two arguments.
    parts = [str(part) for part in error.args if isinstance(part, str)] or [str(error)]
    return "; ".join(" ".join(part.split()) for part in parts)[:300]


def _type_of(value: Any) -> str:
    return f"a {type(value).__module__.partition('.')[0].lstrip('_')}.{type(value).__qualname__}"


def _hint(value: Any) -> str:
    if isinstance(value, (str, bytes)) or hasattr(value, "__fspath__"):
        return "; `anomalake backtest` reads files"
    if hasattr(value, "collect"):
        return ", such as frame.collect()"
    return ""
