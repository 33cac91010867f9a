"""From a text to an alert, or to the one line that says why not."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from anomalake.alerts import AlertDocument, Refusal, read_alert
from tests.support import made


def read(value: Any) -> Any:
    return read_alert(AlertDocument(value if isinstance(value, (str, bytes)) else json.dumps(value), "here:1"))


def changed(path: str, value: Any) -> dict[str, Any]:
    """A good alert with one field replaced, or removed by `...`."""
    alert = made.alert(1)
    *steps, last = path.split(".")
    at: Any = alert
    for step in steps:
        at = at[int(step)] if step.isdigit() else at[step]
    if value is ...:
        del at[last]
    else:
        at[int(last) if last.isdigit() else last] = value
    return alert


SERIES = "impactedMetric.relevantTimeSeries.0"


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("alertEventId", ..., "alertEventId"),
        ("alertEventId", None, "alertEventId"),
        ("alertEventId", "", "alertEventId"),
        ("alertEventId", 7, "alertEventId"),
        ("anomalyDetectorArn", None, "anomalyDetectorArn"),
        ("anomalyDetectorArn", "shop", "anomalyDetectorArn"),
        ("anomalyDetectorArn", "arn:aws:lookoutmetrics:eu-west-1:1:AnomalyDetector:../../x", "anomalyDetectorArn"),
        ("anomalyDetectorArn", "arn:aws:lookoutmetrics:eu-west-1:1:AnomalyDetector:" + "x" * 64, "anomalyDetectorArn"),
        ("impactedMetric", [], "impactedMetric"),
        ("impactedMetric.metricName", None, "impactedMetric.metricName"),
        ("impactedMetric.metricName", "x" * 10_000, "impactedMetric.metricName"),
        ("impactedMetric.relevantTimeSeries", ..., "impactedMetric.relevantTimeSeries"),
        ("impactedMetric.relevantTimeSeries", "none", "impactedMetric.relevantTimeSeries"),
        (SERIES, 5, "impactedMetric.relevantTimeSeries[0]"),
        (SERIES + ".metricValue", "12", "impactedMetric.relevantTimeSeries[0].metricValue"),
        (SERIES + ".metricValue", True, "impactedMetric.relevantTimeSeries[0].metricValue"),
        (SERIES + ".metricValue", 10**18, "impactedMetric.relevantTimeSeries[0].metricValue"),
        (
            SERIES + ".dimensions.0.dimensionValue",
            7,
            "impactedMetric.relevantTimeSeries[0].dimensions[0].dimensionValue",
        ),
        (
            SERIES + ".dimensions.0.dimensionName",
            "platform",
            "impactedMetric.relevantTimeSeries[0].dimensions[1].dimensionName",
        ),
        (
            "impactedMetric.dimensionContribution.0.dimensionValueContributions.0.valueContribution",
            33.3,
            "impactedMetric.dimensionContribution[0].dimensionValueContributions[0].valueContribution",
        ),
        ("timestamp", None, "timestamp"),
        ("timestamp", 1613275200, "timestamp"),
        ("timestamp", "9999-01-01T00:00Z[UTC]", "timestamp"),
        ("anomalyScore", None, "anomalyScore"),
        ("anomalyScore", ..., "anomalyScore"),
        ("anomalyScore", "86.78", "anomalyScore"),
        ("anomalyScore", 100.5, "anomalyScore"),
        ("alertDescription", {}, "alertDescription"),
    ],
)
def test_a_refusal_names_place_field_value_and_what_was_expected(path: str, value: Any, field: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(changed(path, value))
    assert refused.value.field == field
    assert refused.value.place == "here:1"
    line = str(refused.value)
    assert "\n" not in line
    assert len(line) < 600
    assert line.startswith(f"here:1: {field}: ")
    assert "expected" in line


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nul",
        "[1,2",
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "b": 1}}',
        "[" * 100_000,
        '{"a":' * 50_000,
        '"\\ud800"',
        '{"alertEventId": "\\udfff"}',
        "1e99999999999999999999",
        "9" * 5_000,
        b"\xff\xfe{}",
        "null",
        "7",
        "[]",
        "x" * (6 * 1024 * 1024 + 1),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_what_is_no_alert_at_all_is_refused_as_a_whole(text: str | bytes) -> None:
    with pytest.raises(Refusal) as refused:
        read(text)
    assert refused.value.field == "$"


def nested(depth: int) -> dict[str, Any]:
    deep: Any = 1
    for _ in range(depth - 1):
        deep = [deep]
    return made.alert(1, extra=deep)


def test_nesting_has_a_limit_of_its_own_the_same_in_every_python() -> None:
    assert read(nested(100)).metric_name
    with pytest.raises(Refusal, match="at most 100 levels"):
        read(nested(101))


def test_numbers_are_exact() -> None:
    alert = changed(SERIES + ".metricValue", 0)
    text = json.dumps(alert).replace('"metricValue": 0', '"metricValue": 999999999999999.1234', 1)
    assert read(text).time_series[0].metric_value == Decimal("999999999999999.1234")


def test_decimals_beyond_twenty_are_rounded() -> None:
    text = json.dumps(changed(SERIES + ".metricValue", 0)).replace('"metricValue": 0', '"metricValue": 1.5e-21', 1)
    assert read(text).time_series[0].metric_value == Decimal("0E-20")


def test_nulls_where_nothing_depends_on_them() -> None:
    alert = made.alert(0, alertDescription=None, anomalyGroupId=None, alertName=None, alertArn=None)
    alert["impactedMetric"]["dimensionContribution"] = None
    alert["impactedMetric"]["relevantTimeSeries"] = [{"timeSeriesId": None, "dimensions": None, "metricValue": None}]
    series = read(alert).time_series[0]
    assert (series.time_series_id, series.dimensions, series.metric_value) == (None, (), None)


def test_the_original_is_the_text_itself() -> None:
    text = "\n " + json.dumps(made.alert(2, unknown={"kept": [1, None]}), indent=3) + "\n"
    assert read(text).original == text


def test_white_space_key_order_and_trailing_zeros_make_no_new_body() -> None:
    alert = made.alert(4)
    turned = dict(reversed(alert.items()))
    text = json.dumps(turned, indent=1).replace('"anomalyScore": ', '"anomalyScore":    ')
    assert (read(alert).alert_id, read(alert).digest) == (read(text).alert_id, read(text).digest)
    number = json.dumps(changed(SERIES + ".metricValue", 650))
    same = [number, number.replace(": 650", ": 650.00"), number.replace(": 650", ": 6.5e2")]
    assert len({read(item).digest for item in same}) == 1


@pytest.mark.parametrize("field", ["anomalyScore", "alertDescription", "unknown"])
def test_any_other_difference_is_another_body_of_the_same_alert(field: str) -> None:
    one, other = read(made.alert(4)), read(made.alert(4, **{field: 3 if field == "anomalyScore" else "x"}))
    assert one.alert_id == other.alert_id
    assert one.digest != other.digest


@pytest.mark.parametrize(
    "change",
    [{"timestamp": "2021-03-28T11:00Z[UTC]"}, {"alertEventId": "arn:other"}],
    ids=["timestamp", "alertEventId"],
)
def test_another_time_or_event_is_another_alert(change: dict[str, Any]) -> None:
    assert read(made.alert(3)).alert_id != read(made.alert(3, **change)).alert_id


def test_another_measure_is_another_alert() -> None:
    one, other = made.alert(3), made.alert(3)
    one["impactedMetric"]["metricName"], other["impactedMetric"]["metricName"] = "a", "b"
    assert read(one).alert_id != read(other).alert_id
