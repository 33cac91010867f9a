"""The physical table as CSV with exact values and cells without quotes (docs/adr/0001)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pyarrow as pa

from anomalake.lake.rows import SCHEMA

HEADER = ",".join(SCHEMA.names)

#: Characters that could end a cell or a line, act as an escape or a formula, or be decoded to something else.
_UNSAFE = frozenset([*map(chr, range(0x20)), *'\x7f"\\%,+'])
#: Characters that at the start of a cell could act as a formula.
_UNSAFE_FIRST = frozenset("=-@")


def encode(text: str | None) -> str:
    """Encode a text as a cell: empty for null, ``%`` for the empty text, unsafe characters percent-encoded."""
    if text is None:
        return ""
    if not text:
        return "%"
    # The sign of a code first, which is in the codes of the others.
    for character in sorted(_UNSAFE.intersection(text), key="%".__ne__):
        text = text.replace(character, _code(character))
    return _code(text[0]) + text[1:] if text[0] in _UNSAFE_FIRST else text


def _code(character: str) -> str:
    return f"%{ord(character):02X}"


def to_csv(table: pa.Table) -> bytes:
    """Write rows of the physical table as one CSV file with a header."""
    return _file(map(_line, table.to_pylist()))


def merge(bodies: Iterable[bytes]) -> bytes:
    """Merge the distinct rows of several files into one sorted file.

    Raises
    ------
    ValueError
        A file has another header.
    """
    lines: set[str] = set()
    for body in bodies:
        header, *rows = body.decode("utf-8").split("\n")
        if header != HEADER:
            raise ValueError(f"header {header[:80]!r}: expected {HEADER[:80]!r}…")
        lines.update(row for row in rows if row)
    return _file(sorted(lines))


def identities(body: bytes) -> pa.Table:
    """Read the columns alert_id and digest of one file."""
    cells = [row.split(",", 2)[:2] for row in body.decode("utf-8").split("\n")[1:] if row]
    return pa.table({"alert_id": [alert_id for alert_id, _ in cells], "digest": [digest for _, digest in cells]})


def _file(lines: Iterable[str]) -> bytes:
    return "\n".join([HEADER, *lines, ""]).encode("utf-8")


def _line(row: dict[str, Any]) -> str:
    return ",".join(_cell(row[name]) for name in SCHEMA.names)


def _cell(value: Any) -> str:
    if value is None or isinstance(value, str):
        return encode(value)
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds")
    if isinstance(value, float):
        return repr(value)
    return encode(json.dumps([_plain(item) for item in value], ensure_ascii=True, separators=(",", ":")))


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    """An item of a list for JSON; a decimal is text, because a JSON number would be read as a double."""
    plain = dict(item)
    if "dimensions" in plain:
        plain["dimensions"] = dict(plain["dimensions"])
    if plain.get("metric_value") is not None:
        plain["metric_value"] = format(plain["metric_value"], "f").rstrip("0").rstrip(".")
    return plain
