"""Tasks that fail, and a runner that runs them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from anomalake.tasks import Task, TaskRunner


@dataclass(frozen=True)
class Wrapped:
    """Runs other tasks in place of those that it is given."""

    runner: TaskRunner
    around: Callable[[Task, int], bytes]

    def run(self, task: Task, n_tasks: int) -> Iterator[tuple[int, bytes]]:
        return self.runner.run(partial(self.around, task), n_tasks)


@dataclass(frozen=True)
class FailsOnce:
    """Fails at the first try of each task, before or after its work is done."""

    marks: str
    after: bool = False

    def __call__(self, task: Task, number: int) -> bytes:
        mark = Path(self.marks, f"{type(task).__name__}-{number}")
        is_first = not mark.exists()
        mark.touch()
        if is_first and not self.after:
            raise OSError("the executor was lost")
        done = task(number)
        if is_first:
            raise OSError("the executor was lost")
        return done


@dataclass(frozen=True)
class Failing:
    """Always fails."""

    def __call__(self, task: Task, number: int) -> bytes:
        raise OSError("the disk is full")


@dataclass(frozen=True)
class KillsTheDriver:
    """Does the first task of a kind, and then ends the driver's process."""

    driver: int
    kind: type

    def __call__(self, task: Task, number: int) -> bytes:
        done = task(number)
        if isinstance(task, self.kind):
            os.kill(self.driver, signal.SIGKILL)
        return done


@dataclass(frozen=True)
class KillsAtFirst:
    """Kills a process in the middle of the first try of each task: its block is written, its result is not returned.

    Attributes
    ----------
    marks
        Folder; a mark names each task whose first try has begun.
    victim
        ``worker``, the Python process that runs the task; ``executor``, the JVM that it belongs to; or ``driver``.
    driver
        Process of the driver.
    kinds
        Tasks whose first try is killed, as ``module.class``.
    most
        Most tasks of a kind whose first try is killed: Spark gives a stage up after some lost executors.
    """

    marks: str
    victim: str
    driver: int
    kinds: frozenset[str]
    most: int = 1

    def __call__(self, task: Task, number: int) -> bytes:
        kind = f"{type(task).__module__.rpartition('.')[2]}.{type(task).__name__}"
        mark = Path(self.marks, f"{kind}-{number}")
        is_first = kind in self.kinds and number < self.most and not mark.exists()
        if is_first:
            mark.touch()
        done = task(number)
        if is_first:
            # The JVM started the daemon that this process was forked from.
            victims = {"worker": os.getpid, "executor": lambda: parent_of(os.getppid()), "driver": lambda: self.driver}
            os.kill(victims[self.victim](), signal.SIGKILL)
            signal.pause()
        return done


def parent_of(process: int) -> int:
    """Return the id of a process's parent."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
