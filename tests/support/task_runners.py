"""Runners of tasks that fail."""

from __future__ import annotations

from collections.abc import Iterator

from anomalake.tasks import Task, TaskError


class Unlucky:
    """Ends with an error after `left` more tasks."""

    def __init__(self, left: int) -> None:
        self.left = left

    def run(self, task: Task, n_tasks: int) -> Iterator[tuple[int, bytes]]:
        for number in range(n_tasks):
            if not self.left:
                raise TaskError("Spark: the driver is gone")
            self.left -= 1
            yield number, task(number)
