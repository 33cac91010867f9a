"""Templates, as texts and as CloudFormation gives them to a macro, translated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from anomalake.cloudformation.edits import edited
from anomalake.cloudformation.references import References
from anomalake.cloudformation.text_edits import edit_text
from anomalake.cloudformation.translation import edits_of
from anomalake.definitions.document import DocumentError, Node, read_document, tree_of
from anomalake.definitions.fields import Problems
from anomalake.definitions.messages import printable
from anomalake.errors import AnomalakeError

#: CloudFormation's own limit of a template.
MOST_BYTES = 1_000_000


class TemplateError(AnomalakeError, ValueError):
    """A template that cannot be translated.

    Attributes
    ----------
    problems
        One line for each problem. The message has all of them.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read_template(path: Path) -> bytes:
    """Read a template's file; raises `TemplateError`."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise TemplateError((f"{path}: cannot be read: {error.strerror or error}",)) from error


def translate_template(body: bytes, place: str, references: References) -> bytes:
    """Translate a template's YAML or JSON; a template without anything to translate is returned as it is.

    Parameters
    ----------
    place
        Name of the template in messages, such as its path.

    Raises
    ------
    TemplateError
    """
    if len(body) > MOST_BYTES:
        raise TemplateError((f"{place}: has more than {MOST_BYTES:,} bytes, CloudFormation's limit",))
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TemplateError((f"{place}: is no UTF-8: byte {error.start + 1}; expected YAML or JSON",)) from error
    root = _read(text, place)
    problems = Problems(place)
    edits = edits_of(root, references, problems)
    if problems.lines:
        raise TemplateError(tuple(problems.lines))
    translated = edit_text(text, edits)
    # A form of YAML that the edits of texts do not know must not become another template.
    if not _is(translated, edited(tree_of(root), edits)):
        raise TemplateError((f"{place}: has a form of YAML that is not translated; expected plain mappings and lists",))
    return translated.encode()


def translate_fragment(fragment: Any, references: References) -> Any:
    """Translate a template that is a tree of dicts and lists with CloudFormation's long forms.

    Raises
    ------
    TemplateError
    """
    problems = Problems("template")
    edits = edits_of(_read(json.dumps(fragment), "template"), references, problems)
    if problems.lines:
        raise TemplateError(tuple(problems.lines))
    return edited(fragment, edits)


def _is(text: str, tree: Any) -> bool:
    try:
        return bool(tree_of(read_document(text)) == tree_of(read_document(json.dumps(tree))))
    except DocumentError:
        return False


def _read(text: str, place: str) -> Node:
    try:
        return read_document(text)
    except DocumentError as error:
        line = f": line {error.line}" if error.line is not None else ""
        message = printable(f"{place}{line}: {error}; expected a CloudFormation template in YAML or JSON")
        raise TemplateError((message,)) from error
