"""The relation anomalies: each row has the start and end of its group, also in queries on some days."""

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


#: A group id that a measure and another detector also have; an event without a group; a group of a single interval.
ALERTS = [
    of_group("g1", "e1", DAY_1, zone="Europe/Paris"),
    of_group("g1", "e1", DAY_2, zone="Europe/Paris"),
    of_group("g1", "e2", DAY_3, zone="Europe/Paris", series=[({"marketplace": value}, "1.5") for value in HOSTILE]),
    of_group("g1", "e1", "2021-02-13T00:00", metric="views"),
    of_group("g1", "e1", "2021-02-12T00:00", detector_arn=arn("clicks")),
    of_group(None, "e3", DAY_1),
    of_group(None, "e3", DAY_3),
    of_group("g2", "e4", DAY_2, series=[({}, None)]),
]


def expected(alerts: list[Alert]) -> list[dict[str, object]]:
    """Return the rows of the relation, computed in Python."""

    def group(alert_: Alert) -> tuple[object, ...]:
        return (alert_.detector_arn, alert_.metric_name, alert_.anomaly_group_id or alert_.alert_event_id)

    spans: dict[tuple[object, ...], list[datetime]] = {}
    for alert_ in shown(alerts):
        spans.setdefault(group(alert_), []).append(alert_.timestamp.utc)
    return [
        {
            "detector": alert_.detector,
            "detector_arn": alert_.detector_arn,
            "timestamp": alert_.timestamp.utc,
            "measure": alert_.metric_name,
            "dimensions": dict(series.dimensions),
            "value": series.metric_value,
            "score": alert_.anomaly_score,
            "group_id": group(alert_)[-1],
            "group_start": min(spans[group(alert_)]),
            "group_end": max(spans[group(alert_)]),
            "timezone": alert_.timestamp.timezone,
            "local_timestamp": alert_.timestamp.local,
        }
        for alert_ in shown(alerts)
        for series in alert_.time_series
    ]


@pytest.mark.parametrize("formats", [("parquet",), ("csv",)], ids="-".join)
def test_each_anomaly_has_the_start_and_end_of_its_group(tmp_path: Path, formats: tuple[str, ...]) -> None:
    lake = write(tmp_path, ALERTS, formats)
    expected_rows = expected(ALERTS)
    same(rows(lake, "SELECT * FROM anomalies"), expected_rows)
    assert {
        (row["group_start"], row["group_end"]) for row in expected_rows if row["timestamp"] == datetime(2021, 2, 15, 4)
    } == {
        (datetime(2021, 2, 14, 22), datetime(2021, 2, 16, 1)),
        (datetime(2021, 2, 15, 4), datetime(2021, 2, 15, 4)),
    }
    own = [row for row in expected_rows if row["detector"] == "orders"]
    wide = rows(lake, "SELECT * FROM anomalies_orders")
    common = wide[0].keys() - {"marketplace", "platform"}
    assert len(common) == 9
    same(*([{name: row[name] for name in sorted(common)} for row in table] for table in (wide, own)))
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
def test_groups_have_their_full_span_in_queries_on_some_days(tmp_path: Path, where: str) -> None:
    """Compare a condition that limits the partitions with the same condition on a subquery."""
    lake = write(tmp_path, ALERTS)
    pruned = rows(lake, f"SELECT * FROM anomalies_by_day WHERE {where}")
    same(pruned, rows(lake, f"SELECT * FROM (SELECT * FROM anomalies_by_day) AS a WHERE {where}"))
    assert 0 < len(pruned) < len(expected(ALERTS))
    assert any(row["group_start"].date() < row["group_end"].date() for row in pruned)


def test_partitions_of_other_detectors_are_not_read(tmp_path: Path) -> None:
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


def test_a_hidden_body_of_a_clash_does_not_extend_its_group(tmp_path: Path) -> None:
    body, other_body = of_group("g1", "e1", DAY_3), of_group("g2", "e1", DAY_3, body="another")
    winner, loser = sorted([body, other_body], key=lambda alert_: alert_.digest)
    first = of_group(loser.anomaly_group_id, "e0", DAY_1)
    lake = write(tmp_path, [body, other_body, first])
    same(rows(lake, "SELECT * FROM anomalies"), expected([body, other_body, first]))
    assert {row["group_end"].day for row in rows(lake, "SELECT * FROM anomalies")} == {14, 16}
    assert winner.anomaly_group_id != loser.anomaly_group_id


def test_detectors_with_the_same_name_have_separate_groups(tmp_path: Path) -> None:
    alerts = [of_group("g1", "e1", DAY_1), of_group("g1", "e2", DAY_3, detector_arn=WEST)]
    lake = write(tmp_path, alerts)
    same(rows(lake, "SELECT * FROM anomalies WHERE detector = 'orders'"), expected(alerts))
    (west,) = (name for name in lake.relations() if name.startswith("anomalies_orders_us_west"))
    (row,) = rows(lake, f"SELECT * FROM {west}")
    assert row["group_start"] == row["group_end"] == datetime(2021, 2, 16, 1)


@pytest.mark.parametrize("name", ["by_day", "By_Day", "x_by_day", "anomalies"])
def test_a_detector_may_have_the_name_of_a_relation(tmp_path: Path, name: str) -> None:
    lake = write(tmp_path, [*ALERTS, of_group("g9", "e9", DAY_1, detector_arn=arn(name))])
    (own,) = (
        relation
        for relation in lake.relations()
        if relation.startswith("anomalies_") and relation not in ("anomalies_orders", "anomalies_clicks")
    )
    for relation in (own, f"{own}_by_day"):
        assert [row["group_id"] for row in rows(lake, f"SELECT * FROM {relation}")] == ["g9"]
    assert len(rows(lake, "SELECT * FROM anomalies_by_day")) == len(expected(ALERTS)) + 1
    assert rows(lake, own.replace("anomalies_", "SELECT * FROM metricvalue_anomalyscore_", 1))
    files = {file.name for file in lake.export(tmp_path / "out")}
    assert {"anomalies.csv", f"{own}.csv", "anomalies_orders.csv"} <= files


def test_the_exported_file_has_all_anomalies_and_no_formulas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formula = '=HYPERLINK("http://example.com";"x")'
    hostile = of_group(
        "@SUM(A1)", "e8", DAY_2, metric=formula, detector_arn=arn("-dde"), series=[({formula: formula}, "-7")]
    )
    lake = write(tmp_path / "lake", [*ALERTS, hostile])
    monkeypatch.setattr(duckdb_engine, "_SLICE_BYTES", 1)
    with lake._connection.engine.slices("anomalies") as queries:
        assert len(queries) == 5
    computed: list[str] = []
    spans = DuckDBEngine._spans

    def record(engine: DuckDBEngine, name: str, relation: Relation) -> pa.Table:
        computed.append(relation.name)
        return spans(engine, name, relation)

    monkeypatch.setattr(DuckDBEngine, "_spans", record)
    lake.export(tmp_path / "out")
    # Once for each relation with several slices.
    assert computed == ["anomalies", "anomalies_orders"]
    with (tmp_path / "out" / "anomalies.csv").open(encoding="utf-8", newline="") as file:
        exported = list(csv.DictReader(file))
    assert sorted((row["group_id"], row["group_start"], row["group_end"], row["score"]) for row in exported) == sorted(
        (str(row["group_id"]).replace("@", "'@"), f"{row['group_start']}", f"{row['group_end']}", f"{row['score']}")
        for row in expected([*ALERTS, hostile])
    )
    (anomaly,) = (row for row in exported if row["value"] == "-7")
    assert anomaly["measure"] == f"'{formula}"
    assert anomaly["detector"] == "'-dde"
    assert anomaly["dimensions"].startswith('{"=HYPERLINK')
    assert not any(cell.startswith(("=", "@", "\t")) for row in exported for cell in row.values())
