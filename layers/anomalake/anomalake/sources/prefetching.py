"""Prefetching of small files, several at once."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from anomalake.sources.ports import ByteStream, SourceFile, SourceFiles

AT_ONCE = 16
SMALL = 1024 * 1024


def opened(files: SourceFiles, wanted: Sequence[SourceFile]) -> Iterator[tuple[SourceFile, ByteStream]]:
    """Open files in order; raises `StoreError`."""
    if len(wanted) <= 2 or sum(file.size <= SMALL for file in wanted) <= len(wanted) // 2:
        for file in wanted:
            yield file, files.open(file.name)
        return
    waiting: deque[tuple[SourceFile, Future[ByteStream]]] = deque()
    rest = list(reversed(wanted))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            while True:
                while rest and len(waiting) < 2 * AT_ONCE:
                    waiting.append((rest[-1], pool.submit(_fetched, files, rest.pop())))
                if not waiting:
                    return
                file, coming = waiting.popleft()
                yield file, coming.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _fetched(files: SourceFiles, file: SourceFile) -> ByteStream:
    stream = files.open(file.name)
    if file.size > SMALL:
        return stream
    try:
        return io.BytesIO(b"".join(iter(lambda: stream.read(SMALL), b"")))
    finally:
        stream.close()
