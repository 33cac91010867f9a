"""Source data in Athena: the query, and the metrics of its result."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import sqlglot

from anomalake.aws.athena_source import AthenaTables, run_query, statement
from anomalake.definitions.detector import Detector
from anomalake.definitions.metric_set import AthenaTable
from anomalake.services.sources import open_source_files
from anomalake.sources.reading import NoDataError, read_history, read_interval
from anomalake.storage.store import StoreError
from tests.support.source_data import detector

NOON = datetime(2021, 1, 1, 12, tzinfo=UTC)
NEXT_HOUR = datetime(2021, 1, 1, 13, tzinfo=UTC)
SOURCE = {"AthenaSourceConfig": {"DatabaseName": "db", "TableName": "kpis", "WorkGroupName": "w"}}


def table(column_format: str | None = None, **changes: Any) -> Detector:
    column = {"ColumnName": "t"} | ({"ColumnFormat": column_format} if column_format else {})
    return detector(MetricSource=SOURCE, TimestampColumn=column, Timezone="Europe/Paris", **changes)


class Engine:
    """DuckDB in place of Athena: it runs the same statement and writes its result in Athena's CSV format."""

    def __init__(self, select: str) -> None:
        self._connection = duckdb.connect()
        self._connection.execute("ATTACH ':memory:' AS AwsDataCatalog; CREATE SCHEMA AwsDataCatalog.db")
        self._connection.execute(f"CREATE TABLE AwsDataCatalog.db.kpis AS {select}")

    def __call__(self, sql: str, table: AthenaTable, file: Path) -> None:
        assert (table.database_name, table.work_group_name) == ("db", "w")
        cursor = self._connection.execute(sqlglot.transpile(sql, read="athena", write="duckdb")[0])
        lines = [",".join(f'"{column[0]}"' for column in cursor.description or [])]
        lines += [",".join(_cell(value) for value in row) for row in cursor.fetchall()]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cell(value: object) -> str:
    return "" if value is None else '"' + str(value).replace('"', '""') + '"'


def test_typed_timestamps_are_selected_and_bounded_as_wall_clock_times() -> None:
    sql = statement(table().metric_set, NOON, NEXT_HOUR)
    assert sql == (
        'SELECT CAST(CAST("t" AS TIMESTAMP(0)) AS VARCHAR) AS "t", CAST("p" AS VARCHAR) AS "p", '
        'CAST("q" AS VARCHAR) AS "q", CAST("v" AS DOUBLE) AS "v", CAST("w" AS DOUBLE) AS "w" '
        'FROM "AwsDataCatalog"."db"."kpis" '
        "WHERE \"t\" >= CAST('2021-01-01 10:00:00' AS TIMESTAMP) AND \"t\" < CAST('2021-01-01 17:00:00' AS TIMESTAMP)"
    )
    assert "WHERE" not in statement(table().metric_set, None, None)


def test_text_timestamps_are_parsed_and_invalid_ones_are_included() -> None:
    sql = statement(table("yyyy-MM-dd HH:mm:ss").metric_set, NOON, None)
    assert sql.startswith('SELECT "t" AS "t", ')
    assert sql.endswith(
        "WHERE TRY(DATE_PARSE(\"t\", '%Y-%m-%d %T')) >= CAST('2021-01-01 10:00:00' AS TIMESTAMP) "
        "OR TRY(DATE_PARSE(\"t\", '%Y-%m-%d %T')) IS NULL"
    )
    # SQL has no format for a text with a zone: all rows are read, and the reader selects.
    assert "WHERE" not in statement(table("yyyy-MM-dd'T'HH:mm:ssXXX").metric_set, NOON, NEXT_HOUR)


def test_names_with_sql_in_them_are_quoted() -> None:
    source = table(
        DimensionList=['p"; DROP TABLE x; --'], MetricList=[{"MetricName": 'v"x', "AggregationFunction": "SUM"}]
    )
    (parsed,) = sqlglot.parse(statement(source.metric_set, None, None), read="athena")
    assert parsed is not None
    assert parsed.named_selects == ["t", 'p"; DROP TABLE x; --', 'v"x']


def test_rows_become_metrics() -> None:
    engine = Engine(
        "SELECT * FROM (VALUES (TIMESTAMP '2021-01-01 13:00:00', 'a', 7, 1.5, 2), "
        "(TIMESTAMP '2021-01-01 13:30:00', 'a', 7, 1, NULL), (TIMESTAMP '2021-01-01 14:00:00', NULL, NULL, 9, 9), "
        "(TIMESTAMP '2021-01-01 13:30:00', '', 7, 3, 4), (NULL, 'a', 7, 1, 1)) AS r(t, p, q, v, w)"
    )
    source = table(MinimumGoodShare=0.5)
    metrics, report = read_history(source, AthenaTables(engine))
    assert metrics.combinations == ((None, None), ("", "7"), ("a", "7"))
    assert metrics.starts.astype(str).tolist() == ["2021-01-01T12:00:00", "2021-01-01T13:00:00"]
    np.testing.assert_array_equal(metrics.values[0], [[np.nan, 9.0], [3.0, np.nan], [2.5, np.nan]])
    np.testing.assert_array_equal(metrics.values[1], [[np.nan, 9.0], [4.0, np.nan], [2.0, np.nan]])
    assert (report.rows, report.used, report.bad, report.missing) == (5, 4, 1, 1)
    assert report.problems[0].startswith("AwsDataCatalog.db.kpis: line 5: Timestamp Column 't' ''")
    interval, report = read_interval(source, AthenaTables(engine), NOON)
    assert interval.values[0].tolist() == [[3.0], [2.5]]
    assert (report.used, report.future) == (3, 1)
    with pytest.raises(NoDataError, match=r"time interval from 2021-01-02T12:00:00Z .*: AwsDataCatalog.db.kpis"):
        read_interval(source, AthenaTables(engine), NOON.replace(day=2))


def test_rows_with_text_timestamps_become_metrics() -> None:
    engine = Engine(
        "SELECT * FROM (VALUES ('2021-01-01 13:00:00', 'a', 'x', 1, 2), ('soon', 'a', 'x', 1, 2), "
        "('2021-01-09 13:00:00', 'a', 'x', 1, 2)) AS r(t, p, q, v, w)"
    )
    source = table("yyyy-MM-dd HH:mm:ss", MinimumGoodShare=0.5)
    metrics, report = read_interval(source, AthenaTables(engine), NOON)
    assert metrics.values.tolist() == [[[1.0]], [[2.0]]]
    assert (report.used, report.bad) == (1, 1)


def test_a_failure_of_athena_is_raised() -> None:
    def refuse(sql: str, table: AthenaTable, file: Path) -> None:
        raise StoreError("Athena, workgroup w, database db: no")

    with pytest.raises(StoreError, match="workgroup w"):
        read_history(table(), AthenaTables(refuse))


def test_the_kind_of_source_selects_the_reader() -> None:
    assert isinstance(open_source_files(table().metric_set), AthenaTables)


@pytest.mark.parametrize(
    ("message", "hints"),
    [
        ("You are not authorized to perform: glue:GetTable on the resource", True),
        ("Insufficient permissions to execute the query. User: x is not authorized to perform: glue:GetDatabase", True),
        ("Access Denied (Service: Amazon S3; Status Code: 403)", True),
        ("SYNTAX_ERROR: line 1:8: Column 't' cannot be resolved", False),
    ],
)
def test_a_denied_query_names_the_parameter(
    message: str, hints: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import awswrangler as wr

    def fail(**_: Any) -> str:
        raise wr.exceptions.QueryFailed(message)

    monkeypatch.setattr(wr.athena, "start_query_execution", fail)
    source = table().metric_set.athena
    assert source is not None
    with pytest.raises(StoreError, match="Athena, workgroup w, database db: ") as raised:
        run_query("SELECT 1", source, tmp_path / "answer.csv")
    assert message in str(raised.value)
    assert ("SourceDatabases" in str(raised.value)) == hints
