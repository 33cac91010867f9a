"""The files of a lake in a folder, as DuckDB's table functions."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
from sqlglot import exp

from anomalake.definitions.day_folders import SOURCE_FOLDER_DAY
from anomalake.definitions.metric_set import CsvFormat, JsonLinesFormat, MetricSet
from anomalake.lake import cause_rows, withdrawal_rows
from anomalake.lake.layout import CAUSES, FILES, WITHDRAWALS
from anomalake.lake.rows import SCHEMA
from anomalake.lake.settings import read_table_format
from anomalake.local import file_index
from anomalake.local.file_index import Indexed, identity_of, indexed
from anomalake.local.file_names import PlainNames
from anomalake.local.source_tables import (
    csv_options,
    file_name_option,
    files_by_header,
    folder_day,
    folder_day_column,
    folder_day_expressions,
    json_options,
    parquet_options,
    source_files,
    with_rows,
)
from anomalake.query.bounds import ALL, Bounds
from anomalake.query.detectors import DetectorSchema
from anomalake.query.errors import LakeChangedError, QueryError, SourceElsewhereError
from anomalake.query.folder_days import folder_bounds, folder_condition, holds_folder
from anomalake.query.relations import SOURCE_TIMESTAMP, decode_csv, empty_source, typed_column, without_folder_day
from anomalake.query.trino.queries import LAKE_SCHEMA
from anomalake.query.trino.scopes import Table
from anomalake.query.trino.types import VARCHAR, Type, timestamp, type_of_arrow
from anomalake.sources.rows import SourceFileError, as_wanted
from anomalake.storage.store import ObjectStore

#: Settings of DuckDB: it loads no code and reads no variables of Python.
CONFIG: Final[dict[str, Any]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "allow_community_extensions": False,
}
#: How often a folder is listed until the listing is stable.
ATTEMPTS = 10

_BATCH_ROWS: Final = 50_000


#: Returns a query of the rows of parts of an index and of files, of which it lets the tables know.
_Query = Callable[["LakeFiles", Sequence[str], Sequence[str]], str]


class LakeFiles:
    """`Tables` of one query: the files that it reads, and relations that were computed before."""

    def __init__(self, store: ObjectStore, folder: Path, cached: Mapping[str, pa.Table], names: PlainNames) -> None:
        self._store = store
        self._folder = folder
        self._names = names
        self._format = read_table_format(store)
        self._cached = cached
        self._files: list[str] = []
        self.parameters: dict[str, list[str]] = {}
        #: Tables of DuckDB in `LAKE_SCHEMA`, which the queries of this class read.
        self.tables: dict[str, Table] = {}

    @property
    def files(self) -> Sequence[str]:
        """The files of this query."""
        return self._files

    def prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let a connection answer this query, and read nothing but its files."""
        self.register(connection)
        limit_files(connection, self._files)

    def register(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Give a connection the tables of this query that are in no file."""
        # To register a table takes as long as a small query.
        used = {table.sql for table in self.tables.values()}
        rows_of = {f"no_{format_}_rows": rows for format_, rows in _NO_ROWS.items()}
        rows_of |= {f"cached_{name}": rows for name, rows in self._cached.items()}
        for name, rows in rows_of.items():
            if name in used:
                connection.register(name, rows)

    def changed(self) -> bool:
        """Whether a file of the query was deleted."""
        return any(not Path(file).exists() for file in self._files)

    def cached(self, name: str) -> exp.Query | None:
        if name not in self._cached:
            return None
        return self._table(f"cached_{name}", _types_of(self._cached[name].schema))

    def alert_rows(self, bounds: Bounds) -> exp.Query:
        if self._format == "parquet":
            return self._rows("parquet", bounds)
        return decode_csv(self.alert_rows_csv(bounds))

    def alert_rows_csv(self, bounds: Bounds) -> exp.Query:
        return self._rows("csv", bounds)

    def cause_rows(self, bounds: Bounds) -> exp.Query:
        return self._rows(CAUSES, bounds)

    def has_withdrawals(self, bounds: Bounds) -> bool:
        return bool(self._withdrawal_files(bounds))

    def withdrawal_rows(self, bounds: Bounds) -> exp.Query:
        files = self._withdrawal_files(bounds)
        if not files:
            return self._table("no_withdrawals_rows", _TYPES[WITHDRAWALS])
        text = f"read_parquet({self._parameter(files)}, hive_partitioning = false)"
        return self._table(text, _TYPES[WITHDRAWALS])

    def _withdrawal_files(self, bounds: Bounds) -> list[str]:
        folder, ending = FILES[WITHDRAWALS]
        path = self._folder / folder
        # Most lakes have no withdrawals.
        return stable_listing(path, ending, bounds) if path.is_dir() else []

    def _rows(self, format_: str, bounds: Bounds) -> exp.Query:
        table, ending = FILES[format_]
        folder = Path(self._names.of_folder(str(self._folder))) / table
        files = stable_listing(folder, ending, bounds)
        if not files:
            return self._table(f"no_{format_}_rows", _TYPES[format_])
        if len(files) <= file_index.MOST_FILES:
            return self._table(self._table_files(format_, files), _TYPES[format_])
        # A file's rows never change: another content has another name.
        beginning = len(str(folder)) + 1
        every = files if bounds == ALL else stable_listing(folder, ending, ALL)
        condition = bounds.condition()

        def query(tables: LakeFiles, parts: Sequence[str], rest: Sequence[str]) -> str:
            of_rest = [tables._table_files(format_, rest)] if rest else []
            return tables._all_rows(_TYPES[format_], parts, of_rest, condition)

        found = self._indexed(Path(table).name, {file: file[beginning:] for file in every}, query)
        needed = set(files)
        text = query(self, found.parts, [file for file in found.rest if file in needed])
        return self._table(f"({text})", _TYPES[format_])

    def _table_files(self, format_: str, files: Sequence[str]) -> str:
        return (
            f"{_FUNCTIONS[format_]}({self._parameter(files)}, {_OPTIONS[format_]}, "
            "hive_partitioning = true, hive_types = {'detector': VARCHAR, 'day': VARCHAR}, hive_types_autocast = false)"
        )

    def _all_rows(
        self, columns: Iterable[str], parts: Sequence[str], others: Sequence[str], condition: exp.Expr | None = None
    ) -> str:
        """Return a query of the rows of parts of an index, those that meet a condition, and of other tables."""
        names = ", ".join('"' + column.replace('"', '""') + '"' for column in columns)
        tables = [f"SELECT {names} FROM {other}" for other in others]
        if parts:
            where = "" if condition is None else f" WHERE {condition.sql('duckdb')}"
            tables.append(f"SELECT {names} FROM read_parquet({self._parameter(parts)}){where}")
        return " UNION ALL ".join(tables)

    def _indexed(self, name: str, files: Mapping[str, str | None], query: _Query) -> Indexed:
        """Return where the rows of files are: in an index, and in files that it does not have."""

        @contextmanager
        def read(parts: Sequence[str], rest: Sequence[str]) -> Iterator[pa.RecordBatchReader]:
            tables = LakeFiles(self._store, self._folder, {}, self._names)
            text = query(tables, parts, rest)
            with closing(duckdb.connect(config=CONFIG)) as connection:
                tables.prepare(connection)
                yield connection.sql(text, params=tables.parameters).to_arrow_reader(_BATCH_ROWS)

        folder = Path(self._names.of_folder(str(self._folder)), file_index.FOLDER, name)
        return indexed(folder, files, read)

    def source_rows(self, detector: DetectorSchema, columns: dict[str, str], bounds: Bounds) -> exp.Query:
        source = detector.source
        assert source is not None
        if source.athena is not None:
            table = source.athena
            raise SourceElsewhereError(
                f"live data of {detector.name}: the rows are in Athena's table "
                f"{table.data_catalog}.{table.database_name}.{table.table_name} (workgroup {table.work_group_name}), "
                "which queries on a lake in a folder do not read; ask a lake in S3, whose queries Athena answers"
            )
        in_s3 = next((path for path in source.paths if path.startswith("s3://")), None)
        if in_s3 is not None:
            raise SourceElsewhereError(
                f"live data of {detector.name}: the files are in {in_s3}, which queries on a lake in a folder do not "
                "read; ask a lake in S3, whose queries Athena answers"
            )
        days = folder_day_expressions(source, self._folder)
        holds = holds_folder(source, bounds)
        every = source_files(source, self._folder)
        all_days = folder_bounds(source, bounds) == (None, None)
        files = every if all_days else [file for file in every if holds(folder_day(file, days))]
        types = dict.fromkeys((*columns.values(), SOURCE_FOLDER_DAY), VARCHAR)
        if source.timestamp_type != "text":
            types[SOURCE_TIMESTAMP] = timestamp(6)
        if len(files) <= file_index.MOST_FILES:
            read = self._source_files(source, columns, files)
            return empty_source(detector) if read is None else self._table(f"({read})", types)
        condition, nothing = folder_condition(source, bounds), empty_source(detector).sql("duckdb")

        def query(tables: LakeFiles, parts: Sequence[str], rest: Sequence[str]) -> str:
            of_rest = tables._source_files(source, columns, rest)
            return tables._all_rows(types, parts, [f"({of_rest or nothing})"], condition)

        # Rows depend on how the files are read, too.
        form = json.dumps([repr(source.file_format), list(columns.items()), source.timestamp_type, days])
        name = f"source-{hashlib.sha256(form.encode()).hexdigest()[:32]}"
        found = self._indexed(name, {file: identity_of(file) for file in every}, query)
        needed = set(files)
        text = query(self, found.parts, [file for file in found.rest if file in needed])
        return self._table(f"({text})", types)

    def _source_files(self, source: MetricSet, columns: dict[str, str], files: Sequence[str]) -> str | None:
        """Return the query of the rows of source files; None where no file has any."""
        if not files:
            return None
        reads: list[exp.Select] = []
        if isinstance(source.file_format, CsvFormat):
            for header, group in files_by_header(list(files), source.file_format).items():
                reads += self._read_csv(source, group, header, columns)
        elif isinstance(source.file_format, JsonLinesFormat):
            reads = self._read(source, "read_json", list(files), json_options(source.file_format, columns), columns)
        else:
            reads = self._read(
                source,
                "read_parquet",
                with_rows(list(files)),
                parquet_options(),
                columns,
                lambda name: typed_column(source, name),
            )
        if not reads:
            return None
        query: exp.Query = reads[0]
        for read in reads[1:]:
            query = exp.union(query, read, distinct=False, copy=False)
        return query.sql("duckdb")

    def _read_csv(
        self, source: MetricSet, files: list[str], header: Sequence[str], columns: Mapping[str, str]
    ) -> list[exp.Select]:
        assert isinstance(source.file_format, CsvFormat)
        try:
            header = as_wanted(header, tuple(columns), f"{files[0]}: line 1")
        except SourceFileError as error:
            raise QueryError(str(error)) from error
        return self._read(source, "read_csv", files, csv_options(source.file_format, header), columns)

    def _read(
        self,
        source: MetricSet,
        function: str,
        files: list[str],
        options: list[exp.Expr],
        columns: Mapping[str, str],
        column_of: Callable[[str], exp.Expr] = lambda name: exp.column(name, quoted=True),
    ) -> list[exp.Select]:
        """Return the reads of files: one, and one for each day of files whose plain names lack it."""
        days = folder_day_expressions(source, self._folder)
        plain_days = folder_day_expressions(source, self._folder, self._names.of_file)
        together: list[str] = []
        apart: dict[str | None, list[str]] = {}
        for file in files:
            name, day = self._names.of_file(file), folder_day(file, days)
            (together if folder_day(name, plain_days) == day else apart.setdefault(day, [])).append(name)
        selected = [exp.alias_(column_of(name), column, quoted=True) for name, column in columns.items()]

        def read(names: list[str], day: exp.Expr, *more: exp.Expr) -> exp.Select:
            parameter = exp.Parameter(this=exp.Var(this=self._name(names)))
            function_ = exp.Anonymous(this=function, expressions=[parameter, *options, *more])
            return exp.select(*selected, day).from_(exp.Table(this=function_))

        reads = [
            read(names, exp.alias_(exp.cast(exp.convert(day), "VARCHAR"), SOURCE_FOLDER_DAY, quoted=True))
            for day, names in apart.items()
        ]
        if together and days:
            column = exp.alias_(folder_day_column(plain_days), SOURCE_FOLDER_DAY, quoted=True)
            reads.append(read(together, column, file_name_option()))
        elif together:
            reads.append(read(together, without_folder_day()))
        return reads

    def _table(self, text: str, columns: Mapping[str, Type]) -> exp.Query:
        """Return the rows of a table that DuckDB's text names, whose columns have these types."""
        name = f"table_{len(self.tables)}"
        self.tables[name] = Table(text, [(column, type_, column) for column, type_ in columns.items()])
        return exp.select("*").from_(exp.table_(name, db=LAKE_SCHEMA, quoted=True))

    def _parameter(self, files: Sequence[str]) -> str:
        return f"${self._name(files)}"

    def _name(self, files: Sequence[str]) -> str:
        name = f"files_{len(self.parameters)}"
        self.parameters[name] = list(files)
        self._files.extend(files)
        return name


def limit_files(connection: duckdb.DuckDBPyConnection, files: Iterable[str]) -> None:
    """Allow a connection and its cursors to read some files, and nothing else."""
    connection.execute("SET TimeZone = 'UTC'")
    # Where DuckDB takes Python for interactive, as `python -c`, it would write a bar to standard output. In Jupyter
    # the setting is refused if ipywidgets is not there; then there is no bar.
    with suppress(duckdb.InvalidInputException):
        connection.execute("SET enable_progress_bar = false")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET allowed_paths = $paths", {"paths": list(files)})
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


_PARTITIONS = [("detector", pa.string()), ("day", pa.string())]


def _no_rows(columns: Iterable[tuple[str, pa.DataType]]) -> pa.Table:
    return _empty(pa.schema([*columns, *_PARTITIONS]))


def _empty(schema: pa.Schema) -> pa.Table:
    # Not `empty_table`, which imports pandas.
    return pa.Table.from_batches([], schema)


_NO_ROWS = {
    "parquet": _no_rows((field.name, field.type) for field in SCHEMA),
    "csv": _no_rows((name, pa.string()) for name in SCHEMA.names),
    CAUSES: _no_rows((field.name, field.type) for field in cause_rows.SCHEMA),
    WITHDRAWALS: _empty(withdrawal_rows.SCHEMA),
}


def _types_of(schema: pa.Schema) -> dict[str, Type]:
    return {field.name: type_of_arrow(field.type) for field in schema}


_TYPES = {format_: _types_of(rows.schema) for format_, rows in _NO_ROWS.items()}
_FUNCTIONS = {"parquet": "read_parquet", "csv": "read_csv", CAUSES: "read_parquet"}
_OPTIONS = {
    "parquet": "union_by_name = false",
    CAUSES: "union_by_name = false",
    "csv": "header = true, delim = ',', quote = '', escape = '', all_varchar = true, auto_detect = false, "
    "max_line_size = 33554432, columns = {" + ", ".join(f"'{name}': 'VARCHAR'" for name in SCHEMA.names) + "}",
}


def stable_listing(folder: Path, ending: str, bounds: Bounds) -> list[str]:
    """List the table files of the partitions within bounds, again until no file of one listing is missing in the next.

    A listing during a compaction may miss the new file, which was written after the listing began, and the old ones,
    which were deleted before it came to them. The next listing begins after the new file was written.
    """
    before = list_files(folder, ending, bounds)
    for _ in range(ATTEMPTS):
        now = list_files(folder, ending, bounds)
        if before <= now:
            return sorted(now)
        before = now
    raise LakeChangedError(str(folder))


def list_files(folder: Path, ending: str, bounds: Bounds) -> set[str]:
    """List the table files of the partitions within bounds."""
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
