"""A process that does the server's long work, so that the server keeps answering."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Final

from anomalake.errors import AnomalakeError, one_line
from anomalake.processes import without_interrupts

#: Seconds after which a process that was asked to end is killed.
_GRACE: Final = 3.0


class WorkError(AnomalakeError):
    """The work has failed, with the message of its error, or its process has ended."""


class Worker:
    """One process, started with the first work and again after its end. It does one work at a time.

    It has a session of its own with the processes that it starts: Ctrl-C does not reach them, and all end together. It
    ends itself when the server has ended, however that was.
    """

    def __init__(self) -> None:
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    def run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Do some work, a function of a module with arguments that can be pickled; raises `WorkError`."""
        try:
            connection = self._started()
            connection.send((work, arguments))
            done, result = connection.recv()
        except (EOFError, OSError) as error:
            self._end()
            raise WorkError("the process that worked on it has ended") from error
        if not done:
            raise WorkError(str(result))
        return result

    def stop(self) -> None:
        """End the process, whatever it does; `run` raises `WorkError` from then on."""
        self._stopped.set()
        self._end()

    def _started(self) -> Connection:
        with self._lock:
            if self._stopped.is_set():
                raise WorkError("the server is ending")
            if self._connection is None:
                context = multiprocessing.get_context("spawn")
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs,), name="anomalake worker")
                with without_interrupts():
                    process.start()
                theirs.close()
                self._process, self._connection = process, ours
            return self._connection

    def _end(self) -> None:
        with self._lock:
            process, connection = self._process, self._connection
            self._process = self._connection = None
        if process is None or connection is None:
            return
        _signal_group(process, signal.SIGTERM)
        process.join(_GRACE)
        _signal_group(process, signal.SIGKILL)
        process.join(_GRACE)
        # Not before: the thread in `run` waits for it, and gets the end of the file.
        with suppress(OSError):
            connection.close()


def _signal_group(process: SpawnProcess, number: int) -> None:
    """Send a signal to a process and those that it has started."""
    if process.pid is None:
        return
    with suppress(ProcessLookupError, PermissionError):
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, number)
        elif process.is_alive():
            os.kill(process.pid, number)


def _serve(connection: Connection) -> None:
    """Do the work that arrives until the server ends."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, name="end with the server", daemon=True).start()
    while True:
        try:
            work, arguments = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = (True, work(*arguments))
        except Exception as error:  # the server reports it
            answer = (False, one_line(error))
        connection.send(answer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.killpg(0, signal.SIGKILL)
