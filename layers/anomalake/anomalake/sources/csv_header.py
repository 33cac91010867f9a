"""The header of a CSV file."""

from __future__ import annotations

import csv
import io
import zlib

from anomalake.definitions.metric_set import CsvFormat


def header_of(beginning: bytes, csv_format: CsvFormat) -> tuple[str, ...]:
    """Column names in the first line of a CSV file.

    Parameters
    ----------
    beginning
        The file, or its beginning with the first line; gzip is recognised.
    """
    if beginning[:2] == b"\x1f\x8b":
        beginning = zlib.decompressobj(wbits=31).decompress(beginning)
    text = beginning.decode("utf-8-sig", "replace")
    for _ in range(csv_format.skip_lines):
        text = text.partition("\n")[2]
    text = text.lstrip("\r\n")
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=csv_format.delimiter,
        quotechar=csv_format.quote_symbol or None,
        quoting=csv.QUOTE_MINIMAL if csv_format.quote_symbol else csv.QUOTE_NONE,
    )
    return tuple(next(reader, ()))
