"""A history that tasks read: the values, the report and the errors of one process."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomalake.definitions.detector import Detector
from anomalake.definitions.detector_file import read_detector
from anomalake.detection import backtest as detection
from anomalake.detection import distributed_reading
from anomalake.detection.arrow_blocks import batch_of_bytes, values_of_batch
from anomalake.detection.backtest import BacktestError
from anomalake.detection.distributed_reading import GivenHistory, SourceWork, can_read_by_tasks, read_distributed
from anomalake.detection.work_history import GIVEN
from anomalake.local.source_files import FolderOrS3Files
from anomalake.model import blocks
from anomalake.model.metrics import Metrics
from anomalake.records.data_quality import backtest_quality_of
from anomalake.records.work import WorkFolder
from anomalake.services.backtests.backtest import backtest
from anomalake.services.engines import Engine
from anomalake.sources import aggregation
from anomalake.sources.reading import NoDataError, read_history
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore
from anomalake.tasks import Task
from tests.support.lakes import content

DETECTOR: dict[str, Any] = {
    "AnomalyDetectorName": "shop",
    "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": "P1D"},
    "MetricSet": {
        "MetricSetName": "shop",
        "MetricSetFrequency": "P1D",
        "Timezone": "Europe/Berlin",
        "TimestampColumn": {"ColumnName": "time", "ColumnFormat": "yyyy-MM-dd HH:mm:ss"},
        "DimensionList": ["page", "country"],
        "MetricList": [
            {"MetricName": "views", "AggregationFunction": "SUM"},
            {"MetricName": "seconds", "AggregationFunction": "AVG"},
        ],
        "MetricSource": {
            "S3SourceConfig": {
                "HistoricalDataPathList": ["data"],
                "TemplatedPathList": ["live/{{yyyy-MM-dd}}"],
                "FileFormatDescriptor": {"CsvFormatDescriptor": {"ContainsHeader": True}},
            }
        },
    },
}
DAYS = [f"2026-0{month}-{day:02d}" for month in (2, 3) for day in range(1, 29)]
#: The days before this one are in files of the history, each row in any of them; the others are in folders of days.
LIVE = 50


def write(folder: Path, detector: dict[str, Any] = DETECTOR) -> Detector:
    """Write a source whose rows of an interval are in several files, with all that a report tells of."""
    made = random.Random(3)
    (folder / "data").mkdir()
    files: list[list[str]] = [[] for _ in range(5)]
    for at, day in enumerate(DAYS):
        for page in range(40):
            for country in ("de", "fr", ""):
                for _ in range(made.randint(0, 3)):
                    amount = 3 if at > 50 and page == 7 else made.uniform(90, 110)
                    text = made.choice(["", f"{made.uniform(1, 9):.3f}"])
                    row = f"{day} {made.randint(3, 23):02d}:00:00,p{page:02d},{country},{amount:.4f},{text}"
                    copies = 2 if made.random() < 0.02 else 1
                    if at < LIVE:
                        files[made.randrange(5)] += [row] * copies
                    else:
                        (folder / "live" / day).mkdir(parents=True, exist_ok=True)
                        live = folder / "live" / day / f"{made.randrange(2)}.csv"
                        before = live.read_text() if live.exists() else "time,page,country,views,seconds\n"
                        live.write_text(before + row + "\n")
    files[1] += ["2026-02-03 04:00:00,p01,de,many,1", "later,p01,de,1,1", "2026-03-29 02:30:00,p01,de,1,1"]
    files[3] += ["2026-02-05 04:00:00,p39,fr,9e17,1"] * 2
    files[4] += ["2026-02-06 04:00:00,p39,de,€ 3,1", "2026-02-06 04:00:00,p39,de,-9e17,1"]
    for number, rows in enumerate(files):
        lines = "\n".join(["time,page,country,views,seconds", *rows])
        (folder / "data" / f"{number}.csv").write_text(lines + "\n")
    (folder / "detector.json").write_text(json.dumps(detector))
    return read_detector(folder / "detector.json")


class Pickled:
    """Runs tasks in this process, as they come out of a pickle; each twice, the last first."""

    def run(self, task: Task, n_tasks: int) -> Iterator[tuple[int, bytes]]:
        for number in reversed(range(n_tasks)):
            pickle.loads(pickle.dumps(task))(number)
            yield number, pickle.loads(pickle.dumps(task))(number)


STORE = memory_store()


def shared_store() -> ObjectStore:
    return STORE


def by_tasks(detector: Detector) -> tuple[GivenHistory, Metrics]:
    """Read by tasks; return the history, and its metrics with their values."""
    work = SourceWork(shared_store, "work", FolderOrS3Files, detector.metric_set, b"key")
    with ExitStack() as until_read:
        until_read.callback(WorkFolder(STORE, "work").delete)
        given = read_distributed(detector, work, Pickled())
        bounds = distributed_reading.divided(given.metrics.n_metrics, distributed_reading.BLOCK)
        bodies = [WorkFolder(STORE, "work").get(GIVEN, number) for number in range(len(bounds))]
    values = np.concatenate([values_of_batch(batch_of_bytes(body)) for body in bodies])
    names = ("frequency", "timezone", "starts", "measures", "dimension_names", "combinations")
    shape = given.metrics.values.shape
    return given, Metrics(*(getattr(given.metrics, name) for name in names), values.reshape(shape))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make many tasks, runs and blocks of little data, of which some have series of two measures."""
    monkeypatch.setattr(distributed_reading, "TASK_BYTES", 60_000)
    monkeypatch.setattr(distributed_reading, "_RUN_SUMS", 1_500)
    for module in (blocks, detection, distributed_reading):
        monkeypatch.setattr(module, "BLOCK", 50)


@pytest.mark.usefixtures("small")
def test_values_and_report_are_those_of_one_process(tmp_path: Path) -> None:
    detector = write(tmp_path)
    expected, report = read_history(detector, FolderOrS3Files())
    given, metrics = by_tasks(detector)
    assert metrics.values.tobytes() == expected.values.tobytes()
    for name in ("frequency", "timezone", "measures", "dimension_names", "combinations"):
        assert getattr(metrics, name) == getattr(expected, name)
    assert metrics.starts.tolist() == expected.starts.tolist()
    assert given.report == report
    assert (report.bad, report.duplicates > 20) == (3, True)
    problems = "\n".join(report.problems)
    for what in ("its clocks skip it", "'many'", "repeat", "are left out of", "not below 1e18 in size"):
        assert what in problems
    assert given.metrics.has_value.tolist() == expected.has_value.tolist()
    quality = backtest_quality_of(report, expected, 30)
    assert backtest_quality_of(given.report, given.metrics, 30) == quality
    assert given.is_enough


@pytest.mark.usefixtures("small")
def test_a_metric_set_without_dimensions_is_read(tmp_path: Path) -> None:
    detector = write(tmp_path, {**DETECTOR, "MetricSet": {**DETECTOR["MetricSet"], "DimensionList": []}})
    expected, report = read_history(detector, FolderOrS3Files())
    given, metrics = by_tasks(detector)
    assert metrics.values.tobytes() == expected.values.tobytes()
    assert (metrics.combinations, given.report) == (((),), report)


@pytest.mark.usefixtures("small")
def test_the_first_rows_are_compared_with_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = write(tmp_path)
    _, whole = read_history(detector, FolderOrS3Files())
    monkeypatch.setattr(aggregation, "_HASHED_ROWS", 3_000)
    _, report = read_history(detector, FolderOrS3Files())
    given, _ = by_tasks(detector)
    assert given.report == report
    assert 0 < report.duplicates < whole.duplicates


@pytest.mark.usefixtures("small")
def test_a_backtest_is_that_of_one_process(tmp_path: Path) -> None:
    write(tmp_path)
    lines = [f"{day} 00:00:00,p07,1" for day in DAYS[51:]]
    (tmp_path / "labels.csv").write_text("\n".join(["time,page,is_anomaly", *lines]))

    def run(name: str, engine: Engine | None) -> tuple[object, ...]:
        outcome = backtest(
            tmp_path / "detector.json",
            lake=str(tmp_path / name),
            labels=tmp_path / "labels.csv",
            scores=tmp_path / f"{name}.parquet",
            engine=engine,
        )
        tested = outcome.backtest
        return (
            outcome.read, outcome.evaluated, outcome.scored, tested.groups, tested.n_points, tested.points_by_measure(),
            content(tmp_path / name), (tmp_path / f"{name}.parquet").read_bytes(),
        )  # fmt: skip

    of_process, of_tasks = run("process", None), run("tasks", Engine(Pickled()))
    assert of_tasks == of_process
    assert len(of_process[3]) > 0  # type: ignore[arg-type]


@pytest.mark.usefixtures("small")
def test_errors_are_those_of_one_process(tmp_path: Path) -> None:
    detector = write(tmp_path)
    for file in [*(tmp_path / "data").iterdir(), *(tmp_path / "live").rglob("*.csv")]:
        file.write_text("time,page,country,views,seconds\n2026-02-03 04:00:00,p01,de,1,1\n")

    def error(engine: Engine | None) -> str:
        with pytest.raises((BacktestError, NoDataError)) as caught:
            backtest(detector, engine=engine)
        return f"{type(caught.value)} {caught.value}"

    assert "Insufficient amount of data" in error(None)
    assert error(Engine(Pickled())) == error(None)
    for file in (tmp_path / "data").iterdir():
        file.write_text("time,page,country,views,seconds\n")
    for file in (tmp_path / "live").rglob("*.csv"):
        file.unlink()
    assert "No datapoint was found" in error(None)
    assert error(Engine(Pickled())) == error(None)


def test_what_tasks_on_other_machines_cannot_reach_is_not_read_by_them() -> None:
    assert Engine(Pickled()).reaches(["/data", "s3://shop/data"])
    cluster = Engine(Pickled(), is_local=False)
    assert cluster.reaches(["s3://shop/data", "s3://shop/live/{{yyyyMMdd}}"])
    assert not cluster.reaches(["/data", "s3://shop/data"])


def test_what_combines_series_is_not_read_by_tasks(tmp_path: Path) -> None:
    detector = write(tmp_path)
    assert can_read_by_tasks(detector)
    assert not can_read_by_tasks(replace(detector, metric_set=replace(detector.metric_set, roll_ups=True)))
    measures = tuple(replace(measure, missing_data="zero") for measure in detector.metric_set.metric_list)
    assert not can_read_by_tasks(replace(detector, metric_set=replace(detector.metric_set, metric_list=measures)))
