"""The handlers of the operations, a module for each kind of resource."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from anomalake.server.lookoutmetrics.handling import Handler


@cache
def all_handlers() -> Mapping[str, Handler]:
    """Return the handlers of all modules (their ``HANDLERS``) by name of the operation."""
    merged: dict[str, Handler] = {}
    for module in iter_modules(__path__):
        handlers: Mapping[str, Handler] = vars(import_module(f"{__name__}.{module.name}")).get("HANDLERS", {})
        twice = merged.keys() & handlers.keys()
        assert not twice, twice
        merged.update(handlers)
    return merged
