"""Output files that are written atomically."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from anomalake.errors import AnomalakeError


class FileWriteError(AnomalakeError, OSError):
    """A file that could not be written."""


def write_whole(out: Path, body: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one; a link is followed, a device is written to.

    Raises
    ------
    FileWriteError
        The earlier file is unchanged.
    """
    place = Path(os.path.realpath(out))
    unfinished = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        if place.exists() and not place.is_file():
            place.write_bytes(body)
            return
        unfinished.write_bytes(body)
        unfinished.replace(place)
    except OSError as error:
        raise FileWriteError(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()
