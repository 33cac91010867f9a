"""YAML and JSON as trees of texts with line numbers. No type is guessed: ``NO`` and ``007`` stay texts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from anomalake.errors import AnomalakeError

if TYPE_CHECKING:
    import yaml

#: More nodes than any definition has. Aliases in YAML can produce millions from a few lines.
MOST_NODES = 100_000
DEEPEST = 40

_SURROGATE = re.compile("[\ud800-\udfff]")


class DocumentError(AnomalakeError, ValueError):
    """A text that is neither YAML nor JSON; `line` is None if it is unknown."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Node:
    """A value in a document.

    Attributes
    ----------
    value
        The text of a scalar as written, a list of nodes, a dict of nodes, or None for null.
    line
        Line of its beginning; None in JSON.
    quoted
        Whether a scalar was written in quotes.
    repeated
        Keys that a mapping has twice.
    """

    value: str | list[Node] | dict[str, Node] | None
    line: int | None = None
    quoted: bool = False
    repeated: tuple[str, ...] = field(default=())


def read_document(text: str) -> Node:
    """Read JSON if the text begins like an object, else YAML.

    Raises
    ------
    DocumentError
    """
    if _SURROGATE.search(text):
        raise DocumentError("is not UTF-8", None)
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return _read_json(text.lstrip("\ufeff"))
    return _read_yaml(text)


def _read_json(text: str) -> Node:
    try:
        # Numbers and constants stay texts; pairs keep repeated keys.
        tree = json.loads(text, parse_int=_Plain, parse_float=_Plain, parse_constant=_Plain, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        raise DocumentError(f"is not JSON: {error.msg}", error.lineno) from error
    except RecursionError as error:
        raise DocumentError("is nested too deeply", None) from error
    return _Counter().count(_from_json)(tree, 0)


class _Plain(str):
    __slots__ = ()


class _Pairs(list[Any]):
    pass


class _Counter:
    def __init__(self) -> None:
        self._nodes = 0

    def count(self, build: Callable[..., Node]) -> Callable[[Any, int], Node]:
        def step(tree: Any, depth: int) -> Node:
            self._nodes += 1
            if self._nodes > MOST_NODES or depth > DEEPEST:
                raise DocumentError("is larger or deeper than a definition can be", None)
            return build(tree, depth + 1, step)

        return step


def _from_json(tree: Any, depth: int, step: Callable[[Any, int], Node]) -> Node:
    if isinstance(tree, _Pairs):
        members, repeated = {}, []
        for key, value in tree:
            if key in members:
                repeated.append(key)
            members[key] = step(value, depth)
        return Node(members, repeated=tuple(repeated))
    if isinstance(tree, list):
        return Node([step(item, depth) for item in tree])
    if isinstance(tree, bool):
        return Node("true" if tree else "false")
    if tree is None:
        return Node(None)
    if _SURROGATE.search(tree):
        raise DocumentError(f"{tree!r} has a lone surrogate", None)
    return Node(str(tree), quoted=not isinstance(tree, _Plain))


def _read_yaml(text: str) -> Node:
    # Not in the layer of the functions that read stored records, which are JSON.
    import yaml

    try:
        tree = _compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(str(error.problem or error.context or "").split())
        raise DocumentError(f"is not YAML: {what}", None if mark is None else mark.line + 1) from error
    except yaml.YAMLError as error:
        raise DocumentError(f"is not YAML: {' '.join(str(error).split())}", None) from error
    except RecursionError as error:
        raise DocumentError("is nested too deeply", None) from error
    if tree is None:
        raise DocumentError("is empty", None)
    return _Counter().count(_from_yaml)(tree, 0)


def _compose(text: str) -> yaml.Node | None:
    """Compose YAML with the loader in C, which is ten times as fast; errors are those of the one in Python."""
    import yaml

    # Wheels of PyYAML have it.
    if hasattr(yaml, "CSafeLoader"):
        with suppress(yaml.YAMLError, RecursionError):
            return yaml.compose(text, Loader=yaml.CSafeLoader)
    return yaml.compose(text, Loader=yaml.SafeLoader)


def function_of(node: Node) -> str | None:
    """Name of CloudFormation's function that a node calls, such as ``Ref`` or ``Fn::Sub``; None for any other node."""
    if not isinstance(node.value, dict) or len(node.value) != 1:
        return None
    (name,) = node.value
    return name if name == "Ref" or name.startswith("Fn::") else None


def function_tag(name: str) -> str:
    """Short form of a function's name, such as ``!Sub`` for ``Fn::Sub``; empty for any other key."""
    return f"!{name.removeprefix('Fn::')}" if name == "Ref" or name.startswith("Fn::") else ""


def tree_of(node: Node) -> Any:
    """Return a node as dicts, lists, texts and None."""
    if isinstance(node.value, dict):
        return {name: tree_of(member) for name, member in node.value.items()}
    if isinstance(node.value, list):
        return [tree_of(member) for member in node.value]
    return node.value


def _from_yaml(tree: yaml.Node, depth: int, step: Callable[[Any, int], Node]) -> Node:
    node = _plain_from_yaml(tree, depth, step)
    tag = str(tree.tag)
    if not tag.startswith("!") or tag == "!":
        return node
    # The short form of a function of CloudFormation: "!Sub text" is {"Fn::Sub": "text"}.
    name = tag[1:] if tag == "!Ref" else f"Fn::{tag[1:]}"
    return Node({name: node}, node.line)


def _plain_from_yaml(tree: yaml.Node, depth: int, step: Callable[[Any, int], Node]) -> Node:
    import yaml

    line = tree.start_mark.line + 1
    if isinstance(tree, yaml.MappingNode):
        members: dict[str, Node] = {}
        repeated = []
        for key, value in tree.value:
            if not isinstance(key, yaml.ScalarNode):
                raise DocumentError("the name of a field is not a text", key.start_mark.line + 1)
            if key.value in members:
                repeated.append(key.value)
            members[key.value] = step(value, depth)
        return Node(members, line, repeated=tuple(repeated))
    if isinstance(tree, yaml.SequenceNode):
        return Node([step(item, depth) for item in tree.value], line)
    quoted = bool(getattr(tree, "style", None))
    if tree.tag == "tag:yaml.org,2002:null" and not quoted:
        return Node(None, line)
    return Node(str(tree.value), line, quoted=quoted)
