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
        mark = Path(self.marks, str(number))
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
