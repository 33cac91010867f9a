"""Views that are created in Athena, and partitions that are registered."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from anomalake.alerts import AlertDocument
from anomalake.lake.lake import Lake
from anomalake.lake.ports import Partition
from anomalake.services.views import make_views, register_all
from anomalake.storage.objects import memory_store
from tests.support.made import DETECTORS, alert


@pytest.fixture
def lake() -> Lake:
    lake = Lake(memory_store())
    receipt = lake.ingest(AlertDocument(json.dumps(alert(seed)), f"alert {seed}") for seed in range(30))
    assert receipt.stored == 30
    return lake


def statements_for(lake: Lake, detectors: set[str] | None = None) -> list[str]:
    statements: list[str] = []
    assert make_views(lake.store, ("parquet",), statements.append, detectors) == len(statements)
    return statements


def test_all_views_are_created_once(lake: Lake) -> None:
    text = "\n".join(statements_for(lake))
    for view in ("metric_values", "dimension_contributions", "alerts", "clashes"):
        assert f'CREATE OR REPLACE VIEW "{view}"' in text
    assert len(DETECTORS) == 3
    views = [line for line in text.splitlines() if line.startswith("CREATE OR REPLACE VIEW")]
    assert len(views) == len(set(views)) > 3 * 5


def test_views_of_one_detector_are_created_in_the_same_order(lake: Lake) -> None:
    statements = statements_for(lake, {"shop-live"})
    assert statements
    assert statements == [statement for statement in statements_for(lake) if statement in statements]
    first_lines = [statement.splitlines()[0] for statement in statements]
    assert all("shop_" in line for line in first_lines), first_lines


def test_every_partition_is_registered(lake: Lake) -> None:
    class Register:
        def register(self, partitions: Iterable[Partition]) -> None:
            self.partitions = set(partitions)

    register = Register()
    register_all(lake.store, register)  # type: ignore[arg-type]
    days = {entry.key.split("/")[3] for entry in lake.store.list("tables")}
    assert {f"day={partition.day}" for partition in register.partitions} == days
    assert {partition.detector for partition in register.partitions} == set(DETECTORS)
