"""From a document to an alert, or to the reason why it is none."""

from __future__ import annotations

import hashlib
import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from anomalake.alerts.documents import UNPARSED, Document, Refusal
from anomalake.alerts.model import Alert, Contribution, TimeSeries
from anomalake.alerts.strict_json import StrictJsonError, canonical, parse, shorten
from anomalake.alerts.timestamps import EXPECTED as A_TIMESTAMP
from anomalake.alerts.timestamps import ZonedTimestamp, parse_zoned

MAX_BYTES = 6 * 1024 * 1024
MAX_NAME = 256
MAX_VALUE = 1024
MAX_TEXT = 4096
MAX_MAGNITUDE = 10**18
METRIC_VALUE_STEP = Decimal(1).scaleb(-20)

_DETECTOR_ARN = re.compile(
    r"arn:[a-z0-9-]{1,32}:[a-z0-9-]{1,32}:[a-z0-9-]{0,32}:[0-9]{0,12}:AnomalyDetector:(?P<name>[a-zA-Z0-9][a-zA-Z0-9_-]{0,62})"
)
_DECIMALS = Context(prec=40, rounding=ROUND_HALF_EVEN)


def read_alert(document: Document) -> Alert:
    """Read one alert.

    Unknown fields are kept in the original and ignored otherwise.

    Raises
    ------
    Refusal
        The document is no alert: which field, what stood there, what was expected.
    """
    text = _decoded(document)
    try:
        value = parse(text) if document.value is UNPARSED else document.value
        digest = hashlib.sha256(canonical(value)).hexdigest()
    except StrictJsonError as error:
        raise Refusal(document.place, "$", error.value, error.expected) from error
    try:
        return _alert(value, digest, text)
    except _Misfit as misfit:
        raise Refusal(document.place, misfit.field, misfit.value, misfit.expected) from misfit


def alert_id(alert_event_id: str, metric_name: str, timestamp: ZonedTimestamp) -> str:
    """An alert's identity as 32 hex digits."""
    parts = "\x00".join((str(len(alert_event_id)), alert_event_id, metric_name, timestamp.instant))
    return hashlib.sha256(parts.encode("utf-8")).hexdigest()[:32]


class _Misfit(Exception):
    def __init__(self, field: str, value: object, expected: str) -> None:
        self.field = field
        self.value = _shown(value)
        self.expected = expected
        super().__init__(field)


_MISSING = object()


def _shown(value: object) -> str:
    if value is _MISSING:
        return "missing"
    if value is None:
        return "null"
    if isinstance(value, str):
        return shorten(value)
    if isinstance(value, dict):
        return f"an object with {len(value)} fields"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return shorten(str(value)).strip("'")


def _decoded(document: Document) -> str:
    body = document.body
    if len(body) > MAX_BYTES:
        raise Refusal(document.place, "$", f"{len(body):,} characters", f"at most {MAX_BYTES:,}")
    if isinstance(body, str):
        return body
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"byte 0x{body[error.start]:02x} at {error.start:,}"
        raise Refusal(document.place, "$", found, "UTF-8") from error


def _alert(value: Any, digest: str, text: str) -> Alert:
    if not isinstance(value, dict):
        raise _Misfit("$", value, "an object: an alert")
    event_id = _text(value, "alertEventId", "", 2048)
    arn = _text(value, "anomalyDetectorArn", "", 2048)
    found = _DETECTOR_ARN.fullmatch(arn)
    if found is None:
        expected = "arn:PARTITION:SERVICE:REGION:ACCOUNT:AnomalyDetector:NAME, NAME of 1 to 63 letters, digits, - or _"
        raise _Misfit("anomalyDetectorArn", arn, expected)
    impacted = value.get("impactedMetric", _MISSING)
    if not isinstance(impacted, dict):
        raise _Misfit("impactedMetric", impacted, "an object")
    metric_name = _text(impacted, "metricName", "impactedMetric.", MAX_NAME)
    stamp = _text(value, "timestamp", "", 128)
    try:
        timestamp = parse_zoned(stamp)
    except (ValueError, OverflowError) as error:
        raise _Misfit("timestamp", stamp, A_TIMESTAMP) from error
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
        time_series=_time_series(impacted),
        contributions=_contributions(impacted),
        original=text,
    )


def _text(within: dict[str, Any], key: str, path: str, most: int) -> str:
    value = within.get(key, _MISSING)
    if not isinstance(value, str):
        raise _Misfit(path + key, value, "text")
    if not value or len(value) > most:
        raise _Misfit(path + key, value, f"text of 1 to {most:,} characters")
    return value


def _optional_text(within: dict[str, Any], key: str) -> str | None:
    value = within.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise _Misfit(key, value, f"text of at most {MAX_TEXT:,} characters, or null")
    return value


def _score(value: object) -> float:
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool) and 0 <= value <= 100:
        return float(value)
    raise _Misfit("anomalyScore", value, "a number from 0 to 100")


def _items(within: dict[str, Any], key: str, path: str) -> list[Any]:
    value = within.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _Misfit(path + key, value, "a list")
    return value


def _object(value: object, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Misfit(field, value, "an object")
    return value


def _time_series(impacted: dict[str, Any]) -> tuple[TimeSeries, ...]:
    if "relevantTimeSeries" not in impacted:
        raise _Misfit("impactedMetric.relevantTimeSeries", _MISSING, "a list of the affected metrics")
    made = []
    for i, item in enumerate(_items(impacted, "relevantTimeSeries", "impactedMetric.")):
        path = f"impactedMetric.relevantTimeSeries[{i}]"
        series = _object(item, path)
        series_id = series.get("timeSeriesId")
        if series_id is not None and (not isinstance(series_id, str) or len(series_id) > MAX_TEXT):
            raise _Misfit(f"{path}.timeSeriesId", series_id, f"text of at most {MAX_TEXT:,} characters, or null")
        dimensions: dict[str, str] = {}
        for j, pair in enumerate(_items(series, "dimensions", f"{path}.")):
            at = f"{path}.dimensions[{j}]"
            dimension = _object(pair, at)
            name = _text(dimension, "dimensionName", f"{at}.", MAX_NAME)
            if name in dimensions:
                raise _Misfit(f"{at}.dimensionName", name, "each dimension once in a time series")
            dimensions[name] = _dimension_value(dimension, at)
        made.append(TimeSeries(series_id, tuple(dimensions.items()), _metric_value(series, path)))
    return tuple(made)


def _dimension_value(within: dict[str, Any], path: str) -> str:
    value = within.get("dimensionValue", _MISSING)
    if not isinstance(value, str) or len(value) > MAX_VALUE:
        raise _Misfit(f"{path}.dimensionValue", value, f"text of at most {MAX_VALUE:,} characters")
    return value


def _metric_value(series: dict[str, Any], path: str) -> Decimal | None:
    value = series.get("metricValue")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or abs(value) >= MAX_MAGNITUDE:
        raise _Misfit(f"{path}.metricValue", value, "a number below 10^18 in size, or null")
    exact = Decimal(value)
    exponent = exact.as_tuple().exponent
    assert isinstance(exponent, int)
    return exact.quantize(METRIC_VALUE_STEP, context=_DECIMALS) if exponent < -20 else exact


def _contributions(impacted: dict[str, Any]) -> tuple[Contribution, ...]:
    made = []
    for i, item in enumerate(_items(impacted, "dimensionContribution", "impactedMetric.")):
        path = f"impactedMetric.dimensionContribution[{i}]"
        dimension = _object(item, path)
        name = _text(dimension, "dimensionName", f"{path}.", MAX_NAME)
        for j, share in enumerate(_items(dimension, "dimensionValueContributions", f"{path}.")):
            at = f"{path}.dimensionValueContributions[{j}]"
            value = _object(share, at)
            made.append(Contribution(name, _dimension_value(value, at), _per_cent(value, at)))
    return tuple(made)


def _per_cent(within: dict[str, Any], path: str) -> int:
    value = within.get("valueContribution", _MISSING)
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return value
    raise _Misfit(f"{path}.valueContribution", value, "a whole number")
