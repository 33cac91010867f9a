"""Paths that a user gives, and output files that are complete or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from anomalake.errors import AnomalakeError


class PathError(AnomalakeError, ValueError):
    """An empty path, which would name the current folder."""


class FileWriteError(AnomalakeError, OSError):
    """A file that could not be written."""


def path_of(name: str, path: str | os.PathLike[str]) -> Path:
    """Return the path that an argument gives; raises `PathError` if it is empty."""
    if not os.fspath(path).strip():
        raise PathError(f"{name} {os.fspath(path)!r}: is empty; expected a path")
    return Path(path)


def cache_folder() -> Path | None:
    """Return the user's folder for what can be made again; None where the user has no home.

    It is ``anomalake`` in ``XDG_CACHE_HOME``, by default ``~/.cache``.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):  # noqa: PTH117 - an empty text is no path
        return Path(given, "anomalake")
    try:
        return Path.home() / ".cache" / "anomalake"
    except RuntimeError:
        return None


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """Yield a hidden path to write to; the file replaces `path` when the block ends without an error."""
    hidden = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield hidden
        hidden.replace(path)
    finally:
        with suppress(OSError):
            hidden.unlink()


def write_whole(out: Path, body: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one; a link is followed, a device is written to.

    Raises
    ------
    FileWriteError
        The earlier file is unchanged.
    """
    place = Path(os.path.realpath(out))
    try:
        if place.exists() and not place.is_file():
            place.write_bytes(body)
            return
        with unfinished(place) as hidden:
            hidden.write_bytes(body)
    except OSError as error:
        raise FileWriteError(f"{out}: cannot be written: {error.strerror or error}") from error
