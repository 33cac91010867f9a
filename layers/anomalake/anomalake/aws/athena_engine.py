"""Queries on a lake in S3, which Athena runs; awswrangler calls Athena."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from pyarrow import csv
from sqlglot import exp

from anomalake.definitions.day_folders import SOURCE_FOLDER_DAY, day_pattern
from anomalake.errors import one_line, require
from anomalake.lake.layout import FILES, WITHDRAWALS
from anomalake.lake.settings import read_table_format
from anomalake.query import rewrite, templates
from anomalake.query.bounds import Bounds
from anomalake.query.detectors import DetectorSchema
from anomalake.query.errors import QueryError
from anomalake.query.folder_days import folder_condition
from anomalake.query.relations import Relations, athena_table_rows, decode_csv, without_folder_day
from anomalake.storage.store import ObjectStore

DEFAULT_DATABASE = "anomalake"
BLOCK_BYTES = 8_000_000

#: The only column of the relations that is a map. Athena's results are text, in which a map can be read only as JSON.
MAP_COLUMN = "dimensions"


class AthenaEngine:
    """Query engine for a lake in S3.

    Parameters
    ----------
    store
        Store of the lake, for its settings, shapes and metric sets.
    database
        Glue database that has ``alert_rows``; default: ``ANOMALAKE_DATABASE``, else ``anomalake``.
    workgroup
        Athena workgroup; default: ``ANOMALAKE_WORKGROUP``, else Athena's own default.
    """

    def __init__(self, store: ObjectStore, database: str | None = None, workgroup: str | None = None) -> None:
        self._store = store
        self.database = database or os.environ.get("ANOMALAKE_DATABASE") or DEFAULT_DATABASE
        self.workgroup = workgroup or os.environ.get("ANOMALAKE_WORKGROUP") or "primary"
        self.relations = Relations(store)

    def query(self, sql: str) -> pa.Table:
        """Answer a query as one table; raises `QueryError`."""
        with self.stream(sql) as reader:
            return pa.Table.from_batches(reader, reader.schema)

    @contextmanager
    def stream(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        """Yield the answer of a query as a reader of batches; raises `QueryError`."""
        text = self.to_athena(sql)
        if isinstance(text, pa.Table):
            yield text.to_reader()
            return
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "answer"
            types = self._run(text, file)
            yield _read_text(file) if types is None else _read_csv(file, types)

    @contextmanager
    def prepared(self, queries: Iterable[str]) -> Iterator[Callable[[str], pa.Table]]:
        """Yield what answers queries, as `query` does: nothing is to be prepared."""
        yield self.query

    @contextmanager
    def slices(self, name: str) -> Iterator[list[str]]:
        """Yield one query for all rows of a relation, because Athena needs no memory of this process."""
        yield [exp.select("*").from_(exp.Table(this=exp.to_identifier(name, quoted=True))).sql(templates.DIALECT)]

    def to_athena(self, sql: str) -> str | pa.Table:
        """Return the SQL that Athena runs, or the result itself if Athena is not needed."""
        statement = rewrite.parse(sql)
        if isinstance(statement, rewrite.ShowTables):
            names = [name for name in self.relations.names() if statement.matches(name)]
            return pa.table({"tab_name": pa.array(names, pa.string())})
        if isinstance(statement, rewrite.Describe):
            return exp.Describe(this=exp.Table(this=exp.to_identifier(statement.table.lower(), quoted=True))).sql(
                "hive"
            )
        columns = _columns_of_star(statement.query, self.relations)
        query = rewrite.rewrite(
            statement.query, self.relations, _AthenaTables(self._store), only_relations=False, database=self.database
        )
        if not statement.explain:
            _maps_as_json(query, columns)
        return f"{statement.explain} {query.sql(templates.DIALECT)}".strip()

    def _run(self, sql: str, file: Path) -> dict[str, str] | None:
        """Run a query and download its result; return the types of its columns, or None if the result is plain text."""
        require("awswrangler", extra="aws")
        import awswrangler as wr
        from botocore.exceptions import BotoCoreError, ClientError

        where = f"Athena, workgroup {self.workgroup}, database {self.database}"
        try:
            execution = wr.athena.start_query_execution(sql=sql, database=self.database, workgroup=self.workgroup)
            answer = wr.athena.wait_query(query_execution_id=execution)
            location = answer.get("ResultConfiguration", {}).get("OutputLocation")
            if not location:
                raise QueryError(f"{where}: no OutputLocation; expected a workgroup that writes its results to S3")
            types = dict(wr.athena.get_query_columns_types(query_execution_id=execution))
            # read_sql_query is not used, because it reads an empty text and the text NaN as null.
            wr.s3.download(path=location, local_file=str(file))
        except (wr.exceptions.QueryFailed, wr.exceptions.QueryCancelled) as error:
            raise QueryError(f"{where}: {one_line(error)}") from error
        except (ClientError, BotoCoreError) as error:
            hint = "ANOMALAKE_WORKGROUP and ANOMALAKE_DATABASE select others"
            raise QueryError(f"{where}: {one_line(error)}; {hint}") from error
        return None if location.endswith(".txt") else types


class _AthenaTables:
    """`Tables` of the stack: the tables that its template declares."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._csv_only: bool | None = None
        self._has_withdrawals: bool | None = None

    def alert_rows(self, bounds: Bounds) -> exp.Query:
        if not self._is_csv_only():
            return _within("alert_rows", bounds)
        return decode_csv(self.alert_rows_csv(bounds))

    def alert_rows_csv(self, bounds: Bounds) -> exp.Query:
        return _within("alert_rows_csv", bounds)

    def withdrawal_rows(self, bounds: Bounds) -> exp.Query:
        return _within("withdrawal_rows", bounds)

    def cause_rows(self, bounds: Bounds) -> exp.Query:
        return _within("cause_rows", bounds)

    def has_withdrawals(self, bounds: Bounds) -> bool:
        if self._has_withdrawals is None:
            folder = FILES[WITHDRAWALS][0]
            self._has_withdrawals = next(iter(self._store.list(folder)), None) is not None
        return self._has_withdrawals

    def cached(self, name: str) -> None:
        """Return None: nothing is cached."""

    def source_rows(self, detector: DetectorSchema, columns: dict[str, str], bounds: Bounds) -> exp.Query:
        source = detector.source
        assert source is not None
        if source.athena is not None:
            return athena_table_rows(source, columns, bounds)
        selected: list[exp.Expr] = [exp.column(name, quoted=True) for name in columns.values()]
        # Views of earlier versions lack the column; they are read where it would be NULL.
        has_days = day_pattern(source) is not None
        selected.append(exp.column(SOURCE_FOLDER_DAY, quoted=True) if has_days else without_folder_day())
        table = exp.Table(this=exp.to_identifier(f"source_{detector.sql_name}", quoted=True))
        rows = exp.select(*selected).from_(table)
        condition = folder_condition(source, bounds)
        return rows if condition is None else rows.where(condition)

    def _is_csv_only(self) -> bool:
        if self._csv_only is None:
            self._csv_only = read_table_format(self._store) == "csv"
        return self._csv_only


def _within(table: str, bounds: Bounds) -> exp.Query:
    rows = exp.select("*").from_(table)
    condition = bounds.condition()
    return rows if condition is None else rows.where(condition)


def _columns_of_star(query: exp.Query, relations: Relations) -> list[str] | None:
    """Return the columns of ``SELECT *`` from a relation; None for any other query."""
    if (
        not isinstance(query, exp.Select)
        or len(query.expressions) != 1
        or not isinstance(query.expressions[0], exp.Star)
    ):
        return None
    from_ = query.args.get("from_") or query.args.get("from")
    if from_ is None or query.args.get("joins") or not isinstance(from_.this, exp.Table):
        return None
    if query.expressions[0].args.get("except_") or query.args.get("with_"):
        return None
    relation = relations.find(from_.this.name)
    return relation.columns() if relation is not None else None


def _maps_as_json(query: exp.Query, columns: list[str] | None) -> None:
    """Convert a map in the result to JSON, so that it can be read."""
    if not isinstance(query, exp.Select):
        return
    if columns is not None and MAP_COLUMN in columns:
        query.set("expressions", [exp.column(name, quoted=True) for name in columns])
    for column in list(query.expressions):
        value = column.this if isinstance(column, exp.Alias) else column
        if isinstance(value, exp.Column) and value.name.lower() == MAP_COLUMN:
            as_json = exp.Anonymous(this="json_format", expressions=[exp.cast(value.copy(), "JSON")])
            column.replace(exp.alias_(as_json, column.alias_or_name, quoted=True))


def _read_text(file: Path) -> pa.RecordBatchReader:
    return pa.table({"line": pa.array(file.read_text("utf-8").splitlines(), pa.string())}).to_reader()


def _read_csv(file: Path, types: dict[str, str]) -> pa.RecordBatchReader:
    """Read a CSV result in batches. Athena quotes an empty text; null is an empty cell without quotes."""
    schema = pa.schema([(name, _type_of(name, type_)) for name, type_ in types.items()])
    csv_types = {field.name: pa.string() if pa.types.is_map(field.type) else field.type for field in schema}
    reader = csv.open_csv(
        file,
        csv.ReadOptions(block_size=BLOCK_BYTES),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(
            column_types=csv_types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )
    batches = (pa.RecordBatch.from_arrays([*map(_maps, batch.columns, schema)], schema=schema) for batch in reader)
    return pa.RecordBatchReader.from_batches(schema, batches)


def _maps(column: pa.Array, field: pa.Field) -> pa.Array:
    if not pa.types.is_map(field.type):
        return column
    return pa.array(
        [None if text is None else list(json.loads(text).items()) for text in column.to_pylist()], field.type
    )


def _type_of(name: str, athena: str) -> pa.DataType:
    if name == MAP_COLUMN:
        return pa.map_(pa.string(), pa.string())
    decimal = re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", athena)
    if decimal:
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    return _TYPES.get(athena, pa.string())


_TYPES = {
    "boolean": pa.bool_(),
    "tinyint": pa.int64(),
    "smallint": pa.int64(),
    "integer": pa.int64(),
    "bigint": pa.int64(),
    "float": pa.float64(),
    "real": pa.float64(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}
