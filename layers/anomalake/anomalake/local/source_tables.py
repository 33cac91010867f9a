"""Source data in folders, as DuckDB's table functions read them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from sqlglot import exp

from anomalake.definitions.day_folders import DayFolders, locations_of
from anomalake.definitions.metric_set import CsvFormat, JsonLinesFormat, MetricSet
from anomalake.local.source_files import files_below, local_path
from anomalake.sources.csv_header import header_of
from anomalake.sources.ports import is_hidden

_HEADER_BYTES = 65_536
# No column of a source has a control character.
_FILE_NAME = "\x01file"


def csv_options(csv: CsvFormat, header: Sequence[str]) -> list[exp.Expr]:
    """Options of ``read_csv`` for files with these columns, all read as text."""
    return [
        _option("header", exp.convert(csv.contains_header)),
        _option("delim", exp.Literal.string(csv.delimiter)),
        _option("quote", exp.Literal.string(csv.quote_symbol)),
        _option("escape", exp.Literal.string(csv.quote_symbol)),
        _option("auto_detect", exp.false()),
        _option("null_padding", exp.true()),
        _option("compression", exp.Literal.string(_compression(csv.file_compression))),
        _option("columns", _text_columns(header)),
    ]


def json_options(json_lines: JsonLinesFormat, columns: Iterable[str]) -> list[exp.Expr]:
    """Options of ``read_json`` for JSON lines with these fields, all read as text."""
    return [
        _option("format", exp.Literal.string("newline_delimited")),
        _option("compression", exp.Literal.string(_compression(json_lines.file_compression))),
        _option("columns", _text_columns(columns)),
    ]


def parquet_options() -> list[exp.Expr]:
    """Options of ``read_parquet`` for files whose columns have the same names, in any order."""
    return [_option("union_by_name", exp.true()), _option("hive_partitioning", exp.false())]


def folder_day_expressions(source: MetricSet, lake: Path, name_of: Callable[[str], str] = str) -> list[str]:
    """Return the regular expressions of a source's folders of days, which are partitions in Athena.

    Raises `QueryError` for a path elsewhere.

    Parameters
    ----------
    name_of
        Returns the name of a folder in the paths that the expressions are for.
    """
    expressions = []
    for _, folders in locations_of(source):
        if folders is not None:
            folder, separator, beginning = folders.prefix.rpartition("/")
            root = name_of(str(local_path(f"{folder}{separator}" or ".", lake)))
            prefix = f"{'' if root == '/' else root}/{beginning}"
            expressions.append(DayFolders(prefix, folders.pattern).expression)
    return expressions


def folder_day(file: str, expressions: Iterable[str]) -> str | None:
    """Return the day of a file's folder; None if it has none."""
    found = (re.search(expression, file) for expression in expressions)
    return next((match[1] for match in found if match), None)


def file_name_option() -> exp.Expr:
    """Option that adds the column with the path of a row's file."""
    return _option("filename", exp.Literal.string(_FILE_NAME))


def folder_day_column(expressions: Iterable[str]) -> exp.Expr:
    """Return the day of the folder of a row, read with `file_name_option`."""
    days = [
        exp.func(
            "nullif",
            exp.Anonymous(
                this="regexp_extract",
                expressions=[
                    exp.column(_FILE_NAME, quoted=True),
                    exp.Literal.string(expression),
                    exp.Literal.number(1),
                ],
            ),
            exp.Literal.string(""),
        )
        for expression in expressions
    ]
    return exp.func("coalesce", *days, exp.cast(exp.Null(), "VARCHAR"))


def source_files(source: MetricSet, lake: Path) -> list[str]:
    """List the files of a source; relative paths start at the lake. Raises `QueryError` for a path elsewhere."""
    files: set[str] = set()
    for path in source.historical_data_path_list:
        folder = local_path(path, lake)
        flat = folder.iterdir() if folder.is_dir() else [folder]
        members = files_below(folder) if source.recursive and folder.is_dir() else flat
        files.update(str(member) for member in members if member.is_file())
    for path in source.templated_path_list:
        first, *rest = re.split(r"[{][{][^{}]*[}][}]", path)
        root = local_path(first[: first.rfind("/") + 1] or ".", lake)
        pattern = re.compile(
            re.escape(first[first.rfind("/") + 1 :]) + "".join("[^/]*" + re.escape(part) for part in rest) + "(/[^/]+)?"
        )
        depth = path[len(first[: first.rfind("/") + 1]) :].count("/") + 1
        files.update(file for file, below in _below(str(root), depth) if pattern.fullmatch(below))
    return sorted(file for file in files if not is_hidden(os.path.basename(file)))  # noqa: PTH119 - many files


def _below(root: str, depth: int) -> list[tuple[str, str]]:
    """Return the files below a folder, to a depth of folders, with their paths from it; without linked folders."""
    found: list[tuple[str, str]] = []
    folders = [(root, "", depth)]
    while folders:
        folder, beginning, left = folders.pop()
        # As with glob, a folder that is gone or shut has no files.
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if left:
                        folders.append((entry.path, f"{beginning}{entry.name}/", left - 1))
                elif entry.is_file():
                    found.append((entry.path, f"{beginning}{entry.name}"))
    return found


def files_by_header(files: list[str], csv: CsvFormat) -> dict[tuple[str, ...], list[str]]:
    """Group files by their header, because the order of the columns may differ; empty files are left out."""
    if csv.header_list:
        return {csv.header_list: files}
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in files:
        try:
            with Path(name).open("rb") as file:
                beginning = file.read(_HEADER_BYTES)
        except FileNotFoundError:
            continue
        if header := header_of(beginning, csv):
            groups.setdefault(header, []).append(name)
    return groups


def with_rows(files: list[str]) -> list[str]:
    """Return Parquet files without those of no bytes, which have no rows."""
    return [file for file in files if not _is_empty(Path(file))]


def _is_empty(file: Path) -> bool:
    try:
        return not file.stat().st_size
    except FileNotFoundError:
        return False


def _text_columns(names: Iterable[str]) -> exp.Struct:
    return exp.Struct(
        expressions=[
            exp.PropertyEQ(this=exp.Literal.string(name), expression=exp.Literal.string("VARCHAR")) for name in names
        ]
    )


def _compression(word: str) -> str:
    return "gzip" if word == "GZIP" else "auto"


def _option(name: str, value: exp.Expr) -> exp.Expr:
    return exp.EQ(this=exp.Var(this=name), expression=value)
