"""The folders of a template path that exist, the newest first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from anomalake.definitions.time_formats import Part, WallClockReader, template_parts, write_wall_clock
from anomalake.sources.ports import SourceFiles

#: Most folders whose subfolders are listed.
MOST_LISTED: Final = 100


def newest_folders(files: SourceFiles, template: str) -> Iterator[tuple[datetime | None, str]]:
    """Find the folders of a template such as ``s3://BUCKET/live/{{yyyyMMdd}}/{{HHmm}}``.

    Only the folders on the way are listed, at most `MOST_LISTED`.

    Yields
    ------
    The wall-clock time that a folder names (None if the template names no whole one) and the folder, the newest first.

    Raises
    ------
    SourceError
        The template is invalid.
    StoreError
    """
    return _Search(files).below("", (), _segments(template_parts(template.rstrip("/"))))


class _Search:
    def __init__(self, files: SourceFiles) -> None:
        self._files = files
        self._listed = 0

    def below(
        self, folder: str, parts: tuple[Part, ...], segments: list[tuple[Part, ...]]
    ) -> Iterator[tuple[datetime | None, str]]:
        """Find the folders below one that matches the first parts of the template."""
        if not segments:
            time = _time(parts, folder)
            if WallClockReader(parts).missing():
                yield None, folder
            elif time is not None and write_wall_clock(parts, time) == folder:
                yield time, folder
            return
        segment, rest = segments[0], segments[1:]
        parts = (*parts, Part("/", False), *segment) if parts else segment
        if not any(part.is_field for part in segment):
            text = "".join(part.text for part in segment)
            yield from self.below(f"{folder}/{text}" if len(parts) > len(segment) else text, parts, rest)
            return
        if self._listed == MOST_LISTED:
            return
        self._listed += 1
        fitting = re.compile(WallClockReader(segment).expression, re.ASCII | re.IGNORECASE)
        names = [name for name in self._files.folders(folder) if fitting.fullmatch(name)]
        found = [(_time(parts, f"{folder}/{name}") or datetime.min, f"{folder}/{name}") for name in names]
        for _, path in sorted(found, reverse=True):
            yield from self.below(path, parts, rest)


def _segments(parts: tuple[Part, ...]) -> list[tuple[Part, ...]]:
    """The parts of each folder on the way; a key such as ``{{yyyy/MM}}`` names two."""
    segments: list[list[Part]] = [[]]
    for part in parts:
        texts = [part.text] if part.is_field else part.text.split("/")
        for place, text in enumerate(texts):
            if place:
                segments.append([])
            if text:
                segments[-1].append(Part(text, part.is_field))
    return [tuple(segment) for segment in segments]


def _time(parts: tuple[Part, ...], folder: str) -> datetime | None:
    try:
        return WallClockReader(parts).read(folder).local
    except ValueError:
        return None
