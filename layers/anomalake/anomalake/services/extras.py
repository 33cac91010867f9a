"""Optional dependencies: the extras of the package."""

from __future__ import annotations

from importlib import import_module

from anomalake.errors import AnomalakeError


class MissingExtraError(AnomalakeError, ImportError):
    """A package of an extra is not installed; the message has the command that installs it."""


def require(*packages: str, extra: str) -> None:
    """Check that the packages of an extra can be imported; raises `MissingExtraError`."""
    for package in packages:
        try:
            import_module(package)
        except ImportError as error:
            raise MissingExtraError(
                f"{package} is not installed; `pip install 'anomalake[{extra}]'` installs it"
            ) from error
