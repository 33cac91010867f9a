"""Names and values from source data, checked and escaped for QuickSight and CloudFormation."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from anomalake.errors import AnomalakeError

#: Longest name of a column. CloudFormation allows one character less than QuickSight's API.
LONGEST_COLUMN = 127
#: Longest name of a data set or data source.
LONGEST_NAME = 128
_LONGEST_TEXT = 160
_DIGITS = 16

#: Parameters of the analysis.
SPLIT_BY, MEASURE, LEAST_SEVERITY = "SplitBy", "Measure", "LeastSeverity"
_PARAMETERS = frozenset((SPLIT_BY, MEASURE, LEAST_SEVERITY))

# QuickSight does not document how to escape a quote in a text, so expressions contain only these characters.
_PLAIN_TEXT = re.compile(r"[\w .,:;/()%+#@&*-]+")
_RESOLVED = "{{resolve:"


class QuickSightError(AnomalakeError, ValueError):
    """A detector for which no template can be written."""


def check(names: Iterable[str]) -> None:
    """Check names for a template; raises `QuickSightError`.

    CloudFormation would replace a dynamic reference in a name by a secret.
    """
    for name in names:
        if _RESOLVED in name:
            raise QuickSightError(
                f"name {name!r}: CloudFormation would resolve it; expected a name without {_RESOLVED}"
            )
        if any("\ud800" <= character <= "\udfff" for character in name):
            raise QuickSightError(f"name {name!r}: has a lone surrogate; expected text that UTF-8 can encode")


def shortened(name: str, longest: int) -> str:
    """Return a name, or the beginning of a longer name with a digest, so that different names remain different."""
    if len(name) <= longest:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{name[: longest - _DIGITS - 3]}__h{digest}"


def shown(name: str) -> str:
    """Return a name for a title: on one line, without invisible characters, of limited length."""
    text = "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in name)
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"


def literal(text: str) -> str | None:
    """Return a text literal for an expression of QuickSight; None if the text cannot be part of one."""
    return f"'{text}'" if _PLAIN_TEXT.fullmatch(text) else None


def field(column: str) -> str:
    """Return a column for an expression of QuickSight. Names of columns in `data_sets` need no escape."""
    return f"{{{column}}}"


def sub(text: str) -> dict[str, Any]:
    """Return a text in which CloudFormation replaces parameters."""
    return {"Fn::Sub": text}


def verbatim(node: Any) -> Any:
    """Return properties in which CloudFormation does not replace text such as ``${AWS::AccountId}`` in names."""
    if isinstance(node, dict):
        if len(node) == 1 and next(iter(node)).startswith("Fn::"):
            return node
        return {key: verbatim(value) for key, value in node.items()}
    if isinstance(node, list):
        return [verbatim(value) for value in node]
    if not isinstance(node, str) or set(re.findall(r"\$\{(\w*\}?)", node)) <= {f"{name}}}" for name in _PARAMETERS}:
        return node
    first, *rest = node.split("${")
    return {"Fn::Join": ["$", [first, *(f"{{{part}" for part in rest)]]}
