"""Queries on a lake in S3, answered by Athena through awswrangler."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlglot import exp

from anomalake.catalog import rewrite, templates
from anomalake.catalog.bounds import Bounds
from anomalake.catalog.detectors import Detector
from anomalake.catalog.errors import QueryError
from anomalake.catalog.relations import Relations, put_in_place
from anomalake.lake.layout import SETTINGS
from anomalake.lake.rows import METRIC_VALUE
from anomalake.lake.store import ObjectNotFound, ObjectStore

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_DATABASE = "anomalake"
BATCH_ROWS = 50_000

#: The one column of the relations that is a map. Athena's answers are text: a map comes through as JSON only.
MAP_COLUMN = "dimensions"


class AthenaEngine:
    """Answers queries on a lake in S3.

    Parameters
    ----------
    store
        The lake's store, for settings, shapes and sources.
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

    def frame(self, sql: str) -> pd.DataFrame:
        """Answer a query whole; raises `QueryError`."""
        text = self.to_athena(sql)
        if isinstance(text, pa.Table):
            frame: pd.DataFrame = text.to_pandas()
            return frame
        return _mapped(self._ask(text))

    def query(self, sql: str) -> pa.Table:
        """Answer a query whole; raises `QueryError`."""
        text = self.to_athena(sql)
        return text if isinstance(text, pa.Table) else _to_arrow(_mapped(self._ask(text)))

    @contextmanager
    def stream(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        """Answer a query batch by batch; raises `QueryError`."""
        text = self.to_athena(sql)
        if isinstance(text, pa.Table):
            yield text.to_reader()
            return
        frames = iter(self._ask(text, chunksize=BATCH_ROWS))
        first = _to_arrow(_mapped(next(frames)))

        def batches() -> Iterator[pa.RecordBatch]:
            yield from first.to_batches()
            for frame in frames:
                yield from _to_arrow(_mapped(frame), first.schema).to_batches()

        yield pa.RecordBatchReader.from_batches(first.schema, batches())

    def to_athena(self, sql: str) -> str | pa.Table:
        """The SQL that Athena is asked, or the answer where nobody needs to be asked."""
        statement = rewrite.parse(sql)
        if isinstance(statement, rewrite.ShowTables):
            names = [name for name in self.relations.names() if statement.matches(name)]
            return pa.table({"tab_name": pa.array(names, pa.string())})
        if isinstance(statement, rewrite.Describe):
            return exp.Describe(this=exp.Table(this=exp.to_identifier(statement.table.lower(), quoted=True))).sql(
                "hive"
            )
        columns = _columns_asked(statement.query, self.relations)
        query = rewrite.rewrite(statement.query, self.relations, _AthenaTables(self._store), only_relations=False)
        if not statement.explain:
            _maps_as_json(query, columns)
        return f"{statement.explain} {query.sql(templates.DIALECT)}".strip()

    def _ask(self, sql: str, **options: Any) -> Any:
        import awswrangler as wr
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return wr.athena.read_sql_query(
                sql, database=self.database, workgroup=self.workgroup, ctas_approach=False, **options
            )
        except (wr.exceptions.QueryFailed, wr.exceptions.QueryCancelled, wr.exceptions.EmptyDataFrame) as error:
            raise QueryError(f"Athena, database {self.database}: {_one_line(error)}") from error
        except (ClientError, BotoCoreError) as error:
            raise QueryError(
                f"Athena, workgroup {self.workgroup}, database {self.database}: {_one_line(error)}; "
                "ANOMALAKE_WORKGROUP and ANOMALAKE_DATABASE name others"
            ) from error


class _AthenaTables:
    """The physical tables that the stack declares."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._csv_only: bool | None = None

    def alert_rows(self, bounds: Bounds) -> exp.Query:
        if not self._is_csv_only():
            return _within("alert_rows", bounds)
        decoded = templates.template("alert_rows_from_csv")
        for found in list(decoded.find_all(exp.Table)):
            put_in_place(found, self.alert_rows_csv(bounds))
        return decoded

    def alert_rows_csv(self, bounds: Bounds) -> exp.Query:
        return _within("alert_rows_csv", bounds)

    def source_rows(self, detector: Detector, columns: dict[str, str]) -> exp.Query:
        selected = [exp.column(name, quoted=True) for name in columns.values()]
        table = exp.Table(this=exp.to_identifier(f"source_{detector.sql_name}", quoted=True))
        return exp.select(*selected).from_(table)

    def _is_csv_only(self) -> bool:
        if self._csv_only is None:
            try:
                self._csv_only = json.loads(self._store.get(SETTINGS)).get("formats") == ["csv"]
            except ObjectNotFound:
                self._csv_only = False
            except (ValueError, AttributeError) as error:
                raise QueryError(f"{self._store.uri}/{SETTINGS}: is no JSON object") from error
        return self._csv_only


def _within(table: str, bounds: Bounds) -> exp.Query:
    rows = exp.select("*").from_(table)
    condition = bounds.condition()
    return rows if condition is None else rows.where(condition)


def _columns_asked(query: exp.Query, relations: Relations) -> list[str] | None:
    """The columns behind a lone ``*``; None where it stands for anything else."""
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
    """Let a map among the answer's columns come as JSON, from which it can be read."""
    if not isinstance(query, exp.Select):
        return
    if columns is not None and MAP_COLUMN in columns:
        query.set("expressions", [exp.column(name, quoted=True) for name in columns])
    for column in list(query.expressions):
        asked = column.this if isinstance(column, exp.Alias) else column
        if isinstance(asked, exp.Column) and asked.name.lower() == MAP_COLUMN:
            as_json = exp.Anonymous(this="json_format", expressions=[exp.cast(asked.copy(), "JSON")])
            column.replace(exp.alias_(as_json, column.alias_or_name, quoted=True))


def _mapped(frame: pd.DataFrame) -> pd.DataFrame:
    if MAP_COLUMN in frame.columns:
        frame[MAP_COLUMN] = [json.loads(text) if isinstance(text, str) else None for text in frame[MAP_COLUMN]]
    return frame


def _to_arrow(frame: pd.DataFrame, schema: pa.Schema | None = None) -> pa.Table:
    columns = {}
    for name in frame.columns:
        column = frame[name]
        type_ = schema.field(name).type if schema is not None else _type_of(name, column)
        values: Any = column
        if type_ is not None and pa.types.is_map(type_):
            values = [None if value is None else list(value.items()) for value in column]
        columns[name] = pa.array(values, type=type_, from_pandas=True)
        if pa.types.is_timestamp(columns[name].type):
            columns[name] = columns[name].cast(pa.timestamp("us"))
    return pa.table(columns)


def _type_of(name: str, column: pd.Series[Any]) -> pa.DataType | None:
    if name == MAP_COLUMN:
        return pa.map_(pa.string(), pa.string())
    if column.dtype != object:
        return None
    return METRIC_VALUE if any(isinstance(value, Decimal) for value in column) else None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
