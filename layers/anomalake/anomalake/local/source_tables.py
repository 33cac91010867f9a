"""Source data in folders, as DuckDB's table functions read them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from sqlglot import exp

from anomalake.definitions.metric_set import CsvFormat, JsonLinesFormat, MetricSet
from anomalake.local.source_files import files_below
from anomalake.query.errors import QueryError
from anomalake.sources.csv_header import header_of
from anomalake.sources.ports import is_hidden
from anomalake.storage.objects import store_folder

_HEADER_BYTES = 65_536


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


def source_files(source: MetricSet, lake: Path) -> list[str]:
    """List the files of a source; relative paths start at the lake. Raises `QueryError` for a path elsewhere."""
    files: set[Path] = set()
    for path in source.historical_data_path_list:
        folder = _local(path, lake)
        flat = folder.iterdir() if folder.is_dir() else [folder]
        members = files_below(folder) if source.recursive and folder.is_dir() else flat
        files.update(member for member in members if member.is_file())
    for path in source.templated_path_list:
        first, *rest = re.split(r"[{][{][^{}]*[}][}]", path)
        root = _local(first[: first.rfind("/") + 1] or ".", lake)
        pattern = re.compile(
            re.escape(first[first.rfind("/") + 1 :]) + "".join("[^/]*" + re.escape(part) for part in rest) + "(/[^/]+)?"
        )
        files.update(
            file for file in root.rglob("*") if file.is_file() and pattern.fullmatch(file.relative_to(root).as_posix())
        )
    return sorted(str(file) for file in files if not is_hidden(file.name))


def _local(path: str, lake: Path) -> Path:
    if path.startswith("file://"):
        return store_folder(path)
    if "://" in path:
        raise QueryError(f"source {path!r}: is not in a folder; expected a folder, as the lake is in a folder")
    return (lake / os.path.expanduser(path)).resolve()  # noqa: PTH111 - Path's fails if ~ is not that of a user


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
