"""Views that are made in Athena, and partitions that are registered."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from anomalake.alerts import AlertDocument
from anomalake.definitions.metric_set import CsvFormat, Measure, MetricSet
from anomalake.lake.lake import Lake
from anomalake.lake.ports import TABLE, VIEW, Partition
from anomalake.records.catalog import digest_key, read_digests
from anomalake.records.metric_sets import write_metric_set
from anomalake.services.views import OutOfTime, ViewError, ViewReport, make_views, register_all
from anomalake.storage.objects import memory_store
from tests.support.athena import FakeDatabase
from tests.support.made import DETECTORS, alert

GENERIC = {"metric_values", "dimension_contributions", "alerts", "clashes", "anomalies"}
ARN = "arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:orders"


@pytest.fixture
def lake() -> Lake:
    lake = Lake(memory_store())
    receipt = lake.ingest(AlertDocument(json.dumps(alert(seed)), f"alert {seed}") for seed in range(30))
    assert receipt.stored == 30
    return lake


def make(lake: Lake, database: FakeDatabase, detectors: set[str] | None = None) -> ViewReport:
    return make_views(lake.store, ("parquet",), database, detectors)


def source(**changes: object) -> MetricSet:
    fields: dict[str, object] = {
        "detector_arn": ARN,
        "timestamp_column": "time",
        "metric_list": (Measure("revenue"),),
        "historical_data_path_list": ("s3://bucket/back",),
        "file_format": CsvFormat(header_list=("time", "revenue")),
    }
    return MetricSet(**{**fields, **changes})  # type: ignore[arg-type]


def test_all_views_are_made_once_each_after_those_that_it_reads(lake: Lake) -> None:
    database = FakeDatabase()
    report = make(lake, database)
    assert (report.failed, report.left) == ({}, 0)
    assert database.existing.keys() >= GENERIC
    assert len(DETECTORS) == 3
    assert report.made == len(database.statements) == len(set(database.statements)) > 3 * 5


def test_an_unchanged_lake_runs_no_statement(lake: Lake) -> None:
    database = FakeDatabase()
    make(lake, database)
    assert make(lake, database) == ViewReport()


def test_only_the_relations_of_a_changed_detector_are_made_again(lake: Lake) -> None:
    database = FakeDatabase()
    make(lake, database)
    before = len(database.statements)
    body = json.loads(lake.store.get(next(iter(lake.store.list("shapes/detector=shop-live"))).key))
    lake.write_shapes([])
    lake.store.put("shapes/detector=shop-live/new.json", json.dumps({**body, "metric_name": "another"}).encode())
    report = make(lake, database, {"shop-live"})
    new = database.statements[before:]
    assert report.made == len(new) > 5
    assert all("shop_live" in statement.splitlines()[0] for statement in new)


def test_a_view_that_was_deleted_is_made_again(lake: Lake) -> None:
    database = FakeDatabase()
    make(lake, database)
    del database.existing["clashes"]
    assert make(lake, database).made == 1
    assert database.existing["clashes"] == VIEW


def test_a_view_is_made_again_when_what_it_reads_is(lake: Lake) -> None:
    database = FakeDatabase()
    made = make(lake, database).made
    lake.store.delete(list_of(lake, "shown_rows"))
    assert make(lake, database).made == 1
    # In a lake with CSV only, alert_rows is a view, which all others read.
    assert make_views(lake.store, ("csv",), database_with_csv_only(), None).made > made


def database_with_csv_only() -> FakeDatabase:
    database = FakeDatabase("other")
    del database.existing["alert_rows"]
    return database


def list_of(lake: Lake, relation: str) -> list[str]:
    return [digest_key("anomalake", relation, digest) for digest in read_digests(lake.store, "anomalake")[relation]]


def test_two_digests_of_a_relation_make_it_again(lake: Lake) -> None:
    """Two processes made a view at once: either definition may be the last."""
    database = FakeDatabase()
    make(lake, database)
    lake.store.put(digest_key("anomalake", "clashes", "0" * 64), b"")
    assert make(lake, database).made == 1
    assert len(read_digests(lake.store, "anomalake")["clashes"]) == 1


def test_a_call_that_ran_out_of_time_is_continued_by_the_next(lake: Lake) -> None:
    database, whole = FakeDatabase(), FakeDatabase("another")
    number = make(lake, whole).made
    made = 0
    calls = 0
    while made < number:
        begun = iter([True] * 7)
        report = make_views(lake.store, ("parquet",), database, None, lambda left=begun: next(left, False))  # type: ignore[misc]
        made += report.made
        calls += 1
        assert report.made <= 7
        assert report.left == number - made
        if report.left:
            with pytest.raises(OutOfTime, match=f"{report.left} relations are left"):
                report.check()
    assert calls == -(-number // 7)
    assert database.existing == whole.existing
    assert sorted(database.statements) == sorted(whole.statements)


def test_a_statement_that_fails_harms_only_what_reads_its_relation(lake: Lake) -> None:
    database, whole = FakeDatabase(), FakeDatabase("another")
    make(lake, whole)
    broken = next(name for name in whole.existing if name.startswith("metricvalue_anomalyscore_shop"))
    database.broken = {broken}
    report = make(lake, database)
    [(detector, reason)] = report.failed.items()
    assert detector is not None
    assert detector.startswith("shop")
    assert broken in reason
    missing = whole.existing.keys() - database.existing.keys()
    assert broken in missing
    assert all("shop" in name for name in missing)
    with pytest.raises(ViewError, match=broken):
        report.check()
    report.check(detectors=False)
    database.broken = set()
    assert make(lake, database).failed == {}
    assert database.existing == whole.existing


def test_a_source_that_athena_cannot_read_harms_only_its_detector(lake: Lake) -> None:
    write_metric_set(lake.store, source(historical_data_path_list=("data",)))
    database = FakeDatabase()
    report = make(lake, database)
    assert list(report.failed) == ["orders"]
    assert "s3://" in report.failed["orders"]
    assert len(database.existing) > 3 * 5


def test_a_changed_source_gets_another_table_beside_the_one_that_is_read(lake: Lake) -> None:
    write_metric_set(lake.store, source())
    database = FakeDatabase()
    make(lake, database)
    [old] = [name for name in database.existing if name.startswith("source_orders__p")]
    before = len(database.statements)
    write_metric_set(lake.store, source(file_format=CsvFormat(header_list=("time", "other", "revenue"))))
    assert make(lake, database, {"orders"}).failed == {}
    [new] = [name for name in database.existing if name.startswith("source_orders__p")]
    assert new != old
    lines = [statement.splitlines()[0] for statement in database.statements[before:]]
    view = 'CREATE OR REPLACE VIEW "source_orders" AS'
    table = f"CREATE EXTERNAL TABLE IF NOT EXISTS `{new}` ("
    assert lines.index(table) < lines.index(view) < lines.index(f"DROP TABLE IF EXISTS `{old}`")
    assert make(lake, database) == ViewReport()


def test_a_source_table_of_an_earlier_version_is_replaced(lake: Lake) -> None:
    write_metric_set(lake.store, source())
    database = FakeDatabase(existing={"source_orders": TABLE, "source_orders__p1": TABLE})
    assert make(lake, database).failed == {}
    assert database.existing["source_orders"] == VIEW
    assert "source_orders__p1" not in database.existing


def test_the_views_of_a_second_detector_of_a_name_replace_the_plain_ones(lake: Lake) -> None:
    database = FakeDatabase()
    write_metric_set(lake.store, source())
    make(lake, database)
    assert "live_orders" in database.existing
    write_metric_set(lake.store, source(detector_arn=ARN.replace("us-east-1", "eu-west-1")))
    assert make(lake, database, {"orders"}).failed == {}
    assert "live_orders" not in database.existing
    assert make(lake, database) == ViewReport()


def test_every_partition_is_registered(lake: Lake) -> None:
    class Register:
        def register(self, partitions: Iterable[Partition]) -> None:
            self.partitions = set(partitions)

    register = Register()
    register_all(lake.store, register)  # type: ignore[arg-type]
    days = {entry.key.split("/")[3] for entry in lake.store.list("tables")}
    assert {f"day={partition.day}" for partition in register.partitions} == days
    assert {partition.detector for partition in register.partitions} == set(DETECTORS)
