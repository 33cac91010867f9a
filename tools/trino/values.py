"""Values of Trino's and of the local engine's answers, as plain Python values that can be compared.

Whole numbers, decimals, texts, dates and timestamps are compared exactly, doubles to 12 digits, timestamps with a zone
as instants, JSON as its value, and maps without their order.
"""

from __future__ import annotations

import base64
import json
import math
import re
import struct
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo


def of_trino(value: Any, type_: str) -> Any:
    """A value in the JSON of Trino, whose type is written as Trino writes it."""
    name, arguments = _parts(type_)
    if value is None:
        return None
    if name == "array":
        return [of_trino(item, arguments[0]) for item in value]
    if name == "map":
        key_type, item_type = arguments
        return _map((of_trino(_key(key, key_type), key_type), of_trino(value[key], item_type)) for key in value)
    if name == "row":
        return [of_trino(item, field) for item, field in zip(value, _fields(arguments), strict=True)]
    if name in ("double", "real"):
        number = float(str(value).replace("Infinity", "inf"))
        return _double(struct.unpack("f", struct.pack("f", number))[0] if name == "real" else number)
    if name == "decimal":
        return _decimal(Decimal(value))
    if name == "timestamp with time zone":
        return _instants(value)
    if name == "timestamp":
        return datetime.fromisoformat(value)
    if name == "date":
        return date.fromisoformat(value)
    if name == "time":
        return time.fromisoformat(value)
    if name == "interval day to second":
        return _interval(value)
    if name == "interval year to month":
        years, months = value.lstrip("-").split("-")
        return ("months", (12 * int(years) + int(months)) * (-1 if value.startswith("-") else 1))
    if name == "json":
        return ("json", json.loads(value))
    return base64.b64decode(value) if name == "varbinary" else value


def of_arrow(value: Any, type_: str) -> Any:
    """A value of the local engine, where Trino has this type; a value of another kind stays different."""
    name, arguments = _parts(type_)
    if name == "json" and isinstance(value, str):
        return ("json", json.loads(value))
    if name == "map" and isinstance(value, list):
        return _map((of_arrow(key, arguments[0]), of_arrow(item, arguments[1])) for key, item in value)
    if name == "row" and isinstance(value, dict) and len(value) == len(arguments):
        return [of_arrow(item, field) for item, field in zip(value.values(), _fields(arguments), strict=True)]
    if name == "array" and isinstance(value, list):
        return [of_arrow(item, arguments[0]) for item in value]
    if isinstance(value, float):
        return _double(value)
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, datetime) and value.tzinfo:
        return _Instant({value.timestamp()})
    if hasattr(value, "nanoseconds") and hasattr(value, "months"):
        if value.months:
            return ("months", value.months)
        return timedelta(days=value.days, microseconds=value.nanoseconds // 1000)
    return value


def _map(pairs: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    """A map without its order: sorted by the texts of the keys."""
    return dict(sorted((repr(key), item) for key, item in pairs))


def _fields(arguments: list[str]) -> list[str]:
    """The types of the fields of a row, without their names."""
    return [re.sub(r'^("[^"]*"|(?!timestamp|interval|time|double)\w+) (?=\w)', "", field) for field in arguments]


def _parts(type_: str) -> tuple[str, list[str]]:
    """The name of a type, and its parameters."""
    match = re.fullmatch(r"(array|map|row)\((.*)\)", type_, re.DOTALL)
    if not match:
        return re.sub(r"\([^)]*\)", "", type_), []
    parts, depth, start = [], 0, 0
    for place, character in enumerate(match[2]):
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            parts.append(match[2][start:place].strip())
            start = place + 1
    return match[1], [*parts, match[2][start:].strip()]


def _key(text: str, type_: str) -> Any:
    whole = ("tinyint", "smallint", "integer", "bigint")
    return int(text) if type_ in whole else float(text) if type_ in ("double", "real") else text


def _double(value: float) -> tuple[str, Any]:
    return ("double", "NaN" if math.isnan(value) else float(f"{value:.12g}") + 0.0)


def _decimal(value: Decimal) -> tuple[str, str]:
    return ("decimal", str(value.normalize() + 0) if value else "0")


def _interval(text: str) -> timedelta:
    days, hours, minutes, seconds = re.split("[ :]", text.lstrip("-"))
    length = timedelta(days=int(days), hours=int(hours), minutes=int(minutes), seconds=float(seconds))
    return -length if text.startswith("-") else length


class _Instant:
    """A point in time, by one number of seconds, or by either of two when clocks go back."""

    def __init__(self, seconds: set[float]) -> None:
        self.seconds = seconds

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Instant) and bool(self.seconds & other.seconds)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"instant {sorted(self.seconds)}"


def _instants(text: str) -> _Instant:
    stamp, _, zone = text.rpartition(" ")
    if re.fullmatch(r"[+-]\d\d:\d\d", zone):
        return _Instant({datetime.fromisoformat(stamp + zone).timestamp()})
    local = datetime.fromisoformat(stamp).replace(tzinfo=ZoneInfo(zone))
    return _Instant({local.timestamp(), local.replace(fold=1).timestamp()})
