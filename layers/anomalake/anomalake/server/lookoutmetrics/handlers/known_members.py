"""Leave out what definitions have and the API does not: settings of anomalake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anomalake.server.lookoutmetrics.shapes.kinds import ListOf, Shape, Structure


def known_members(shape: Structure, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that a structure has, at every depth."""
    return {
        name: _known(shape.members[name], value)
        for name, value in fields.items()
        if name in shape.members and value is not None
    }


def _known(shape: Shape, value: Any) -> Any:
    match shape:
        case Structure() if isinstance(value, Mapping):
            return known_members(shape, value)
        case ListOf() if isinstance(value, list | tuple):
            return [_known(shape.member, item) for item in value]
    return value
