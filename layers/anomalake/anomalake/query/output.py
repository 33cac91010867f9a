"""Answers for people and programs: a table, CSV, JSON, Parquet."""

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
# The last four are the full-width forms, which some locales take for the others.
_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def rows_of(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Any, ...]]:
    """Rows of Python values: exact decimals, maps as dicts, timestamps naive and in UTC."""
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
    """A JSON array of objects: decimals exactly, without trailing zeros; no NaN."""
    names = [json.dumps(name, ensure_ascii=False) for name in columns]
    separator = "["
    for row in rows:
        members = ", ".join(f"{name}: {_json(value)}" for name, value in zip(names, row, strict=True))
        out.write(f"{separator}\n  {{{members}}}")
        separator = ","
    out.write("[]\n" if separator == "[" else "\n]\n")


def write_csv(columns: Sequence[str], rows: Iterable[Row], out: TextIO) -> None:
    """CSV for people (RFC 4180): null is nothing, an empty text ``""``, and no text is a formula.

    A text that a spreadsheet would run gets an apostrophe in front. `out` must not translate line ends.
    """
    out.write(",".join(_cell(name) for name in columns) + "\r\n")
    for row in rows:
        out.write(",".join(_cell(value) for value in row) + "\r\n")


def write_table(columns: Sequence[str], rows: Iterable[Row], out: TextIO) -> None:
    """A table for a terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = [list(row) for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(columns):
        numeric = all(isinstance(row[place], (int, float, Decimal)) or row[place] is None for row in shown) and any(
            row[place] is not None for row in shown
        )
        table.add_column(Text(_visible(name)), justify="right" if numeric else "left", overflow="fold")
    for row in shown:
        table.add_row(*(Text(_visible(_text(value))) if value is not None else Text("") for value in row))
    console = Console(file=out, highlight=False)
    width = Console(file=out, width=1_000_000).measure(table).maximum
    if not console.is_terminal:
        # A pipe has no width: nothing is to be folded.
        console = Console(file=out, highlight=False, width=max(width, 1))
    elif width > console.width and shown:
        _write_records(columns, shown, console)
        return
    console.print(table)
    console.print(_count(shown), soft_wrap=True)


def _write_records(columns: Sequence[str], rows: Sequence[Row], console: Console) -> None:
    """Row by row, a line a column: for a table that is wider than the terminal."""
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
    """Parquet with the answer's exact types."""
    with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)


def plain(value: Decimal) -> str:
    """A decimal exactly, without an exponent or trailing zeros."""
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
            + ", ".join(f"{json.dumps(str(key), ensure_ascii=False)}: {_json(one)}" for key, one in value.items())
            + "}"
        )
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_json(one) for one in value) + "]"
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
        if text.startswith(_RUN_BY_SPREADSHEETS) and not _NUMBER.fullmatch(text):
            text = f"'{text}"
        if not text:
            return '""'
    if any(character in text for character in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _visible(text: str) -> str:
    """Without what could move a terminal's cursor."""
    return "".join(
        character if character.isprintable() or character == " " else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
