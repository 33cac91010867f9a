"""On a cluster whose processes are killed in the middle of tasks, results are those of one process, bit for bit."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import anomalake
from anomalake.definitions.detector_file import read_detector
from anomalake.services.backtests.backtest import backtest
from anomalake.services.detect import detect
from tests.spark.conftest import KILLED_IN, ROOT, SPAN, needs_spark, results
from tests.support.lakes import content

ROWS = "SELECT * FROM metric_values ORDER BY alert_event_id, timestamp, time_series_id"


@pytest.fixture(scope="module")
def one_process(detector_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the lakes that one process makes."""
    needs_spark()
    folder = tmp_path_factory.mktemp("one-process")
    backtest(detector_file, lake=str(folder / "backtest"))
    list(detect(read_detector(detector_file), str(folder / "detect"), SPAN))
    return folder


@pytest.fixture
def folder(one_process: Path, tmp_path: Path) -> Path:
    """Return a folder with a lake whose tables are lost."""
    shutil.copytree(one_process / "backtest", tmp_path / "rebuild")
    shutil.rmtree(tmp_path / "rebuild" / "tables")
    return tmp_path


def run(detector: Path, folder: Path, victim: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "tests.spark.on_a_cluster", str(detector), str(folder), victim],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "layers" / "anomalake")]),
            "PYSPARK_PYTHON": sys.executable,
        },
        check=False,
        capture_output=True,
        timeout=500,
    )


def check(folder: Path, one_process: Path) -> None:
    assert results(folder / "backtest") == results(one_process / "backtest")
    assert results(folder / "detect") == results(one_process / "detect")
    before, after = (
        anomalake.open_lake(lake).query_rows(ROWS) for lake in (one_process / "backtest", folder / "rebuild")
    )
    assert after == before
    assert before


@pytest.mark.parametrize("victim", ["worker", "executor"])
def test_a_lost_process_of_an_executor_changes_nothing(
    detector_file: Path, one_process: Path, folder: Path, victim: str
) -> None:
    done = run(detector_file, folder, victim)
    assert done.returncode == 0, done.stderr[-3000:]
    killed = {mark.name for mark in (folder / f"marks-{victim}").iterdir()}
    assert killed == {f"{kind}-0" for kind in KILLED_IN[victim]}
    assert content(folder / "backtest") == content(one_process / "backtest")
    check(folder, one_process)


def test_a_driver_that_is_killed_in_tasks_and_run_again_changes_nothing(
    detector_file: Path, one_process: Path, folder: Path
) -> None:
    kinds = KILLED_IN["driver"]
    exits: list[int] = []
    while len(exits) <= len(kinds) and (not exits or exits[-1] == -signal.SIGKILL):
        done = run(detector_file, folder, "driver")
        exits.append(done.returncode)
    assert exits == [-signal.SIGKILL] * len(kinds) + [0], done.stderr[-3000:]
    check(folder, one_process)
