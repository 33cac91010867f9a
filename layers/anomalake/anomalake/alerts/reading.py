"""Read an alert document into an `Alert`, or refuse it with the reason."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

from anomalake.alerts.bounds import LEAST_CONTRIBUTION, MAX_ID, MAX_NAME, MOST_CONTRIBUTION, storable_metric_value
from anomalake.alerts.documents import UNPARSED, AlertDocument, Refusal
from anomalake.alerts.fields import (
    MISSING,
    InvalidField,
    detector_of,
    dimension_value_of,
    dimensions_of,
    each_of,
    object_of,
    optional_text_of,
    text_of,
    timestamp_of,
)
from anomalake.alerts.model import Alert, Contribution, TimeSeries
from anomalake.alerts.strict_json import StrictJsonError, canonical, parse
from anomalake.alerts.timestamps import ZonedTimestamp

#: Fields that only an alert has. An object with none of them is something else, such as an unknown envelope.
_FIELDS_OF_AN_ALERT = ("alertEventId", "anomalyDetectorArn", "impactedMetric")
_AN_ALERT = f"an alert ({', '.join(_FIELDS_OF_AN_ALERT)}, …), or an envelope of SQS, SNS, EventBridge or S3 around it"


def read_alert(document: AlertDocument) -> Alert:
    """Read one alert.

    Unknown fields are kept in the original and ignored otherwise.

    Raises
    ------
    Refusal
        The document is not an alert: field, value, and what was expected.
    """
    if document.refusal is not None:
        raise document.refusal
    text = document.text()
    try:
        value = parse(text) if document.value is UNPARSED else document.value
        digest = hashlib.sha256(canonical(value)).hexdigest()
    except StrictJsonError as error:
        raise Refusal(document.place, "$", error.value, error.expected) from error
    try:
        return _alert(value, digest, text)
    except InvalidField as invalid:
        raise Refusal(document.place, invalid.field, invalid.value, invalid.expected) from invalid


def alert_id(alert_event_id: str, metric_name: str, timestamp: ZonedTimestamp) -> str:
    """Identity of an alert, 32 hex digits."""
    parts = "\x00".join((str(len(alert_event_id)), alert_event_id, metric_name, timestamp.instant))
    return hashlib.sha256(parts.encode("utf-8")).hexdigest()[:32]


def _alert(value: Any, digest: str, text: str) -> Alert:
    if not isinstance(value, dict):
        raise InvalidField("$", value, "an object: an alert")
    if not any(name in value for name in _FIELDS_OF_AN_ALERT):
        raise InvalidField("$", value, _AN_ALERT)
    event_id = text_of(value, "alertEventId", MAX_ID)
    arn, detector = detector_of(value)
    impacted = object_of(value.get("impactedMetric", MISSING), "impactedMetric")
    try:
        metric_name = text_of(impacted, "metricName", MAX_NAME)
        if "relevantTimeSeries" not in impacted:
            raise InvalidField("relevantTimeSeries", MISSING, "a list of the affected metrics")
        time_series = each_of(impacted, "relevantTimeSeries", _time_series)
        contributions = each_of(impacted, "dimensionContribution", _contributions)
    except InvalidField as invalid:
        raise invalid.within("impactedMetric") from None
    timestamp = timestamp_of(value)
    return Alert(
        alert_id=alert_id(event_id, metric_name, timestamp),
        digest=digest,
        detector=detector,
        detector_arn=arn,
        alert_event_id=event_id,
        anomaly_group_id=optional_text_of(value, "anomalyGroupId"),
        timestamp=timestamp,
        metric_name=metric_name,
        anomaly_score=_score(value.get("anomalyScore", MISSING)),
        alert_name=optional_text_of(value, "alertName"),
        alert_arn=optional_text_of(value, "alertArn"),
        alert_description=optional_text_of(value, "alertDescription"),
        console_url=optional_text_of(value, "consoleUrl"),
        time_series=tuple(time_series),
        contributions=tuple(share for shares in contributions for share in shares),
        original=text,
    )


def _score(value: object) -> float:
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool) and 0 <= value <= 100:
        return float(value)
    raise InvalidField("anomalyScore", value, "a number from 0 to 100")


def _time_series(series: dict[str, Any]) -> TimeSeries:
    dimensions = dimensions_of(series)
    return TimeSeries(optional_text_of(series, "timeSeriesId"), dimensions, _metric_value(series))


def _metric_value(series: dict[str, Any]) -> Decimal | None:
    value = series.get("metricValue")
    if value is None:
        return None
    is_number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    storable = storable_metric_value(value) if is_number else None
    if storable is None:
        raise InvalidField("metricValue", value, "a number below 10^18 in size, or null")
    return storable


def _contributions(dimension: dict[str, Any]) -> list[Contribution]:
    name = text_of(dimension, "dimensionName", MAX_NAME)

    def share(within: dict[str, Any]) -> Contribution:
        return Contribution(name, dimension_value_of(within), _per_cent(within))

    return each_of(dimension, "dimensionValueContributions", share)


def _per_cent(within: dict[str, Any]) -> int:
    value = within.get("valueContribution", MISSING)
    if isinstance(value, int) and not isinstance(value, bool) and LEAST_CONTRIBUTION <= value <= MOST_CONTRIBUTION:
        return value
    raise InvalidField("valueContribution", value, "a whole number")
