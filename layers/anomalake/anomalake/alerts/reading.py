"""Read an alert document into an `Alert`, or refuse it with the reason."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

from anomalake.alerts.bounds import (
    LEAST_CONTRIBUTION,
    MAX_ALERT,
    MAX_ID,
    MAX_ITEMS,
    MAX_NAME,
    MAX_TEXT,
    MAX_VALUE,
    MOST_CONTRIBUTION,
    storable_metric_value,
)
from anomalake.alerts.documents import UNPARSED, AlertDocument, Refusal
from anomalake.alerts.model import Alert, Contribution, TimeSeries
from anomalake.alerts.strict_json import StrictJsonError, canonical, parse, shorten
from anomalake.alerts.timestamps import EXPECTED as A_TIMESTAMP
from anomalake.alerts.timestamps import ZonedTimestamp, parse_zoned
from anomalake.errors import AnomalakeError

_DETECTOR_ARN = re.compile(
    r"arn:[a-z0-9-]{1,32}:[a-z0-9-]{1,32}:[a-z0-9-]{0,32}:[0-9]{0,12}:AnomalyDetector:(?P<name>[a-zA-Z0-9][a-zA-Z0-9_-]{0,62})"
)
T = TypeVar("T")

#: Fields of an object that a message names.
MOST_SHOWN = 5
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
    text = _decoded(document)
    try:
        value = parse(text) if document.value is UNPARSED else document.value
        digest = hashlib.sha256(canonical(value)).hexdigest()
    except StrictJsonError as error:
        raise Refusal(document.place, "$", error.value, error.expected) from error
    try:
        return _alert(value, digest, text)
    except _InvalidField as invalid:
        raise Refusal(document.place, invalid.field, invalid.value, invalid.expected) from invalid


def alert_id(alert_event_id: str, metric_name: str, timestamp: ZonedTimestamp) -> str:
    """Identity of an alert, 32 hex digits."""
    parts = "\x00".join((str(len(alert_event_id)), alert_event_id, metric_name, timestamp.instant))
    return hashlib.sha256(parts.encode("utf-8")).hexdigest()[:32]


class _InvalidField(AnomalakeError):
    """An invalid field. Each caller adds its part of the path, so valid alerts cost nothing."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        self.field = field
        self.value = _shown(value)
        self.expected = expected
        super().__init__(field)

    def within(self, outer: str) -> _InvalidField:
        self.field = f"{outer}.{self.field}" if self.field else outer
        return self


_MISSING = object()


def _shown(value: object) -> str:
    if value is _MISSING:
        return "missing"
    if value is None:
        return "null"
    if isinstance(value, str):
        return shorten(value)
    if isinstance(value, dict):
        return _shown_object(value)
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return shorten(str(value)).strip("'")


def _shown_object(value: dict[str, Any]) -> str:
    if not value:
        return "an object without fields"
    first = ", ".join(shorten(name, 40) for name in islice(value, MOST_SHOWN))
    more = f" and {len(value) - MOST_SHOWN} more" if len(value) > MOST_SHOWN else ""
    return f"an object with {first}{more}"


def _decoded(document: AlertDocument) -> str:
    body = document.body
    if len(body) > MAX_ALERT:
        raise Refusal(document.place, "$", f"{len(body):,} characters", f"at most {MAX_ALERT:,}")
    if isinstance(body, str):
        return body
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"byte 0x{body[error.start]:02x} at {error.start:,}"
        raise Refusal(document.place, "$", found, "UTF-8") from error


def _alert(value: Any, digest: str, text: str) -> Alert:
    if not isinstance(value, dict):
        raise _InvalidField("$", value, "an object: an alert")
    if not any(name in value for name in _FIELDS_OF_AN_ALERT):
        raise _InvalidField("$", value, _AN_ALERT)
    event_id = _text(value, "alertEventId", MAX_ID)
    arn = _text(value, "anomalyDetectorArn", MAX_ID)
    found = _DETECTOR_ARN.fullmatch(arn)
    if found is None:
        expected = "arn:PARTITION:SERVICE:REGION:ACCOUNT:AnomalyDetector:NAME, NAME of 1 to 63 letters, digits, - or _"
        raise _InvalidField("anomalyDetectorArn", arn, expected)
    impacted = _object(value.get("impactedMetric", _MISSING), "impactedMetric")
    try:
        metric_name = _text(impacted, "metricName", MAX_NAME)
        if "relevantTimeSeries" not in impacted:
            raise _InvalidField("relevantTimeSeries", _MISSING, "a list of the affected metrics")
        time_series = _each(impacted, "relevantTimeSeries", _time_series)
        contributions = _each(impacted, "dimensionContribution", _contributions)
    except _InvalidField as invalid:
        raise invalid.within("impactedMetric") from None
    stamp = _text(value, "timestamp", 128)
    try:
        timestamp = parse_zoned(stamp)
    except (ValueError, OverflowError):
        raise _InvalidField("timestamp", stamp, A_TIMESTAMP) from None
    return Alert(
        alert_id=alert_id(event_id, metric_name, timestamp),
        digest=digest,
        detector=found["name"],
        detector_arn=arn,
        alert_event_id=event_id,
        anomaly_group_id=_optional_text(value, "anomalyGroupId"),
        timestamp=timestamp,
        metric_name=metric_name,
        anomaly_score=_score(value.get("anomalyScore", _MISSING)),
        alert_name=_optional_text(value, "alertName"),
        alert_arn=_optional_text(value, "alertArn"),
        alert_description=_optional_text(value, "alertDescription"),
        console_url=_optional_text(value, "consoleUrl"),
        time_series=tuple(time_series),
        contributions=tuple(share for shares in contributions for share in shares),
        original=text,
    )


def _text(within: dict[str, Any], key: str, most: int) -> str:
    value = within.get(key, _MISSING)
    if not isinstance(value, str):
        raise _InvalidField(key, value, "text")
    if not value or len(value) > most:
        raise _InvalidField(key, value, f"text of 1 to {most:,} characters")
    return value


def _optional_text(within: dict[str, Any], key: str) -> str | None:
    value = within.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise _InvalidField(key, value, f"text of at most {MAX_TEXT:,} characters, or null")
    return value


def _score(value: object) -> float:
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool) and 0 <= value <= 100:
        return float(value)
    raise _InvalidField("anomalyScore", value, "a number from 0 to 100")


def _object(value: object, field: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _InvalidField(field, value, "an object")
    return value


def _each(within: dict[str, Any], key: str, read: Callable[[dict[str, Any]], T]) -> list[T]:
    """Read every item of a list; null or a missing field is an empty list."""
    items = within.get(key)
    if items is None:
        return []
    if not isinstance(items, list):
        raise _InvalidField(key, items, "a list")
    if len(items) > MAX_ITEMS:
        raise _InvalidField(key, items, f"a list of at most {MAX_ITEMS:,}")
    values: list[T] = []
    try:
        for item in items:
            values.append(read(_object(item)))
    except _InvalidField as invalid:
        raise invalid.within(f"{key}[{len(values)}]") from None
    return values


def _time_series(series: dict[str, Any]) -> TimeSeries:
    dimensions = _dimensions(series)
    return TimeSeries(_optional_text(series, "timeSeriesId"), dimensions, _metric_value(series))


def _dimensions(within: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    dimensions: dict[str, str] = {}

    def add(pair: dict[str, Any]) -> None:
        name = _text(pair, "dimensionName", MAX_NAME)
        if name in dimensions:
            raise _InvalidField("dimensionName", name, "each dimension once")
        dimensions[name] = _dimension_value(pair)

    _each(within, "dimensions", add)
    return tuple(dimensions.items())


def _dimension_value(within: dict[str, Any]) -> str:
    value = within.get("dimensionValue", _MISSING)
    if not isinstance(value, str) or len(value) > MAX_VALUE:
        raise _InvalidField("dimensionValue", value, f"text of at most {MAX_VALUE:,} characters")
    return value


def _metric_value(series: dict[str, Any]) -> Decimal | None:
    value = series.get("metricValue")
    if value is None:
        return None
    is_number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    storable = storable_metric_value(value) if is_number else None
    if storable is None:
        raise _InvalidField("metricValue", value, "a number below 10^18 in size, or null")
    return storable


def _contributions(dimension: dict[str, Any]) -> list[Contribution]:
    name = _text(dimension, "dimensionName", MAX_NAME)

    def share(within: dict[str, Any]) -> Contribution:
        return Contribution(name, _dimension_value(within), _per_cent(within))

    return _each(dimension, "dimensionValueContributions", share)


def _per_cent(within: dict[str, Any]) -> int:
    value = within.get("valueContribution", _MISSING)
    if isinstance(value, int) and not isinstance(value, bool) and LEAST_CONTRIBUTION <= value <= MOST_CONTRIBUTION:
        return value
    raise _InvalidField("valueContribution", value, "a whole number")
