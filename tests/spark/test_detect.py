"""`detect --engine spark` gives the results of one process, also where tasks and drivers are lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from anomalake.definitions.detector_file import read_detector
from anomalake.records.executions import SUCCEEDED
from anomalake.services.detect import detect
from anomalake.services.engines import Engine
from anomalake.services.times import Span
from tests.spark.conftest import FIRST, ROOT, SPAN, UNUSUAL_DAYS, results
from tests.spark.tasks import FailsOnce, Wrapped

# Its driver is killed in the first task that judges, when one block of the state is written.
KILLED = """
import os, sys
from pathlib import Path
from anomalake.definitions.detector_file import read_detector
from anomalake.detection.blocked_engine import JudgeTask
from anomalake.services.detect import detect
from anomalake.services.engines import Engine
from anomalake.services.times import Span
from tests.spark.tasks import KillsTheDriver, Wrapped
from tests.spark.conftest import SPAN
from anomalake.spark.runner import SparkRunner
from pyspark.sql import SparkSession

session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
runner = Wrapped(SparkRunner(session), KillsTheDriver(os.getpid(), JudgeTask))
list(detect(read_detector(Path(sys.argv[1])), sys.argv[2], SPAN, engine=Engine(runner)))
"""


@pytest.fixture(scope="module")
def in_process(detector_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    lake = tmp_path_factory.mktemp("in-process") / "lake"
    done = [interval.execution for interval in detect(read_detector(detector_file), str(lake), SPAN)]
    assert [one.status for one in done] == [SUCCEEDED] * 3
    assert sum(one.delivered for one in done) > 0
    return results(lake)


def test_results_are_those_of_one_process_after_a_killed_driver_and_failed_tasks(
    detector_file: Path, in_process: dict[str, bytes], engine: Engine, tmp_path: Path
) -> None:
    lake, marks = tmp_path / "lake", tmp_path / "marks"
    marks.mkdir()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(detector_file), str(lake)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "layers" / "anomalake")])},
        check=False,
        capture_output=True,
        timeout=300,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    states = [path for path in lake.rglob("*.npz") if "states" in path.parts]
    assert [path for path in states if "blocks" in path.parts]
    assert not [path for path in states if "blocks" not in path.parts]
    unlucky = Engine(Wrapped(engine.runner, FailsOnce(str(marks), after=True)))
    detector = read_detector(detector_file)
    done = [interval.execution for interval in detect(detector, str(lake), SPAN, engine=unlucky)]
    assert [(one.status, one.warnings) for one in done] == [(SUCCEEDED, ())] * 3
    assert {mark.name for mark in marks.iterdir()} >= {"JudgeTask-0", "JudgeTask-1"}
    assert results(lake) == in_process
    # The whole job again, of the last interval with alerts.
    list(detect(detector, str(lake), Span(at=FIRST + timedelta(days=UNUSUAL_DAYS[1])), engine=engine))
    assert results(lake) == in_process
