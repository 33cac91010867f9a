"""The function compact."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from anomalake.alerts import AlertDocument
from anomalake.lake import rows
from anomalake.lake.lake import Lake
from anomalake.storage.objects import memory_store
from functions.compact.app import CompactError, merge
from tests.support.made import alert


def lake_of(number: int) -> Lake:
    lake = Lake(memory_store())
    for seed in range(number):
        lake.ingest([AlertDocument(json.dumps(alert(3 * seed, timestamp="2021-05-01T10:00Z[UTC]")), str(seed))])
    return lake


def ids(lake: Lake) -> set[str]:
    files = [item.key for item in lake.store.list("tables") if item.key.endswith(".parquet")]
    tables = (rows.from_parquet(lake.store.get(key), ["alert_id"]) for key in files)
    return {entry for table in tables for entry in table["alert_id"].to_pylist()}


def test_small_files_are_merged_with_equal_rows() -> None:
    lake = lake_of(7)
    before = ids(lake)
    assert len(before) == 7
    assert merge(lake, timedelta(0)) == {"partitions": 1, "merged": 7, "deleted": 7}
    assert ids(lake) == before
    assert len(list(lake.store.list("tables"))) == 1
    assert merge(lake, timedelta(0)) == {"partitions": 0, "merged": 0, "deleted": 0}


def test_an_unreadable_file_fails_the_run_after_the_others_are_merged() -> None:
    lake = lake_of(2)
    other = "tables/alert_rows/detector=other/day=2021-01-01"
    for name in "ab":
        lake.store.put(f"{other}/{name}.parquet", b"no parquet")
    with pytest.raises(CompactError, match=r"1 partitions not merged, first tables/.*other"):
        merge(lake, timedelta(0))
    left = {item.key.split("/")[2] for item in lake.store.list("tables")}
    assert len([entry for entry in lake.store.list("tables") if "detector=other" not in entry.key]) == 1
    assert "detector=other" in left
