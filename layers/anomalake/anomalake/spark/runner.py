"""Tasks on a Spark session."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from anomalake.errors import require
from anomalake.model.blocks import one_process
from anomalake.tasks import Task, TaskError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SCHEMA: Final = pa.schema([pa.field("number", pa.int64()), pa.field("result", pa.binary())])
# Most characters of an error of Spark in a message.
_LONGEST_ERROR: Final = 500


class SparkRunner:
    """`TaskRunner` with one Spark task for each task.

    Spark tries a task that fails again (``spark.task.maxFailures``), and runs those of lost executors elsewhere.

    Parameters
    ----------
    session
        Default: the active session; if there is none, one is made with Spark's own settings.
    variables
        Environment variables of the tasks.
    """

    def __init__(self, session: SparkSession | None = None, variables: Mapping[str, str] | None = None) -> None:
        self._session = session if session is not None else _active_session()
        self._variables = dict(variables or {})

    @property
    def is_local(self) -> bool:
        """Whether all tasks run on this machine."""
        return str(self._session.conf.get("spark.master", "")).startswith("local")

    def run(self, task: Task, n_tasks: int) -> Iterator[tuple[int, bytes]]:
        """Run the tasks in one Spark job; raises `TaskError`."""
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        if not n_tasks:
            return
        numbers = self._session.range(0, n_tasks, 1, n_tasks)
        try:
            rows = numbers.mapInArrow(partial(_run, task, self._variables), "number long, result binary").collect()
        except (PySparkException, Py4JError) as error:
            raise TaskError(f"Spark: {_reason(error)}; expected all tasks to end ({n_tasks:,})") from error
        for row in rows:
            yield int(row.number), bytes(row.result)


def _run(task: Task, variables: dict[str, str], batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Run the tasks whose numbers are in some batches, in an executor."""
    os.environ.update(variables)
    # Spark runs as many tasks as there are cores.
    with one_process():
        for batch in batches:
            numbers = batch.column(0).to_pylist()
            yield pa.RecordBatch.from_arrays(
                [pa.array(numbers, pa.int64()), pa.array([task(number) for number in numbers], pa.binary())],
                schema=_SCHEMA,
            )


def _active_session() -> SparkSession:
    require("pyspark", "pandas", extra="spark")
    from pyspark.sql import SparkSession

    builder: Any = SparkSession.builder
    if SparkSession.getActiveSession() is None:
        # A local session runs the Python that is on the PATH, unless an option names another one.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        # The command has a progress bar of its own.
        builder = builder.appName("anomalake").config("spark.ui.showConsoleProgress", "false")
    session: SparkSession = builder.getOrCreate()
    return session


def _reason(error: Exception) -> str:
    """Return the lines of an error that tell what failed: the Python error in a task, or the first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    ends = [at for at, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if ends:
        # The error's own line is the first one below its traceback that is not of Java and not of a frame.
        below = lines[ends[0] + 1 :]
        named = next((line for line in below if not line.startswith(("File ", "at ", "^")) and ": " in line), None)
        if named is not None:
            return named[:_LONGEST_ERROR]
    return lines[0][:_LONGEST_ERROR] if lines else type(error).__name__
