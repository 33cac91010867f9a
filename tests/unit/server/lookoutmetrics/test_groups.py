"""Operations on anomaly groups, on a real backtest and on live runs."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from anomalake.definitions.resource_errors import InvalidRequestError, ResourceNotFoundError
from anomalake.groups.anomaly_group import Overlap
from anomalake.records.backtests import JUDGEMENT, backtest_key, write_backtest
from anomalake.records.group_index import entries, read_index
from anomalake.records.groups import group_ids, write_group
from anomalake.services.workspace import Workspace
from anomalake.storage.objects import memory_store
from tests.support.anomalies import group_of, interval, metric
from tests.support.groups_api import (
    ARN,
    COUNTRIES,
    UNUSUAL,
    backtest_of_shop,
    call,
    hour_of,
    metrics_of_shop,
    pages,
    workspace_on,
)
from tests.support.live import Bench, hour, usual

NOW = hour_of(1000)


def text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M}Z[UTC]"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A lake with the backtest of the shop."""
    store = memory_store()
    write_backtest(store, "shop", ARN, backtest_of_shop(), now=NOW)
    return workspace_on(store, tmp_path, NOW)


def live_workspace(tmp_path: Path, data: dict[Any, Any], last: int = 6) -> tuple[Workspace, Bench]:
    """A lake in which the detector ran live."""
    bench = Bench()
    bench.source.unusual = dict(data)
    for number in range(last + 1):
        bench.run(hour(number))
    return workspace_on(bench.store, tmp_path, bench.now), bench


def summaries(workspace: Workspace, least: int = 0, **members: Any) -> list[dict[str, Any]]:
    answers = pages(workspace, "ListAnomalyGroupSummaries", SensitivityThreshold=least, **members)
    return [summary for answer in answers for summary in answer["AnomalyGroupSummaryList"]]


def first_group(workspace: Workspace) -> str:
    found: str = summaries(workspace)[-1]["AnomalyGroupId"]
    return found


def test_summaries_are_listed_newest_first_with_statistics_of_all(workspace: Workspace) -> None:
    answer = call(workspace, "ListAnomalyGroupSummaries", SensitivityThreshold=0, MaxResults=1)
    groups = sorted(backtest_of_shop().groups, key=lambda group: group.start, reverse=True)
    listed = summaries(workspace, MaxResults=1)
    assert [summary["AnomalyGroupId"] for summary in listed] == [group.group_id for group in groups]
    assert listed[-1] == {
        "StartTime": text(hour_of(800)),
        "EndTime": text(hour_of(803)),
        "AnomalyGroupId": groups[-1].group_id,
        "AnomalyGroupScore": round(groups[-1].score, 2),
        "PrimaryMetricName": "revenue",
    }
    assert answer["AnomalyGroupStatistics"] == {
        "EvaluationStartDate": text(hour_of(672)),
        "TotalCount": 4,
        "ItemizedMetricStatsList": [
            {"MetricName": "revenue", "OccurrenceCount": 2},
            {"MetricName": "views", "OccurrenceCount": 2},
        ],
    }


def test_the_threshold_is_the_least_score(workspace: Workspace) -> None:
    scores = [summary["AnomalyGroupScore"] for summary in summaries(workspace)]
    highest = math.floor(max(scores))
    assert min(scores) < highest
    for least in (0, highest, 100):
        wanted = [score for score in scores if score >= least]
        assert [summary["AnomalyGroupScore"] for summary in summaries(workspace, least, MaxResults=1)] == wanted
        answer = call(workspace, "ListAnomalyGroupSummaries", SensitivityThreshold=least)
        assert answer["AnomalyGroupStatistics"]["TotalCount"] == len(wanted)


def test_an_empty_lake_has_no_groups(tmp_path: Path) -> None:
    answer = call(workspace_on(memory_store(), tmp_path, NOW), "ListAnomalyGroupSummaries", SensitivityThreshold=0)
    statistics = {"TotalCount": 0, "ItemizedMetricStatsList": []}
    assert answer == {"AnomalyGroupSummaryList": [], "AnomalyGroupStatistics": statistics}


def test_a_token_of_another_request_is_refused(workspace: Workspace) -> None:
    answer = call(workspace, "ListAnomalyGroupSummaries", SensitivityThreshold=0, MaxResults=1)
    with pytest.raises(InvalidRequestError, match="NextToken"):
        call(workspace, "ListAnomalyGroupSummaries", SensitivityThreshold=50, NextToken=answer["NextToken"])


def test_a_group_has_contributions_of_all_its_intervals(workspace: Workspace) -> None:
    group_id = first_group(workspace)
    group = call(workspace, "GetAnomalyGroup", AnomalyGroupId=group_id)["AnomalyGroup"]
    impact = group.pop("MetricLevelImpactList")
    assert group == summaries(workspace)[-1]
    ((country,),) = [one["ContributionMatrix"]["DimensionContributionList"] for one in impact]
    values = country["DimensionValueContributionList"]
    # Three intervals of de, one of fr; of the deviation, fr's is the larger in one interval and the smaller of all.
    deviations = {"de": 0.0, "fr": 0.0}
    for one in backtest_of_shop().groups[0].intervals:
        for affected in one.affected:
            deviations[affected.dimensions[0][1]] += affected.deviation
    share = round(100 * deviations["de"] / sum(deviations.values()))
    assert impact[0]["MetricName"] == "revenue"
    assert impact[0]["NumTimeSeries"] == 2
    assert country["DimensionName"] == "country"
    assert values == [
        {"DimensionValue": "de", "ContributionScore": share},
        {"DimensionValue": "fr", "ContributionScore": 100 - share},
    ]


def test_time_series_are_a_full_matrix(workspace: Workspace) -> None:
    group_id = first_group(workspace)
    asked = {"AnomalyGroupId": group_id, "MetricName": "revenue", "MaxResults": 1}
    listed = list(pages(workspace, "ListAnomalyGroupTimeSeries", **asked))
    assert len(listed) == 2
    by_country = {}
    for answer in listed:
        assert answer["TimestampList"] == [text(hour_of(number)) for number in (800, 801, 802, 803)]
        assert (answer["AnomalyGroupId"], answer["MetricName"]) == (group_id, "revenue")
        (series,) = answer["TimeSeriesList"]
        ((pair),) = series["DimensionList"]
        assert pair["DimensionName"] == "country"
        by_country[pair["DimensionValue"]] = series["MetricValueList"]
    values = metrics_of_shop().values[0]
    assert by_country["de"] == pytest.approx(values[0, 800:804].tolist())
    # Nothing was observed of fr in the first interval, and only in the second one was it affected.
    assert by_country["fr"] == pytest.approx([0.0, *values[1, 801:804].tolist()])
    assert json.loads(json.dumps(by_country, allow_nan=False)) == by_country


def test_another_measure_has_no_time_series_in_a_group(workspace: Workspace) -> None:
    group_id = first_group(workspace)
    answer = call(workspace, "ListAnomalyGroupTimeSeries", AnomalyGroupId=group_id, MetricName="views")
    assert answer["TimeSeriesList"] == []
    assert len(answer["TimestampList"]) == 4


def test_a_backtest_without_points_has_the_values_of_affected_intervals(workspace: Workspace) -> None:
    group_id = first_group(workspace)
    workspace.store.delete([backtest_key("shop", JUDGEMENT)])
    answer = call(workspace, "ListAnomalyGroupTimeSeries", AnomalyGroupId=group_id, MetricName="revenue")
    values = sorted(series["MetricValueList"].count(0.0) for series in answer["TimeSeriesList"])
    assert values == [1, 3]


def test_live_intervals_give_the_values_of_time_series_that_are_not_affected(tmp_path: Path) -> None:
    data = {(hour(number), "de"): 30.0 for number in (1, 2, 3)} | {(hour(2), "fr"): 900.0, (hour(3), "fr"): None}
    workspace, bench = live_workspace(tmp_path, data)
    (summary,) = summaries(workspace)
    group_id = summary["AnomalyGroupId"]
    assert (summary["StartTime"], summary["EndTime"]) == (text(hour(1)), text(hour(3)))
    answer = call(workspace, "ListAnomalyGroupTimeSeries", AnomalyGroupId=group_id, MetricName="views")
    values = {one["DimensionList"][0]["DimensionValue"]: one["MetricValueList"] for one in answer["TimeSeriesList"]}
    assert values == {"de": [30.0, 30.0, 30.0], "fr": [usual(hour(1), "fr"), 900.0, 0.0]}
    assert group_ids(bench.store, "shop") == [group_id]


def test_a_group_that_late_data_withdraw_is_gone(tmp_path: Path) -> None:
    workspace, bench = live_workspace(tmp_path, {(hour(1), "de"): 30.0, (hour(4), "uk"): 10.0})
    before = summaries(workspace)
    assert len(before) == 2
    bench.source.unusual = {(hour(4), "uk"): 10.0}
    bench.run(hour(1))
    assert summaries(workspace) == before[:1]
    with pytest.raises(ResourceNotFoundError) as caught:
        call(workspace, "GetAnomalyGroup", AnomalyGroupId=before[1]["AnomalyGroupId"])
    assert (caught.value.resource_id, caught.value.resource_type) == (before[1]["AnomalyGroupId"], "AnomalyGroup")


@pytest.mark.parametrize("operation", ["GetAnomalyGroup", "ListAnomalyGroupRelatedMetrics"])
@pytest.mark.parametrize("group_id", ["0000aaaa-1111-2222-3333-444455556666", "../feedback", ""])
def test_an_unknown_group_is_not_found(workspace: Workspace, operation: str, group_id: str) -> None:
    with pytest.raises(ResourceNotFoundError):
        call(workspace, operation, AnomalyGroupId=group_id)


@pytest.mark.parametrize("arn", [ARN.replace("shop", "other"), ARN.replace("000000000000", "111111111111"), "arn:x"])
def test_an_unknown_detector_is_not_found(workspace: Workspace, arn: str) -> None:
    with pytest.raises(ResourceNotFoundError) as caught:
        call(workspace, "ListAnomalyGroupSummaries", AnomalyDetectorArn=arn, SensitivityThreshold=0)
    assert caught.value.resource_type == "AnomalyDetector"


def related(workspace: Workspace, group_id: str, **members: Any) -> list[tuple[Any, ...]]:
    answers = pages(workspace, "ListAnomalyGroupRelatedMetrics", AnomalyGroupId=group_id, **members)
    names = ("MetricName", "AnomalyGroupId", "RelationshipType", "ContributionPercentage")
    return [tuple(item[name] for name in names) for answer in answers for item in answer["InterMetricImpactList"]]


def test_related_metrics_are_causes_and_effects(workspace: Workspace) -> None:
    revenue, views = (group.group_id for group in backtest_of_shop().groups[:2])
    ((measure, other, relationship, share),) = related(workspace, revenue)
    assert (measure, other, relationship) == ("views", views, "EFFECT_OF_INPUT_ANOMALY_GROUP")
    assert 0 < share < 100
    assert related(workspace, views) == [("revenue", revenue, "CAUSE_OF_INPUT_ANOMALY_GROUP", 100.0)]
    assert related(workspace, views, RelationshipTypeFilter="EFFECT_OF_INPUT_ANOMALY_GROUP") == []
    assert len(related(workspace, views, RelationshipTypeFilter="CAUSE_OF_INPUT_ANOMALY_GROUP")) == 1


def test_related_groups_that_are_gone_are_left_out_and_those_of_the_same_time_are_effects(tmp_path: Path) -> None:
    store = memory_store()
    others = [group_of(interval(at=0), measure=name) for name in ("a", "b", "c")]
    overlaps = tuple(
        Overlap(other.group_id, other.measure, other.start, deviation)
        for other, deviation in zip(others, (10.0, 20.0, 30.0), strict=True)
    )
    made = group_of(interval([metric(marketplace="de")]))
    group = replace(made, intervals=(replace(made.intervals[0], overlaps=overlaps),))
    for one in (group, *others[:2]):
        write_group(store, "shop", one, one.start)
    found = related(workspace_on(store, tmp_path, NOW), group.group_id, MaxResults=1)
    effect = "EFFECT_OF_INPUT_ANOMALY_GROUP"
    assert found == [("b", others[1].group_id, effect, 40.0), ("a", others[0].group_id, effect, 20.0)]


def test_the_export_of_notebook_4_has_a_row_for_each_series_and_timestamp(workspace: Workspace) -> None:
    """The notebook's loop: every group, every page, its time series, and the timestamps from start to end inclusive."""
    frequency = timedelta(hours=1)
    groups: list[dict[str, Any]] = []
    token: str | None = None
    while True:
        more = {"NextToken": token} if token else {}
        answer = call(workspace, "ListAnomalyGroupSummaries", SensitivityThreshold=0, MaxResults=3, **more)
        groups += answer["AnomalyGroupSummaryList"]
        token = answer.get("NextToken")
        if token is None:
            break
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["key", "timestamp", "country", "measure", "score", "value"])
    for group in groups:
        asked = {"AnomalyGroupId": group["AnomalyGroupId"], "MetricName": group["PrimaryMetricName"]}
        for answer in pages(workspace, "ListAnomalyGroupTimeSeries", MaxResults=1, **asked):
            for series in answer["TimeSeriesList"]:
                # As the notebook reads times: up to the zone, without the Z.
                at, end = (datetime.fromisoformat(group[name].split("Z[")[0]) for name in ("StartTime", "EndTime"))
                country = series["DimensionList"][0]["DimensionValue"]
                place = 0
                while at <= end:
                    value = series["MetricValueList"][place]
                    writer.writerow(
                        [group["AnomalyGroupId"], at, country, asked["MetricName"], group["AnomalyGroupScore"], value]
                    )
                    at, place = at + frequency, place + 1
                assert place == len(series["MetricValueList"]) == len(answer["TimestampList"])
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    spans = {("revenue", "de"): 4, ("revenue", "fr"): 4 + 1, ("views", "de"): 1, ("views", "uk"): 2}
    counts = {key: sum((row["measure"], row["country"]) == key for row in rows) for key in spans}
    assert counts == spans
    assert len(rows) == sum(spans.values()) == len({(row["key"], row["timestamp"], row["country"]) for row in rows})
    metrics = metrics_of_shop()
    for measure, country, number in UNUSUAL:
        (row,) = [
            row
            for row in rows
            if (row["measure"], row["country"], row["timestamp"])
            == (measure, country, f"{hour_of(number):%Y-%m-%d %H:%M:%S}")
        ]
        value = metrics.values[metrics.measures.index(measure), COUNTRIES.index(country), number]
        assert float(row["value"]) == pytest.approx(value)


def test_a_group_of_the_backtest_is_found_where_it_is(workspace: Workspace) -> None:
    index = entries(read_index(workspace.store, "shop", NOW), ARN)
    assert all(entry.place is not None for entry in index)
    for entry in index:
        group = call(workspace, "GetAnomalyGroup", AnomalyGroupId=entry.group_id)["AnomalyGroup"]
        assert (group["StartTime"], group["EndTime"]) == (text(entry.start), text(entry.end))
