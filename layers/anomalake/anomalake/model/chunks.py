"""Work on many series in blocks of one fixed size, on all cores.

How the work is shared out changes no bit of a result. Which series are worked on together depends on their index and
on the number of intervals only, and BLAS has one thread in every process: it rounds otherwise for other shapes of its
arrays and for other numbers of threads.
"""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Final, TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")

Work = Callable[[int, int], T]
Bounds = Sequence[tuple[int, int]]

#: Series that are worked on together, in this process, in a forked one, and on any other machine.
BLOCK: Final = 1_024
# A block is halved until it has so many values, so that what is kept of it for the regression takes some 100 MB.
_VALUES = 3_000_000
_LEAST = 16
# Values from which a second process is worth its start.
_MANY = 4_000_000


def in_chunks(work: Work[T], n_series: int, n_times: int) -> list[T]:
    """Results of ``work(first, end)`` over consecutive parts of the series, in order.

    Many values are shared out among processes, a forked one for each other core: threads would wait for the
    interpreter's lock between two operations, which are short. What cannot be forked, or dies, is made up for here.
    """
    bounds = bounds_of(n_series, n_times)
    cores = min(_cores(), len(bounds)) if n_series * n_times >= _MANY else 1
    shares = [bounds[len(bounds) * core // cores : len(bounds) * (core + 1) // cores] for core in range(cores)]
    with threadpool_limits(1, "blas"):
        others = [(share, _forked(work, share)) for share in shares[1:]]
        found = [work(*one) for one in shares[0]]
        for share, connection in others:
            found += _received(connection, work, share)
    return found


def bounds_of(n_series: int, n_times: int) -> Bounds:
    """First and end of each part of the series: blocks, or equal parts of them where the intervals are many."""
    size = BLOCK
    while size > _LEAST and size * n_times > _VALUES:
        size //= 2
    return [(first, min(first + size, n_series)) for first in range(0, n_series, size)] or [(0, 0)]


def _cores() -> int:
    if "fork" not in multiprocessing.get_all_start_methods():
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _forked(work: Work[T], share: Bounds) -> Connection | None:
    """Where a process of its own tells what it found."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    try:
        with warnings.catch_warnings():
            # Python warns of forks beside threads, whose locks nobody would open; the work is NumPy's alone.
            warnings.simplefilter("ignore", DeprecationWarning)
            context.Process(target=_tell, args=(sender, work, share), daemon=True).start()
    except OSError:
        return None
    finally:
        sender.close()
    return receiver


def _tell(sender: Connection, work: Work[T], share: Bounds) -> None:
    # All first: a pipe holds little, and its reader is at work as well.
    with suppress(Exception):
        for found in [work(*one) for one in share]:
            sender.send(found)


def _received(connection: Connection | None, work: Work[T], share: Bounds) -> list[T]:
    found: list[T] = []
    if connection is not None:
        try:
            found += [connection.recv() for _ in share]
        except (EOFError, OSError):
            # It died, of memory or of what the work raises, which is raised again here.
            pass
        finally:
            connection.close()
    return [*found, *(work(*one) for one in share[len(found) :])]
