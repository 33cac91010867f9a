"""Ctrl-C: the command cleans up, prints one line and ends with exit code 130.

Python raises `KeyboardInterrupt` between two of its own instructions only. A call of obstore, DuckDB or NumPy can last
for minutes, therefore a thread ends the process if it still runs after a grace period, or at a second Ctrl-C.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from types import FrameType
from typing import Final, NoReturn

#: Exit code of a command that Ctrl-C has ended, as of shells: 128 and the number of the signal.
INTERRUPTED: Final = 130
#: Seconds for cleaning up.
GRACE: Final = 3.0

_interrupted = threading.Event()
_ended = threading.Lock()


def watch() -> None:
    """Make Ctrl-C end this process, unless it is ignored, as in the background of a script."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    signal.signal(signal.SIGINT, _interrupt)
    signals, sender = os.pipe()
    os.set_blocking(sender, False)
    signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
    threading.Thread(target=_insist, args=(signals,), name="interruption", daemon=True).start()


def interrupted() -> bool:
    """Whether Ctrl-C was pressed. Libraries turn `KeyboardInterrupt` into errors of their own."""
    return _interrupted.is_set()


def release() -> None:
    """Watch no longer: a server ends by itself, and Ctrl-C is its usual end."""
    if signal.getsignal(signal.SIGINT) is _interrupt:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def end() -> NoReturn:
    """End the command after its cleaning up."""
    _say()
    sys.exit(INTERRUPTED)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # A second one does not disturb the cleaning up; the thread ends the process.
    if not _interrupted.is_set():
        _interrupted.set()
        raise KeyboardInterrupt


def _insist(signals: int) -> None:
    while os.read(signals, 1) != bytes([signal.SIGINT]):
        pass
    select.select([signals], [], [], GRACE)
    if "multiprocessing" in sys.modules:
        import multiprocessing

        for process in multiprocessing.active_children():
            process.terminate()
    _say()
    os._exit(INTERRUPTED)


def _say() -> None:
    if _ended.acquire(blocking=False):
        # The cursor of a terminal is behind its ^C.
        os.write(2, ("\n" if os.isatty(2) else "").encode() + b"anomalake: interrupted\n")
