"""Translation of Java's date-time patterns to the formats of strptime and of Athena's date_parse."""

from __future__ import annotations

import re

from anomalake.definitions.errors import SourceError
from anomalake.definitions.time_formats import parts_of

_LETTERS = {
    "y": "%Y", "yyyy": "%Y", "yy": "%y",
    "M": "%m", "MM": "%m", "MMM": "%b", "MMMM": "%B",
    "d": "%d", "dd": "%d",
    "H": "%H", "HH": "%H", "h": "%I", "hh": "%I", "a": "%p",
    "m": "%M", "mm": "%M", "s": "%S", "ss": "%S",
    "S": "%f", "SS": "%f", "SSS": "%f", "SSSSSS": "%f",
}  # fmt: skip


def to_strptime(pattern: str) -> str:
    """Translate a pattern such as ``yyyy-MM-dd HH:mm:ss`` to strptime's format.

    Raises
    ------
    SourceError
        The pattern has a field that strptime's formats lack.
    """
    parts = []
    for part in parts_of(pattern):
        if part.is_field and part.text not in _LETTERS:
            raise SourceError(
                f"TimestampColumn.ColumnFormat {pattern!r}: queries on live data do not support {part.text!r}; "
                "expected y, M, d, H, h, a, m, s, S as in yyyy-MM-dd HH:mm:ss"
            )
        parts.append(_LETTERS[part.text] if part.is_field else part.text.replace("%", "%%"))
    return "".join(parts)


def to_date_parse(pattern: str) -> str:
    """Translate a pattern to the format of Athena's ``date_parse``; raises `SourceError` as `to_strptime`."""
    format_ = to_strptime(pattern)
    return re.sub("%.", lambda match: _DATE_PARSE.get(match[0], match[0]), format_, flags=re.DOTALL)


_DATE_PARSE = {"%M": "%i", "%B": "%M", "%S": "%s", "%I": "%h"}
