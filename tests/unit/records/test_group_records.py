"""Records of groups."""

from __future__ import annotations

import json

import pytest

from anomalake.groups.grouping import group
from anomalake.records.errors import RecordError
from anomalake.records.groups import from_json, to_json
from tests.support.anomalies import ARN, judged


def test_a_group_survives() -> None:
    points = {("views", 0, 1): (1 / 3, 60.0), ("views", 0, 2): (50.0, 60.1), ("revenue", 0, 2): (70.0, 99.99)}
    for anomaly_group in group(*judged(points, 4, combinations=(("ü\n🙂", "NA"), ("007", None))), ARN):
        read = from_json(to_json(anomaly_group))
        assert read == anomaly_group
        assert read.related == anomaly_group.related
        assert to_json(read) == to_json(anomaly_group)


def test_a_record_has_the_field_names_of_lookout_for_metrics() -> None:
    _, anomaly_group = group(
        *judged({("views", 0, 1): (0.0, 60.0), ("views", 0, 2): (50.0, 60.0), ("revenue", 0, 2): (0.0, 90.0)}, 4), ARN
    )
    record = json.loads(to_json(anomaly_group))
    assert record["PrimaryMetricName"] == "revenue"
    assert record["StartTime"] == record["EndTime"] == "2022-01-15T06:00:00Z"
    assert record["InterMetricImpactList"] == [
        {
            "MetricName": "views",
            "AnomalyGroupId": anomaly_group.related[0].group_id,
            "RelationshipType": "CAUSE_OF_INPUT_ANOMALY_GROUP",
            "ContributionPercentage": 100.0,
        }
    ]


def broken() -> dict[str, bytes]:
    [anomaly_group] = group(*judged({("views", 0, 1): (0.0, 60.0)}, 2), ARN)
    good = json.loads(to_json(anomaly_group))
    [interval] = good["Intervals"]
    changed = {
        "no intervals": {**good, "Intervals": []},
        "an interval twice": {**good, "Intervals": [interval, interval]},
        "no id": {key: value for key, value in good.items() if key != "AnomalyGroupId"},
        "a score that is text": {**good, "Intervals": [{**interval, "Score": "high"}]},
        "a time without a zone": {**good, "Intervals": [{**interval, "Timestamp": "2022-01-15T05:00:00"}]},
        "nothing affected": {**good, "Intervals": [{**interval, "Affected": []}]},
    }
    texts = {name: json.dumps(record).encode() for name, record in changed.items()}
    return {**texts, "half a file": to_json(anomaly_group)[:100], "no object": b"[]", "no text": b"\xff\xfe"}


@pytest.mark.parametrize("name", broken())
def test_an_invalid_record_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(RecordError, match=r"^groups/x\.json: ") as refused:
        from_json(broken()[name], "groups/x.json")
    assert "\n" not in str(refused.value)
