"""Calls of the command in tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class CommandResult(NamedTuple):
    """Exit code and output of a call."""

    code: int
    out: str
    err: str


Run = Callable[..., CommandResult]
