"""A detector's backtest, interval and rebuild on a cluster of two executors, of which processes are killed.

``python -m tests.spark.on_a_cluster DETECTOR FOLDER VICTIM``: victim is ``worker``, ``executor`` or ``driver``. The
lakes are below the folder, one for each kind of work; the one to rebuild is there already. A killed driver is to be run
again: each run goes on to the next kind of task.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pyspark.sql import SparkSession

from anomalake.definitions.detector_file import read_detector
from anomalake.services import maintenance
from anomalake.services.backtests.backtest import backtest
from anomalake.services.detect import detect
from anomalake.services.engines import Engine
from anomalake.spark.runner import SparkRunner
from anomalake.tasks import Task, TaskRunner
from tests.spark.conftest import KILLED_IN, SPAN
from tests.spark.tasks import KillsAtFirst, Wrapped


def main(arguments: Sequence[str]) -> None:
    """Do all three."""
    detector, folder, victim = Path(arguments[0]), Path(arguments[1]), arguments[2]
    marks = folder / f"marks-{victim}"
    marks.mkdir(exist_ok=True)
    session = (
        SparkSession.builder.master("local[1]" if victim == "driver" else "local-cluster[2,1,1024]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.executorEnv.PYTHONPATH", os.environ["PYTHONPATH"])
        .getOrCreate()
    )
    runner: TaskRunner = SparkRunner(session)
    around: Callable[[Task, int], bytes] = KillsAtFirst(str(marks), victim, os.getpid(), frozenset(KILLED_IN[victim]))
    engine = Engine(Wrapped(runner, around))
    backtest(detector, lake=str(folder / "backtest"), engine=engine)
    list(detect(read_detector(detector), str(folder / "detect"), SPAN, engine=engine))
    maintenance.rebuild(str(folder / "rebuild"), engine=engine)
    session.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
