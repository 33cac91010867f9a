"""Java's date-time patterns, in which L4M's users describe their timestamps, as those of strptime."""

from __future__ import annotations

import re

from anomalake.catalog.errors import SourceError

_PART = re.compile(r"'(?P<quoted>(?:[^']|'')*)'|(?P<letters>([A-Za-z])\3*)|(?P<other>[^A-Za-z']+)")
_LETTERS = {
    "y": "%Y", "yyyy": "%Y", "yy": "%y",
    "M": "%m", "MM": "%m", "MMM": "%b", "MMMM": "%B",
    "d": "%d", "dd": "%d",
    "H": "%H", "HH": "%H", "h": "%I", "hh": "%I", "a": "%p",
    "m": "%M", "mm": "%M", "s": "%S", "ss": "%S",
    "S": "%f", "SS": "%f", "SSS": "%f", "SSSSSS": "%f",
}  # fmt: skip


def to_strptime(pattern: str) -> str:
    """A pattern such as ``yyyy-MM-dd HH:mm:ss`` as strptime's format, which syntax trees hold.

    Raises
    ------
    SourceError
        It has letters that no such format has.
    """
    parts, at = [], 0
    for found in _PART.finditer(pattern):
        if found.start() != at:
            break
        at = found.end()
        if found["letters"]:
            if found["letters"] not in _LETTERS:
                raise SourceError(
                    f"TimestampColumn.ColumnFormat {pattern!r}: {found['letters']!r} is not supported; "
                    "expected y, M, d, H, h, a, m, s, S as in yyyy-MM-dd HH:mm:ss"
                )
            parts.append(_LETTERS[found["letters"]])
        else:
            text = found["other"] if found["other"] is not None else (found["quoted"].replace("''", "'") or "'")
            parts.append(text.replace("%", "%%"))
    if at != len(pattern) or not parts:
        raise SourceError(f"TimestampColumn.ColumnFormat {pattern!r}: expected a pattern such as yyyy-MM-dd HH:mm:ss")
    return "".join(parts)
