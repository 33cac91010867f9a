"""The compiler of Trino's SQL raises only its own error, and results have the types that it declares."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anomalake.local.duckdb_functions import register
from anomalake.query import rewrite
from anomalake.query.errors import QueryError
from anomalake.query.trino.aggregates import AGGREGATES, WINDOW_FUNCTIONS
from anomalake.query.trino.python_functions import PYTHON_FUNCTIONS
from anomalake.query.trino.queries import CompiledQuery, compile_query
from anomalake.query.trino.signatures import SCALARS
from anomalake.query.trino.types import BOOLEAN, UNKNOWN, Type, stored

COLUMNS = "(VALUES (1, 'a', 1.5, 2e0, DATE '2021-01-31', TIMESTAMP '2021-01-31 10:00:00', true))"
LEAVES = (
    "1", "-7", "3000000000", "1.50", "0.1e0", "NULL", "true", "'a'", "'12'", "'2021-01-31'", "'hour'", "'%Y-%m-%d'",
    "'UTC'", "DATE '2021-01-31'", "TIMESTAMP '2021-01-31 10:00:00.123'", "TIMESTAMP '2021-01-31 10:00:00 Europe/Paris'",
    "INTERVAL '1' DAY", "INTERVAL '2' MONTH", "ARRAY[1, NULL, 3]", "ARRAY['a']", "ARRAY[]", "MAP(ARRAY['a'], ARRAY[1])",
    "ROW(1, 'a')", "JSON '{\"a\": 1}'", "CAST(1 AS decimal(38, 20))", "n", "s", "v", "f", "d", "ts", "z", "t.n",
)  # fmt: skip
TYPES = (
    "integer", "bigint", "double", "decimal(10, 2)", "varchar", "varchar(2)", "boolean", "date", "timestamp", "json",
    "array(integer)", "map(varchar, integer)", "real", "timestamp(0)",
)  # fmt: skip
NAMES = sorted({*SCALARS, *AGGREGATES, *WINDOW_FUNCTIONS, "nosuch"} - {"random", "rand", "uuid", "now"})
OPERATORS = ("+", "-", "*", "/", "%", "=", "<>", "<", ">=", "AND", "OR", "||", "IS DISTINCT FROM", "LIKE", "IN")


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, inner)
    lambdas = st.builds("x -> {}".format, inner) | st.builds("(x, y) -> {}".format, inner)
    arguments = st.lists(inner | lambdas, max_size=3).map(", ".join)
    return st.one_of(
        st.builds("{}({})".format, st.sampled_from(NAMES), arguments),
        st.builds("({0[0]} {1} {0[1]})".format, two, st.sampled_from(OPERATORS)),
        st.builds("CAST({} AS {})".format, inner, st.sampled_from(TYPES)),
        st.builds("TRY_CAST({} AS {})".format, inner, st.sampled_from(TYPES)),
        st.builds("CASE WHEN {0[0]} THEN {0[1]} END".format, two),
        st.builds("({0[0]})[{0[1]}]".format, two),
        st.builds("{}({}) OVER (ORDER BY {})".format, st.sampled_from(NAMES), inner, inner),
        st.builds("{0[0]} AT TIME ZONE {0[1]}".format, two),
        st.builds("(SELECT {})".format, inner),
        st.builds("extract(dow FROM {})".format, inner),
    )


EXPRESSIONS = st.recursive(st.sampled_from(LEAVES), _combined, max_leaves=6)
QUERIES = st.builds(
    "SELECT {} AS a, {} FROM {} AS t(n, s, v, f, d, ts, z){}".format,
    EXPRESSIONS,
    EXPRESSIONS,
    st.just(COLUMNS),
    st.one_of(
        st.just(""),
        st.builds(" WHERE {}".format, EXPRESSIONS),
        st.builds(" GROUP BY {}".format, EXPRESSIONS),
        st.builds(" ORDER BY {} DESC LIMIT 1".format, EXPRESSIONS),
        st.just(" CROSS JOIN UNNEST(ARRAY[1, 2]) AS u(x)"),
    ),
)
_WORDS = (
    "SELECT FROM WHERE GROUP BY ORDER JOIN ON VALUES WITH AS UNNEST LIMIT UNION ALL OVER CASE END ( ) [ ] , * -> t 1"
)
WORDS = st.lists(st.sampled_from(_WORDS.split()), max_size=12).map(" ".join)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    register(connection, PYTHON_FUNCTIONS)
    yield connection
    connection.close()


def compiled(sql: str) -> CompiledQuery | None:
    """The compiled query; None if it is refused."""
    try:
        statement = rewrite.parse(sql)
        return compile_query(statement.query) if isinstance(statement, rewrite.Select) else None
    except QueryError as error:
        assert "\n" not in str(error)
        return None


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(sql=QUERIES)
def test_a_query_is_refused_or_has_the_declared_types(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    query = compiled(sql)
    if query is None:
        return
    try:
        relation = connection.sql(query.sql)
        relation.to_arrow_table()
    except (duckdb.Error, pa.ArrowException):
        return
    declared = [type_ for _, type_ in query.columns]
    assert [str(type_) for type_ in declared if not _is_held(type_)] == []
    types = dict(zip(map(str, relation.types), declared, strict=True))
    assert {own: str(type_) for own, type_ in types.items() if not _same(own, type_)} == {}


@given(sql=WORDS)
def test_any_words_are_refused_or_compiled(sql: str) -> None:
    compiled(sql)


#: Arguments for parameters of signatures.
SAMPLES = {
    "$I": "n", "$N": "v", "$F": "f", "$M": "ts", "$S": "s", "$K": "s", "$T": "n", "$U": "n", "$V": "n", "any": "n",
    "varchar": "s", "bigint": "1", "double": "f", "boolean": "z", "date": "d", "timestamp": "ts", "decimal": "v",
    "timestamp with time zone": "at_timezone(ts, 'UTC')", "varbinary": "to_utf8(s)", "json": "JSON '{}'",
}  # fmt: skip
#: Calls of functions that want literals of their own, or arguments of a kind that the signature does not tell.
CALLS = {
    "date_trunc": "'hour', ts", "date_add": "'day', 1, ts", "date_diff": "'day', ts, ts", "width_bucket": "f, 0, 10, 5",
    "date_format": "ts, '%Y'", "format_datetime": "ts, 'yyyy'", "date_parse": "'2021', '%Y'", "concat": "s, s",
    "parse_datetime": "'2021', 'yyyy'", "zip": "ARRAY[n], ARRAY[s]", "map_from_entries": "ARRAY[ROW(n, s)]",
    "map_concat": "MAP(ARRAY[s], ARRAY[n]), MAP()", "at_timezone": "ts, 'UTC'", "with_timezone": "ts, 'UTC'",
    "from_iso8601_date": "'2021-01-01'", "from_iso8601_timestamp": "'2021-01-01'", "strpos": "s, 'a', 1",
    "json_array": "1", "json_exists": "'{}', 'lax $.a'", "if": "z, n", "coalesce": "n, n", "from_base": "'1', 2",
    "json_parse": "'1'", "is_json_scalar": "'1'", "format": "'%s', n", "sequence": "1, 2", "from_unixtime": "f, 'UTC'",
    "from_hex": "'00'", "from_base64": "''", "date": "ts", "to_base": "n, 2", "array_sort": "ARRAY[n]",
    "array_join": "ARRAY[n], ','",
    "split_to_map": "s, ';', '='", "concat_ws": "',', s", "timezone_hour": "at_timezone(ts, 'UTC')",
    "timezone_minute": "at_timezone(ts, 'UTC')",
}  # fmt: skip
PATTERNS = ("regexp_like", "regexp_extract", "regexp_extract_all", "regexp_count", "regexp_position", "regexp_split")
# grouping() wants GROUP BY.
NAMED = [
    (name, signature.text, signature.parameters)
    for name, own in sorted(SCALARS.items())
    for signature in own
    if name != "grouping"
]


def _sample(type_: Type) -> str:
    if type_.name == "array":
        return f"ARRAY[{_sample(type_.items[0])}]"
    if type_.name == "map":
        return f"MAP(ARRAY[{_sample(type_.items[0])}], ARRAY[{_sample(type_.items[1])}])"
    if type_.name == "function":
        *parameters, result = type_.items
        names = [f"p{place}" for place in range(len(parameters))]
        return f"({', '.join(names)}) -> {'true' if result == BOOLEAN else names[0]}"
    return SAMPLES[type_.name]


@pytest.mark.parametrize(("name", "text", "parameters"), NAMED, ids=[f"{name}-{text}" for name, text, _ in NAMED])
def test_each_function_has_the_type_of_its_signature(
    connection: duckdb.DuckDBPyConnection, name: str, text: str, parameters: tuple[Type, ...]
) -> None:
    arguments = CALLS.get(name) or ", ".join(map(_sample, parameters))
    if name.startswith("json_") and len(parameters) == 2 and name not in CALLS and "contains" not in name:
        arguments = "'{}', 1" if name == "json_array_get" else "'{}', '$.a'"
    elif name in PATTERNS or name in ("split", "split_part", "replace", "lpad", "rpad"):
        literals = [
            argument if place == 0 else argument.replace("s", "'a'")
            for place, argument in enumerate(arguments.split(", "))
        ]
        arguments = ", ".join(literals).replace(", 1", ", 0" if name in PATTERNS else ", 1")
    elif name == "regexp_replace":
        arguments = "s, 'a', 'b'"
    sql = f"SELECT {name}({arguments}) FROM {COLUMNS} AS t(n, s, v, f, d, ts, z)"
    try:
        query = compile_query(rewrite.parse(sql).query)  # type: ignore[union-attr]
    except QueryError as error:
        assert "Athena may have it" in str(error)
        return
    relation = connection.sql(query.sql)
    relation.to_arrow_table()
    (type_,) = (type_ for _, type_ in query.columns)
    assert _same(str(relation.types[0]), type_), (sql, query.sql, str(relation.types[0]), str(type_))


def _is_held(type_: Type) -> bool:
    return bool(stored(type_))


def _same(own: str, type_: Type) -> bool:
    plain = own.replace('"NULL"', "INTEGER").replace('"', "").replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
    return type_ == UNKNOWN or plain == stored(type_).replace('"', "")
