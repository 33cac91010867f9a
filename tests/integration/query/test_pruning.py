"""Queries read only the partitions that they need. Invalid files in the other partitions would make them fail."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from itertools import cycle, product
from pathlib import Path

import pytest

from anomalake.api import LakeHandle
from anomalake.lake.compaction import compact
from anomalake.lake.lake import Lake
from anomalake.local import duckdb_engine, lake_files
from anomalake.local.duckdb_engine import DuckDBEngine
from anomalake.query.errors import QueryError
from anomalake.query.trino.queries import CompiledQuery
from anomalake.storage.objects import open_store
from tests.integration.query.lakes import alert, arn, rows, write

FEBRUARY_14 = "timestamp >= TIMESTAMP '2021-02-14 00:00:00' AND timestamp < TIMESTAMP '2021-02-15 00:00:00'"


@pytest.fixture(params=["parquet", "csv"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> LakeHandle:
    """Three days of orders and one of clicks; a day of orders and the day of clicks have an invalid file."""
    alerts = [alert(f"e{day}", f"2021-02-{day}T04:00") for day in (14, 15, 16)]
    clicks = [alert("c14", detector_arn=arn("clicks"))]
    lake = write(tmp_path, [*alerts, *clicks], (request.param,))
    table = "alert_rows" if request.param == "parquet" else "alert_rows_csv"
    for partition in ("detector=orders/day=2021-02-16", "detector=clicks/day=2021-02-14"):
        (tmp_path / "tables" / table / partition / f"broken.{request.param}").write_bytes(
            b"\x00\xff,\x00 no table\n1,2\n"
        )
    return lake


def events(lake: LakeHandle, sql: str) -> list[str]:
    return sorted(row["alert_event_id"] for row in rows(lake, sql))


def test_queries_that_read_the_invalid_files_fail(lake: LakeHandle) -> None:
    for sql in ("SELECT * FROM alerts", "SELECT * FROM alerts WHERE detector = 'clicks'"):
        with pytest.raises(QueryError) as error:
            lake.query_rows(sql)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (FEBRUARY_14, ["e14"]),
        ("timestamp BETWEEN TIMESTAMP '2021-02-14 00:00:00' AND TIMESTAMP '2021-02-15 23:59:59'", ["e14", "e15"]),
        ("TIMESTAMP '2021-02-16 00:00:00' > timestamp", ["e14", "e15"]),
        ("timestamp = TIMESTAMP '2021-02-14 04:00:00'", ["e14"]),
        ("date(timestamp) = DATE '2021-02-15'", ["e15"]),
        ("CAST(timestamp AS date) IN (DATE '2021-02-14', DATE '2021-02-15')", ["e14", "e15"]),
        ("(timestamp < DATE '2021-02-15' OR timestamp = TIMESTAMP '2021-02-15 04:00:00')", ["e14", "e15"]),
        ("timestamp < from_iso8601_timestamp('2021-02-15T00:00:00Z')", ["e14"]),
        ("local_timestamp < TIMESTAMP '2021-02-15 00:00:00'", ["e14"]),
    ],
)
def test_conditions_limit_the_partitions(lake: LakeHandle, where: str, expected: list[str]) -> None:
    assert events(lake, f"SELECT * FROM alerts WHERE detector = 'orders' AND {where}") == expected
    assert (
        events(lake, f"SELECT m.alert_event_id FROM metric_values m WHERE m.detector = 'orders' AND {where}")
        == expected
    )


def test_conditions_on_each_relation_limit_the_partitions(lake: LakeHandle) -> None:
    for name in ("alerts", "metric_values", "dimension_contributions", "clashes", "alerts_by_day"):
        lake.query_rows(f"SELECT * FROM {name} WHERE detector IN ('orders') AND {FEBRUARY_14}")
    for name in ("metricvalue_anomalyscore", "with_dimensioncontributions", "with_livedata"):
        lake.query_rows(f"SELECT * FROM {name}_orders WHERE {FEBRUARY_14}")
    assert events(lake, "SELECT * FROM alerts_by_day WHERE detector = 'orders' AND day <= '2021-02-15'") == [
        "e14",
        "e15",
    ]


def test_conditions_in_ctes_subqueries_and_joins_limit_the_partitions(lake: LakeHandle) -> None:
    bounded = f"SELECT * FROM alerts WHERE detector = 'orders' AND {FEBRUARY_14}"
    assert events(lake, f"WITH alerts AS ({bounded}) SELECT * FROM alerts") == ["e14"]
    assert events(lake, f"SELECT * FROM ({bounded}) AS a") == ["e14"]
    assert events(lake, f"{bounded} UNION ALL {bounded}") == ["e14", "e14"]
    assert events(
        lake,
        "SELECT a.alert_event_id FROM alerts a JOIN metric_values m ON a.alert_event_id = m.alert_event_id "
        "WHERE a.detector = 'orders' AND m.detector = 'orders' "
        "AND a.timestamp < DATE '2021-02-15' AND m.timestamp < DATE '2021-02-15'",
    ) == ["e14"]


@pytest.mark.parametrize(
    "where",
    [
        "detector = 'orders' OR timestamp < DATE '2021-02-15'",
        "NOT (timestamp >= DATE '2021-02-15')",
        "detector <> 'clicks'",
        "lower(detector) = 'orders'",
        "timestamp + INTERVAL '1' DAY < DATE '2021-02-15'",
    ],
)
def test_other_conditions_do_not_limit_the_partitions(lake: LakeHandle, where: str) -> None:
    with pytest.raises(QueryError):
        lake.query_rows(f"SELECT * FROM alerts WHERE {where}")


def test_results_are_the_same_with_and_without_pruning(tmp_path: Path) -> None:
    """Compare a condition that limits the partitions with the same condition as a column."""
    start = datetime(2021, 2, 13, 21)
    lake = write(
        tmp_path,
        [
            alert(
                f"e{n}", (start + timedelta(hours=7 * n)).isoformat(), zone="Asia/Tokyo", detector_arn=arn("ab"[n % 2])
            )
            for n in range(20)
        ],
    )
    columns = (
        "timestamp",
        "local_timestamp",
        "date(timestamp)",
        "date_trunc('day', timestamp)",
        "date(local_timestamp)",
    )
    values = ("TIMESTAMP '2021-02-15 00:00:00'", "DATE '2021-02-16'", "TIMESTAMP '2021-02-15 06:00:00'")
    more = cycle(("", " AND detector = 'a'", " OR detector = 'b'"))
    conditions = [
        f"{column} {operator} {value}{next(more)}"
        for column, operator, value in product(columns, ("<", "<=", ">", ">=", "="), values)
    ]
    # Conditions that are columns limit nothing.
    met = ", ".join(f"{where} AS c{number}" for number, where in enumerate(conditions))
    every = rows(lake, f"SELECT alert_event_id, {met} FROM alerts")
    assert len(every) == 20
    for number, where in enumerate(conditions):
        pruned = events(lake, f"SELECT * FROM alerts WHERE {where}")
        assert pruned == sorted(row["alert_event_id"] for row in every if row[f"c{number}"]), where


def test_unfinished_and_hidden_files_are_not_read(tmp_path: Path) -> None:
    lake = write(tmp_path, [alert("e1")])
    (partition,) = (tmp_path / "tables").rglob("day=*")
    for name in ("x.parquet#1", ".x.parquet", "_x.parquet", "x#1.parquet", "x.parquet.tmp"):
        (partition / name).write_bytes(b"half a file")
    (tmp_path / "tables" / "alert_rows" / "notes.txt").write_text("not a partition")
    assert events(lake, "SELECT * FROM alerts") == ["e1"]


def test_a_query_is_repeated_if_a_file_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = write(tmp_path, [alert("e1")])
    listing = lake_files.stable_listing
    calls = []

    def with_a_missing_file(*arguments: object) -> list[str]:
        calls.append(arguments)
        missing = (
            [str(tmp_path / "tables/alert_rows/detector=orders/day=2021-02-14/gone.parquet")] if len(calls) < 3 else []
        )
        return [*missing, *listing(*arguments)]  # type: ignore[arg-type]

    monkeypatch.setattr(lake_files, "stable_listing", with_a_missing_file)
    assert events(lake, "SELECT * FROM alerts") == ["e1"]
    assert len(calls) == 3
    calls.clear()
    assert len(lake.export(tmp_path / "out", "csv")) > 4


def test_a_query_fails_if_its_files_are_always_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = write(tmp_path, [alert("e1")])
    monkeypatch.setattr(lake_files, "stable_listing", lambda *_: [str(tmp_path / "gone.parquet")])
    with pytest.raises(QueryError, match="keep changing"):
        lake.query_rows("SELECT * FROM alerts")


def test_a_listing_that_misses_a_merged_file_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first listing has one of two old files, and the next one only the merged file."""
    write(tmp_path, [alert("e1")])
    lake = write(tmp_path, [alert("e2")])
    store = open_store(str(tmp_path))
    listing = lake_files.list_files
    listings = []

    def racing(*arguments: object) -> set[str]:
        files = listing(*arguments)  # type: ignore[arg-type]
        listings.append(files)
        if len(listings) == 1:
            compact(Lake(store))
            return {sorted(files)[0]}
        return files

    monkeypatch.setattr(lake_files, "list_files", racing)
    assert events(lake, "SELECT * FROM alerts") == ["e1", "e2"]
    assert len(listings) == 3


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_parquet('x.parquet')",
        "SELECT * FROM '/etc/passwd'",
        'SELECT * FROM "/etc/passwd"',
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM information_schema.tables",
        "COPY alerts TO 'x.csv'",
        "COPY (SELECT 1) TO 'x.csv'",
        "ATTACH 'x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "CREATE TABLE x AS SELECT 1",
        "CREATE VIEW x AS SELECT 1",
        "INSERT INTO alerts VALUES (1)",
        "DELETE FROM alerts",
        "UPDATE alerts SET detector = 'x'",
        "DROP VIEW alerts",
        "EXPLAIN ANALYZE COPY alerts TO 'x.csv'",
        "SELECT 1; DROP VIEW alerts",
        "SELECT * INTO x FROM alerts",
        "WITH x AS (DELETE FROM alerts RETURNING *) SELECT * FROM x",
        "UNLOAD (SELECT 1) TO 's3://x' WITH (format = 'PARQUET')",
        "SELECT ?",
        "",
        "-- nothing",
    ],
)
def test_statements_other_than_queries_are_refused(tmp_path: Path, sql: str) -> None:
    lake = write(tmp_path, [alert("e1")])
    with pytest.raises(QueryError) as error:
        lake.query_rows(sql)
    assert "\n" not in str(error.value)
    assert not (Path.cwd() / "x.csv").exists()


def test_duckdb_itself_refuses_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB refuses statements that the check of statements would accept."""
    write(tmp_path, [alert("e1")])
    (tmp_path / "secret.csv").write_text("a\n1\n")
    engine = DuckDBEngine(open_store(str(tmp_path)), tmp_path)
    for sql in (
        f"SELECT * FROM read_csv('{tmp_path / 'secret.csv'}')",
        "SELECT * FROM read_text('/etc/passwd')",
        f"COPY (SELECT 1) TO '{tmp_path / 'out.csv'}'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
    ):
        compiled = CompiledQuery(sql, (), ())
        monkeypatch.setattr(duckdb_engine, "compile_query", lambda *_, compiled=compiled: compiled)
        with pytest.raises(QueryError, match=r"disabled|locked|configuration"):
            engine.query("SELECT 1")
    assert not (tmp_path / "out.csv").exists()


def test_a_query_on_a_detector_does_not_read_the_shapes_of_others(tmp_path: Path) -> None:
    lake = write(tmp_path, [alert(f"e{n}", detector_arn=arn(f"d{n}")) for n in range(50)])
    store_reads: list[str] = []
    store = lake._connection.store
    get = type(store).get

    class Counting:
        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        def get(self, key: str) -> bytes:
            store_reads.append(key)
            return get(store, key)

    engine = DuckDBEngine(Counting(), tmp_path)  # type: ignore[arg-type]
    assert engine.query("SELECT * FROM metricvalue_anomalyscore_d7").num_rows == 1
    assert [key for key in store_reads if key.startswith("shapes/")] == [
        key for key in store_reads if "detector=d7/" in key
    ]


def test_queries_return_all_rows_while_files_are_written_and_merged(tmp_path: Path) -> None:
    lake = write(tmp_path, [alert("e0")])
    stored = 1
    done = threading.Event()

    def merge() -> None:
        while not done.is_set():
            compact(Lake(open_store(str(tmp_path))))

    merging = threading.Thread(target=merge)
    merging.start()
    try:
        for _ in range(8):
            for _ in range(3):
                write(tmp_path, [alert(f"e{stored}")])
                stored += 1
            assert len(rows(lake, "SELECT * FROM alerts")) == stored
            assert lake.query_rows("SELECT count(*) FROM metric_values")[1] == [(stored,)]
    finally:
        done.set()
        merging.join()
