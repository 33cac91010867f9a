"""Bytes of a file: decompressed, converted to UTF-8, and complete lines if the file is truncated."""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Iterator

from anomalake.definitions.messages import mark
from anomalake.sources.file_kinds import KIND_BYTES, kind_of
from anomalake.sources.ports import ByteStream
from anomalake.sources.rows import SourceFileError

READ = 1024 * 1024
_GZIP = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"


class FileText(io.RawIOBase):
    """Text of a file as a stream of UTF-8; bytes that are invalid in its charset are marked (`messages.mark`).

    Parameters
    ----------
    stream
        The file; compression is recognised. Reading raises `SourceFileError` if it is a workbook, an archive or other
        file that is not text.
    charset
        Charset of the file, such as ``UTF-8``.

    Attributes
    ----------
    broken
        Why the file is truncated; empty if it is complete. Its last line is omitted then.
    newlines
        Number of line ends that were read.
    last_line
        The last line, once it was read, if it has no line end; else empty.
    """

    def __init__(self, stream: ByteStream, charset: str) -> None:
        self.broken = ""
        self.newlines = 0
        self.last_line = b""
        whole_lines = self._whole_lines(_recoded(_checked(self._inflated(_blocks(stream)), charset), charset))
        self._blocks = map(_marked, whole_lines)
        self._held = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        while not self._held:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._held = memoryview(block)
        size = min(len(buffer), len(self._held))
        buffer[:size] = self._held[:size]
        self._held = self._held[size:]
        return size

    def drain(self) -> int:
        """Read to the end; return the number of line ends in the file."""
        for _ in self._blocks:
            pass
        return self.newlines

    def _inflated(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        first = next(blocks, b"")
        if not first.startswith(_GZIP):
            yield first
            yield from blocks
            return
        inflate = zlib.decompressobj(wbits=31)
        try:
            block: bytes | None = first
            while block is not None:
                while block:
                    if inflate.eof:
                        inflate = zlib.decompressobj(wbits=31)
                    # A few bytes can expand a thousandfold: never decompress more than requested.
                    yield inflate.decompress(block, READ)
                    block = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
                    if inflate.eof and not block.strip(b"\x00"):
                        block = b""
                block = next(blocks, None)
        except zlib.error as error:
            self.broken = f"its gzip data are damaged ({str(error).rpartition(': ')[2]})"
            return
        if not inflate.eof:
            yield inflate.flush()
        if not inflate.eof:
            self.broken = "it ends within its gzip data"

    def _whole_lines(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        rest = b""
        for block in blocks:
            end = block.rfind(b"\n") + 1
            if not end:
                rest += block
                if len(rest) > 64 * READ:
                    yield rest
                    rest = b""
                continue
            whole = rest + block[:end]
            rest = block[end:]
            self.newlines += whole.count(b"\n")
            yield whole
        if rest and not self.broken:
            self.last_line = rest
            yield rest


def _marked(block: bytes) -> bytes:
    """Return valid UTF-8, because Arrow's reader fails on anything else."""
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return mark(block.decode("utf-8", "surrogateescape")).encode("utf-8")
    return block


def _blocks(stream: ByteStream) -> Iterator[bytes]:
    while block := stream.read(READ):
        yield block


def _checked(blocks: Iterator[bytes], charset: str) -> Iterator[bytes]:
    """Raise `SourceFileError` if the file is of a kind that is not text."""
    first = next(blocks, b"")
    while len(first) < KIND_BYTES and (more := next(blocks, b"")):
        first += more
    kind = kind_of(first, charset)
    if kind:
        raise SourceFileError(kind)
    yield first
    yield from blocks


def _recoded(blocks: Iterator[bytes], charset: str) -> Iterator[bytes]:
    name = codecs.lookup(charset).name
    if name in ("utf-8", "utf-8-sig", "ascii"):
        first = next(blocks, b"")
        while len(first) < len(_UTF8_BOM) and (more := next(blocks, b"")):
            first += more
        yield first.removeprefix(_UTF8_BOM)
        yield from blocks
        return
    try:
        decoder = codecs.getincrementaldecoder(name)("surrogateescape")
        started = False
        for block in blocks:
            decoded = decoder.decode(block)
            # A codec such as UTF-16-LE leaves the byte order mark in the text.
            yield (decoded if started else decoded.removeprefix("\ufeff")).encode("utf-8", "surrogateescape")
            started = started or bool(decoded)
        yield decoder.decode(b"", True).encode("utf-8", "surrogateescape")
    except UnicodeError as error:
        raise SourceFileError(f"is not text in {charset} ({error}); expected its own charset as Charset") from error
