"""The first rows of files as texts."""

from __future__ import annotations

import gzip
import io
import json

import pytest

from anomalake.definitions.metric_set import CsvFormat, JsonLinesFormat
from anomalake.sources.rows import SourceFileError
from anomalake.sources.sample_rows import MOST_BYTES, MOST_ROWS, SampleRows, first_lines, sample_rows


class Counted(io.BytesIO):
    bytes_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        self.bytes_read += len(block)
        return block


def sample(body: bytes, form: CsvFormat | JsonLinesFormat | None = None) -> SampleRows:
    form = form or CsvFormat()
    return sample_rows(first_lines(io.BytesIO(body), form.charset), form)


def test_cells_stay_as_they_are_written() -> None:
    body = 't, a ,v\r\n 007,"a,""b""\r\nc",1.50\r\n\r\nNA,é🎉,\r\nshort\r\n'.encode()
    wanted = SampleRows(("t", " a ", "v"), ((" 007", 'a,"b"\r\nc', "1.50"), ("NA", "é🎉", ""), ("short",)))
    assert sample(body) == wanted
    assert sample(b"\xef\xbb\xbf" + body) == wanted
    assert sample(gzip.compress(body)) == wanted
    assert sample(body.decode().encode("utf-16"), CsvFormat(charset="UTF-16")) == wanted


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (CsvFormat(delimiter=";", quote_symbol="'"), b"a;b\n'x;y';\"1\"\n"),
        (CsvFormat(delimiter="\t", contains_header=False, header_list=("a", "b")), b'x;y\t"""1"""\n'),
        (CsvFormat(delimiter="|", header_list=("a", "b")), b'other|names\nx;y|"""1"""\n'),
        (CsvFormat(delimiter="|", quote_symbol=""), b'a|b\nx;y|"1"'),
        (CsvFormat(skip_lines=2, delimiter="|", quote_symbol=""), b'about\n\na|b\nx;y|"1"'),
    ],
)
def test_the_format_counts(form: CsvFormat, body: bytes) -> None:
    assert sample(body, form) == SampleRows(("a", "b"), (("x;y", '"1"'),))


def test_without_names() -> None:
    assert sample(b"1,2\n3,4\n", CsvFormat(contains_header=False)) == SampleRows((), (("1", "2"), ("3", "4")))


def test_json_lines() -> None:
    lines = [
        '{"t": "2021", "v": 1.50, "w": 1e400, "ok": true, "s": "\\ud800x"}',
        "",
        "no JSON",
        "[1]",
        '{"v": -0, "extra": {"b": [1.0, null, "é"]}, "t": null}',
    ]
    assert sample("\n".join(lines).encode(), JsonLinesFormat()) == SampleRows(
        ("t", "v", "w", "ok", "s", "extra"),
        (
            ("2021", "1.50", "1e400", "true", "?x", ""),
            ("", "-0", "", "", "", '{"b":[1.0,null,"é"]}'),
        ),
    )


def test_bytes_that_are_not_text_are_replaced() -> None:
    assert sample(b"a\nx\xff\n").rows == (("x\ufffd",),)


def test_few_rows_of_a_large_file_are_read() -> None:
    body = b"a,b\n" + b"1,2\n" * 3_000_000
    for stored in (body, gzip.compress(body, compresslevel=1)):
        stream = Counted(stored)
        lines = first_lines(stream, "UTF-8")
        assert lines.endswith(b"1,2\n")
        assert len(lines) <= MOST_BYTES
        assert stream.bytes_read <= MOST_BYTES + 1
        assert len(sample_rows(lines, CsvFormat()).rows) == MOST_ROWS


def test_a_line_that_is_cut_off_is_left_out() -> None:
    rows = b"".join(b"%d,%d\n" % (number, number) for number in range(200_000))
    lines = first_lines(io.BytesIO(b"a,b\n" + rows), "UTF-8")
    assert (b"a,b\n" + rows).startswith(lines)
    assert lines.endswith(b"\n")
    # A whole file's last line needs no line end.
    assert sample(b"a,b\n1,2").rows == (("1", "2"),)


@pytest.mark.parametrize(
    ("body", "form", "reason"),
    [
        (b"x" * (MOST_BYTES + 1), CsvFormat(), "has no line end"),
        (b"PK\x03\x04" + b"x" * 100, CsvFormat(), "ZIP|zip"),
        (b"PAR1" + b"\x00" * 100, CsvFormat(), "Parquet"),
        (b"\x1f\x8b" + b"\x00" * 100, CsvFormat(), "gzip data are damaged"),
        (b"a", CsvFormat(charset="UTF-16"), "is not text in UTF-16"),
        (b"a\n" + b"x" * 200_000, CsvFormat(), "cannot be read as CSV"),
        (b"[1]\n[2]", JsonLinesFormat(), "no line is a JSON object"),
        (b"[" * 100_000, JsonLinesFormat(), "no line is a JSON object"),
    ],
)
def test_files_that_cannot_be_read(body: bytes, form: CsvFormat | JsonLinesFormat, reason: str) -> None:
    with pytest.raises(SourceFileError, match=reason):
        sample(body, form)


def test_deeply_nested_values() -> None:
    deep = "[" * 400 + "]" * 400
    assert sample(json.dumps({"a": json.loads(deep)}).encode(), JsonLinesFormat()).rows == ((deep,),)
