"""Queries on a lake in a folder, answered by DuckDB in this process."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
from sqlglot import exp

from anomalake.errors import first_line
from anomalake.lake.layout import TABLES, partition_in
from anomalake.lake.settings import read_table_format
from anomalake.local.duckdb_functions import register
from anomalake.local.file_names import PlainNames
from anomalake.local.lake_files import CONFIG, LakeFiles, limit_files
from anomalake.query import rewrite, templates
from anomalake.query.bounds import Bounds
from anomalake.query.errors import LakeChangedError, QueryError
from anomalake.query.relations import BY_DAY, Relation, Relations
from anomalake.query.trino.queries import CompiledQuery, compile_query
from anomalake.storage.store import ObjectStore

#: How often a query is run again after compaction deleted one of its files.
ATTEMPTS = 10
BATCH_ROWS = 50_000
_SLICE_BYTES = 16_000_000
_NOT_BY_DAY = ("live", "with_livedata")


class DuckDBEngine:
    """Answers queries in Athena's dialect on a lake in a folder.

    Parameters
    ----------
    store
        Store of the lake, for its settings, shapes and metric sets.
    folder
        Folder of the lake.
    database
        Name of the database that a query may write before a relation, as in Athena.
    """

    def __init__(self, store: ObjectStore, folder: Path, database: str = "anomalake") -> None:
        self._store = store
        self._folder = folder.resolve()
        self._database = database
        self.relations = Relations(store)
        self._cached: dict[str, pa.Table] = {}

    def query(self, sql: str) -> pa.Table:
        """Answer a query as one table.

        Raises
        ------
        QueryError
            The query cannot be answered.
        """
        for _ in range(ATTEMPTS):
            try:
                with self._run(sql) as reader:
                    return pa.Table.from_batches(reader, reader.schema)
            except LakeChangedError:
                continue
        raise QueryError(f"{self._store.uri}: its files keep changing; run the query again")

    @contextmanager
    def stream(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        """Yield the answer of a query as a reader of batches.

        Raises
        ------
        LakeChangedError
            A file was deleted meanwhile: run the query again.
        QueryError
        """
        with self._run(sql) as reader:
            yield reader

    @contextmanager
    def prepared(self, queries: Iterable[str]) -> Iterator[Callable[[str], pa.Table]]:
        """Yield what answers queries, as `query` does; several threads may call it.

        It answers the given ones by one connection, because to open one takes as long as a small query.
        """
        with PlainNames() as plain:
            compiled: dict[str, _Compiled] = {}
            for sql in queries:
                # What fails here fails again where the answer is asked for.
                with suppress(Exception):
                    statement = rewrite.parse(sql)
                    if isinstance(statement, rewrite.Select):
                        compiled[sql] = self._compile(statement, plain)
            with closing(duckdb.connect(config=CONFIG)) as connection:
                limit_files(connection, {file for query in compiled.values() for file in query.tables.files})
                register(connection, sorted({name for query in compiled.values() for name in query.sql.functions}))

                def answer(sql: str) -> pa.Table:
                    if sql in compiled:
                        # Of a lake that has changed, the query is compiled again.
                        with suppress(LakeChangedError), closing(connection.cursor()) as cursor:
                            compiled[sql].tables.register(cursor)
                            with _answered(cursor, compiled[sql], plain) as reader:
                                return pa.Table.from_batches(reader, reader.schema)
                    return self.query(sql)

                yield answer

    @contextmanager
    def slices(self, name: str) -> Iterator[list[str]]:
        """Queries that together return all rows of a relation, each with an answer that needs little memory.

        No row of a relation depends on alerts of two days, so each query covers a span of days. Only groups last over
        several days: their spans are computed once and cached until the context ends.
        """
        try:
            yield self._slices(name)
        finally:
            self._cached = {}

    def _slices(self, name: str) -> list[str]:
        relation = self.relations.find(name)
        if relation is None:
            raise self.relations.unknown_relation(name)
        all_rows = exp.select("*").from_(exp.Table(this=exp.to_identifier(name, quoted=True)))
        days = self._bytes_by_day(relation)
        if relation.kind in _NOT_BY_DAY or sum(days.values()) <= _SLICE_BYTES:
            return [all_rows.sql(templates.DIALECT)]
        spans: list[list[str]] = [[]]
        size = 0
        for day in sorted(days):
            if spans[-1] and size + days[day] > _SLICE_BYTES:
                spans.append([])
                size = 0
            spans[-1].append(day)
            size += days[day]
        if relation.kind == "anomalies" and len(spans) > 1:
            self._cached = {kind: self._spans(kind, relation) for kind in templates.READ_OVER_ALL_DAYS}
        columns = [exp.column(column, quoted=True) for column in relation.columns()]
        by_day = exp.select(*columns).from_(exp.Table(this=exp.to_identifier(f"{name}{BY_DAY}", quoted=True)))
        queries = []
        # The first and the last span have no limit, so that rows stored meanwhile belong to one of them.
        for number, span in enumerate(spans):
            first = None if number == 0 else date.fromisoformat(spans[number - 1][-1]) + timedelta(days=1)
            last = None if number == len(spans) - 1 else date.fromisoformat(span[-1])
            queries.append(by_day.where(Bounds(first=first, last=last).condition()).sql(templates.DIALECT))
        return queries

    def _spans(self, name: str, relation: Relation) -> pa.Table:
        detectors = None if relation.detector is None else frozenset({relation.detector.name})
        rows = exp.select("*").from_(exp.Table(this=exp.to_identifier(name, quoted=True)))
        condition = Bounds(detectors).condition()
        return self.query((rows if condition is None else rows.where(condition)).sql(templates.DIALECT))

    def _bytes_by_day(self, relation: Relation) -> dict[str, int]:
        detector = relation.detector.name if relation.detector else None
        days: dict[str, int] = {}
        for entry in self._store.list(TABLES[read_table_format(self._store)][0]):
            partition = partition_in(entry.key)
            if partition is not None and detector in (None, partition.detector):
                days[partition.day] = days.get(partition.day, 0) + entry.size
        return days

    @contextmanager
    def _run(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        statement = rewrite.parse(sql)
        if isinstance(statement, rewrite.ShowTables):
            names = [name for name in self.relations.names() if statement.matches(name)]
            yield pa.table({"tab_name": pa.array(names, pa.string())}).to_reader()
            return
        described = isinstance(statement, rewrite.Describe)
        if isinstance(statement, rewrite.Describe):
            query: exp.Query = exp.select("*").from_(exp.Table(this=exp.to_identifier(statement.table, quoted=True)))
            statement = rewrite.Select(query)
        with PlainNames() as plain:
            compiled = self._compile(statement, plain)
            if described:
                yield _description(compiled.sql).to_reader()
                return
            with closing(duckdb.connect(config=CONFIG)) as connection:
                compiled.tables.prepare(connection)
                register(connection, compiled.sql.functions)
                with _answered(connection, compiled, plain) as reader:
                    yield reader

    def _compile(self, statement: rewrite.Select, plain: PlainNames) -> _Compiled:
        tables = LakeFiles(self._store, self._folder, self._cached, plain)
        query = rewrite.rewrite(statement.query, self.relations, tables, database=self._database)
        return _Compiled(compile_query(query, tables.tables), tables, statement.explain)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A query in DuckDB's SQL, the files that it reads, and the words before it, if it is to be explained."""

    sql: CompiledQuery
    tables: LakeFiles
    explain: str


@contextmanager
def _answered(
    connection: duckdb.DuckDBPyConnection, query: _Compiled, plain: PlainNames
) -> Iterator[pa.RecordBatchReader]:
    """Yield the answer of a query; raises `LakeChangedError`, `QueryError`."""
    try:
        relation = connection.sql(f"{query.explain} {query.sql.sql}", params=query.tables.parameters)
        reader = relation.to_arrow_reader(BATCH_ROWS)
        names = [name for name, _ in query.sql.columns]
        yield reader if query.explain else _with_names(reader, names)
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        if query.tables.changed():
            raise LakeChangedError(str(error)) from error
        raise QueryError(f"query: {plain.restored(_reason(error))}") from error


# What the compiler and Python functions report, within the words of DuckDB.
_REPORTED = re.compile(r"Could not convert string '!(.*)' to INT32|format: \"!(.*?)\", expected|ValueError: (.*)")


def _reason(error: Exception) -> str:
    text = first_line(error)
    if "Division by zero" in text:
        return "DIVISION_BY_ZERO: Division by zero"
    match = _REPORTED.search(text)
    return next(filter(None, match.groups())) if match else text


def _description(compiled: CompiledQuery) -> pa.Table:
    """The answer of DESCRIBE: names and types of columns, in Athena's terms."""
    return pa.table(
        {
            "column": pa.array([name.lower() for name, _ in compiled.columns], pa.string()),
            "type": pa.array([_plain(str(type_)) for _, type_ in compiled.columns], pa.string()),
        }
    )


def _plain(type_: str) -> str:
    """Return a type as Athena's DESCRIBE writes it: timestamps have milliseconds."""
    return type_.replace("timestamp(3)", "timestamp")


def _with_names(reader: pa.RecordBatchReader, names: list[str]) -> pa.RecordBatchReader:
    """Return an answer with the names that the query gives its columns, in lower case; DuckDB's names all differ."""
    fields = [field.with_name(name.lower()) for field, name in zip(reader.schema, names, strict=True)]
    schema = pa.schema(fields)
    if schema == reader.schema:
        return reader
    batches = (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in reader)
    return pa.RecordBatchReader.from_batches(schema, batches)
