"""Edits of a tree of mappings, lists and texts. A path addresses a node of the tree before any edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Keys of mappings and indexes of lists, from the root. CloudFormation's functions have their long form: ``Fn::If``.
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Replace:
    """Replaces the node at a path."""

    path: Path
    value: Any


@dataclass(frozen=True, slots=True)
class Rename:
    """Renames the last key of a path."""

    path: Path
    key: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Removes the member of a list at a path; the list has others."""

    path: Path


@dataclass(frozen=True, slots=True)
class Insert:
    """Inserts members into the mapping at a path, which is not empty.

    Attributes
    ----------
    before
        Key that they precede; None: they become the first members.
    """

    path: Path
    members: Mapping[str, Any]
    before: str | None = None


Edit = Replace | Rename | Remove | Insert


def edited(tree: Any, edits: Sequence[Edit]) -> Any:
    """Return an edited copy of a tree of dicts and lists."""
    by_path: dict[Path, list[Edit]] = {}
    for edit in edits:
        by_path.setdefault(edit.path, []).append(edit)
    return _edited(tree, (), by_path)


def _edited(node: Any, path: Path, edits: Mapping[Path, list[Edit]]) -> Any:
    own = edits.get(path, [])
    for edit in own:
        if isinstance(edit, Replace):
            return edit.value
    if isinstance(node, list):
        return [
            _edited(item, (*path, place), edits)
            for place, item in enumerate(node)
            if not any(isinstance(edit, Remove) for edit in edits.get((*path, place), []))
        ]
    if not isinstance(node, dict):
        return node
    inserts = [edit for edit in own if isinstance(edit, Insert)]
    members = {name: value for edit in inserts if edit.before is None for name, value in edit.members.items()}
    for key, value in node.items():
        members |= {name: new for edit in inserts if edit.before == key for name, new in edit.members.items()}
        below = (*path, key)
        name = next((edit.key for edit in edits.get(below, []) if isinstance(edit, Rename)), key)
        members[name] = _edited(value, below, edits)
    return members
