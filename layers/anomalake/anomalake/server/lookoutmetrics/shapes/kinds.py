"""Kinds of shapes: texts, numbers, truth values, times, lists, maps and structures.

A shape has a name, which is its name in the service model. Equal names mean equal shapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from anomalake.alerts.bounds import MAX_TEXT

#: Characters of a text for which the API states no limit.
LONGEST_TEXT = MAX_TEXT
#: Items of a list or map for which the API states no limit.
MOST_ITEMS = 10_000


@dataclass(frozen=True)
class Text:
    """A text.

    Attributes
    ----------
    shortest, longest
        Limits of its length in characters; None: no limit in the API.
    pattern
        A regular expression that the whole text matches; empty: any text.
    expected
        The pattern in words.
    enum
        The only texts that are allowed; empty: any.
    check
        Reads the text and raises ValueError for an invalid one; None: nothing to read.
    """

    name: str
    shortest: int = 0
    longest: int | None = None
    pattern: str = ""
    expected: str = ""
    enum: tuple[str, ...] = ()
    check: Callable[[str], object] | None = None

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The compiled pattern."""
        return re.compile(self.pattern, re.DOTALL)


@dataclass(frozen=True)
class Integer:
    """An integer from `least` to `most`; None: no limit."""

    name: str
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True)
class Number:
    """A floating-point number from `least` to `most`; None: no limit."""

    name: str
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Boolean:
    """True or false."""

    name: str = "Boolean"


@dataclass(frozen=True)
class Time:
    """An instant; epoch seconds in JSON, an aware `datetime` in answers of handlers."""

    name: str = "Timestamp"


@dataclass(frozen=True)
class ListOf:
    """A list of `shortest` to `longest` items; None: no limit in the API."""

    name: str
    member: Shape
    shortest: int = 0
    longest: int | None = None


@dataclass(frozen=True)
class MapOf:
    """A map with texts as keys, of `shortest` to `longest` pairs."""

    name: str
    key: Text
    value: Text
    shortest: int
    longest: int


@dataclass(frozen=True)
class Structure:
    """A structure.

    Attributes
    ----------
    members
        Its members, by name.
    required
        Names of those that a request must have.
    one_of
        Whether a request has exactly one of the members.
    """

    name: str
    members: Mapping[str, Shape] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    one_of: bool = False


Shape: TypeAlias = Text | Integer | Number | Boolean | Time | ListOf | MapOf | Structure
