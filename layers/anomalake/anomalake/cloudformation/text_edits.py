"""Edits applied to the text of a template, YAML or JSON. What no edit touches stays as it is, byte by byte."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from anomalake.cloudformation.edits import Edit, Insert, Path, Remove, Rename, Replace
from anomalake.definitions.document import function_tag

if TYPE_CHECKING:
    import yaml

#: First position, position after the last, and the new text.
_Splice = tuple[int, int, str]


def edit_text(text: str, edits: Sequence[Edit]) -> str:
    """Return a text with edits applied.

    Parameters
    ----------
    text
        A valid document (`anomalake.definitions.document.read_document`).
    edits
        Edits of its tree.
    """
    if not edits:
        return text
    import yaml

    is_json = text.lstrip("\ufeff \t\r\n").startswith("{")
    # JSON is YAML, but for tabs between its tokens. It has none in its texts.
    root: Any = yaml.compose(text.replace("\t", " ") if is_json else text, Loader=yaml.SafeLoader)
    editor = _Editor(text, root, is_json)
    # Two resources may share a part of a document (an alias): its edits are the same.
    for start, end, new in sorted({editor.splice(edit) for edit in edits}, reverse=True):
        text = text[:start] + new + text[end:]
    return text


class _Editor:
    def __init__(self, text: str, root: Any, is_json: bool) -> None:
        self._text = text
        self._root = root
        self._is_json = is_json
        self._newline = "\r\n" if "\r\n" in text else "\n"

    def splice(self, edit: Edit) -> _Splice:
        match edit:
            case Replace(path, value):
                node = self._find(path)
                return node.start_mark.index, _end(node), self._flow(value)
            case Rename(path, key):
                found = self._key(self._find(path[:-1]), path[-1])
                return found.start_mark.index, found.end_mark.index, self._flow(key)
            case Remove(path):
                return self._removal(self._find(path[:-1]), path[-1])
            case Insert(path, members, before):
                return self._insertion(self._find(path), members, before)

    def _find(self, path: Path) -> Any:
        node: Any = self._root
        for step in path:
            if isinstance(step, int):
                node = node.value[step]
            elif node.tag != function_tag(step):
                # The last of repeated keys counts, as in the reader.
                node = next(value for key, value in reversed(node.value) if key.value == step)
        return node

    @staticmethod
    def _key(mapping: Any, name: str | int) -> yaml.Node:
        key: yaml.Node = next(key for key, _ in reversed(mapping.value) if key.value == name)
        return key

    def _removal(self, sequence: Any, place: str | int) -> _Splice:
        """The member with its comma; in a block, its lines, without the comments above and below them."""
        items: list[Any] = sequence.value
        at = int(place)
        begin, end = items[at].start_mark.index, _end(items[at])
        line = self._text.rfind("\n", 0, self._text.rfind("-", 0, begin) + 1) + 1
        if not sequence.flow_style and self._text[line:begin].strip() == "-":
            after = self._text.find("\n", end) + 1
            return line, after or len(self._text), ""
        if at + 1 < len(items):
            # From here to the next member, or the comments above it: in a block, the dashes are before both.
            following = items[at + 1].start_mark.index
            next_line = self._text.find("\n", end, following)
            comment = -1 if next_line < 0 else self._text.find("#", next_line, following)
            return begin, following if comment < 0 else comment, ""
        return _end(items[at - 1]), end, ""

    def _insertion(self, mapping: Any, members: Mapping[str, Any], before: str | None) -> _Splice:
        key = mapping.value[0][0] if before is None else self._key(mapping, before)
        at, column = key.start_mark.index, key.start_mark.column
        if mapping.flow_style:
            shown = [f"{self._flow(name)}: {self._flow(value)}" for name, value in members.items()]
            bracket = self._text.rindex("{", 0, at) if key is mapping.value[0][0] else at
            lead = self._text[bracket + 1 : at]
            if lead.strip() or "\n" not in lead:
                return at, at, "".join(f"{item}, " for item in shown)
            return bracket + 1, bracket + 1, "".join(f"{lead}{item}," for item in shown)
        lines = [f"{name}: {self._flow(value)}" for name, value in members.items()]
        begin = at - column
        if self._text[begin:at].strip(" \ufeff"):
            # The key follows a dash.
            return at, at, "".join(f"{line}{self._newline}{' ' * column}" for line in lines)
        begin = self._above_comments(begin)
        return begin, begin, "".join(f"{' ' * column}{line}{self._newline}" for line in lines)

    def _above_comments(self, begin: int) -> int:
        """Move the begin of a line up over the comments directly above it, which belong to it."""
        while begin > 0:
            above = self._text.rfind("\n", 0, begin - 1) + 1
            if not self._text[above:begin].lstrip(" \ufeff").startswith("#"):
                break
            begin = above
        return begin

    def _flow(self, value: Any) -> str:
        """A value on one line: JSON, or YAML with the short form of Fn::Sub."""
        if isinstance(value, dict):
            if not self._is_json and value.keys() == {"Fn::Sub"}:
                return f"!Sub {json.dumps(value['Fn::Sub'], ensure_ascii=False)}"
            return f"{{{', '.join(f'{self._flow(name)}: {self._flow(item)}' for name, item in value.items())}}}"
        if isinstance(value, str) and not self._is_json and _is_plain(value):
            return value
        return json.dumps(value, ensure_ascii=False)


def _is_plain(text: str) -> bool:
    return all(part.isascii() and part.isalpha() for part in text.split("::"))


def _end(node: Any) -> int:
    """Position after a node; the mark of a block is after the blanks and comments that follow it."""
    import yaml

    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    end: int = node.end_mark.index
    return end


def short_path(path: Iterable[str | int]) -> str:
    """A path for messages: ``Resources.Detector.Properties.MetricSetList[0]``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
