"""The state of the files that a lake's page is made of: equal states give equal pages."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from anomalake.definitions.metric_set import MetricSet
from anomalake.errors import AnomalakeError
from anomalake.lake.layout import ORIGINALS
from anomalake.local import file_index
from anomalake.local.file_index import identity_of
from anomalake.local.source_tables import source_files

# Folders of a lake that no page is made of: the tables have the rows of originals, and an index those of other files.
_NOT_READ: Final = frozenset({ORIGINALS, file_index.FOLDER})
# Folders within folders.
_DEEPEST: Final = 32


class _UnknownError(AnomalakeError):
    """A file was changed just now, or cannot be looked at."""


def state_of(lake: Path, sources: Iterable[MetricSet]) -> str | None:
    """Return a digest of names, sizes and times of the files of a lake and of its sources in folders.

    None: it is not known, as where a file was changed just now.

    Parameters
    ----------
    lake
        Folder of the lake.
    sources
        Metric sets; those whose data are elsewhere are left out, because no query on the folder reads them.
    """
    digest = hashlib.sha256()
    try:
        for identity in sorted(_identities(lake.resolve(), sources)):
            digest.update(identity.encode("utf-8", "surrogateescape") + b"\0")
    except (OSError, AnomalakeError):
        return None
    return digest.hexdigest()


def _identities(lake: Path, sources: Iterable[MetricSet]) -> Iterator[str]:
    for source in sources:
        if source.athena is None and not any(path.startswith("s3://") for path in source.paths):
            yield from map(_identity, source_files(source, lake))
    yield from _below(str(lake), _NOT_READ, _DEEPEST)


def _below(folder: str, left_out: frozenset[str], depth: int) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name in left_out:
                    continue
                if not depth:
                    raise _UnknownError(entry.path)
                yield from _below(entry.path, frozenset(), depth - 1)
            elif entry.is_dir():
                # What is below a linked folder is not looked at.
                raise _UnknownError(entry.path)
            else:
                yield _identity(entry.path)


def _identity(file: str) -> str:
    identity = identity_of(file)
    if identity is None:
        raise _UnknownError(file)
    return identity
