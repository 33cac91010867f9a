"""Queries that Athena runs, and the types and values of their results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import boto3
import botocore.client
import pytest
import requests
import sqlglot
from botocore.exceptions import ClientError
from moto import mock_aws
from sqlglot import exp

from anomalake.aws.athena_engine import AthenaEngine
from anomalake.definitions.metric_set import CsvFormat, Measure, MetricSet
from anomalake.query.errors import QueryError
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore
from tests.support.connection import opened
from tests.support.patience import PATIENCE

ARN = "arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:orders"
WEEK = "timestamp >= TIMESTAMP '2021-02-01 00:00:00' AND timestamp < TIMESTAMP '2021-02-08 00:00:00'"


@pytest.fixture
def store() -> ObjectStore:
    store = memory_store()
    shape = {"detector_arn": ARN, "metric_name": "revenue", "dimensions": ["marketplace"]}
    store.put("shapes/detector=orders/x.json", json.dumps(shape).encode())
    return store


@pytest.fixture
def athena() -> Iterator[None]:
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="results")
        boto3.client("athena").create_work_group(
            Name="anomalake",
            Configuration={
                "ResultConfiguration": {"OutputLocation": "s3://results/answers/"},
                "EnforceWorkGroupConfiguration": True,
            },
        )
        yield


def answer(columns: dict[str, str], rows: list[list[str | None]]) -> None:
    """Set the next result of Athena's emulator."""
    info = [
        {
            "CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": name, "Label": name,
            "Type": type_.partition("(")[0], "Precision": 38, "Scale": 20, "Nullable": "UNKNOWN",
            "CaseSensitive": False,
        }
        for name, type_ in columns.items()
    ]  # fmt: skip
    cells = [[{"VarCharValue": cell} if cell is not None else {} for cell in row] for row in [list(columns), *rows]]
    results = {"results": [{"rows": [{"Data": row} for row in cells], "column_info": info}]}
    requests.post("http://motoapi.amazonaws.com/moto-api/static/athena/query-results", json=results, timeout=PATIENCE)


def partitions_read(sql: str) -> list[str]:
    query = sqlglot.parse_one(sql, read="athena")
    conditions = []
    for table in query.find_all(exp.Table):
        if table.name in ("alert_rows", "alert_rows_csv"):
            where = table.find_ancestor(exp.Select).args.get("where")  # type: ignore[union-attr]
            conditions.append(where.this.sql("athena") if where else "")
    return conditions


def test_queries_read_only_the_days_and_detectors_of_their_conditions(store: ObjectStore) -> None:
    engine = AthenaEngine(store)
    days = "day >= '2021-02-01' AND day <= '2021-02-07'"
    for sql, expected in (
        (f"SELECT * FROM metric_values WHERE detector = 'orders' AND {WEEK}", [f"detector IN ('orders') AND {days}"]),
        (f"SELECT * FROM alerts WHERE {WEEK}", [days]),
        ("SELECT * FROM alerts", [""]),
        (f"SELECT * FROM metricvalue_anomalyscore_orders WHERE {WEEK}", [f"detector IN ('orders') AND {days}"]),
        (
            f"SELECT * FROM with_livedata_orders WHERE {WEEK}",
            ["detector IN ('orders') AND day >= '2021-01-31' AND day <= '2021-02-08'"],
        ),
    ):
        text = engine.to_athena(sql)
        assert isinstance(text, str)
        assert partitions_read(text) == expected
    store.put("lake.json", b'{"formats": ["csv"]}')
    text = AthenaEngine(store).to_athena(f"SELECT detector FROM alerts WHERE {WEEK}")
    assert isinstance(text, str)
    assert "alert_rows_csv" in text
    assert partitions_read(text) == [days]


def test_other_tables_of_the_database_are_left_to_athena(store: ObjectStore) -> None:
    engine = AthenaEngine(store)
    assert engine.to_athena("SELECT * FROM my_own_table") == "SELECT * FROM my_own_table"
    assert engine.to_athena("SELECT * FROM other.alerts") == "SELECT * FROM other.alerts"
    with pytest.raises(QueryError, match="metricvalue_anomalyscore_orders"):
        engine.to_athena("SELECT * FROM metricvalue_anomalyscore_order")
    with pytest.raises(QueryError, match="DROP is refused"):
        engine.to_athena("DROP TABLE alert_rows")


def test_source_rows_are_read_from_the_table_of_the_source(store: ObjectStore) -> None:
    source = MetricSet(
        ARN, "Time", (Measure("revenue"),), ("marketplace",),
        historical_data_path_list=("s3://bucket/data/",),
        file_format=CsvFormat(header_list=("Time", "marketplace", "revenue")),
    )  # fmt: skip
    opened(store, AthenaEngine(store)).register_source(source)
    text = AthenaEngine(store).to_athena("SELECT * FROM live_orders")
    assert isinstance(text, str)
    assert 'SELECT "source_timestamp", "source_marketplace", "source_revenue", CAST(NULL AS VARCHAR)' in text
    assert 'FROM "source_orders"' in text


def test_maps_are_selected_as_json(store: ObjectStore) -> None:
    engine = AthenaEngine(store)
    as_json = 'JSON_FORMAT(CAST("dimensions" AS JSON)) AS "dimensions"'
    all_columns = engine.to_athena("SELECT * FROM metric_values")
    assert isinstance(all_columns, str)
    assert as_json in all_columns
    aliased = engine.to_athena("SELECT m.dimensions, m.dimensions['a'] AS a FROM metric_values m")
    assert isinstance(aliased, str)
    assert aliased.startswith(
        "SELECT JSON_FORMAT(CAST(m.dimensions AS JSON)) AS \"dimensions\", m.dimensions['a'] AS a"
    )


@pytest.mark.usefixtures("athena")
def test_results_have_exact_types_and_values(store: ObjectStore) -> None:
    lake = opened(store, AthenaEngine(store, "lake", "anomalake"))
    columns = {
        "detector": "varchar", "timestamp": "timestamp", "metric_value": "decimal(38,20)", "anomaly_score": "double",
        "n": "bigint", "flag": "boolean", "day": "date", "dimensions": "varchar",
    }  # fmt: skip
    row = [
        "N\nA",
        "2021-02-14 04:00:00.000",
        "1000000000000000.12340000000000000000",
        "86.78",
        "7",
        "true",
        "2021-02-14",
    ]
    rows: list[list[str | None]] = [[*row, '{""a"": ""it\'s\\n🙂""}'], ["", *[None] * 7], ["NaN", *[None] * 7]]
    for query in (lake.query_rows, lake.query):
        answer(columns, rows)
        result = query("SELECT * FROM metric_values")
        if isinstance(result, tuple):
            assert result[0] == list(columns)
            assert result[1][0] == (
                "N\nA", datetime(2021, 2, 14, 4), Decimal("1000000000000000.1234"), 86.78, 7, True,
                datetime(2021, 2, 14).date(), {"a": "it's\n🙂"},
            )  # fmt: skip
            assert [row[0] for row in result[1]] == ["N\nA", "", "NaN"]
            assert result[1][1][1:] == (None,) * 7
        else:
            assert list(result["detector"]) == ["N\nA", "", "NaN"]
            assert result["metric_value"][0] == Decimal("1000000000000000.1234")


@pytest.mark.usefixtures("athena")
def test_a_result_without_rows_has_its_columns(store: ObjectStore) -> None:
    answer({"detector": "varchar", "metric_value": "decimal(38,20)"}, [])
    assert opened(store, AthenaEngine(store, "lake", "anomalake")).query_rows("SELECT * FROM alerts") == (
        ["detector", "metric_value"],
        [],
    )


@pytest.mark.usefixtures("athena")
def test_a_query_runs_once_in_the_workgroup_and_database_of_the_environment(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANOMALAKE_DATABASE", "lake_dev")
    monkeypatch.setenv("ANOMALAKE_WORKGROUP", "anomalake")
    calls: list[tuple[str, dict[str, Any]]] = []
    call = botocore.client.BaseClient._make_api_call

    def record(self: Any, operation: str, arguments: dict[str, Any]) -> Any:
        calls.append((operation, arguments))
        return call(self, operation, arguments)

    answer({"_col0": "bigint"}, [["1"]])
    with patch.object(botocore.client.BaseClient, "_make_api_call", record):
        AthenaEngine(store).query("SELECT 1")
    (started,) = (arguments for operation, arguments in calls if operation == "StartQueryExecution")
    assert started["QueryString"] == "SELECT 1"
    assert started["WorkGroup"] == "anomalake"
    assert started["QueryExecutionContext"] == {"Database": "lake_dev"}


@pytest.mark.usefixtures("athena")
def test_a_failure_of_athena_is_reported_on_one_line(store: ObjectStore) -> None:
    refusal = ClientError({"Error": {"Code": "InvalidRequestException", "Message": "WorkGroup is\nnot found"}}, "x")
    with (
        patch.object(botocore.client.BaseClient, "_make_api_call", side_effect=refusal),
        pytest.raises(QueryError, match=r"workgroup nowhere, database anomalake: .*WorkGroup is not found"),
    ):
        AthenaEngine(store, workgroup="nowhere").query("SELECT * FROM alerts")
    call = botocore.client.BaseClient._make_api_call

    def failing(self: Any, operation: str, arguments: dict[str, Any]) -> Any:
        response = call(self, operation, arguments)
        if operation == "GetQueryExecution":
            response["QueryExecution"]["Status"] = {
                "State": "FAILED",
                "StateChangeReason": "COLUMN_NOT_FOUND:\n line 1:8",
            }
        return response

    with (
        patch.object(botocore.client.BaseClient, "_make_api_call", failing),
        pytest.raises(QueryError, match="COLUMN_NOT_FOUND: line 1:8"),
    ):
        AthenaEngine(store, workgroup="anomalake").query("SELECT x FROM alerts")


def test_show_tables_does_not_call_athena(store: ObjectStore) -> None:
    names = [name for (name,) in opened(store, AthenaEngine(store)).query_rows("SHOW TABLES")[1]]
    assert "metricvalue_anomalyscore_orders" in names
    assert AthenaEngine(store).to_athena("DESCRIBE metric_values") == "DESCRIBE `metric_values`"
