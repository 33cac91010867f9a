"""A backtest whose blocks are judged by tasks: the bits of one process, and little memory in the driver."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from anomalake.definitions.metric_set import Measure
from anomalake.definitions.settings import NO_SETTINGS, DetectionSettings
from anomalake.detection import backtest
from anomalake.detection.arrow_blocks import BlockError
from anomalake.detection.backtest import PreparedBacktest, group_backtest, judge_series, judged_arrays, prepare_backtest
from anomalake.detection.distributed_backtest import judge_distributed
from anomalake.detection.score_files import write_scores
from anomalake.groups.causes import with_causes
from anomalake.groups.judged_series import JudgedSeries
from anomalake.model import blocks
from anomalake.model.metrics import Metrics
from anomalake.records.backtests import Backtest, judgement_to_parquet
from anomalake.records.feedback import Feedback
from anomalake.sources.roll_ups import with_roll_ups
from anomalake.storage.objects import memory_store
from anomalake.tasks import InProcess, Task

ARN = "arn:aws:lookoutmetrics:us-east-1:000000000000:AnomalyDetector:shop"
POINT_BYTES = 33
SETTINGS = DetectionSettings(
    frequency="P1D",
    measures={
        "views": Measure("views", missing_data="anomaly", minimum_duration=2),
        "orders": Measure("orders", missing_data="zero", direction="drops"),
    },
)


def made(n_series: int, n_days: int) -> Metrics:
    random = np.random.default_rng(5)
    starts = np.datetime64("2026-01-05T00:00:00", "s") + np.arange(n_days) * np.timedelta64(86_400, "s")
    values = np.round(random.normal(100, 5, (1, n_series, n_days)), 2)
    values[0, ::100, -3:] = 3.0
    names = tuple((f"page-{number:05d}",) for number in range(n_series))
    return Metrics("P1D", "UTC", starts, ("views",), ("page",), names, values)


def shop(n_pages: int = 60, n_days: int = 60) -> Metrics:
    """Two measures by page and country, with anomalies in common, missing values, and few near the range's limit."""
    random = np.random.default_rng(6)
    starts = np.datetime64("2026-01-05T00:00:00", "s") + np.arange(n_days) * np.timedelta64(86_400, "s")
    values = np.round(random.normal(100, 5, (2, 3 * n_pages, n_days)), 2)
    values[:, 1::3, -8:-5] *= 0.4
    values[0, ::7, -3:] = np.nan
    values[1, 2, 50] = 128.0
    names = tuple((f"page-{page:03d}", country) for page in range(n_pages) for country in ("de", "fr", "us"))
    return Metrics("P1D", "UTC", starts, ("views", "orders"), ("page", "country"), names, values)


class Pickled:
    """Runs tasks in this process, as they come out of a pickle; each twice, the last first."""

    def run(self, task: Task, n_tasks: int) -> Iterator[tuple[int, bytes]]:
        for number in reversed(range(n_tasks)):
            pickle.loads(pickle.dumps(task))(number)
            yield number, pickle.loads(pickle.dumps(task))(number)


class Measured:
    """Runs tasks in this process; the memory that is used after the first ones is measured."""

    def run(self, task: Task, n_tasks: int) -> Iterator[tuple[int, bytes]]:
        if tracemalloc.is_tracing():
            yield from InProcess().run(task, n_tasks)
            return
        results = list(InProcess().run(task, n_tasks))
        tracemalloc.start()
        yield from results


STORE = memory_store()


def shared_store():
    return STORE


def concluded(judged: JudgedSeries, settings: DetectionSettings) -> Backtest:
    tested = group_backtest(judged, settings, ARN)
    return replace(tested, groups=with_causes(tested.groups, tested.judged))


def check_equal(prepared: PreparedBacktest, feedback: tuple[Feedback, ...], folder: Path) -> Backtest:
    """Check that tasks give what one process gives; return it."""
    judgement = judge_series(prepared, 0, prepared.metrics.n_metrics)
    of_process = concluded(judged_arrays(prepared, [judgement], feedback), prepared.settings)
    with judge_distributed(prepared, Pickled(), shared_store, "work", feedback) as judged:
        of_tasks = concluded(judged, prepared.settings)
        assert of_tasks.groups == of_process.groups
        assert of_tasks.n_points == of_process.n_points
        assert of_tasks.points_by_measure() == of_process.points_by_measure()
        assert of_tasks.near_misses() == of_process.near_misses()
        assert judgement_to_parquet(of_tasks, ARN) == judgement_to_parquet(of_process, ARN)
        for tested, name in ((of_tasks, "tasks"), (of_process, "process")):
            write_scores(folder / name, tested)
        assert (folder / "tasks").read_bytes() == (folder / "process").read_bytes()
        for name in ("expected", "lower", "upper", "severity", "is_anomaly"):
            left, right = getattr(of_tasks.judgement, name), getattr(of_process.judgement, name)
            assert left.tobytes() == right.tobytes(), name
    assert list(STORE.list("")) == []
    return of_process


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make blocks of which some have series of two measures."""
    for module in (blocks, backtest):
        monkeypatch.setattr(module, "BLOCK", 50)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("settings", [NO_SETTINGS, SETTINGS], ids=["no settings", "all settings"])
def test_groups_causes_and_points_are_those_of_one_process(settings: DetectionSettings, tmp_path: Path) -> None:
    tested = check_equal(prepare_backtest(shop(), settings=settings), (), tmp_path)
    assert {group.measure for group in tested.groups} == {"views", "orders"}
    assert any(interval.causes for group in tested.groups for interval in group.intervals)


@pytest.mark.usefixtures("small_blocks")
def test_roll_ups_and_feedback_are_those_of_one_process(tmp_path: Path) -> None:
    metrics, _ = with_roll_ups(shop(), [True, True])
    at = datetime.fromtimestamp(int(metrics.starts[-8].astype(np.int64)), UTC)
    feedback = Feedback(ARN, "group", "views", (("country", "fr"), ("page", "page-000")), at, False, 99.0, -1, at)
    tested = check_equal(prepare_backtest(metrics), (feedback,), tmp_path)
    affected = [metric for group in tested.groups for interval in group.intervals for metric in interval.all_affected]
    assert any(metric.roll_up and metric.below for metric in affected)


@pytest.mark.usefixtures("small_blocks")
def test_near_misses_are_those_of_one_process(tmp_path: Path) -> None:
    quiet = shop()
    quiet.values[:] = np.round(100 + 10 * np.random.default_rng(8).uniform(-1, 1, quiet.values.shape), 2)
    tested = check_equal(prepare_backtest(quiet), (), tmp_path)
    assert not tested.groups
    assert len(tested.near_misses()) > 1


def test_points_are_there_until_the_backtest_ends() -> None:
    prepared = prepare_backtest(made(30, 60))
    with judge_distributed(prepared, InProcess(), shared_store, "work") as judged:
        tested = group_backtest(judged, NO_SETTINGS, ARN)
    assert len(tested.groups) > 0
    with pytest.raises(BlockError, match="points are there until the backtest ends"):
        _ = tested.judgement


def test_the_driver_holds_anomalous_points_and_not_every_judged_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (blocks, backtest):
        monkeypatch.setattr(module, "BLOCK", 128)
    prepared = prepare_backtest(made(5_120, 200))
    n_judged = prepared.metrics.n_metrics * (200 - prepared.first)
    written: list[int] = []
    try:
        with judge_distributed(prepared, Measured(), shared_store, "work") as judged:
            store_bytes = sum(entry.size for entry in STORE.list("work/judged"))
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            tested = concluded(judged, NO_SETTINGS)
            peak = tracemalloc.get_traced_memory()[1] - before
            written = [entry.size for entry in STORE.list("work")]
    finally:
        tracemalloc.stop()
    assert len(tested.groups) > 0
    assert store_bytes > n_judged * POINT_BYTES
    # What tasks of this process write to the store in memory is not the driver's.
    assert peak < n_judged * POINT_BYTES * 0.3 + sum(written) - store_bytes
