"""Registers Python functions that queries call in DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import duckdb
import pyarrow as pa
from duckdb import func

from anomalake.query.trino.python_functions import PYTHON_FUNCTIONS

_ARROW = {
    "VARCHAR": pa.string(), "BIGINT": pa.int64(), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_(),
    "VARCHAR[]": pa.list_(pa.string()), "MAP(VARCHAR, VARCHAR)": pa.map_(pa.string(), pa.string()),
}  # fmt: skip


def register(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Register functions of `PYTHON_FUNCTIONS`; each returns NULL if an argument is NULL."""
    for name in names:
        function, parameters, result = PYTHON_FUNCTIONS[name]
        connection.create_function(
            name,
            _of_columns(function, len(parameters), _ARROW[result]),
            list(parameters),
            result,
            type=func.PythonUDFType.ARROW,
            null_handling=func.FunctionNullHandling.SPECIAL,
        )


def _of_columns(function: Callable[..., Any], arity: int, result: pa.DataType) -> Callable[..., pa.Array]:
    def apply(*columns: pa.ChunkedArray) -> pa.Array:
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        return pa.array([None if None in row else function(*row) for row in rows], result)

    # DuckDB counts the parameters of the function.
    fixed: dict[int, Callable[..., pa.Array]] = {
        1: lambda a: apply(a),
        2: lambda a, b: apply(a, b),
        3: lambda a, b, c: apply(a, b, c),
        4: lambda a, b, c, d: apply(a, b, c, d),
    }
    return fixed[arity]
