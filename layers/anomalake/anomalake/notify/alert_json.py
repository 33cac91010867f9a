"""The JSON of an alert, in the last form that L4M sent."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

from anomalake.alerts.timestamps import zone_of
from anomalake.definitions.detector import AlertRule, Detector
from anomalake.errors import AnomalakeError
from anomalake.groups.anomaly_group import AffectedMetric, Group, GroupInterval

#: Highest score with two decimals below 100.
MOST_SCORE = 99.99
#: `read_alert` accepts values below this magnitude.
MOST_VALUE = 10.0**18


class AlertTooLargeError(AnomalakeError, ValueError):
    """An alert that is too large even with a single affected metric."""


def alert_body(
    group: Group, interval: GroupInterval, rule: AlertRule, detector: Detector, *, page: str = ""
) -> dict[str, Any]:
    """Build the alert for one interval of a group.

    The body depends only on the group, the interval and the rule. Affected metrics are sorted by falling deviation.

    Parameters
    ----------
    page
        URL of the page. `consoleUrl` is this URL with L4M's fragment,
        ``#<detector ARN>/anomalies/anomaly/<group id>``; without a URL it is a link within the page.
    """
    return {
        "anomalyDetectorArn": detector.arn,
        "anomalyScore": number(min(round(interval.score, 2), MOST_SCORE)),
        "consoleUrl": console_url(group, page),
        "anomalyGroupId": group.group_id,
        "alertName": rule.name,
        "alertArn": rule.arn,
        "alertEventId": alert_event_id(group, rule),
        "alertDescription": _valid_text(rule.description) if rule.description else None,
        "impactedMetric": {
            "metricName": _valid_text(group.measure),
            "dimensionContribution": [
                {
                    "dimensionName": _valid_text(name),
                    "dimensionValueContributions": [
                        {
                            "dimensionValue": _valid_text(share.dimension_value),
                            "valueContribution": share.value_contribution,
                        }
                        for share in shares
                    ],
                }
                for name, shares in groupby(interval.contributions, key=attrgetter("dimension_name"))
            ],
            "relevantTimeSeries": [_time_series(metric) for metric in interval.affected],
        },
        "timestamp": zoned_text(interval.timestamp, detector.timezone),
    }


def same_result(text: str, other: str) -> bool:
    """Whether two alerts report the same score, metrics and contributions; links and descriptions may differ."""
    try:
        first, second = json.loads(text), json.loads(other)
        return all(first[name] == second[name] for name in ("anomalyScore", "impactedMetric"))
    except (ValueError, TypeError, KeyError):
        # One of them is a text for people.
        return False


def alert_text(body: dict[str, Any], most_bytes: int) -> str:
    """Write an alert as ASCII JSON on one line, in at most `most_bytes`.

    If it is too large, dimension values without a contribution are omitted first, then the affected metrics with the
    smallest deviations. The group's record in the lake has all of them.

    Raises
    ------
    AlertTooLargeError
        The alert is too large even with one affected metric.
    """
    text = _dump(body)
    if len(text) <= most_bytes:
        return text
    impacted = body["impactedMetric"]
    dimensions = [
        {
            **dimension,
            "dimensionValueContributions": [
                share for share in dimension["dimensionValueContributions"] if share["valueContribution"]
            ],
        }
        for dimension in impacted["dimensionContribution"]
    ]
    series = impacted["relevantTimeSeries"]
    slim = {**body, "impactedMetric": {**impacted, "dimensionContribution": dimensions, "relevantTimeSeries": []}}
    remaining = most_bytes - len(_dump(slim))
    n_series = 0
    for entry in series:
        remaining -= len(_dump(entry)) + 1
        if remaining < 0:
            break
        n_series += 1
    if not n_series:
        raise AlertTooLargeError(f"alert {body['alertEventId']}: {len(text):,} bytes: expected at most {most_bytes:,}")
    slim["impactedMetric"]["relevantTimeSeries"] = series[:n_series]
    return _dump(slim)


def alert_event_id(group: Group, rule: AlertRule) -> str:
    """Id of the event that all alerts of one rule for one group have in common."""
    return f"{rule.arn}:event/{group.group_id}"


def console_url(group: Group, page: str) -> str:
    """Link to a group on the page."""
    return f"{page}#{group.detector_arn}/anomalies/anomaly/{group.group_id}"


def zoned_text(instant: datetime, timezone: str) -> str:
    """A zoned date-time in Java's form: ``2021-07-16T13:00+02:00[Europe/Paris]``; seconds are omitted if zero."""
    local = instant.astimezone(zone_of(timezone))
    clock = local.strftime("%H:%M:%S" if local.second else "%H:%M")
    offset = local.utcoffset() or timedelta()
    return f"{local.date().isoformat()}T{clock}{_offset_text(offset)}[{timezone}]"


def number(value: float) -> int | float:
    """A number for JSON: 15 significant digits, an integer if it is whole."""
    short = float(f"{value:.15g}")
    return int(short) if short.is_integer() else short


def _offset_text(offset: timedelta) -> str:
    if not offset:
        return "Z"
    minutes, seconds = divmod(abs(int(offset.total_seconds())), 60)
    text = f"{'-' if offset < timedelta() else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{seconds:02}" if seconds else text


def _time_series(metric: AffectedMetric) -> dict[str, Any]:
    value = number(metric.value)
    return {
        "timeSeriesId": metric.time_series_id,
        "dimensions": [
            {"dimensionName": _valid_text(name), "dimensionValue": _valid_text(value)}
            for name, value in metric.dimensions
        ],
        "metricValue": value if abs(value) < MOST_VALUE else None,
    }


def _valid_text(text: str) -> str:
    """Text without lone surrogates, which JSON can represent and UTF-8 cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
