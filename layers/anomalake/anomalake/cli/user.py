"""Name of the person who runs a command."""

from __future__ import annotations

import getpass


def user_name() -> str:
    """Return the name of the operating system's user; empty where there is none, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
