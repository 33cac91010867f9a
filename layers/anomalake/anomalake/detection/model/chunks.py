"""Work on many series in parts that fit into a processor's cache, on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

# Values of a part, so that its features take some 100 MB.
_VALUES = 2_000_000
_LEAST, _MOST = 16, 2_048


def in_chunks(work: Callable[[int, int], T], n_series: int, n_times: int) -> list[T]:
    """Results of ``work(first, end)`` over consecutive parts of the series, in order.

    NumPy lets go of the interpreter's lock while it computes, so threads do.
    """
    size = max(_LEAST, min(_MOST, _VALUES // max(n_times, 1)))
    bounds = [(first, min(first + size, n_series)) for first in range(0, n_series, size)] or [(0, 0)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if len(bounds) == 1 or cores == 1:
        return [work(*one) for one in bounds]
    with ThreadPoolExecutor(min(cores, len(bounds))) as pool:
        return list(pool.map(lambda one: work(*one), bounds))
