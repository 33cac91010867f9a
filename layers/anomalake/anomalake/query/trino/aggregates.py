"""Aggregates and window functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from anomalake.query.trino.array_functions import distinct
from anomalake.query.trino.casts import cast
from anomalake.query.trino.operators import half_up, scaled, unscaled
from anomalake.query.trino.signatures import Table, declare_all, function
from anomalake.query.trino.text_functions import literal_whole
from anomalake.query.trino.types import BIGINT, REAL, Type, array, decimal, invalid, stored, unsupported
from anomalake.query.trino.values import Value, coerce, fresh, over, quoted

#: Aggregates, which may also be called with OVER.
AGGREGATES: Table = {}
#: Functions that are called with OVER only.
WINDOW_FUNCTIONS: Table = {}


@dataclass(frozen=True, slots=True)
class Clauses:
    """The clauses of a call: DISTINCT, ORDER BY, IGNORE NULLS, FILTER and OVER, in DuckDB's dialect."""

    distinct: str = ""
    order: str = ""
    nulls: str = ""
    condition: str = ""
    window: str = ""

    def call(self, name: str, *arguments: str, where: str = "", ordered: bool = True) -> str:
        """Return a call of an aggregate of DuckDB with these clauses; `where`: a further condition on its rows."""
        conditions = " AND ".join(part for part in (where, self.condition) if part)
        filter_ = f" FILTER (WHERE {conditions})" if conditions else ""
        order = self.order if ordered else ""
        return f"{name}({self.distinct}{', '.join(arguments)}{order}{self.nulls}){filter_}{self.window}"


def named(name: str) -> Callable[..., str]:
    """Return the body of an aggregate that DuckDB has under a name."""
    return lambda clauses, *values: clauses.call(name, *(value.sql for value in values))


declare_all(
    AGGREGATES,
    """
    sum(double) -> double = sum
    avg(double) -> double = avg
    bool_and/every(boolean) -> boolean = bool_and
    bool_or(boolean) -> boolean = bool_or
    arbitrary/any_value(T) -> T = any_value
    array_agg(T) -> array(T) = list
    stddev/stddev_samp(double) -> double = stddev_samp
    stddev_pop(double) -> double = stddev_pop
    variance/var_samp(double) -> double = var_samp
    var_pop(double) -> double = var_pop
    """,
    named,
)
declare_all(
    WINDOW_FUNCTIONS,
    """
    row_number() -> bigint = row_number
    rank() -> bigint = rank
    dense_rank() -> bigint = dense_rank
    percent_rank() -> double = percent_rank
    cume_dist() -> double = cume_dist
    first_value(T) -> T = first_value
    last_value(T) -> T = last_value
    lag(T) -> T = lag
    lead(T) -> T = lead
    """,
    named,
)


def _with_offset(name: str, least: int) -> None:
    @function(WINDOW_FUNCTIONS, f"{name}(T, bigint) -> T", f"{name}(T, bigint, T) -> T")
    def shifted(clauses: Clauses, value: Value, offset: Value, *default: Value) -> str:
        if isinstance(offset.literal, int) and offset.literal < least:
            raise invalid(f"INVALID_FUNCTION_ARGUMENT: Offset must be at least {least}")
        return clauses.call(name, value.sql, offset.sql, *(other.sql for other in default))


for _name, _least in (("lag", 0), ("lead", 0), ("nth_value", 1)):
    _with_offset(_name, _least)


@function(WINDOW_FUNCTIONS, "ntile(bigint) -> bigint")
def _ntile(clauses: Clauses, buckets: Value) -> str:
    if isinstance(buckets.literal, int) and buckets.literal < 1:
        raise invalid("INVALID_FUNCTION_ARGUMENT: Buckets must be greater than 0")
    return clauses.call("ntile", buckets.sql)


@function(AGGREGATES, "count() -> bigint", "count(any) -> bigint")
def _count(clauses: Clauses, value: Value | None = None) -> str:
    return clauses.call("count", "*" if value is None else value.sql, ordered=False)


@function(AGGREGATES, "count_if(boolean) -> bigint")
def _count_if(clauses: Clauses, value: Value) -> str:
    return clauses.call("count", f"CASE WHEN {value.sql} THEN 1 END", ordered=False)


@function(AGGREGATES, "approx_distinct(any) -> bigint")
def _approx_distinct(clauses: Clauses, value: Value) -> str:
    """Return the exact number, which Trino's result is near."""
    return clauses.call("count", f"DISTINCT {value.sql}", ordered=False)


@function(AGGREGATES, "sum(I) -> bigint")
def _sum(clauses: Clauses, value: Value) -> str:
    return f"CAST({clauses.call('sum', value.sql)} AS BIGINT)"


@function(AGGREGATES, "sum(decimal) -> decimal")
def _sum_decimal(clauses: Clauses, value: Value) -> Value:
    type_ = decimal(38, value.type.scale)
    return Value(f"CAST({clauses.call('sum', value.sql)} AS {stored(type_)})", type_)


@function(AGGREGATES, "avg(decimal) -> decimal")
def _avg_decimal(clauses: Clauses, value: Value) -> Value:
    total = Value(clauses.call("sum", value.sql), decimal(38, value.type.scale))
    number = clauses.call("count", value.sql, ordered=False)
    average = scaled(half_up(unscaled(total), f"CAST({number} AS HUGEINT)"), value.type)
    return Value(f"CASE WHEN {number} > 0 THEN {average} END", value.type)


def _extreme(name: str) -> None:
    @function(AGGREGATES, f"{name}(T) -> T", f"{name}(T, bigint) -> array(T)")
    def extreme(clauses: Clauses, value: Value, count: Value | None = None) -> str:
        if value.type.is_nested or value.type.name in ("json", "unknown"):
            raise unsupported(f"{name} of {value.type}")
        if count is not None:
            return clauses.call(name, value.sql, str(literal_whole(count, f"number of values of {name}")))
        if name == "max" and value.type.is_float:
            # NaN is the greatest value to DuckDB, and none to Trino, if there are others.
            numbers = clauses.call(name, f"CASE WHEN NOT isnan({value.sql}) THEN {value.sql} END")
            return f"coalesce({numbers}, {clauses.call(name, value.sql)})"
        return clauses.call(name, value.sql)


_extreme("max")
_extreme("min")


def _extreme_by(name: str, duckdb: str) -> None:
    @function(AGGREGATES, f"{name}(T, any) -> T", f"{name}(T, any, bigint) -> array(T)")
    def by(clauses: Clauses, value: Value, key: Value, count: Value | None = None) -> str:
        if key.type.is_nested or key.type.name == "json":
            raise unsupported(f"{name} by {key.type}")
        sql = key.sql
        if key.type.is_float and name == "max_by":
            sql = f"CASE WHEN isnan({sql}) THEN '-inf'::{stored(key.type)} ELSE {sql} END"
        if count is not None:
            return clauses.call(duckdb, value.sql, sql, str(literal_whole(count, f"number of values of {name}")))
        where = "" if clauses.window else f"{key.sql} IS NOT NULL"
        return clauses.call(f"{duckdb}_null", value.sql, sql, where=where)


_extreme_by("max_by", "arg_max")
_extreme_by("min_by", "arg_min")


def _of_pairs(name: str) -> None:
    @function(AGGREGATES, f"{name}(double, double) -> double")
    def of_pairs(clauses: Clauses, y: Value, x: Value) -> str:
        found = clauses.call(name, y.sql, x.sql)
        return f"CASE WHEN NOT isnan({found}) THEN {found} END"


for _name in ("corr", "covar_samp", "covar_pop", "regr_slope", "regr_intercept"):
    _of_pairs(_name)


@function(AGGREGATES, "geometric_mean(double) -> double")
def _geometric_mean(clauses: Clauses, value: Value) -> str:
    return f"exp({clauses.call('avg', f'ln({value.sql})')})"


@function(AGGREGATES, "skewness(double) -> double")
def _skewness(clauses: Clauses, value: Value) -> str:
    n = clauses.call("count", value.sql)
    found = f"{clauses.call('skewness', value.sql)} * ({n} - 2) / sqrt({n}::DOUBLE * ({n} - 1))"
    return f"CASE WHEN {n} > 2 THEN coalesce({found}, 'nan'::DOUBLE) END"


@function(AGGREGATES, "kurtosis(double) -> double")
def _kurtosis(clauses: Clauses, value: Value) -> str:
    number = clauses.call("count", value.sql)
    return f"CASE WHEN {number} > 3 THEN coalesce({clauses.call('kurtosis', value.sql)}, 'nan'::DOUBLE) END"


@function(AGGREGATES, "listagg(varchar) -> varchar", "listagg(varchar, varchar) -> varchar")
def _listagg(clauses: Clauses, value: Value, separator: Value | None = None) -> str:
    if not clauses.order:
        raise invalid("SYNTAX_ERROR: listagg expects WITHIN GROUP (ORDER BY …)")
    return clauses.call("string_agg", value.sql, separator.sql if separator else quoted(""))


@function(AGGREGATES, "histogram(T) -> map(T, bigint)")
def _histogram(clauses: Clauses, value: Value) -> str:
    return f"CAST({clauses.call('histogram', value.sql)} AS MAP({stored(value.type)}, BIGINT))"


def _entries(name: str, clauses: Clauses, key: Value, value: Value) -> tuple[str, str]:
    """Return the list of the entries whose key is not NULL, and the list of their keys."""
    if clauses.distinct:
        raise unsupported(f"{name}(DISTINCT …)")
    entry = f"struct_pack(k := {key.sql}, v := {value.sql})"
    where = f"{key.sql} IS NOT NULL"
    return clauses.call("list", entry, where=where), clauses.call("list", key.sql, where=where)


@function(AGGREGATES, "map_agg(K, V) -> map(K, V)")
def _map_agg(clauses: Clauses, key: Value, value: Value) -> str:
    entries, keys = _entries("map_agg", clauses, key, value)
    name = fresh(entries, keys)
    # The first value of each key is kept.
    first = f"list_filter({entries}, lambda {name}, {name}0: list_position({keys}, {name}.k) = {name}0)"
    return f"map_from_entries({first})"


@function(AGGREGATES, "multimap_agg(K, V) -> map(K, array(V))")
def _multimap_agg(clauses: Clauses, key: Value, value: Value) -> str:
    entries, keys = _entries("multimap_agg", clauses, key, value)
    name = fresh(entries, keys)
    own = over(
        f"list_filter({entries}, lambda {name}1: {name}1.k = {name})", value.type, lambda entry: f"{entry.sql}.v"
    )
    each = f"list_transform({distinct(keys)}, lambda {name}: struct_pack(k := {name}, v := {own}))"
    return f"map_from_entries({each})"


@function(AGGREGATES, "approx_percentile(N, any) -> any")
def _approx_percentile(clauses: Clauses, value: Value, percentile: Value) -> Value:
    """Return the exact percentile of Trino's definition, which Trino's result is near."""
    if isinstance(percentile.literal, bool) or clauses.distinct:
        raise unsupported("approx_percentile(DISTINCT …)")
    type_ = BIGINT if value.type.is_whole else REAL if value.type.name == "decimal" else value.type
    number = cast(value, type_).sql
    values = f"list_sort({clauses.call('list', number, where=f'{number} IS NOT NULL')})"

    def pick(share: str) -> str:
        return f"({values})[CAST(least(floor({share} * len({values})), len({values}) - 1) AS BIGINT) + 1]"

    shares = percentile.type
    if shares.name == "array":
        to = array(Type("double"))
        return Value(over(coerce(percentile, to).sql, Type("double"), lambda share: pick(share.sql)), array(type_))
    if not shares.is_number:
        raise invalid(f"FUNCTION_NOT_FOUND: Unexpected parameter {shares} for function approx_percentile")
    if percentile.literal is not None and not 0 <= float(percentile.literal) <= 1:
        raise invalid("INVALID_FUNCTION_ARGUMENT: Percentile must be between 0 and 1")
    return Value(pick(coerce(percentile, Type("double")).sql), type_)
