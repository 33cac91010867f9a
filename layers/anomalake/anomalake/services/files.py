"""Files that a command writes for its user: whole, or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from anomalake.errors import AnomalakeError


class FileWriteError(AnomalakeError, OSError):
    """A file that could not be written: which, and why."""


def write_whole(out: Path, body: bytes) -> None:
    """Write a file such that a reader sees the old one or the new one; a link stays one, a device is written to.

    Raises
    ------
    FileWriteError
        What was there before is as it was.
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
        raise FileWriteError(f"--out {out}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()
