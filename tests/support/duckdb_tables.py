"""A stand-in for Athena's tables: tables of a DuckDB connection, asked in Athena's dialect."""

from __future__ import annotations

import duckdb
import pyarrow as pa
from sqlglot import exp

from anomalake.local.duckdb_functions import register
from anomalake.query.trino.dialect import parse
from anomalake.query.trino.queries import LAKE_SCHEMA, compile_query
from anomalake.query.trino.scopes import Table
from anomalake.query.trino.types import type_of_arrow


def ask(connection: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    """Answer a query on the tables of a connection, which common table expressions must not hide."""
    (query,) = parse(sql)
    tables = {}
    for node in list(query.find_all(exp.Table)):
        name = node.copy()
        name.set("alias", None)
        text = name.sql("duckdb")
        schema = connection.sql(f"SELECT * FROM {text} LIMIT 0").to_arrow_table().schema
        tables[text.lower()] = Table(text, [(field.name, type_of_arrow(field.type), field.name) for field in schema])
        node.replace(exp.table_(text, db=LAKE_SCHEMA, quoted=True, alias=node.alias or node.name))
    compiled = compile_query(query, tables)
    register(connection, compiled.functions)
    return connection.sql(compiled.sql).to_arrow_table().rename_columns([name for name, _ in compiled.columns])
