"""Engines: where the work of a command is done, in this process or on Apache Spark (docs/adr/0016)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from anomalake.errors import AnomalakeError
from anomalake.storage.objects import open_store
from anomalake.storage.store import ObjectStore
from anomalake.tasks import TaskRunner

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EngineName = Literal["process", "spark"]


class EngineError(AnomalakeError, ValueError):
    """An engine that does not exist, or that cannot reach what it needs."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that runs tasks.

    Attributes
    ----------
    runner
        Runs the tasks.
    is_local
        Whether all tasks run on this machine.
    """

    runner: TaskRunner
    is_local: bool = True

    def check_reachable(self, uri: str, what: str) -> None:
        """Check that tasks on other machines can reach a folder; raises `EngineError`."""
        if not self.is_local and not uri.startswith("s3://"):
            raise EngineError(
                f"{what} {uri!r}: machines of a cluster cannot reach a folder; expected s3://BUCKET/PREFIX"
            )

    def reaches(self, places: Iterable[str]) -> bool:
        """Whether tasks on other machines can reach all of some places."""
        return self.is_local or all(place.startswith("s3://") for place in places)

    @contextmanager
    def work_store(self, lake: str | None) -> Iterator[partial[ObjectStore]]:
        """Yield what opens the store that tasks exchange objects through: the lake's, or a temporary folder.

        Raises
        ------
        EngineError
            Tasks on other machines cannot reach it.
        """
        if lake is not None:
            self.check_reachable(lake, "lake")
            yield partial(open_store, lake)
            return
        if not self.is_local:
            raise EngineError(
                "no lake: tasks of a cluster exchange blocks through one; expected --lake s3://BUCKET/PREFIX"
            )
        with TemporaryDirectory(prefix="anomalake-") as folder:
            yield partial(open_store, folder)


def engine_of(name: str, session: SparkSession | None = None) -> Engine | None:
    """Return an engine by its name; None for ``process``, this process and those that it forks.

    Parameters
    ----------
    session
        For ``spark``. Default: the active session, or a new one.

    Raises
    ------
    EngineError
        There is no such engine.
    MissingExtraError
        pyspark is not installed.
    """
    if name == "process":
        if session is not None:
            raise EngineError("engine 'process' uses no Spark session; expected engine 'spark'")
        return None
    if name != "spark":
        raise EngineError(f"engine {name!r}: expected process or spark")
    from anomalake.spark.runner import SparkRunner

    runner = SparkRunner(session)
    return Engine(runner, runner.is_local)
