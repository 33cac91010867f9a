"""PutFeedback and GetFeedback."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from anomalake.definitions.resource_errors import ResourceNotFoundError
from anomalake.records.backtests import write_backtest
from anomalake.records.feedback import feedback_folder
from anomalake.services.feedback import give_feedback, undo_feedback
from anomalake.services.workspace import Workspace
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore
from tests.support.groups_api import ARN, backtest_of_shop, call, hour_of, workspace_on
from tests.support.live import Bench, hour

NOW = hour_of(1000)
GROUP = "AnomalyGroupTimeSeriesFeedback"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    store = memory_store()
    write_backtest(store, "shop", ARN, backtest_of_shop(), now=NOW)
    return workspace_on(store, tmp_path, NOW)


def series_of_first() -> tuple[str, list[str]]:
    """Return the first group's id, and the ids of its time series: that of de, then that of fr."""
    group = backtest_of_shop().groups[0]
    ids = {metric.dimensions[0][1]: metric.time_series_id for one in group.intervals for metric in one.affected}
    return group.group_id, [ids["de"], ids["fr"]]


def put(workspace: Workspace, group_id: str, series_id: str, is_anomaly: bool, after: int = 0) -> None:
    later = replace(workspace, now=lambda: workspace.now() + timedelta(minutes=after))
    given = {"AnomalyGroupId": group_id, "TimeSeriesId": series_id, "IsAnomaly": is_anomaly}
    assert call(later, "PutFeedback", **{GROUP: given}) == {}


def got(workspace: Workspace, group_id: str, series_id: str | None = None, **members: Any) -> dict[str, bool]:
    asked = {"AnomalyGroupId": group_id, **({"TimeSeriesId": series_id} if series_id else {})}
    answer = call(workspace, "GetFeedback", **{GROUP: asked}, **members)
    return {item["TimeSeriesId"]: item["IsAnomaly"] for item in answer[GROUP]}


def records(workspace: Workspace) -> set[str]:
    return {entry.key for entry in workspace.store.list(feedback_folder("shop"))}


def test_feedback_is_read_as_it_was_given(workspace: Workspace) -> None:
    group_id, (de, fr) = series_of_first()
    assert got(workspace, group_id) == {}
    put(workspace, group_id, de, False)
    put(workspace, group_id, fr, True)
    assert got(workspace, group_id) == {de: False, fr: True}
    assert got(workspace, group_id, de) == {de: False}
    assert list(got(workspace, group_id, MaxResults=1)) == [min(de, fr)]


def test_feedback_on_one_time_series_reads_that_of_no_other(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    group_id, (de, fr) = series_of_first()
    put(workspace, group_id, de, False)
    put(workspace, group_id, fr, True)
    listed: list[str] = []
    list_ = type(workspace.store).list

    def noted(store: ObjectStore, folder: str, *arguments: Any) -> Any:
        listed.append(folder)
        return list_(store, folder, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(workspace.store), "list", noted)
    assert got(workspace, group_id, de) == {de: False}
    folder = feedback_folder("shop")
    assert [one for one in listed if one.startswith(folder)] == [f"{folder}/{de}"]


def test_feedback_on_a_group_reads_that_of_no_other_interval(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = backtest_of_shop().groups
    (first, *_), last = groups, groups[-1]
    assert last.intervals[0].timestamp > first.intervals[-1].timestamp
    of_last = last.intervals[0].affected[0].time_series_id
    _, (de, _) = series_of_first()
    put(workspace, first.group_id, de, False)
    put(workspace, last.group_id, of_last, True)
    read: list[str] = []
    listed: list[str] = []
    get, list_ = type(workspace.store).get, type(workspace.store).list

    def noted_get(store: ObjectStore, key: str, *arguments: Any) -> Any:
        read.append(key)
        return get(store, key, *arguments)  # type: ignore[arg-type]

    def noted_list(store: ObjectStore, folder: str, *arguments: Any) -> Any:
        listed.append(folder)
        return list_(store, folder, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(workspace.store), "get", noted_get)
    monkeypatch.setattr(type(workspace.store), "list", noted_list)
    assert got(workspace, last.group_id) == {of_last: True}
    assert feedback_folder("shop") not in listed
    of_feedback = [key.rsplit("/", 2) for key in read if key.startswith(feedback_folder("shop"))]
    assert {series_id for _, series_id, _ in of_feedback} == {of_last}
    assert len(of_feedback) == sum(
        of_last in {metric.time_series_id for metric in interval.all_affected} for interval in last.intervals
    )


def test_a_repetition_writes_nothing_and_another_opinion_counts(workspace: Workspace) -> None:
    group_id, (de, _) = series_of_first()
    put(workspace, group_id, de, False)
    written = records(workspace)
    assert len(written) == 3
    put(workspace, group_id, de, False, after=5)
    assert records(workspace) == written
    put(workspace, group_id, de, True, after=10)
    assert len(records(workspace)) == 6
    assert got(workspace, group_id) == {de: True}


def test_a_call_that_died_within_is_completed_by_its_repetition(workspace: Workspace) -> None:
    group_id, (de, _) = series_of_first()
    put(workspace, group_id, de, False)
    workspace.store.delete([max(records(workspace))])
    put(workspace, group_id, de, False, after=5)
    intervals = {key.rsplit("/", 1)[1].split("-")[0] for key in records(workspace)}
    assert len(intervals) == 3


def test_undone_feedback_is_gone_and_the_one_before_counts(workspace: Workspace) -> None:
    group_id, (de, _) = series_of_first()
    put(workspace, group_id, de, True)
    put(workspace, group_id, de, False, after=5)
    undo_feedback(workspace.store, "shop", group_id)
    assert got(workspace, group_id) == {de: True}
    undo_feedback(workspace.store, "shop", group_id)
    assert got(workspace, group_id) == {}
    put(workspace, group_id, de, True, after=10)
    assert got(workspace, group_id) == {de: True}


def test_feedback_that_was_given_on_one_interval_without_the_group_counts(workspace: Workspace) -> None:
    group_id, (de, _) = series_of_first()
    give_feedback(
        workspace.store, detector="shop", group_id=group_id, series_id=de, at=hour_of(801), is_anomaly=False, now=NOW
    )
    assert got(workspace, group_id) == {de: False}


def test_unknown_groups_and_time_series_are_not_found(workspace: Workspace) -> None:
    group_id, (de, _) = series_of_first()
    unknown = "0000aaaa-1111-2222-3333-444455556666"
    for call_ in (lambda: put(workspace, unknown, de, True), lambda: got(workspace, unknown)):
        with pytest.raises(ResourceNotFoundError) as caught:
            call_()
        assert caught.value.resource_type == "AnomalyGroup"
    for hostile in ("0" * 64, "../../x", de.upper()):
        with pytest.raises(ResourceNotFoundError) as caught:
            put(workspace, group_id, hostile, True)
        assert caught.value.resource_type == "TimeSeries"
        with pytest.raises(ResourceNotFoundError):
            got(workspace, group_id, hostile)
    assert records(workspace) == set()


def test_a_group_that_late_data_withdraw_keeps_its_feedback(tmp_path: Path) -> None:
    bench = Bench()
    bench.source.unusual = {(hour(1), "de"): 30.0}
    for number in range(3):
        bench.run(hour(number))
    workspace = workspace_on(bench.store, tmp_path, bench.now)
    answer = call(workspace, "ListAnomalyGroupSummaries", SensitivityThreshold=0)
    group_id = answer["AnomalyGroupSummaryList"][0]["AnomalyGroupId"]
    listed = call(workspace, "ListAnomalyGroupTimeSeries", AnomalyGroupId=group_id, MetricName="views")
    series_id = listed["TimeSeriesList"][0]["TimeSeriesId"]
    put(workspace, group_id, series_id, False)
    bench.source.unusual = {}
    bench.run(hour(1))
    assert call(workspace, "ListAnomalyGroupSummaries", SensitivityThreshold=0)["AnomalyGroupSummaryList"] == []
    assert got(workspace, group_id) == {series_id: False}
    with pytest.raises(ResourceNotFoundError):
        put(workspace, group_id, series_id, True)
