"""The alert's JSON is L4M's newest, to the key."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from anomalake.alerts import AlertDocument, read_alert
from anomalake.notify.alert_json import AlertTooLargeError, alert_body, alert_text, number, zoned_text
from tests.support.anomalies import ARN, detector, group_of, interval, metric, rule, scored

GUIDE = Path(__file__).parents[3] / "events" / "valid" / "guide-2022.json"


def test_keys_and_types_are_those_of_the_newest_real_alert_in_its_order() -> None:
    real = json.loads(GUIDE.read_text(encoding="utf-8"))
    affected = [
        metric(650, 1000, category="electronics", marketplace="FR", shipping="priority"),
        metric(1200, 2000, category="apparels", marketplace="UK", shipping="standard"),
    ]
    whole = group_of(interval(affected))
    made = alert_body(whole, whole.intervals[0], rule(description="Revenue"), detector(), page="https://example.com/")

    def shape(value: object) -> object:
        if isinstance(value, dict):
            return [(key, shape(inner)) for key, inner in value.items()]
        if isinstance(value, list):
            return [shape(value[0])]
        return "number" if isinstance(value, (int, float)) else type(value).__name__

    assert shape(made) == shape(real)


def test_an_alert_says_what_its_group_is() -> None:
    affected = [metric(0.1 + 0.2, 68.3, marketplace="UK"), metric(650.0, 682.0, marketplace="FR")]
    whole = group_of(interval(affected))
    body = alert_body(whole, whole.intervals[0], rule(), detector("Europe/Paris"))
    assert body["anomalyDetectorArn"] == ARN
    assert body["alertEventId"] == f"{body['alertArn']}:event/{whole.group_id}"
    assert body["consoleUrl"] == f"#{ARN}/anomalies/anomaly/{whole.group_id}"
    assert body["alertDescription"] is None
    assert body["timestamp"] == "2022-01-15T05:00+01:00[Europe/Paris]"
    impacted = body["impactedMetric"]
    assert [item["metricValue"] for item in impacted["relevantTimeSeries"]] == [0.3, 650]
    assert impacted["dimensionContribution"] == [
        {
            "dimensionName": "marketplace",
            "dimensionValueContributions": [
                {"dimensionValue": "UK", "valueContribution": 68},
                {"dimensionValue": "FR", "valueContribution": 32},
            ],
        }
    ]


@pytest.mark.parametrize(
    ("instant", "zone", "text"),
    [
        (datetime(2022, 1, 15, 4, 25, tzinfo=UTC), "UTC", "2022-01-15T04:25Z[UTC]"),
        (datetime(2021, 2, 14, 4, tzinfo=UTC), "Atlantic/St_Helena", "2021-02-14T04:00Z[Atlantic/St_Helena]"),
        (datetime(2021, 7, 16, 11, tzinfo=UTC), "Europe/Paris", "2021-07-16T13:00+02:00[Europe/Paris]"),
        (
            datetime(2021, 11, 7, 8, 30, 30, tzinfo=UTC),
            "America/Los_Angeles",
            "2021-11-07T01:30:30-07:00[America/Los_Angeles]",
        ),
        (
            datetime(2021, 11, 7, 9, 30, tzinfo=UTC),
            "America/Los_Angeles",
            "2021-11-07T01:30-08:00[America/Los_Angeles]",
        ),
        (datetime(2021, 1, 1, tzinfo=UTC), "Asia/Kathmandu", "2021-01-01T05:45+05:45[Asia/Kathmandu]"),
        (datetime(1971, 1, 1, tzinfo=UTC), "Africa/Monrovia", "1970-12-31T23:15:30-00:44:30[Africa/Monrovia]"),
    ],
)
def test_a_timestamp_is_printed_as_java_does(instant: datetime, zone: str, text: str) -> None:
    assert zoned_text(instant, zone) == text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (650.0, "650"),
        (-0.0, "0"),
        (0.1 + 0.2, "0.3"),
        (1e15, "1000000000000000"),
        (123456789012.3456, "123456789012.346"),
    ],
)
def test_numbers_are_written_without_the_noise_of_binary_sums(value: float, written: str) -> None:
    assert json.dumps(number(value)) == written


def test_a_value_that_no_alert_may_hold_is_null_and_a_score_never_a_hundred() -> None:
    whole = group_of(interval([metric(9.9999999999999999e17), metric(-1e30, marketplace="de")]))
    body = alert_body(whole, scored(99.99999), rule(), detector())
    assert body["anomalyScore"] == 99.99
    body = alert_body(whole, whole.intervals[0], rule(), detector())
    assert [item["metricValue"] for item in body["impactedMetric"]["relevantTimeSeries"]] == [None, None]
    read_alert(AlertDocument(alert_text(body, 10_000), "made"))


def test_half_a_surrogate_pair_in_a_value_does_not_lose_the_alert() -> None:
    whole = group_of(interval([metric(marketplace="a\ud800b")]))
    text = alert_text(alert_body(whole, whole.intervals[0], rule(), detector()), 10_000)
    assert read_alert(AlertDocument(text, "made")).time_series[0].dimensions == (("marketplace", "a\ufffdb"),)


def test_an_alert_that_is_too_large_keeps_the_metrics_that_deviate_most() -> None:
    affected = [metric(float(i), 1000.0, marketplace=f"m{i:04}") for i in range(1000)]
    whole = group_of(interval(affected, observed=2000))
    body = alert_body(whole, whole.intervals[0], rule(), detector())
    text = alert_text(body, 50_000)
    assert 49_000 < len(text) <= 50_000
    alert = read_alert(AlertDocument(text, "made"))
    kept = [time_sery.metric_value for time_sery in alert.time_series]
    assert kept == [*range(len(kept))]
    assert sum(contribution.value_contribution for contribution in alert.contributions) == 100
    assert alert_text(body, 10**6) == json.dumps(body, separators=(",", ":"))
    with pytest.raises(AlertTooLargeError, match="expected at most 500"):
        alert_text(body, 500)


def test_a_daily_alert_bears_midnight_of_its_zone() -> None:
    midnight = datetime(2022, 1, 14, 23, tzinfo=UTC)
    assert zoned_text(midnight, "Europe/Paris") == "2022-01-15T00:00+01:00[Europe/Paris]"
