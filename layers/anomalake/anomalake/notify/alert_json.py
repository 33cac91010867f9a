"""The alert's JSON, as L4M sent it last."""

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

#: Highest score that two decimals can tell from 100.
MOST_SCORE = 99.99
#: Values are below this in size, as `read_alert` wants them.
MOST_VALUE = 10.0**18


class AlertTooLargeError(AnomalakeError, ValueError):
    """An alert that no leaving out of metrics makes small enough."""


def alert_body(
    group: Group, interval: GroupInterval, rule: AlertRule, detector: Detector, *, page: str = ""
) -> dict[str, Any]:
    """The alert about one interval of a group.

    The same group, interval and rule give the same body. What is affected is listed by falling deviation.

    Parameters
    ----------
    page
        Address of the page that shows the group; `consoleUrl` is that address with L4M's fragment,
        ``#<detector ARN>/anomalies/anomaly/<group id>``, so alone it is a link within a page that lies anywhere.
    """
    return {
        "anomalyDetectorArn": detector.arn,
        "anomalyScore": number(min(round(interval.score, 2), MOST_SCORE)),
        "consoleUrl": console_url(group, page),
        "anomalyGroupId": group.group_id,
        "alertName": rule.name,
        "alertArn": rule.arn,
        "alertEventId": alert_event_id(group, rule),
        "alertDescription": _whole(rule.description) if rule.description else None,
        "impactedMetric": {
            "metricName": _whole(group.measure),
            "dimensionContribution": [
                {
                    "dimensionName": _whole(name),
                    "dimensionValueContributions": [
                        {"dimensionValue": _whole(one.dimension_value), "valueContribution": one.value_contribution}
                        for one in shares
                    ],
                }
                for name, shares in groupby(interval.contributions, key=attrgetter("dimension_name"))
            ],
            "relevantTimeSeries": [_time_series(one) for one in interval.affected],
        },
        "timestamp": zoned_text(interval.timestamp, detector.timezone),
    }


def alert_text(body: dict[str, Any], most_bytes: int) -> str:
    """An alert as JSON in ASCII, on one line, of at most so many bytes.

    Where it is too large, values that contribute nothing are left out first, then the affected metrics that deviate
    least; the group's record in the lake has them all.

    Raises
    ------
    AlertTooLargeError
        Not even one affected metric would fit.
    """
    text = _dump(body)
    if len(text) <= most_bytes:
        return text
    impacted = body["impactedMetric"]
    dimensions = [
        {
            **one,
            "dimensionValueContributions": [
                share for share in one["dimensionValueContributions"] if share["valueContribution"]
            ],
        }
        for one in impacted["dimensionContribution"]
    ]
    series = impacted["relevantTimeSeries"]
    slim = {**body, "impactedMetric": {**impacted, "dimensionContribution": dimensions, "relevantTimeSeries": []}}
    room = most_bytes - len(_dump(slim))
    kept = 0
    for one in series:
        room -= len(_dump(one)) + 1
        if room < 0:
            break
        kept += 1
    if not kept:
        raise AlertTooLargeError(f"alert {body['alertEventId']}: {len(text):,} bytes: expected at most {most_bytes:,}")
    slim["impactedMetric"]["relevantTimeSeries"] = series[:kept]
    return _dump(slim)


def alert_event_id(group: Group, rule: AlertRule) -> str:
    """Names the event that all alerts of one rule about one group belong to."""
    return f"{rule.arn}:event/{group.group_id}"


def console_url(group: Group, page: str) -> str:
    """Link to a group on a page."""
    return f"{page}#{group.detector_arn}/anomalies/anomaly/{group.group_id}"


def zoned_text(instant: datetime, timezone: str) -> str:
    """A zoned date-time as Java prints it: ``2021-07-16T13:00+02:00[Europe/Paris]``; seconds left out when zero."""
    local = instant.astimezone(zone_of(timezone))
    clock = local.strftime("%H:%M:%S" if local.second else "%H:%M")
    offset = local.utcoffset() or timedelta()
    return f"{local.date().isoformat()}T{clock}{_offset_text(offset)}[{timezone}]"


def number(value: float) -> int | float:
    """A number to print: whole where it is whole, without the noise of binary sums."""
    short = float(f"{value:.15g}")
    return int(short) if short.is_integer() else short


def _offset_text(offset: timedelta) -> str:
    if not offset:
        return "Z"
    minutes, seconds = divmod(abs(int(offset.total_seconds())), 60)
    text = f"{'-' if offset < timedelta() else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{seconds:02}" if seconds else text


def _time_series(one: AffectedMetric) -> dict[str, Any]:
    value = number(one.value)
    return {
        "timeSeriesId": one.time_series_id,
        "dimensions": [
            {"dimensionName": _whole(name), "dimensionValue": _whole(value)} for name, value in one.dimensions
        ],
        "metricValue": value if abs(value) < MOST_VALUE else None,
    }


def _whole(text: str) -> str:
    """Text without half surrogate pairs, which JSON can write and no UTF-8 text can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
