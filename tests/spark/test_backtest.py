"""`backtest --engine spark` gives the files of `backtest` in one process, byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import anomalake
from anomalake.records.work import WORK
from anomalake.services.backtests.backtest import backtest
from anomalake.services.engines import Engine
from anomalake.tasks import TaskError
from tests.spark.tasks import Failing, FailsOnce, Wrapped
from tests.support.lakes import content

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="module")
def in_process(detector_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], bytes]:
    folder = tmp_path_factory.mktemp("in-process")
    outcome = backtest(detector_file, lake=str(folder / "lake"), scores=folder / "scores.parquet")
    assert len(outcome.backtest.groups) > 1
    assert outcome.sent is not None
    assert outcome.sent.summary.loaded > 2
    return content(folder / "lake"), (folder / "scores.parquet").read_bytes()


def test_scores_and_lake_are_those_of_one_process(
    detector_file: Path, in_process: tuple[dict[str, bytes], bytes], session: SparkSession, tmp_path: Path
) -> None:
    outcome = anomalake.backtest(
        detector_file, lake=tmp_path / "lake", scores=tmp_path / "scores.parquet", engine="spark", spark=session
    )
    lake, scores = in_process
    assert outcome.scored is not None
    assert (tmp_path / "scores.parquet").read_bytes() == scores
    assert content(tmp_path / "lake") == lake


def test_a_task_that_fails_once_changes_nothing(
    detector_file: Path, in_process: tuple[dict[str, bytes], bytes], engine: Engine, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    unlucky = Engine(Wrapped(engine.runner, FailsOnce(str(marks), after=True)))
    backtest(detector_file, lake=str(tmp_path / "lake"), scores=tmp_path / "scores.parquet", engine=unlucky)
    of_files = ["ReadTask-0", "DivideTask-0"]
    of_blocks = [
        f"{kind}-{number}" for kind in ("GivenTask", "JudgeTask", "TotalsTask", "IntervalsTask") for number in (0, 1)
    ]
    assert {mark.name for mark in marks.iterdir()} == {*of_files, *of_blocks}
    lake, scores = in_process
    assert (tmp_path / "scores.parquet").read_bytes() == scores
    assert content(tmp_path / "lake") == lake


def test_a_task_that_always_fails_is_one_line_and_leaves_no_blocks(
    detector_file: Path, engine: Engine, tmp_path: Path
) -> None:
    with pytest.raises(TaskError) as caught:
        backtest(detector_file, lake=str(tmp_path / "lake"), engine=Engine(Wrapped(engine.runner, Failing())))
    assert str(caught.value) == "Spark: OSError: the disk is full; expected all tasks to end (1)"
    assert not [path for path in (tmp_path / "lake" / WORK).rglob("*") if path.is_file()]
