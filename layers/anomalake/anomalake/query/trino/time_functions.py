"""Functions of dates and timestamps."""

from __future__ import annotations

import re
from collections.abc import Mapping

from anomalake.query.trino.casts import cast
from anomalake.query.trino.signatures import SCALARS, declare_all, function
from anomalake.query.trino.text_functions import literal_text
from anomalake.query.trino.types import (
    BIGINT,
    DATE,
    DAYS,
    MONTHS,
    Type,
    array,
    invalid,
    timestamp,
    unsupported,
    zoned,
)
from anomalake.query.trino.values import Value, fail, fresh, let, quoted, unify
from anomalake.query.trino.zones import check_zone, instant, offset_minutes, rounded, stamp_text, wall

UTC = "'UTC'"
_NOW = "date_trunc('millisecond', now())"

declare_all(
    SCALARS,
    """
    last_day_of_month(date) -> date = last_day({0})
    last_day_of_month(timestamp) -> date = last_day({0})
    from_unixtime(double) -> timestamp with time zone = make_timestamptz(CAST(round({0} * 1000) AS BIGINT) * 1000)
    to_unixtime(timestamp) -> double = (epoch_us({0}) / 1000000.0::DOUBLE)
    to_unixtime(timestamp with time zone) -> double = (epoch_us({0}) / 1000000.0::DOUBLE)
    """,
)
declare_all(SCALARS, f"now() -> timestamp with time zone = {_NOW}")

#: Values of keywords without parentheses.
NOW = Value(_NOW, zoned(3, UTC))
LOCAL_NOW = Value("date_trunc('millisecond', CAST(now() AS TIMESTAMP))", timestamp(3))
TODAY = Value("CAST(CAST(now() AS TIMESTAMP) AS DATE)", DATE)

_PARTS = {
    "year": "year", "quarter": "quarter", "month": "month", "week": "week", "week_of_year": "week", "day": "day",
    "day_of_month": "day", "day_of_week": "isodow", "dow": "isodow", "day_of_year": "dayofyear", "doy": "dayofyear",
    "year_of_week": "isoyear", "yow": "isoyear", "hour": "hour", "minute": "minute", "second": "second",
    "millisecond": "millisecond",
}  # fmt: skip
_CLOCK = ("hour", "minute", "second", "millisecond")


def part(name: str, value: Value) -> Value:
    """Return ``extract(name FROM value)``."""
    if name in ("timezone_hour", "timezone_minute"):
        if value.type.name != "timestamp with time zone":
            raise invalid(f"TYPE_MISMATCH: Cannot extract {name} from {value.type}")
        operator = "//" if name == "timezone_hour" else "%"
        return Value(f"CAST({offset_minutes(value)} {operator} 60 AS BIGINT)", BIGINT)
    if name not in _PARTS:
        raise unsupported(f"extract({name} FROM …)")
    if value.type in (DAYS, MONTHS) or value.type.name == "time":
        raise unsupported(f"{name} of {value.type}")
    if not value.type.is_moment:
        raise invalid(f"TYPE_MISMATCH: Cannot extract {name} from {value.type}")
    local = wall(value).sql
    if value.type == DATE and name in _CLOCK:
        local = f"CAST({local} AS TIMESTAMP)"
    text = f"{_PARTS[name]}({local})"
    return Value(f"CAST({text}{' % 1000' if name == 'millisecond' else ''} AS BIGINT)", BIGINT)


def _declare_part(name: str) -> None:
    @function(SCALARS, f"{name}(M) -> bigint")
    def of_moment(value: Value) -> Value:
        return part(name, value)


for _name in (*_PARTS, "timezone_hour", "timezone_minute"):
    _declare_part(_name)


@function(SCALARS, "at_timezone(timestamp with time zone, varchar) -> any", "at_timezone(timestamp, varchar) -> any")
def at_zone(value: Value, zone: Value) -> Value:
    """Return ``value AT TIME ZONE zone``; a timestamp without zone is taken for one in UTC."""
    check_zone(zone.literal)
    if zone.type.name != "varchar":
        raise invalid(f"TYPE_MISMATCH: a time zone must be a varchar (actual: {zone.type})")
    if value.type.name not in ("timestamp", "timestamp with time zone"):
        raise invalid(f"TYPE_MISMATCH: Type of value must be a time or timestamp (actual {value.type})")
    sql = value.sql if value.type.name != "timestamp" else f"timezone('UTC', {value.sql})"
    return Value(sql, zoned(value.type.precision, zone.sql))


@function(SCALARS, "with_timezone(timestamp, varchar) -> any")
def _with_timezone(value: Value, zone: Value) -> Value:
    check_zone(zone.literal)
    return instant(value.sql, zoned(value.type.precision, zone.sql))


@function(SCALARS, "from_unixtime(double, varchar) -> any")
def _from_unixtime(seconds: Value, zone: Value) -> Value:
    check_zone(zone.literal)
    return Value(f"make_timestamptz(CAST(round({seconds.sql} * 1000) AS BIGINT) * 1000)", zoned(3, zone.sql))


_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_MICROSECONDS = {
    "millisecond": 1_000, "second": 1_000_000, "minute": 60_000_000, "hour": 3_600_000_000, "day": 86_400_000_000,
    "week": 604_800_000_000,
}  # fmt: skip


def _unit(value: Value, type_: Type) -> str:
    unit = literal_text(value, "unit of time").lower()
    kind = "DATE" if type_ == DATE else "TIMESTAMP"
    if (unit not in _MONTHS and unit not in _MICROSECONDS) or (kind == "DATE" and unit in _CLOCK):
        raise invalid(f"INVALID_FUNCTION_ARGUMENT: {unit!r} is not a valid {kind} field")
    return unit


@function(SCALARS, "date_trunc(varchar, M) -> M")
def _date_trunc(unit_: Value, value: Value) -> Value:
    unit = _unit(unit_, value.type)
    if value.type == DATE:
        return Value(f"CAST(date_trunc('{unit}', {value.sql}) AS DATE)", DATE)
    if value.type.name == "timestamp":
        return Value(f"date_trunc('{unit}', {value.sql})", value.type)
    local = wall(value).sql
    if unit in _CLOCK:
        # The instant keeps its offset in the hour that comes twice.
        return Value(f"({value.sql} - ({local} - date_trunc('{unit}', {local})))", value.type)
    return instant(f"date_trunc('{unit}', {local})", value.type)


@function(SCALARS, "date_add(varchar, bigint, M) -> M")
def _date_add(unit_: Value, count: Value, value: Value) -> Value:
    unit = _unit(unit_, value.type)
    if unit in _MONTHS:
        step = f"to_months(CAST({count.sql} * {_MONTHS[unit]} AS INTEGER))"
    elif unit in ("day", "week"):
        step = f"to_days(CAST({count.sql} * {7 if unit == 'week' else 1} AS INTEGER))"
    else:
        step = f"to_microseconds({count.sql} * {_MICROSECONDS[unit]})"
    if value.type == DATE:
        return Value(f"CAST({value.sql} + {step} AS DATE)", DATE)
    if value.type.name == "timestamp" or unit in _CLOCK:
        function = "make_timestamp" if value.type.name == "timestamp" else "make_timestamptz"
        cut = unit == "millisecond" and value.type.precision < 3
        moved = f"({value.sql} + {step})"
        return Value(rounded(moved, value.type.precision, function) if cut else moved, value.type)
    return instant(f"({wall(value).sql} + {step})", value.type)


@function(SCALARS, "date_diff(varchar, M, M) -> bigint")
def _date_diff(unit_: Value, from_: Value, to: Value) -> str:
    type_, (x, y) = unify([from_, to])
    unit = _unit(unit_, type_)
    if type_.name == "timestamp with time zone" and unit not in _CLOCK:
        # Days and more are those of the clock in the zone of the first.
        zone = from_.type.zone if from_.type.name == type_.name else UTC
        x, y = wall(Value(x.sql, zoned(3, zone))), wall(Value(y.sql, zoned(3, zone)))
    if type_ == DATE and unit in ("day", "week"):
        return f"(({y.sql} - {x.sql}) // {7 if unit == 'week' else 1})"
    if unit in _MICROSECONDS:
        return f"((epoch_ms({y.sql}) - epoch_ms({x.sql})) // {_MICROSECONDS[unit] // 1000})"

    def months(p: str, q: str) -> str:
        """Return the most months that, added to p, do not pass q."""
        count = f"((year({q}) - year({p})) * 12 + month({q}) - month({p}))"
        passed = f"CASE WHEN {p} + to_months(CAST({count} AS INTEGER)) > {q} THEN 1 ELSE 0 END"
        return f"(({count} - {passed}) // {_MONTHS[unit]})"

    return let(
        x.sql,
        lambda a: let(y.sql, lambda b: f"CASE WHEN {a} <= {b} THEN {months(a, b)} ELSE -{months(b, a)} END"),
    )


@function(SCALARS, "date(any) -> date")
def _date(value: Value) -> Value:
    return cast(value, DATE)


_MYSQL = {
    "a": "%a", "b": "%b", "c": "%-m", "d": "%d", "e": "%-d", "f": "%f", "H": "%H", "h": "%I", "I": "%I", "i": "%M",
    "j": "%j", "k": "%-H", "l": "%-I", "M": "%B", "m": "%m", "p": "%p", "r": "%I:%M:%S %p", "S": "%S", "s": "%S",
    "T": "%H:%M:%S", "v": "%V", "W": "%A", "x": "%G", "Y": "%Y", "y": "%y", "%": "%%",
}  # fmt: skip
_JODA = {
    "yyyy": "%Y", "yy": "%y", "y": "%Y", "YYYY": "%Y", "MM": "%m", "M": "%-m", "dd": "%d", "d": "%-d", "HH": "%H",
    "H": "%-H", "hh": "%I", "h": "%-I", "mm": "%M", "m": "%-M", "ss": "%S", "s": "%-S", "SSS": "%g", "a": "%p",
    "EEE": "%a", "EEEE": "%A", "E": "%a", "MMM": "%b", "MMMM": "%B", "xxxx": "%G", "ww": "%V", "DDD": "%j", "e": "%u",
}  # fmt: skip
_NOT_PARSED = {"%a", "%A", "%V", "%G", "%j", "%u", "%I:%M:%S %p", "%T"}


def _known(letters: str, table: Mapping[str, str], mark: str, parse: bool) -> str:
    known = table.get(letters)
    if known is None and mark == "%" and letters not in "DUuVwX":
        return letters
    if known is None or (parse and known in _NOT_PARSED):
        raise unsupported(f"{mark}{letters} in a format")
    return known.replace("%-", "%") if parse else known


def _mysql_format(value: Value, parse: bool = False) -> str:
    format_ = literal_text(value, "format")
    if format_.endswith("%") and len(format_) % 2:
        raise unsupported(f"format {format_!r}")
    return quoted(re.sub(r"%(.)", lambda match: _known(match[1], _MYSQL, "%", parse), format_, flags=re.DOTALL))


def _joda_format(value: Value, parse: bool = False) -> str:
    parts = []
    for match in re.finditer(r"'((?:[^']|'')*)'|(([A-Za-z])\3*)|([^A-Za-z'])|'", literal_text(value, "format")):
        if match[0] == "'":
            raise invalid("INVALID_FUNCTION_ARGUMENT: Unterminated quote in the format")
        if match[2]:
            parts.append(_known(match[2], _JODA, "", parse))
        else:
            plain = match[4] or (match[1].replace("''", "'") or "'")
            parts.append(plain.replace("%", "%%"))
    return quoted("".join(parts))


def _parsed(text: str, format_: str) -> str:
    """Return a parsed time. Where a format has no year, Trino takes 2000, or 1970 if it has no day and month either."""
    year = "" if re.search(r"%[Yy]", format_) else "2000 " if re.search("%[mdbB]", format_) else "1970 "
    # DuckDB passes over blanks that the format has not.
    checked = f"CASE WHEN regexp_matches({text}, '^\\s|\\s$|\\s\\s') THEN '!' ELSE {text} END"
    return f"strptime('{year}' || {checked}, '{'%Y ' if year else ''}{format_[1:]})"


@function(SCALARS, "date_format(M, varchar) -> varchar")
def _date_format(value: Value, format_: Value) -> str:
    return f"strftime({wall(value).sql}, {_mysql_format(format_)})"


@function(SCALARS, "format_datetime(M, varchar) -> varchar")
def _format_datetime(value: Value, format_: Value) -> str:
    return f"strftime({wall(value).sql}, {_joda_format(format_)})"


@function(SCALARS, "date_parse(varchar, varchar) -> timestamp")
def _date_parse(text: Value, format_: Value) -> str:
    return rounded(_parsed(text.sql, _mysql_format(format_, parse=True)), 3)


@function(SCALARS, "parse_datetime(varchar, varchar) -> timestamp with time zone")
def _parse_datetime(text: Value, format_: Value) -> str:
    return f"timezone('UTC', {_parsed(text.sql, _joda_format(format_, parse=True))})"


@function(SCALARS, "to_iso8601(M) -> varchar")
def _to_iso8601(value: Value) -> str:
    if value.type == DATE:
        return f"CAST({value.sql} AS VARCHAR)"
    text = stamp_text(wall(value), "T")
    if value.type.name == "timestamp":
        return text

    def offset(minutes: str) -> str:
        hours, rest = f"abs({minutes}) // 60", f"abs({minutes}) % 60"
        clock = f"lpad(CAST({hours} AS VARCHAR), 2, '0') || ':' || lpad(CAST({rest} AS VARCHAR), 2, '0')"
        return f"CASE WHEN {minutes} = 0 THEN 'Z' ELSE CASE WHEN {minutes} < 0 THEN '-' ELSE '+' END || {clock} END"

    return f"({text} || {let(offset_minutes(value), offset)})"


_ISO = (
    r"([0-9]{4}(?:-[0-9]{1,2}(?:-[0-9]{1,2})?)?)(?:T([0-9]{1,2}(?::[0-9]{1,2}(?::[0-9]{1,2}(?:[.,][0-9]{1,9})?)?)?))?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?"
)


@function(SCALARS, "from_iso8601_timestamp(varchar) -> any")
def _from_iso8601_timestamp(text: Value) -> Value:
    def read(s: str) -> str:
        day, clock, zone = (f"regexp_extract({s}, {quoted(_ISO)}, {group})" for group in (1, 2, 3))
        time = (
            f"CASE WHEN {clock} = '' THEN '00:00' WHEN {clock} NOT LIKE '%:%' THEN {clock} || ':00' "
            f"ELSE replace({clock}, ',', '.') END"
        )
        dashes = f"length({day}) - length(replace({day}, '-', ''))"
        missing = f"CASE {dashes} WHEN 0 THEN '-1-1' WHEN 1 THEN '-1' ELSE '' END"
        stamp = rounded(f"CAST({day} || {missing} || ' ' || {time} AS TIMESTAMP)", 3)
        minutes = f"CAST({zone}[2:3] AS INTEGER) * 60 + CAST({zone}[-2:] AS INTEGER)"
        offset = f"CASE WHEN {zone} IN ('', 'Z') THEN 0 ELSE CAST({zone}[1] || '1' AS INTEGER) * ({minutes}) END"
        return (
            f"CASE WHEN regexp_full_match({s}, {quoted(_ISO)}) THEN timezone('UTC', {stamp} - to_minutes({offset})) "
            f"ELSE CAST('!' || {s} || ' is not an ISO 8601 timestamp' AS TIMESTAMPTZ) END"
        )

    # The zone is that of the text, which is known here only if it is a literal.
    zone = None
    if isinstance(text.literal, str):
        offset = re.search(r"T.*([+-]\d\d):?(\d\d)$", text.literal)
        zone = quoted(f"{offset[1]}:{offset[2]}") if offset else UTC
    return Value(let(text.sql, read), zoned(3, zone))


@function(SCALARS, "from_iso8601_date(varchar) -> date")
def _from_iso8601_date(text: Value) -> str:
    failure = f"CAST('!' || {text.sql} || ' is not an ISO 8601 date that the local engine reads' AS DATE)"
    pattern = "'[0-9]{4}-[0-9]{2}-[0-9]{2}'"
    return f"CASE WHEN regexp_full_match({text.sql}, {pattern}) THEN CAST({text.sql} AS DATE) ELSE {failure} END"


_WRONG_WAY = "INVALID_FUNCTION_ARGUMENT: sequence stop value should be greater than or equal to start value"


def _of_limited_length(series: str, item: Type) -> str:
    long = fail(
        "INVALID_FUNCTION_ARGUMENT: result of sequence function must not have more than 10000 entries", array(item)
    )
    return let(series, lambda items: f"CASE WHEN len({items}) > 10000 THEN {long} ELSE {items} END")


@function(SCALARS, "sequence(bigint, bigint) -> array(bigint)", "sequence(bigint, bigint, bigint) -> array(bigint)")
def _sequence(start: Value, stop: Value, step: Value | None = None) -> str:
    if step is None:
        by = f"CASE WHEN {start.sql} <= {stop.sql} THEN 1 ELSE -1 END"
        return _of_limited_length(f"generate_series({start.sql}, {stop.sql}, {by})", BIGINT)
    wrong = f"{step.sql} = 0 OR ({stop.sql} - {start.sql}) * sign({step.sql}) < 0"
    series = _of_limited_length(f"generate_series({start.sql}, {stop.sql}, {step.sql})", BIGINT)
    return f"CASE WHEN {wrong} THEN {fail(_WRONG_WAY, array(BIGINT))} ELSE {series} END"


@function(SCALARS, "sequence(M, M) -> array(M)", "sequence(M, M, any) -> array(M)")
def _sequence_of_moments(start: Value, stop: Value, step: Value | None = None) -> Value:
    type_ = start.type
    by = step or Value("to_days(1)", DAYS, 86_400)
    if type_.name == "timestamp with time zone" or (step is None and type_ != DATE) or by.type not in (DAYS, MONTHS):
        raise unsupported(f"sequence of {type_} by {by.type}")
    if type_ == DATE and by.type == DAYS and not (isinstance(by.literal, (int, float)) and by.literal % 86_400 == 0):
        raise invalid("INVALID_FUNCTION_ARGUMENT: sequence step must be a day interval for dates")
    first, last = (f"CAST({value.sql} AS TIMESTAMP)" for value in (start, stop))
    series = f"generate_series({first}, {last}, {by.sql})"
    if type_ == DATE:
        name = fresh(series)
        series = f"list_transform({series}, lambda {name}: CAST({name} AS DATE))"
    series = _of_limited_length(series, type_)
    wrong = f"{first} + {by.sql} > {first} AND {first} > {last} OR {first} + {by.sql} < {first} AND {first} < {last}"
    return Value(f"CASE WHEN {wrong} THEN {fail(_WRONG_WAY, array(type_))} ELSE {series} END", array(type_))
