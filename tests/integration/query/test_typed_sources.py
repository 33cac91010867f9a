"""Live data of typed sources: Parquet files, and tables that Athena reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot

from anomalake.api import LakeHandle
from anomalake.aws.athena_engine import AthenaEngine
from anomalake.definitions.metric_set import AthenaTable, ColumnType, JsonLinesFormat, ParquetFormat
from anomalake.query.errors import SourceElsewhereError, SourceError
from anomalake.query.relations import Relations
from anomalake.query.statements import CatalogRelation, catalog_relations
from anomalake.services.dashboard import read_document, unread_in
from anomalake.storage.objects import open_store
from tests.integration.query.lakes import ORDERS, alert, rows, write
from tests.integration.query.test_live import source
from tests.support.duckdb_tables import ask

TABLE = AthenaTable("shop", "live_orders", work_group_name="analysts")


@pytest.fixture
def lake(tmp_path: Path) -> LakeHandle:
    """An alert at 04:00 UTC, 05:00 in Paris."""
    (tmp_path / "data").mkdir()
    series = [({"marketplace": "it", "platform": "7"}, "10")]
    return write(tmp_path, [alert("e1", series=series, zone="Europe/Paris")])


def write_rows(folder: Path, timestamps: pa.Array, name: str = "a.parquet", **columns: Any) -> None:
    """Write one row for each timestamp."""
    defaults = {
        "platform": pa.array([7] * len(timestamps), pa.int16()),
        "marketplace": pa.array(["it"] * len(timestamps)),
        "views": pa.array([3] * len(timestamps), pa.int64()),
        "revenue": pa.array([70.53] * len(timestamps)),
    }
    pq.write_table(pa.table({**defaults, **columns, "timestamp": timestamps}), folder / name)


CLOCK, INSTANT = datetime(2021, 2, 14, 5), datetime(2021, 2, 14, 4)


@pytest.mark.parametrize(
    ("timestamps", "type_"),
    [
        (pa.array(["2021-02-14 05:00:00"]), "string"),
        (pa.array([CLOCK], pa.timestamp("ns")), "timestamp"),
        (pa.array([CLOCK], pa.timestamp("ms")), "timestamp"),
        (pa.array([INSTANT.replace(tzinfo=UTC)], pa.timestamp("us", "America/New_York")), "timestamp with time zone"),
    ],
)
def test_parquet_files_are_read_as_they_are(tmp_path: Path, lake: LakeHandle, timestamps: pa.Array, type_: str) -> None:
    write_rows(tmp_path / "data", timestamps)
    registered = lake.register_source(source(file_format=ParquetFormat()))
    assert isinstance(registered.file_format, ParquetFormat)
    assert ColumnType("timestamp", type_) in registered.file_format.column_list
    (row,) = rows(lake, "SELECT * FROM live_orders")
    assert row == {
        "timestamp": INSTANT, "local_timestamp": CLOCK, "marketplace": "it", "platform": "7",
        "revenue": Decimal("70.53"), "views": 3,
    }  # fmt: skip
    (joined,) = rows(lake, "SELECT * FROM with_livedata_orders")
    assert (joined["revenue"], joined["revenueanomalymetricvalue"]) == (Decimal("70.53"), 10)
    assert (joined["timestamp"], joined["local_timestamp"]) == (INSTANT, CLOCK)


def test_days_in_parquet_files(tmp_path: Path, lake: LakeHandle) -> None:
    write_rows(tmp_path / "data", pa.array([date(2021, 2, 14)]))
    lake.register_source(source(file_format=ParquetFormat(), frequency="P1D"))
    (row,) = rows(lake, "SELECT timestamp, local_timestamp FROM live_orders")
    assert row == {"timestamp": datetime(2021, 2, 13, 23), "local_timestamp": datetime(2021, 2, 14)}


def test_parquet_files_may_differ_in_order_and_types_of_columns(tmp_path: Path, lake: LakeHandle) -> None:
    times = pa.array([CLOCK, None])
    write_rows(tmp_path / "data", times)
    more = {"more": pa.array([1, 2]), "revenue": pa.array([1, None], pa.int32()), "views": pa.array(["2.50", "x"])}
    pq.write_table(
        pa.table({"timestamp": times, **more, "marketplace": pa.array(["it", None]), "platform": pa.array([7, 8])}),
        tmp_path / "data" / "b.parquet",
    )
    lake.register_source(source(file_format=ParquetFormat()))
    result = rows(lake, "SELECT revenue, views, marketplace, timestamp FROM live_orders ORDER BY 1, 2, 3")
    assert [(row["revenue"], row["views"], row["marketplace"]) for row in result] == [
        (1, Decimal("2.5"), "it"),
        (Decimal("70.53"), 3, "it"),
        (Decimal("70.53"), 3, "it"),
        (None, None, None),
    ]
    assert [row["timestamp"] for row in result].count(None) == 2


def test_parquet_files_in_subfolders(tmp_path: Path, lake: LakeHandle) -> None:
    """With an empty file, and names of columns in another case, as detection reads them."""
    folder = tmp_path / "data" / "dt=2021-02-14" / "hour=05"
    folder.mkdir(parents=True)
    (folder / "a.parquet").touch()
    columns = {"Timestamp": [CLOCK], "PLATFORM": [7], "marketplace": ["it"], "Views": [3], "revenue": [70.53]}
    pq.write_table(pa.table(columns), folder / "b.parquet")
    metric_set = source(file_format=ParquetFormat(), recursive=True)
    registered = lake.register_source(metric_set)
    assert isinstance(registered.file_format, ParquetFormat)
    assert [column.name for column in registered.file_format.column_list] == list(metric_set.columns)
    (row,) = rows(lake, "SELECT timestamp, platform, marketplace, views, revenue FROM live_orders")
    assert list(row.values()) == [INSTANT, "7", "it", 3, Decimal("70.53")]
    with pytest.raises(SourceError, match="no file under its paths; expected one with the types of the columns"):
        lake.register_source(replace(metric_set, recursive=False, historical_data_path_list=("nothing",)))


@pytest.mark.parametrize("names", [("revenue ",), ("revenue", "Revenue")])
def test_parquet_columns_that_athena_does_not_find_are_refused(
    tmp_path: Path, lake: LakeHandle, names: tuple[str, ...]
) -> None:
    columns = {name: pa.array([1.0]) for name in ("platform", "marketplace", "views", *names)}
    pq.write_table(pa.table({"timestamp": pa.array([CLOCK]), **columns}), tmp_path / "data" / "a.parquet")
    with pytest.raises(SourceError, match=f"column 'revenue' is '{names[0]}' in the file; queries on live data find"):
        lake.register_source(source(file_format=ParquetFormat()))


def test_registered_types_are_kept(tmp_path: Path, lake: LakeHandle) -> None:
    write_rows(tmp_path / "data", pa.array([CLOCK]))
    registered = lake.register_source(source(file_format=ParquetFormat()))
    (schema,) = Relations(open_store(str(tmp_path))).detectors.all()
    assert schema.source == registered
    (tmp_path / "data" / "a.parquet").unlink()
    assert lake.register_source(source(file_format=ParquetFormat())) == registered


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"views": pa.array([True])}, "column 'views' has the type bool; expected a number"),
        ({"views": pa.array([1], pa.uint64())}, "column 'views' has the type uint64; queries on live data read text"),
        ({"platform": pa.array([1.5])}, "column 'platform' has the type double; queries on live data expect text"),
        ({"platform": pa.array([CLOCK])}, "column 'platform' has the type timestamp; queries on live data expect"),
    ],
)
def test_types_that_queries_cannot_read(tmp_path: Path, lake: LakeHandle, columns: Any, message: str) -> None:
    write_rows(tmp_path / "data", pa.array([CLOCK]), **columns)
    with pytest.raises(SourceError, match=message):
        lake.register_source(source(file_format=ParquetFormat()))


def test_a_folder_without_parquet_files(tmp_path: Path, lake: LakeHandle) -> None:
    with pytest.raises(SourceError, match="no file under its paths; expected one with the types"):
        lake.register_source(source(file_format=ParquetFormat()))
    (tmp_path / "data" / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(SourceError, match=r"a\.parquet: cannot be read as Parquet"):
        lake.register_source(source(file_format=ParquetFormat()))


# ---- in Athena ----


def source_statements(lake: Path) -> list[str]:
    found = catalog_relations(Relations(open_store(str(lake))))
    return [
        item.statement for item in found if isinstance(item, CatalogRelation) and item.name.startswith("source_orders")
    ]


def test_athena_reads_parquet_files_with_their_types(tmp_path: Path, lake: LakeHandle) -> None:
    types = {
        "timestamp": "timestamp with time zone", "platform": "smallint", "marketplace": "string",
        "views": "decimal(10,2)", "revenue": "double",
    }  # fmt: skip
    columns = tuple(ColumnType(name, type_) for name, type_ in types.items())
    lake.register_source(
        source(historical_data_path_list=("s3://bucket/data",), file_format=ParquetFormat(columns), timezone="UTC")
    )
    table, view = source_statements(tmp_path)
    assert table.endswith(
        "(\n  `timestamp` timestamp,\n  `platform` smallint,\n  `marketplace` string,\n  `revenue` double,\n"
        "  `views` decimal(10,2)\n)\nSTORED AS PARQUET\nLOCATION 's3://bucket/data/'"
    )
    selected = sqlglot.parse_one(view, read="athena").expression.selects
    assert [column.sql("athena") for column in selected][:3] == [
        'CAST("timestamp" AS TIMESTAMP) AS "source_timestamp"',
        'CAST("platform" AS VARCHAR) AS "source_platform"',
        'CAST("marketplace" AS VARCHAR) AS "source_marketplace"',
    ]


@pytest.mark.parametrize(("names", "fault"), [(("a`b",), "a`b"), (("Region", "region"), "Region")])
def test_athena_finds_parquet_columns_by_name(tmp_path: Path, names: tuple[str, ...], fault: str) -> None:
    lake = write(tmp_path, [])
    metric_set = source(historical_data_path_list=("s3://bucket/data",), dimension_list=names)
    types = tuple(ColumnType(name, "string") for name in metric_set.columns)
    lake.register_source(
        source(historical_data_path_list=("s3://bucket/data",), dimension_list=names, file_format=ParquetFormat(types))
    )
    (undefined,) = (
        item
        for item in catalog_relations(Relations(open_store(str(tmp_path))))
        if not isinstance(item, CatalogRelation)
    )
    assert f"column {fault!r}: Athena finds Parquet's columns by their names" in str(undefined.error)


def of_table(**changes: Any) -> Any:
    return source(historical_data_path_list=(), athena=TABLE, **changes)


def test_the_view_of_an_athena_table_reads_the_table(tmp_path: Path, lake: LakeHandle) -> None:
    lake.register_source(of_table())
    (view,) = source_statements(tmp_path)
    query = sqlglot.parse_one(view, read="athena").expression
    assert query.args["from_"].this.sql("athena") == '"AwsDataCatalog"."shop"."live_orders"'
    relation = next(
        item
        for item in catalog_relations(Relations(open_store(str(tmp_path))))
        if isinstance(item, CatalogRelation) and item.name == "source_orders"
    )
    assert not relation.reads, "a table of another database is no relation of the lake"


def athena_tables(create: str) -> duckdb.DuckDBPyConnection:
    """Return a stand-in for Athena: DuckDB with a catalog and the tables of a lake without alerts."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'America/New_York'")
    connection.execute("ATTACH ':memory:' AS AwsDataCatalog; CREATE SCHEMA AwsDataCatalog.shop")
    connection.execute(create)
    return connection


@pytest.mark.parametrize(
    ("type_", "cell", "is_text"),
    [
        ("timestamp", "2021-02-14 05:00:00", False),
        ("varchar", "2021-02-14T04:00:00Z", True),
    ],
)
def test_athena_answers_from_the_table(tmp_path: Path, lake: LakeHandle, type_: str, cell: str, is_text: bool) -> None:
    metric_set = source(
        historical_data_path_list=(),
        athena=AthenaTable("shop", "live_orders", timestamp_is_text=is_text),
        timestamp_format="yyyy-MM-dd'T'HH:mm:ssX" if is_text else "yyyy-MM-dd HH:mm:ss",
    )
    lake.register_source(metric_set)
    connection = athena_tables(
        f"CREATE TABLE AwsDataCatalog.shop.live_orders AS SELECT CAST('{cell}' AS {type_}) AS timestamp, "
        "7 AS platform, 'it' AS marketplace, CAST(70.53 AS double) AS revenue, 3 AS views"
    )
    text = AthenaEngine(open_store(str(tmp_path))).to_athena("SELECT * FROM live_orders")
    assert isinstance(text, str)
    assert ask(connection, text).to_pylist() == [
        {
            "timestamp": INSTANT,
            "local_timestamp": CLOCK,
            "marketplace": "it",
            "platform": "7",
            "revenue": Decimal("70.53"),
            "views": 3,
        }
    ]


def test_a_lake_in_a_folder_says_where_the_rows_of_an_athena_table_are(lake: LakeHandle) -> None:
    lake.register_source(of_table())
    for relation in ("live_orders", "live_orders_by_day", "with_livedata_orders"):
        with pytest.raises(SourceElsewhereError) as error:
            lake.query_rows(f"SELECT * FROM {relation}")
        assert str(error.value) == (
            "live data of orders: the rows are in Athena's table AwsDataCatalog.shop.live_orders (workgroup analysts), "
            "which queries on a lake in a folder do not read; ask a lake in S3, whose queries Athena answers"
        )
    assert len(rows(lake, "SELECT * FROM anomalies_orders")) == 1


def test_the_page_of_a_lake_in_a_folder_shows_all_but_the_rows_of_an_athena_table(
    tmp_path: Path, lake: LakeHandle
) -> None:
    lake.register_source(of_table())
    document = read_document(str(tmp_path))
    assert not unread_in(document), "the page is complete"
    (note,) = (note for note in document.notes if "AwsDataCatalog.shop.live_orders" in note)
    assert note.startswith("live data of orders: the rows are in Athena's table")
    (detector,) = document.detectors
    assert detector.arn == ORDERS
    assert "AwsDataCatalog.shop.live_orders" in detector.live_problem
    assert len(document.groups.id) == 1


def test_parquet_sources_of_earlier_versions_are_read(tmp_path: Path, lake: LakeHandle) -> None:
    lake.register_source(source(file_format=JsonLinesFormat()))
    (record,) = (tmp_path / "sources").iterdir()
    record.write_text(record.read_text().replace("JsonFormatDescriptor", "ParquetFormatDescriptor"))
    (schema,) = Relations(open_store(str(tmp_path))).detectors.all()
    assert schema.source is not None
    assert schema.source.file_format == ParquetFormat()
