"""Source data in folders and in S3."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from anomalake.errors import first_line
from anomalake.query.errors import QueryError
from anomalake.sources.ports import ByteStream, SourceFile, is_hidden
from anomalake.storage.objects import s3_store, store_folder
from anomalake.storage.store import StoreError

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
                return [SourceFile(str(path), path.stat().st_size)]
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
            files = [
                _object(bucket, entry["path"], entry["size"])
                for entry in objects
                if entry["size"] or entry["path"] != prefix
            ]
            if not files and prefix and not uri.endswith("/"):
                head = obstore.head(store, prefix)
                files = [_object(bucket, head["path"], head["size"])]
        except FileNotFoundError:
            return []
        except (BaseError, OSError) as error:
            raise StoreError(f"{uri}: {first_line(error)}") from error
        return sorted((file for file in files if _is_data(file.name)), key=lambda file: file.name)

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
                    file = _object(bucket, entry["path"], entry["size"])
                    if _is_data(file.name):
                        yield file
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise StoreError(f"{uri}: {first_line(error)}") from error


class _ObjectStream:
    """The bytes of an object, fetched in blocks; raises `StoreError`."""

    def __init__(self, store: S3Store, key: str, name: str) -> None:
        self._name = name
        self._unread = b""
        try:
            self._blocks = iter(obstore.get(store, key).stream())
        except (BaseError, OSError) as error:
            raise StoreError(f"{name}: {first_line(error)}") from error

    def read(self, size: int, /) -> bytes:
        try:
            while not self._unread:
                block = next(self._blocks, None)
                if block is None:
                    return b""
                self._unread = bytes(block)
        except (BaseError, OSError) as error:
            raise StoreError(f"{self._name}: {first_line(error)}") from error
        result, self._unread = self._unread[:size], self._unread[size:]
        return result

    def close(self) -> None:
        self._unread = b""


def _parts(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri, allow_fragments=False)
    # A key may contain a question mark.
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if not parts.netloc:
        raise StoreError(f"{uri}: no bucket; expected s3://BUCKET/PREFIX")
    return parts.netloc, path.strip("/")


def _object(bucket: str, key: str, size: int) -> SourceFile:
    return SourceFile(f"s3://{bucket}/{key}", size)


def _file(path: Path) -> SourceFile:
    return SourceFile(str(path), path.stat().st_size)


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
