"""Arithmetic and comparison."""

from __future__ import annotations

from decimal import Decimal

from anomalake.query.trino.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DAYS,
    JSON,
    MONTHS,
    UNKNOWN,
    Type,
    as_decimal,
    common,
    decimal,
    invalid,
    stored,
    timestamp,
    unsupported,
)
from anomalake.query.trino.values import (
    Value,
    coerce,
    common_of,
    fields_of,
    fresh,
    let,
    mismatch,
    null,
    over,
    unify,
)
from anomalake.query.trino.zones import instant, wall

_DAY = 86_400
_INTERVALS = (DAYS, MONTHS)


def arithmetic(operator: str, left: Value, right: Value) -> Value:
    """Return ``one operator other`` for ``+ - * / %``."""
    if left.type == right.type == UNKNOWN:
        raise invalid(f"TYPE_MISMATCH: Cannot apply operator: unknown {operator} unknown")
    if left.type in _INTERVALS or right.type in _INTERVALS:
        return _interval(operator, left, right)
    if left.type.is_moment or right.type.is_moment:
        return _between_moments(operator, left, right)
    type_ = common(left.type, right.type)
    if type_ is None or not type_.is_number:
        raise mismatch(operator, left.type, right.type)
    if type_.name == "decimal":
        if UNKNOWN in (left.type, right.type):
            return Value(null(type_), type_)
        return _of_decimals(operator, left, right)
    a, b = coerce(left, type_).sql, coerce(right, type_).sql
    return Value(f"({a} {'//' if operator == '/' and type_.is_whole else operator} {b})", type_)


def _between_moments(operator: str, left: Value, right: Value) -> Value:
    if UNKNOWN in (left.type, right.type):
        raise invalid("AMBIGUOUS_FUNCTION_CALL: Could not choose a best candidate operator")
    type_ = common(left.type, right.type)
    if operator != "-" or type_ is None:
        raise mismatch(operator, left.type, right.type)
    a, b = coerce(left, type_).sql, coerce(right, type_).sql
    if type_ == DATE:
        return Value(f"to_days(CAST({a} - {b} AS INTEGER))", DAYS)
    return Value(f"to_microseconds(epoch_us({a}) - epoch_us({b}))", DAYS)


def _interval(operator: str, left: Value, right: Value) -> Value:
    """Return an operation with an interval. The literal of an interval is its number of seconds or of months."""
    if operator in "+-" and left.type == right.type:
        return Value(f"({left.sql} {operator} {right.sql})", left.type)
    if operator == "*" and right.type in _INTERVALS:
        left, right = right, left
    if operator == "*" and right.type.is_whole:
        return _times(left, right)
    if operator == "+" and right.type.is_moment:
        left, right = right, left
    if operator not in "+-" or not left.type.is_moment or right.type not in _INTERVALS:
        raise mismatch(operator, left.type, right.type)
    if left.type == DATE:
        if right.type == DAYS and not (isinstance(right.literal, (int, float)) and right.literal % _DAY == 0):
            raise invalid("INVALID_FUNCTION_ARGUMENT: Cannot add hour, minutes or seconds to a date")
        return Value(f"CAST({left.sql} {operator} {right.sql} AS DATE)", DATE)
    if left.type.name == "timestamp with time zone" and right.type == MONTHS:
        return instant(f"({wall(left).sql} {operator} {right.sql})", left.type)
    type_ = left.type
    if type_.name == "timestamp" and right.type == DAYS:
        type_ = timestamp(max(3, type_.precision))
    return Value(f"({left.sql} {operator} {right.sql})", type_)


def _times(interval: Value, number: Value) -> Value:
    if isinstance(interval.literal, (int, float)) and isinstance(number.literal, int):
        return interval_of(interval.literal * number.literal, interval.type)
    if interval.type == MONTHS:
        raise unsupported("a product of a column and an interval of months")
    seconds = f"epoch_us(TIMESTAMP '1970-01-01' + {interval.sql})"
    return Value(f"to_microseconds({seconds} * {coerce(number, BIGINT).sql})", DAYS)


def interval_of(amount: float, type_: Type) -> Value:
    """Return a literal interval of seconds or months. Whole days are days, so that a date plus them is a date."""
    if type_ == MONTHS:
        return Value(f"to_months({int(amount)})", MONTHS, int(amount))
    if amount % _DAY == 0:
        return Value(f"to_days({int(amount) // _DAY})", DAYS, amount)
    return Value(f"to_microseconds({round(amount * 1_000_000)})", DAYS, amount)


def _of_decimals(operator: str, left: Value, right: Value) -> Value:
    a, b = as_decimal(left.type), as_decimal(right.type)
    scale = max(a.scale, b.scale)
    if operator in "+-":
        type_ = decimal(max(a.precision - a.scale, b.precision - b.scale) + scale + 1, scale)
        kept = stored(type_)
        return Value(f"CAST(CAST({left.sql} AS {kept}) {operator} CAST({right.sql} AS {kept}) AS {kept})", type_)
    if operator == "*":
        if a.scale + b.scale > 38:
            raise invalid(
                "INVALID_FUNCTION_ARGUMENT: DECIMAL scale must be in range [0, precision (38)]: "
                f"{a.scale + b.scale}; cast one side to fewer decimals or to double"
            )
        type_ = decimal(a.precision + b.precision, a.scale + b.scale)
        # DuckDB multiplies two short decimals in 64 bits, whatever the type of the result.
        long = decimal(max(a.precision, 19), a.scale) if type_.precision > 18 else a
        return Value(
            f"CAST(CAST({left.sql} AS {stored(long)}) * CAST({right.sql} AS {stored(b)}) AS {stored(type_)})", type_
        )
    if operator == "/":
        return divide(left, right)
    type_ = decimal(min(a.precision - a.scale, b.precision - b.scale) + scale, scale)
    wide = stored(decimal(max(a.precision - a.scale, b.precision - b.scale) + scale, scale))
    return Value(f"CAST(CAST({left.sql} AS {wide}) % CAST({right.sql} AS {wide}) AS {stored(type_)})", type_)


def divide(left: Value, right: Value) -> Value:
    """Return a quotient of decimals, rounded half up, on whole numbers of their last decimals."""
    a, b = as_decimal(left.type), as_decimal(right.type)
    scale = max(a.scale, b.scale)
    type_ = decimal(a.precision + b.scale + max(0, b.scale - a.scale), scale)
    shift = scale + b.scale - a.scale
    if shift > 38:
        raise invalid("NUMERIC_VALUE_OUT_OF_RANGE: Decimal overflow; cast one side to fewer decimals or to double")
    if a.precision + shift <= 38:
        top = f"{unscaled(left)} * {10**shift}::HUGEINT" if shift else unscaled(left)
        return Value(let(top, lambda x: let(unscaled(right), lambda y: scaled(half_up(x, y), type_))), type_)
    texts = f"CAST({left.sql} AS VARCHAR), CAST({right.sql} AS VARCHAR)"
    return Value(f"CAST(trino_decimal_divide({texts}, {type_.precision}, {scale}) AS {stored(type_)})", type_)


def unscaled(value: Value) -> str:
    """Return a decimal as a whole number of its last decimals."""
    type_ = as_decimal(value.type)
    if type_.scale == 0:
        return f"CAST({value.sql} AS HUGEINT)"
    if type_.precision + type_.scale + 1 <= 38:
        power = f"CAST({10**type_.scale} AS DECIMAL({type_.scale + 1},0))"
        return f"CAST(CAST({value.sql} AS {stored(type_)}) * {power} AS HUGEINT)"
    return f"CAST(replace(CAST({value.sql} AS VARCHAR), '.', '') AS HUGEINT)"


def scaled(number: str, type_: Type) -> str:
    """Return a whole number of last decimals as a decimal."""
    if type_.scale == 0:
        return f"CAST({number} AS {stored(type_)})"
    unit = f"CAST('{Decimal(1).scaleb(-type_.scale):f}' AS DECIMAL({type_.scale},{type_.scale}))"
    return f"CAST(CAST({number} AS DECIMAL(38,0)) * {unit} AS {stored(type_)})"


def half_up(left: str, right: str) -> str:
    """Return a quotient of whole numbers, rounded half away from zero."""
    return f"((({left}) * 2 * sign({right}) + sign({left}) * ({right})) // (abs({right}) * 2))"


def negate(value: Value) -> Value:
    number = value.literal
    negative = -number if isinstance(number, (int, float, Decimal)) and not isinstance(number, bool) else None
    if value.type.name == "decimal":
        return Value(f"CAST(-({value.sql}) AS {stored(value.type)})", value.type, negative)
    if value.type.is_number or value.type in _INTERVALS:
        return Value(f"(-{value.sql})", value.type, negative)
    raise invalid(f"TYPE_MISMATCH: Cannot negate {value.type}")


def equal(left: Value, right: Value) -> str:
    """Return ``one = other``: NULL if a part that decides it is NULL; NaN equals nothing."""
    type_ = common_of(left.type, right.type)
    x, y = coerce(left, type_), coerce(right, type_)
    if type_ == UNKNOWN:
        return null(BOOLEAN)
    if type_.name == "row":
        return f"({' AND '.join(equal(a, b) for a, b in zip(fields_of(x), fields_of(y), strict=True))})"
    if type_.name in ("array", "map"):
        return let(x.sql, lambda a: let(y.sql, lambda b: _equal_items(Value(a, type_), Value(b, type_))))
    return compare("=", left, right)


def _equal_items(x: Value, y: Value) -> str:
    item = x.type.items[-1]
    if x.type.name == "array":
        name = fresh(x.sql, y.sql)
        same = equal(Value(f"{name}[1]", item), Value(f"{name}[2]", item))
        pairs = f"list_transform(list_zip({x.sql}, {y.sql}), lambda {name}: {same})"
        size = "len"
    else:
        name = fresh(x.sql, y.sql)
        same = equal(Value(f"{x.sql}[{name}]", item), Value(f"{y.sql}[{name}]", item))
        found = f"CASE WHEN NOT map_contains({y.sql}, {name}) THEN false ELSE {same} END"
        pairs = f"list_transform(map_keys({x.sql}), lambda {name}: {found})"
        size = "cardinality"
    return (
        f"CASE WHEN {x.sql} IS NULL OR {y.sql} IS NULL THEN NULL "
        f"WHEN {size}({x.sql}) <> {size}({y.sql}) OR list_contains({pairs}, false) THEN false "
        f"WHEN {any_null(pairs, BOOLEAN)} THEN NULL ELSE true END"
    )


def any_null(list_: str, element: Type) -> str:
    """Whether a list has a NULL."""
    return f"list_contains({over(list_, element, lambda item: f'{item.sql} IS NULL')}, true)"


def compare(operator: str, left: Value, right: Value) -> str:
    """Return ``one operator other`` for ``= <> < <= > >=``. DuckDB takes NaN for equal to itself and above all."""
    type_ = common_of(left.type, right.type, operator)
    if type_ == UNKNOWN:
        return null(BOOLEAN)
    if type_ == JSON:
        if operator in ("=", "<>"):
            return f"({left.sql} {operator} {right.sql})"
        raise mismatch(operator, left.type, right.type)
    if type_.is_nested:
        return _compare_nested(operator, coerce(left, type_), coerce(right, type_))
    if type_ == MONTHS:
        raise unsupported("a comparison of intervals of months")
    a, b = coerce(left, type_).sql, coerce(right, type_).sql
    plain = f"({a} {operator} {b})"
    if not type_.is_float:
        return plain
    sure_a, sure_b = _is_never_nan(left), _is_never_nan(right)
    # A column above a literal keeps this form, which DuckDB pushes down to the files.
    larger, sure, other_sure = (b, sure_b, sure_a) if operator in ("<", "<=") else (a, sure_a, sure_b)
    if operator in ("<", "<=", ">", ">="):
        if sure:
            return plain
        return f"({plain} AND NOT isnan({larger}))" if other_sure else _with_nan(a, b, plain, "false")
    return plain if sure_a or sure_b else _with_nan(a, b, plain, "true" if operator == "<>" else "false")


def _is_never_nan(value: Value) -> bool:
    return value.literal is not None or not value.type.is_float


def _with_nan(a: str, b: str, plain: str, value: str) -> str:
    return f"CASE WHEN (isnan({a}) OR isnan({b})) AND {a} IS NOT NULL AND {b} IS NOT NULL THEN {value} ELSE {plain} END"


def _compare_nested(operator: str, x: Value, y: Value) -> str:
    if operator == "=":
        return equal(x, y)
    if operator == "<>":
        return f"(NOT {equal(x, y)})"
    if x.type.name != "row":
        if x.type.name == "map":
            raise mismatch(operator, x.type, y.type)
        raise unsupported(f"{operator} of {x.type}")
    pairs = list(zip(fields_of(x), fields_of(y), strict=True))
    text = compare(operator, *pairs[-1])
    for a, b in pairs[-2::-1]:
        text = f"CASE WHEN {equal(a, b)} THEN {text} ELSE {compare(operator[0], a, b)} END"
    return text


def distinct_from(left: Value, right: Value, *, is_not: bool) -> str:
    _, (a, b) = unify([left, right])
    return f"({a.sql} IS {'NOT ' if is_not else ''}DISTINCT FROM {b.sql})"


def concatenate(values: list[Value]) -> Value:
    """Return ``||`` of texts, or of arrays and elements."""
    if any(value.type.name == "array" for value in values):
        element = UNKNOWN
        for value in values:
            element = common_of(element, value.type.items[0] if value.type.name == "array" else value.type, "||")
        type_ = Type("array", items=(element,))
        # NULL has the type of an array here, as in Trino.
        parts = [
            coerce(value, type_).sql if value.type.name in ("array", "unknown") else f"[{coerce(value, element).sql}]"
            for value in values
        ]
        arrays = zip(parts, values, strict=True)
        nulls = " OR ".join(f"{part} IS NULL" for part, value in arrays if value.type.name in ("array", "unknown"))
        joined = parts[0]
        for part in parts[1:]:
            joined = f"list_concat({joined}, {part})"
        return Value(f"CASE WHEN {nulls} THEN NULL ELSE {joined} END", type_)
    types = [value.type for value in values]
    if all(type_.name == "varbinary" for type_ in types):
        return Value(f"({' || '.join(value.sql for value in values)})", types[0])
    if not all(type_.name == "varchar" for type_ in types):
        known = [type_ for type_ in types if type_ != UNKNOWN]
        if UNKNOWN in types and len(set(known)) == 1 and known[0].name == "varchar":
            # Trino takes NULL for an array here.
            return Value(null(Type("array", items=(known[0],))), Type("array", items=(known[0],)))
        raise invalid(f"FUNCTION_NOT_FOUND: Unexpected parameters ({', '.join(map(str, types))}) for function concat")
    return Value(f"({' || '.join(value.sql for value in values)})", Type("varchar"))
