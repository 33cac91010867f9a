"""The command line as a test calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Said(NamedTuple):
    """What a call printed, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Said]
