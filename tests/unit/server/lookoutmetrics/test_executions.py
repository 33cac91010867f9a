"""DescribeAnomalyDetectionExecutions."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from anomalake.definitions.resource_errors import InvalidRequestError
from anomalake.records.executions import EARLY, FAILED, LEARNING, SKIPPED, SUCCEEDED, Execution, write_execution
from anomalake.records.keys import stamp
from anomalake.services.workspace import Workspace
from anomalake.storage.objects import memory_store
from tests.support.groups_api import ARN, call, pages, workspace_on
from tests.support.live import Bench, IntervalError, hour

OPERATION = "DescribeAnomalyDetectionExecutions"


def workspace_with(tmp_path: Path, *executions: Execution) -> Workspace:
    store = memory_store()
    for execution in executions:
        write_execution(store, "shop", execution)
    return workspace_on(store, tmp_path, hour(100))


def execution(number: int, status: str, run: int = 0, reason: str = "", arn: str = ARN) -> Execution:
    run_id = f"{stamp(hour(number) + timedelta(minutes=run))}-{9 - run}"
    return Execution(arn, hour(number), status, reason, run_id)


def listed(workspace: Workspace, **members: Any) -> list[dict[str, Any]]:
    return [one for answer in pages(workspace, OPERATION, **members) for one in answer["ExecutionList"]]


def test_statuses_are_those_of_the_api(tmp_path: Path) -> None:
    workspace = workspace_with(
        tmp_path,
        execution(0, LEARNING, reason="no model yet"),
        execution(1, SUCCEEDED),
        execution(2, FAILED, reason="x" * 300),
        execution(3, SKIPPED, reason="too old"),
        execution(4, EARLY, reason="not complete"),
        execution(5, FAILED),
    )
    assert listed(workspace) == [
        {"Timestamp": "2026-03-03T05:00Z[UTC]", "Status": "FAILED"},
        {"Timestamp": "2026-03-03T04:00Z[UTC]", "Status": "PENDING"},
        {"Timestamp": "2026-03-03T03:00Z[UTC]", "Status": "FAILED_TO_SCHEDULE", "FailureReason": "too old"},
        {"Timestamp": "2026-03-03T02:00Z[UTC]", "Status": "FAILED", "FailureReason": "x" * 256},
        {"Timestamp": "2026-03-03T01:00Z[UTC]", "Status": "COMPLETED"},
        {"Timestamp": "2026-03-03T00:00Z[UTC]", "Status": "COMPLETED"},
    ]


def test_the_last_run_of_an_interval_counts_on_every_page(tmp_path: Path) -> None:
    workspace = workspace_with(
        tmp_path, *(execution(number, FAILED, reason="x") for number in range(7)), execution(3, SUCCEEDED, run=1)
    )
    answers = list(pages(workspace, OPERATION, MaxResults=3))
    assert [len(answer["ExecutionList"]) for answer in answers] == [3, 3, 1]
    statuses = [one["Status"] for answer in answers for one in answer["ExecutionList"]]
    assert statuses == ["FAILED"] * 3 + ["COMPLETED"] + ["FAILED"] * 3


@pytest.mark.parametrize("at", ["2026-03-03T02:00Z[UTC]", "2026-03-03T02:00:00Z", "2026-03-03T03:30+01:00"])
def test_one_interval_is_found_by_a_time_in_it(tmp_path: Path, at: str) -> None:
    workspace = workspace_with(tmp_path, *(execution(number, SUCCEEDED) for number in range(4)))
    assert listed(workspace, Timestamp=at) == [{"Timestamp": "2026-03-03T02:00Z[UTC]", "Status": "COMPLETED"}]
    assert listed(workspace, Timestamp="2026-04-01T00:00Z[UTC]") == []


@pytest.mark.parametrize("at", ["yesterday", "2026-13-01T00:00Z[UTC]", "0001-01-01T00:00+01:00"])
def test_an_invalid_time_is_an_invalid_field(tmp_path: Path, at: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        call(workspace_with(tmp_path), OPERATION, Timestamp=at)
    assert [name for name, _ in caught.value.fields] == ["Timestamp"]


def test_executions_of_another_detector_of_this_name_are_left_out(tmp_path: Path) -> None:
    other = ARN.replace("000000000000", "111111111111")
    workspace = workspace_with(tmp_path, execution(0, SUCCEEDED), execution(1, SUCCEEDED, arn=other))
    assert [one["Timestamp"] for one in listed(workspace)] == ["2026-03-03T00:00Z[UTC]"]


def test_live_runs_are_listed(tmp_path: Path) -> None:
    bench = Bench()
    bench.source.faults = {hour(1): IntervalError("No datapoint was found")}
    for number in range(3):
        bench.run(hour(number))
    found = listed(workspace_on(bench.store, tmp_path, bench.now))
    assert [one["Status"] for one in found] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert "No datapoint" in found[1]["FailureReason"]
