"""Timestamps with a time zone: DuckDB holds the instant, and the zone is a part of the type, as SQL text."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from anomalake.query.trino.types import Type, invalid, timestamp, unsupported, zoned
from anomalake.query.trino.values import Value, quoted

_LITERAL = re.compile(r"\s*(\d{4,5}-\d{1,2}-\d{1,2}(?: \d{1,2}:\d{1,2}(?::\d{1,2}(?:\.\d{1,6})?)?)?)\s*(\S+)?\s*")
_OFFSET = re.compile(r"'([+-])(\d\d):(\d\d)'")


def wall(value: Value) -> Value:
    """Return the wall-clock time of an instant in its own zone; values without a zone as they are."""
    if value.type.name != "timestamp with time zone":
        return value
    if value.type.zone is None:
        raise unsupported("a timestamp whose zone is known only when the query runs (use AT TIME ZONE)")
    return Value(f"timezone({_zone(value.type.zone)}, {value.sql})", timestamp(value.type.precision))


def instant(local: str, type_: Type, *, first: bool = False) -> Value:
    """Return a wall-clock time as an instant in the zone of a type.

    Of the hour that comes twice when clocks go back, `with_timezone` takes the second, as DuckDB does, and a literal
    the first.
    """
    zone = _zone(type_.zone or "'UTC'")
    at = f"timezone({zone}, {local})"
    if first and type_.zone != "'UTC'":
        before = f"{at} - INTERVAL 1 HOUR"
        at = f"CASE WHEN timezone({zone}, {before}) = {local} THEN {before} ELSE {at} END"
    return Value(at, type_)


def literal_instant(text: str, precision: int) -> Value:
    """Return a text such as ``2021-01-01 00:00 Europe/Paris`` as an instant; without a zone it is in UTC."""
    match = _LITERAL.fullmatch(text)
    if not match:
        raise unsupported(f"timestamp with time zone {text!r}")
    zone = "UTC" if match[2] in (None, "Z") else match[2]
    check_zone(zone)
    return instant(f"CAST({quoted(match[1])} AS TIMESTAMP)", zoned(precision, quoted(zone)), first=True)


def check_zone(zone: object) -> None:
    """Raise `QueryError` for the name of a zone that does not exist."""
    if not isinstance(zone, str) or re.fullmatch(r"Z|[+-]\d\d:\d\d", zone):
        return
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise invalid(f"INVALID_FUNCTION_ARGUMENT: {zone!r} is not a valid time zone") from error


def _zone(sql: str) -> str:
    """Return DuckDB's name of a zone: it knows offsets of whole hours only, with the sign of POSIX."""
    match = _OFFSET.fullmatch(sql)
    if not match:
        return "'UTC'" if sql == "'Z'" else sql
    if match[3] != "00" or int(match[2]) > 14:
        raise unsupported(f"zone {sql}, an offset that is not in whole hours,")
    return f"'Etc/GMT{'-' if match[1] == '+' else '+'}{int(match[2])}'" if match[2] != "00" else "'UTC'"


def offset_minutes(value: Value) -> str:
    """Return the offset of the zone from UTC, in minutes."""
    return f"((epoch_us({wall(value).sql}) - epoch_us({value.sql})) // 60000000)"


def stamp_text(value: Value, separator: str = " ") -> str:
    """Return the text of a timestamp without zone, with the digits of its precision."""
    text = f"strftime({value.sql}, '%Y-%m-%d{separator}%H:%M:%S')"
    digits = value.type.precision
    return f"({text} || '.' || substr(strftime({value.sql}, '%f'), 1, {digits}))" if digits else text


def rounded(value: str, precision: int, function: str = "make_timestamp") -> str:
    """Return a time rounded half up to a precision."""
    if precision >= 6:
        return value
    unit = 10 ** (6 - precision)
    return f"{function}(CAST(floor((epoch_us({value}) + {unit // 2}) / {unit}.0) AS BIGINT) * {unit})"
