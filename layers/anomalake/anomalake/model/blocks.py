"""Process many series in blocks of a fixed size, on all cores.

The split of the work does not change any bit of a result. The series of a block depend only on their index and on the
number of intervals, and what is computed for a series does not depend on those beside it. Only the rounding of a
product by BLAS depends on the shape of its arrays and on the number of threads: products are made for one strip of
series (see `layout`), and BLAS uses one thread in every process.
"""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Final, TypeVar

from threadpoolctl import ThreadpoolController

from anomalake.model.layout import STRIP
from anomalake.processes import without_interrupts

T = TypeVar("T")

#: Computes the result of the series from a first index up to an end index, the latter excluded.
Work = Callable[[int, int], T]
Bounds = Sequence[tuple[int, int]]

#: Series per block that is computed on its own, in another process or on another machine.
BLOCK: Final = 2_048
# Blocks that a process computes at once: each step of the filter costs almost as much for one as for eight.
_AT_ONCE = 8
# What is computed at once is halved until it has at most this many values, so that a fit needs about 400 MB for it.
_MOST_VALUES = 10_400_000
_LEAST_SERIES = 16
# Number of values from which a second process is worth its start.
_PARALLEL_FROM = 4_000_000

_IN_ONE_PROCESS: ContextVar[bool] = ContextVar("in one process", default=False)


@contextmanager
def one_process() -> Iterator[None]:
    """Fork no process within the block: the caller has given each core work already."""
    token = _IN_ONE_PROCESS.set(True)
    try:
        yield
    finally:
        _IN_ONE_PROCESS.reset(token)


def in_blocks(work: Work[T], n_series: int, n_times: int) -> list[T]:
    """Return the results of ``work(first, end)`` for consecutive blocks of the series, in order.

    Large inputs are split among processes, one forked process for each further core. Threads would wait for the
    interpreter lock between NumPy's short operations. If a process cannot be forked or dies, this process does its
    work, and so raises the error again that `work` raised there.
    """
    size = _series_at_once(n_times)
    blocks = divided(n_series, min(size, BLOCK))
    n_processes = min(_available_cores(), len(blocks)) if n_series * n_times >= _PARALLEL_FROM else 1
    shares = [
        _within(blocks[len(blocks) * k // n_processes : len(blocks) * (k + 1) // n_processes], size)
        for k in range(n_processes)
    ]
    with _libraries().limit(limits=1, user_api="blas"):
        forked = [(share, _fork(work, share)) for share in shares[1:]]
        results = [work(first, end) for first, end in shares[0]]
        for share, connection in forked:
            results += _receive(connection, work, share)
    return results


@cache
def _libraries() -> ThreadpoolController:
    """Return what limits the threads of NumPy's BLAS.

    The search among all libraries of the process takes longer than a small fit, and is done once.
    """
    import numpy  # noqa: F401 - loads the library of BLAS

    return ThreadpoolController()


def block_bounds(n_series: int, n_times: int) -> Bounds:
    """Return the first and the end index of what one process computes at once; it is less for many intervals."""
    return divided(n_series, _series_at_once(n_times))


def _series_at_once(n_times: int) -> int:
    # Only blocks of whole strips are computed at once: others would be divided into other strips than one by one.
    size = BLOCK * (1 if BLOCK % STRIP else _AT_ONCE)
    while size > _LEAST_SERIES and size * n_times > _MOST_VALUES:
        size //= 2
    return size


def _within(blocks: Bounds, size: int) -> Bounds:
    """Return the bounds of what is computed at once of consecutive blocks."""
    first, end = blocks[0][0], blocks[-1][1]
    return [(first + begin, first + stop) for begin, stop in divided(end - first, size)]


def divided(n_series: int, size: int) -> Bounds:
    """Return the first and the end index of blocks of a size.

    None has one series only, unless there are no others: NumPy adds the numbers of a single series in another order,
    which depends on how they lie in memory.
    """
    begins = [first for first in range(0, n_series, size) if first != n_series - 1 or not first] or [0]
    return list(pairwise([*begins, n_series]))


def _available_cores() -> int:
    if _IN_ONE_PROCESS.get() or "fork" not in multiprocessing.get_all_start_methods():
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _fork(work: Work[T], share: Bounds) -> Connection | None:
    """Start a process for a share of the blocks and return the connection that delivers its results."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    try:
        with warnings.catch_warnings():
            # Python warns that locks of other threads stay locked in a fork; the work uses none, only NumPy.
            warnings.simplefilter("ignore", DeprecationWarning)
            with without_interrupts():
                context.Process(target=_send, args=(sender, work, share), daemon=True).start()
    except OSError:
        return None
    finally:
        sender.close()
    return receiver


def _send(sender: Connection, work: Work[T], share: Bounds) -> None:
    # Compute all results before the first is sent: a pipe's buffer is small, and the receiver is still working.
    with suppress(Exception):
        for result in [work(first, end) for first, end in share]:
            sender.send(result)


def _receive(connection: Connection | None, work: Work[T], share: Bounds) -> list[T]:
    """Receive the results of a share; compute here those that do not arrive."""
    results: list[T] = []
    if connection is not None:
        try:
            results += [connection.recv() for _ in share]
        except (EOFError, OSError):
            # The process was killed, for example for lack of memory, or `work` raised an error.
            pass
        finally:
            connection.close()
    return [*results, *(work(first, end) for first, end in share[len(results) :])]
