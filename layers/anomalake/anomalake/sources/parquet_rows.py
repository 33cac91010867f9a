"""Rows of Parquet files."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from anomalake.definitions.metric_set import ZONED, ColumnType, MetricSet
from anomalake.errors import first_line
from anomalake.sources.ports import ByteStream
from anomalake.sources.rows import RowBlock, SourceFileError, column_places

BLOCK_ROWS = 131_072


def parquet_blocks(stream: ByteStream, metric_set: MetricSet) -> Iterator[RowBlock]:
    """Read the rows of a Parquet file; the line of a row is its number, from 1.

    Raises
    ------
    SourceFileError
        The file is invalid, lacks a column, or has a column of an unsupported type.
    """
    # Parquet's metadata are at the end of the file, so all of it is read.
    whole = b"".join(iter(lambda: stream.read(1 << 24), b""))
    try:
        file = pq.ParquetFile(pa.BufferReader(whole))
        yield from typed_blocks(
            file.schema_arrow, file.iter_batches(BLOCK_ROWS, columns=_needed(file.schema_arrow, metric_set)), metric_set
        )
    except (pa.ArrowException, OSError) as error:
        raise SourceFileError(f"cannot be read as Parquet: {first_line(error)[:200]}") from error


def typed_blocks(
    schema: pa.Schema, batches: Iterator[pa.RecordBatch], metric_set: MetricSet, first_row: int = 1
) -> Iterator[RowBlock]:
    """Convert batches with typed columns; raises `SourceFileError` for unsupported types."""
    _check_types(schema, metric_set)
    names = metric_set.columns
    split = 1 + len(metric_set.dimension_list)
    for batch in batches:
        columns = [batch.column(batch.schema.get_field_index(name)) for name in names]
        lines = np.arange(first_row, first_row + len(batch), dtype=np.int64)
        first_row += len(batch)
        timestamps = columns[0].dictionary_decode() if pa.types.is_dictionary(columns[0].type) else columns[0]
        measures = [
            column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in columns[split:]
        ]
        yield RowBlock(timestamps, tuple(map(_as_text, columns[1:split])), tuple(map(_as_numbers, measures)), lines)


def column_types(stream: ByteStream, metric_set: MetricSet) -> tuple[ColumnType, ...]:
    """Return the types of a metric set's columns in a Parquet file.

    Raises
    ------
    SourceFileError
        The file is invalid, lacks a column, or has a column of a type that queries cannot read.
    """
    whole = b"".join(iter(lambda: stream.read(1 << 24), b""))
    try:
        schema = pq.read_schema(pa.BufferReader(whole))
    except (pa.ArrowException, OSError) as error:
        raise SourceFileError(f"cannot be read as Parquet: {first_line(error)[:200]}") from error
    names = _needed(schema, metric_set)
    _check_types(schema, metric_set)
    return tuple(ColumnType(name, _column_type(name, schema.field(name).type)) for name in names)


def _column_type(name: str, type_: pa.DataType) -> str:
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    if pa.types.is_timestamp(type_):
        return ZONED if type_.tz is not None else "timestamp"
    if pa.types.is_decimal128(type_):
        return f"decimal({type_.precision},{type_.scale})"
    found = _TYPES.get(type_)
    if found is None:
        raise SourceFileError(f"column {name!r} has the type {type_}; queries on live data read {_READ_BY_QUERIES}")
    return found


_READ_BY_QUERIES = "text, signed numbers, decimals of up to 38 digits, booleans, dates and timestamps"
# Unsigned numbers of 32 bits and more are read as signed ones by Athena.
_TYPES = {
    pa.string(): "string",
    pa.large_string(): "string",
    pa.bool_(): "boolean",
    pa.int8(): "tinyint",
    pa.uint8(): "int",
    pa.int16(): "smallint",
    pa.uint16(): "int",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.date32(): "date",
    pa.date64(): "date",
}


def _needed(schema: pa.Schema, metric_set: MetricSet) -> list[str]:
    column_places(tuple(schema.names), metric_set.columns, "schema")
    return list(metric_set.columns)


def _check_types(schema: pa.Schema, metric_set: MetricSet) -> None:
    for name in metric_set.columns:
        type_ = schema.field(name).type
        if pa.types.is_dictionary(type_):
            type_ = type_.value_type
        if name == metric_set.timestamp_column:
            fits, expected = _is_text(type_) or pa.types.is_temporal(type_), "a timestamp, a date or text"
            fits = fits and not (pa.types.is_time(type_) or pa.types.is_duration(type_))
        elif name in metric_set.dimension_list:
            fits, expected = not pa.types.is_nested(type_), "one value a row"
        else:
            fits, expected = _is_text(type_) or _is_number(type_), "a number"
        if not fits:
            raise SourceFileError(f"column {name!r} has the type {type_}; expected {expected}")


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_null(type_))


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def _as_text(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return (column if pa.types.is_binary(column.type) else column.cast(pa.string())).dictionary_encode()


def _as_numbers(column: pa.Array) -> pa.Array:
    return column.cast(pa.string()) if _is_text(column.type) else column.cast(pa.float64(), safe=False)


def _decoded(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
