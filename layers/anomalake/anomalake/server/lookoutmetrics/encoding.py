"""Answers of handlers as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, NoReturn

from anomalake.server.lookoutmetrics.shapes.kinds import (
    Boolean,
    Integer,
    ListOf,
    MapOf,
    Number,
    Shape,
    Structure,
    Text,
    Time,
)
from anomalake.server.lookoutmetrics.times import epoch_seconds


class AnswerError(TypeError):
    """A handler has answered what its operation does not have: a fault of the handler."""


def encode(shape: Structure, answer: Mapping[str, Any]) -> bytes:
    """Return an answer as JSON in ASCII; members that are None are left out.

    Times become epoch seconds. A number that is not finite becomes null, in a list as well.

    Raises
    ------
    AnswerError
        A member is not in the table, or has another type.
    """
    return json.dumps(_value(shape, answer, shape.name), allow_nan=False, separators=(",", ":")).encode("ascii")


def _value(shape: Shape, value: Any, path: str) -> Any:
    match shape:
        case Structure() if isinstance(value, Mapping):
            return _members(shape, value, path)
        case ListOf() if isinstance(value, list | tuple):
            return [_value(shape.member, item, f"{path}[{number}]") for number, item in enumerate(value)]
        case MapOf() if isinstance(value, Mapping):
            return {_value(shape.key, key, path): _value(shape.value, item, path) for key, item in value.items()}
        case Text() if isinstance(value, str):
            return str(value)
        case Boolean() if isinstance(value, bool):
            return value
        case Time() if isinstance(value, datetime) and value.tzinfo is not None:
            return epoch_seconds(value)
        case Integer() if isinstance(value, Integral) and not isinstance(value, bool):
            return int(value)
        case Number() if value is None:
            return None
        case Number() if isinstance(value, Real | Decimal) and not isinstance(value, bool):
            number = float(value)
            return number if math.isfinite(number) else None
    return _refuse(path, value, type(shape).__name__)


def _members(shape: Structure, value: Mapping[str, Any], path: str) -> dict[str, Any]:
    encoded = {}
    for name, member in value.items():
        if member is None:
            continue
        if name not in shape.members:
            _refuse(f"{path}.{name}", member, f"only {', '.join(shape.members) or 'no members'}")
        encoded[name] = _value(shape.members[name], member, f"{path}.{name}")
    return encoded


def _refuse(path: str, value: Any, expected: str) -> NoReturn:
    raise AnswerError(f"{path}: {type(value).__name__}; expected {expected}")
