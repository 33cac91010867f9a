"""Answers of handlers as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

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


class _TypeMismatch(TypeError):
    """A value of another type than its shape; the structure around it adds the place."""


def encode(shape: Structure, answer: Mapping[str, Any]) -> bytes:
    """Return an answer as JSON in ASCII; members that are None are left out.

    Times become epoch seconds. A number that is not finite becomes null, in a list as well.

    Raises
    ------
    AnswerError
        A member is not in the table, or has another type.
    """
    return json.dumps(_value(shape, answer), allow_nan=False, separators=(",", ":")).encode("ascii")


def _value(shape: Shape, value: Any) -> Any:
    match shape:
        case Structure() if isinstance(value, Mapping):
            return {name: _member(shape, name, member) for name, member in value.items() if member is not None}
        case ListOf(member=Number()) if isinstance(value, list | tuple):
            return [_number(number) for number in value]
        case ListOf() if isinstance(value, list | tuple):
            return [_value(shape.member, item) for item in value]
        case MapOf() if isinstance(value, Mapping):
            return {_value(shape.key, key): _value(shape.value, item) for key, item in value.items()}
        case Text() if isinstance(value, str):
            return str(value)
        case Number():
            return _number(value)
        case Integer() if isinstance(value, Integral) and not isinstance(value, bool):
            return int(value)
        case Boolean() if isinstance(value, bool):
            return value
        case Time() if isinstance(value, datetime) and value.tzinfo is not None:
            return epoch_seconds(value)
    raise _TypeMismatch(f"{type(value).__name__}; expected {type(shape).__name__}")


def _number(value: Any) -> float | None:
    if value is None:
        return None
    if type(value) is not float and (not isinstance(value, Real | Decimal) or isinstance(value, bool)):
        raise _TypeMismatch(f"{type(value).__name__}; expected Number")
    number = float(value)
    return number if math.isfinite(number) else None


def _member(shape: Structure, name: str, value: Any) -> Any:
    if name not in shape.members:
        raise AnswerError(f"{shape.name}.{name}: expected only {', '.join(shape.members) or 'no members'}")
    try:
        return _value(shape.members[name], value)
    except _TypeMismatch as mismatch:
        raise AnswerError(f"{shape.name}.{name}: {mismatch}") from None
