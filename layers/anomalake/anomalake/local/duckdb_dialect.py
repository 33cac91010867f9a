"""Athena's dialect as DuckDB's.

`to_duckdb` is the only place where SQL changes its dialect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from sqlglot import exp


def to_duckdb(query: exp.Query) -> str:
    """Write a query in DuckDB's dialect, with translations that sqlglot lacks; the query is changed."""
    for node in reversed(list(query.find_all(exp.Anonymous, exp.AtTimeZone))):
        if isinstance(node, exp.AtTimeZone):
            time, zone = node.this, node.args["zone"]
        elif node.name.upper() in ("WITH_TIMEZONE", "AT_TIMEZONE"):
            time, zone = node.expressions
        else:
            continue
        # DuckDB has one function for both: a wall-clock time gets a zone, an instant becomes a wall-clock time.
        node.replace(exp.Anonymous(this="timezone", expressions=[zone.copy(), time.copy()]))
    for unnest in list(query.find_all(exp.Unnest)):
        columns = unnest.alias_column_names
        if len(unnest.expressions) == 1 and len(columns) == 2 and _is_map(unnest.expressions[0]):
            unnest.replace(_keys_and_values(unnest.expressions[0], unnest.alias, columns))
    for size in list(query.find_all(exp.ArraySize)):
        if _is_map(size.this):
            size.replace(exp.Anonymous(this="cardinality", expressions=[size.this.copy()]))
    return query.sql("duckdb")


def _is_map(node: exp.Expr) -> bool:
    """Whether an expression is the map column of the relations. Types are not known here, but its name is."""
    return isinstance(node, exp.Column) and node.name.lower() == "dimensions"


def _keys_and_values(node: exp.Expr, alias: str, columns: Sequence[str]) -> exp.Expr:
    """A map as rows of key and value. Athena's UNNEST accepts maps, DuckDB's only lists."""
    parts = [
        exp.alias_(
            exp.Anonymous(this="unnest", expressions=[exp.Anonymous(this=part, expressions=[node.copy()])]), name
        )
        for part, name in zip(("map_keys", "map_values"), columns, strict=True)
    ]
    return exp.Lateral(
        this=exp.Subquery(this=exp.select(*parts)), alias=exp.TableAlias(this=exp.to_identifier(alias or "t"))
    )


def describe(schema: pa.Schema) -> pa.Table:
    """The answer of DESCRIBE: names and types of columns, in Athena's terms."""
    return pa.table(
        {
            "column": pa.array(schema.names, pa.string()),
            "type": pa.array([_athena_type(field.type) for field in schema], pa.string()),
        }
    )


def _athena_type(type_: Any) -> str:
    if pa.types.is_map(type_):
        return f"map({_athena_type(type_.key_type)}, {_athena_type(type_.item_type)})"
    if pa.types.is_list(type_):
        return f"array({_athena_type(type_.value_type)})"
    if pa.types.is_struct(type_):
        return f"row({', '.join(f'{field.name} {_athena_type(field.type)}' for field in type_)})"
    if pa.types.is_decimal(type_):
        return f"decimal({type_.precision},{type_.scale})"
    if pa.types.is_timestamp(type_):
        return "timestamp"
    return {"string": "varchar", "int64": "bigint", "int32": "integer", "bool": "boolean"}.get(str(type_), str(type_))


def as_athena(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Return an answer as Athena does: column names in lower case, sums of integers as BIGINT."""
    schema = pa.schema(
        [
            pa.field(field.name.lower(), pa.int64() if field.type == _HUGE else field.type, field.nullable)
            for field in reader.schema
        ]
    )
    if schema == reader.schema:
        return reader
    batches = (
        pa.RecordBatch.from_arrays(
            [
                column if column.type == type_ else column.cast(type_)
                for column, type_ in zip(batch.columns, schema.types, strict=True)
            ],
            schema=schema,
        )
        for batch in reader
    )
    return pa.RecordBatchReader.from_batches(schema, batches)


# Arrow's type of DuckDB's HUGEINT, which is the type of a sum of integers.
_HUGE = pa.decimal128(38, 0)
