"""Java's date-time patterns in SQL: timestamps of source data are read as `definitions.time_formats` reads them.

A pattern that both engines read in that way has a format of SQL. Other patterns are read by a regular expression, the
same that the reader of source data has; its groups are the fields.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

import sqlglot
from sqlglot import exp

from anomalake.alerts.timestamps import EARLIEST_YEAR, LATEST_YEAR
from anomalake.definitions.errors import SourceError
from anomalake.definitions.time_formats import (
    OFFSET_LETTERS,
    SHORT_MONTHS,
    Part,
    WallClockReader,
    check_readable_by_queries,
    parts_of,
)
from anomalake.query.templates import DIALECT

_LETTERS = {
    "y": "%Y", "yyyy": "%Y", "yy": "%y",
    "M": "%m", "MM": "%m", "MMM": "%b", "MMMM": "%B",
    "d": "%d", "dd": "%d",
    "H": "%H", "HH": "%H", "h": "%I", "hh": "%I", "a": "%p",
    "m": "%M", "mm": "%M", "s": "%S", "ss": "%S",
    "S": "%f", "SS": "%f", "SSS": "%f", "SSSSSS": "%f",
}  # fmt: skip

# Fields that both engines read as the reader of source data does, if each letter occurs once.
_PLAIN = {"y", "yyyy", "M", "MM", "MMM", "MMMM", "d", "dd", "H", "HH", "h", "hh", "a", "m", "mm", "s", "ss"}
# Seconds of a day begin with the hour: its letters, lowest and highest number.
_HOURS = {"H": (0, 23), "k": (1, 24), "h": (1, 12), "K": (0, 11)}


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
    return re.sub("%.", lambda match: _DATE_PARSE.get(match[0], match[0]), to_strptime(pattern), flags=re.DOTALL)


_DATE_PARSE = {"%M": "%i", "%B": "%M", "%S": "%s", "%I": "%h"}


def has_offset(pattern: str) -> bool:
    """Whether timestamps of a pattern have an offset from UTC; raises `SourceError` for an invalid pattern."""
    return any(part.is_field and part.text[0] in OFFSET_LETTERS for part in parts_of(pattern))


@dataclass(frozen=True, slots=True)
class ParsedTimestamp:
    """A timestamp in SQL.

    Attributes
    ----------
    fields
        Columns that the table with the timestamp must have in addition.
    time
        The time in UTC if the pattern has an offset, else the wall-clock time; NULL if the text is invalid.
    """

    fields: tuple[exp.Expr, ...]
    time: exp.Expr


def read_timestamp(text: exp.Column, pattern: str) -> ParsedTimestamp:
    """Return the SQL that reads a column of timestamps; raises `SourceError` (`check_readable_by_queries`).

    Fractions of a second are cut to milliseconds, which both engines have.
    """
    check_readable_by_queries(pattern)
    parts = parts_of(pattern)
    if _is_plain(parts):
        format_ = exp.Literal.string(to_date_parse(pattern))
        parsed = exp.Anonymous(this="date_parse", expressions=[text.copy(), format_])
        return ParsedTimestamp((), exp.Anonymous(this="try", expressions=[parsed]))
    fields = _Fields(text, WallClockReader(parts))
    date = _sql(
        "TRY_CAST(:year || '-' || lpad(:month, 2, '0') || '-' || lpad(:day, 2, '0') AS date)",
        year=fields.year(), month=fields.month(), day=fields.text("d", "1"),
    )  # fmt: skip
    hour, hour_letter = fields.hour()
    milliseconds = _sql(
        "3600000 * :hour + 60000 * :minute + 1000 * :second + :fraction - 60000 * :offset",
        hour=hour, minute=fields.number("m"), second=fields.number("s"), fraction=fields.milliseconds(),
        offset=fields.offset(),
    )  # fmt: skip
    low, high = _HOURS.get(hour_letter, (0, 23))
    conditions = [
        _sql(f":year BETWEEN '{EARLIEST_YEAR}' AND '{LATEST_YEAR}'", year=fields.year()),
        *([_sql(f":hour BETWEEN {low} AND {high}", hour=fields.number(hour_letter))] if hour_letter else []),
        *(_sql(":number < 60", number=fields.number(letter)) for letter in "ms" if letter in fields.letters),
        *fields.conditions(),
    ]
    time = _sql(
        "CASE WHEN :valid THEN date_add('millisecond', :milliseconds, CAST(:date AS timestamp)) END",
        valid=exp.and_(*conditions), milliseconds=milliseconds, date=date,
    )  # fmt: skip
    return ParsedTimestamp(fields.columns(), time)


def _is_plain(parts: tuple[Part, ...]) -> bool:
    fields = [part.text for part in parts if part.is_field]
    letters = [field[0] for field in fields]
    tight = any(before.is_field and after.is_field and len(before.text) == 1 for before, after in pairwise(parts))
    return (
        set(fields) <= _PLAIN
        and len(set(letters)) == len(letters)
        and ("h" in letters) == ("a" in letters)
        and not {"H", "h"} <= set(letters)
        and not tight
    )


class _Fields:
    """Fields of a timestamp, as expressions. Where the text does not match, they are NULL or, in DuckDB, empty."""

    def __init__(self, text: exp.Column, reader: WallClockReader) -> None:
        self.letters = reader.letters
        self._text = text
        self._pattern = exp.Literal.string(rf"(?i)\A{reader.expression}\z")
        self._widths = {part.text[0]: len(part.text) for part in reversed(reader.parts) if part.is_field}

    def columns(self) -> tuple[exp.Expr, ...]:
        """Return the text of each field as a column."""
        return tuple(
            exp.alias_(
                _sql(f"regexp_extract(:text, :pattern, {number})", text=self._text, pattern=self._pattern),
                self._group(number).name,
            )
            for number in range(1, len(self.letters) + 1)
        )

    def _group(self, number: int) -> exp.Column:
        # Other columns of the source's table begin with source_.
        return exp.column(f"time_{number}", self._text.table)

    def text(self, letter: str, default: str) -> exp.Expr:
        """Return the text of a field, or a default if the pattern lacks it."""
        if letter not in self.letters:
            return exp.Literal.string(default)
        return self._group(self.letters.index(letter) + 1)

    def number(self, letter: str) -> exp.Expr:
        """Return the number of a field; 0 if the pattern lacks it."""
        if letter not in self.letters:
            return exp.Literal.number(0)
        return _sql("TRY_CAST(:text AS bigint)", text=self.text(letter, ""))

    def year(self) -> exp.Expr:
        """Return the year as four digits."""
        letter = "y" if "y" in self.letters else "Y"
        text = self.text(letter, "")
        if self._widths.get(letter) != 2:
            return text
        return _sql("CASE WHEN :text >= '70' THEN '19' ELSE '20' END || :text", text=text)

    def month(self) -> exp.Expr:
        """Return the number of the month, as text."""
        text = self.text("M", "1")
        if self._widths.get("M", 1) < 3:
            return text
        cases = " ".join(f"WHEN '{name}' THEN '{number}'" for name, number in SHORT_MONTHS.items())
        return _sql(f"CASE lower(substr(:text, 1, 3)) {cases} END", text=text)

    def hour(self) -> tuple[exp.Expr, str]:
        """Return the hour of the day, and the letter of the field that it is read from."""
        letter = next((letter for letter in ("H", "k", "h", "K") if letter in self.letters), "")
        number = self.number(letter)
        if letter == "k":
            return _sql("mod(:number, 24)", number=number), letter
        if letter in ("h", "K"):
            afternoon = "mod(:number, 12) + CASE upper(:half) WHEN 'PM' THEN 12 ELSE 0 END"
            return _sql(afternoon, number=number, half=self.text("a", "AM")), letter
        return number, letter

    def milliseconds(self) -> exp.Expr:
        """Return the fraction of the second."""
        if "S" not in self.letters:
            return exp.Literal.number(0)
        return _sql("TRY_CAST(substr(rpad(:text, 3, '0'), 1, 3) AS bigint)", text=self.text("S", ""))

    def offset(self) -> exp.Expr:
        """Return the minutes by which the text's zone is before UTC."""
        letter = self._offset_letter()
        if letter is None:
            return exp.Literal.number(0)
        hours, minutes = self._offset_parts(letter)
        sign = _sql("CASE WHEN :text LIKE '%-%' THEN -1 ELSE 1 END", text=self.text(letter, ""))
        return _sql(":sign * (60 * :hours + :minutes)", sign=sign, hours=hours, minutes=minutes)

    def conditions(self) -> list[exp.Expr]:
        """Return conditions of valid timestamps: offsets are limited, and repeated fields are equal."""
        conditions = []
        letter = self._offset_letter()
        if letter is not None:
            hours, minutes = self._offset_parts(letter)
            both = _sql(":minutes < 60 AND 60 * :hours + :minutes <= 1080", hours=hours, minutes=minutes)
            conditions.append(both)
        for number, letter in enumerate(self.letters, 1):
            first = self.letters.index(letter) + 1
            if first != number and letter not in "Mya":
                conditions.append(_sql(":one = :other", one=self._group(first), other=self._group(number)))
        return conditions

    def _offset_letter(self) -> str | None:
        return next((letter for letter in OFFSET_LETTERS if letter in self.letters), None)

    def _offset_parts(self, letter: str) -> tuple[exp.Expr, exp.Expr]:
        digits = "coalesce(TRY_CAST(regexp_extract(:text, '{}', 1) AS bigint), 0)"
        text = self.text(letter, "")
        hours, minutes = "[+-]([0-9]{2})", "[+-][0-9]{2}:?([0-9]{2})"
        return _sql(digits.format(hours), text=text), _sql(digits.format(minutes), text=text)


def _sql(sql: str, /, **parts: exp.Expr) -> exp.Expr:
    """Parse an expression in Athena's dialect, and replace its parameters (``:name``) by expressions."""
    parsed = sqlglot.parse_one(sql, read=DIALECT)
    for parameter in list(parsed.find_all(exp.Placeholder)):
        part = parts[parameter.name].copy()
        parameter.replace(exp.paren(part, copy=False) if isinstance(part, (exp.Binary, exp.Connector)) else part)
    return parsed
