"""Anomalies as a list: each with the span of its group, whatever part of the list is asked for."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from anomalake.alerts import Alert
from anomalake.local import duckdb_engine
from anomalake.local.duckdb_engine import DuckDBEngine
from anomalake.query.errors import QueryError
from anomalake.query.relations import Relation
from tests.integration.query.lakes import HOSTILE, alert, arn, rows, same, shown, write

DAY_1, DAY_2, DAY_3 = ("2021-02-14T22:00", "2021-02-15T04:00", "2021-02-16T01:00")
WEST = arn("orders", region="us-west-2")


def of_group(group: str | None, *arguments: object, **others: object) -> Alert:
    return replace(alert(*arguments, **others), anomaly_group_id=group)  # type: ignore[arg-type]


#: One id, and others' groups beside it that bear the same; an event without a group; a group of a single interval.
ALERTS = [
    of_group("g1", "e1", DAY_1, zone="Europe/Paris"),
    of_group("g1", "e1", DAY_2, zone="Europe/Paris"),
    of_group("g1", "e2", DAY_3, zone="Europe/Paris", series=[({"marketplace": one}, "1.5") for one in HOSTILE]),
    of_group("g1", "e1", "2021-02-13T00:00", metric="views"),
    of_group("g1", "e1", "2021-02-12T00:00", detector_arn=arn("clicks")),
    of_group(None, "e3", DAY_1),
    of_group(None, "e3", DAY_3),
    of_group("g2", "e4", DAY_2, series=[({}, None)]),
]


def expected(alerts: list[Alert]) -> list[dict[str, object]]:
    """The relation, in plain Python."""

    def group(one: Alert) -> tuple[object, ...]:
        return (one.detector_arn, one.metric_name, one.anomaly_group_id or one.alert_event_id)

    spans: dict[tuple[object, ...], list[datetime]] = {}
    for one in shown(alerts):
        spans.setdefault(group(one), []).append(one.timestamp.utc)
    return [
        {
            "detector": one.detector,
            "detector_arn": one.detector_arn,
            "timestamp": one.timestamp.utc,
            "measure": one.metric_name,
            "dimensions": dict(series.dimensions),
            "value": series.metric_value,
            "score": one.anomaly_score,
            "group_id": group(one)[-1],
            "group_start": min(spans[group(one)]),
            "group_end": max(spans[group(one)]),
            "timezone": one.timestamp.timezone,
            "local_timestamp": one.timestamp.local,
        }
        for one in shown(alerts)
        for series in one.time_series
    ]


@pytest.mark.parametrize("formats", [("parquet",), ("csv",)], ids="-".join)
def test_each_anomaly_has_its_groups_span(tmp_path: Path, formats: tuple[str, ...]) -> None:
    lake = write(tmp_path, ALERTS, formats)
    wanted = expected(ALERTS)
    same(rows(lake, "SELECT * FROM anomalies"), wanted)
    assert {
        (row["group_start"], row["group_end"]) for row in wanted if row["timestamp"] == datetime(2021, 2, 15, 4)
    } == {
        (datetime(2021, 2, 14, 22), datetime(2021, 2, 16, 1)),
        (datetime(2021, 2, 15, 4), datetime(2021, 2, 15, 4)),
    }
    own = [row for row in wanted if row["detector"] == "orders"]
    wide = rows(lake, "SELECT * FROM anomalies_orders")
    common = wide[0].keys() - {"marketplace", "platform"}
    assert len(common) == 9
    same(*([{name: row[name] for name in sorted(common)} for row in some] for some in (wide, own)))
    assert {row["marketplace"] for row in wide if row["group_id"] == "g1"} == {*HOSTILE, "it"}


@pytest.mark.parametrize(
    "where",
    [
        "day = '2021-02-15'",
        "day BETWEEN '2021-02-15' AND '2021-02-16'",
        "timestamp < TIMESTAMP '2021-02-15 00:00:00'",
        "date(local_timestamp) = DATE '2021-02-16'",
        "detector = 'orders' AND day = '2021-02-15'",
    ],
)
def test_a_part_of_the_days_cuts_no_group_short(tmp_path: Path, where: str) -> None:
    """The same condition, once where it prunes and once where it cannot."""
    lake = write(tmp_path, ALERTS)
    found = rows(lake, f"SELECT * FROM anomalies_by_day WHERE {where}")
    same(found, rows(lake, f"SELECT * FROM (SELECT * FROM anomalies_by_day) AS a WHERE {where}"))
    assert 0 < len(found) < len(expected(ALERTS))
    assert any(row["group_start"].date() < row["group_end"].date() for row in found)


def test_another_detectors_days_are_not_read(tmp_path: Path) -> None:
    lake = write(tmp_path, ALERTS)
    (clicks,) = (tmp_path / "tables" / "alert_rows" / "detector=clicks").iterdir()
    (clicks / "broken.parquet").write_bytes(b"no table")
    day = "day = '2021-02-15'"
    for sql in (
        f"SELECT * FROM anomalies_orders_by_day WHERE {day}",
        f"SELECT * FROM anomalies_by_day WHERE detector = 'orders' AND {day}",
    ):
        assert len(rows(lake, sql)) == 2
    with pytest.raises(QueryError):
        rows(lake, f"SELECT * FROM anomalies_by_day WHERE {day}")


def test_what_a_clash_hides_lengthens_no_group(tmp_path: Path) -> None:
    one, other = of_group("g1", "e1", DAY_3), of_group("g2", "e1", DAY_3, body="another")
    winner, loser = sorted([one, other], key=lambda alert_: alert_.digest)
    first = of_group(loser.anomaly_group_id, "e0", DAY_1)
    lake = write(tmp_path, [one, other, first])
    same(rows(lake, "SELECT * FROM anomalies"), expected([one, other, first]))
    assert {row["group_end"].day for row in rows(lake, "SELECT * FROM anomalies")} == {14, 16}
    assert winner.anomaly_group_id != loser.anomaly_group_id


def test_detectors_of_one_name_have_groups_of_their_own(tmp_path: Path) -> None:
    alerts = [of_group("g1", "e1", DAY_1), of_group("g1", "e2", DAY_3, detector_arn=WEST)]
    lake = write(tmp_path, alerts)
    same(rows(lake, "SELECT * FROM anomalies WHERE detector = 'orders'"), expected(alerts))
    (west,) = (name for name in lake.relations() if name.startswith("anomalies_orders_us_west"))
    (row,) = rows(lake, f"SELECT * FROM {west}")
    assert row["group_start"] == row["group_end"] == datetime(2021, 2, 16, 1)


@pytest.mark.parametrize("name", ["by_day", "By_Day", "x_by_day", "anomalies"])
def test_a_detector_may_be_called_like_a_relation(tmp_path: Path, name: str) -> None:
    lake = write(tmp_path, [*ALERTS, of_group("g9", "e9", DAY_1, detector_arn=arn(name))])
    (own,) = (
        one
        for one in lake.relations()
        if one.startswith("anomalies_") and one not in ("anomalies_orders", "anomalies_clicks")
    )
    for relation in (own, f"{own}_by_day"):
        assert [row["group_id"] for row in rows(lake, f"SELECT * FROM {relation}")] == ["g9"]
    assert len(rows(lake, "SELECT * FROM anomalies_by_day")) == len(expected(ALERTS)) + 1
    assert rows(lake, own.replace("anomalies_", "SELECT * FROM metricvalue_anomalyscore_", 1))
    files = {file.name for file in lake.export(tmp_path / "out")}
    assert {"anomalies.csv", f"{own}.csv", "anomalies_orders.csv"} <= files


def test_one_file_has_everything_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formula = '=HYPERLINK("http://example.com";"x")'
    hostile = of_group(
        "@SUM(A1)", "e8", DAY_2, metric=formula, detector_arn=arn("-dde"), series=[({formula: formula}, "-7")]
    )
    lake = write(tmp_path / "lake", [*ALERTS, hostile])
    monkeypatch.setattr(duckdb_engine, "_SLICE_BYTES", 1)
    with lake._connection.engine.slices("anomalies") as queries:
        assert len(queries) == 5
    asked: list[str] = []
    spans = DuckDBEngine._spans

    def counted(engine: DuckDBEngine, name: str, relation: Relation) -> pa.Table:
        asked.append(relation.name)
        return spans(engine, name, relation)

    monkeypatch.setattr(DuckDBEngine, "_spans", counted)
    lake.export(tmp_path / "out")
    # Once a relation, however many slices it has, and not for the detectors of a single day.
    assert asked == ["anomalies", "anomalies_orders"]
    with (tmp_path / "out" / "anomalies.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert sorted((row["group_id"], row["group_start"], row["group_end"], row["score"]) for row in found) == sorted(
        (str(row["group_id"]).replace("@", "'@"), f"{row['group_start']}", f"{row['group_end']}", f"{row['score']}")
        for row in expected([*ALERTS, hostile])
    )
    (one,) = (row for row in found if row["value"] == "-7")
    assert one["measure"] == f"'{formula}"
    assert one["detector"] == "'-dde"
    assert one["dimensions"].startswith('{"=HYPERLINK')
    assert not any(cell.startswith(("=", "@", "\t")) for row in found for cell in row.values())
