"""The local engine answers queries as Trino does, the engine that Athena is built on, or refuses them.

`trino-answers.json` has queries with the answers of Trino 476: {"sql", "columns": [{"name", "type"}], "rows"}, or
{"sql", "error"}.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from anomalake.local.duckdb_functions import register
from anomalake.query import rewrite
from anomalake.query.errors import QueryError
from anomalake.query.trino import values
from anomalake.query.trino.python_functions import PYTHON_FUNCTIONS
from anomalake.query.trino.queries import compile_query
from anomalake.query.trino.types import stored
from tools.trino.values import of_arrow, of_trino

ANSWERS = json.loads((Path(__file__).parent / "trino-answers.json").read_text(encoding="utf-8"))

#: Parts of the queries that the local engine refuses though Trino answers them, with a part of the reason.
REFUSED = {
    "human_readable_seconds(96)": "function human_readable_seconds",
    "checksum(x)": "function checksum",
    "regexp_replace('new york'": "regexp_replace with a lambda",
    "soundex('Robert')": "function hamming_distance",
    "xxhash64(": "function url_encode",
    "url_extract_host(": "function url_extract_host",
    "AS char(3))": "type char(3)",
    "array_sort(ARRAY[3, 1, 2], (a, b)": "array_sort with a comparator",
    "combinations(": "function combinations",
    "numeric_histogram(": "function numeric_histogram",
    "format_number(": "function format_number",
    "beta_cdf(": "function beta_cdf",
    '{"a":"x"\'': "JSON that is wrong or breaks off",
    "0x1F": "the number 0x1F",
    "CAST(1e23 AS varchar)": "the text of the double 1e+23",
    "to_char(": "function to_char",
}
EQUAL = 437


@dataclass(frozen=True)
class Outcome:
    """What became of a query: ``equal``, ``wrong``, ``looser`` (only Trino refuses it) or ``refused``."""

    kind: str
    sql: str
    detail: str = ""
    types: tuple[tuple[str, str], ...] = ()


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    register(connection, PYTHON_FUNCTIONS)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def outcomes(connection: duckdb.DuckDBPyConnection) -> list[Outcome]:
    return [outcome_of(connection, answer) for answer in ANSWERS]


def outcome_of(connection: duckdb.DuckDBPyConnection, answer: dict[str, Any]) -> Outcome:
    sql = answer["sql"]
    try:
        statement = rewrite.parse(sql)
        assert isinstance(statement, rewrite.Select)
        compiled = compile_query(statement.query)
        relation = connection.sql(compiled.sql)
        table = relation.to_arrow_table()
    except (QueryError, duckdb.Error, pa.ArrowException) as error:
        return Outcome("equal" if "error" in answer else "refused", sql, str(error))
    declared = [stored(type_) for _, type_ in compiled.columns]
    types = tuple(zip(declared, map(str, relation.types), strict=True))
    if "error" in answer:
        return Outcome("looser", sql, answer["error"], types)
    wanted = [column["type"] for column in answer["columns"]]
    expected = [[of_trino(value, type_) for value, type_ in zip(row, wanted, strict=True)] for row in answer["rows"]]
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    actual = [[of_arrow(value, type_) for value, type_ in zip(row, wanted, strict=False)] for row in rows]
    same = actual == expected and table.num_columns == len(wanted)
    return Outcome("equal" if same else "wrong", sql, f"{actual} instead of {expected}", types)


def test_no_answer_differs(outcomes: list[Outcome]) -> None:
    assert [(outcome.sql, outcome.detail) for outcome in outcomes if outcome.kind == "wrong"] == []


def test_no_query_is_answered_that_trino_refuses(outcomes: list[Outcome]) -> None:
    assert [(outcome.sql, outcome.detail) for outcome in outcomes if outcome.kind == "looser"] == []


def test_the_refused_queries_are_known_and_the_reason_is_told(outcomes: list[Outcome]) -> None:
    refused = {outcome.sql: outcome.detail for outcome in outcomes if outcome.kind == "refused"}
    reasons = {sql: [reason for part, reason in REFUSED.items() if part in sql] for sql in refused}
    assert [(sql, refused[sql]) for sql, known in reasons.items() if not known or known[0] not in refused[sql]] == []
    assert all("Athena may" in detail for detail in refused.values())


def test_the_numbers_of_equal_and_refused_queries(outcomes: list[Outcome]) -> None:
    assert Counter(outcome.kind for outcome in outcomes) == {"equal": EQUAL, "refused": len(REFUSED)}
    assert len(ANSWERS) == EQUAL + len(REFUSED)


def test_results_have_the_types_that_the_compiler_declares(outcomes: list[Outcome]) -> None:
    pairs = {pair for outcome in outcomes for pair in outcome.types}
    known = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
    assert {(declared, own) for declared, own in pairs if _plain(declared) != _plain(known.get(own, own))} == set()


def test_expressions_that_are_evaluated_once_have_the_same_answers(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "LONG", 0)
    some = [answer for answer in ANSWERS if "rows" in answer][::4]
    outcomes = [outcome_of(connection, answer) for answer in some]
    assert [(outcome.sql, outcome.detail) for outcome in outcomes if outcome.kind == "wrong"] == []
    assert Counter(outcome.kind for outcome in outcomes)["equal"] > 0.9 * len(some)


def _plain(type_: str) -> str:
    """A type of DuckDB without quotes around names, and with the type of NULL as that of INTEGER."""
    return type_.replace('"NULL"', "INTEGER").replace('"', "").replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
