"""Validation of members against the table: all problems at once, each with the path of its member."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from anomalake.definitions.messages import shown
from anomalake.definitions.resource_errors import InvalidRequestError
from anomalake.server.lookoutmetrics.shapes.kinds import (
    LONGEST_TEXT,
    MOST_ITEMS,
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

#: Problems that are reported at once.
MOST_PROBLEMS: Final = 50

#: A path such as ``MetricList[0].MetricName``, and what is wrong there.
Problem = tuple[str, str]


def valid_members(shape: Structure, members: Any) -> dict[str, Any]:
    """Return the members of a request; those that are null are left out; raises `InvalidRequestError`."""
    problems: list[Problem] = []
    read = _read(shape, members, "", problems)
    if problems:
        raise InvalidRequestError(_message(problems), tuple(problems))
    assert isinstance(read, dict)
    return read


def problems_of_value(shape: Shape, value: Any) -> list[Problem]:
    """Return the problems of a value: of a request, or of what a handler answers."""
    problems: list[Problem] = []
    _read(shape, value, "", problems)
    return problems


def _message(problems: list[Problem]) -> str:
    texts = "; ".join(f"{path}: {reason}" if path else reason for path, reason in problems)
    return f"{len(problems)} validation error{'' if len(problems) == 1 else 's'} detected: {texts}"


def _read(shape: Shape, value: Any, path: str, problems: list[Problem]) -> Any:
    if len(problems) >= MOST_PROBLEMS:
        return value
    match shape:
        case Structure():
            return _structure(shape, value, path, problems)
        case ListOf():
            return _list(shape, value, path, problems)
        case MapOf():
            return _map(shape, value, path, problems)
        case Text():
            reason = _text_problem(shape, value)
        case Integer():
            reason = _integer_problem(shape, value)
        case Number():
            reason = _real_problem(shape, value)
        case Boolean():
            reason = None if isinstance(value, bool) else "expected true or false"
        case Time():
            aware = isinstance(value, datetime) and value.tzinfo is not None
            reason = None if aware else "expected a time with its zone"
    if reason is not None:
        problems.append((path, f"{shown(value)}: {reason}"))
    return value


def _structure(shape: Structure, value: Any, path: str, problems: list[Problem]) -> Any:
    if not isinstance(value, Mapping):
        problems.append((path, f"{shown(value)}: expected an object"))
        return value
    given = {name: member for name, member in value.items() if member is not None}
    for name in shape.required:
        if name not in given:
            problems.append((_below(path, name), "is missing; it is required"))
    if shape.one_of and len(given.keys() & shape.members.keys()) != 1:
        problems.append((path, f"expected exactly one of {', '.join(shape.members)}"))
    read = {}
    for name, member in given.items():
        if name in shape.members:
            read[name] = _read(shape.members[name], member, _below(path, name), problems)
        elif len(problems) < MOST_PROBLEMS:
            expected = ", ".join(shape.members) or "no members"
            problems.append((_below(path, shown(name)[1:-1]), f"is not known; expected {expected}"))
    return read


def _list(shape: ListOf, value: Any, path: str, problems: list[Problem]) -> Any:
    if not isinstance(value, list | tuple):
        problems.append((path, f"{shown(value)}: expected a list"))
        return value
    if not _in_range(len(value), shape.shortest, shape.longest, MOST_ITEMS):
        problems.append((path, f"{len(value):,} items: expected {_range(shape.shortest, shape.longest, MOST_ITEMS)}"))
        return value
    return [_read(shape.member, item, f"{path}[{number}]", problems) for number, item in enumerate(value)]


def _map(shape: MapOf, value: Any, path: str, problems: list[Problem]) -> Any:
    if not isinstance(value, Mapping):
        problems.append((path, f"{shown(value)}: expected an object"))
        return value
    if not _in_range(len(value), shape.shortest, shape.longest, MOST_ITEMS):
        problems.append((path, f"{len(value):,} pairs: expected {_range(shape.shortest, shape.longest, MOST_ITEMS)}"))
        return value
    for key, item in value.items():
        _read(shape.key, key, path, problems)
        _read(shape.value, item, _below(path, shown(key)[1:-1]), problems)
    return dict(value)


def _text_problem(shape: Text, value: Any) -> str | None:
    if not isinstance(value, str):
        return "expected a text"
    if shape.enum:
        return None if value in shape.enum else f"expected one of {', '.join(shape.enum)}"
    if not _in_range(len(value), shape.shortest, shape.longest, LONGEST_TEXT):
        found = f"{len(value):,} characters: " if len(value) > shape.shortest else ""
        return f"{found}expected {_expected(shape)}"
    try:
        value.encode("utf-8")
        if shape.check is not None:
            shape.check(value)
    except UnicodeEncodeError:
        return "expected Unicode text without lone surrogates"
    except ValueError:
        return f"expected {_expected(shape)}"
    if shape.pattern and not shape.compiled.fullmatch(value):
        return f"expected {_expected(shape)}"
    return None


def _integer_problem(shape: Integer, value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and _in_bounds(value, shape):
        return None
    return f"expected {_bounded('an integer', shape)}"


def _real_problem(shape: Number, value: Any) -> str | None:
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool) and _in_bounds(value, shape):
        return None
    return f"expected {_bounded('a number', shape)}"


def _in_bounds(value: int | float | Decimal, shape: Integer | Number) -> bool:
    return (shape.least is None or value >= shape.least) and (shape.most is None or value <= shape.most)


def _bounded(expected: str, shape: Integer | Number) -> str:
    if shape.least is None or shape.most is None:
        return expected
    return f"{expected} from {shape.least:,} to {shape.most:,}"


def _expected(shape: Text) -> str:
    lengths = _range(shape.shortest, shape.longest, LONGEST_TEXT, "character")
    return f"{shape.expected} ({lengths})" if shape.expected else lengths


def _in_range(length: int, shortest: int, longest: int | None, bound: int) -> bool:
    return shortest <= length <= (bound if longest is None else longest)


def _range(shortest: int, longest: int | None, bound: int, unit: str = "") -> str:
    most = bound if longest is None else longest
    if shortest == most:
        numbers = f"{most:,}"
    else:
        numbers = f"{shortest:,} to {most:,}" if shortest else f"at most {most:,}"
    if not unit:
        return numbers
    return f"{numbers} {unit}" if most == 1 else f"{numbers} {unit}s"


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
