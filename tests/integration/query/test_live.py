"""Source data, and source data with their anomalies."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from anomalake.api import LakeHandle
from anomalake.aws.athena_engine import AthenaEngine
from anomalake.definitions.metric_set import CsvFormat, JsonLinesFormat, Measure, MetricSet
from anomalake.definitions.metric_set_fields import metric_set_to_fields
from anomalake.query import templates
from anomalake.query.detectors import DetectorSchemas
from anomalake.query.errors import QueryError, SourceElsewhereError, SourceError
from anomalake.query.relations import Relation
from anomalake.services.dashboard import read_document, unread_in
from anomalake.storage.objects import open_store
from tests.integration.query.lakes import ORDERS, alert, rows, write

ROWS = """timestamp,platform,marketplace,views,revenue,note
2021-02-14 05:00:00,pc_web,it,10,3.5,"a, b"
2021-02-14 05:20:00,pc_web,it,20,6.5,
2021-02-14 05:00:00,pc_web,NA,7,2.1,
2021-02-14 06:00:00,mobile,007,x,1e2,
soon,mobile,007,1,1,
"""


def source(**changes: object) -> MetricSet:
    fields: dict[str, object] = {
        "detector_arn": ORDERS,
        "timestamp_column": "timestamp",
        "metric_list": (Measure("revenue"), Measure("views", "AVG")),
        "dimension_list": ("platform", "marketplace"),
        "timezone": "Europe/Paris",
        "historical_data_path_list": ("data",),
    }
    return MetricSet(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture
def lake(tmp_path: Path) -> LakeHandle:
    """An alert at 04:00 UTC (05:00 in Paris) on the series (it, pc_web) and on a series that is not in the source."""
    series = [({"marketplace": "it", "platform": "pc_web"}, "10"), ({"marketplace": "us", "platform": "pc_web"}, "1")]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "input.csv").write_text(ROWS)
    (tmp_path / "data" / "sub").mkdir()
    (tmp_path / "data" / "sub" / "ignored.csv").write_text(ROWS)
    return write(tmp_path, [alert("e1", series=series, zone="Europe/Paris")])


def test_live_rows(lake: LakeHandle) -> None:
    lake.register_source(source())
    assert "live_orders" in lake.relations()
    columns, _ = lake.query_rows("SELECT * FROM live_orders")
    assert columns == ["timestamp", "local_timestamp", "marketplace", "platform", "revenue", "views"]
    result = rows(lake, "SELECT * FROM live_orders ORDER BY local_timestamp, marketplace")
    assert [(row["marketplace"], row["revenue"], row["views"]) for row in result] == [
        ("NA", Decimal("2.1"), 7),
        ("it", Decimal("3.5"), 10),
        ("it", Decimal("6.5"), 20),
        ("007", 100, None),
        ("007", 1, 1),
    ]
    assert result[0]["timestamp"] == datetime(2021, 2, 14, 4)
    assert result[0]["local_timestamp"] == datetime(2021, 2, 14, 5)
    assert result[-1]["timestamp"] is None


def test_live_rows_of_names_in_another_case_and_of_empty_parts(lake: LakeHandle, tmp_path: Path) -> None:
    (tmp_path / "data" / "input.csv").write_text(ROWS.replace("marketplace", " Marketplace", 1))
    (tmp_path / "data" / "part.csv").write_text("")
    lake.register_source(source())
    assert len(rows(lake, "SELECT * FROM live_orders WHERE marketplace = 'it'")) == 2
    (tmp_path / "data" / "input.csv").unlink()
    assert rows(lake, "SELECT * FROM live_orders") == []


def test_a_create_metric_set_request_is_registered_as_its_metric_set_is(lake: LakeHandle) -> None:
    registered = lake.register_source(metric_set_to_fields(source()))
    assert registered == source()
    assert len(rows(lake, "SELECT * FROM live_orders")) == 5


def test_live_data_is_aggregated_and_joined(lake: LakeHandle) -> None:
    lake.register_source(source())
    columns, _ = lake.query_rows("SELECT * FROM with_livedata_orders")
    assert columns == [
        "timestamp", "marketplace", "platform", "revenue", "views", "revenueanomalymetricvalue", "revenuegroupscore",
        "viewsanomalymetricvalue", "viewsgroupscore", "local_timestamp",
    ]  # fmt: skip
    result = rows(lake, "SELECT * FROM with_livedata_orders ORDER BY timestamp, marketplace")
    assert [tuple(row.values()) for row in result] == [
        (datetime(2021, 2, 14, 4), "NA", "pc_web", Decimal("2.1"), 7, None, None, None, None, datetime(2021, 2, 14, 5)),
        (datetime(2021, 2, 14, 4), "it", "pc_web", 10, 15, 10, 80.5, None, None, datetime(2021, 2, 14, 5)),
        (datetime(2021, 2, 14, 5), "007", "mobile", 100, None, None, None, None, None, datetime(2021, 2, 14, 6)),
    ]
    assert len(rows(lake, "SELECT * FROM with_livedata_orders WHERE timestamp = TIMESTAMP '2021-02-14 04:00:00'")) == 2


@pytest.mark.parametrize(("frequency", "expected"), [("PT5M", 4), ("PT10M", 4), ("PT1H", 3), ("P1D", 3)])
def test_intervals(lake: LakeHandle, frequency: str, expected: int) -> None:
    lake.register_source(source(frequency=frequency))
    assert len(rows(lake, "SELECT * FROM with_livedata_orders")) == expected


def test_with_livedata_has_no_rows_without_a_source(lake: LakeHandle) -> None:
    columns, result = lake.query_rows("SELECT * FROM with_livedata_orders")
    assert columns[:4] == ["timestamp", "marketplace", "platform", "revenue"]
    assert result == []
    assert "live_orders" not in lake.relations()


def test_a_source_may_be_registered_before_the_first_alert(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "input.csv").write_text(ROWS)
    lake = write(tmp_path, [])
    lake.register_source(source())
    assert len(rows(lake, "SELECT * FROM live_orders")) == 5
    assert rows(lake, "SELECT revenuegroupscore FROM with_livedata_orders LIMIT 1") == [{"revenuegroupscore": None}]
    assert rows(lake, "SELECT * FROM metricvalue_anomalyscore_orders") == []


def test_gzip_files_of_intervals_may_differ_in_the_order_of_columns(tmp_path: Path, lake: LakeHandle) -> None:
    for name, text in (
        (
            "20210214/0500/20210214_050000.csv.gz",
            "revenue,views,marketplace,platform,timestamp\n1,2,it,pc_web,2021-02-14 05:00:00\n",
        ),
        (
            "20210214/0600/20210214_060000.csv.gz",
            "timestamp,platform,marketplace,views,revenue\n2021-02-14 06:00:00,pc_web,it,4,3\n",
        ),
    ):
        path = tmp_path / "live" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(gzip.compress(text.encode()))
    (tmp_path / "live" / "readme.csv").write_text("not,in,an,interval\n")
    lake.register_source(
        source(
            historical_data_path_list=(),
            templated_path_list=("live/{{yyyyMMdd}}/{{HHmm}}",),
            file_format=CsvFormat(file_compression="GZIP"),
        )
    )
    result = rows(lake, "SELECT revenue, views FROM live_orders ORDER BY 1")
    assert result == [{"revenue": 1, "views": 2}, {"revenue": 3, "views": 4}]


def test_json_lines_and_csv_without_header_or_with_other_delimiters(tmp_path: Path, lake: LakeHandle) -> None:
    (tmp_path / "jsonl").mkdir()
    record = {"timestamp": "14.02.2021 05:00 AM", "platform": "pc\nweb", "marketplace": "it", "views": 2, "more": [1]}
    text = json.dumps(record)[:-1] + ', "revenue": 1234567890.1234}\n'
    (tmp_path / "jsonl" / "a.json").write_text(text)
    lake.register_source(
        source(
            historical_data_path_list=("jsonl",), file_format=JsonLinesFormat(), timestamp_format="dd.MM.yyyy hh:mm a"
        )
    )
    (row,) = rows(lake, "SELECT * FROM live_orders")
    assert (row["platform"], row["local_timestamp"], row["revenue"]) == (
        "pc\nweb",
        datetime(2021, 2, 14, 5),
        Decimal("1234567890.1234"),
    )
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "a.txt").write_text("2021-02-14|pc|it|1|2\n2021-02-15|pc|it|3|4\n")
    header = ("timestamp", "platform", "marketplace", "views", "revenue")
    lake.register_source(
        source(
            historical_data_path_list=("plain",),
            file_format=CsvFormat(delimiter="|", contains_header=False, header_list=header),
            timestamp_format="yyyy-MM-dd",
            frequency="P1D",
        )
    )
    assert rows(lake, "SELECT sum(revenue) AS r, count(*) AS n FROM live_orders") == [{"r": 6, "n": 2}]


def test_the_repeated_hour_of_a_clock_change_is_counted_once(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "input.csv").write_text(
        "timestamp,platform,marketplace,views,revenue\n"
        "2021-10-31 02:00:00,pc_web,it,1,5\n2021-10-31 02:00:00,pc_web,it,1,6\n"
    )
    alerts = [
        alert("e1", "2021-10-31T00:00", zone="Europe/Paris", score=1.0),
        alert("e2", "2021-10-31T01:00", zone="Europe/Paris", score=2.0),
    ]
    lake = write(tmp_path, alerts)
    lake.register_source(source())
    (row,) = rows(lake, "SELECT revenue, revenuegroupscore, local_timestamp FROM with_livedata_orders")
    assert row == {"revenue": 11, "revenuegroupscore": 1.0, "local_timestamp": datetime(2021, 10, 31, 2)}


def test_invalid_sources_are_refused(tmp_path: Path, lake: LakeHandle) -> None:
    for changes, message in (
        ({"timezone": "Mars/Base"}, "Timezone 'Mars/Base'"),
        ({"frequency": "PT2H"}, "MetricSetFrequency 'PT2H'"),
        ({"metric_list": ()}, "MetricList"),
        ({"metric_list": (Measure("revenue", "MAX"),)}, "AggregationFunction 'MAX'"),
        ({"timestamp_format": "QQQ"}, "ColumnFormat 'QQQ'"),
        ({"historical_data_path_list": ()}, "no path"),
        ({"dimension_list": ("revenue",)}, "named twice"),
        ({"file_format": CsvFormat(header_list=("a",))}, "HeaderList: no column 'timestamp'"),
        ({"file_format": CsvFormat(contains_header=False)}, "expected HeaderList"),
        ({"detector_arn": "orders"}, "AnomalyDetectorArn 'orders'"),
    ):
        with pytest.raises(SourceError, match=message):
            source(**changes)
    for settings, message in (
        ({"file_format": CsvFormat(decimal_separator=",")}, "DecimalSeparator"),
        ({"file_format": CsvFormat(thousands_separator=",")}, "ThousandsSeparator"),
        ({"file_format": CsvFormat(null_values=("-200",))}, "NullValues with numbers"),
        ({"file_format": CsvFormat(skip_lines=1)}, "SkipLines"),
        ({"file_format": CsvFormat(charset="ISO-8859-1")}, "Charset ISO-8859-1"),
        ({"timestamp_format": "epoch_seconds"}, "ColumnFormat epoch_seconds"),
        ({"timestamp_column": "d h", "joined_timestamp_columns": ("d", "h")}, "ColumnNames"),
    ):
        with pytest.raises(SourceError, match=f"queries on live data do not support {message}$"):
            lake.register_source(source(**settings))
    (tmp_path / "data" / "other.csv").write_text("timestamp,platform\n")
    lake.register_source(source())
    with pytest.raises(QueryError, match=r"other.csv: line 1: no column 'marketplace'"):
        lake.query_rows("SELECT * FROM live_orders")


def test_a_lake_in_a_folder_says_where_files_in_s3_are_and_shows_all_else(tmp_path: Path, lake: LakeHandle) -> None:
    in_s3 = {"historical_data_path_list": (), "templated_path_list": ("s3://bucket/live/{{yyyyMMdd}}",)}
    lake.register_source(source(**in_s3, file_format=JsonLinesFormat()))
    for relation in ("live_orders", "with_livedata_orders"):
        with pytest.raises(SourceElsewhereError) as error:
            lake.query_rows(f"SELECT * FROM {relation}")
        assert str(error.value) == (
            "live data of orders: the files are in s3://bucket/live/{{yyyyMMdd}}, which queries on a lake in a folder "
            "do not read; ask a lake in S3, whose queries Athena answers"
        )
    assert len(rows(lake, "SELECT * FROM anomalies_orders")) == 2
    document = read_document(str(tmp_path))
    assert not unread_in(document), "the page is complete"
    assert [note for note in document.notes if "s3://bucket/live" in note] == [f"{error.value}."]


def test_timestamps_with_an_offset(tmp_path: Path, lake: LakeHandle) -> None:
    text = (
        "timestamp,platform,marketplace,views,revenue\n"
        "2021-02-14T04:00:00Z,pc_web,it,1,2\n"
        "2021-02-14T06:30:00.25+02:00,pc_web,it,1,3\n"
        "2021-02-14 04:00:00,pc_web,it,1,5\n"
    )
    (tmp_path / "data" / "input.csv").write_text(text)
    lake.register_source(source(timestamp_format="yyyy-MM-dd'T'HH:mm:ss.SX"))
    (fraction,) = rows(lake, "SELECT * FROM live_orders WHERE timestamp IS NOT NULL")
    assert fraction["timestamp"] == datetime(2021, 2, 14, 4, 30, 0, 250_000)
    lake.register_source(source(timestamp_format="yyyy-MM-dd'T'HH:mm:ssX"))
    (whole,) = rows(lake, "SELECT * FROM live_orders WHERE timestamp IS NOT NULL")
    assert (whole["timestamp"], whole["local_timestamp"]) == (datetime(2021, 2, 14, 4), datetime(2021, 2, 14, 5))
    (joined,) = rows(lake, "SELECT * FROM with_livedata_orders")
    assert (joined["timestamp"], joined["local_timestamp"]) == (datetime(2021, 2, 14, 4), datetime(2021, 2, 14, 5))
    assert (joined["revenue"], joined["revenueanomalymetricvalue"]) == (2, 10)


def test_a_quoted_z_is_text(tmp_path: Path, lake: LakeHandle) -> None:
    (tmp_path / "data" / "input.csv").write_text(
        "timestamp,platform,marketplace,views,revenue\n2021-02-14T05:00:00Z,pc_web,it,1,2\n"
    )
    lake.register_source(source(timestamp_format="yyyy-MM-dd'T'HH:mm:ss'Z'"))
    (row,) = rows(lake, "SELECT * FROM live_orders")
    assert (row["timestamp"], row["local_timestamp"]) == (datetime(2021, 2, 14, 4), datetime(2021, 2, 14, 5))


@pytest.mark.parametrize("pattern", ["yyyy-MM-dd HH:mm z", "yyyy-MM-dd HH:mm VV"])
def test_timestamps_that_queries_cannot_read_are_refused_at_registration(lake: LakeHandle, pattern: str) -> None:
    with pytest.raises(SourceError, match="queries on live data do not read names of zones"):
        lake.register_source(source(timestamp_format=pattern))
    assert "live_orders" not in lake.relations()


def test_timestamps_with_an_offset_in_athena(lake: LakeHandle, tmp_path: Path) -> None:
    lake.register_source(source(timestamp_format="yyyy-MM-dd'T'HH:mm:ssX"))
    sql = AthenaEngine(open_store(str(tmp_path))).to_athena("SELECT local_timestamp FROM live_orders")
    assert isinstance(sql, str)
    assert "CAST(AT_TIMEZONE(WITH_TIMEZONE(w.local_timestamp, 'UTC'), 'Europe/Paris') AS TIMESTAMP)" in sql
    assert "REGEXP_EXTRACT(f.source_timestamp, '(?i)\\A([0-9]{4})" in sql
    assert "DATE_PARSE" not in sql


def test_a_dimension_that_the_source_lacks_is_null_in_live_data(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "input.csv").write_text("timestamp,marketplace,revenue\n2021-02-14 04:00:00,it,2\n")
    series = [({"marketplace": "it", "platform": "pc_web"}, "10"), ({"marketplace": "it"}, "2")]
    lake = write(tmp_path, [alert("e1", series=series)])
    lake.register_source(source(metric_list=(Measure("revenue"),), dimension_list=("marketplace",), timezone="UTC"))
    (live,) = rows(lake, "SELECT marketplace, platform, revenue FROM live_orders")
    assert live == {"marketplace": "it", "platform": None, "revenue": 2}
    (joined,) = rows(lake, "SELECT platform, revenue, revenueanomalymetricvalue AS value FROM with_livedata_orders")
    assert joined == {"platform": None, "revenue": 2, "value": 2}


@pytest.mark.parametrize("zone", ["UTC", "Europe/London"])
def test_wall_clock_times_in_utc_are_not_converted(tmp_path: Path, lake: LakeHandle, zone: str) -> None:
    # In winter, London has the times of UTC.
    lake.register_source(source(timezone=zone))
    (schema,) = DetectorSchemas(open_store(str(tmp_path))).all()
    text = Relation("live_orders_by_day", "live", True, schema).definition().sql(templates.DIALECT)
    assert ("with_timezone" in text.lower()) == (zone != "UTC")
    found = rows(lake, 'SELECT "timestamp", local_timestamp, day FROM live_orders_by_day WHERE views = 20')
    assert found == [{"timestamp": (at := datetime(2021, 2, 14, 5, 20)), "local_timestamp": at, "day": "2021-02-14"}]
