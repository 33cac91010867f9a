"""Source data in folders and in S3."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.store import S3Store

from anomalake.query.errors import QueryError
from anomalake.sources.ports import ByteStream, SourceFile, is_hidden
from anomalake.storage.objects import CALL_ERRORS, failure, s3_store, store_folder
from anomalake.storage.store import InvalidKey, StoreError

if TYPE_CHECKING:
    from obstore import ObjectMeta

# Subfolders of a folder that is read with its subfolders.
_DEEPEST = 32


class FolderOrS3Files:
    """`SourceFiles` for paths of folders, and for ``s3://`` URIs."""

    def __init__(self) -> None:
        self._store = lru_cache(maxsize=16)(s3_store)

    def list(self, folder: str, *, recursive: bool = False) -> Sequence[SourceFile]:
        if folder.startswith("s3://"):
            files = self._list_s3_below(folder) if recursive else []
            return files or self._list_s3(folder)
        path = Path(folder)
        try:
            if path.is_file():
                return [_file(path)]
            if recursive:
                return [_file(member) for member in files_below(path)]
            members = sorted(path.iterdir()) if path.is_dir() else []
            return [_file(member) for member in members if not is_hidden(member.name) and member.is_file()]
        except OSError as error:
            raise StoreError(f"{folder}: {error.strerror or error}") from error

    def walk(self, folder: str) -> Iterator[SourceFile]:
        if folder.startswith("s3://"):
            yield from self._walk_s3(folder)
            return
        try:
            for path in Path(folder).rglob("*"):
                if not is_hidden(path.name) and path.is_file():
                    yield _file(path)
        except OSError as error:
            raise StoreError(f"{folder}: {error.strerror or error}") from error

    def folders(self, folder: str) -> Sequence[str]:
        if folder.startswith("s3://"):
            return self._s3_folders(folder)
        path = Path(folder)
        try:
            found = [member.name for member in path.iterdir() if member.is_dir()] if path.is_dir() else []
        except OSError as error:
            raise StoreError(f"{folder}: {error.strerror or error}") from error
        return sorted(name for name in found if not is_hidden(name))

    def open(self, name: str) -> ByteStream:
        try:
            if not name.startswith("s3://"):
                return Path(name).open("rb")
            bucket, key = _parts(name)
            return _ObjectStream(self._store(bucket), key, name)
        except OSError as error:
            raise StoreError(f"{name}: {error.strerror or error}") from error

    def _list_s3(self, uri: str) -> Sequence[SourceFile]:
        bucket, prefix = _parts(uri)
        store = self._store(bucket)
        try:
            objects = obstore.list_with_delimiter(store, prefix or None)["objects"]
            # Consoles create an empty object with the name of a folder.
            files = [_object(bucket, entry) for entry in objects if entry["size"] or entry["path"] != prefix]
            if not files and prefix and not uri.endswith("/"):
                head = obstore.head(store, prefix)
                files = [_object(bucket, head)]
        except FileNotFoundError:
            return []
        except CALL_ERRORS as error:
            raise failure(uri, error) from error
        return sorted((file for file in files if _is_data(file.name)), key=lambda file: file.name)

    def _s3_folders(self, uri: str) -> Sequence[str]:
        bucket, prefix = _parts(uri)
        try:
            found = obstore.list_with_delimiter(self._store(bucket), prefix or None)["common_prefixes"]
        except FileNotFoundError:
            return []
        except CALL_ERRORS as error:
            raise failure(uri, error) from error
        names = (path.rstrip("/").rpartition("/")[2] for path in found)
        return sorted(name for name in names if not is_hidden(name))

    def _list_s3_below(self, uri: str) -> Sequence[SourceFile]:
        root = f"s3://{'/'.join(part for part in _parts(uri) if part)}/"
        # An empty object is the mark of a folder, or a file without rows.
        files = [file for file in self._walk_s3(uri) if file.size and file.name.startswith(root)]
        visible = [file for file in files if not is_hidden(file.name.removeprefix(root))]
        return sorted(visible, key=lambda file: file.name)

    def _walk_s3(self, uri: str) -> Iterator[SourceFile]:
        bucket, prefix = _parts(uri)
        try:
            for page in obstore.list(self._store(bucket), prefix or None):
                for entry in page:
                    file = _object(bucket, entry)
                    if _is_data(file.name):
                        yield file
        except FileNotFoundError:
            return
        except CALL_ERRORS as error:
            raise failure(uri, error) from error


class _ObjectStream:
    """The bytes of an object, fetched in blocks; raises `StoreError`."""

    def __init__(self, store: S3Store, key: str, name: str) -> None:
        self._name = name
        self._unread = b""
        try:
            self._blocks = iter(obstore.get(store, key).stream())
        except CALL_ERRORS as error:
            raise failure(name, error) from error

    def read(self, size: int, /) -> bytes:
        try:
            while not self._unread:
                block = next(self._blocks, None)
                if block is None:
                    return b""
                self._unread = bytes(block)
        except CALL_ERRORS as error:
            raise failure(self._name, error) from error
        result, self._unread = self._unread[:size], self._unread[size:]
        return result

    def close(self) -> None:
        self._unread = b""


def _parts(uri: str) -> tuple[str, str]:
    try:
        parts = urlsplit(uri, allow_fragments=False)
    except ValueError as error:
        raise InvalidKey(f"{uri}: {error}; expected s3://BUCKET/PREFIX") from error
    # A key may contain a question mark.
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if not parts.netloc:
        raise StoreError(f"{uri}: no bucket; expected s3://BUCKET/PREFIX")
    return parts.netloc, path.strip("/")


def _object(bucket: str, found: ObjectMeta) -> SourceFile:
    return SourceFile(f"s3://{bucket}/{found['path']}", found["size"], found["last_modified"])


def _file(path: Path) -> SourceFile:
    about = path.stat()
    return SourceFile(str(path), about.st_size, datetime.fromtimestamp(about.st_mtime, UTC))


def _is_data(name: str) -> bool:
    last = name.rpartition("/")[2]
    # Hadoop marks a folder by an empty object.
    return not is_hidden(last) and not last.endswith("_$folder$")


def local_path(path: str, lake: Path) -> Path:
    """Return the absolute path of a source; relative paths start at the lake. Raises `QueryError` for other URIs."""
    if path.startswith("file://"):
        return store_folder(path)
    if "://" in path:
        raise QueryError(f"source {path!r}: is not in a folder; expected a folder, as the lake is in a folder")
    return (lake / os.path.expanduser(path)).resolve()  # noqa: PTH111 - Path's fails if ~ is not that of a user


def files_below(folder: Path) -> Sequence[Path]:
    """List the files of a folder and its subfolders, sorted, without links and hidden names; raises `OSError`."""
    found = []
    for place, folders, names in os.walk(folder, onerror=_raise):
        parent = Path(place)
        folders[:] = [name for name in folders if not is_hidden(name)]
        if folders and len(parent.relative_to(folder).parts) >= _DEEPEST:
            raise OSError(f"{place}: expected at most {_DEEPEST} folders in one another")
        paths = [parent / name for name in names if not is_hidden(name)]
        found += [path for path in paths if path.is_file() and not path.is_symlink()]
    return sorted(found)


def _raise(error: OSError) -> None:
    # A folder that does not exist has no files.
    if not isinstance(error, FileNotFoundError):
        raise error
