"""Names and values of strangers, made fit for QuickSight and CloudFormation."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from anomalake.errors import AnomalakeError

#: QuickSight's longest name of a column; CloudFormation allows one character less than the API.
LONGEST_COLUMN = 127
#: QuickSight's longest name of a data set or data source.
LONGEST_NAME = 128
_LONGEST_TEXT = 160
_DIGITS = 16

#: The analysis's own parameters, as its expressions name them.
SPLIT_BY, MEASURE, LEAST_SEVERITY = "SplitBy", "Measure", "LeastSeverity"
_OWN = frozenset((SPLIT_BY, MEASURE, LEAST_SEVERITY))

# How QuickSight escapes a quote within a text is documented nowhere, so only these characters get into an expression.
_PLAIN_TEXT = re.compile(r"[\w .,:;/()%+#@&*-]+")
_RESOLVED = "{{resolve:"


class QuickSightError(AnomalakeError, ValueError):
    """No template can be made of a detector."""


def check(names: Iterable[str]) -> None:
    """Raises `QuickSightError` for a name that no template can hold, or that CloudFormation would put a secret for."""
    for name in names:
        if _RESOLVED in name:
            raise QuickSightError(
                f"name {name!r}: CloudFormation would resolve it; expected no name that holds {_RESOLVED}"
            )
        if any("\ud800" <= one <= "\udfff" for one in name):
            raise QuickSightError(f"name {name!r}: has half a character; expected text that UTF-8 can hold")


def shortened(name: str, longest: int) -> str:
    """A name, or where it is longer: its beginning and a digest of all of it, so that two names never become one."""
    if len(name) <= longest:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{name[: longest - _DIGITS - 3]}__h{digest}"


def shown(name: str) -> str:
    """A name for a title: one line, no invisible characters, not too long."""
    text = "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in name)
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"


def literal(text: str) -> str | None:
    """A text within an expression of QuickSight's; None where it cannot stand in one."""
    return f"'{text}'" if _PLAIN_TEXT.fullmatch(text) else None


def field(column: str) -> str:
    """A column within an expression of QuickSight's; its name is one of `data_sets`, hence harmless."""
    return f"{{{column}}}"


def sub(text: str) -> dict[str, Any]:
    """A text in which CloudFormation puts its parameters."""
    return {"Fn::Sub": text}


def verbatim(node: Any) -> Any:
    """The same properties, where a name that looks like a reference (``${AWS::AccountId}``) stays what it is."""
    if isinstance(node, dict):
        if len(node) == 1 and next(iter(node)).startswith("Fn::"):
            return node
        return {key: verbatim(value) for key, value in node.items()}
    if isinstance(node, list):
        return [verbatim(value) for value in node]
    if not isinstance(node, str) or set(re.findall(r"\$\{(\w*\}?)", node)) <= {f"{name}}}" for name in _OWN}:
        return node
    first, *others = node.split("${")
    return {"Fn::Join": ["$", [first, *(f"{{{one}" for one in others)]]}
