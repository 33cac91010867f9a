"""The files of a source from which samples are taken, and what the server may read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeVar

from anomalake.definitions.errors import SourceError
from anomalake.definitions.messages import printable
from anomalake.definitions.resource_errors import AccessRefusedError, InvalidRequestError
from anomalake.services.bounds import check_path
from anomalake.services.workspace import Workspace
from anomalake.sources.ports import SourceFile, SourceFiles
from anomalake.sources.sample_rows import first_lines
from anomalake.sources.template_folders import newest_folders
from anomalake.storage.store import BucketNotFound, InvalidKey, StoreAccessDenied

#: The lists of paths of S3SourceConfig.
TEMPLATES: Final = "TemplatedPathList"
HISTORIES: Final = "HistoricalDataPathList"

_BUCKET = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/|$)")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SamplePath:
    """A path of a source.

    Attributes
    ----------
    path
        ``s3://…``, with keys in braces if it is a template.
    kind
        `TEMPLATES` or `HISTORIES`.
    field
        Path of the field in the request.
    """

    path: str
    kind: str
    field: str


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file, and the wall-clock time that the folder of its interval names; None for a historical file."""

    file: SourceFile
    time: datetime | None = None


def sample_paths(config: Mapping[str, Any], field: str) -> list[SamplePath]:
    """Return the paths of an S3SourceConfig: historical ones, then templates.

    Raises
    ------
    InvalidRequestError
        There is no path.
    """
    paths = [
        SamplePath(path, kind, f"{field}.{kind}[{number}]")
        for kind in (HISTORIES, TEMPLATES)
        for number, path in enumerate(config.get(kind) or ())
    ]
    if not paths:
        raise invalid([(f"{field}.{HISTORIES}", f"no path; expected {HISTORIES} or {TEMPLATES}")])
    return paths


def check_bounds(workspace: Workspace, paths: list[SamplePath]) -> None:
    """Check that paths name buckets, and ones that may be read.

    Raises
    ------
    InvalidRequestError, AccessRefusedError
    """
    for sample_path in paths:
        found = _BUCKET.match(sample_path.path)
        if found is None:
            raise invalid([(sample_path.field, f"{sample_path.path!r}: expected s3://BUCKET/PREFIX")])
        check_path(workspace.bounds, sample_path.path)


def files_of(files: SourceFiles, sample_path: SamplePath, most: int) -> list[FoundFile]:
    """Return files of a path that have data: of a template the newest ones, the first and the last of a folder.

    Raises
    ------
    InvalidRequestError
        There is no such bucket, or the path or a key in it is invalid.
    AccessRefusedError
        The bucket denies access, or the server has no credentials.
    StoreError
        The store does not answer.
    """
    return answered(sample_path, lambda: list(islice(_files(files, sample_path), most)))


def lines_of(files: SourceFiles, sample_path: SamplePath, file: SourceFile, charset: str) -> bytes:
    """Return the first lines of a file (`first_lines`); raises as `files_of`, and `SourceFileError`."""

    def read() -> bytes:
        with closing(files.open(file.name)) as stream:
            return first_lines(stream, charset)

    return answered(sample_path, read)


def answered(sample_path: SamplePath, call: Callable[[], T]) -> T:
    """Return the result of a call that reads a path; raises as `files_of`."""
    try:
        return call()
    except SourceError as error:
        raise invalid([(sample_path.field, str(error).removeprefix(f"{sample_path.kind} "))]) from error
    except (BucketNotFound, InvalidKey) as error:
        raise invalid([(sample_path.field, str(error))]) from error
    except StoreAccessDenied as error:
        raise AccessRefusedError(printable(f"{sample_path.field}: {error}")) from error


def nothing_in(sample_path: SamplePath) -> tuple[str, str]:
    """The problem of a path without files."""
    if sample_path.kind == TEMPLATES:
        return sample_path.field, f"{sample_path.path}: no folder of an interval has a file"
    return sample_path.field, f"{sample_path.path}: has no file; expected one directly in it"


def invalid(problems: list[tuple[str, str]]) -> InvalidRequestError:
    """Return the error of invalid fields: each with its path and what is wrong."""
    fields = tuple((field, printable(what)) for field, what in problems)
    return InvalidRequestError("; ".join(f"{field}: {what}" for field, what in fields), fields)


def _files(files: SourceFiles, sample_path: SamplePath) -> Iterator[FoundFile]:
    if sample_path.kind == HISTORIES:
        listed = [file for file in files.list(sample_path.path) if file.size]
        for number in dict.fromkeys((0, len(listed) - 1)) if listed else ():
            yield FoundFile(listed[number])
        return
    for time, folder in newest_folders(files, sample_path.path):
        for file in files.list(folder):
            if file.size:
                yield FoundFile(file, time)
