"""Read many records at the same time where each waits for the network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from anomalake.storage.store import ObjectStore

T = TypeVar("T")
U = TypeVar("U")

_AT_ONCE: Final = 32


def at_once(store: ObjectStore, function: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """Call a function that reads a store for many items, and yield the results in the order of the items.

    For a store in S3 several calls go on at the same time; a folder answers one call after the other as fast.
    """
    if not store.uri.startswith("s3://"):
        yield from map(function, items)
        return
    threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="records")
    try:
        yield from threads.map(function, items)
    finally:
        threads.shutdown(cancel_futures=True)
