"""Reading of bytes: compression, format, charset, delimiter, quote symbol, header and lines before it."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from anomalake.sources.file_kinds import KIND_BYTES, kind_of
from anomalake.sources.guessing.guess import Guess
from anomalake.sources.guessing.time_texts import format_of
from anomalake.sources.rows import SourceFileError

#: Most bytes of a file's text that are looked at, decompressed.
MOST_BYTES: Final = 16 * 1024 * 1024
#: Most columns of a table.
MOST_COLUMNS: Final = 2_000
#: The delimiter of cells with runs of blanks between them.
BLANKS: Final = " "

_GZIP = b"\x1f\x8b"
_DELIMITERS = (",", ";", "\t", "|")
_SEARCHED_LINES = 300
_MOST_LEADING = 60
_TYPED_LINES = 40
_NUMBER = re.compile(
    r"\s*[-+\u2212]?\s*[$€£¥]?\s*[-+]?(\d[\d.,'\u2019\u00a0\u202f ]*|[.,]\d+)([eE][-+]?\d+)?\s*[%€$£¥]?\s*"
)


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How the bytes of a file are read.

    Attributes
    ----------
    kind
        ``csv``, ``json`` or ``parquet``.
    compression
        ``NONE`` or ``GZIP``.
    charset, delimiter, quote, header, skip_lines
        None where there is none: a charset of Parquet, a delimiter of one column. `header` says whether a line names
        the columns.
    has_mark
        Whether the text begins with a byte order mark.
    """

    kind: Guess[str]
    compression: Guess[str]
    charset: Guess[str | None]
    delimiter: Guess[str | None]
    quote: Guess[str | None]
    header: Guess[bool | None]
    skip_lines: Guess[int]
    has_mark: bool = False


def text_format(
    beginning: bytes, *, delimiter: str | None = None, charset: str | None = None, header: bool | None = None
) -> TextFormat:
    """Guess how a file is read from its beginning.

    Parameters
    ----------
    beginning
        The first bytes of the file, as it is stored.
    delimiter, charset, header
        What is known already.

    Raises
    ------
    SourceFileError
        The file is empty, is none that can be read, or is not text.
    """
    plain = decompressed(beginning)
    compression = Guess("GZIP" if beginning.startswith(_GZIP) else "NONE", 1.0, "the first bytes")
    if not plain.strip():
        raise SourceFileError("is empty; expected a table")
    if plain.startswith(b"PAR1"):
        return typed_format()
    found = Guess(charset, 1.0, "given") if charset else charset_of(plain)
    kind = kind_of(plain[:KIND_BYTES], found.value or "UTF-8")
    if kind:
        raise SourceFileError(kind)
    text = _decoded(plain, found.value or "UTF-8")
    has_mark = text.startswith("\ufeff")
    text = text.removeprefix("\ufeff")
    if "\x00" in text[:KIND_BYTES]:
        raise SourceFileError("has bytes that are no text; expected CSV, JSON lines or Parquet")
    if text.lstrip()[:1] in ("{", "["):
        _check_json(text)
        none: Guess[None] = Guess(None, 1.0, "JSON lines")
        json_kind = Guess("json", 1.0, "the first line is a JSON object")
        return TextFormat(json_kind, compression, found, none, none, none, Guess(0, 1.0, "JSON lines"), has_mark)
    return _csv_format(text, compression, found, has_mark, delimiter, header)


def typed_format() -> TextFormat:
    """The format of tables that have types, such as Parquet."""
    nothing: Guess[None] = Guess(None, 1.0, "Parquet")
    kind, compression = Guess("parquet", 1.0, "its columns have types"), Guess("NONE", 1.0, "the first bytes")
    return TextFormat(kind, compression, nothing, nothing, nothing, nothing, Guess(0, 1.0, "Parquet"))


def decompressed(beginning: bytes, most: int = MOST_BYTES) -> bytes:
    """The beginning of a file, decompressed if it is gzipped; raises `SourceFileError`."""
    if not beginning.startswith(_GZIP):
        return beginning[:most]
    try:
        plain, rest = b"", beginning
        while rest.startswith(_GZIP) and len(plain) < most:
            inflate = zlib.decompressobj(wbits=31)
            plain += inflate.decompress(rest, most - len(plain))
            rest = inflate.unused_data
        return plain
    except zlib.error as error:
        raise SourceFileError(f"its gzip data are damaged ({error})") from error


def charset_of(plain: bytes) -> Guess[str | None]:
    """Guess the charset of a text."""
    for mark, name in ((codecs.BOM_UTF8, "UTF-8"), (codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16")):
        if plain.startswith(mark):
            return Guess(name, 1.0, "its byte order mark")
    for offset, name in ((1, "UTF-16-LE"), (0, "UTF-16-BE")):
        half = plain[offset:2_000:2]
        if len(half) > 8 and half.count(0) > 0.7 * len(half):
            return Guess(name, 0.9, "every other byte is 0")
    try:
        # The last character may be cut off.
        codecs.getincrementaldecoder("utf-8")().decode(plain)
        return Guess("UTF-8", 1.0 if not plain.isascii() else 0.95, "all bytes are valid UTF-8")
    except UnicodeDecodeError as error:
        if error.start > 0 and _share_of_utf8(plain) > 0.99:
            return Guess("UTF-8", 0.7, f"nearly all bytes are valid UTF-8, byte {error.start + 1} is not")
    return _legacy(plain)


def _share_of_utf8(plain: bytes) -> float:
    high = sum(byte > 0x7F for byte in plain)
    bad = plain.decode("utf-8", "replace").count("\ufffd")
    return 1 - bad / max(1, high)


def _legacy(plain: bytes) -> Guess[str | None]:
    """Guess the charset of a text that is not Unicode, from the runs of its bytes above 127."""
    runs = re.findall(rb"[\x80-\xff]+", plain)
    if sum(map(len, runs)) >= 3 * len(runs):
        for name, letters in (
            ("Shift_JIS", "[\u3040-\u30ff\uff66-\uff9f]"),
            ("windows-1251", "^[\u0400-\u04ff\\W\\d_]+$"),
        ):
            try:
                text = codecs.getincrementaldecoder(name)().decode(b" ".join(runs) if name != "Shift_JIS" else plain)
            except UnicodeDecodeError:
                continue
            if re.search(letters, text):
                return Guess(name, 0.7, "its letters are those of the language")
        try:
            codecs.getincrementaldecoder("gb18030")().decode(plain)
            return Guess("GB18030", 0.5, "all bytes are valid in it")
        except UnicodeDecodeError:
            pass
    if any(0x80 <= byte <= 0x9F for byte in plain):
        return Guess("windows-1252", 0.8, "is not UTF-8, and has bytes from 80 to 9F")
    return Guess("ISO-8859-1", 0.85, "is not UTF-8, and has no bytes from 80 to 9F")


def _decoded(plain: bytes, charset: str) -> str:
    try:
        return codecs.getincrementaldecoder(charset)("replace").decode(plain)
    except (LookupError, UnicodeError) as error:
        raise SourceFileError(f"charset {charset!r}: expected one such as UTF-8 or ISO-8859-1") from error


def decoded(plain: bytes, charset: str) -> str:
    """The text of a file without a byte order mark; invalid bytes become replacement characters."""
    return _decoded(plain, charset).removeprefix("\ufeff")


def _check_json(text: str) -> None:
    begin = text.lstrip()
    first = begin.split("\n", 1)[0].strip()
    if begin.startswith("["):
        raise SourceFileError("is one JSON array; expected an object on each line: jq -c '.[]' FILE writes that")
    try:
        is_object = isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        raise SourceFileError("its first line is no JSON object; expected one on each line: jq -c . FILE writes that")


def _csv_format(
    text: str,
    compression: Guess[str],
    charset: Guess[str | None],
    has_mark: bool,
    given: str | None,
    header: bool | None,
) -> TextFormat:
    lines = sample_lines(text)
    quote = quote_of(lines)
    delimiter = Guess(given, 1.0, "given") if given else delimiter_of(lines, quote.value)
    rows = list(rows_of(lines, delimiter.value, quote.value))
    width = usual_width(rows)
    if width > MOST_COLUMNS:
        raise SourceFileError(f"has {width:,} columns; expected at most {MOST_COLUMNS:,}")
    skip = leading_lines(rows, width)
    body = [cells for _, cells in rows[skip.value :] if cells]
    skipped = rows[skip.value][0] if skip.value < len(rows) else 0
    found = Guess(header, 1.0, "given") if header is not None else header_of(body)
    return TextFormat(
        Guess("csv", 0.99, "is text"),
        compression,
        charset,
        delimiter,
        quote,
        found,
        Guess(skipped, skip.confidence, skip.evidence),
        has_mark,
    )


def sample_lines(text: str) -> list[str]:
    """The first lines of a text, without one that is cut off."""
    lines = text[: 1024 * 1024].splitlines(keepends=True)
    if len(text) > 1024 * 1024 and len(lines) > 1:
        lines.pop()
    return lines[:_SEARCHED_LINES]


def quote_of(lines: Sequence[str]) -> Guess[str | None]:
    """Guess the quote symbol."""
    text = "".join(lines)
    double = len(re.findall(r'(?:^|[,;\t|])"|"(?:[,;\t|]|\r?$)', text, re.MULTILINE))
    single = len(re.findall(r"(?:^|[,;\t|])'|'(?:[,;\t|]|\r?$)", text, re.MULTILINE))
    if single > 10 and single > 4 * double:
        return Guess("'", 0.85, f"{single} cells begin or end with it")
    return Guess('"', 1.0 if double else 0.95, f"{double} cells begin or end with it" if double else "the usual one")


def delimiter_of(lines: Sequence[str], quote: str | None) -> Guess[str | None]:
    """Guess the delimiter: the one with which most rows have the same number of cells; None: there is one column."""
    whole = [line.strip() for line in lines if line.strip()]
    stamps = format_of(whole)
    # 2024-01-31 10:00:00,123 may be a time with a fraction, or a time and a number.
    if stamps is not None and ",S" not in stamps.value.pattern:
        return Guess(None, 0.95, f"each line is a time in the format {stamps.value.pattern}")
    scores = []
    for delimiter in _DELIMITERS:
        widths = Counter(len(cells) for _, cells in rows_of(lines, delimiter, quote) if any(map(str.strip, cells)))
        if not widths:
            continue
        width, number = max(widths.items(), key=lambda item: (item[1] * (item[0] > 1), item[0]))
        share = number / widths.total()
        if width > 1 and share >= 0.5:
            rows = [cells for _, cells in rows_of(lines[:_TYPED_LINES], delimiter, quote) if len(cells) == width]
            scores.append((share * (0.3 + _share_of_values(rows[1:])) * min(width, 6) ** 0.25, share, delimiter, width))
    if scores:
        scores.sort(reverse=True)
        _, share, delimiter, width = scores[0]
        close = len(scores) > 1 and scores[1][0] > 0.8 * scores[0][0]
        return Guess(
            delimiter,
            0.7 if close else 0.98 if share > 0.9 else 0.85,
            f"{share:.0%} of the lines have {width} cells with it",
        )
    widths = Counter(len(line.split()) for line in whole)
    if widths:
        width, number = widths.most_common(1)[0]
        if width > 1 and number >= 0.9 * widths.total() and _are_numbers(whole, width):
            return Guess(BLANKS, 0.8, f"{number / widths.total():.0%} of the lines have {width} cells between blanks")
    return Guess(None, 0.8, "no delimiter is in most lines")


def _share_of_values(rows: Sequence[Sequence[str]]) -> float:
    """Share of the cells that are numbers, times or nothing."""
    cells = [cell for row in rows for cell in row]
    return sum(not cell.strip() or _is_value(cell) for cell in cells) / max(1, len(cells))


def _are_numbers(lines: Sequence[str], width: int) -> bool:
    """Whether a line with blanks is a row of a table, and not a sentence."""
    cells = [cell for line in lines[1:] for cell in line.split()]
    return sum(map(is_number, cells)) >= len(cells) / width


def rows_of(lines: Sequence[str], delimiter: str | None, quote: str | None) -> list[tuple[int, list[str]]]:
    """The rows of lines, each with the number of lines before it."""
    if delimiter is None:
        return [(number, [_unquoted(line.strip("\r\n"), quote)]) for number, line in enumerate(lines)]
    if delimiter == BLANKS:
        return [(number, line.split()) for number, line in enumerate(lines)]
    reader = csv.reader(
        io.StringIO("".join(lines), newline=""),
        delimiter=delimiter,
        quotechar=quote,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
    )
    rows, before = [], 0
    try:
        for row in reader:
            rows.append((before, row))
            before = reader.line_num
    except csv.Error:
        pass
    return rows


def _unquoted(cell: str, quote: str | None) -> str:
    return cell[1:-1] if quote and len(cell) > 1 and cell[0] == cell[-1] == quote else cell


def usual_width(rows: Sequence[tuple[int, list[str]]]) -> int:
    """The number of cells of most rows."""
    widths = Counter(len(cells) for _, cells in rows if any(map(str.strip, cells)))
    return widths.most_common(1)[0][0] if widths else 0


def leading_lines(rows: Sequence[tuple[int, list[str]]], width: int) -> Guess[int]:
    """Guess the rows before the table: the first ones with fewer cells than most, or with comments."""
    for number, (_, cells) in enumerate(rows[:_MOST_LEADING]):
        filled = sum(map(bool, map(str.strip, cells)))
        is_comment = bool(cells) and cells[0].lstrip().startswith(("#", "//", "%")) and _follows_names(rows, number)
        if len(cells) >= width and filled > (width > 2) and not is_comment:
            return Guess(number, 1.0 if not number else 0.9, f"row {number + 1} is the first with {width} cells")
    return Guess(0, 0.6, "no row has the usual number of cells")


def _follows_names(rows: Sequence[tuple[int, list[str]]], number: int) -> bool:
    """Whether the next row names columns, so that a row with a sign of comments before it is one."""
    if number + 1 >= len(rows):
        return False
    after = rows[number + 1][1]
    return bool(after) and not any(map(is_number, after)) and len(after) >= 1


def uncommented(header: Sequence[str]) -> list[str]:
    """The names of a header without the sign of a comment before them, as in ``# year month``."""
    first, rest = header[0].lstrip("#").strip(), list(header[1:])
    return [first, *rest] if first or not header[0].startswith("#") else rest


def header_of(rows: Sequence[Sequence[str]]) -> Guess[bool | None]:
    """Guess whether the first row names the columns."""
    if not rows:
        return Guess(True, 0.5, "there is no row")
    first, rest = rows[0], rows[1:200]
    if not rest:
        return Guess(not any(map(_is_value, first)), 0.6, "there is one row")
    typed = 0
    for place, name in enumerate(first):
        below = [row[place] for row in rest if place < len(row) and row[place].strip()]
        if below and sum(map(_is_value, below)) > 0.8 * len(below):
            if name.strip() and not _is_value(name):
                return Guess(True, 0.98, f"{name.strip()[:40]!r} stands above numbers or times")
            typed += bool(name.strip())
    if typed:
        # Years and days may be names of columns.
        names = [name for name in first if name.strip() and not _is_value(name)]
        values = [name for name in first if _is_value(name)]
        if len(values) > 3 and names and format_of(values) is not None:
            return Guess(True, 0.85, "times stand in the first line")
        return Guess(False, 0.95, "the first line has numbers or times like the others")
    repeated = any(
        name.strip() and name in {row[place] for row in rest if place < len(row)} for place, name in enumerate(first)
    )
    return Guess(not repeated, 0.7, "the first line has " + ("values" if repeated else "no values") + " of the others")


def is_number(text: str) -> bool:
    """Whether a cell looks like a number."""
    return len(text) < 60 and _NUMBER.fullmatch(text) is not None


def _is_value(text: str) -> bool:
    return is_number(text) or (any(map(str.isdigit, text)) and format_of([text.strip()]) is not None)
