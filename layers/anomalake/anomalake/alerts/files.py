"""Files with alerts, read in a stream and in bounded memory: JSON, JSON lines, joined JSON, each also compressed."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain

from anomalake.alerts.bounds import FileLimits
from anomalake.alerts.envelopes import EventItem, read_stream, read_text
from anomalake.alerts.strict_json import StrictJsonError, parse_first
from anomalake.alerts.values import BEGINNING, Text, UnreadableError, too_many, unreadable

#: Bytes from which the form of a file is recognised.
HEAD = 8 * 1024 * 1024
#: Bytes that are decompressed at once.
READ = 1024 * 1024
#: Endings of files with JSON lines.
LINES = (".jsonl", ".ndjson", ".jsonlines")

_SPACE = re.compile(r"[ \t\r]*")
_GZIP = b"\x1f\x8b"
_LIMITS = FileLimits()
_BOM = b"\xef\xbb\xbf"


def read_file(
    name: str, body: bytes | Iterable[bytes], delivery: str | None = None, limits: FileLimits = _LIMITS
) -> Iterator[EventItem]:
    """Read the alert documents in a file; a file whose name does not end as one with lines may hold lines.

    Parameters
    ----------
    body
        The file, or its blocks.
    """
    head, rest, is_whole = _head(inflated([body] if isinstance(body, bytes) else body, limits.n_bytes))
    if has_lines(name, head, is_whole):
        yield from read_lines(chain([head], rest), name, delivery, limits=limits)
    elif is_whole:
        yield from read_text(head.removeprefix(_BOM), name, delivery, limits)
    else:
        yield from read_stream(Text(head.removeprefix(_BOM), rest), name, delivery, limits)


def read_lines(
    blocks: Iterable[bytes],
    name: str,
    delivery: str | None = None,
    first: int = 1,
    limits: FileLimits = _LIMITS,
) -> Iterator[EventItem]:
    """Read the alert documents in JSON lines, numbered from `first`; blank lines are ignored."""
    number, n_records, most = first, 0, limits.record_bytes
    lines = _Lines(blocks, most)
    try:
        for line, is_whole in lines:
            bare = line.removeprefix(_BOM).strip() if number == 1 else line.strip()
            if bare:
                n_records += 1
                if limits.n_records is not None and n_records > limits.n_records:
                    raise too_many(limits.n_records)
                if is_whole:
                    yield from read_text(bare, f"{name}:{number}", delivery)
                else:
                    failure = UnreadableError(f"a line of more than {most:,} bytes", f"at most {most:,}")
                    yield unreadable(bare, f"{name}:{number}", delivery, failure)
            number += 1
    except UnreadableError as failure:
        yield unreadable(lines.held, f"{name}:{number}", delivery, failure)


def has_lines(name: str, head: bytes, is_whole: bool = False) -> bool:
    """Whether a file consists of JSON lines, by its name or by its first line.

    Parameters
    ----------
    head
        Its beginning after decompression.
    is_whole
        Whether that is the whole file.
    """
    first, newline, rest = head.removeprefix(_BOM).strip().partition(b"\n")
    if not newline and not is_whole:
        # The first line is no record of its own: it is too long.
        return False
    if name.removesuffix(".gz").endswith(LINES):
        return True
    return bool(newline) and rest.lstrip().startswith((b"{", b'"', b"[")) and _is_values(first)


def _is_values(line: bytes) -> bool:
    """Whether a line is one complete JSON value, or several."""
    if not line.startswith((b"{", b'"', b"[")):
        return False
    text, at = line.decode("utf-8", "replace").strip(), 0
    try:
        while at < len(text):
            _, end = parse_first(text, at)
            found = _SPACE.match(text, end)
            at = found.end() if found else end
    except StrictJsonError:
        return False
    return True


def inflated(blocks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Decompress the blocks of a file if it is compressed, in one member or several; raises `UnreadableError`."""
    n_read = 0
    for block in _decompressed(iter(blocks)):
        n_read += len(block)
        if n_read > most:
            raise UnreadableError(f"more than {most:,} bytes", f"at most {most:,}, after decompression")
        yield block


def _decompressed(blocks: Iterator[bytes]) -> Iterator[bytes]:
    first = b""
    while len(first) < len(_GZIP) and (block := next(blocks, None)) is not None:
        first += block
    if not first.startswith(_GZIP):
        if first:
            yield first
        yield from blocks
        return
    inflate = zlib.decompressobj(wbits=31)
    try:
        for block in chain([first], blocks):
            text = b""
            # A few bytes can expand a thousandfold: never decompress more than one read.
            while block or len(text) == READ:
                if inflate.eof:
                    # Zeros may follow a member.
                    block = block.lstrip(b"\x00")
                    if not block:
                        break
                    inflate = zlib.decompressobj(wbits=31)
                text = inflate.decompress(block, READ)
                block = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
                if text:
                    yield text
    except zlib.error as error:
        reason = str(error).rpartition(": ")[2]
        raise UnreadableError(f"damaged gzip data ({reason})", "a complete gzip file") from error
    if not inflate.eof:
        raise UnreadableError("gzip data that are cut off", "a complete gzip file")


def _head(blocks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes], bool]:
    """Read the beginning of a file; return it, the rest, and whether there is none."""
    read: list[bytes] = []
    size = 0
    try:
        while size < HEAD:
            block = next(blocks, None)
            if block is None:
                return b"".join(read), iter(()), True
            read.append(block)
            size += len(block)
    except UnreadableError as error:
        return b"".join(read), _failing(error), False
    return b"".join(read), blocks, False


def _failing(error: UnreadableError) -> Iterator[bytes]:
    raise error
    yield b""


class _Lines:
    """The lines of some blocks, each with whether it is whole or only its beginning."""

    def __init__(self, blocks: Iterable[bytes], most: int) -> None:
        self._blocks = blocks
        self._most = most
        self._parts: list[bytes] = []

    @property
    def held(self) -> bytes:
        """The beginning of the line that is not complete yet."""
        return b"".join(self._parts)[:BEGINNING]

    def __iter__(self) -> Iterator[tuple[bytes, bool]]:
        length = 0
        for block in self._blocks:
            *ended, last = block.split(b"\n")
            for line in ended:
                length += len(line)
                if self._parts:
                    line = b"".join([*self._parts, line])
                    self._parts.clear()
                yield self._line(line, length)
                length = 0
            length += len(last)
            self._parts.append(last)
            if length > self._most:
                # The rest of a line that is too long is not kept.
                self._parts = [self.held]
        if length:
            yield self._line(b"".join(self._parts), length)

    def _line(self, line: bytes, length: int) -> tuple[bytes, bool]:
        return (line, True) if length <= self._most else (line[:BEGINNING], False)
