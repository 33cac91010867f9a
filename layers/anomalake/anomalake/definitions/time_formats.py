"""Java's date-time patterns, which L4M uses for timestamps and folders."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from anomalake.alerts.timestamps import EARLIEST_YEAR, LATEST_YEAR, zone_of
from anomalake.definitions.errors import SourceError

#: Letters of a pattern, and the lengths that each may have.
LETTERS = {
    "y": (1, 2, 4), "Y": (1, 2, 4), "M": (1, 2, 3, 4), "d": (1, 2), "E": (1, 2, 3, 4), "a": (1,),
    "H": (1, 2), "k": (1, 2), "h": (1, 2), "K": (1, 2), "m": (1, 2), "s": (1, 2),
    "S": (1, 2, 3, 4, 5, 6, 7, 8, 9), "z": (1, 2, 3), "Z": (1, 2, 3), "X": (1, 2, 3), "x": (1, 2, 3), "V": (2,),
}  # fmt: skip
FOLDER_LETTERS = "yYMdaHkhKms"
#: Letters of the zone of the timestamp itself: as an offset, as a name.
OFFSET_LETTERS, ZONE_LETTERS = "ZXx", "zV"
EXPECTED = "y, M, d, H, k, h or K with a, m, s, S, E, z, Z, X, x, VV as in yyyy-MM-dd HH:mm:ss"

#: Column formats of timestamps that are numbers, settings of anomalake.
EPOCH_SECONDS, EPOCH_MILLISECONDS, EXCEL_SERIAL = "epoch_seconds", "epoch_milliseconds", "excel_serial"
NUMBER_FORMATS = (EPOCH_SECONDS, EPOCH_MILLISECONDS, EXCEL_SERIAL)

_PART = re.compile(r"'(?P<quoted>(?:[^']|'')*)'|(?P<letters>([A-Za-z])\3*)|(?P<other>[^A-Za-z']+)")
_KEY = re.compile(r"[{][{](?P<key>[^{}]*)[}][}]")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
#: Numbers of the months by the first three letters of their names.
SHORT_MONTHS = {name[:3].lower(): number for number, name in enumerate(_MONTHS, 1)}
_TIME_LETTERS, _ZONE_LETTERS = "HkhKamsS", "ZXxzV"
_NUMBER = re.compile(r"\s*[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)
# Days from Excel's day 0 to 1970. Excel has a 29 February 1900, so days before March 1900 would be one off.
_EXCEL_DAYS = 25_569
_DAY = 86_400
_FIRST, _LAST = (
    (datetime(year, 1, 1) - datetime(1970, 1, 1)).total_seconds() for year in (EARLIEST_YEAR, LATEST_YEAR + 1)
)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a pattern: letters (``yyyy``) or literal text."""

    text: str
    is_field: bool


@dataclass(frozen=True, slots=True)
class WallClock:
    """A timestamp as written: the wall-clock time in seconds, and the offset in seconds if it has one."""

    local: datetime
    offset: int | None


def parts_of(pattern: str) -> tuple[Part, ...]:
    """Parse the pattern of a timestamp.

    Raises
    ------
    SourceError
        The pattern is invalid, or has unsupported letters.
    """
    parts, at = [], 0
    for found in _PART.finditer(pattern):
        if found.start() != at:
            break
        at = found.end()
        if found["letters"]:
            letters = found["letters"]
            if len(letters) not in LETTERS.get(letters[0], ()):
                hint = "; text such as T stands in quotes: 'T'" if letters == "T" else ""
                raise SourceError(
                    f"TimestampColumn.ColumnFormat {pattern!r}: {letters!r} is not supported; expected {EXPECTED}{hint}"
                )
            parts.append(Part(letters, True))
        elif found["other"] is not None:
            parts.append(Part(found["other"], False))
        else:
            parts.append(Part(found["quoted"].replace("''", "'") or "'", False))
    if at != len(pattern) or not parts:
        raise SourceError(f"TimestampColumn.ColumnFormat {pattern!r}: expected a pattern such as yyyy-MM-dd HH:mm:ss")
    return tuple(parts)


def template_parts(template: str) -> tuple[Part, ...]:
    """Parse a path with keys such as ``{{yyyyMMdd}}/{{HHmm}}``.

    Raises
    ------
    SourceError
        A key is not supported.
    """
    parts: list[Part] = []
    at = 0
    for found in _KEY.finditer(template):
        if found.start() > at:
            parts.append(Part(template[at : found.start()], False))
        at = found.end()
        try:
            key = parts_of(found["key"])
        except SourceError:
            key = ()
        if not key or any(part.is_field and part.text[0] not in FOLDER_LETTERS for part in key):
            raise SourceError(
                f"TemplatedPathList {template!r}: key {found[0]!r}; expected y, Y, M, d, a, H, k, h, K, m, s "
                "as in {{yyyyMMdd}}/{{HHmm}}"
            )
        parts.extend(key)
    if at < len(template):
        parts.append(Part(template[at:], False))
    rest = "".join(part.text for part in parts if not part.is_field)
    if "{" in rest or "}" in rest:
        raise SourceError(f"TemplatedPathList {template!r}: expected keys in double braces, as in {{{{yyyyMMdd}}}}")
    return tuple(parts)


def write_wall_clock(parts: tuple[Part, ...], local: datetime) -> str:
    """Format a wall-clock time by a pattern; ``Y`` is the year of ISO 8601's week."""
    return "".join(_written(part.text, local) if part.is_field else part.text for part in parts)


def _written(letters: str, local: datetime) -> str:
    letter, width = letters[0], len(letters)
    if letter in "yY":
        year = local.year if letter == "y" else local.isocalendar().year
        return f"{year % 100:02d}" if width == 2 else str(year).zfill(width)
    if letter == "M" and width >= 3:
        return _MONTHS[local.month - 1][: 3 if width == 3 else None]
    if letter == "a":
        return "AM" if local.hour < 12 else "PM"
    number = {
        "M": local.month, "d": local.day, "H": local.hour, "k": local.hour or 24, "K": local.hour % 12,
        "h": local.hour % 12 or 12, "m": local.minute, "s": local.second,
    }[letter]  # fmt: skip
    return str(number).zfill(width)


class WallClockReader:
    """Reads timestamps of one pattern.

    A number may have fewer digits than letters if a literal separates it from the next. ``Y`` is read as the calendar
    year, which users of ``YYYY-MM-dd`` mean. Two-digit years are 1970 to 2069. Names are English, in any case.

    Parameters
    ----------
    parts
        Result of `parts_of` or `template_parts`.
    """

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self.parts = parts
        #: Letter of each field, which is a group of the expression.
        self.letters = [part.text[0] for part in parts if part.is_field]
        pieces = []
        for place, part in enumerate(parts):
            after = parts[place + 1] if place + 1 < len(parts) else None
            pieces.append(_piece(part, after) if part.is_field else re.escape(part.text))
        #: Regular expression of the whole text, in the syntax that Python, Trino and DuckDB share; without case.
        self.expression = "".join(pieces)
        self._regex = re.compile(self.expression, re.ASCII | re.IGNORECASE)

    @property
    def has_time(self) -> bool:
        """Whether the pattern has a time of day."""
        return any(letter in "HkhKmsS" for letter in self.letters)

    def missing(self) -> str:
        """Parts that the pattern lacks for a date and an hour; empty if none."""
        letters = set(self.letters)
        for item, name in (("yY", "a year (yyyy)"), ("M", "a month (MM)"), ("d", "a day (dd)")):
            if not letters & set(item):
                return name
        if letters & set("hK") and "a" not in letters:
            return "AM/PM (a) beside the hour of 12 (h, K); the hour of 24 is HH"
        return ""

    def read(self, text: str) -> WallClock:
        """Read one text.

        Raises
        ------
        ValueError
            The text does not match the pattern, has an invalid date or time, or a year out of range.
        """
        found = self._regex.fullmatch(text)
        try:
            if found is None:
                raise ValueError(text)
            return self._clock(found.groups())
        except ValueError as error:
            raise ValueError(f"{text!r} does not match {''.join(part.text for part in self.parts)!r}") from error

    def _clock(self, values: tuple[str, ...]) -> WallClock:
        fields: dict[str, str] = {}
        for letter, value in zip(self.letters, values, strict=True):
            if fields.setdefault(letter, value) != value and letter not in "Mya":
                raise ValueError(value)
        year = int(fields.get("y") or fields.get("Y") or 0)
        if len(fields.get("y") or fields.get("Y") or "") == 2:
            year += 1900 if year >= 70 else 2000
        if not EARLIEST_YEAR <= year <= LATEST_YEAR:
            raise ValueError(year)
        month = fields.get("M", "1")
        local = datetime(
            year,
            int(month) if month.isdigit() else SHORT_MONTHS[month[:3].lower()],
            int(fields.get("d", "1")),
            _hour(fields),
            int(fields.get("m", "0")),
            int(fields.get("s", "0")),
        )
        return WallClock(local, _offset(fields, local))


class NumberReader:
    """Reads timestamps that are numbers: seconds or milliseconds since 1970 in UTC, or Excel's days in wall-clock time.

    Parameters
    ----------
    column_format
        One of `NUMBER_FORMATS`.
    """

    has_time = True

    def __init__(self, column_format: str) -> None:
        self.column_format = column_format
        self.is_utc = column_format != EXCEL_SERIAL
        self._factor, self._divisor = (_DAY, 1) if not self.is_utc else (1, 1)
        if column_format == EPOCH_MILLISECONDS:
            self._divisor = 1000
        # Excel writes ten digits of a day's fraction at most, so its seconds are rounded; others are cut off.
        self._shift = 0.0 if self.is_utc else 0.5 - _EXCEL_DAYS * _DAY

    def scaled(self, number: Any) -> Any:
        """Seconds since 1970 of a number, or of an array of numbers; the fraction is to be cut off."""
        return number * self._factor / self._divisor + self._shift

    def missing(self) -> str:
        """Parts that the format lacks: none."""
        return ""

    def read(self, text: str) -> WallClock:
        """Read one text; raises `ValueError`."""
        number = self.scaled(float(text)) if _NUMBER.fullmatch(text) else math.nan
        if not _FIRST <= number < _LAST:
            raise ValueError(f"{text!r} does not match {self.column_format!r}")
        local = datetime(1970, 1, 1) + timedelta(seconds=math.floor(number))
        return WallClock(local, 0 if self.is_utc else None)


class PatternReader:
    """Reads timestamps of one pattern, and dates without a time as midnight.

    pandas writes midnight as a bare date. It is read if the pattern begins with a whole date and has no zone.

    Parameters
    ----------
    pattern
        ColumnFormat in Java's letters.
    """

    def __init__(self, pattern: str) -> None:
        self.full = WallClockReader(parts_of(pattern))
        self.has_time, self.missing = self.full.has_time, self.full.missing
        date = _date_parts(self.full.parts)
        self._date = WallClockReader(date) if date else None

    @property
    def is_digits(self) -> bool:
        """Whether the timestamps consist of digits only, as in ``yyyyMMddHH``."""
        return all(part.is_field and part.text[0] in "yYMdHkms" and len(part.text) != 3 for part in self.full.parts)

    def read(self, text: str) -> WallClock:
        """Read one text; raises `ValueError`."""
        try:
            return self.full.read(text)
        except ValueError:
            if self._date is None:
                raise
        try:
            return self._date.read(text)
        except ValueError as error:
            raise ValueError(f"{text!r} does not match {''.join(part.text for part in self.full.parts)!r}") from error


TimestampReader = NumberReader | PatternReader


@lru_cache(maxsize=64)
def timestamp_reader(column_format: str) -> TimestampReader:
    """The reader of a ColumnFormat.

    Raises
    ------
    SourceError
        The format is not supported.
    """
    if column_format in NUMBER_FORMATS:
        return NumberReader(column_format)
    return PatternReader(column_format)


def _date_parts(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The date with which a pattern begins; empty if it is not whole, or the rest has a zone or no time."""
    first = next((at for at, part in enumerate(parts) if part.is_field and part.text[0] in _TIME_LETTERS), None)
    if first is None:
        return ()
    end = first
    while end and not parts[end - 1].is_field:
        end -= 1
    letters = {part.text[0] for part in parts[:end] if part.is_field}
    rest = {part.text[0] for part in parts[end:] if part.is_field}
    whole = bool(letters & set("yY")) and {"M", "d"} <= letters
    return parts[:end] if whole and rest <= set(_TIME_LETTERS) else ()


def _piece(part: Part, after: Part | None) -> str:
    letter, width = part.text[0], len(part.text)
    if letter == "M" and width >= 3:
        return "(" + "|".join(name[: 3 if width == 3 else None] for name in _MONTHS) + ")"
    if letter == "E":
        return "(" + "|".join(name[: 3 if width <= 3 else None] for name in _DAYS) + ")"
    if letter == "a":
        return "(AM|PM)"
    if letter in "zV":
        return r"([A-Za-z][A-Za-z0-9_/+:-]*|[+-][0-9]{2}:?[0-9]{2})"
    if letter in "ZXx":
        return r"(Z|(?:GMT|UTC)?[+-][0-9]{2}(?::?[0-9]{2})?)"
    if letter in "yY":
        return f"([0-9]{{{2 if width == 2 else 4}}})"
    tight = (
        after is not None and after.is_field and after.text[0] not in "azZXxVE" and after.text not in ("MMM", "MMMM")
    )
    if letter == "S":
        return f"([0-9]{{{width}}})" if tight else "([0-9]{1,9})"
    return f"([0-9]{{{width}}})" if tight else "([0-9]{1,2})"


def _hour(fields: dict[str, str]) -> int:
    if "H" in fields:
        return int(fields["H"])
    if "k" in fields:
        hour = int(fields["k"])
        if not 1 <= hour <= 24:
            raise ValueError(fields["k"])
        return hour % 24
    if "h" in fields or "K" in fields:
        hour = int(fields.get("h") or fields["K"])
        if not (1 <= hour <= 12 if "h" in fields else 0 <= hour <= 11):
            raise ValueError(str(hour))
        return hour % 12 + (12 if fields.get("a", "").upper() == "PM" else 0)
    return 0


def _offset(fields: dict[str, str], local: datetime) -> int | None:
    for letter in OFFSET_LETTERS + ZONE_LETTERS:
        if letter in fields:
            is_name = letter in ZONE_LETTERS and fields[letter] not in "Zz"
            shift = zone_of(fields[letter] if is_name else fields[letter].upper()).utcoffset(local)
            return None if shift is None else int(shift.total_seconds())
    return None


def check_readable_by_queries(pattern: str) -> None:
    """Check that queries can read timestamps of a pattern; raises `SourceError`."""
    for part in parts_of(pattern):
        if part.is_field and part.text[0] in ZONE_LETTERS:
            raise SourceError(
                f"TimestampColumn.ColumnFormat {pattern!r}: queries on live data do not read names of zones "
                f"({part.text}); expected an offset (X, x or Z) or no zone"
            )
