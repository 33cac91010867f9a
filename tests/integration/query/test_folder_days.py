"""Days of folders: queries with bounds on time read only the folders that may have their rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from anomalake.api import LakeHandle
from anomalake.aws.athena_engine import AthenaEngine
from anomalake.definitions.intervals import folder_of
from anomalake.definitions.metric_set import CsvFormat, MetricSet
from anomalake.quicksight.data_sets import VALUES, model_of
from anomalake.records.metric_sets import write_metric_set
from anomalake.storage.objects import memory_store
from tests.integration.query.lakes import rows, write
from tests.integration.query.test_live import source
from tests.support.duckdb_tables import ask

TEMPLATE = "live/{{yyyyMMdd}}/{{HHmm}}"
HEADER = ("timestamp", "platform", "marketplace", "views", "revenue")
ZONES = ("Pacific/Kiritimati", "Etc/GMT+12", "Europe/Paris", "UTC")


def in_s3(**changes: Any) -> MetricSet:
    return source(
        **{
            "historical_data_path_list": ("s3://bucket/history/",),
            "templated_path_list": (f"s3://bucket/{TEMPLATE}",),
            "file_format": CsvFormat(header_list=HEADER),
            **changes,
        }
    )


def engine(metric_set: MetricSet) -> AthenaEngine:
    store = memory_store()
    write_metric_set(store, metric_set)
    return AthenaEngine(store)


def condition_on_source(sql: str, metric_set: MetricSet) -> str:
    """Return the condition on the source rows in the SQL that Athena runs."""
    text = engine(metric_set).to_athena(sql)
    assert isinstance(text, str)
    (table,) = (
        table for table in sqlglot.parse_one(text, read="athena").find_all(exp.Table) if table.name == "source_orders"
    )
    select = table.find_ancestor(exp.Select)
    assert select is not None
    where = select.args.get("where")
    return where.this.sql("athena") if where else ""


def passing(first: str, last: str) -> str:
    day = '"source_folder_day"'
    return f"{day} IS NULL OR ({day} >= '{first}' AND {day} <= '{last}')"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM live_orders", ""),
        ("SELECT * FROM live_orders WHERE revenue > 1", ""),
        ("SELECT * FROM live_orders_by_day WHERE day = '2021-02-14'", passing("20210212", "20210222")),
        (
            "SELECT * FROM live_orders WHERE \"timestamp\" >= TIMESTAMP '2021-02-14 00:00:00' "
            "AND \"timestamp\" < TIMESTAMP '2021-02-16 00:00:00'",
            passing("20210212", "20210223"),
        ),
        # Wall-clock times, and those that live data are joined on, have a day more.
        ("SELECT * FROM with_livedata_orders_by_day WHERE day = '2021-02-14'", passing("20210211", "20210223")),
        (
            "SELECT * FROM live_orders WHERE local_timestamp >= TIMESTAMP '2021-02-14 00:00:00'",
            '"source_folder_day" IS NULL OR "source_folder_day" >= \'20210211\'',
        ),
    ],
)
def test_bounds_become_conditions_on_folders(sql: str, expected: str) -> None:
    assert condition_on_source(sql, in_s3()) == expected


def test_days_have_the_form_of_the_folders() -> None:
    sql = "SELECT * FROM live_orders_by_day WHERE day = '2021-02-14'"
    with_slashes = in_s3(templated_path_list=("s3://b/{{yyyy}}/{{MM}}/{{dd}}/{{HH}}",))
    assert condition_on_source(sql, with_slashes) == passing("2021/02/12", "2021/02/22")
    assert condition_on_source(sql, in_s3(templated_path_list=("s3://b/{{yyyyMMddHH}}",))) == ""


def athena(folders: list[tuple[str | None, str]]) -> duckdb.DuckDBPyConnection:
    """Return a stand-in for Athena: DuckDB with the view of source rows. `folders`: days of folders and timestamps."""
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE source_orders(source_timestamp varchar, source_platform varchar, source_marketplace varchar, "
        "source_revenue varchar, source_views varchar, source_folder_day varchar)"
    )
    if folders:
        values = [[time, "pc", "it", "1", "2", day] for day, time in folders]
        connection.executemany("INSERT INTO source_orders VALUES (?, ?, ?, ?, ?, ?)", values)
    return connection


def asked(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in ask(connection, sql).to_pylist()]


@given(
    zone=st.sampled_from(ZONES),
    instants=st.lists(
        st.tuples(st.integers(-5 * 1440, 5 * 1440), st.integers(0, 7 * 24), st.booleans()), min_size=1, max_size=20
    ),
    span=st.tuples(st.integers(-3, 3), st.integers(0, 2)),
)
def test_no_row_is_lost_by_the_edges_of_zones_or_within_a_week_of_delay(
    zone: str, instants: list[tuple[int, int, bool]], span: tuple[int, int]
) -> None:
    metric_set = in_s3(timezone=zone)
    noon = datetime(2021, 2, 14, 12, tzinfo=UTC)
    folders: list[tuple[str | None, str]] = []
    for minutes, hours_late, historical in instants:
        instant = noon + timedelta(minutes=minutes)
        folder = folder_of("{{yyyyMMdd}}", instant + timedelta(hours=hours_late), zone)
        wall_clock = instant.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")
        folders.append((None if historical else folder, wall_clock))
    first = (noon + timedelta(days=span[0])).date()
    last = first + timedelta(days=span[1])
    connection = athena(folders)
    text = engine(metric_set).to_athena(
        f"SELECT timestamp FROM live_orders_by_day WHERE day BETWEEN '{first}' AND '{last}' ORDER BY 1"
    )
    assert isinstance(text, str)
    expected = sorted(
        (noon + timedelta(minutes=minutes)).replace(tzinfo=None)
        for minutes, _, _ in instants
        if first <= (noon + timedelta(minutes=minutes)).date() <= last
    )
    assert [time for (time,) in asked(connection, text)] == expected


def test_rows_that_are_later_than_the_margin_are_left_out_of_bounded_queries_only() -> None:
    connection = athena([("20210222", "2021-02-14 05:00:00"), ("20210223", "2021-02-14 05:00:00")])
    for sql, number in (
        ("SELECT count(*) FROM live_orders_by_day WHERE day = '2021-02-14'", 1),
        ("SELECT count(*) FROM live_orders", 2),
    ):
        text = engine(in_s3()).to_athena(sql)
        assert isinstance(text, str)
        assert asked(connection, text) == [(number,)]


# ---- on a lake in a folder ----


@pytest.fixture
def lake(tmp_path: Path) -> LakeHandle:
    """Live data of three days, the last with a row that is ten days late, and a history; no alerts."""
    lines = {
        "history/20210101/input.csv": "2021-02-14 03:00:00",
        "live/20210214/0500/a.csv": "2021-02-14 05:00:00",
        "live/20210215/0000/a.csv": "2021-02-15 00:00:00",
        "live/20210224/0000/a.csv": "2021-02-14 05:00:00",
    }
    for name, time in lines.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"timestamp,platform,marketplace,views,revenue\n{time},pc,it,1,2\n")
    handle = write(tmp_path, [])
    handle.register_source(source(historical_data_path_list=("history/20210101",), templated_path_list=(TEMPLATE,)))
    return handle


def test_a_lake_in_a_folder_has_the_same_days(lake: LakeHandle) -> None:
    result = rows(lake, "SELECT day, folder_day FROM live_orders_by_day ORDER BY 2")
    assert sorted((row["folder_day"] or "", row["day"]) for row in result) == [
        ("", "2021-02-14"),
        ("20210214", "2021-02-14"),
        ("20210215", "2021-02-14"),
        ("20210224", "2021-02-14"),
    ]
    assert "folder_day" not in lake.query_rows("SELECT * FROM live_orders")[0]
    bounded = rows(lake, "SELECT folder_day FROM live_orders_by_day WHERE day = '2021-02-14' AND revenue = 2")
    assert sorted(row["folder_day"] or "" for row in bounded) == ["", "20210214", "20210215"]
    assert len(rows(lake, "SELECT * FROM live_orders_by_day WHERE folder_day = '20210224'")) == 1


def test_folders_that_are_no_partitions_in_athena_have_no_day_in_a_folder_either(lake: LakeHandle) -> None:
    lake.register_source(source(historical_data_path_list=("live",), templated_path_list=(TEMPLATE,)))
    result = rows(lake, "SELECT folder_day FROM live_orders_by_day WHERE day = '2021-02-14'")
    assert [row["folder_day"] for row in result] == [None] * 3


def test_a_history_with_subfolders_beside_folders_of_days(lake: LakeHandle) -> None:
    lake.register_source(
        source(historical_data_path_list=("history",), templated_path_list=(TEMPLATE,), recursive=True)
    )
    result = rows(lake, "SELECT folder_day FROM live_orders_by_day WHERE day = '2021-02-14'")
    assert sorted(row["folder_day"] or "" for row in result) == ["", "20210214", "20210215"]


def test_rows_of_folders_of_days_in_a_history_with_subfolders_occur_once(lake: LakeHandle, tmp_path: Path) -> None:
    (tmp_path / "live").rename(tmp_path / "history" / "live")
    templates = (f"history/{TEMPLATE}",)
    lake.register_source(source(historical_data_path_list=("history",), templated_path_list=templates, recursive=True))
    result = rows(lake, "SELECT folder_day FROM live_orders_by_day WHERE day = '2021-02-14'")
    assert [row["folder_day"] for row in result] == [None] * 4


@pytest.mark.parametrize("name", ["a*b", "a[xyz]b", "dt?"])
def test_folders_and_files_whose_names_are_patterns(tmp_path: Path, name: str) -> None:
    handle = write(tmp_path / "lake", [])
    for day, file in (("20210214", "a.csv"), ("20210214", "[b]*.csv"), ("20210215", "c.csv"), ("20210224", "*.csv")):
        folder = tmp_path / name / f"x{name}{day}" / "0500"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(f"{','.join(HEADER)}\n2021-02-14 05:00:00,pc,it,1,2\n")
        other = tmp_path / name / "live" / day / "0500"
        other.mkdir(parents=True, exist_ok=True)
        (other / file).write_text(f"{','.join(HEADER)}\n2021-02-14 05:00:00,pc,it,1,3\n")
    templates = (f"{tmp_path}/{name}/x{name}{{{{yyyyMMdd}}}}/{{{{HHmm}}}}", f"{tmp_path}/{name}/{TEMPLATE}")
    handle.register_source(source(historical_data_path_list=(), templated_path_list=templates))
    sql = "SELECT folder_day, revenue FROM live_orders_by_day"
    found = [(row["folder_day"], int(row["revenue"])) for row in rows(handle, sql)]
    days = ["20210214", "20210214", "20210215", "20210224"]
    assert sorted(found) == sorted((day, revenue) for day in days for revenue in (2, 3))
    bounded = rows(handle, f"{sql} WHERE day = '2021-02-14'")
    assert sorted(row["folder_day"] for row in bounded) == ["20210214"] * 4 + ["20210215"] * 2


def test_the_history_of_quicksight_reads_its_folders_only(lake: LakeHandle, tmp_path: Path) -> None:
    metric_set = source(historical_data_path_list=("history/20210101",), templated_path_list=(TEMPLATE,))
    sql = model_of(metric_set).data_sets[VALUES].sql()
    parsed = sqlglot.parse_one(sql.replace("${DatabaseName}", "anomalake").replace("${HistoryDays}", "30"), "athena")
    tables = {table.name: table.find_ancestor(exp.Select) for table in parsed.find_all(exp.Table)}
    assert set(tables) == {"live_orders_by_day", "metricvalue_anomalyscore_orders_by_day"}
    live = tables["live_orders_by_day"]
    assert live is not None
    assert live.args["where"].this.sql("athena") == (
        "folder_day IS NULL OR folder_day >= DATE_FORMAT(DATE_ADD('DAY', 0 - 30 - 2, CURRENT_TIMESTAMP), '%Y%m%d')"
    )
    today = datetime.now(UTC)
    file = tmp_path / folder_of(TEMPLATE, today, "Europe/Paris") / "a.csv"
    file.parent.mkdir(parents=True)
    wall_clock = today.astimezone(ZoneInfo("Europe/Paris"))
    file.write_text(f"timestamp,platform,marketplace,views,revenue\n{wall_clock:%Y-%m-%d %H:%M:%S},pc,it,1,5\n")
    (row,) = rows(lake, parsed.sql("athena"))
    assert row["revenue"] == 5
    everything = sql.replace("${DatabaseName}", "anomalake").replace("${HistoryDays}", "36500")
    assert len(rows(lake, everything)) == 4
