"""Output of query results as a table, CSV, JSON or Parquet."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from rich.console import Console

Row = Sequence[Any]

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# Spreadsheets run a text with one of these first characters. The last four are full-width forms of = + - @.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def rows_of(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Any, ...]]:
    """Yield rows of Python values: exact decimals, maps as dicts, timestamps naive and in UTC."""
    for batch in batches:
        columns = [_values(column) for column in batch.columns]
        yield from zip(*columns, strict=True) if columns else ()


def _values(column: pa.Array) -> list[Any]:
    if pa.types.is_map(column.type):
        return [None if value is None else dict(value) for value in column.to_pylist()]
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        return [None if value is None else value.astimezone(UTC).replace(tzinfo=None) for value in column.to_pylist()]
    return list(column.to_pylist())


def write_json(columns: Sequence[str], rows: Iterable[Row], out: TextIO) -> None:
    """Write a JSON array of objects: decimals exact and without trailing zeros; NaN and infinity as null."""
    names = [json.dumps(name, ensure_ascii=False) for name in columns]
    separator = "["
    for row in rows:
        members = ", ".join(f"{name}: {_json(value)}" for name, value in zip(names, row, strict=True))
        out.write(f"{separator}\n  {{{members}}}")
        separator = ","
    out.write("[]\n" if separator == "[" else "\n]\n")


def write_csv(columns: Sequence[str], rows: Iterable[Row], out: TextIO) -> None:
    """Write CSV (RFC 4180) that is safe to open in a spreadsheet. Null is an empty cell, an empty text is ``""``.

    A text that a spreadsheet would run as a formula gets an apostrophe before it. `out` must not translate line ends.
    """
    out.write(",".join(_cell(name) for name in columns) + "\r\n")
    for row in rows:
        out.write(",".join(_cell(value) for value in row) + "\r\n")


def write_table(columns: Sequence[str], rows: Iterable[Row], out: TextIO) -> None:
    """Write a table for a terminal; a table wider than the terminal is written row by row."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table_rows = [list(row) for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, name in enumerate(columns):
        numeric = all(
            isinstance(row[position], (int, float, Decimal)) or row[position] is None for row in table_rows
        ) and any(row[position] is not None for row in table_rows)
        table.add_column(Text(_visible(name)), justify="right" if numeric else "left", overflow="fold")
    for row in table_rows:
        table.add_row(*(Text(_visible(_text(value))) if value is not None else Text("") for value in row))
    console = Console(file=out, highlight=False)
    width = Console(file=out, width=1_000_000).measure(table).maximum
    if not console.is_terminal:
        # A pipe has no width, so lines are not folded.
        console = Console(file=out, highlight=False, width=max(width, 1))
    elif width > console.width and table_rows:
        _write_records(columns, table_rows, console)
        return
    console.print(table)
    console.print(_count(table_rows), soft_wrap=True)


def _write_records(columns: Sequence[str], rows: Sequence[Row], console: Console) -> None:
    """Write each row as lines of column and value."""
    widest = max(len(_visible(name)) for name in columns)
    for number, row in enumerate(rows, 1):
        console.rule(f"{number:,}", align="left")
        for name, value in zip(columns, row, strict=True):
            if value is not None:
                console.print(f"{_visible(name):<{widest}}  {_visible(_text(value))}", markup=False, soft_wrap=True)
    console.print(_count(rows))


def _count(rows: Sequence[Row]) -> str:
    return f"{len(rows):,} row{'' if len(rows) == 1 else 's'}"


WRITERS: dict[str, Callable[[Sequence[str], Iterable[Row], TextIO], None]] = {
    "table": write_table,
    "csv": write_csv,
    "json": write_json,
}


def write_parquet(reader: pa.RecordBatchReader, path: str) -> None:
    """Write Parquet with the exact types of the result."""
    with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)


def plain(value: Decimal) -> str:
    """Format a decimal exactly, without an exponent or trailing zeros."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _json(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "null"
    if isinstance(value, Decimal):
        return plain(value) if value.is_finite() else "null"
    if isinstance(value, (datetime, date)):
        return json.dumps(value.isoformat())
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{json.dumps(str(key), ensure_ascii=False)}: {_json(item)}" for key, item in value.items())
            + "}"
        )
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_json(item) for item in value) + "]"
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return json.dumps(value if isinstance(value, str) else str(value), ensure_ascii=False)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ""
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, (dict, list, tuple)):
        return _json(value)
    return str(value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = _text(value)
    if isinstance(value, str):
        if text.startswith(_FORMULA_STARTS) and not _NUMBER.fullmatch(text):
            text = f"'{text}"
        if not text:
            return '""'
    if any(character in text for character in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _visible(text: str) -> str:
    """Escape characters that are not printable, such as those that move a terminal's cursor."""
    return "".join(
        character if character.isprintable() or character == " " else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
