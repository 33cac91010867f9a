"""Principals of policies: the service principal of Lookout for Metrics becomes the role of the detectors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from anomalake.cloudformation.edits import Edit, Insert, Path, Remove, Rename, Replace
from anomalake.cloudformation.text_edits import short_path
from anomalake.definitions.document import Node
from anomalake.definitions.fields import Problems

_SERVICE = re.compile(r"lookoutmetrics\.(amazonaws\.com(\.cn)?|\$\{AWS::URLSuffix\})")


def principal_edits(path: Path, principal: Node, role: Any, problems: Problems) -> Iterator[Edit]:
    """Yield the edits of a Principal, in a policy's statement or of a permission.

    Parameters
    ----------
    path
        Path of `principal`.
    role
        The new principal.
    """
    if _is_service(principal):
        yield Replace(path, role)
        return
    service = principal.value.get("Service") if isinstance(principal.value, dict) else None
    if service is None:
        return
    services = service.value if isinstance(service.value, list) else [service]
    places = [place for place, service in enumerate(services) if _is_service(service)]
    if not places:
        return
    if isinstance(principal.value, dict) and "AWS" in principal.value:
        what = "Lookout for Metrics beside AWS is not translated; expected the two in statements of their own"
        problems.add(short_path((*path, "Service")), service, what)
    elif len(services) == 1:
        yield Rename((*path, "Service"), "AWS")
        yield Replace((*path, "Service", *(places if isinstance(service.value, list) else ())), role)
    elif len(places) > 1:
        problems.add(short_path((*path, "Service")), service, "has Lookout for Metrics twice; expected it once")
    else:
        yield Insert(path, {"AWS": role}, before="Service")
        yield Remove((*path, "Service", *places))


def _is_service(node: Node) -> bool:
    text = _text(node)
    return text is not None and _SERVICE.fullmatch(text) is not None


def _text(node: Node) -> str | None:
    """A text, or that of Fn::Sub and Fn::Join before references are replaced."""
    match node.value:
        case str() as text:
            return text
        case {"Ref": Node(value=str() as name)}:
            return f"${{{name}}}"
        case {"Fn::Sub": Node(value=str() as text)}:
            return text
        case {"Fn::Join": Node(value=[Node(value=""), Node(value=list() as parts)])}:
            texts = [_text(part) for part in parts]
            return None if None in texts else "".join(map(str, texts))
    return None
