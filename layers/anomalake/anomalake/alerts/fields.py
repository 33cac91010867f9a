"""Read the fields of a JSON document. Every function raises `InvalidField`: the path, the value, what was expected."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from typing import Any, Final, TypeVar

from anomalake.alerts.bounds import MAX_ID, MAX_ITEMS, MAX_NAME, MAX_TEXT, MAX_VALUE
from anomalake.alerts.strict_json import shorten
from anomalake.alerts.timestamps import EXPECTED as A_TIMESTAMP
from anomalake.alerts.timestamps import ZonedTimestamp, parse_zoned
from anomalake.errors import AnomalakeError

T = TypeVar("T")

#: Value of a field that a document does not have.
MISSING: Final = object()
#: Fields of an object that a message names.
MOST_SHOWN = 5

_DETECTOR_ARN = re.compile(
    r"arn:[a-z0-9-]{1,32}:[a-z0-9-]{1,32}:[a-z0-9-]{0,32}:[0-9]{0,12}:AnomalyDetector:(?P<name>[a-zA-Z0-9][a-zA-Z0-9_-]{0,62})"
)


class InvalidField(AnomalakeError):
    """An invalid field. Each caller adds its part of the path, so valid alerts cost nothing."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        self.field = field
        self.value = _shown(value)
        self.expected = expected
        super().__init__(field)

    def within(self, outer: str) -> InvalidField:
        """Add an outer part of the path."""
        self.field = f"{outer}.{self.field}" if self.field else outer
        return self


def _shown(value: object) -> str:
    if value is MISSING:
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


def text_of(within: dict[str, Any], key: str, most: int) -> str:
    """Return a text of 1 to `most` characters."""
    value = within.get(key, MISSING)
    if not isinstance(value, str):
        raise InvalidField(key, value, "text")
    if not value or len(value) > most:
        raise InvalidField(key, value, f"text of 1 to {most:,} characters")
    return value


def optional_text_of(within: dict[str, Any], key: str) -> str | None:
    """Return a text, or None for null or a missing field."""
    value = within.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise InvalidField(key, value, f"text of at most {MAX_TEXT:,} characters, or null")
    return value


def detector_of(within: dict[str, Any]) -> tuple[str, str]:
    """Return the ARN of a document's detector, and the detector's name."""
    arn = text_of(within, "anomalyDetectorArn", MAX_ID)
    found = _DETECTOR_ARN.fullmatch(arn)
    if found is None:
        expected = "arn:PARTITION:SERVICE:REGION:ACCOUNT:AnomalyDetector:NAME, NAME of 1 to 63 letters, digits, - or _"
        raise InvalidField("anomalyDetectorArn", arn, expected)
    return arn, found["name"]


def timestamp_of(within: dict[str, Any]) -> ZonedTimestamp:
    """Return the start of an interval."""
    stamp = text_of(within, "timestamp", 128)
    try:
        return parse_zoned(stamp)
    except (ValueError, OverflowError):
        raise InvalidField("timestamp", stamp, A_TIMESTAMP) from None


def object_of(value: object, field: str = "") -> dict[str, Any]:
    """Return a value that is to be an object."""
    if not isinstance(value, dict):
        raise InvalidField(field, value, "an object")
    return value


def each_of(within: dict[str, Any], key: str, read: Callable[[dict[str, Any]], T]) -> list[T]:
    """Read every item of a list; null or a missing field is an empty list."""
    items = within.get(key)
    if items is None:
        return []
    if not isinstance(items, list):
        raise InvalidField(key, items, "a list")
    if len(items) > MAX_ITEMS:
        raise InvalidField(key, items, f"a list of at most {MAX_ITEMS:,}")
    values: list[T] = []
    try:
        for item in items:
            values.append(read(object_of(item)))
    except InvalidField as invalid:
        raise invalid.within(f"{key}[{len(values)}]") from None
    return values


def dimensions_of(within: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return names and values of dimensions, each name once."""
    dimensions: dict[str, str] = {}

    def add(pair: dict[str, Any]) -> None:
        name = text_of(pair, "dimensionName", MAX_NAME)
        if name in dimensions:
            raise InvalidField("dimensionName", name, "each dimension once")
        dimensions[name] = dimension_value_of(pair)

    each_of(within, "dimensions", add)
    return tuple(dimensions.items())


def dimension_value_of(within: dict[str, Any]) -> str:
    """Return the value of a dimension, which may be empty."""
    value = within.get("dimensionValue", MISSING)
    if not isinstance(value, str) or len(value) > MAX_VALUE:
        raise InvalidField("dimensionValue", value, f"text of at most {MAX_VALUE:,} characters")
    return value
