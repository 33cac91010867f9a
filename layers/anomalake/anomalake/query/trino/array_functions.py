"""Functions of arrays and maps, many with lambdas."""

from __future__ import annotations

from anomalake.query.trino.casts import cast
from anomalake.query.trino.operators import any_null
from anomalake.query.trino.signatures import SCALARS, Lambda, declare_all, function
from anomalake.query.trino.text_functions import literal_text, literal_whole
from anomalake.query.trino.types import (
    BIGINT,
    UNKNOWN,
    VARCHAR,
    array,
    common,
    invalid,
    map_of,
    row,
    stored,
    unsupported,
)
from anomalake.query.trino.values import Value, condition, fail, fields_of, fresh, let, null, over, row_of

declare_all(
    SCALARS,
    """
    cardinality(array(T)) -> bigint = CAST(len({0}) AS BIGINT)
    cardinality(map(K, V)) -> bigint = CAST(cardinality({0}) AS BIGINT)
    element_at(map(K, V), K) -> V = {0}[{1}]
    reverse(array(T)) -> array(T) = list_reverse({0})
    flatten(array(array(T))) -> array(T) = flatten({0})
    trim_array(array(T), bigint) -> array(T) = ({0})[1:len({0}) - {1}]
    array_sort(array(T)) -> array(T) = list_sort({0}, 'ASC', 'NULLS LAST')
    map_keys(map(K, V)) -> array(K) = map_keys({0})
    map_values(map(K, V)) -> array(V) = map_values({0})
    map(array(K), array(V)) -> map(K, V) = map({0}, {1})
    map() -> map(K, V) = MAP {}
    """.replace("MAP {}", "MAP {{}}"),
)


def distinct(list_: str) -> str:
    """Return the elements of a list without repeats, in the order of their first places."""
    name = fresh(list_)
    return let(
        list_, lambda items: f"list_filter({items}, lambda {name}, {name}0: list_position({items}, {name}) = {name}0)"
    )


def subscript(container: Value, index: Value) -> Value:
    """Return ``container[index]``, which fails if there is no such element."""
    type_ = container.type
    if type_.name == "array":
        if not index.type.is_whole:
            raise invalid(f"TYPE_MISMATCH: Cannot use {index.type} for subscript of {type_}")
        message = "INVALID_FUNCTION_ARGUMENT: Array subscript must be from 1 to the array's length"
        return Value(
            let(
                container.sql,
                lambda items: (
                    f"CASE WHEN {index.sql} < 1 OR {index.sql} > len({items}) THEN {fail(message, type_.items[0])} "
                    f"ELSE ({items})[{index.sql}] END"
                ),
            ),
            type_.items[0],
        )
    if type_.name == "map":
        key, item = type_.items
        if common(key, index.type) != key:
            raise invalid(f"TYPE_MISMATCH: Cannot use {index.type} for subscript of {type_}")
        message = "INVALID_FUNCTION_ARGUMENT: Key not present in map"
        return Value(
            let(
                container.sql,
                lambda m: (
                    f"CASE WHEN {m} IS NOT NULL AND {index.sql} IS NOT NULL AND NOT map_contains({m}, {index.sql}) "
                    f"THEN {fail(message, item)} ELSE {m}[{index.sql}] END"
                ),
            ),
            item,
        )
    if type_.name == "row" and isinstance(index.literal, int) and 1 <= index.literal <= len(type_.items):
        return fields_of(container)[index.literal - 1]
    raise invalid(f"TYPE_MISMATCH: Cannot use {index.type} for subscript of {type_}")


@function(SCALARS, "element_at(array(T), bigint) -> T")
def _element_at(list_: Value, index: Value) -> str:
    if index.literal == 0:
        raise invalid("INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1")
    return f"({list_.sql})[{index.sql}]"


@function(SCALARS, "contains(array(T), T) -> boolean")
def _contains(list_: Value, item: Value) -> str:
    return let(
        list_.sql,
        lambda items: (
            f"CASE WHEN {items} IS NULL OR {item.sql} IS NULL THEN NULL "
            f"WHEN list_contains({items}, {item.sql}) THEN true "
            f"WHEN {any_null(items, item.type)} THEN NULL ELSE false END"
        ),
    )


@function(SCALARS, "array_position(array(T), T) -> bigint")
def _array_position(list_: Value, item: Value) -> str:
    place = f"CAST(coalesce(list_position({list_.sql}, {item.sql}), 0) AS BIGINT)"
    return f"CASE WHEN {list_.sql} IS NULL OR {item.sql} IS NULL THEN NULL ELSE {place} END"


@function(SCALARS, "arrays_overlap(array(T), array(T)) -> boolean")
def _arrays_overlap(left: Value, right: Value) -> str:
    item = left.type.items[0]
    both = over(left.sql, item, lambda x: f"{x.sql} IS NOT NULL AND list_contains({right.sql}, {x.sql})", "list_filter")
    return (
        f"CASE WHEN {left.sql} IS NULL OR {right.sql} IS NULL THEN NULL WHEN len({both}) > 0 THEN true "
        f"WHEN {any_null(left.sql, item)} OR {any_null(right.sql, item)} THEN NULL ELSE false END"
    )


@function(SCALARS, "array_distinct(array(T)) -> array(T)")
def _array_distinct(list_: Value) -> str:
    return distinct(list_.sql)


@function(SCALARS, "array_union(array(T), array(T)) -> array(T)")
def _array_union(left: Value, right: Value) -> str:
    joined = distinct(f"list_concat({left.sql}, {right.sql})")
    return f"CASE WHEN {left.sql} IS NOT NULL AND {right.sql} IS NOT NULL THEN {joined} END"


@function(SCALARS, "array_intersect(array(T), array(T)) -> array(T)")
def _array_intersect(left: Value, right: Value) -> str:
    found = over(
        distinct(left.sql), left.type, lambda x: f"list_position({right.sql}, {x.sql}) IS NOT NULL", "list_filter"
    )
    return f"CASE WHEN {right.sql} IS NOT NULL THEN {found} END"


@function(SCALARS, "array_except(array(T), array(T)) -> array(T)")
def _array_except(left: Value, right: Value) -> str:
    found = over(distinct(left.sql), left.type, lambda x: f"list_position({right.sql}, {x.sql}) IS NULL", "list_filter")
    return f"CASE WHEN {right.sql} IS NOT NULL THEN {found} END"


@function(SCALARS, "array_remove(array(T), T) -> array(T)")
def _array_remove(list_: Value, item: Value) -> str:
    kept = over(list_.sql, item.type, lambda x: f"{x.sql} IS NULL OR {x.sql} <> {item.sql}", "list_filter")
    return f"CASE WHEN {item.sql} IS NOT NULL THEN {kept} END"


@function(SCALARS, "array_join(array(T), varchar) -> varchar", "array_join(array(T), varchar, varchar) -> varchar")
def _array_join(list_: Value, delimiter: Value, null_text: Value | None = None) -> str:
    item = list_.type.items[0]
    if item.is_nested:
        raise invalid(f"FUNCTION_NOT_FOUND: Unexpected parameters ({list_.type}) for function array_join")
    if null_text is None:
        known = over(list_.sql, item, lambda x: f"{x.sql} IS NOT NULL", "list_filter")
        texts = over(known, item, lambda x: cast(x, VARCHAR).sql)
    else:
        texts = over(list_.sql, item, lambda x: f"coalesce({cast(x, VARCHAR).sql}, {null_text.sql})")
    literal_text(delimiter, "delimiter")  # DuckDB wants a constant.
    return f"array_to_string({texts}, {delimiter.sql})"


def _array_extreme(name: str) -> None:
    @function(SCALARS, f"array_{name}(array(T)) -> T")
    def extreme(list_: Value) -> str:
        item = list_.type.items[0]
        if item.is_nested:
            raise unsupported(f"array_{name} of {list_.type}")

        def found(items: str) -> str:
            best = f"list_{name}({items})"
            if item.is_float:
                numbers = over(items, item, lambda x: f"NOT isnan({x.sql})", "list_filter")
                best = f"coalesce(list_{name}({numbers}), CASE WHEN len({items}) > 0 THEN 'nan'::DOUBLE END)"
            return f"CASE WHEN {any_null(items, item)} THEN NULL ELSE {best} END"

        return let(list_.sql, found)


_array_extreme("max")
_array_extreme("min")


@function(SCALARS, "slice(array(T), bigint, bigint) -> array(T)")
def _slice(list_: Value, start: Value, length: Value) -> str:
    first, count = literal_whole(start, "start of slice"), literal_whole(length, "length of slice")
    if first == 0 or count < 0:
        raise invalid("INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1")
    if first > 0:
        return f"({list_.sql})[{first}:{first + count - 1}]" if count else f"({list_.sql})[1:0]"
    at = f"len({list_.sql}) - {-first - 1}"
    return (
        f"CASE WHEN len({list_.sql}) < {-first} THEN ({list_.sql})[1:0] ELSE ({list_.sql})[{at}:{at} + {count} - 1] END"
    )


@function(SCALARS, "repeat(any, bigint) -> any")
def _repeat(value: Value, count: Value) -> Value:
    if isinstance(count.literal, int) and count.literal < 0:
        raise invalid("INVALID_FUNCTION_ARGUMENT: count argument of repeat function must be greater than or equal to 0")
    return Value(over(f"range({count.sql})", BIGINT, lambda _: value.sql), array(value.type))


@function(SCALARS, "array_histogram(array(T)) -> map(T, bigint)")
def _array_histogram(list_: Value) -> str:
    item = list_.type.items[0]
    known = over(list_.sql, item, lambda x: f"{x.sql} IS NOT NULL", "list_filter")

    def entry(items: str, key: Value) -> str:
        same = over(items, item, lambda x: f"{x.sql} = {key.sql}", "list_filter")
        return f"struct_pack(k := {key.sql}, v := CAST(len({same}) AS BIGINT))"

    return let(known, lambda items: f"map_from_entries({over(distinct(items), item, lambda key: entry(items, key))})")


@function(SCALARS, "zip(any...) -> any")
def _zip(*lists: Value) -> Value:
    if any(list_.type.name != "array" for list_ in lists):
        raise invalid("FUNCTION_NOT_FOUND: Unexpected parameters for function zip. Expected: arrays")
    items = tuple(list_.type.items[0] for list_ in lists)
    zipped = f"list_zip({', '.join(list_.sql for list_ in lists)})"
    packed = over(
        zipped,
        UNKNOWN,
        lambda x: row_of([Value(f"{x.sql}[{place}]", item) for place, item in enumerate(items, start=1)]).sql,
    )
    return Value(packed, array(row(items)))


@function(SCALARS, "transform(array(T), (T) -> U) -> array(U)")
def _transform(list_: Value, body: Lambda) -> Value:
    type_ = array(body.body.type)
    if list_.type.items[0] == UNKNOWN:
        return Value(f"CASE WHEN {list_.sql} IS NOT NULL THEN CAST([] AS {stored(type_)}) END", type_)
    return Value(f"list_transform({list_.sql}, lambda {body.names[0]}: {body.body.sql})", type_)


@function(SCALARS, "filter(array(T), (T) -> boolean) -> array(T)")
def _filter(list_: Value, body: Lambda) -> str:
    return f"list_filter({list_.sql}, lambda {body.names[0]}: {condition(body.body)})"


def _match(kind: str, decisive: str, found: str) -> None:
    @function(SCALARS, f"{kind}_match(array(T), (T) -> boolean) -> boolean")
    def match(list_: Value, body: Lambda) -> str:
        results = f"list_transform({list_.sql}, lambda {body.names[0]}: {condition(body.body)})"
        other = "true" if found == "false" else "false"
        return let(
            results,
            lambda items: (
                f"CASE WHEN {items} IS NULL THEN NULL WHEN list_contains({items}, {decisive}) THEN {found} "
                f"WHEN {any_null(items, body.body.type)} THEN NULL ELSE {other} END"
            ),
        )


_match("any", "true", "true")
_match("all", "false", "false")
_match("none", "true", "false")


@function(SCALARS, "zip_with(array(T), array(U), (T, U) -> V) -> array(V)")
def _zip_with(left: Value, right: Value, body: Lambda) -> str:
    pair = f"{fresh(left.sql, right.sql, body.body.sql)}"
    a, b = body.names
    inner = f"list_transform([{pair}[1]], lambda {a}: list_transform([{pair}[2]], lambda {b}: {body.body.sql})[1])[1]"
    zipped = f"list_transform(list_zip({left.sql}, {right.sql}), lambda {pair}: {inner})"
    return f"CASE WHEN {left.sql} IS NOT NULL AND {right.sql} IS NOT NULL THEN {zipped} END"


@function(SCALARS, "map_entries(map(K, V)) -> any")
def _map_entries(map_: Value) -> Value:
    type_ = row(map_.type.items)
    key, item = type_.items

    def entry(x: Value) -> str:
        return row_of([Value(f"{x.sql}.key", key), Value(f"{x.sql}.value", item)]).sql

    return Value(over(f"map_entries({map_.sql})", type_, entry), array(type_))


@function(SCALARS, "map_from_entries(array(T)) -> any")
def _map_from_entries(list_: Value) -> Value:
    item = list_.type.items[0]
    if item.name != "row" or len(item.items) != 2:
        raise invalid(f"FUNCTION_NOT_FOUND: Unexpected parameters ({list_.type}) for function map_from_entries")
    return Value(f"map_from_entries({list_.sql})", map_of(*item.items))


@function(SCALARS, "map_concat(T...) -> T")
def _map_concat(*maps: Value) -> str:
    if any(value.type.name != "map" for value in maps):
        raise invalid("FUNCTION_NOT_FOUND: Unexpected parameters for function map_concat. Expected: maps")
    texts = ", ".join(value.sql for value in maps)
    nulls = " OR ".join(f"{value.sql} IS NULL" for value in maps)
    return f"CASE WHEN {nulls} THEN {null(maps[0].type)} ELSE map_concat({texts}) END"


def _of_entries(map_: Value, body: Lambda, result: str, function: str = "list_transform") -> str:
    """Return a map whose entries pass through a lambda of key and value."""
    entry = fresh(map_.sql, body.body.sql)
    key, value = body.names
    inner = (
        f"list_transform([{entry}.key], lambda {key}: "
        f"list_transform([{entry}.value], lambda {value}: {result.format(entry=entry, body=body.body.sql)})[1])[1]"
    )
    return f"map_from_entries({function}(map_entries({map_.sql}), lambda {entry}: {inner}))"


@function(SCALARS, "map_filter(map(K, V), (K, V) -> boolean) -> map(K, V)")
def _map_filter(map_: Value, body: Lambda) -> str:
    return _of_entries(map_, body, "{body}", "list_filter")


@function(SCALARS, "transform_values(map(K, V), (K, V) -> U) -> map(K, U)")
def _transform_values(map_: Value, body: Lambda) -> str:
    return _of_entries(map_, body, "struct_pack(k := {entry}.key, v := {body})")


@function(SCALARS, "transform_keys(map(K, V), (K, V) -> U) -> map(U, V)")
def _transform_keys(map_: Value, body: Lambda) -> str:
    return _of_entries(map_, body, "struct_pack(k := {body}, v := {entry}.value)")


@function(SCALARS, "map_zip_with(map(K, T), map(K, U), (K, T, U) -> V) -> map(K, V)")
def _map_zip_with(left: Value, right: Value, body: Lambda) -> str:
    keys = distinct(f"list_concat(map_keys({left.sql}), map_keys({right.sql}))")
    key, a, b = body.names
    value = (
        f"list_transform([{left.sql}[{key}]], lambda {a}: "
        f"list_transform([{right.sql}[{key}]], lambda {b}: {body.body.sql})[1])[1]"
    )
    zipped = f"map_from_entries(list_transform({keys}, lambda {key}: struct_pack(k := {key}, v := {value})))"
    return f"CASE WHEN {left.sql} IS NOT NULL AND {right.sql} IS NOT NULL THEN {zipped} END"


@function(SCALARS, "array_sort(array(T), (T, T) -> bigint) -> array(T)")
def _array_sort(list_: Value, body: Lambda) -> str:
    raise unsupported("array_sort with a comparator")


@function(SCALARS, "reduce(array(T), U, (U, T) -> U, (U) -> V) -> V")
def _reduce(list_: Value, start: Value, step: Lambda, finish: Lambda) -> Value:
    state, item = start.type, list_.type.items[0]
    if state == UNKNOWN or step.body.type != state:
        raise unsupported("reduce whose state changes its type (cast the start)")
    a, b = step.names
    if item == UNKNOWN:
        total = f"CASE WHEN {list_.sql} IS NOT NULL THEN {start.sql} END"
    elif stored(item) == stored(state):
        total = f"list_reduce({list_.sql}, lambda {a}, {b}: {step.body.sql}, {start.sql})"
    else:
        # DuckDB wants a state of the elements' type, so that both are fields of a row.
        s, x = fresh(list_.sql, step.body.sql, start.sql), fresh(list_.sql, step.body.sql, start.sql) + "1"
        body = f"list_transform([{s}.s], lambda {a}: list_transform([{x}.x], lambda {b}: {step.body.sql})[1])[1]"
        items = over(list_.sql, item, lambda y: f"struct_pack(s := {null(state)}, x := {y.sql})")
        first = f"struct_pack(s := {start.sql}, x := {null(item)})"
        total = f"(list_reduce({items}, lambda {s}, {x}: struct_pack(s := {body}, x := {null(item)}), {first})).s"
    return Value(f"list_transform([{total}], lambda {finish.names[0]}: {finish.body.sql})[1]", finish.body.type)
