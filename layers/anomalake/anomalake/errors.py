"""The base class of anomalake's errors, their text on one line, and the error for a missing extra."""

import sys
from importlib.util import find_spec


class AnomalakeError(Exception):
    """An error with a message of one line: what is wrong, where, and what was expected.

    Errors that come from the call itself (an invalid value, file or option) are also `ValueError`; the command exits
    with 2 for those and with 1 for all others.
    """


def problems_of(error: Exception) -> tuple[str, ...]:
    """Return the lines of an error with several problems (its `problems`), or its message as one line."""
    problems = getattr(error, "problems", ())
    return tuple(problems) if problems and isinstance(error, AnomalakeError) else (one_line(error),)


def one_line(error: Exception) -> str:
    """Return the message of an error on one line; an error of another package has its type before it."""
    text = " ".join(str(error).split())
    if type(error).__module__.startswith("anomalake"):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class MissingExtraError(AnomalakeError, ImportError):
    """A package of an extra is not installed; the message has the command that installs it."""


def require(*packages: str, extra: str) -> None:
    """Check that the packages of an extra are installed, without importing them; raises `MissingExtraError`."""
    for package in packages:
        if not _is_installed(package):
            raise MissingExtraError(f"{package} is not installed; `pip install 'anomalake[{extra}]'` installs it")


def _is_installed(package: str) -> bool:
    if package in sys.modules:
        return sys.modules[package] is not None
    try:
        return find_spec(package) is not None
    except ImportError:
        return False


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its type if it has no message."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
