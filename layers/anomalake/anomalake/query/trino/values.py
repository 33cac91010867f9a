"""Values: DuckDB's text of an expression with Trino's type, and the coercions that Trino makes by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

from anomalake.query.trino.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INTEGER,
    UNKNOWN,
    Type,
    common,
    decimal,
    field_names,
    identifier,
    invalid,
    row,
    stored,
    unsupported,
    varchar,
    zoned,
)

_LONGEST_TEXT = 1_000_000
#: Length from which `let` evaluates an expression once. DuckDB 2.0 cannot have every expression in a lambda.
LONG = 1_500
_VARIABLE = re.compile(r"\bv(\d+)\b")
# Parameters without a name yet. No text of a query has NUL.
_UNNAMED = count()


@dataclass(frozen=True, slots=True)
class Value:
    """An expression.

    Attributes
    ----------
    sql
        Its text in DuckDB's dialect.
    type
        Its type in Trino.
    literal
        The value of a literal; None for any other expression.
    """

    sql: str
    type: Type
    literal: str | int | float | bool | Decimal | None = None

    def __post_init__(self) -> None:
        if len(self.sql) > _LONGEST_TEXT:
            raise unsupported("an expression that is nested so deeply")


NULL = Value("NULL", UNKNOWN)


def quoted(text: str) -> str:
    """Return a text as a literal of DuckDB."""
    if "\0" in text:
        raise unsupported("a text with NUL")
    return "'" + text.replace("'", "''") + "'"


def null(type_: Type) -> str:
    return f"CAST(NULL AS {stored(type_)})"


def fail(message: str, type_: Type) -> str:
    """Return an expression that fails when it is evaluated. DuckDB's error() is volatile and cannot be in TRY."""
    return f"CAST(CAST({quoted('!' + message)} AS INTEGER) AS {stored(type_)})"


def fresh(*texts: str) -> str:
    """Return a name for a parameter of a lambda that none of the texts has.

    Equal expressions get equal names, because DuckDB matches the expressions of GROUP BY by their text.
    """
    return f"v{max((int(number) for text in texts for number in _VARIABLE.findall(text)), default=0) + 1}"


def bind(body: Callable[[str], str], *texts: str) -> tuple[str, str]:
    """Return the name of a lambda's parameter and its body, in which no other lambda has that name."""
    unnamed = f"\0{next(_UNNAMED)}\0"
    text = body(unnamed)
    name = fresh(text, *texts)
    return name, text.replace(unnamed, name)


def let(sql: str, body: Callable[[str], str]) -> str:
    """Use an expression several times in a text: long ones are evaluated once, so that texts do not multiply."""
    if len(sql) < LONG:
        return body(sql)
    name, text = bind(body, sql)
    return f"list_transform([{sql}], lambda {name}: {text})[1]"


def over(list_: str, element: Type, body: Callable[[Value], str], function: str = "list_transform") -> str:
    """Apply a function with a lambda of one parameter, such as ``list_transform``, to a list."""
    name, text = bind(lambda name: body(Value(name, element)), list_)
    return f"{function}({list_}, lambda {name}: {text})"


def fields_of(value: Value) -> list[Value]:
    """Return the fields of a row."""
    names = field_names(value.type)
    return [
        Value(f"({value.sql}).{identifier(name)}", item) for name, item in zip(names, value.type.items, strict=True)
    ]


def row_of(values: Sequence[Value], type_: Type | None = None) -> Value:
    type_ = type_ or row(tuple(value.type for value in values))
    packed = zip(field_names(type_), values, strict=True)
    return Value(f"struct_pack({', '.join(f'{identifier(name)} := {value.sql}' for name, value in packed)})", type_)


def mismatch(operator: str, left: Type, right: Type) -> Exception:
    return invalid(f"TYPE_MISMATCH: Cannot apply operator: {left} {operator} {right}")


def common_of(left: Type, right: Type, operator: str = "=") -> Type:
    """Return the common type; raises `QueryError` if there is none."""
    type_ = common(left, right)
    if type_ is None:
        raise mismatch(operator, left, right)
    return type_


def unify(values: Sequence[Value]) -> tuple[Type, list[Value]]:
    """Coerce values to their common type."""
    type_ = UNKNOWN
    for value in values:
        type_ = common_of(type_, value.type)
    return type_, [coerce(value, type_) for value in values]


def coerce(value: Value, to: Type) -> Value:
    """Convert a value as Trino does by itself; raises `QueryError` if Trino does not."""
    from_ = value.type
    if from_ == to:
        return value
    if from_ == UNKNOWN:
        return Value(null(to), to)
    if from_.name == to.name and from_.name in ("varchar", "timestamp", "time"):
        return Value(value.sql, to, value.literal)
    if from_.name == to.name == "timestamp with time zone":
        return Value(value.sql, to)
    if to.name == "timestamp with time zone" and from_.is_moment:
        return Value(f"timezone('UTC', CAST({value.sql} AS TIMESTAMP))", zoned(to.precision, "'UTC'"))
    if (from_.name == "date" and to.name == "timestamp") or (from_.is_whole and to.is_number):
        return Value(f"CAST({value.sql} AS {stored(to)})", to, value.literal)
    if from_.name == "decimal" and to.is_float:
        # Up to 15 digits DuckDB's cast is exact; of more digits it rounds twice.
        text = value.sql if from_.precision <= 15 else f"CAST({value.sql} AS VARCHAR)"
        return Value(f"CAST({text} AS {stored(to)})", to, value.literal)
    if from_.is_number and to.is_number:
        return Value(f"CAST({value.sql} AS {stored(to)})", to, value.literal)
    if from_.name == to.name == "array" and stored(from_) != stored(to):
        element = to.items[0]
        if from_.items[0] == UNKNOWN:
            return Value(f"CAST({value.sql} AS {stored(to)})", to)
        return Value(over(value.sql, from_.items[0], lambda item: coerce(item, element).sql), to)
    if from_.name == to.name == "row":
        packed = row_of([coerce(field, item) for field, item in zip(fields_of(value), to.items, strict=True)], to)
        return Value(f"CASE WHEN {value.sql} IS NOT NULL THEN {packed.sql} END", to)
    if from_.name == to.name and stored(from_) == stored(to):
        return Value(value.sql, to)
    if from_.name == to.name == "map":
        return Value(map_entries(value, to, lambda k, v: (coerce(k, to.items[0]), coerce(v, to.items[1]))), to)
    raise invalid(f"TYPE_MISMATCH: Cannot coerce {from_} to {to}")


def map_entries(value: Value, to: Type, change: Callable[[Value, Value], tuple[Value, Value]]) -> str:
    """Return a map whose keys and values are changed."""
    key, item = value.type.items

    def entry(name: Value) -> str:
        changed = change(Value(f"{name.sql}.key", key), Value(f"{name.sql}.value", item))
        return f"struct_pack(k := CAST({changed[0].sql} AS {stored(to.items[0])}), v := {changed[1].sql})"

    return f"map_from_entries({over(f'map_entries({value.sql})', value.type, entry)})"


def condition(value: Value, where: str = "Logical expression term") -> str:
    """Return a boolean's text; raises `QueryError` for other types."""
    if value.type == UNKNOWN:
        return null(BOOLEAN)
    if value.type != BOOLEAN:
        raise invalid(f"TYPE_MISMATCH: {where} must evaluate to a boolean (actual: {value.type})")
    return value.sql


def literal(value: str | int | float | Decimal) -> Value:
    """Return the value of a literal of Trino."""
    if isinstance(value, str):
        return Value(quoted(value), varchar(len(value)), value)
    if isinstance(value, int):
        return Value(str(value), INTEGER if -(2**31) <= value < 2**31 else BIGINT, value)
    if isinstance(value, float):
        return Value(f"CAST('{value!r}' AS DOUBLE)", DOUBLE, value)
    _, digits, exponent = value.as_tuple()
    scale = -int(exponent)
    type_ = decimal(max(1, len(digits) if any(digits) else scale, scale), scale)
    return Value(f"CAST('{value:f}' AS {stored(type_)})", type_, value)
