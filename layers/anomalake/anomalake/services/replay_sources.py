"""Stored alerts to replay: files, folders, S3 prefixes and standard input, as pieces of bounded size."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError

from anomalake.alerts.strict_json import StrictJsonError, parse
from anomalake.errors import AnomalakeError, first_line
from anomalake.lake.bulk import Piece
from anomalake.storage.objects import s3_store, store_folder
from anomalake.storage.store import StoreError

#: Endings of files with alerts.
ENDINGS = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz", ".gz")
#: Endings of files with JSON lines.
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


def find_sources(names: Iterable[str]) -> Iterator[ReplaySource]:
    """Find the files of some names; in folders and prefixes all files with a known ending, at any depth, sorted.

    Raises
    ------
    ReplaySourceError
        A name has no file.
    """
    for name in names:
        if not name.strip():
            raise ReplaySourceError(f"source {name!r}: is empty; expected a file, a folder, an s3:// prefix or -")
        if name == "-":
            yield ReplaySource("-", 0)
        elif name.startswith("s3://"):
            yield from _in_s3(name)
        else:
            yield from _in_folder(name)


def _in_folder(name: str) -> Iterator[ReplaySource]:
    path = store_folder(name) if name.startswith("file://") else Path(name)
    if path.is_file():
        yield ReplaySource(str(path), path.stat().st_size)
        return
    if not path.is_dir():
        raise ReplaySourceError(f"source {name!r}: there is no such file or folder")
    files = sorted(
        file
        for file in path.rglob("*")
        if file.name.endswith(ENDINGS) and not file.name.startswith(".") and file.is_file()
    )
    if not files:
        raise ReplaySourceError(f"source {name!r}: no file in it; expected .json, .jsonl, .ndjson, each also as .gz")
    for file in files:
        yield ReplaySource(str(file), file.stat().st_size)


def _in_s3(name: str) -> Iterator[ReplaySource]:
    parts = urlsplit(name, allow_fragments=False)
    prefix = parts.path.strip("/")
    if not parts.netloc:
        raise ReplaySourceError(f"source {name!r}: no bucket; expected s3://BUCKET/PREFIX")
    store = s3_store(parts.netloc)
    count = 0
    try:
        for page in obstore.list(store, prefix or None):
            for entry in page:
                if entry["path"].endswith(ENDINGS):
                    count += 1
                    yield ReplaySource(f"s3://{parts.netloc}/{entry['path']}", entry["size"])
        if not count and prefix:
            yield ReplaySource(name, obstore.head(store, prefix)["size"])
            count = 1
    except FileNotFoundError:
        pass
    except (BaseError, OSError) as error:
        raise ReplaySourceError(f"source {name!r}: {first_line(error)}") from error
    if not count:
        raise ReplaySourceError(f"source {name!r}: no object there; expected .json, .jsonl, .ndjson, each also as .gz")


def pieces_of(sources: Iterable[ReplaySource]) -> Iterator[Piece]:
    """Divide sources into pieces: small files as a whole, large ones by lines; plain files are read by the workers."""
    for source in sources:
        remote = source.name.startswith("s3://")
        if source.name == "-":
            yield from _split("standard input", _blocks(sys.stdin.buffer), 0)
        elif source.size <= SMALL or (remote and not source.name.endswith(LINES)):
            yield Piece(source.name, None, size=source.size)
        elif not remote and not source.name.endswith(".gz"):
            yield from _spans(source)
        else:
            try:
                yield from _split(source.name, _stream(source.name), source.size)
            except zlib.error:
                # A damaged archive: the readable part was returned; the worker refuses the file.
                yield Piece(source.name, None)


def read_piece(piece: Piece) -> bytes:
    """Read a file, an object or a span of a file; raises `StoreError`."""
    if piece.start is None:
        return b"".join(_stream(piece.name))
    try:
        with Path(piece.name).open("rb") as file:
            file.seek(piece.start)
            return file.read(piece.size)
    except OSError as error:
        raise StoreError(f"{piece.name}: {error}") from error


def _spans(source: ReplaySource) -> Iterator[Piece]:
    """Divide a large plain file into spans of lines; a file that is one document is one piece."""
    start = line = 0
    try:
        with Path(source.name).open("rb") as file:
            while block := file.read(PIECE):
                if not start and not _starts_with_lines(block):
                    yield Piece(source.name, None, size=source.size)
                    return
                end = block.rfind(b"\n") + 1
                if not end:
                    block += file.readline()
                    end = len(block)
                yield Piece(source.name, None, line + 1, size=end, start=start)
                line += block.count(b"\n", 0, end)
                start += end
                file.seek(start)
    except OSError as error:
        raise StoreError(f"{source.name}: {error}") from error


def _stream(name: str) -> Iterator[bytes]:
    try:
        if name.startswith("s3://"):
            parts = urlsplit(name, allow_fragments=False)
            for block in obstore.get(s3_store(parts.netloc), parts.path.strip("/")).stream():
                yield bytes(block)
        else:
            with Path(name).open("rb") as file:
                yield from _blocks(file)
    except (BaseError, OSError) as error:
        raise StoreError(f"{name}: {first_line(error)}") from error


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(READ):
        yield block


def _split(name: str, blocks: Iterator[bytes], size: int) -> Iterator[Piece]:
    """Divide a stream into pieces of lines; a source that is one document is one piece."""
    pending: list[bytes] = []
    length = line = 0
    is_first = True
    for block in _inflated(blocks):
        pending.append(block)
        length += len(block)
        if length < PIECE:
            continue
        text = b"".join(pending)
        if is_first and not _starts_with_lines(text):
            pending = [text]
            continue
        is_first = False
        end = text.rfind(b"\n") + 1
        if not end:
            pending = [text]
            continue
        yield Piece(name, text[:end], line + 1, size=min(size, end) if size else end)
        size = max(0, size - end)
        line += text.count(b"\n", 0, end)
        pending, length = [text[end:]], len(text) - end
    rest = b"".join(pending)
    if rest.strip():
        # A first line that is complete JSON means JSON lines; else read_file decides.
        yield Piece(name, rest, None if is_first else line + 1, size=size or len(rest))


def _starts_with_lines(text: bytes) -> bool:
    first, newline, _ = text.lstrip().partition(b"\n")
    if not newline:
        return False
    try:
        parse(first.decode("utf-8", "replace"))
    except StrictJsonError:
        # An invalid first record differs from the first line of a pretty-printed document, which is only a bracket.
        return first.strip() not in (b"{", b"[")
    return True


def _inflated(blocks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(blocks, b"")
    if not first.startswith(b"\x1f\x8b"):
        yield first
        yield from blocks
        return
    inflate = zlib.decompressobj(wbits=31)
    for block in chain([first], blocks):
        while block:
            if inflate.eof:
                inflate = zlib.decompressobj(wbits=31)
            yield inflate.decompress(block)
            block = inflate.unused_data
