"""Several queries by one connection: the answers are those of single queries."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from anomalake.alerts import Alert
from anomalake.definitions.metric_set import Measure, MetricSet
from anomalake.lake.layout import TABLES
from anomalake.query.errors import QueryError
from anomalake.services.lakes import LakeConnection, QueryEngine
from tests.integration.query.lakes import ORDERS, alert, write

ALERTS: tuple[Alert, ...] = (alert("e1"), alert("e2", "2021-02-15T05:00"), alert("e2", metric="views"))
QUERIES = (
    "SELECT * FROM anomalies_orders",
    "SELECT count(*) AS n FROM alert_rows",
    "SELECT * FROM live_orders",
    "SELECT * FROM withdrawals",
    "SELECT json_format(json_parse('[1]')) AS j, split('a,b', ',') AS s FROM alerts",
    "SHOW TABLES",
    "DESCRIBE alerts",
    "EXPLAIN SELECT * FROM alerts",
)
WRONG = ("SELECT 1 / 0 AS n FROM alerts", "SELECT nothing FROM alerts", "SELECT * FROM absent", "SELEC 1")


@pytest.fixture
def engine(tmp_path: Path) -> QueryEngine:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "input.csv").write_text(
        "timestamp,platform,marketplace,views,revenue\n2021-02-14 05:00:00,pc_web,it,1,2\nsoon,pc_web,it,1,2\n"
    )
    write(tmp_path, ALERTS).register_source(
        MetricSet(
            detector_arn=ORDERS,
            timestamp_column="timestamp",
            metric_list=(Measure("revenue"), Measure("views")),
            dimension_list=("platform", "marketplace"),
            historical_data_path_list=("data",),
        )
    )
    return LakeConnection(str(tmp_path)).engine


def outcome(ask: Callable[[str], pa.Table], sql: str) -> Any:
    """The rows of an answer in any order, or the message of its error."""
    try:
        answer = ask(sql)
    except QueryError as error:
        return str(error)
    if sql.startswith("EXPLAIN"):
        return answer.schema
    return answer.schema, sorted(map(repr, answer.to_pylist()))


def test_answers_and_errors_are_those_of_single_queries(engine: QueryEngine) -> None:
    every = (*QUERIES, *WRONG)
    single = [outcome(engine.query, sql) for sql in every]
    with engine.prepared(every) as ask, ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda sql: outcome(ask, sql), every)) == single
        # Also a second time, and of a query that was not given.
        assert [outcome(ask, sql) for sql in every] == single
        assert outcome(ask, "SELECT 2 AS n") == outcome(engine.query, "SELECT 2 AS n")


def test_given_queries_are_answered_by_one_connection(engine: QueryEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    connect = duckdb.connect

    def counting(*arguments: Any, **options: Any) -> duckdb.DuckDBPyConnection:
        opened.append(arguments)
        return connect(*arguments, **options)

    monkeypatch.setattr(duckdb, "connect", counting)
    with engine.prepared(QUERIES[:4]) as ask:
        for sql in QUERIES[:4]:
            ask(sql)
    assert len(opened) == 1


def test_a_query_whose_files_were_deleted_since_is_answered_with_the_files_that_are_there(
    engine: QueryEngine, tmp_path: Path
) -> None:
    with engine.prepared(["SELECT alert_id FROM alert_rows"]) as ask:
        for file in (tmp_path / TABLES["parquet"][0]).rglob("day=2021-02-15/*.parquet"):
            file.unlink()
        assert ask("SELECT alert_id FROM alert_rows").num_rows == len(ALERTS) - 1
