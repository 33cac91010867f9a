"""A reader of fields that collects all problems instead of stopping at the first."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from anomalake.definitions.document import Node, function_of
from anomalake.definitions.messages import printable

_SHOWN = 60
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(slots=True)
class Problems:
    """Problems of one document, one line for each.

    Attributes
    ----------
    place
        Name of the document in messages, such as its path.
    unknown_allowed
        Whether fields that nothing reads are ignored, instead of being problems.
    lines
        The problems as messages.
    members
        The same problems, each as the path of its field and what is wrong.
    """

    place: str
    unknown_allowed: bool = False
    lines: list[str] = field(default_factory=list)
    members: list[tuple[str, str]] = field(default_factory=list)

    def add(self, path: str, node: Node | None, what: str) -> None:
        """Add a problem: the path of the field, and what is wrong."""
        line = f": line {node.line}" if node is not None and node.line is not None else ""
        where = f"{path}: " if path else ""
        text = printable(f"{self.place}{line}: {where}{what}")
        if text not in self.lines:
            self.lines.append(text)
            self.members.append((path, printable(what)))


class Fields:
    """The fields of one mapping.

    Parameters
    ----------
    node
        The mapping. Any other node is a problem, and has no fields.
    path
        Path of the mapping in messages.
    """

    def __init__(self, node: Node | None, path: str, problems: Problems) -> None:
        self.path = path
        self.node = node
        self._problems = problems
        self._known: list[str] = []
        self._members: dict[str, Node] = {}
        if node is not None and isinstance(node.value, dict):
            self._members = node.value
            for name in node.repeated:
                self.problem(name, "is repeated; expected it once")
        elif node is not None and node.value is not None:
            problems.add(path, node, f"{_shown(node)}: expected fields and their values")

    def problem(self, name: str, what: str) -> None:
        """Add a problem of a field."""
        self._problems.add(self.path_of(name), self._members.get(name) or self.node, what)

    def path_of(self, name: str) -> str:
        """Path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        """Whether the field exists and is not null."""
        self._known.append(name)
        return name in self._members and self._members[name].value is not None

    def get(self, name: str) -> Node | None:
        """Node of a field; None if it is missing or null."""
        return self._members[name] if self.has(name) else None

    def fields(self, name: str, *, required: bool = False) -> Fields:
        """Read a mapping; it has no fields if it is missing."""
        node = self.get(name)
        if node is None and required:
            self.problem(name, "is missing")
        return Fields(node, self.path_of(name), self._problems)

    def items(self, name: str, *, most: int, least: int = 0) -> Iterator[tuple[Node, str]]:
        """Read the members of a list, each with its path."""
        node = self.get(name)
        if node is None:
            if least:
                self.problem(name, f"is missing; expected a list of {least} to {most}")
            return
        if not isinstance(node.value, list):
            self.problem(name, f"{_shown(node)}: expected a list")
            return
        if not least <= len(node.value) <= most:
            self.problem(name, f"has {len(node.value)} members; expected {least} to {most}")
        for place, member in enumerate(node.value):
            yield member, f"{self.path_of(name)}[{place}]"

    def texts(
        self, name: str, expected: str, *, most: int, least: int = 0, longest: int = 255, one_alone: bool = False
    ) -> tuple[str, ...]:
        """Read a list of distinct texts; with `one_alone`, a text is read as a list of one."""
        texts: list[str] = []
        given = self.get(name)
        if one_alone and given is not None and isinstance(given.value, str):
            return (self.text(name, expected, longest=longest),)
        for node, path in self.items(name, most=most, least=least):
            if not isinstance(node.value, str) or not 1 <= len(node.value) <= longest:
                self._problems.add(path, node, f"{_shown(node)}: expected {expected}")
            elif node.value in texts:
                self._problems.add(path, node, f"{node.value!r} is repeated")
            else:
                texts.append(node.value)
        return tuple(texts)

    def text(
        self,
        name: str,
        expected: str,
        *,
        pattern: re.Pattern[str] | None = None,
        longest: int = 255,
        shortest: int = 1,
        required: bool = False,
        default: str = "",
    ) -> str:
        """Read a text; a number or a date is read as its text."""
        node = self.get(name)
        if node is None:
            if required:
                self.problem(name, f"is missing; expected {expected}")
            return default
        value = node.value
        if (
            not isinstance(value, str)
            or not shortest <= len(value) <= longest
            or (pattern is not None and not pattern.fullmatch(value))
        ):
            self.problem(name, f"{_shown(node)}: expected {expected}")
            return default
        return value

    def choice(self, name: str, allowed: Collection[str], *, required: bool = False, default: str = "") -> str:
        """Read one of several texts."""
        expected = f"one of {', '.join(allowed)}"
        value = self.text(name, expected, required=required, default=default)
        if value and value not in allowed:
            by_lower = {name.lower(): name for name in allowed}
            near = difflib.get_close_matches(value.lower(), by_lower, n=1)
            hint = f"; did you mean {by_lower[near[0]]}?" if near else ""
            self.problem(name, f"{value[:_SHOWN]!r}: expected {expected}{hint}")
            return default
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """Read true or false."""
        value = self.text(name, "true or false").lower()
        if value and value not in ("true", "false", "yes", "no"):
            self.problem(name, f"{value[:_SHOWN]!r}: expected true or false")
            return default
        return value in ("true", "yes") if value else default

    def number(self, name: str, low: float, high: float, *, default: float, whole: bool = False) -> float:
        """Read a number within inclusive bounds."""
        expected = f"a {'whole number' if whole else 'number'} from {low:g} to {high:g}"
        text = self.text(name, expected)
        if not text:
            return default
        value = float(text) if (_WHOLE if whole else _NUMBER).fullmatch(text) else math.nan
        if not low <= value <= high:
            self.problem(name, f"{text[:_SHOWN]!r}: expected {expected}")
            return default
        return value

    def ignore(self, *names: str) -> None:
        """Ignore fields of L4M's responses that have no meaning here."""
        self._known.extend(names)

    def unknown(self) -> None:
        """Add a problem for each field that was not read."""
        if self._problems.unknown_allowed:
            return
        for name in self._members:
            if name not in self._known:
                near = difflib.get_close_matches(name, self._known, n=1, cutoff=0.6)
                hint = (
                    f"did you mean {near[0]}?" if near else f"expected one of {', '.join(dict.fromkeys(self._known))}"
                )
                self.problem(name, f"no such field; {hint}")


def _shown(node: Node) -> str:
    if isinstance(node.value, str):
        return repr(node.value[:_SHOWN])
    if isinstance(node.value, dict):
        function = function_of(node)
        return "fields" if function is None else f"{function}, which is not evaluated here"
    return "null" if node.value is None else "a list"
