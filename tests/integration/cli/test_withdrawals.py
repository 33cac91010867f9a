"""A backtest replaces the earlier backtest of its detector in the lake."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from anomalake.api import open_lake
from anomalake.definitions.detector import Detector
from anomalake.definitions.detector_file import read_detector
from anomalake.groups.anomaly_group import Group
from anomalake.lake import bulk
from anomalake.lake.lake import Lake
from anomalake.records.backtests import ALERTS, backtest_key, read_backtest_groups
from anomalake.records.groups import write_group
from anomalake.services.backtests import backtest as service
from anomalake.services.detect import AlertNotifier, local_rules
from anomalake.storage.objects import open_store
from anomalake.synth import ShopSettings, shop, write_shop
from tests.support.command import Run


@pytest.fixture(scope="module")
def shop_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    write_shop(shop(ShopSettings(intervals=600, series=4)), folder)
    return folder


@pytest.fixture
def files(shop_folder: Path) -> tuple[Path, Path]:
    """Two definitions of one detector: the measures views and revenue, and views without revenue."""
    first = shop_folder / "detector.yaml"
    lines = first.read_text("utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if "MetricName: revenue" in line)
    second = shop_folder / "edited.yaml"
    second.write_text("\n".join([*lines[:at], *lines[at + 2 :], ""]), encoding="utf-8")
    assert read_detector(second).metric_set.measures == ("views",)
    return first, second


def shown(lake: Path) -> list[tuple[Any, ...]]:
    return sorted(open_lake(lake).query_rows('SELECT alert_event_id, metric_name, "timestamp", digest FROM alerts')[1])


def group_ids(lake: Path) -> set[str]:
    return {row[0] for row in open_lake(lake).query_rows("SELECT DISTINCT group_id FROM anomalies")[1]}


@pytest.mark.parametrize("formats", ["parquet", "csv", "parquet,csv"])
def test_the_groups_of_the_new_definition_replace_those_of_the_old_one(
    run: Run, files: tuple[Path, Path], tmp_path: Path, formats: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANOMALAKE_FORMATS", formats)
    lake, (first, second) = tmp_path / "lake", files
    run("backtest", str(first), "--lake", str(lake))
    of_first = shown(lake)
    said = run("backtest", str(second), "--lake", str(lake))
    groups = list(read_backtest_groups(open_store(str(lake)), "shop"))
    assert {row[1] for row in of_first} == {"revenue", "views"}
    assert {row[1] for row in shown(lake)} == {"views"}
    assert group_ids(lake) == {group.group_id for group in groups}
    assert open_lake(lake).query_rows("SELECT * FROM clashes")[1] == []
    (withdrawn,) = open_lake(lake).query_rows("SELECT count(*) FROM withdrawals")[1]
    assert f"{withdrawn[0]} of an earlier backtest withdrawn" in said.out
    of_second = shown(lake)
    # Edited back, and again.
    for file, expected in ((first, of_first), (first, of_first), (second, of_second)):
        run("backtest", str(file), "--lake", str(lake))
        assert shown(lake) == expected
    for command in ("rebuild", "compact"):
        assert run(command, "--lake", str(lake)).code == 0
        assert shown(lake) == of_second


def test_a_replay_of_the_originals_gives_the_same_lake(run: Run, files: tuple[Path, Path], tmp_path: Path) -> None:
    for file in files:
        run("backtest", str(file), "--lake", "lake")
    said = run("replay", "lake/originals", "--lake", "copy")
    assert (said.code, said.err) == (0, "")
    assert shown(tmp_path / "copy") == shown(tmp_path / "lake")
    columns = "alert_id, digest, withdrawn_at, reason"
    first, second = (
        sorted(open_lake(tmp_path / name).query_rows(f"SELECT {columns} FROM withdrawals")[1])
        for name in ("lake", "copy")
    )
    assert first == second != []


def test_alerts_of_other_senders_and_detectors_stay(run: Run, files: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = files
    run("backtest", str(first), "--lake", "lake")
    store = open_store(str(tmp_path / "lake"))
    (bulk_original,) = [entry.key for entry in store.list("originals/bulk")]
    alert = json.loads(next(iter(bulk.read_file(bulk_original, store.get(bulk_original)))).body)  # type: ignore[union-attr]
    foreign = alert | {"alertEventId": alert["alertArn"] + ":event/l4m", "anomalyGroupId": "l4m"}
    other = alert | {"anomalyDetectorArn": alert["anomalyDetectorArn"].replace(":shop", ":other")}
    (tmp_path / "more.jsonl").write_text(f"{json.dumps(foreign)}\n{json.dumps(other)}\n", encoding="utf-8")
    run("replay", "more.jsonl", "--lake", "lake")
    run("backtest", str(second), "--lake", "lake")
    found = open_lake(tmp_path / "lake").query_rows("SELECT detector, anomaly_group_id FROM alerts")[1]
    assert ("shop", "l4m") in found
    assert ("other", alert["anomalyGroupId"]) in found


@pytest.mark.parametrize("damaged", [False, True], ids=["missing", "damaged"])
def test_the_earlier_backtest_of_a_lake_without_its_list_of_alerts_is_replaced(
    run: Run, files: tuple[Path, Path], tmp_path: Path, damaged: bool
) -> None:
    first, second = files
    run("backtest", str(first), "--lake", "lake")
    store = open_store(str(tmp_path / "lake"))
    if damaged:
        store.put(backtest_key("shop", ALERTS), b"no list of alerts")
    else:
        store.delete([backtest_key("shop", ALERTS)])
    run("backtest", str(second), "--lake", "lake")
    assert {row[1] for row in shown(tmp_path / "lake")} == {"views"}


@pytest.mark.parametrize("step", ["register_partitions", "replace_alerts", "write_backtest"])
def test_a_backtest_that_died_is_replaced_by_the_next_one(
    run: Run, files: tuple[Path, Path], tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = files
    run("backtest", str(second), "--lake", "expected")
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(service, step, interrupted)
        service.backtest(first, lake=str(tmp_path / "lake"))
    assert shown(tmp_path / "lake")
    run("backtest", str(second), "--lake", "lake")
    assert shown(tmp_path / "lake") == shown(tmp_path / "expected")
    store = open_store(str(tmp_path / "lake"))
    assert [entry.key for entry in store.list(backtest_key("shop", "unfinished"))] == []


def interrupted(*arguments: object) -> None:
    raise KeyboardInterrupt


def test_another_link_to_the_page_is_no_clash(run: Run, files: tuple[Path, Path], tmp_path: Path) -> None:
    first, _ = files
    for page in ("http://a/page.html", "http://b/page.html"):
        run("backtest", str(first), "--lake", "lake", "--page", page)
    lake = open_lake(tmp_path / "lake")
    assert lake.query_rows("SELECT * FROM clashes")[1] == []
    assert {row[0][:9] for row in lake.query_rows("SELECT console_url FROM alerts")[1]} == {"http://b/"}


def test_a_live_result_that_the_backtest_had_too_stays(run: Run, files: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = files
    run("backtest", str(first), "--lake", "lake")
    store = open_store(str(tmp_path / "lake"))
    detector = read_detector(first)
    (group, *_) = [group for group in read_backtest_groups(store, "shop") if group.measure == "revenue"]
    notify_live(detector, Lake(store), group)
    run("backtest", str(second), "--lake", "lake")
    revenue = [row for row in shown(tmp_path / "lake") if row[1] == "revenue"]
    assert [row[0].rpartition("/")[2] for row in revenue] == [group.group_id]


def notify_live(detector: Detector, lake: Lake, group: Group) -> None:
    """Record and send a group's first interval as a live run does."""
    write_group(lake.store, detector.name, group, group.start)
    rules = local_rules(detector, lake, send=False)
    AlertNotifier(detector, lake.store, rules).notify([group], group.start)
