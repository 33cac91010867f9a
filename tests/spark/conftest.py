"""A local Spark session with two cores, and a detector whose series make two blocks."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from anomalake.records.keys import parse_stamp
from anomalake.records.models import ModelStore, history_to_bytes
from anomalake.services.engines import Engine
from anomalake.services.times import Span
from anomalake.storage.objects import open_store
from tests.support.lakes import content

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[2]
#: Series of the detector: a block of 2,048, and a smaller one.
SERIES = 2_100
#: First of its days.
FIRST = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 40
#: Days with an anomaly, of every 100th series.
UNUSUAL_DAYS = (33, 34, 38)

DETECTOR = """
AnomalyDetectorName: shop
AnomalyDetectorConfig:
  AnomalyDetectorFrequency: P1D
MetricSet:
  MetricSetName: shop
  MetricSetFrequency: P1D
  Offset: 0
  TimestampColumn: {ColumnName: timestamp, ColumnFormat: yyyy-MM-dd}
  DimensionList: [page]
  MetricList: [{MetricName: views, AggregationFunction: SUM}]
  MetricSource:
    S3SourceConfig:
      HistoricalDataPathList: [data]
      FileFormatDescriptor: {CsvFormatDescriptor: {ContainsHeader: true}}
"""


#: Two days with an anomaly, and a Monday, whose model is fitted to the history of the one before and these days.
SPAN = Span(first=FIRST + timedelta(days=UNUSUAL_DAYS[0]), last=FIRST + timedelta(days=UNUSUAL_DAYS[1] + 1))

#: Tasks of the backtest, of the fit and its history, of the interval, and of the rebuild.
KINDS = frozenset(
    {
        "distributed_reading.ReadTask", "distributed_reading.DivideTask", "distributed_reading.GivenTask",
        "distributed_backtest.JudgeTask", "distributed_backtest.TotalsTask", "distributed_backtest.IntervalsTask",
        "distributed_history.IntervalsTask", "distributed_history.JoinTask",
        "distributed_history.SinceTask", "distributed_history.StoreTask",
        "blocked_engine.FitTask", "blocked_engine.JudgeTask", "bulk.ChunkTask",
    }
)  # fmt: skip
#: Those in which each victim is killed; an executor or a driver takes long to start.
KILLED_IN = {
    "worker": KINDS,
    "executor": {"distributed_reading.GivenTask", "distributed_backtest.JudgeTask", "distributed_history.JoinTask",
                 "blocked_engine.JudgeTask", "bulk.ChunkTask"},
    "driver": {"distributed_reading.GivenTask", "distributed_backtest.JudgeTask", "distributed_history.StoreTask",
               "blocked_engine.FitTask", "blocked_engine.JudgeTask", "bulk.ChunkTask"},
}  # fmt: skip


def results(lake: Path) -> dict[str, bytes]:
    """Return what a lake has but models and states, which one has in blocks, and what depends on how often it ran.

    The latter is the work of a killed driver, and the columns, which opening a lake with alerts records. Of histories,
    which one has in blocks too, it has the values.
    """
    left_out = ("/models/", "/states/", "/histories/", "/work/", "columns/")
    found = {key: body for key, body in content(lake).items() if not any(part in key for part in left_out)}
    for path in lake.glob("detection/detector=*/version=*/histories/*.npz"):
        version, detector = path.parts[-3].partition("=")[2], path.parts[-4].partition("=")[2]
        models = ModelStore(open_store(str(lake)), detector, version)
        history = models.read_history(parse_stamp(path.stem))
        assert history is not None
        found[str(path.relative_to(lake))] = history_to_bytes(history)
    return found


def needs_spark() -> None:
    """Skip the test where Spark cannot run."""
    missing = [name for name in ("pyspark", "pandas") if not _is_installed(name)]
    if missing or shutil.which("java") is None:
        pytest.skip(f"{', '.join(missing) or 'java'} is not there; `make spark` runs these tests")


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    needs_spark()
    from pyspark.sql import SparkSession

    # Executors import the package, and the tests' own tasks.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "layers" / "anomalake")])
    os.environ["PYSPARK_PYTHON"] = sys.executable
    made = (
        SparkSession.builder.master("local[2,3]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
        .getOrCreate()
    )
    made.sparkContext.setLogLevel("OFF")
    yield made
    made.stop()


@pytest.fixture(scope="session")
def engine(session: SparkSession) -> Engine:
    from anomalake.spark.runner import SparkRunner

    runner = SparkRunner(session)
    return Engine(runner, runner.is_local)


@pytest.fixture(scope="session")
def detector_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "detector.yaml").write_text(DETECTOR)
    (folder / "data").mkdir()
    random = np.random.default_rng(11)
    values = np.round(random.normal(100, 5, (DAYS, SERIES)), 2)
    for day in UNUSUAL_DAYS:
        values[day, ::100] = 3.25
    for day in range(DAYS):
        stamp = (FIRST + timedelta(days=day)).date().isoformat()
        rows = [f"{stamp},page-{number:05d},{value}\n" for number, value in enumerate(values[day].tolist())]
        (folder / "data" / f"{stamp}.csv").write_text("timestamp,page,views\n" + "".join(rows))
    return folder / "detector.yaml"


def _is_installed(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None
