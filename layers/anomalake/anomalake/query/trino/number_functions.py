"""Functions of numbers, conditions and comparisons."""

from __future__ import annotations

from decimal import Decimal

from anomalake.query.trino.operators import arithmetic, equal, half_up
from anomalake.query.trino.signatures import SCALARS, declare_all, function
from anomalake.query.trino.text_functions import literal_whole
from anomalake.query.trino.types import UNKNOWN, decimal, invalid, stored, unsupported
from anomalake.query.trino.values import Value, condition, let, null, over, quoted, row_of, unify

declare_all(
    SCALARS,
    """
    round(I) -> I = {0}
    floor(I) -> I = {0}
    ceil/ceiling(I) -> I = {0}
    floor(double) -> double = floor({0})
    ceil/ceiling(double) -> double = ceil({0})
    round(double) -> double = round({0})
    truncate(double) -> double = trunc({0})
    sqrt(double) -> double = sqrt({0})
    cbrt(double) -> double = cbrt({0})
    exp(double) -> double = exp({0})
    ln(double) -> double = ln({0})
    log10(double) -> double = log10({0})
    log2(double) -> double = log2({0})
    log(double, double) -> double = (ln({1}) / ln({0}))
    power/pow(double, double) -> double = power({0}, {1})
    degrees(double) -> double = degrees({0})
    radians(double) -> double = radians({0})
    sin(double) -> double = sin({0})
    cos(double) -> double = cos({0})
    asin(double) -> double = asin({0})
    atan2(double, double) -> double = atan2({0}, {1})
    pi() -> double = pi()
    e() -> double = CAST('2.718281828459045' AS DOUBLE)
    nan() -> double = 'nan'::DOUBLE
    infinity() -> double = 'inf'::DOUBLE
    is_nan(double) -> boolean = isnan({0})
    is_finite(double) -> boolean = isfinite({0})
    is_infinite(double) -> boolean = isinf({0})
    random/rand() -> double = random()
    try(T) -> T = TRY({0})
    """,
)


@function(SCALARS, "abs(N) -> N")
def _abs(value: Value) -> str:
    return f"CAST(abs({value.sql}) AS {stored(value.type)})"


@function(SCALARS, "sign(N) -> N")
def _sign(value: Value) -> Value:
    type_ = decimal(1, 0) if value.type.name == "decimal" else value.type
    return Value(f"CAST(sign({value.sql}) AS {stored(type_)})", type_)


@function(SCALARS, "mod(any, any) -> any")
def _mod(left: Value, right: Value) -> Value:
    return arithmetic("%", left, right)


def _to_whole(names: str, duckdb: str) -> None:
    @function(SCALARS, f"{names}(decimal) -> decimal")
    def whole(value: Value) -> Value:
        type_ = decimal(value.type.precision - value.type.scale + min(1, value.type.scale), 0)
        return Value(f"CAST({duckdb}({value.sql}) AS {stored(type_)})", type_)


_to_whole("round", "")  # DuckDB's cast rounds half up.
_to_whole("floor", "floor")
_to_whole("ceil/ceiling", "ceil")


@function(SCALARS, "truncate(decimal) -> decimal")
def _truncate_decimal(value: Value) -> Value:
    type_ = decimal(max(1, value.type.precision - value.type.scale), 0)
    return Value(f"CAST(trunc({value.sql}) AS {stored(type_)})", type_)


def _to_power(whole: str, places: int) -> str:
    """Return a whole number rounded half up to a power of ten."""
    power = f"{10**places}::HUGEINT"
    return let(f"CAST({whole} AS HUGEINT)", lambda x: f"{half_up(x, power)} * {10**places}")


@function(SCALARS, "round(F, bigint) -> F")
def _round_digits(value: Value, digits: Value) -> str:
    places = literal_whole(digits, "number of decimals")
    if not -30 <= places <= 30:
        raise unsupported(f"round to {places} decimals")
    if value.type.is_whole:
        return value.sql if places >= 0 else f"CAST({_to_power(value.sql, -places)} AS {stored(value.type)})"
    if value.type.name == "real":
        raise unsupported("round of real")
    if places == 0:
        return f"round({value.sql})"
    power = f"CAST('1e{places}' AS DOUBLE)"
    return let(
        value.sql,
        lambda x: f"CASE WHEN abs({x}) < 9e15 / greatest({power}, 1) THEN round({x} * {power}) / {power} ELSE {x} END",
    )


@function(SCALARS, "round(decimal, bigint) -> decimal")
def _round_decimal_digits(value: Value, digits: Value) -> Value:
    places, from_ = literal_whole(digits, "number of decimals"), value.type
    type_ = decimal(from_.precision + 1, from_.scale)
    if places >= from_.scale:
        return Value(f"CAST({value.sql} AS {stored(type_)})", type_)
    if places >= 0:
        shorter = stored(decimal(from_.precision - from_.scale + places + 1, places))
        return Value(f"CAST(CAST({value.sql} AS {shorter}) AS {stored(type_)})", type_)
    if places < -37:
        raise unsupported(f"round to {places} decimals")
    return Value(f"CAST({_to_power(f'trunc({value.sql})', -places)} AS {stored(type_)})", type_)


@function(SCALARS, "width_bucket(double, double, double, bigint) -> bigint")
def _width_bucket(value: Value, low: Value, high: Value, buckets: Value) -> str:
    bounds = [bound.literal for bound in (low, high)]
    if not all(isinstance(bound, (int, float, Decimal)) for bound in bounds) or bounds[0] >= bounds[1]:  # type: ignore[operator]
        raise unsupported("width_bucket with bounds that are not literals in ascending order")
    return let(
        value.sql,
        lambda x: (
            f"CASE WHEN {x} < {low.sql} THEN 0 WHEN {x} >= {high.sql} THEN {buckets.sql} + 1 ELSE "
            f"CAST(floor({buckets.sql} * ({x} - {low.sql}) / ({high.sql} - {low.sql})) AS BIGINT) + 1 END"
        ),
    )


def _extreme(name: str, of_list: str) -> None:
    @function(SCALARS, f"{name}(T...) -> T")
    def extreme(*values: Value) -> Value:
        type_, same = unify(values)
        if type_.is_nested or type_.name in ("json", "interval year to month"):
            raise unsupported(f"{name} of {type_}")
        texts = ", ".join(value.sql for value in same)
        found = f"{name}({texts})"
        if type_.is_float:
            numbers = over(f"[{texts}]", type_, lambda item: f"NOT isnan({item.sql})", "list_filter")
            found = f"coalesce({of_list}({numbers}), 'nan'::DOUBLE)"
        nulls = " OR ".join(f"{value.sql} IS NULL" for value in same)
        return Value(f"CASE WHEN {nulls} THEN {null(type_)} ELSE {found} END", type_)


_extreme("greatest", "list_max")
_extreme("least", "list_min")


@function(SCALARS, "coalesce(T...) -> T")
def _coalesce(*values: Value) -> str:
    if len(values) < 2:
        raise invalid("SYNTAX_ERROR: The 'coalesce' function must have at least two arguments")
    return f"coalesce({', '.join(value.sql for value in values)})"


@function(SCALARS, "nullif(any, any) -> any")
def _nullif(left: Value, right: Value) -> Value:
    return Value(f"CASE WHEN {equal(left, right)} THEN NULL ELSE {left.sql} END", left.type)


@function(SCALARS, "if(any, T) -> T", "if(any, T, T) -> T")
def if_(test: Value, yes: Value, no: Value | None = None) -> Value:
    type_, branches = unify([yes, no or Value("NULL", UNKNOWN)])
    tested = condition(test, "IF condition")
    return Value(f"CASE WHEN {tested} THEN {branches[0].sql} ELSE {branches[1].sql} END", type_)


@function(SCALARS, "typeof(any) -> varchar")
def _typeof(value: Value) -> str:
    # The value stays in the text, because an aggregate in it makes the query one with groups.
    name = quoted(str(value.type))
    return f"CASE WHEN {value.sql} IS NULL THEN {name} ELSE {name} END"


@function(SCALARS, "grouping(any...) -> integer")
def _grouping(*values: Value) -> str:
    return f"CAST(GROUPING({', '.join(value.sql for value in values)}) AS INTEGER)"


@function(SCALARS, "row(any...) -> any")
def _row(*values: Value) -> Value:
    return row_of(values)
