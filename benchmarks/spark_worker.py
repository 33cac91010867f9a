"""A backtest, its reading, a fit, a live interval or a rebuild, in this process or on a local Spark session.

``python -m benchmarks.spark_worker (backtest|read|fit|interval) (process|spark) SERIES INTERVALS`` or ``… rebuild …
LAKE`` prints seconds, seconds of CPU (the JVM and Python workers too), the number of anomalies and groups, of values or
of rows, a digest of the results, and the peak memory of this process in megabytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import duckdb
import numpy as np

from anomalake.definitions.detector import Detector
from anomalake.definitions.detector_file import read_detector
from anomalake.definitions.settings import NO_SETTINGS
from anomalake.detection.arrow_blocks import batch_of_bytes, values_of_batch
from anomalake.detection.backtest import group_backtest, judge_series, judged_arrays, prepare_backtest
from anomalake.detection.blocked_engine import BlockedEngine, LakeBlocks
from anomalake.detection.distributed_backtest import judge_distributed
from anomalake.detection.distributed_history import DistributedHistories
from anomalake.detection.distributed_reading import SourceWork, read_distributed
from anomalake.detection.engine import NumpyModelEngine
from anomalake.detection.learning import Histories, JoinedHistories
from anomalake.detection.live_models import ActiveModel, LiveModels
from anomalake.detection.source import SourceReader
from anomalake.detection.work_history import GIVEN
from anomalake.groups.judged_series import JudgedArrays, JudgedSeries
from anomalake.local.source_files import FolderOrS3Files
from anomalake.model.blocks import BLOCK, divided
from anomalake.model.metrics import Metrics, between
from anomalake.records.intervals import IntervalStore
from anomalake.records.models import ModelStore, state_from_bytes, state_to_bytes
from anomalake.records.versions import version_of
from anomalake.records.work import WorkFolder
from anomalake.services import maintenance
from anomalake.services.engines import Engine
from anomalake.sources.reading import read_history, read_interval
from anomalake.spark.runner import SparkRunner
from anomalake.storage.objects import open_store
from anomalake.tasks import TaskRunner

# Columns of /proc/PID/stat after the name: parent, and CPU of the process and of its children that ended.
_PARENT, _CPU = 1, slice(11, 15)
_HOLIDAYS: tuple[date, ...] = ()
# A Monday.
_FIRST = np.datetime64("2026-01-05T00:00:00", "s")
_ARN = "arn:aws:lookoutmetrics:us-east-1:000000000000:AnomalyDetector:shop"
_DETECTOR = {
    "AnomalyDetectorName": "shop",
    "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": "PT1H"},
    "MetricSet": {
        "MetricSetName": "shop",
        "MetricSetFrequency": "PT1H",
        "TimestampColumn": {"ColumnName": "timestamp", "ColumnFormat": "yyyy-MM-dd HH:mm:ss"},
        "DimensionList": ["page"],
        "MetricList": [{"MetricName": "views", "AggregationFunction": "SUM"}],
        "MetricSource": {
            "S3SourceConfig": {
                "HistoricalDataPathList": ["data"],
                "FileFormatDescriptor": {"CsvFormatDescriptor": {"ContainsHeader": True}},
            }
        },
    },
}

#: Does what is measured; returns the judged points, and the number of groups.
Measured = Callable[[], tuple[JudgedSeries, int]]


def main(arguments: Sequence[str]) -> None:
    """Run one measurement."""
    work, engine = arguments[:2]
    runner = local_session() if engine == "spark" else None
    if work == "rebuild":
        start, cpu = time.perf_counter(), cpu_seconds()
        maintenance.rebuild(arguments[2], workers=2, engine=Engine(runner) if runner is not None else None)
        report(time.perf_counter() - start, cpu_seconds() - cpu, *rows(arguments[2]))
        return
    if work in ("read", "fit"):
        {"read": read, "fit": fit}[work](int(arguments[2]), int(arguments[3]), runner)
        return
    metrics = made(int(arguments[2]), int(arguments[3]))
    measured = {"backtest": backtest, "interval": interval}[work]
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory(prefix="anomalake-benchmark-") as folder, ExitStack() as until_read:
        run = measured(metrics, runner, folder, until_read)
        start, cpu = time.perf_counter(), cpu_seconds()
        judged, n_groups = run()
        seconds, cpu = time.perf_counter() - start, cpu_seconds() - cpu
        n_anomalies = len(judged.reduction.points.row)
        for begin in range(0, metrics.n_metrics, BLOCK):
            _, judgement = judged.rows(begin, min(begin + BLOCK, metrics.n_metrics))
            for name in ("expected", "lower", "upper", "severity"):
                digest.update(np.ascontiguousarray(getattr(judgement, name)))
    report(seconds, cpu, n_anomalies + n_groups, digest.hexdigest()[:16])


def read(n_series: int, n_times: int, runner: TaskRunner | None) -> None:
    """Measure the reading of a history from daily files of CSV; report the number of values and their digest."""
    with tempfile.TemporaryDirectory(prefix="anomalake-benchmark-") as folder:
        detector = source(Path(folder, "source"), n_series, n_times)
        files = FolderOrS3Files()
        start, cpu = time.perf_counter(), cpu_seconds()
        if runner is None:
            metrics, _ = read_history(detector, files)
            seconds, cpu = time.perf_counter() - start, cpu_seconds() - cpu
            blocks = iter([metrics.flat])
        else:
            open_work = partial(open_store, folder)
            given = read_distributed(
                detector, SourceWork(open_work, "work", FolderOrS3Files, detector.metric_set, b"key"), runner
            )
            seconds, cpu = time.perf_counter() - start, cpu_seconds() - cpu
            work = WorkFolder(open_work(), "work")
            n_blocks = len(divided(given.metrics.n_metrics, BLOCK))
            blocks = (values_of_batch(batch_of_bytes(work.get(GIVEN, number))) for number in range(n_blocks))
        digest, n_values = hashlib.sha256(), 0
        for values in blocks:
            digest.update(np.ascontiguousarray(values))
            n_values += int(np.count_nonzero(~np.isnan(values)))
    report(seconds, cpu, n_values, digest.hexdigest()[:16])


def fit(n_series: int, n_times: int, runner: TaskRunner | None) -> None:
    """Measure the first fit of a live detector, from daily files of CSV to the stored history and model.

    Report the number of values, and a digest of the judgement of the interval after them.
    """
    with tempfile.TemporaryDirectory(prefix="anomalake-benchmark-") as folder:
        detector = source(Path(folder, "source"), n_series, n_times + 1)
        lake = partial(open_store, folder)
        blocks = LakeBlocks(lake, detector.name, version_of(detector.metric_set))
        intervals = IntervalStore(lake(), detector.name, blocks.version)
        models = ModelStore(lake(), detector.name, blocks.version)
        files = FolderOrS3Files
        histories: Histories = (
            JoinedHistories(detector, intervals, models, SourceReader(detector, files()))
            if runner is None
            else DistributedHistories(detector, intervals, models, blocks, runner, files)
        )
        engine = NumpyModelEngine() if runner is None else BlockedEngine(blocks, runner)
        after = _FIRST + n_times * np.timedelta64(3600, "s")
        start, cpu = time.perf_counter(), cpu_seconds()
        live = LiveModels(detector, intervals, models, histories, engine)
        active = live.model_for(_instant(after), [])
        seconds, cpu = time.perf_counter() - start, cpu_seconds() - cpu
        peak = peak_megabytes()
        assert isinstance(active, ActiveModel), active
        history = models.read_history(active.start)
        assert history is not None
        last, _ = read_interval(detector, files(), _instant(after))
        judgement, _ = engine.judge(active.fitted.model, active.fitted.state, last)
        digest = hashlib.sha256(np.ascontiguousarray(history.values))
        for name in ("expected", "lower", "upper", "severity"):
            digest.update(np.ascontiguousarray(getattr(judgement, name)))
        n_values = int(np.count_nonzero(~np.isnan(history.values)))
    # What compares the results has all of the history in memory.
    report(seconds, cpu, n_values, digest.hexdigest()[:16], peak)


def source(folder: Path, n_series: int, n_times: int) -> Detector:
    """Write an hourly history as a file of CSV for each day, and return its detector."""
    (folder / "data").mkdir(parents=True)
    metrics = made(n_series, n_times)
    names = [name for (name,) in metrics.combinations]
    for begin in range(0, n_times, 24):
        with (folder / "data" / f"{begin // 24:05d}.csv").open("w", encoding="ascii") as out:
            out.write("timestamp,page,views\n")
            for at in range(begin, min(begin + 24, n_times)):
                stamp = str(metrics.starts[at]).replace("T", " ")
                values = metrics.values[0, :, at].tolist()
                out.writelines(f"{stamp},{name},{value}\n" for name, value in zip(names, values, strict=True))
    (folder / "detector.json").write_text(json.dumps(_DETECTOR), encoding="ascii")
    return read_detector(folder / "detector.json")


def report(seconds: float, cpu: float, number: int, digest: str, peak: float | None = None) -> None:
    """Print the figures of a measurement."""
    print(round(seconds, 2), round(cpu, 2), number, digest, round(peak_megabytes() if peak is None else peak))


def peak_megabytes() -> float:
    """Return the peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rows(lake: str) -> tuple[int, str]:
    """Return the number of rows of a lake's tables, and a digest that does not depend on their order or files."""
    files = f"{lake}/tables/alert_rows/**/*.parquet"
    sql = "SELECT count(*), sum(hash(t))::VARCHAR FROM read_parquet(?, hive_partitioning = true) t"
    (found,) = duckdb.execute(sql, [files]).fetchall()
    return int(found[0]), str(found[1])


def made(n_series: int, n_times: int) -> Metrics:
    """Hourly series with a daily pattern, noise and a few anomalies."""
    random = np.random.default_rng(5)
    starts = _FIRST + np.arange(n_times) * np.timedelta64(3600, "s")
    pattern = 100 + 40 * np.sin(np.arange(n_times) * 2 * np.pi / 24)
    values = np.empty((1, n_series, n_times))
    for begin in range(0, n_series, 10_000):
        part = values[0, begin : begin + 10_000]
        part[:] = np.round(pattern + random.normal(0, 5, part.shape), 2)
    values[0, ::100, -3] = 3.0
    names = tuple((f"page-{number:07d}",) for number in range(n_series))
    return Metrics("PT1H", "UTC", starts, ("views",), ("page",), names, values)


def backtest(metrics: Metrics, runner: TaskRunner | None, folder: str, until_read: ExitStack) -> Measured:
    """Return the backtest: fit on the first 70 %, judge the rest, and group it."""

    def run() -> tuple[JudgedSeries, int]:
        prepared = prepare_backtest(metrics)
        judged: JudgedSeries
        if runner is None:
            judged = judged_arrays(prepared, [judge_series(prepared, 0, metrics.n_metrics)])
        else:
            open_work = partial(open_store, folder)
            judged = until_read.enter_context(judge_distributed(prepared, runner, open_work, "work/benchmark"))
        return judged, len(group_backtest(judged, NO_SETTINGS, _ARN).groups)

    return run


def interval(metrics: Metrics, runner: TaskRunner | None, folder: str, _: ExitStack) -> Measured:
    """Return the last interval: judged from the stored state before it, and the state after it stored."""
    engine = NumpyModelEngine() if runner is None else None
    blocked = BlockedEngine(LakeBlocks(partial(open_store, folder), "shop", "0" * 32), runner) if runner else None
    judge = engine or blocked
    assert judge is not None
    n_times = len(metrics.starts)
    fitted = judge.fit(between(metrics, 0, n_times - 2), _HOLIDAYS)
    state = judge.advance(fitted.model, fitted.state, between(metrics, n_times - 2, n_times - 1))
    last = between(metrics, n_times - 1, n_times)
    start = _instant(last.starts[0])
    stored = state_to_bytes(start, judge.state_to_arrays(state))

    def run() -> tuple[JudgedSeries, int]:
        before = judge.state_from_arrays(state_from_bytes(stored).arrays)
        judgement, after = judge.judge(fitted.model, before, last)
        Path(folder, "state.npz").write_bytes(state_to_bytes(start, judge.state_to_arrays(after)))
        return JudgedArrays(last, judgement), 0

    return run


def _instant(start: np.datetime64) -> datetime:
    return datetime.fromtimestamp(int(start.astype(np.int64)), UTC)


def local_session() -> SparkRunner:
    """Return a runner on ``local[2]``, whose Python workers have started."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )
    return SparkRunner(session)


def cpu_seconds() -> float:
    """Return the CPU time of this process and all its descendants so far."""
    stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        stats[int(path.parent.name)] = (int(fields[_PARENT]), sum(map(int, fields[_CPU])))
    total, waiting = 0, [os.getpid()]
    while waiting:
        pid = waiting.pop()
        total += stats.get(pid, (0, 0))[1]
        waiting += [process for process, (parent, _) in stats.items() if parent == pid]
    return total / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(sys.argv[1:])
