"""Trino's types: their names, their storage in DuckDB, and the coercions between them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa
from sqlglot import exp

from anomalake.query.errors import QueryError


@dataclass(frozen=True, slots=True)
class Type:
    """A type of Trino.

    Attributes
    ----------
    name
        Its name without parameters.
    numbers
        Precision and scale, or the length of a varchar; empty if there is none.
    items
        Types of the elements of an array, of the key and value of a map, or of the fields of a row.
    fields
        Names of the fields of a row; None for a field without a name.
    zone
        Of a timestamp with time zone: SQL text of its zone; None if it is not known before the query runs.
    """

    name: str
    numbers: tuple[int, ...] = ()
    items: tuple[Type, ...] = ()
    fields: tuple[str | None, ...] = ()
    zone: str | None = None

    def __str__(self) -> str:
        numbers = ",".join(map(str, self.numbers))
        if self.name == "row":
            fields = zip(self.fields, self.items, strict=True)
            return f"row({', '.join(f'{name} {type_}' if name else str(type_) for name, type_ in fields)})"
        if self.items:
            return f"{self.name}({', '.join(map(str, self.items))})"
        if self.name == "timestamp with time zone":
            return f"timestamp({numbers}) with time zone"
        return f"{self.name}({numbers})" if numbers else self.name

    @property
    def is_whole(self) -> bool:
        return self.name in WHOLE

    @property
    def is_float(self) -> bool:
        return self.name in ("double", "real")

    @property
    def is_number(self) -> bool:
        return self.name in WHOLE or self.name in ("decimal", "double", "real")

    @property
    def is_moment(self) -> bool:
        return self.name in MOMENTS

    @property
    def is_nested(self) -> bool:
        return bool(self.items)

    @property
    def precision(self) -> int:
        return self.numbers[0]

    @property
    def scale(self) -> int:
        return self.numbers[1]


BOOLEAN, TINYINT, SMALLINT, INTEGER, BIGINT = map(Type, ("boolean", "tinyint", "smallint", "integer", "bigint"))
DOUBLE, REAL, VARCHAR, VARBINARY, JSON = map(Type, ("double", "real", "varchar", "varbinary", "json"))
DATE, DAYS, MONTHS = map(Type, ("date", "interval day to second", "interval year to month"))
#: The type of NULL, and of the elements of an empty array.
UNKNOWN = Type("unknown")
WHOLE = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}
MOMENTS = ("date", "timestamp", "timestamp with time zone")
LONGEST_DECIMAL = 38


def varchar(length: int | None = None) -> Type:
    return VARCHAR if length is None else Type("varchar", (length,))


def decimal(precision: int, scale: int) -> Type:
    """Return a decimal with at most 38 digits, to which Trino shortens the results of operations."""
    return Type("decimal", (min(LONGEST_DECIMAL, precision), scale))


def timestamp(precision: int = 3) -> Type:
    return Type("timestamp", (precision,))


def zoned(precision: int, zone: str | None) -> Type:
    return Type("timestamp with time zone", (precision,), zone=zone)


def array(element: Type) -> Type:
    return Type("array", items=(element,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", items=(key, value))


def row(items: tuple[Type, ...], fields: tuple[str | None, ...] | None = None) -> Type:
    return Type("row", items=items, fields=fields or (None,) * len(items))


def as_decimal(type_: Type) -> Type:
    """Return a whole number's type as a decimal; decimals as they are."""
    return decimal(WHOLE[type_.name], 0) if type_.is_whole else type_


def identifier(name: str) -> str:
    """Quote a name for DuckDB."""
    if "\0" in name:
        raise unsupported("a name with NUL")
    return '"' + name.replace('"', '""') + '"'


def field_names(type_: Type) -> list[str]:
    """Return the names in DuckDB of the fields of a row; Trino allows fields without a name."""
    return [name or f"f{place}" for place, name in enumerate(type_.fields)]


_STORED = {
    "real": "FLOAT", "json": "VARCHAR", "varbinary": "BLOB", "timestamp with time zone": "TIMESTAMPTZ",
    "interval day to second": "INTERVAL", "interval year to month": "INTERVAL", "unknown": "INTEGER",
}  # fmt: skip


def stored(type_: Type) -> str:
    """Return the type of DuckDB that holds the values."""
    if type_.name == "decimal":
        return f"DECIMAL({type_.precision},{type_.scale})"
    if type_.name == "array":
        return f"{stored(type_.items[0])}[]"
    if type_.name == "map":
        return f"MAP({stored(type_.items[0])}, {stored(type_.items[1])})"
    if type_.name == "row":
        fields = zip(field_names(type_), type_.items, strict=True)
        return f"STRUCT({', '.join(f'{identifier(name)} {stored(item)}' for name, item in fields)})"
    return _STORED.get(type_.name) or type_.name.upper()


def common(left: Type, right: Type) -> Type | None:
    """Return the type to which Trino coerces values of two types; None if there is none."""
    if left == right or right == UNKNOWN:
        return left
    if left == UNKNOWN:
        return right
    if left.is_number and right.is_number:
        return _common_number(left, right)
    if left.is_moment and right.is_moment:
        return _common_moment(left, right)
    if left.name != right.name or len(left.items) != len(right.items):
        return None
    if left.name == "varchar":
        return varchar(max(left.precision, right.precision) if left.numbers and right.numbers else None)
    if left.name == "time":
        return max(left, right, key=lambda type_: type_.precision)
    if not left.items:
        return None
    items = tuple(common(a, b) for a, b in zip(left.items, right.items, strict=True))
    known = tuple(item for item in items if item is not None)
    fields = tuple(a if a == b else None for a, b in zip(left.fields, right.fields, strict=True))
    return replace(left, items=known, fields=fields) if len(known) == len(items) else None


def _common_number(left: Type, right: Type) -> Type:
    if left.is_float or right.is_float:
        return DOUBLE if DOUBLE in (left, right) else REAL
    if left.is_whole and right.is_whole:
        return max(left, right, key=lambda type_: WHOLE[type_.name])
    left, right = as_decimal(left), as_decimal(right)
    scale = max(left.scale, right.scale)
    return decimal(max(left.precision - left.scale, right.precision - right.scale) + scale, scale)


def _common_moment(left: Type, right: Type) -> Type:
    precision = max(type_.precision for type_ in (left, right) if type_ != DATE)
    if left.name == right.name == "timestamp with time zone":
        return zoned(precision, left.zone if left.zone == right.zone else None)
    if "timestamp with time zone" in (left.name, right.name):
        # A timestamp without zone is taken for one in the session's zone, which is UTC.
        return zoned(precision, None)
    return timestamp(precision)


def coerces(from_: Type, to: Type) -> bool:
    """Whether Trino converts values of a type to another one by itself."""
    if to == VARCHAR:
        return from_.name in ("varchar", "unknown")
    return from_.name == to.name == "timestamp with time zone" or common(from_, to) == to


def type_of(node: exp.DataType) -> Type:
    """Return the type that a query names.

    Raises
    ------
    QueryError
        Trino or the local engine does not have it.
    """
    numbers = [int(str(size.this)) for size in node.expressions if isinstance(size, exp.DataTypeParam)]
    name = _NAMES.get(node.this)
    if name == "decimal":
        digits = (numbers + [LONGEST_DECIMAL, 0][len(numbers) :])[:2]
        if not (1 <= digits[0] <= LONGEST_DECIMAL and 0 <= digits[1] <= digits[0]):
            raise QueryError(f"query: INVALID_FUNCTION_ARGUMENT: decimal({digits[0]},{digits[1]}) is not a valid type")
        return decimal(*digits)
    if name == "varchar":
        return varchar(*numbers[:1])
    if name in ("timestamp", "time", "timestamp with time zone"):
        precision = numbers[0] if numbers else 3
        if precision > 6:
            raise unsupported(f"type {name}({precision}), finer than microseconds")
        return Type(name, (precision,))
    if name in ("array", "map"):
        return Type(name, items=tuple(map(type_of, node.expressions)))
    if name == "row":
        kinds = [part.args["kind"] if isinstance(part, exp.ColumnDef) else part for part in node.expressions]
        fields = tuple(part.name if isinstance(part, exp.ColumnDef) else None for part in node.expressions)
        return row(tuple(map(type_of, kinds)), fields)
    if name is None:
        raise unsupported(f"type {node.sql('trino').lower()}")
    return Type(name)


_NAMES = {
    exp.DType.BOOLEAN: "boolean", exp.DType.TINYINT: "tinyint", exp.DType.SMALLINT: "smallint",
    exp.DType.INT: "integer", exp.DType.BIGINT: "bigint", exp.DType.DOUBLE: "double", exp.DType.FLOAT: "real",
    exp.DType.DECIMAL: "decimal", exp.DType.VARCHAR: "varchar", exp.DType.TEXT: "varchar", exp.DType.JSON: "json",
    exp.DType.VARBINARY: "varbinary", exp.DType.DATE: "date", exp.DType.TIME: "time",
    exp.DType.TIMESTAMP: "timestamp", exp.DType.TIMESTAMPTZ: "timestamp with time zone",
    exp.DType.ARRAY: "array", exp.DType.MAP: "map", exp.DType.STRUCT: "row",
}  # fmt: skip


def type_of_arrow(type_: pa.DataType) -> Type:
    """Return the type of a column that Arrow describes."""
    if pa.types.is_decimal(type_):
        return decimal(type_.precision, type_.scale)
    if pa.types.is_timestamp(type_):
        return timestamp()
    if pa.types.is_map(type_):
        return map_of(type_of_arrow(type_.key_type), type_of_arrow(type_.item_type))
    if pa.types.is_list(type_):
        return array(type_of_arrow(type_.value_type))
    if pa.types.is_struct(type_):
        fields = list(type_)
        return row(tuple(type_of_arrow(field.type) for field in fields), tuple(field.name for field in fields))
    return Type(_ARROW[str(type_)])


_ARROW = {"string": "varchar", "double": "double", "int64": "bigint", "int32": "integer", "bool": "boolean"}


def unsupported(what: str) -> QueryError:
    """Return the error for what Trino may have and the local engine has not."""
    return QueryError(f"query: {what} is not supported by the local engine; Athena may have it")


def invalid(reason: str) -> QueryError:
    """Return the error for what Trino refuses too, with Trino's reason."""
    return QueryError(f"query: {reason}")
