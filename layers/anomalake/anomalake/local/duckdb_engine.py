"""Queries on a lake in a folder, answered by DuckDB in this process."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import exp

from anomalake.definitions.metric_set import CsvFormat, JsonLinesFormat, MetricSet
from anomalake.lake.layout import SETTINGS, TABLES, partition_in
from anomalake.lake.rows import SCHEMA
from anomalake.query import rewrite, templates
from anomalake.query.bounds import Bounds
from anomalake.query.detectors import DetectorSchema
from anomalake.query.errors import LakeChangedError, QueryError
from anomalake.query.relations import BY_DAY, Relation, Relations, no_source_rows, put_in_place
from anomalake.sources.csv_header import header_of
from anomalake.storage.store import ObjectNotFound, ObjectStore

#: How often a query is asked again when compaction took a file from under it.
TRIES = 10
BATCH_ROWS = 50_000
_HEADER_BYTES = 65_536
_SLICE_BYTES = 16_000_000
_NOT_BY_DAY = ("live", "with_livedata")

_CONFIG: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "allow_community_extensions": False,
}


class DuckDBEngine:
    """Answers queries in Athena's dialect on a lake in a folder.

    Parameters
    ----------
    store
        The lake's store, for settings, shapes and sources.
    folder
        Where the lake lies.
    """

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self._store = store
        self._folder = folder.resolve()
        self.relations = Relations(store)
        self._kept: dict[str, pa.Table] = {}

    def query(self, sql: str) -> pa.Table:
        """Answer a query whole.

        Raises
        ------
        QueryError
            It cannot be answered.
        """
        for _ in range(TRIES):
            try:
                with self._run(sql) as reader:
                    return pa.Table.from_batches(reader, reader.schema)
            except LakeChangedError:
                continue
        raise QueryError(f"{self._store.uri}: its files keep changing; ask again")

    @contextmanager
    def stream(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        """Answer a query batch by batch.

        Raises
        ------
        LakeChangedError
            A file vanished on the way: what was read so far is worth nothing, ask again.
        QueryError
        """
        with self._run(sql) as reader:
            yield reader

    @contextmanager
    def slices(self, name: str) -> Iterator[list[str]]:
        """Queries that together return a whole relation, each small enough to be answered in little memory.

        No row of a relation depends on alerts of two days, so each query covers a span of days. Only groups last over
        several days: their spans are computed once, and kept until the context ends.
        """
        try:
            yield self._slices(name)
        finally:
            self._kept = {}

    def _slices(self, name: str) -> list[str]:
        relation = self.relations.find(name)
        if relation is None:
            raise self.relations.unknown(name)
        whole = exp.select("*").from_(exp.Table(this=exp.to_identifier(name, quoted=True)))
        days = self._bytes_by_day(relation)
        if relation.kind in _NOT_BY_DAY or sum(days.values()) <= _SLICE_BYTES:
            return [whole.sql(templates.DIALECT)]
        spans: list[list[str]] = [[]]
        size = 0
        for day in sorted(days):
            if spans[-1] and size + days[day] > _SLICE_BYTES:
                spans.append([])
                size = 0
            spans[-1].append(day)
            size += days[day]
        if relation.kind == "anomalies" and len(spans) > 1:
            self._kept = {one: self._spans(one, relation) for one in templates.OF_ALL_DAYS}
        columns = [exp.column(column, quoted=True) for column in relation.columns()]
        by_day = exp.select(*columns).from_(exp.Table(this=exp.to_identifier(f"{name}{BY_DAY}", quoted=True)))
        queries = []
        # The first and the last span are open: what is stored meanwhile belongs to one of them.
        for number, span in enumerate(spans):
            first = None if number == 0 else date.fromisoformat(spans[number - 1][-1]) + timedelta(days=1)
            last = None if number == len(spans) - 1 else date.fromisoformat(span[-1])
            queries.append(by_day.where(Bounds(first=first, last=last).condition()).sql(templates.DIALECT))
        return queries

    def _spans(self, name: str, relation: Relation) -> pa.Table:
        detectors = None if relation.detector is None else frozenset({relation.detector.name})
        asked = exp.select("*").from_(exp.Table(this=exp.to_identifier(name, quoted=True)))
        condition = Bounds(detectors).condition()
        return self.query((asked if condition is None else asked.where(condition)).sql(templates.DIALECT))

    def _bytes_by_day(self, relation: Relation) -> dict[str, int]:
        detector = relation.detector.name if relation.detector else None
        days: dict[str, int] = {}
        for found in self._store.list(TABLES[_table_format(self._store)][0]):
            partition = partition_in(found.key)
            if partition is not None and detector in (None, partition.detector):
                days[partition.day] = days.get(partition.day, 0) + found.size
        return days

    @contextmanager
    def _run(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        statement = rewrite.parse(sql)
        if isinstance(statement, rewrite.ShowTables):
            names = [name for name in self.relations.names() if statement.matches(name)]
            yield _reader(pa.table({"tab_name": pa.array(names, pa.string())}))
            return
        described = isinstance(statement, rewrite.Describe)
        if isinstance(statement, rewrite.Describe):
            query: exp.Query = exp.select("*").from_(exp.Table(this=exp.to_identifier(statement.table, quoted=True)))
            statement = rewrite.Select(query.limit(0))
        tables = _LakeTables(self._store, self._folder, self._kept)
        query = rewrite.rewrite(statement.query, self.relations, tables)
        text = f"{statement.explain} {_to_duckdb(query)}"
        connection = duckdb.connect(config=_CONFIG)
        try:
            tables.prepare(connection)
            try:
                reader = connection.sql(text, params=tables.parameters).to_arrow_reader(BATCH_ROWS)
                if described:
                    yield _reader(_described(reader.schema))
                else:
                    yield _lower_cased(reader)
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                if tables.changed():
                    raise LakeChangedError(str(error)) from error
                raise QueryError(_one_line(error)) from error
        finally:
            connection.close()


class _LakeTables:
    """The files that one query reads, as DuckDB's table functions, and rows that are kept from before."""

    def __init__(self, store: ObjectStore, folder: Path, kept: Mapping[str, pa.Table]) -> None:
        self._store = store
        self._folder = folder
        self._format = _table_format(store)
        self._kept = kept
        self._files: list[str] = []
        self.parameters: dict[str, list[str]] = {}

    def prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Shut everything out but this query's files."""
        for format_, rows in _NO_ROWS.items():
            connection.register(f"no_{format_}_rows", rows)
        for name, rows in self._kept.items():
            connection.register(f"kept_{name}", rows)
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET preserve_insertion_order = false")
        connection.execute("SET allowed_paths = $paths", {"paths": self._files})
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")

    def changed(self) -> bool:
        """Whether a file of the query is gone."""
        return any(not Path(file).exists() for file in self._files)

    def kept(self, name: str) -> exp.Query | None:
        return exp.select("*").from_(f"kept_{name}") if name in self._kept else None

    def alert_rows(self, bounds: Bounds) -> exp.Query:
        if self._format == "parquet":
            return self._rows("parquet", bounds)
        decoded = templates.template("alert_rows_from_csv")
        for found in list(decoded.find_all(exp.Table)):
            put_in_place(found, self.alert_rows_csv(bounds))
        return decoded

    def alert_rows_csv(self, bounds: Bounds) -> exp.Query:
        return self._rows("csv", bounds)

    def _rows(self, format_: str, bounds: Bounds) -> exp.Query:
        table, ending = TABLES[format_]
        files = _stable_listing(self._folder / table, ending, bounds)
        if not files:
            return exp.select("*").from_(f"no_{format_}_rows")
        rows = f"{_FUNCTIONS[format_]}({self._parameter(files)}, {_OPTIONS[format_]}"
        if _PARTITION_LIKE.search(str(self._folder)):
            # A folder above the lake looks like a partition, and DuckDB would believe the first that it meets.
            columns = ", ".join(f'"{name}"' for name in SCHEMA.names)
            query = (
                f"SELECT {columns}, regexp_extract(filename, 'detector=([^/]+)/day=[^/]+/[^/]+$', 1) AS detector, "
                "regexp_extract(filename, 'day=([^/]+)/[^/]+$', 1) AS day "
                f"FROM {rows}, hive_partitioning = false, filename = true)"
            )
        else:
            query = (
                f"SELECT * FROM {rows}, hive_partitioning = true, "
                "hive_types = {'detector': VARCHAR, 'day': VARCHAR}, hive_types_autocast = false)"
            )
        read = sqlglot.parse_one(query, read="duckdb")
        assert isinstance(read, exp.Query)
        return read

    def source_rows(self, detector: DetectorSchema, columns: dict[str, str]) -> exp.Query:
        source = detector.source
        assert source is not None
        files = _source_files(source, self._folder)
        if not files:
            return no_source_rows(detector)
        if isinstance(source.file_format, CsvFormat):
            reads = [
                self._read_csv(group, header, source.file_format, columns)
                for header, group in _by_header(files, source.file_format).items()
            ]
        elif isinstance(source.file_format, JsonLinesFormat):
            reads = [self._read_json(files, source.file_format, columns)]
        else:
            raise QueryError(f"source of {source.detector_arn}: expected CSV or JSON lines")
        query: exp.Query = reads[0]
        for read in reads[1:]:
            query = exp.union(query, read, distinct=False, copy=False)
        return query

    def _read_csv(
        self, files: list[str], header: Sequence[str], csv: CsvFormat, columns: Mapping[str, str]
    ) -> exp.Select:
        missing = [name for name in columns if name not in header]
        if missing:
            raise QueryError(f"{files[0]}: line 1: no column {missing[0]!r}; it has {', '.join(header)[:200]}")
        options = [
            _option("header", exp.convert(csv.contains_header)),
            _option("delim", exp.Literal.string(csv.delimiter)),
            _option("quote", exp.Literal.string(csv.quote_symbol)),
            _option("escape", exp.Literal.string(csv.quote_symbol)),
            _option("auto_detect", exp.false()),
            _option("null_padding", exp.true()),
            _option("compression", exp.Literal.string(_compression(csv.file_compression))),
            _option("columns", _texts(header)),
        ]
        return self._read("read_csv", files, options, columns)

    def _read_json(self, files: list[str], json_lines: JsonLinesFormat, columns: Mapping[str, str]) -> exp.Select:
        options = [
            _option("format", exp.Literal.string("newline_delimited")),
            _option("compression", exp.Literal.string(_compression(json_lines.file_compression))),
            _option("columns", _texts(columns)),
        ]
        return self._read("read_json", files, options, columns)

    def _read(self, function: str, files: list[str], options: list[exp.Expr], columns: Mapping[str, str]) -> exp.Select:
        names = exp.Parameter(this=exp.Var(this=self._name(files)))
        selected = [
            exp.alias_(exp.column(exp.to_identifier(name, quoted=True)), column, quoted=True)
            for name, column in columns.items()
        ]
        return exp.select(*selected).from_(exp.Table(this=exp.Anonymous(this=function, expressions=[names, *options])))

    def _parameter(self, files: Sequence[str]) -> str:
        return f"${self._name(files)}"

    def _name(self, files: Sequence[str]) -> str:
        name = f"files_{len(self.parameters)}"
        self.parameters[name] = list(files)
        self._files.extend(files)
        return name


_PARTITIONS = {"detector": pa.array([], pa.string()), "day": pa.array([], pa.string())}
_NO_ROWS = {
    "parquet": pa.table({field.name: pa.array([], field.type) for field in SCHEMA} | _PARTITIONS),
    "csv": pa.table({name: pa.array([], pa.string()) for name in SCHEMA.names} | _PARTITIONS),
}
_FUNCTIONS = {"parquet": "read_parquet", "csv": "read_csv"}
_OPTIONS = {
    "parquet": "union_by_name = false",
    "csv": "header = true, delim = ',', quote = '', escape = '', all_varchar = true, auto_detect = false, "
    "max_line_size = 33554432, columns = {" + ", ".join(f"'{name}': 'VARCHAR'" for name in SCHEMA.names) + "}",
}
_PARTITION_LIKE = re.compile(r"(^|[/\\])(detector|day)=")


def _table_format(store: ObjectStore) -> str:
    try:
        formats = json.loads(store.get(SETTINGS))["formats"]
    except ObjectNotFound:
        return "parquet"
    except (ValueError, TypeError, KeyError) as error:
        raise QueryError(f'{store.uri}/{SETTINGS}: expected {{"formats": ["parquet" or "csv", …]}}') from error
    return "csv" if formats == ["csv"] else "parquet"


def _stable_listing(folder: Path, ending: str, bounds: Bounds) -> list[str]:
    """The files of the partitions within bounds, listed until nothing of one listing is missing in the next.

    A listing that runs while a partition is compacted may miss the new file, which came after it began, and the old
    ones, which went before it got there. The next listing begins after the new file came.
    """
    before = _listing(folder, ending, bounds)
    for _ in range(TRIES):
        now = _listing(folder, ending, bounds)
        if before <= now:
            return sorted(now)
        before = now
    raise LakeChangedError(str(folder))


def _listing(folder: Path, ending: str, bounds: Bounds) -> set[str]:
    return {
        f"{day_path}{os.sep}{name}"
        for detector, detector_path in _partitions(str(folder), "detector=")
        if bounds.holds_detector(detector)
        for day, day_path in _partitions(detector_path, "day=")
        if bounds.holds_day(day)
        for name in _names(day_path)
        if name.endswith(ending) and not name.startswith((".", "_")) and "#" not in name
    }


def _partitions(folder: str, prefix: str) -> list[tuple[str, str]]:
    return [(name[len(prefix) :], f"{folder}{os.sep}{name}") for name in _names(folder) if name.startswith(prefix)]


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - thousands of folders: a Path for each name costs more than the names
    except (FileNotFoundError, NotADirectoryError):
        return []


def _source_files(source: MetricSet, lake: Path) -> list[str]:
    files: set[Path] = set()
    for path in source.historical_data_path_list:
        folder = _local(path, lake)
        files.update(one for one in (folder.iterdir() if folder.is_dir() else [folder]) if one.is_file())
    for path in source.templated_path_list:
        first, *rest = re.split(r"[{][{][^{}]*[}][}]", path)
        root = _local(first[: first.rfind("/") + 1] or ".", lake)
        pattern = re.compile(
            re.escape(first[first.rfind("/") + 1 :]) + "".join("[^/]*" + re.escape(one) for one in rest) + "(/[^/]+)?"
        )
        files.update(
            one for one in root.rglob("*") if one.is_file() and pattern.fullmatch(one.relative_to(root).as_posix())
        )
    return sorted(str(file) for file in files if not file.name.startswith((".", "_")))


def _local(path: str, lake: Path) -> Path:
    if path.startswith("file://"):
        path = path.removeprefix("file://")
    elif "://" in path:
        raise QueryError(f"source {path!r}: is not in a folder; a lake in a folder reads sources in folders")
    return (lake / Path(path).expanduser()).resolve()


def _by_header(files: list[str], csv: CsvFormat) -> dict[tuple[str, ...], list[str]]:
    """The files by their columns: the order may change from file to file."""
    if csv.header_list:
        return {csv.header_list: files}
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in files:
        try:
            with Path(name).open("rb") as file:
                beginning = file.read(_HEADER_BYTES)
        except FileNotFoundError:
            continue
        groups.setdefault(header_of(beginning, csv), []).append(name)
    return groups


def _texts(names: Iterable[str]) -> exp.Struct:
    return exp.Struct(
        expressions=[
            exp.PropertyEQ(this=exp.Literal.string(name), expression=exp.Literal.string("VARCHAR")) for name in names
        ]
    )


def _compression(word: str) -> str:
    return "gzip" if word == "GZIP" else "auto"


def _option(name: str, value: exp.Expr) -> exp.Expr:
    return exp.EQ(this=exp.Var(this=name), expression=value)


def _to_duckdb(query: exp.Query) -> str:
    """Athena's dialect in DuckDB's, with what sqlglot leaves to us."""
    for node in reversed(list(query.find_all(exp.Anonymous, exp.AtTimeZone))):
        if isinstance(node, exp.AtTimeZone):
            moment, zone = node.this, node.args["zone"]
        elif node.name.upper() in ("WITH_TIMEZONE", "AT_TIMEZONE"):
            moment, zone = node.expressions
        else:
            continue
        # One function for both: it gives a wall clock a zone, and an instant the wall clock of a zone.
        node.replace(exp.Anonymous(this="timezone", expressions=[zone.copy(), moment.copy()]))
    for unnest in list(query.find_all(exp.Unnest)):
        columns = unnest.alias_column_names
        if len(unnest.expressions) == 1 and len(columns) == 2 and _is_map(unnest.expressions[0]):
            unnest.replace(_keys_and_values(unnest.expressions[0], unnest.alias, columns))
    for size in list(query.find_all(exp.ArraySize)):
        if _is_map(size.this):
            size.replace(exp.Anonymous(this="cardinality", expressions=[size.this.copy()]))
    return query.sql("duckdb")


def _is_map(node: exp.Expr) -> bool:
    """Whether an expression is the one map that relations have: types are not known here, but its name is."""
    return isinstance(node, exp.Column) and node.name.lower() == "dimensions"


def _keys_and_values(node: exp.Expr, alias: str, columns: Sequence[str]) -> exp.Expr:
    """A map as rows of key and value: Athena's UNNEST does that, DuckDB's takes lists only."""
    parts = [
        exp.alias_(
            exp.Anonymous(this="unnest", expressions=[exp.Anonymous(this=part, expressions=[node.copy()])]), name
        )
        for part, name in zip(("map_keys", "map_values"), columns, strict=True)
    ]
    return exp.Lateral(
        this=exp.Subquery(this=exp.select(*parts)), alias=exp.TableAlias(this=exp.to_identifier(alias or "t"))
    )


def _reader(table: pa.Table) -> pa.RecordBatchReader:
    return table.to_reader()


def _described(schema: pa.Schema) -> pa.Table:
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


def _lower_cased(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Columns as Athena gives them: names in lower case, sums of whole numbers as whole numbers."""
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


# What DuckDB sums whole numbers in, as Arrow has it.
_HUGE = pa.decimal128(38, 0)


def _one_line(error: BaseException) -> str:
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return f"query: {line}"
