"""The latest executions are found without a listing of all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from anomalake.records.executions import SUCCEEDED, Execution, write_execution
from anomalake.services.data_quality import data_quality_of
from anomalake.services.definitions.known_detectors import KnownDetector
from anomalake.services.interval_executions import last_executions
from anomalake.services.workspace import Workspace
from anomalake.storage.objects import memory_store
from anomalake.storage.store import StoredObject
from tests.support.groups_api import ARN, hour_of, pages, workspace_on
from tests.support.stores import WrappedStore

HOURS = 3_000
SHOP = KnownDetector("shop", ARN, "PT1H", "UTC")


class Counting(WrappedStore):
    """Counts the listings, and the keys in them."""

    listings = keys = 0

    def list(self, folder: str, after: str | None = None, before: str | None = None) -> Iterator[StoredObject]:
        self.listings += 1
        for entry in super().list(folder, after, before):
            self.keys += 1
            yield entry


@pytest.fixture(scope="module")
def filled() -> Counting:
    store = memory_store()
    for number in range(HOURS):
        at = hour_of(number)
        write_execution(store, "shop", Execution(ARN, at, SUCCEEDED, run_id="1", started_at=at))
    return Counting(store)


@pytest.fixture
def workspace(filled: Counting, tmp_path: Path) -> Workspace:
    filled.listings = filled.keys = 0
    return workspace_on(filled, tmp_path, hour_of(HOURS))


def test_a_page_lists_about_as_many_as_it_answers(filled: Counting, workspace: Workspace) -> None:
    seen = []
    for answer in pages(workspace, "DescribeAnomalyDetectionExecutions", MaxResults=100):
        seen += [one["Timestamp"] for one in answer["ExecutionList"]]
        assert filled.keys <= 110
        assert filled.listings <= 2
        filled.listings = filled.keys = 0
        if len(seen) > 1_500:
            break
    assert seen == [f"{hour_of(HOURS - 1 - number):%Y-%m-%dT%H:%MZ[UTC]}" for number in range(len(seen))]


def test_data_quality_lists_no_more(filled: Counting, workspace: Workspace) -> None:
    data_quality_of(workspace, ARN)
    assert filled.keys <= 30


@pytest.mark.parametrize("since", [timedelta(days=0), timedelta(days=200), timedelta(days=9_000)])
@pytest.mark.parametrize("most", [1, 7, HOURS + 5])
def test_a_detector_that_has_stopped_long_ago(workspace: Workspace, since: timedelta, most: int) -> None:
    later = replace(workspace, now=lambda: hour_of(HOURS) + since)
    found = last_executions(later, SHOP, most)
    assert list(found) == [hour_of(number) for number in reversed(range(HOURS))][:most]


def test_executions_before_and_after_the_clock(workspace: Workspace) -> None:
    earlier = replace(workspace, now=lambda: hour_of(10))
    assert next(iter(last_executions(earlier, SHOP, 3))) == hour_of(HOURS - 1)
    assert list(last_executions(workspace, SHOP, 3, hour_of(2))) == [hour_of(1), hour_of(0)]
    assert last_executions(workspace, SHOP, 3, hour_of(0)) == {}
    assert last_executions(workspace, replace(SHOP, name="other"), 3) == {}
