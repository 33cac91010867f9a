"""Rows of CSV files: read fast, and again row by row to find the line of an invalid row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv

from anomalake.definitions.messages import shown
from anomalake.definitions.metric_set import CsvFormat, MetricSet
from anomalake.errors import first_line
from anomalake.sources.file_bytes import FileText
from anomalake.sources.rows import Notes, RowBlock, SourceFileError, column_places

#: Maximum size of a row; several blocks are in memory at once.
BLOCK_BYTES = 8 * 1024 * 1024
_HEADER_BYTES = 1024 * 1024
# Rows that are searched for a line break.
_MOST_SEARCHED = 1_000_000
_CODED = pa.dictionary(pa.int32(), pa.binary())

#: A row's texts: timestamp, dimensions, measures.
RowTexts = tuple[str, tuple[str, ...], tuple[str, ...]]


def csv_blocks(text: FileText, metric_set: MetricSet, place: str, notes: Notes) -> Iterator[RowBlock]:
    """Read the rows of a CSV file; rows with another number of columns are noted as invalid.

    Parameters
    ----------
    place
        Name of the file in messages.

    Raises
    ------
    SourceFileError
        The file lacks a column.
    """
    source = io.BufferedReader(text, _HEADER_BYTES)
    layout = _Layout(source, metric_set)
    if not layout.width:
        return
    invalid = _InvalidRows(notes)
    names = [f"c{number}" for number in range(layout.width)]
    columns = [names[number] for number in layout.places]
    types = dict.fromkeys(columns, _CODED)
    types.update({column: pa.binary() for column in columns[1 + len(metric_set.dimension_list) :]})
    split = 1 + len(metric_set.dimension_list)
    rows = 0
    try:
        reader = arrow_csv.open_csv(
            pa.PythonFile(source, mode="r"),
            arrow_csv.ReadOptions(
                use_threads=False, block_size=BLOCK_BYTES, column_names=names, skip_rows_after_names=layout.header_rows
            ),
            arrow_csv.ParseOptions(
                delimiter=layout.csv.delimiter,
                quote_char=layout.csv.quote_symbol or False,
                newlines_in_values=bool(layout.csv.quote_symbol),
                invalid_row_handler=invalid,
            ),
            arrow_csv.ConvertOptions(
                check_utf8=False,
                include_columns=columns,
                column_types=types,
                null_values=[],
                strings_can_be_null=False,
            ),
        )
        for batch in reader:
            rows += len(batch)
            yield RowBlock(batch.column(0), tuple(batch.columns[1:split]), tuple(batch.columns[split:]), None)
        notes.spare_lines = text.newlines + text.unended - layout.header_rows - rows - invalid.lines
    except pa.ArrowInvalid as error:
        lost = max(1, text.drain() - layout.header_rows - rows - invalid.lines)
        notes.add(
            f"{place}: after row {rows}: cannot be read as CSV: {first_line(error)[:200]}; {lost} lines lost", lost
        )


def csv_texts(text: FileText, metric_set: MetricSet) -> Iterator[tuple[int, RowTexts | str]]:
    """Read row by row: the line of each row, and its texts or the problem of its columns."""
    source = io.BufferedReader(text, _HEADER_BYTES)
    layout = _Layout(source, metric_set)
    split = 1 + len(metric_set.dimension_list)
    lines = io.TextIOWrapper(source, "utf-8", newline="")
    reader = _reader(lines, layout.csv)
    line, to_skip = 1, layout.header_rows
    try:
        for row in reader:
            if row and to_skip:
                to_skip -= 1
            elif row and len(row) != layout.width:
                yield line, f"{len(row)} columns, {shown(layout.csv.delimiter.join(row))}: expected {layout.width}"
            elif row:
                texts = [row[place] for place in layout.places]
                yield line, (texts[0], tuple(texts[1:split]), tuple(texts[split:]))
            line = reader.line_num + 1
    except csv.Error as error:
        yield line, f"cannot be read as CSV: {error}"


def line_with_break(text: FileText, csv_format: CsvFormat) -> int | None:
    """Return the line of the first row that has a line break in a quoted cell; None if there is none.

    At most `_MOST_SEARCHED` rows are read.
    """
    lines = io.TextIOWrapper(io.BufferedReader(text, _HEADER_BYTES), "utf-8", newline="")
    reader = _reader(lines, csv_format)
    line = 1
    try:
        for row in islice(reader, _MOST_SEARCHED):
            if any("\n" in cell or "\r" in cell for cell in row):
                return line
            line = reader.line_num + 1
    except csv.Error:
        return None
    return None


def break_line(place: str, line: int) -> str:
    """Return the problem of a line break in a cell, for queries in Athena."""
    return (
        f"{place}: line {line}: a quoted cell has a line break; Athena ends the row there, so that its queries on live "
        "data (live_…) read the row wrongly; expected none, or JSON lines or Parquet"
    )


class _Layout:
    """Positions of the columns in a file."""

    def __init__(self, source: io.BufferedReader[Any], metric_set: MetricSet) -> None:
        assert isinstance(metric_set.file_format, CsvFormat)
        self.csv = metric_set.file_format
        self.header_rows = int(self.csv.contains_header)
        beginning = source.peek(_HEADER_BYTES)[:_HEADER_BYTES]
        first = _first_row(beginning, self.csv)
        header = self.csv.header_list or first
        if self.csv.contains_header and not first:
            raise SourceFileError("is empty; expected a header")
        if self.csv.header_list and self.csv.contains_header and len(first) != len(header):
            raise SourceFileError(f"line 1: {len(first)} columns; expected the {len(header)} of HeaderList")
        self.width = len(header) if first else 0
        self.places = column_places(header, metric_set.columns, "line 1")


class _InvalidRows:
    """Collects rows with another number of columns than the header."""

    def __init__(self, notes: Notes) -> None:
        self.lines = 0
        self._notes = notes

    def __call__(self, row: arrow_csv.InvalidRow) -> str:
        # An unclosed quote contains several lines: all of them are lost.
        lines = 1 + row.text.rstrip("\r\n").count("\n")
        self.lines += lines
        self._notes.bad += lines
        return "skip"


def _first_row(beginning: bytes, csv_format: CsvFormat) -> tuple[str, ...]:
    lines = io.StringIO(beginning.decode("utf-8", "replace"), newline="")
    try:
        return next((tuple(row) for row in _reader(lines, csv_format) if row), ())
    except csv.Error as error:
        raise SourceFileError(f"line 1: cannot be read as CSV: {error}") from error


def _reader(lines: Iterable[str], csv_format: CsvFormat) -> Any:
    quote = csv_format.quote_symbol
    if not quote:
        return csv.reader(lines, delimiter=csv_format.delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=csv_format.delimiter, quotechar=quote)
