"""The relation `causes`: the root causes of groups with an alert in force, each once."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

import pytest

from anomalake.alerts import Cause
from anomalake.api import LakeHandle, open_lake
from anomalake.lake import bulk
from anomalake.lake.compaction import compact
from anomalake.lake.lake import Lake
from anomalake.storage.objects import open_store
from tests.integration.query.lakes import HOSTILE, ORDERS, alert, arn, rows, withdraw, write, write_causes

UA = Cause((("carrier", "UA"), ("origin", "EWR")), -0.62, 0.71, 30.25)
ALL = Cause((), None, 1.0, 4.5)
FIRST = alert("e1", group="g1", zone="Europe/Paris")
#: Of a second rule, about the same interval of the same group.
SECOND = alert("e2", group="g1", zone="Europe/Paris")
LATER = alert("e1", "2021-02-15T04:00", group="g1", zone="Europe/Paris")
OF_VIEWS = alert("e3", group="g2", metric="views")
HOSTILE_CAUSES = [Cause(((value or "empty", value),), -1.0, 0.5, float(number)) for number, value in enumerate(HOSTILE)]


@pytest.fixture(params=[("parquet",), ("csv",), ("parquet", "csv")], ids=["parquet", "csv", "both"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> LakeHandle:
    handle = write(tmp_path, [FIRST, SECOND, LATER, OF_VIEWS, alert("e4")], request.param)
    write_causes(tmp_path, {FIRST: [UA, ALL], LATER: [ALL], OF_VIEWS: HOSTILE_CAUSES})
    return handle


def found(lake: LakeHandle, where: str = "true") -> list[tuple[object, ...]]:
    """Return the groups, days, ranks and gains of causes."""
    columns = 'anomaly_group_id, day, "rank", gain'
    return sorted(lake.query_rows(f"SELECT {columns} FROM causes_by_day WHERE {where}")[1])


EXPECTED = [
    ("g1", "2021-02-14", 1, 30.25),
    ("g1", "2021-02-14", 2, 4.5),
    ("g1", "2021-02-15", 1, 4.5),
    *(("g2", "2021-02-14", rank, cause.gain) for rank, cause in enumerate(HOSTILE_CAUSES, 1)),
]


def test_a_cause_is_one_row_however_many_rules_alerted(lake: LakeHandle) -> None:
    assert found(lake) == EXPECTED
    (row,) = rows(lake, "SELECT * FROM causes WHERE anomaly_group_id = 'g1' AND \"rank\" = 1 AND gain > 5")
    assert row == {
        "detector": "orders",
        "detector_arn": ORDERS,
        "anomaly_group_id": "g1",
        "timestamp": datetime(2021, 2, 14, 4),
        "timezone": "Europe/Paris",
        "local_timestamp": datetime(2021, 2, 14, 5),
        "metric_name": "revenue",
        "rank": 1,
        "dimensions": {"carrier": "UA", "origin": "EWR"},
        "share_off": -0.62,
        "explained": 0.71,
        "gain": 30.25,
    }
    assert found(lake, "detector = 'orders' AND day = '2021-02-15'") == [EXPECTED[2]]


def test_values_survive_and_nothing_expected_is_null(lake: LakeHandle, tmp_path: Path) -> None:
    stated = rows(lake, "SELECT dimensions, share_off FROM causes WHERE metric_name = 'views' ORDER BY \"rank\"")
    assert [row["dimensions"] for row in stated] == [dict(cause.dimensions) for cause in HOSTILE_CAUSES]
    (whole,) = rows(lake, 'SELECT dimensions, share_off FROM causes WHERE day("timestamp") = 15')
    assert whole == {"dimensions": {}, "share_off": None}
    lake.export(tmp_path / "out", "csv")
    with (tmp_path / "out" / "causes.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(EXPECTED)


def test_the_document_with_the_greatest_sequence_decides_whenever_it_arrives(lake: LakeHandle, tmp_path: Path) -> None:
    write_causes(tmp_path, {FIRST: [ALL], OF_VIEWS: []}, 6)
    expected = [("g1", "2021-02-14", 1, 4.5), EXPECTED[2]]
    assert found(lake) == expected
    write_causes(tmp_path, {FIRST: [UA], LATER: []}, 4)
    assert found(lake) == expected


def test_a_withdrawn_alert_has_no_causes_until_it_is_reinstated(lake: LakeHandle, tmp_path: Path) -> None:
    withdraw(tmp_path, [FIRST])
    assert found(lake) == EXPECTED
    withdraw(tmp_path, [SECOND], sequence="2021-03-02T00:00:00.000000Z")
    assert found(lake) == EXPECTED[2:]
    withdraw(tmp_path, [], [SECOND], sequence="2021-03-03T00:00:00.000000Z")
    assert found(lake) == EXPECTED


def test_compaction_rebuild_and_another_copy_change_nothing(lake: LakeHandle, tmp_path: Path) -> None:
    write_causes(tmp_path, {FIRST: [UA, ALL], OF_VIEWS: HOSTILE_CAUSES}, 6)
    store = open_store(str(tmp_path))
    compact(Lake(store))
    files = [entry.key for entry in store.list("tables/cause_rows")]
    assert len(files) == 2
    assert found(lake) == EXPECTED
    # These alerts have no originals, so only the rows of documents are written again.
    kept = {entry.key: store.get(entry.key) for entry in store.list("tables") if "/alert_rows" in entry.key}
    bulk.rebuild(Lake(store), lambda: Lake(store))
    assert not {entry.key for entry in store.list("tables/cause_rows")} & set(files)
    for key, body in kept.items():
        store.put(key, body)
    assert found(lake) == EXPECTED


def test_a_detector_of_the_same_name_has_causes_of_its_own(tmp_path: Path) -> None:
    elsewhere = arn("orders", region="us-west-2")
    lake = write(tmp_path, [FIRST, alert("e9", group="g9", detector_arn=elsewhere)])
    write_causes(tmp_path, {FIRST: [UA]}, detector_arn=elsewhere)
    assert found(lake) == []


def test_a_lake_of_an_earlier_version_has_no_causes(tmp_path: Path) -> None:
    lake = write(tmp_path, [FIRST])
    assert not (tmp_path / "tables" / "cause_rows").exists()
    assert rows(lake, "SELECT * FROM causes") == []
    assert rows(open_lake(str(tmp_path)), "SELECT * FROM shown_causes") == []
    assert [row["column"] for row in rows(lake, "DESCRIBE causes")][-4:] == [
        "dimensions",
        "share_off",
        "explained",
        "gain",
    ]
