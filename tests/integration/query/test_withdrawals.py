"""Queries on lakes with withdrawn alerts: every relation shows the alerts in force, in both formats."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from sqlglot import exp

from anomalake.api import LakeHandle
from anomalake.lake.compaction import compact
from anomalake.lake.lake import Lake
from anomalake.local.file_names import PlainNames
from anomalake.local.lake_files import LakeFiles
from anomalake.page.reading import read_lake
from anomalake.query import rewrite, templates
from anomalake.query.relations import Relations
from anomalake.services.lakes import LakeConnection
from anomalake.storage.objects import open_store
from tests.integration.query import lakes
from tests.integration.query.lakes import alert, rows, same, withdraw, write

OLD, NEW = alert("e1", score=60.0, body="old"), alert("e1", score=90.0, body="new")
GONE, KEPT = alert("e2", "2021-02-15T04:00"), alert("e3", "2021-02-15T05:00")
OF_VIEWS = alert("e2", "2021-02-15T04:00", metric="views")
ALL = [OLD, NEW, GONE, KEPT, OF_VIEWS]
IN_FORCE = [NEW, KEPT, OF_VIEWS]


@pytest.fixture(params=[("parquet",), ("csv",), ("parquet", "csv")], ids=["parquet", "csv", "both"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> LakeHandle:
    handle = write(tmp_path, ALL, request.param)
    withdraw(tmp_path, [OLD, GONE])
    return handle


def test_every_relation_is_that_of_a_lake_with_the_alerts_in_force(lake: LakeHandle, tmp_path: Path) -> None:
    other = write(tmp_path / "other", IN_FORCE)
    for name in lake.relations():
        if name != "withdrawals":
            same(rows(lake, f"SELECT * FROM {name}"), rows(other, f"SELECT * FROM {name}"))
    same(rows(lake, "SELECT * FROM metric_values"), lakes.metric_values(IN_FORCE))
    assert rows(lake, "SELECT * FROM clashes") == []


def test_the_queries_of_the_page_read_the_alerts_in_force(lake: LakeHandle, tmp_path: Path) -> None:
    other = write(tmp_path / "other", IN_FORCE)
    for name in ("page_anomalies", "page_counts", "page_detectors"):
        sql = templates.template(name).sql(templates.DIALECT)
        same(rows(lake, sql), rows(other, sql))
    contents = read_lake(
        LakeConnection(lake.uri).engine.prepared, open_store(lake.uri), lake=lake.uri, now=datetime(2021, 3, 1)
    )
    assert contents.notes == ()


def test_withdrawals_say_what_is_withdrawn_when_and_why(lake: LakeHandle, tmp_path: Path) -> None:
    found = rows(lake, 'SELECT * FROM withdrawals ORDER BY "timestamp"')
    assert [(row["alert_event_id"], row["metric_name"], row["digest"]) for row in found] == [
        ("e1", "revenue", OLD.digest),
        ("e2", "revenue", GONE.digest),
    ]
    assert {(row["withdrawn_at"], row["reason"]) for row in found} == {(datetime(2021, 3, 1), "late data")}
    by_day = rows(
        lake, "SELECT alert_event_id FROM withdrawals_by_day WHERE day = '2021-02-15' AND detector = 'orders'"
    )
    assert by_day == [{"alert_event_id": "e2"}]
    withdraw(tmp_path, [], [GONE], sequence="2021-03-01T00:00:00.000001Z")
    assert [row["alert_event_id"] for row in rows(lake, "SELECT * FROM withdrawals")] == ["e1"]
    same(rows(lake, "SELECT * FROM metric_values"), lakes.metric_values([*IN_FORCE, GONE]))


def test_an_earlier_document_that_arrives_later_changes_nothing(lake: LakeHandle, tmp_path: Path) -> None:
    withdraw(tmp_path, [KEPT], [OLD, GONE], sequence="2021-02-28T00:00:00.000000Z")
    withdraw(tmp_path, [], [KEPT], sequence="2021-02-28T00:00:00.000001Z")
    same(rows(lake, "SELECT * FROM metric_values"), lakes.metric_values(IN_FORCE))
    compact(Lake(open_store(str(tmp_path))))
    assert len(list((tmp_path / "tables" / "withdrawal_rows").rglob("*.parquet"))) == 2
    same(rows(lake, "SELECT * FROM metric_values"), lakes.metric_values(IN_FORCE))


def test_a_withdrawal_of_another_detector_of_that_name_changes_nothing(tmp_path: Path) -> None:
    """An identity has the ARN of the alert in it, so it is the identity that decides."""
    other = alert("e1", detector_arn=lakes.arn("orders", region="us-west-2"), body="other")
    lake = write(tmp_path, [NEW, other])
    withdraw(tmp_path, [other])
    same(rows(lake, "SELECT * FROM metric_values"), lakes.metric_values([NEW]))


def test_export_and_the_table_still_have_every_body(lake: LakeHandle, tmp_path: Path) -> None:
    table = "alert_rows" if (tmp_path / "tables" / "alert_rows").exists() else "alert_rows_csv"
    assert rows(lake, f"SELECT count(*) AS number FROM {table}") == [{"number": len(ALL)}]
    assert rows(lake, "SELECT count(*) AS number FROM withdrawal_rows") == [{"number": 2}]
    files = lake.export(tmp_path / "out", "csv")
    assert any("withdrawals" in str(file) for file in files)


def test_a_lake_without_withdrawals_is_queried_as_before(tmp_path: Path) -> None:
    def joins(name: str) -> int:
        store = open_store(str(tmp_path))
        statement = rewrite.parse(f"SELECT * FROM {name}")
        assert isinstance(statement, rewrite.Select)
        query = rewrite.rewrite(statement.query, Relations(store), LakeFiles(store, tmp_path, {}, PlainNames()))
        return len(list(query.find_all(exp.Join)))

    write(tmp_path, ALL)
    before = {name: joins(name) for name in ("alerts", "clashes", "metric_values", "anomalies")}
    assert (before["alerts"], before["clashes"]) == (0, 0)
    withdraw(tmp_path, [GONE])
    added = {name: joins(name) - number for name, number in before.items()}
    assert added == {"alerts": 1, "clashes": 1, "metric_values": 1, "anomalies": 2}
