"""CAST and TRY_CAST."""

from __future__ import annotations

import json
from collections.abc import Callable

from anomalake.query.trino import zones
from anomalake.query.trino.types import (
    DOUBLE,
    JSON,
    REAL,
    UNKNOWN,
    VARCHAR,
    Type,
    invalid,
    stored,
    unsupported,
)
from anomalake.query.trino.values import (
    Value,
    coerce,
    fields_of,
    let,
    map_entries,
    null,
    over,
    quoted,
    row_of,
)

#: White space of Java's `Character.isWhitespace`, in ASCII.
WHITE = "chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(28) || chr(29) || chr(30) || chr(31) || ' '"
_WHOLE = r"\s*[+-]?[0-9]+\s*"
_DOUBLE = r"\s*[+-]?(NaN|Infinity|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[fFdD]?)\s*"
_HEXADECIMAL = r"\s*[+-]?0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]{1,9}[fFdD]?\s*"
_DECIMAL = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_DATE = r"\s*[+-]?[0-9]{1,6}-[0-9]{1,2}-[0-9]{1,2}\s*"
_TIME = r"[0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\.[0-9]{1,6})?)?"
_STAMP = (
    r"\s*([+-]?[0-9]{4,6}-[0-9]{1,2}-[0-9]{1,2}(?: [0-9]{1,2}:[0-9]{1,2}(?::[0-9]{1,2}(?:\.[0-9]{1,12})?)?)?)"
    r"\s*(Z|UTC|[+-][0-9]{2}:[0-9]{2}|[A-Z][A-Za-z_]+/[A-Za-z_/]+)?\s*"
)


def cast(value: Value, to: Type, soft: bool = False) -> Value:
    """Convert a value as CAST does, or if `soft` as TRY_CAST, which returns NULL where CAST fails.

    Raises
    ------
    QueryError
        Trino or the local engine has no such cast.
    """
    from_ = value.type
    if from_ == UNKNOWN:
        return Value(null(to), to)
    if from_ == to and not from_.is_nested:
        return Value(value.sql, to, value.literal)
    if to.name == "varchar" and to.numbers:
        return _to_short_text(value, to, soft)
    if (from_.name, to.name) in _IMPOSSIBLE or (from_.is_whole and to.is_moment):
        raise invalid(f"TYPE_MISMATCH: Cannot cast {from_} to {to}")
    kind = "whole" if from_.is_whole else "number" if from_.is_number else from_.name
    convert = _CASTS.get(from_.name) or _CASTS.get(kind)
    result = convert(value, to, soft) if convert else None
    if to == JSON and result is None:
        result = _to_json(value)
    if result is None:
        raise unsupported(f"CAST of {from_} to {to}")
    return result if isinstance(result, Value) else Value(result, to)


_IMPOSSIBLE = {
    (name, other)
    for name in ("boolean", "date", "timestamp", "timestamp with time zone", "array", "map", "row")
    for other in ("tinyint", "smallint", "integer", "bigint", "double", "real", "decimal")
    if name != "boolean"
} | {
    ("boolean", "date"), ("boolean", "timestamp"), ("double", "date"), ("decimal", "date"), ("double", "timestamp"),
    ("decimal", "timestamp"), ("date", "boolean"), ("timestamp", "boolean"), ("date", "time"), ("array", "varchar"),
    ("map", "varchar"), ("row", "varchar"),
}  # fmt: skip

_Result = Value | str | None


def _plain(value: Value, to: Type, soft: bool) -> str:
    return f"{'TRY_CAST' if soft else 'CAST'}({value.sql} AS {stored(to)})"


def _failure(text: str, to: Type, soft: bool) -> str:
    if soft:
        return null(to)
    return f"CAST(CAST('!Cannot cast ''' || {text} || ''' to {to}' AS INTEGER) AS {stored(to)})"


def _to_short_text(value: Value, to: Type, soft: bool) -> Value:
    if value.type.name == "varchar":
        shorter = value.type.numbers and value.type.precision <= to.precision
        return Value(value.sql if shorter else f"substr({value.sql}, 1, {to.precision})", to, value.literal)
    text = cast(value, VARCHAR, soft).sql
    return Value(
        let(text, lambda s: f"CASE WHEN length({s}) > {to.precision} THEN {_failure(s, to, soft)} ELSE {s} END"), to
    )


def _from_text(value: Value, to: Type, soft: bool) -> _Result:
    if to == VARCHAR:
        return Value(value.sql, to, value.literal)
    if to == JSON:
        return f"trino_json_text({value.sql})"
    if to.name == "timestamp with time zone":
        if not isinstance(value.literal, str):
            raise unsupported("CAST of varchar to timestamp with time zone, other than of a literal,")
        return zones.literal_instant(value.literal, to.precision)
    parse = "TRY_CAST" if soft else "CAST"

    def checked(pattern: str, converted: Callable[[str], str]) -> str:
        return let(
            value.sql,
            lambda s: (
                f"CASE WHEN regexp_full_match({s}, {quoted(pattern)}) THEN {converted(s)} "
                f"ELSE {_failure(s, to, soft)} END"
            ),
        )

    if to.is_whole:
        return checked(_WHOLE, lambda s: f"{parse}(trim({s}, {WHITE}) AS {stored(to)})")
    if to.is_float:
        return let(
            value.sql,
            lambda s: (
                f"CASE WHEN regexp_full_match({s}, {quoted(_HEXADECIMAL)}) THEN trino_hexadecimal({s}) "
                f"WHEN regexp_full_match({s}, {quoted(_DOUBLE)}) THEN {parse}(rtrim(trim({s}, {WHITE}), "
                f"CASE WHEN {s} LIKE '%y%' OR {s} LIKE '%N%' THEN '' ELSE 'fFdD' END) AS {stored(to)}) "
                f"ELSE {_failure(s, to, soft)} END"
            ),
        )
    if to.name == "decimal":
        return checked(_DECIMAL, lambda s: f"{parse}({s} AS {stored(to)})")
    if to.name == "boolean":
        return let(
            value.sql,
            lambda s: (
                f"CASE WHEN lower({s}) IN ('t', 'true', '1') THEN true WHEN lower({s}) IN ('f', 'false', '0') "
                f"THEN false WHEN {s} IS NULL THEN NULL ELSE {_failure(s, to, soft)} END"
            ),
        )
    if to.name == "date":
        return checked(_DATE, lambda s: f"{parse}(trim({s}, {WHITE}) AS DATE)")
    if to.name == "time":
        return checked(_TIME, lambda s: f"{parse}(lpad({s}, greatest(length({s}), 5), '0') AS TIME)")
    if to.name == "timestamp":
        return checked(
            _STAMP,
            lambda s: zones.rounded(f"{parse}(regexp_extract({s}, {quoted(_STAMP)}, 1) AS TIMESTAMP)", to.precision),
        )
    return None


def _from_whole(value: Value, to: Type, soft: bool) -> _Result:
    if to.is_number or to == VARCHAR:
        return _plain(value, to, soft)
    if to.name == "boolean":
        return f"({value.sql} <> 0)"
    return f"CAST({value.sql} AS VARCHAR)" if to == JSON else None


def _from_decimal(value: Value, to: Type, soft: bool) -> _Result:
    if to.is_float:
        return coerce(value, to)
    if to.is_number:
        return _plain(value, to, soft)
    if to.name == "boolean":
        return f"({value.sql} <> 0)"
    return decimal_text(value) if to in (VARCHAR, JSON) else None


def _from_double(value: Value, to: Type, soft: bool) -> _Result:
    parse = "TRY_CAST" if soft else "CAST"
    if to.is_whole:
        return f"{parse}(round({value.sql}) AS {stored(to)})"
    if to.name == "decimal":
        return f"{parse}(CAST({value.sql} AS VARCHAR) AS {stored(to)})"
    if to.is_float:
        return _plain(value, to, soft)
    if to.name == "boolean":
        return f"({value.sql} <> 0)"
    if value.type == REAL:
        return None
    if to == VARCHAR:
        return f"trino_double_text({value.sql})"
    return f"trino_java_double({value.sql})" if to == JSON else None


def _from_boolean(value: Value, to: Type, soft: bool) -> _Result:
    return _plain(value, to, soft) if to.is_whole or to in (VARCHAR, DOUBLE, REAL, JSON) else None


def _from_moment(value: Value, to: Type, soft: bool) -> _Result:
    from_ = value.type
    if to.name == "timestamp with time zone":
        if from_.name != to.name:
            return coerce(value, to)
        if to.precision >= from_.precision:
            return Value(value.sql, Type(to.name, to.numbers, zone=from_.zone))
        text = zones.rounded(value.sql, to.precision, "make_timestamptz")
        return Value(text, Type(to.name, to.numbers, zone=from_.zone))
    local = zones.wall(value)
    if to == JSON:
        return f"('\"' || {_moment_text(value)} || '\"')"
    if to == VARCHAR:
        return _moment_text(value)
    if to.name == "timestamp" and local.type.name == "timestamp" and to.precision < local.type.precision:
        return zones.rounded(local.sql, to.precision)
    if to.name == "timestamp" and local.type.name == "timestamp":
        return Value(local.sql, to, local.literal)
    return f"CAST({local.sql} AS {stored(to)})" if to.is_moment or to.name == "time" else None


def _moment_text(value: Value) -> str:
    if value.type.name == "date":
        return f"CAST({value.sql} AS VARCHAR)"
    text = zones.stamp_text(zones.wall(value))
    return f"({text} || ' ' || {value.type.zone})" if value.type.zone else text


def _from_json(value: Value, to: Type, soft: bool) -> _Result:
    if to.name in ("array", "map", "row") and soft:
        raise unsupported(f"TRY_CAST of json to {to}; use TRY(CAST(…)), which")
    if to.name == "array":
        items = f"trino_json_items({value.sql})"
        elements = over(items, JSON, lambda item: cast(item, to.items[0]).sql)
        return Value(_by_duckdb(value, to, elements) if to.items[0].name == "row" else elements, to)
    if to.name == "map":
        texts = Value(f"trino_json_entries({value.sql})", Type("map", items=(VARCHAR, JSON)))
        return Value(map_entries(texts, to, lambda k, v: (cast(k, to.items[0]), cast(v, to.items[1]))), to)
    if to.name == "row":
        names = quoted(json.dumps([name or "" for name in to.fields]))

        def packed(fields: Value) -> str:
            values = [cast(Value(f"{fields.sql}[{place}]", JSON), item) for place, item in enumerate(to.items, start=1)]
            return f"CASE WHEN {fields.sql} IS NOT NULL THEN {row_of(values, to).sql} END"

        return Value(f"{over(f'[trino_json_fields({value.sql}, {names})]', JSON, packed)}[1]", to)
    if to.name == "decimal":
        return f"{'TRY_CAST' if soft else 'CAST'}(trino_json_decimal({value.sql}, {to.scale}) AS {stored(to)})"
    function = {"varchar": "varchar", "double": "double", "boolean": "boolean"}.get(to.name)
    if to.is_whole:
        function = "bigint"
    if function is None:
        return None
    text = f"trino_json_{function}({value.sql})"
    text = f"TRY({text})" if soft else text
    return f"{'TRY_CAST' if soft else 'CAST'}({text} AS {stored(to)})"


#: A number in JSON whose text as a varchar is not the number as it is written.
_REWRITTEN = r"[:,\[]\s*(-?[0-9]+[.eE]|-0)"


def _by_duckdb(value: Value, to: Type, otherwise: str) -> str:
    """Return rows that DuckDB reads from JSON, much faster than Python; Python reads what DuckDB refuses.

    The time series of alerts in CSV are such rows.
    """
    text = value.sql.removeprefix("trino_json_parse") if value.sql.startswith("trino_json_parse(") else value.sql
    read = f"CAST(CAST({text} AS JSON) AS {stored(to)})"
    return f"coalesce(TRY(CASE WHEN NOT regexp_matches({text}, {quoted(_REWRITTEN)}) THEN {read} END), {otherwise})"


def _to_json(value: Value) -> Value | None:
    """Return arrays, maps and rows as JSON; a row as an object, as Trino does."""
    type_, sql = value.type, value.sql

    def text(item: Value) -> str:
        return f"coalesce({cast(item, JSON).sql}, 'null')"

    if type_.name == "array":
        return Value(f"('[' || array_to_string({over(sql, type_.items[0], text)}, ',') || ']')", JSON)
    if type_.name == "map" and type_.items[0].name == "varchar":

        def entry(item: Value) -> str:
            return f"trino_json_text({item.sql}.key) || ':' || {text(Value(f'{item.sql}.value', type_.items[1]))}"

        entries = over(f"list_sort(map_entries({sql}))", type_, entry)
        return Value(f"('{{' || array_to_string({entries}, ',') || '}}')", JSON)
    if type_.name == "row":
        names = (quoted(json.dumps(name or "", ensure_ascii=False) + ":") for name in type_.fields)
        parts = [f"{name} || {text(field)}" for name, field in zip(names, fields_of(value), strict=True)]
        return Value(f"CASE WHEN {sql} IS NOT NULL THEN '{{' || {' || chr(44) || '.join(parts)} || '}}' END", JSON)
    return None


def _from_array(value: Value, to: Type, soft: bool) -> _Result:
    if to.name != "array":
        return None
    if value.type.items[0] == UNKNOWN:
        return f"CAST({value.sql} AS {stored(to)})"
    return over(value.sql, value.type.items[0], lambda item: cast(item, to.items[0]).sql)


def _from_row(value: Value, to: Type, soft: bool) -> _Result:
    if to.name != "row" or len(to.items) != len(value.type.items):
        return None
    fields = [cast(field, item) for field, item in zip(fields_of(value), to.items, strict=True)]
    return f"CASE WHEN {value.sql} IS NOT NULL THEN {row_of(fields, to).sql} END"


def _from_map(value: Value, to: Type, soft: bool) -> _Result:
    if to.name != "map":
        return None
    return map_entries(value, to, lambda k, v: (cast(k, to.items[0]), cast(v, to.items[1])))


def decimal_text(value: Value) -> str:
    """Return the text of a decimal. DuckDB writes ``.5`` if all digits are decimals."""
    text = f"CAST({value.sql} AS VARCHAR)"
    return text if value.type.precision > value.type.scale else f"regexp_replace({text}, '^(-?)\\.', '\\10.')"


_CASTS: dict[str, Callable[[Value, Type, bool], _Result]] = {
    "varchar": _from_text, "whole": _from_whole, "decimal": _from_decimal, "double": _from_double,
    "real": _from_double, "boolean": _from_boolean, "date": _from_moment, "timestamp": _from_moment,
    "timestamp with time zone": _from_moment, "json": _from_json, "array": _from_array, "row": _from_row,
    "map": _from_map,
}  # fmt: skip
