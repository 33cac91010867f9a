"""Rows of CSV files: read fast, and again row by row to find the line of an invalid row."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv

from anomalake.definitions.messages import mark, shown
from anomalake.definitions.metric_set import CsvFormat, MetricSet
from anomalake.definitions.time_formats import timestamp_reader
from anomalake.errors import first_line
from anomalake.sources.cells import joined
from anomalake.sources.file_bytes import FileText
from anomalake.sources.numbers import Numbers
from anomalake.sources.rows import Notes, RowBlock, SourceFileError, column_places, found_places

#: Maximum size of a row; several blocks are in memory at once.
BLOCK_BYTES = 8 * 1024 * 1024
_HEADER_BYTES = 1024 * 1024
# Rows that are searched for a line break.
_MOST_SEARCHED = 1_000_000
_CODED = pa.dictionary(pa.int32(), pa.binary())
# A file of this size is large, so its rows are looked at before they are read.
_LARGE_BYTES = 256 * 1024
# Rows with another number of columns are held in blocks of so many, until Arrow has read a row with the usual number.
_BLOCK_ROWS = 65_536
_MOST_BLOCKS = 32
# Rows among which a header is looked for, to say in a message how many lines to skip.
_SEARCHED_ROWS = 30


@dataclass(frozen=True, slots=True)
class CsvRow:
    """A row as it is written: its line, all of its cells by column, and those of timestamp, dimensions, measures."""

    line: int
    cells: dict[str, str]
    timestamp: str
    dimensions: tuple[str, ...]
    measures: tuple[str, ...]


def csv_blocks(text: FileText, metric_set: MetricSet, place: str, notes: Notes) -> Iterator[RowBlock]:
    """Read the rows of a CSV file; rows with another number of columns are noted as invalid.

    A row may lack columns at its end that need no value, and may have empty ones too many: see `_Layout.cells`.

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
    other = _OtherRows(layout, text, place, notes)
    names = [f"c{number}" for number in range(layout.usual_width)]
    columns = [names[number] for number in layout.places if number < layout.usual_width]
    types = dict.fromkeys(columns, _CODED)
    types.update({column: pa.binary() for column in columns[layout.split :]})
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
                invalid_row_handler=other,
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
            yield layout.block(batch.columns if len(columns) == len(layout.places) else _padded(layout, batch))
            yield from other.blocks()
    except pa.ArrowInvalid as error:
        yield from other.blocks()
        rows += other.rows
        lost = max(1, text.drain() - layout.skipped - layout.header_rows - rows - other.lines)
        notes.add(
            f"{place}: after row {rows}: cannot be read as CSV: {first_line(error)[:200]}; {lost} lines lost", lost
        )
        return
    yield from other.blocks()
    lines = text.newlines + bool(text.last_line)
    notes.spare_lines = lines - layout.skipped - layout.header_rows - rows - other.rows - other.lines


def csv_rows(text: FileText, metric_set: MetricSet) -> Iterator[CsvRow | tuple[int, str]]:
    """Read row by row: each row, or its line and the problem of its columns."""
    source = io.BufferedReader(text, _HEADER_BYTES)
    layout = _Layout(source, metric_set)
    first, n_dimensions = layout.n_timestamps, len(metric_set.dimension_list)
    lines = io.TextIOWrapper(source, "utf-8", newline="")
    reader = row_reader(lines, layout.csv)
    line, to_skip = 1 + layout.skipped, layout.header_rows
    try:
        for row in reader:
            if row and to_skip:
                to_skip -= 1
            elif row:
                cells = layout.cells(row, text)
                if cells is None:
                    yield line, f"{len(row)} columns, {shown(layout.csv.delimiter.join(row))}: expected {layout.width}"
                else:
                    texts = [cells[place] for place in layout.places]
                    named = dict(zip(layout.header, cells, strict=True))
                    stamp, rest = " ".join(texts[:first]), texts[first:]
                    yield CsvRow(line, named, stamp, tuple(rest[:n_dimensions]), tuple(rest[n_dimensions:]))
            line = layout.skipped + reader.line_num + 1
    except csv.Error as error:
        yield line, f"cannot be read as CSV: {error}"


def line_with_break(text: FileText, csv_format: CsvFormat) -> int | None:
    """Return the line of the first row, or header, that has a line break in a quoted cell; None if there is none.

    At most `_MOST_SEARCHED` rows are read.
    """
    lines = io.TextIOWrapper(io.BufferedReader(text, _HEADER_BYTES), "utf-8", newline="")
    reader = row_reader(lines, csv_format)
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
    """Positions of the columns in a file.

    Attributes
    ----------
    skipped, header_rows
        Lines that are skipped, and rows of the header after them.
    header, width
        Names of the columns, and their number; 0 if the file has no row.
    usual_width
        Number of columns of most rows.
    places
        Positions of the columns that are read.
    split
        Number of these before the measures.
    """

    def __init__(self, source: io.BufferedReader[Any], metric_set: MetricSet) -> None:
        assert isinstance(metric_set.file_format, CsvFormat)
        self.csv = metric_set.file_format
        self.n_timestamps = len(metric_set.timestamp_columns)
        self.split = self.n_timestamps + len(metric_set.dimension_list)
        self.skipped = _skip_lines(source, self.csv.skip_lines)
        self.width, self.usual_width, self.header_rows = 0, 0, 0
        self.header: tuple[str, ...] = ()
        self.places: list[int] = []
        self._unfinished: list[str] | None = None
        beginning = source.peek(_HEADER_BYTES)[:_HEADER_BYTES]
        where = f"line {1 + self.skipped}"
        _, first = next(_rows(beginning, self.csv, where), (0, ()))
        if not first:
            return
        header = self.csv.header_list or first
        if self.csv.contains_header and len(first) != len(header):
            raise SourceFileError(f"{where}: {len(first)} columns; expected the {len(header)} of HeaderList")
        try:
            self.places = column_places(header, metric_set.columns, where)
        except SourceFileError as error:
            raise SourceFileError(f"{error}{self._elsewhere(beginning, metric_set)}") from error
        self.header, self.width = header, len(header)
        self.header_rows = int(self.csv.contains_header or self._is_header(first, metric_set))
        if self.header_rows and b"\n" not in beginning and len(list(_rows(beginning, self.csv, where))) == 1:
            # Arrow fails on a header without a line end.
            self.width = 0
            return
        self.usual_width = self._usual_width(beginning)

    def block(self, columns: list[pa.Array]) -> RowBlock:
        """Rows of the columns that are read, in the order of `places`; measures without a column have no value."""
        n = self.n_timestamps
        return RowBlock(joined(columns[:n]), tuple(columns[n : self.split]), tuple(columns[self.split :]), None)

    def cells(self, row: list[str], text: FileText) -> list[str] | None:
        """A row with the right number of columns; None if it is invalid.

        Some programs omit the last cells if they are empty. A row may lack columns that are not read, and measures if
        it has at least one. It may also have empty cells after the last column.
        """
        if len(row) >= self.width:
            return None if any(row[self.width :]) else row[: self.width]
        if len(row) != self.usual_width and (row == self.unfinished(text) or any("\n" in cell for cell in row)):
            return None
        return row + [""] * (self.width - len(row)) if self._is_enough(len(row)) else None

    def unfinished(self, text: FileText) -> list[str]:
        """The row in the last line of a file without a line end; what it lacks may be cut off. Empty: none."""
        if text.last_line and self._unfinished is None:
            line = mark(text.last_line.decode("utf-8", "surrogateescape"))
            try:
                self._unfinished = next(row_reader([line], self.csv), [])
            except csv.Error:
                self._unfinished = []
        return self._unfinished or []

    def _is_enough(self, n_columns: int) -> bool:
        """Whether the first columns have the timestamp, all dimensions and a measure."""
        return n_columns > max(self.places[: self.split]) and n_columns > min(self.places[self.split :])

    def _usual_width(self, beginning: bytes) -> int:
        """Number of columns of most rows, if it is enough: a large file is read fast if its rows are alike."""
        if len(beginning) < _LARGE_BYTES:
            return self.width
        lines = beginning[len(beginning) // 2 :].split(b"\n")[1:_SEARCHED_ROWS]
        try:
            texts = (line.decode("utf-8", "replace") for line in lines)
            widths = Counter(len(row) for row in row_reader(texts, self.csv))
        except csv.Error:
            return self.width
        usual = widths.most_common(1)[0][0] if widths else self.width
        return usual if usual < self.width and self._is_enough(usual) else self.width

    def _elsewhere(self, beginning: bytes, metric_set: MetricSet) -> str:
        """Hint at a row further down that has the names of the columns."""
        try:
            for line, row in islice(_rows(beginning, self.csv, ""), 1, _SEARCHED_ROWS):
                if None not in found_places(row, metric_set.columns):
                    before = self.skipped + line - 1
                    return f"; line {before + 1} has them: SkipLines {before} skips the lines before it"
        except SourceFileError:
            pass
        return ""

    def _is_header(self, row: tuple[str, ...], metric_set: MetricSet) -> bool:
        """Whether a file's first row has neither a timestamp nor a number, although no header is expected."""
        if len(row) != self.width:
            return False
        stamp = " ".join(row[place] for place in self.places[: self.n_timestamps])
        numbers = Numbers(metric_set)
        try:
            timestamp_reader(metric_set.timestamp_format).read(stamp)
        except ValueError:
            return all(numbers.fault("", row[place]) for place in self.places[self.split :])
        return False


def _padded(layout: _Layout, batch: pa.RecordBatch) -> list[pa.Array]:
    """The columns that are read, of rows that lack some of them."""
    found = dict(zip(batch.schema.names, batch.columns, strict=True))
    empty = pa.nulls(len(batch), pa.binary())
    return [found.get(f"c{number}", empty) for number in layout.places]


class _OtherRows:
    """Collects rows with another number of columns than usual: invalid ones, and ones that have what is needed.

    Attributes
    ----------
    lines
        Lines of invalid rows.
    rows
        Number of other rows.
    """

    def __init__(self, layout: _Layout, text: FileText, place: str, notes: Notes) -> None:
        self.lines, self.rows = 0, 0
        self._place, self._is_told = place, False
        self._layout = layout
        self._text = text
        self._notes = notes
        self._cells: list[list[str]] = []
        self._blocks: list[RowBlock] = []

    def __call__(self, row: arrow_csv.InvalidRow) -> str:
        written = row.text.rstrip("\r\n")
        cells = self._read(written)
        if cells is not None and len(self._blocks) >= _MOST_BLOCKS:
            self._tell_of_the_limit()
            cells = None
        if cells is None:
            # An unclosed quote contains several lines: all of them are lost.
            lines = 1 + written.count("\n")
            self.lines += lines
            self._notes.bad += lines
            return "skip"
        self.rows += 1
        self._cells.append(cells)
        if len(self._cells) == _BLOCK_ROWS:
            self._end_block()
        return "skip"

    def blocks(self) -> Iterator[RowBlock]:
        """Return the rows since the last call."""
        self._end_block()
        blocks, self._blocks = self._blocks, []
        yield from blocks

    def _tell_of_the_limit(self) -> None:
        if not self._is_told:
            self._is_told = True
            most = _MOST_BLOCKS * _BLOCK_ROWS
            self._notes.add(f"{self._place}: more than {most:,} rows after each other have another number of columns")

    def _end_block(self) -> None:
        if not self._cells:
            return
        cells = list(zip(*self._cells, strict=True))
        self._cells = []
        columns = [pa.array(map(str.encode, cells[place]), pa.binary()) for place in self._layout.places]
        coded = [column.dictionary_encode() for column in columns[: self._layout.split]]
        self._blocks.append(self._layout.block(coded + columns[self._layout.split :]))

    def _read(self, written: str) -> list[str] | None:
        try:
            rows: list[list[str]] = list(row_reader(io.StringIO(written, newline=""), self._layout.csv))
        except csv.Error:
            return None
        return self._layout.cells(rows[0], self._text) if len(rows) == 1 else None


def _skip_lines(source: io.BufferedReader[Any], lines: int) -> int:
    """Skip lines, and then blank ones; return their number."""
    skipped = 0
    while skipped < lines and (line := source.readline(_HEADER_BYTES)):
        skipped += line.endswith(b"\n")
    while source.peek(2)[:2].startswith((b"\n", b"\r\n")):
        source.readline()
        skipped += 1
    return skipped


def _rows(beginning: bytes, csv_format: CsvFormat, where: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The rows at the beginning of a file, each with its line from 1."""
    reader = row_reader(io.StringIO(beginning.decode("utf-8", "replace"), newline=""), csv_format)
    line = 1
    try:
        for row in reader:
            if row:
                yield line, tuple(row)
            line = reader.line_num + 1
    except csv.Error as error:
        raise SourceFileError(f"{where}: cannot be read as CSV: {error}") from error


def row_reader(lines: Iterable[str], csv_format: CsvFormat) -> Any:
    """The reader of CSV's own module with the options of a format."""
    quote = csv_format.quote_symbol
    if not quote:
        return csv.reader(lines, delimiter=csv_format.delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=csv_format.delimiter, quotechar=quote)
