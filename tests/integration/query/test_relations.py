"""Relations have the values of the alerts, in Parquet and in CSV."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from anomalake.api import LakeHandle, open_lake
from anomalake.query.errors import QueryError
from tests.integration.query import lakes
from tests.integration.query.lakes import ORDERS, alert, arn, rows, same, write

FORMATS = pytest.mark.parametrize("formats", [("parquet",), ("csv",), ("parquet", "csv")], ids="-".join)

HEAD = ["detector", "detector_arn", "alert_event_id", "anomaly_group_id", "timestamp", "timezone", "local_timestamp"]
COLUMNS = {
    "metric_values": [*HEAD, "metric_name", "metric_value", "anomaly_score", "time_series_id", "dimensions"],
    "dimension_contributions": [*HEAD, "metric_name", "dimension_name", "dimension_value", "value_contribution"],
    "alerts": [
        "detector", "detector_arn", "alert_event_id", "anomaly_group_id", "timestamp", "timezone", "local_timestamp",
        "metric_name", "anomaly_score", "alert_name", "alert_arn", "alert_description", "console_url", "alert_id",
        "digest",
    ],
    "clashes": [
        "detector", "detector_arn", "alert_event_id", "timestamp", "timezone", "local_timestamp", "metric_name",
        "alert_id", "digest", "is_shown",
    ],
    "anomalies": [
        "detector", "detector_arn", "timestamp", "measure", "dimensions", "value", "score", "group_id", "group_start",
        "group_end", "timezone", "local_timestamp",
    ],
    "causes": [
        "detector", "detector_arn", "anomaly_group_id", "timestamp", "timezone", "local_timestamp", "metric_name",
        "rank", "dimensions", "share_off", "explained", "gain",
    ],
    "withdrawals": [
        "detector", "detector_arn", "alert_event_id", "timestamp", "timezone", "local_timestamp", "metric_name",
        "withdrawn_at", "reason", "alert_id", "digest",
    ],
}  # fmt: skip

TRICKY = [
    alert(
        "e1",
        series=[({"marketplace": value, "platform": "pc"}, "1.5") for value in lakes.HOSTILE],
        shares=[("marketplace", value, 1) for value in lakes.HOSTILE],
    ),
    alert(
        "e2",
        metric="views",
        score=28.29,
        zone="Europe/Paris",
        series=[({}, "1000000000000000.1234"), ({"platform": "x"}, None)],
        shares=[],
    ),
    alert("e3", "2021-02-14T23:59:59", series=[], shares=[("marketplace", "it", 73), ("marketplace", "fr", 27)]),
    alert(
        "e4",
        "2021-02-15T00:00",
        series=[({"platform": "pc", "marketplace": "it"}, "-0.0001"), ({"marketplace": "it"}, "2")],
        shares=[("marketplace", "it", 60), ("marketplace", "it", 40), ("city", "Rome", 100)],
    ),
]


@FORMATS
def test_values_are_exact(tmp_path: Path, formats: tuple[str, ...]) -> None:
    lake = write(tmp_path, TRICKY, formats)
    for name, expected in (
        ("metric_values", lakes.metric_values(TRICKY)),
        ("dimension_contributions", lakes.dimension_contributions(TRICKY)),
    ):
        columns, _ = lake.query_rows(f"SELECT * FROM {name}")
        assert columns == COLUMNS[name]
        same(rows(lake, f"SELECT * FROM {name}"), expected)
    assert len(rows(lake, "SELECT * FROM alerts")) == len(TRICKY)
    assert rows(lake, "SELECT metric_value FROM metric_values WHERE metric_value > 1000")[0]["metric_value"] == Decimal(
        "1000000000000000.1234"
    )


@FORMATS
def test_relations_of_a_detector_have_the_expected_rows(tmp_path: Path, formats: tuple[str, ...]) -> None:
    alerts = [*TRICKY, alert("e5", score=99.0, series=[({"marketplace": "NA", "platform": "pc"}, "7")])]
    lake = write(tmp_path, alerts, formats)
    dimensions, measures = {"marketplace": "marketplace", "platform": "platform"}, ["revenue", "views"]
    scores = rows(lake, "SELECT * FROM metricvalue_anomalyscore_orders")
    keys = [row.pop("key") for row in scores]
    assert len(set(keys)) == len(keys)
    same(scores, lakes.wide_scores(alerts, ORDERS, dimensions, measures))
    same(
        rows(lake, "SELECT * FROM with_dimensioncontributions_orders"),
        lakes.contributions_and_metrics(alerts, ORDERS, dimensions, measures),
    )
    columns, _ = lake.query_rows("SELECT * FROM metricvalue_anomalyscore_orders")
    assert columns == [
        "key", "timestamp", "marketplace", "platform", "revenueanomalymetricvalue", "revenuegroupscore",
        "viewsanomalymetricvalue", "viewsgroupscore", "timezone", "local_timestamp",
    ]  # fmt: skip
    columns, _ = lake.query_rows("SELECT * FROM with_dimensioncontributions_orders")
    assert columns == [
        "timestamp", "metricname", "dimensionname", "dimensionvalue", "valuecontribution", "marketplace", "platform",
        "revenueanomalymetricvalue", "revenuegroupscore", "viewsanomalymetricvalue", "viewsgroupscore",
    ]  # fmt: skip
    columns, found_rows = lake.query_rows("SELECT * FROM anomalies_orders")
    assert columns == [
        "timestamp", "marketplace", "platform", "value", "score", "measure", "group_id", "group_start", "group_end",
        "timezone", "local_timestamp",
    ]  # fmt: skip
    assert len(found_rows) == len(lakes.metric_values(alerts))


def test_joined_rows_are_not_multiplied(tmp_path: Path) -> None:
    lake = write(tmp_path, TRICKY)
    (sums,) = rows(
        lake,
        "SELECT sum(valuecontribution) AS shares, sum(revenueanomalymetricvalue) AS total "
        "FROM with_dimensioncontributions_orders",
    )
    assert sums["shares"] == sum(row["value_contribution"] for row in lakes.dimension_contributions(TRICKY))
    assert sums["total"] == sum(
        row["metric_value"] for row in lakes.metric_values(TRICKY) if row["metric_name"] == "revenue"
    )


def test_repeats_are_removed_and_clashes_show_the_lowest_digest(tmp_path: Path) -> None:
    body, other_body = alert("e1"), alert("e1", score=10.0, body="another")
    write(tmp_path, [body])
    write(tmp_path, [body, alert("e2")])
    lake = write(tmp_path, [other_body])
    winner, loser = sorted([body, other_body], key=lambda alert_: alert_.digest)
    assert {row["digest"] for row in rows(lake, "SELECT * FROM alerts")} == {winner.digest, alert("e2").digest}
    same(rows(lake, "SELECT * FROM metric_values"), lakes.metric_values([body, other_body, alert("e2")]))
    columns, _ = lake.query_rows("SELECT * FROM clashes")
    assert columns == COLUMNS["clashes"]
    assert [(row["digest"], row["is_shown"]) for row in rows(lake, "SELECT * FROM clashes ORDER BY digest")] == [
        (winner.digest, True),
        (loser.digest, False),
    ]


def test_alerts_of_an_event_in_several_intervals_are_different_alerts(tmp_path: Path) -> None:
    lake = write(tmp_path, [alert("e1"), alert("e1", "2021-02-14T05:00"), alert("e1", metric="views")])
    assert len(rows(lake, "SELECT * FROM alerts")) == 3
    assert rows(lake, "SELECT * FROM clashes") == []


@FORMATS
def test_names_like_numbers_and_dates_are_text(tmp_path: Path, formats: tuple[str, ...]) -> None:
    names = ["007", "1e5", "2021-02-14", "true", "NULL"]
    lake = write(tmp_path, [alert(f"e{name}", detector_arn=arn(name)) for name in names], formats)
    assert sorted(row["detector"] for row in rows(lake, "SELECT detector FROM alerts")) == sorted(names)
    assert len(rows(lake, "SELECT * FROM alerts WHERE detector = '007'")) == 1
    assert len(rows(lake, "SELECT * FROM metricvalue_anomalyscore_007")) == 1
    assert all(isinstance(row["day"], str) for row in rows(lake, "SELECT day FROM metric_values_by_day"))


def test_a_lake_may_be_in_folders_named_like_partitions(tmp_path: Path) -> None:
    lake = write(tmp_path / "detector=other" / "day=1999-01-01" / "a[1]*x", [alert("e1")])
    assert rows(lake, "SELECT detector, day FROM alerts_by_day") == [{"detector": "orders", "day": "2021-02-14"}]


def test_hostile_dimensions_and_measures_become_columns(tmp_path: Path) -> None:
    dimensions = {
        "timestamp": "a",
        "Platform": "b",
        "platform": "c",
        "x\" y'; DROP": "d",
        "🙂": "e",
        "key": "f",
        "revenue": "g",
    }
    lake = write(tmp_path, [alert("e1", metric="net revenue", series=[(dimensions, "1")], shares=[("🙂", "e", 100)])])
    (row,) = rows(lake, "SELECT * FROM metricvalue_anomalyscore_orders")
    assert set(dimensions.values()) <= set(row.values())
    assert row["platform"] == "c"
    assert row["timestamp"] == datetime(2021, 2, 14, 4)
    assert row["revenue"] == "g"
    assert row["net_revenue__3x20anomalymetricvalue"] == 1
    assert len(rows(lake, "SELECT * FROM with_dimensioncontributions_orders")) == 2
    assert len(rows(lake, "SELECT * FROM with_livedata_orders")) == 0


@pytest.mark.parametrize("name", ["city", "ci ty", "=1"])
def test_a_dimension_may_have_the_name_of_a_measure(tmp_path: Path, name: str) -> None:
    lake = write(tmp_path, [alert("e1", metric=name, series=[({name: "v"}, "1")], shares=[(name, "v", 100)])])
    (row,) = rows(lake, "SELECT * FROM metricvalue_anomalyscore_orders")
    assert {"v", Decimal(1)} < set(row.values())
    assert rows(lake, "SELECT * FROM with_livedata_orders") == []


def test_zero_dimensions(tmp_path: Path) -> None:
    lake = write(
        tmp_path,
        [alert("e1", series=[({}, "5")], shares=[]), alert("e2", metric="views", series=[({}, "6")], shares=[])],
    )
    (row,) = rows(lake, "SELECT * FROM metricvalue_anomalyscore_orders")
    assert (row["revenueanomalymetricvalue"], row["viewsanomalymetricvalue"]) == (5, 6)
    assert len(rows(lake, "SELECT * FROM with_dimensioncontributions_orders")) == 2


class TestSameName:
    EAST, WEST = arn("orders"), arn("orders", region="us-west-2")
    E = "orders_us_east_1_123456789012__6x40_9x2d_14x2d_16x40"
    W = "orders_us_west_2_123456789012__6x40_9x2d_14x2d_16x40"

    @pytest.fixture
    def lake(self, tmp_path: Path) -> LakeHandle:
        east = alert("e1", detector_arn=self.EAST)
        west = alert("e2", detector_arn=self.WEST, series=[({"city": "Rome"}, "9")], metric="views", shares=[])
        return write(tmp_path, [east, west])

    def test_neither_has_the_plain_name(self, lake: LakeHandle) -> None:
        names = lake.relations()
        assert f"metricvalue_anomalyscore_{self.E}" in names
        assert "metricvalue_anomalyscore_orders" not in names
        with pytest.raises(QueryError, match=f"2 detectors have the name orders.*{self.E}.*{self.W}"):
            lake.query_rows("SELECT * FROM metricvalue_anomalyscore_orders")

    def test_their_relations_do_not_mix(self, lake: LakeHandle) -> None:
        (east,) = rows(lake, f"SELECT * FROM metricvalue_anomalyscore_{self.E}")
        (west,) = rows(lake, f"SELECT * FROM metricvalue_anomalyscore_{self.W}")
        assert east["marketplace"] == "it"
        assert "city" not in east
        assert west["city"] == "Rome"
        assert "revenuegroupscore" not in west


@pytest.mark.parametrize("settings", [None, ("parquet",), ("csv",)])
def test_queries_on_an_empty_lake_return_no_rows(tmp_path: Path, settings: tuple[str, ...] | None) -> None:
    if settings:
        (tmp_path / "lake.json").write_text(json.dumps({"formats": settings}))
    lake = open_lake(str(tmp_path))
    full = write(tmp_path / "full", [alert("e1")])
    for name in COLUMNS:
        frame, other = lake.query(f"SELECT * FROM {name}"), full.query(f"SELECT * FROM {name}")
        assert list(frame.columns) == COLUMNS[name]
        assert len(frame) == 0
        assert [str(type_) for type_ in frame.dtypes] == [str(type_) for type_ in other.dtypes]
    for sql in (
        "SELECT * FROM metricvalue_anomalyscore_orders",
        "SELECT timestamp, marketplace, revenuegroupscore FROM metricvalue_anomalyscore_orders WHERE platform = 'x'",
        "SELECT w.marketplace, w.viewsanomalymetricvalue + 1 FROM with_livedata_orders AS w",
        "SELECT dimensionname, sum(valuecontribution) FROM with_dimensioncontributions_orders GROUP BY dimensionname",
        "SELECT local_timestamp FROM live_orders",
        "SELECT dimensions['a'] FROM metric_values",
    ):
        assert lake.query_rows(sql)[1] == []
    assert lake.query_rows("SELECT count(*) FROM metric_values") == (["_col0"], [(0,)])
    assert lake.relations() == sorted(COLUMNS)


def test_an_unknown_relation_is_reported_with_similar_names(tmp_path: Path) -> None:
    lake = write(tmp_path, [alert("e1")])
    with pytest.raises(QueryError, match="metricvalue_anomalyscore_orders") as error:
        lake.query_rows("SELECT * FROM metricvalue_anomalyscore_order")
    assert "\n" not in str(error.value)
    with pytest.raises(QueryError, match="no relation 'live'"):
        lake.query_rows("SELECT * FROM live")
    with pytest.raises(QueryError, match="register_source"):
        lake.query_rows("SELECT * FROM live_orders")


def test_show_describe_explain(tmp_path: Path) -> None:
    lake = write(tmp_path, [alert("e1")])
    assert [name for (name,) in lake.query_rows("SHOW TABLES")[1]] == lake.relations()
    assert lake.query_rows("show tables like 'metric_*'")[1] == [("metric_values",)]
    assert lake.query_rows("DESCRIBE metric_values")[1][8:] == [
        ("metric_value", "decimal(38,20)"),
        ("anomaly_score", "double"),
        ("time_series_id", "varchar"),
        ("dimensions", "map(varchar, varchar)"),
    ]
    assert lake.query_rows("EXPLAIN SELECT * FROM alerts")[1]


def test_frames_are_exact(tmp_path: Path) -> None:
    frame = write(tmp_path, TRICKY).query("SELECT * FROM metric_values ORDER BY metric_value DESC NULLS LAST")
    first: Any = frame.iloc[0]
    assert first["metric_value"] == Decimal("1000000000000000.1234")
    assert first["dimensions"] == {}
    assert frame["timestamp"].dt.tz is None
    shares = write(tmp_path, TRICKY).query("SELECT * FROM with_dimensioncontributions_orders")
    assert str(shares["valuecontribution"].dtype) == "Int64"


@pytest.mark.parametrize(
    "name",
    [
        "metric_values",
        "metricvalue_anomalyscore_orders",
        "with_dimensioncontributions_orders",
        "alerts",
        "anomalies_orders",
    ],
)
def test_by_day_forms_have_the_additional_column_day_only(tmp_path: Path, name: str) -> None:
    lake = write(tmp_path, TRICKY)
    columns, plain = lake.query_rows(f"SELECT * FROM {name}")
    with_day, more = lake.query_rows(f"SELECT * FROM {name}_by_day")
    assert with_day == [*columns, "day"]
    assert sorted(repr(row[:-1]) for row in more) == sorted(map(repr, plain))
    at = columns.index("timestamp")
    assert all(row[-1] == row[at].date().isoformat() for row in more)


def test_a_detector_may_have_the_name_of_a_by_day_relation(tmp_path: Path) -> None:
    lake = write(
        tmp_path,
        [alert("e1", detector_arn=arn("x")), alert("e2", detector_arn=arn("x_by_day"), series=[({"b": "2"}, "2")])],
    )
    assert "b" in lake.query_rows("SELECT * FROM metricvalue_anomalyscore_x_by_day__")[0]
    assert "day" in lake.query_rows("SELECT * FROM metricvalue_anomalyscore_x_by_day")[0]


def test_sums_of_integers_are_integers(tmp_path: Path) -> None:
    lake = write(tmp_path, TRICKY)
    ((total, number),) = lake.query_rows(
        "SELECT sum(value_contribution), COUNT(*) AS Number FROM dimension_contributions"
    )[1]
    assert isinstance(total, int)
    assert isinstance(number, int)
    assert lake.query_rows("SELECT count(*) AS Number FROM alerts")[0] == ["number"]
