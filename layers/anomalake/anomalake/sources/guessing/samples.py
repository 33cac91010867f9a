"""The rows of a table's beginning, column by column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from anomalake.definitions.metric_set import MAX_NAME, CsvFormat, Measure, MetricSet
from anomalake.errors import first_line
from anomalake.sources.guessing.texts import (
    MOST_BYTES,
    MOST_COLUMNS,
    TextFormat,
    decoded,
    decompressed,
    rows_of,
    text_format,
    typed_format,
    uncommented,
    usual_width,
)
from anomalake.sources.json_numbers import DECODER, JsonNumber
from anomalake.sources.numbers import Numbers
from anomalake.sources.rows import SourceFileError

#: Most rows and most cells of a table that are looked at.
MOST_ROWS: Final = 150_000
MOST_CELLS: Final = 4_000_000

_SHORTEST_FILE = 1


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column of a sample.

    Attributes
    ----------
    name
        Its name, as it is written.
    codes, distinct
        Each row's place among the distinct texts; -1 for a row without one.
    type_
        ``text`` for CSV; what the format says otherwise: ``number``, ``time`` or ``text``, ``nested``.
    """

    name: str
    codes: npt.NDArray[np.int64]
    distinct: tuple[str, ...]
    type_: str = "text"

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which rows have a value."""
        return self.codes >= 0

    @property
    def share(self) -> float:
        """Share of the rows that have a value."""
        return float(self.present.mean()) if len(self.codes) else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The beginning of a table.

    Attributes
    ----------
    columns
        Columns, in the order of the files.
    n_rows
        Number of rows.
    ragged, short
        Rows with another number of cells than the header; those of them that have fewer.
    is_whole
        Whether all rows are in the sample.
    identical
        Rows that repeat another one in all columns.
    names_changed
        Whether the header has a name twice, or none for a column, so that names were made.
    """

    columns: tuple[Column, ...]
    n_rows: int
    ragged: int = 0
    is_whole: bool = True
    identical: int = 0
    names_changed: bool = False


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file's name, its first bytes, and whether these are all of it. Parquet has its metadata at the end."""

    name: str
    content: bytes
    is_whole: bool = True


def read_sample(
    parts: Sequence[FilePart], *, delimiter: str | None = None, charset: str | None = None, header: bool | None = None
) -> tuple[TextFormat, Sample]:
    """Read the beginnings of files that are one table.

    Raises
    ------
    SourceFileError
        The files are no table: which one, and why.
    """
    if not parts:
        raise SourceFileError("there is no file; expected CSV, JSON lines or Parquet")
    form, tables, ragged, is_whole, rows = None, [], 0, True, 0
    changed = False
    for part in parts:
        if not part.content.strip():
            continue
        try:
            if form is None:
                form = text_format(part.content, delimiter=delimiter, charset=charset, header=header)
            table, other, whole = _table(part, form)
            changed = changed or (table.schema.metadata or {}).get(b"changed") == b"1"
        except SourceFileError as error:
            raise SourceFileError(f"{part.name}: {error}") from error
        tables.append(table)
        ragged, is_whole, rows = ragged + other, is_whole and whole and part.is_whole, rows + len(table)
        if rows * table.num_columns > MOST_CELLS or rows > MOST_ROWS:
            is_whole = is_whole and part is parts[-1]
            break
    if form is None or not rows:
        raise SourceFileError(f"{parts[0].name}: has no row; expected a table with a row for each time")
    table = pa.concat_tables(tables, promote_options="permissive")
    columns = tuple(
        map(_column, tables[0].schema if len(table.schema) == len(tables[0].schema) else table.schema, table.columns)
    )
    return form, Sample(columns, len(table), ragged, is_whole, _identical(columns), changed)


def _table(part: FilePart, form: TextFormat) -> tuple[pa.Table, int, bool]:
    """The rows of a file, how many have another number of cells, and whether all are there."""
    if form.kind.value == "parquet":
        return _parquet_table(part.content)
    plain = decompressed(part.content)
    text = decoded(plain, form.charset.value or "UTF-8")
    is_whole = part.is_whole and len(plain) < MOST_BYTES
    if form.kind.value == "json":
        return _json_table(text, is_whole)
    return _csv_table(text, form, is_whole)


def _csv_table(text: str, form: TextFormat, is_whole: bool) -> tuple[pa.Table, int, bool]:
    lines = text.splitlines(keepends=True)
    if not is_whole and len(lines) > 1:
        lines.pop()
    rows = rows_of(lines[: MOST_ROWS + 1_000], form.delimiter.value, form.quote.value)
    rows = [(before, cells) for before, cells in rows if before >= form.skip_lines.value and any(map(str.strip, cells))]
    if not rows:
        return pa.table({}), 0, True
    if form.header.value:
        written = [name.strip() for name in rows.pop(0)[1]]
        header = uncommented(written)
        width = len(header)
    else:
        width = usual_width(rows[:1_000])
        written = header = [str(number) for number in range(1, width + 1)]
    most = max(1, min(MOST_ROWS, MOST_CELLS // max(1, width)))
    kept, ragged = [], 0
    for _, cells in islice(rows, most):
        if len(cells) != width:
            ragged += 1
            if len(cells) < _SHORTEST_FILE or any(cells[width:]):
                continue
            cells = (cells + [""] * width)[:width]
        kept.append(cells)
    columns = [list(column) for column in zip(*kept, strict=True)] or [[] for _ in header]
    made = unique_names(header)
    table = pa.Table.from_arrays([pa.array(column, pa.string()) for column in columns], made)
    table = table.replace_schema_metadata({"changed": str(int(made != written))})
    return table, ragged, len(rows) <= most


def unique_names(header: Sequence[str]) -> list[str]:
    """The names of a header; an empty one is that of its place, and a repeated one has its place behind it."""
    names: list[str] = []
    for place, name in enumerate(header, 1):
        given = name or f"column {place}"
        names.append(given if given not in names else f"{given} ({place})")
    return names


def _json_table(text: str, is_whole: bool) -> tuple[pa.Table, int, bool]:
    lines = [line for line in text.split("\n") if line.strip()]
    if not is_whole and len(lines) > 1:
        lines.pop()
    bad = 0
    columns: dict[str, list[str | None]] = {}
    nested: set[str] = set()
    numbers: set[str] = set()
    rows = 0
    for line in islice(lines, MOST_ROWS):
        try:
            record = DECODER.decode(line.strip())
        except (ValueError, RecursionError):
            bad += 1
            continue
        if not isinstance(record, dict):
            bad += 1
            continue
        for name, value in record.items():
            if name not in columns:
                if len(columns) >= MOST_COLUMNS:
                    raise SourceFileError(f"has more than {MOST_COLUMNS:,} members")
                columns[name] = [None] * rows
            if isinstance(value, (dict, list)):
                nested.add(name)
            elif isinstance(value, JsonNumber):
                numbers.add(name)
            columns[name].append(_json_text(value))
        rows += 1
        for column in columns.values():
            if len(column) < rows:
                column.append(None)
    table = pa.table({name: pa.array(column, pa.string()) for name, column in columns.items()})
    fields = [field.with_metadata({"type": "nested" if field.name in nested else "text"}) for field in table.schema]
    return table.cast(pa.schema(fields)), bad, len(lines) <= MOST_ROWS


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, (dict, list)):
        return None
    if isinstance(value, str):
        return str(value).encode("utf-8", "replace").decode("utf-8")
    return "true" if value is True else "false" if value is False else str(value)


def _parquet_table(content: bytes) -> tuple[pa.Table, int, bool]:
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        width = len(file.schema_arrow.names)
        if width > MOST_COLUMNS:
            raise SourceFileError(f"has {width:,} columns; expected at most {MOST_COLUMNS:,}")
        most = max(1, min(MOST_ROWS, MOST_CELLS // max(1, width)))
        batches, rows = [], 0
        for batch in file.iter_batches(65_536):
            batches.append(batch)
            rows += len(batch)
            if rows >= most:
                break
        table = pa.Table.from_batches(batches, file.schema_arrow).slice(0, most)
        return text_table(table), 0, file.metadata.num_rows <= most
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SourceFileError(f"cannot be read as Parquet: {first_line(error)[:200]}") from error


def text_table(table: pa.Table) -> pa.Table:
    """A table's columns as text, with the kind of their type in the fields' metadata."""
    columns, fields = [], []
    for field, column in zip(table.schema, table.columns, strict=True):
        kind, texts = _as_text(column)
        columns.append(texts)
        fields.append(pa.field(field.name, texts.type, metadata={"type": kind}))
    names = unique_names([field.name for field in fields])
    fields = [field.with_name(name) for field, name in zip(fields, names, strict=True)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _as_text(column: pa.ChunkedArray) -> tuple[str, pa.ChunkedArray]:
    type_ = column.type
    if pa.types.is_dictionary(type_):
        return _as_text(column.cast(type_.value_type))
    if pa.types.is_nested(type_) or pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        return "nested", pa.chunked_array([pa.nulls(len(column), pa.string())])
    if pa.types.is_timestamp(type_):
        kind = "instant" if type_.tz else "time"
        plain = (
            column.cast(pa.timestamp("us"), safe=False)
            if not type_.tz
            else column.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.timestamp("us"))
        )
        return kind, pc.strftime(plain, "%Y-%m-%dT%H:%M:%S")
    if pa.types.is_date(type_):
        return "time", pc.strftime(column.cast(pa.timestamp("s")), "%Y-%m-%dT%H:%M:%S")
    is_number = pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)
    if pa.types.is_floating(type_):
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, type_))
    return "number" if is_number else "text", column.cast(pa.string())


def _column(field: pa.Field, column: pa.ChunkedArray) -> Column:
    field_type = (field.metadata or {}).get(b"type", b"text").decode()
    coded = column.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    raw = coded.dictionary.to_pylist()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    kept = [place for place, text in enumerate(raw) if text.strip()]
    places = np.full(len(raw) + 1, -1, np.int64)
    places[kept] = np.arange(len(kept))
    return Column(field.name, places[codes], tuple(raw[place].strip() for place in kept), field_type)


def sample_of_table(table: pa.Table) -> tuple[TextFormat, Sample]:
    """The sample of a table in memory, such as a data frame by Arrow; raises `SourceFileError`."""
    if table.num_columns > MOST_COLUMNS:
        raise SourceFileError(f"has {table.num_columns:,} columns; expected at most {MOST_COLUMNS:,}")
    most = max(1, min(MOST_ROWS, MOST_CELLS // max(1, table.num_columns)))
    texts = text_table(table.slice(0, most))
    if not len(texts):
        raise SourceFileError("has no row; expected a table with a row for each time")
    columns = tuple(map(_column, texts.schema, texts.columns))
    return typed_format(), Sample(columns, len(texts), is_whole=len(table) <= most, identical=_identical(columns))


def _identical(columns: Sequence[Column]) -> int:
    """Number of rows that repeat another one."""
    if not columns or not len(columns[0].codes):
        return 0
    return len(columns[0].codes) - len(np.unique(row_codes([column.codes for column in columns])))


def row_codes(columns: Iterable[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """A number for each row, equal for rows that are equal in all columns."""
    result: npt.NDArray[np.int64] | None = None
    for codes in columns:
        shifted = codes - np.min(codes, initial=0)
        if result is None:
            result = shifted
        else:
            result = np.unique(result * (int(np.max(shifted, initial=0)) + 1) + shifted, return_inverse=True)[1]
    assert result is not None
    return result


def numbers_of(column: Column, csv: CsvFormat) -> tuple[npt.NDArray[np.float64], list[str], set[str]]:
    """The numbers of a column, NaN where there is none; the texts that are none; and the signs of currencies.

    Parameters
    ----------
    csv
        Has the separators, and the texts that mean "no value".
    """
    reader = _reader(csv)
    values, bad = reader.read(pa.array(column.distinct, pa.string()))
    others = [text for text, is_bad in zip(column.distinct, bad, strict=True) if is_bad]
    return np.append(values, np.nan)[column.codes], others, reader.units


def _reader(csv: CsvFormat) -> Numbers:
    arn = "arn:aws:lookoutmetrics:us-east-1:000000000000:AnomalyDetector:x"
    return Numbers(MetricSet(arn, "t", (Measure("m"),), historical_data_path_list=("x",), file_format=csv))


def is_usable(name: str) -> bool:
    """Whether a detector can name a column."""
    return 1 <= len(name) <= MAX_NAME and name.isprintable()
