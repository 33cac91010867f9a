"""Names of files without the characters that DuckDB reads as a pattern."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from anomalake.query.errors import QueryError

# DuckDB reads every name as a pattern. It has no reliable way to escape: names in the same folder change the result.
_PATTERN = re.compile(r"[*?\[]")
# DuckDB takes the first such part of a path for the partition, also above the lake.
_PARTITION = re.compile(r"(detector|day)=")


class PlainNames:
    """Names of files for DuckDB, which end with the context.

    A file has its own name, unless a part of it would be misread: then that part and those before it are a symbolic
    link in a temporary folder.
    """

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._links: dict[str, str] = {}

    def __enter__(self) -> PlainNames:
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def of_file(self, file: str) -> str:
        """Return the name of a file of the source data; raises `QueryError`."""
        return self._name(file, lambda part: _PATTERN.search(part) is not None)

    def of_folder(self, folder: str) -> str:
        """Return the name of a folder with partitions below it; raises `QueryError`."""
        return self._name(folder, lambda part: _PATTERN.search(part) is not None or _PARTITION.match(part) is not None)

    def restored(self, text: str) -> str:
        """Return a message with the true names."""
        for place, link in self._links.items():
            text = text.replace(link, place)
        return text

    def _name(self, path: str, is_misread: Callable[[str], bool]) -> str:
        parts = Path(path).parts
        last = max((number for number, part in enumerate(parts, 1) if is_misread(part)), default=0)
        if not last:
            return path
        return str(Path(self._link(str(Path(*parts[:last]))), *parts[last:]))

    def _link(self, place: str) -> str:
        if place not in self._links:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="anomalake-")
            folder = self._folder.name
            if any(_PATTERN.search(part) or _PARTITION.match(part) for part in Path(folder).parts):
                raise QueryError(
                    f"{folder}: has a part with * ? [ or with detector= or day=; expected another folder for temporary "
                    "files (TMPDIR)"
                )
            # The ending stays, because it names the compression.
            ending = _PATTERN.sub("_", Path(place).name)
            link = Path(folder, f"{len(self._links)}-{ending.replace('=', '_')}")
            try:
                link.symlink_to(place)
            except OSError as error:
                raise QueryError(f"{place}: no link to it in {folder}: {error.strerror or error}") from error
            self._links[place] = str(link)
        return self._links[place]
