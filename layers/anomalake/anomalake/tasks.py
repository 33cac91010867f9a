"""The port to what runs tasks: this process, or a cluster such as Apache Spark (docs/adr/0016)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from anomalake.errors import AnomalakeError

#: Work that is numbered from 0 on. It can be pickled, and may run several times and on any machine: it writes the same
#: objects under the same keys each time. What it returns is small.
Task = Callable[[int], bytes]


class TaskError(AnomalakeError):
    """Tasks failed although they were tried again; the call may be repeated."""


class TaskRunner(Protocol):
    """Runs tasks, each at least once."""

    def run(self, task: Task, n_tasks: int) -> Iterator[tuple[int, bytes]]:
        """Yield the number and the result of each task below `n_tasks` once, in any order; raises `TaskError`."""
        ...


class InProcess:
    """`TaskRunner` that runs one task after another in this process."""

    def run(self, task: Task, n_tasks: int) -> Iterator[tuple[int, bytes]]:
        """Run the tasks in order; an error of a task is raised as it is."""
        for number in range(n_tasks):
            yield number, task(number)
