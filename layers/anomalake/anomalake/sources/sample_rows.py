"""The first rows of a file as texts, as they are written."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from anomalake.definitions.messages import without_marks
from anomalake.definitions.metric_set import CsvFormat, JsonLinesFormat
from anomalake.sources.csv_rows import row_reader
from anomalake.sources.file_bytes import FileText
from anomalake.sources.json_numbers import DECODER, JsonNumber
from anomalake.sources.ports import ByteStream
from anomalake.sources.rows import SourceFileError

#: Most bytes of a file, as it is stored and as text, and most rows of a sample.
MOST_BYTES: Final = 1024 * 1024
MOST_ROWS: Final = 100


@dataclass(frozen=True, slots=True)
class SampleRows:
    """Rows of a file.

    Attributes
    ----------
    header
        Names of the columns; empty if neither the file nor its format has them.
    rows
        Cells of each row, in the order of the header.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def first_lines(stream: ByteStream, charset: str, most: int = MOST_BYTES) -> bytes:
    """Read the first whole lines of a file, decompressed, as UTF-8 (with `messages.mark`).

    Parameters
    ----------
    most
        Most bytes that are read, and that are returned.

    Raises
    ------
    SourceFileError
        The file is not text in the charset, or its beginning is damaged.
    StoreError
    """
    beginning = _Beginning(stream, most)
    text = FileText(beginning, charset)
    source = io.BufferedReader(text)
    lines = source.read(most)
    is_whole = not beginning.is_cut and len(lines) < most
    if not is_whole:
        lines = lines[: lines.rfind(b"\n") + 1]
        if not lines:
            raise SourceFileError(f"has no line end in the first {most:,} bytes; expected CSV or JSON lines")
    elif text.broken and not lines:
        raise SourceFileError(text.broken)
    return lines


def sample_rows(lines: bytes, form: CsvFormat | JsonLinesFormat, most: int = MOST_ROWS) -> SampleRows:
    """Return the first rows of what `first_lines` has read.

    Raises
    ------
    SourceFileError
        The lines are not in the format.
    """
    text = without_marks(lines.decode("utf-8"))
    return _csv_sample(text, form, most) if isinstance(form, CsvFormat) else _json_sample(text, most)


class _Beginning:
    """The first bytes of a stream.

    Attributes
    ----------
    is_cut
        Whether it has more, once all of these were read.
    """

    def __init__(self, stream: ByteStream, most: int) -> None:
        self._stream, self._rest = stream, most
        self.close = stream.close
        self.is_cut = False

    def read(self, size: int, /) -> bytes:
        if not self._rest:
            self.is_cut = self.is_cut or bool(self._stream.read(1))
            return b""
        block = self._stream.read(min(size, self._rest))
        self._rest -= len(block)
        return block


def _csv_sample(text: str, form: CsvFormat, most: int) -> SampleRows:
    lines = text.splitlines(keepends=True)[form.skip_lines :] if form.skip_lines else [text]
    rows = filter(None, row_reader(io.StringIO("".join(lines), newline=""), form))
    try:
        first = tuple(next(rows, ())) if form.contains_header else ()
        found = tuple(tuple(row) for row in islice(rows, most))
    except csv.Error as error:
        raise SourceFileError(f"cannot be read as CSV: {error}") from error
    return SampleRows(form.header_list or first, found)


def _json_sample(text: str, most: int) -> SampleRows:
    lines = [line for line in text.split("\n") if line.strip()]
    records = list(islice(_records(lines), most))
    if lines and not records:
        raise SourceFileError("no line is a JSON object; expected one on each line")
    header = tuple(dict.fromkeys(name for record in records for name in record))
    rows = tuple(tuple(_written(record.get(name)) for name in header) for record in records)
    return SampleRows(tuple(map(_encodable, header)), rows)


def _records(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The lines that are JSON objects."""
    for line in lines:
        try:
            record = DECODER.decode(line.strip())
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield record


def _written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _encodable(value)
    try:
        return _encodable(_nested(value))
    except RecursionError as error:
        raise SourceFileError("has lists or objects in too many others") from error


def _nested(value: Any) -> str:
    if isinstance(value, dict):
        members = (f"{json.dumps(name, ensure_ascii=False)}:{_nested(item)}" for name, item in value.items())
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_nested, value))}]"
    return str(value) if isinstance(value, JsonNumber) else json.dumps(value, ensure_ascii=False)


def _encodable(text: str) -> str:
    """A text without the lone surrogates that JSON can have."""
    return str(text).encode("utf-8", "replace").decode("utf-8")
