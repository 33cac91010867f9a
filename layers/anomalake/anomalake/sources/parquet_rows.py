"""Rows of Parquet files."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from anomalake.definitions.metric_set import ZONED, ColumnType, MetricSet
from anomalake.definitions.time_formats import NUMBER_FORMATS, NumberReader, timestamp_reader
from anomalake.errors import first_line
from anomalake.sources.cells import joined
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
    if not whole:
        return
    try:
        file = pq.ParquetFile(pa.BufferReader(whole))
        schema = file.schema_arrow
        names = [schema.names[place] for place in column_places(schema.names, metric_set.columns, "schema")]
        yield from typed_blocks(schema, file.iter_batches(BLOCK_ROWS, columns=names), metric_set)
    except (pa.ArrowException, OSError) as error:
        raise SourceFileError(f"cannot be read as Parquet: {first_line(error)[:200]}") from error


def typed_blocks(
    schema: pa.Schema, batches: Iterator[pa.RecordBatch], metric_set: MetricSet, first_row: int = 1
) -> Iterator[RowBlock]:
    """Convert batches with typed columns; raises `SourceFileError` for missing columns and unsupported types."""
    names = [schema.names[place] for place in column_places(schema.names, metric_set.columns, "schema")]
    _check_types(schema, names, metric_set)
    n_timestamps = len(metric_set.timestamp_columns)
    split = n_timestamps + len(metric_set.dimension_list)
    for batch in batches:
        columns = [_decoded(batch.column(batch.schema.get_field_index(name))) for name in names]
        lines = np.arange(first_row, first_row + len(batch), dtype=np.int64)
        first_row += len(batch)
        dimensions = tuple(map(_as_text, columns[n_timestamps:split]))
        measures = tuple(map(_as_numbers, columns[split:]))
        yield RowBlock(_timestamps(columns[:n_timestamps]), dimensions, measures, lines)


def column_types(stream: ByteStream, metric_set: MetricSet) -> tuple[ColumnType, ...]:
    """Return the types of a metric set's columns in a Parquet file; none if it is empty.

    Raises
    ------
    SourceFileError
        The file is invalid, lacks a column, or has a column of a type that queries cannot read.
    """
    whole = b"".join(iter(lambda: stream.read(1 << 24), b""))
    if not whole:
        return ()
    try:
        schema = pq.read_schema(pa.BufferReader(whole))
    except (pa.ArrowException, OSError) as error:
        raise SourceFileError(f"cannot be read as Parquet: {first_line(error)[:200]}") from error
    written = [schema.names[place] for place in column_places(schema.names, metric_set.columns, "schema")]
    for name, found in zip(metric_set.columns, written, strict=True):
        if [column.lower() for column in schema.names].count(name.lower()) != 1:
            raise SourceFileError(
                f"column {name!r} is {found!r} in the file; queries on live data find columns by their names, without "
                "case; expected this name, and no other that differs in case only"
            )
    _check_types(schema, written, metric_set)
    return tuple(
        ColumnType(name, _column_type(name, schema.field(found).type))
        for name, found in zip(metric_set.columns, written, strict=True)
    )


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


def _timestamps(columns: list[pa.Array]) -> pa.Array:
    """The timestamp column: text, or of a temporal type; numbers become their text."""
    if len(columns) == 1 and pa.types.is_temporal(columns[0].type):
        return columns[0]
    return joined([column.cast(pa.string()) for column in columns])


def _check_types(schema: pa.Schema, names: list[str], metric_set: MetricSet) -> None:
    n_timestamps = len(metric_set.timestamp_columns)
    for place, name in enumerate(names):
        type_ = schema.field(name).type
        if pa.types.is_dictionary(type_):
            type_ = type_.value_type
        if place < n_timestamps:
            fits, expected = _is_timestamp(type_, metric_set)
        elif place < n_timestamps + len(metric_set.dimension_list):
            fits, expected = not pa.types.is_nested(type_), "one value a row"
        else:
            fits, expected = _is_text(type_) or _is_number(type_), "a number"
        if not fits:
            raise SourceFileError(f"column {name!r} has the type {type_}; expected {expected}")


def _is_timestamp(type_: pa.DataType, metric_set: MetricSet) -> tuple[bool, str]:
    """Whether a column's type is one of a timestamp, or of a part of it; and which are."""
    reader = timestamp_reader(metric_set.timestamp_format)
    if metric_set.joined_timestamp_columns:
        fits = _is_text(type_) or pa.types.is_date(type_) or pa.types.is_integer(type_)
        return fits, "text, a date or a whole number, for it is joined with others"
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        # The number 20210131 is a day in the format yyyyMMdd.
        fits = isinstance(reader, NumberReader) or (pa.types.is_integer(type_) and reader.is_digits)
        return fits, f"a timestamp, a date or text, or ColumnFormat {', '.join(NUMBER_FORMATS)} for numbers"
    fits = pa.types.is_timestamp(type_) or pa.types.is_date(type_) or _is_text(type_)
    return fits, "a timestamp, a date or text"


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_null(type_))


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def _as_text(column: pa.Array) -> pa.Array:
    return (column if pa.types.is_binary(column.type) else column.cast(pa.string())).dictionary_encode()


def _as_numbers(column: pa.Array) -> pa.Array:
    return column.cast(pa.string()) if _is_text(column.type) else column.cast(pa.float64(), safe=False)


def _decoded(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
