"""Stored alerts to replay: files, folders, S3 prefixes and standard input, as pieces of bounded size."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from anomalake.alerts import UnreadableError, has_lines, inflated
from anomalake.alerts.bounds import MAX_FILE_BYTES, MAX_RECORD_BYTES
from anomalake.errors import AnomalakeError, first_line
from anomalake.lake.bulk import Piece
from anomalake.storage.objects import Objects, read_blocks, s3_store, store_folder
from anomalake.storage.store import StoreError

#: Endings of files with alerts.
ENDINGS = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz", ".gz")
#: Endings of objects with JSON lines, which are divided.
LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
#: Largest file, in bytes, that is one piece.
SMALL = 4 * 1024 * 1024
#: Bytes of a piece of a larger file.
PIECE = 8 * 1024 * 1024
#: Bytes of a read.
READ = 1024 * 1024


class ReplaySourceError(AnomalakeError, ValueError):
    """A source that does not exist or has nothing to replay."""


@dataclass(frozen=True, slots=True)
class ReplaySource:
    """A file or object: its name (a path, an ``s3://`` URI or ``-``) and its size in bytes (0 if unknown)."""

    name: str
    size: int


def find_sources(names: Iterable[str], note: Callable[[str], None]) -> Iterator[ReplaySource]:
    """Find the files of some names; in folders and prefixes all files with a known ending, at any depth, sorted.

    A name may be a symbolic link. Links in a folder are not followed: they could lead to any file of the machine.

    Parameters
    ----------
    note
        Called with a line for what is passed over in a folder.

    Raises
    ------
    ReplaySourceError
        A name has no file, or is not one of a file or folder.
    """
    for name in names:
        if not name.strip():
            raise ReplaySourceError(f"source {name!r}: is empty; expected a file, a folder, an s3:// prefix or -")
        if name == "-":
            yield ReplaySource("-", 0)
        elif name.startswith("s3://"):
            yield from _in_s3(name)
        else:
            yield from _in_folder(name, note)


def _in_folder(name: str, note: Callable[[str], None]) -> Iterator[ReplaySource]:
    path = store_folder(name) if name.startswith("file://") else Path(name)
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        is_broken = isinstance(error, FileNotFoundError) and path.is_symlink()
        reason = "a symbolic link to nothing" if is_broken else "there is no such file or folder"
        if not isinstance(error, (FileNotFoundError, NotADirectoryError, ValueError)):
            reason = error.strerror or first_line(error)
        raise ReplaySourceError(f"source {name!r}: {reason}") from error
    if stat.S_ISREG(found.st_mode):
        yield ReplaySource(str(path), found.st_size)
        return
    if not stat.S_ISDIR(found.st_mode):
        kind = _kind(found.st_mode)
        raise ReplaySourceError(f"source {name!r}: {kind}; expected a file or folder (`-` reads standard input)")
    files, n_links = _walk(path, note)
    links = f"{n_links:,} symbolic {'link' if n_links == 1 else 'links'}"
    if not files:
        also = f"; {links} not followed" if n_links else ""
        raise ReplaySourceError(
            f"source {name!r}: no file in it{also}; expected .json, .jsonl, .ndjson, each also as .gz"
        )
    if n_links:
        note(f"{name}: {links} not followed")
    for file, size in files:
        yield ReplaySource(str(file), size)


def _walk(folder: Path, note: Callable[[str], None]) -> tuple[list[tuple[Path, int]], int]:
    """The files below a folder with their sizes, sorted; and the number of links."""
    files: list[tuple[Path, int]] = []
    n_links = 0

    def stop(error: OSError) -> None:
        raise ReplaySourceError(f"{error.filename}: {error.strerror}") from error

    for parent, folders, names in os.walk(folder, onerror=stop):
        n_links += sum(Path(parent, name).is_symlink() for name in folders)
        for file in (Path(parent, name) for name in names if name.endswith(ENDINGS) and not name.startswith(".")):
            found = file.lstat()
            if stat.S_ISLNK(found.st_mode):
                n_links += 1
            elif stat.S_ISREG(found.st_mode):
                files.append((file, found.st_size))
            else:
                note(f"{file}: {_kind(found.st_mode)}, not read")
    return sorted(files), n_links


def _kind(mode: int) -> str:
    for is_kind, kind in (
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a character device"),
        (stat.S_ISBLK, "a block device"),
    ):
        if is_kind(mode):
            return kind
    return "neither a file nor a folder"


def _in_s3(name: str) -> Iterator[ReplaySource]:
    parts = urlsplit(name, allow_fragments=False)
    prefix = parts.path.strip("/")
    if not parts.netloc:
        raise ReplaySourceError(f"source {name!r}: no bucket; expected s3://BUCKET/PREFIX")
    store = Objects(s3_store(parts.netloc), f"s3://{parts.netloc}")
    count = 0
    try:
        for entry in store.list(prefix):
            if entry.key.endswith(ENDINGS):
                count += 1
                yield ReplaySource(f"s3://{parts.netloc}/{entry.key}", entry.size)
        if not count and prefix and store.exists(prefix):
            count = 1
            yield ReplaySource(name, 0)
    except StoreError as error:
        raise ReplaySourceError(f"source {name!r}: {first_line(error)}") from error
    if not count:
        raise ReplaySourceError(f"source {name!r}: no object there; expected .json, .jsonl, .ndjson, each also as .gz")


def pieces_of(sources: Iterable[ReplaySource], scratch: Path) -> Iterator[Piece]:
    """Divide sources into pieces: small files as a whole, large ones by lines; plain files are read by the workers.

    Parameters
    ----------
    scratch
        Folder for a standard input that is one large document.
    """
    for source in sources:
        remote = source.name.startswith("s3://")
        if source.name == "-":
            yield from _split("standard input", _blocks(sys.stdin.buffer), 0, scratch)
        elif source.size <= SMALL or (remote and not source.name.endswith(LINES)):
            yield Piece(source.name, None, size=source.size)
        elif not remote and not source.name.endswith(".gz"):
            yield from _spans(source)
        else:
            yield from _split(source.name, _stream(source.name), source.size)


def whole_pieces(sources: Iterable[ReplaySource]) -> Iterator[Piece]:
    """Return sources as pieces that other machines read: each as a whole, in a stream."""
    for source in sources:
        yield Piece(source.name, None, size=source.size)


def read_piece(piece: Piece) -> Iterator[bytes]:
    """Read a file, an object or a span of a file, block by block; raises `StoreError`."""
    path = piece.path or piece.name
    if piece.start is None:
        yield from _stream(path)
        return
    try:
        with Path(path).open("rb") as file:
            file.seek(piece.start)
            yield file.read(piece.size)
    except OSError as error:
        raise StoreError(f"{piece.name}: {error}") from error


def _spans(source: ReplaySource) -> Iterator[Piece]:
    """Divide a large plain file into spans of lines; a file that is one document is one piece."""
    start, line = 0, 1
    try:
        with Path(source.name).open("rb") as file:
            while block := file.read(PIECE):
                if not start and not has_lines(source.name, block, len(block) < PIECE):
                    yield Piece(source.name, None, size=source.size)
                    return
                end = block.rfind(b"\n") + 1
                is_line = True
                if not end:
                    # The reader of the piece refuses a line that is too long, by one byte more than it may have.
                    block += file.readline(MAX_RECORD_BYTES + 1 - len(block))
                    end = len(block)
                    is_line = end <= MAX_RECORD_BYTES or block.endswith(b"\n")
                yield Piece(source.name, None, line, size=end, start=start)
                line += block.count(b"\n", 0, end)
                start += end
                if not is_line:
                    start += _skip_line(file)
                    line += 1
                file.seek(start)
    except OSError as error:
        raise StoreError(f"{source.name}: {error}") from error


def _skip_line(file: BinaryIO) -> int:
    """Read to the end of a line; return its number of bytes."""
    length = 0
    while block := file.readline(READ):
        length += len(block)
        if block.endswith(b"\n"):
            break
    return length


def _stream(name: str) -> Iterator[bytes]:
    if name.startswith("s3://"):
        parts = urlsplit(name, allow_fragments=False)
        yield from read_blocks(s3_store(parts.netloc), parts.path.strip("/"), name)
        return
    try:
        with Path(name).open("rb") as file:
            yield from _blocks(file)
    except OSError as error:
        raise StoreError(f"{name}: {first_line(error)}") from error


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(READ):
        yield block


def _split(name: str, blocks: Iterator[bytes], size: int, scratch: Path | None = None) -> Iterator[Piece]:
    """Divide a stream into pieces of lines; a stream that is one document is one piece.

    Parameters
    ----------
    size
        Bytes of the source; 0: unknown.
    scratch
        Folder for a document that cannot be read again.
    """
    text = inflated(blocks, MAX_FILE_BYTES)
    pending: list[bytes] = []
    length, line = 0, 1
    is_first = is_line = True
    failure: tuple[str, str] | None = None
    while True:
        try:
            block = next(text, None)
        except UnreadableError as error:
            block, failure = None, (error.found, error.expected)
        if block is None:
            break
        if not is_line:
            # The rest of a line that is too long.
            _, newline, block = block.partition(b"\n")
            is_line = bool(newline)
            line += is_line
        pending.append(block)
        length += len(block)
        if length < PIECE:
            continue
        joined = b"".join(pending)
        if is_first and not has_lines(name, joined):
            yield _document(name, chain([joined], text), size, scratch)
            return
        is_first = False
        end = joined.rfind(b"\n") + 1
        if not end and length > MAX_RECORD_BYTES:
            end, is_line = MAX_RECORD_BYTES + 1, False
            joined = joined[:end]
        if end:
            yield Piece(name, joined[:end], line, size=min(size, end) if size else end)
            size = max(0, size - end)
            line += joined.count(b"\n", 0, end)
        pending, length = [joined[end:]], len(joined) - end
    rest = b"".join(pending)
    if rest.strip() or failure is not None:
        # A first line that is complete JSON means JSON lines; else read_file decides.
        yield Piece(name, rest, None if is_first else line, size=size or len(rest), failure=failure)


def _document(name: str, text: Iterator[bytes], size: int, scratch: Path | None) -> Piece:
    """The piece of a source that is one document: a worker reads it in a stream."""
    if scratch is None:
        return Piece(name, None, size=size)
    with tempfile.NamedTemporaryFile(dir=scratch, delete=False) as file:
        try:
            for block in text:
                file.write(block)
        except UnreadableError as error:
            return Piece(name, None, size=size, path=file.name, failure=(error.found, error.expected))
    return Piece(name, None, size=size, path=file.name)
