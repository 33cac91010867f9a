"""Queries in Athena's dialect that DuckDB answers."""

from __future__ import annotations

import json
from collections import Counter

import pytest

import anomalake
from anomalake.api import LakeHandle
from tests.support import made, oracle

TEXTS = made.texts(60)
EXPECTED = oracle.relations(TEXTS)
PAIRS = Counter(pair for row in EXPECTED["metric_values"] for pair in row[-1])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> LakeHandle:
    folder = tmp_path_factory.mktemp("dialect")
    (folder / "a.jsonl").write_text("\n".join(json.dumps(text) for text in TEXTS), encoding="utf-8")
    lake = anomalake.open_lake(folder / "lake")
    lake.replay(folder / "a.jsonl")
    return lake


def test_a_map_is_unnested_into_keys_and_values(lake: LakeHandle) -> None:
    _, rows = lake.query_rows(
        "SELECT t.k, t.v, count(*) FROM metric_values AS m CROSS JOIN UNNEST(m.dimensions) AS t (k, v) GROUP BY 1, 2"
    )
    assert {(k, v): n for k, v, n in rows} == PAIRS


def test_the_cardinality_of_a_map_is_its_size(lake: LakeHandle) -> None:
    _, rows = lake.query_rows("SELECT cardinality(dimensions) FROM metric_values")
    assert Counter(n for (n,) in rows) == Counter(len(row[-1]) for row in EXPECTED["metric_values"])


@pytest.mark.parametrize(
    "name", ["metric_values", "METRIC_VALUES", '"metric_values"', "AwsDataCatalog.anomalake.metric_values"]
)
def test_a_relation_may_be_quoted_and_qualified(lake: LakeHandle, name: str) -> None:
    _, rows = lake.query_rows(f"SELECT count(*) FROM {name}")
    assert rows == [(len(EXPECTED["metric_values"]),)]


@pytest.mark.parametrize(
    "condition",
    [
        "timestamp BETWEEN TIMESTAMP '2021-03-28 00:00:00' AND TIMESTAMP '2021-03-28 23:59:59'",
        "date(timestamp) = DATE '2021-03-28'",
        "CAST(timestamp AS date) = DATE '2021-03-28'",
        "date_trunc('day', timestamp) = TIMESTAMP '2021-03-28 00:00:00'",
        "timestamp >= DATE '2021-03-28' AND timestamp < date_add('day', 1, DATE '2021-03-28')",
        "timestamp >= from_iso8601_timestamp('2021-03-28T00:00:00Z') AND timestamp < DATE '2021-03-29'",
    ],
)
def test_conditions_on_a_day_may_have_any_form(lake: LakeHandle, condition: str) -> None:
    _, rows = lake.query_rows(f"SELECT count(*) FROM alerts WHERE {condition}")
    assert rows == [(sum(f"{row[4]:%Y-%m-%d}" == "2021-03-28" for row in EXPECTED["alerts"]),)]


@pytest.mark.parametrize(
    "name", ['"lake_dev"."alerts"', "awsdatacatalog.lake_dev.alerts", '"AwsDataCatalog"."lake_dev"."alerts"', "alerts"]
)
def test_a_relation_may_have_the_database_of_the_environment(
    lake: LakeHandle, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("ANOMALAKE_DATABASE", "lake_dev")
    opened = anomalake.open_lake(lake.uri)
    assert opened.query_rows(f"SELECT count(*) FROM {name}")[1] == [(len(EXPECTED["alerts"]),)]
    with pytest.raises(anomalake.QueryError, match=r"no relation .*other"):
        opened.query_rows("SELECT count(*) FROM other.alerts")


def test_rows_may_be_given_by_values(lake: LakeHandle) -> None:
    assert lake.query_rows("VALUES (1, 'a'), (2, NULL)") == (["_col0", "_col1"], [(1, "a"), (2, None)])
    assert lake.query_rows("WITH t AS (VALUES 1) SELECT * FROM t") == (["_col0"], [(1,)])


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        (
            "SELECT xxhash64(to_utf8('a'))",
            "query: function xxhash64 is not supported by the local engine; Athena may have it",
        ),
        ("SELECT CAST('a' AS char(3))", "query: type char(3) is not supported by the local engine; Athena may have it"),
        (
            "SELECT metric_value + metric_name FROM metric_values",
            "query: TYPE_MISMATCH: Cannot apply operator: decimal(38,20) + varchar",
        ),
        ("SELECT CAST(metric_name AS bigint) FROM metric_values", "query: Cannot cast '"),
        ("SELECT 1 / 0", "query: DIVISION_BY_ZERO: Division by zero"),
    ],
)
def test_a_refusal_tells_the_reason_on_one_line(lake: LakeHandle, sql: str, reason: str) -> None:
    with pytest.raises(anomalake.QueryError) as refused:
        lake.query_rows(sql)
    assert str(refused.value).startswith(reason)
    assert "\n" not in str(refused.value)


def test_describe_tells_the_types_of_athena(lake: LakeHandle) -> None:
    _, rows = lake.query_rows("DESCRIBE metric_values")
    types = dict(rows)
    assert (types["timestamp"], types["metric_value"], types["dimensions"]) == (
        "timestamp", "decimal(38,20)", "map(varchar, varchar)",
    )  # fmt: skip
    assert all(dict(lake.query_rows(f"DESCRIBE {name}")[1]) for name in lake.relations())
