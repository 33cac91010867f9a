"""Backtests whose series are judged block by block, each stored: every bit is that of a backtest in one go."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from anomalake.definitions.metric_set import Measure
from anomalake.definitions.quiet_windows import RecurringWindow
from anomalake.definitions.settings import NO_SETTINGS, DetectionSettings
from anomalake.detection import backtest as detection
from anomalake.detection.backtest import conclude_backtest, judge_series, prepare_backtest, run_backtest, series_blocks
from anomalake.model import blocks
from anomalake.model.blocks import BLOCK
from anomalake.model.metrics import Metrics
from anomalake.records.backtest_steps import BacktestSteps, delete_steps
from anomalake.records.backtests import judgement_to_parquet
from anomalake.storage.objects import memory_store

ARN = "arn:aws:lookoutmetrics:us-east-1:000000000000:AnomalyDetector:shop"
PAGES = 1_100
ALL_SETTINGS = DetectionSettings(
    measures={
        "views": Measure("views", missing_data="anomaly"),
        "orders": Measure("orders", missing_data="zero", direction="drops"),
    },
    quiet_windows=(RecurringWindow(tuple(range(7)), timedelta(hours=2), timedelta(hours=4)),),
)


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    random = np.random.default_rng(7)
    starts = np.datetime64("2026-01-05T00:00:00") + np.arange(400) * np.timedelta64(3600, "s")
    pattern = 100 + 40 * np.sin(np.arange(400) * 2 * np.pi / 24)
    values = np.round(random.normal(pattern, 5, (2, PAGES, 400)), 2)
    values[:, ::7, 340:344] = 3.0
    values[:, ::5, 360:363] = np.nan
    names = tuple((f"page-{number:05d}",) for number in range(PAGES))
    return Metrics("PT1H", "UTC", starts.astype("datetime64[s]"), ("views", "orders"), ("page",), names, values)


@pytest.mark.parametrize("settings", [NO_SETTINGS, ALL_SETTINGS], ids=["no settings", "all settings"])
def test_stored_blocks_give_the_bits_of_one_go(metrics: Metrics, settings: DetectionSettings) -> None:
    whole = run_backtest(metrics, ARN, settings=settings)
    steps = BacktestSteps(memory_store(), "shop", "0" * 32, "1" * 32)
    steps.write_history(metrics)
    blocks = series_blocks(metrics)
    assert blocks == [(0, BLOCK), (BLOCK, 2 * PAGES)]
    for begin, end in reversed(blocks):
        # Each block in another process: nothing is shared but what is stored.
        stored = steps.read_history()
        assert stored is not None
        steps.write_block(begin, judge_series(prepare_backtest(stored, settings=settings), begin, end))
    assert steps.blocks() == {0, BLOCK}
    stored = steps.read_history()
    assert stored is not None
    parts = [steps.read_block(begin) for begin, _ in blocks]
    joined = conclude_backtest(
        prepare_backtest(stored, settings=settings), [part for part in parts if part is not None], ARN
    )
    assert len(whole.groups) > 0
    assert joined.groups == whole.groups
    assert judgement_to_parquet(joined, ARN) == judgement_to_parquet(whole, ARN)
    for name in ("expected", "lower", "upper", "severity", "is_anomaly"):
        left, right = getattr(joined.judgement, name), getattr(whole.judgement, name)
        assert left.tobytes() == right.tobytes(), name


@pytest.mark.parametrize("n_series", [1, 2, 16, 17, 18, 33, 40])
def test_blocks_of_few_series_give_the_bits_of_one_go(
    metrics: Metrics, n_series: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 16)
    monkeypatch.setattr(detection, "BLOCK", 16)
    some = replace(
        metrics,
        measures=("views",),
        combinations=metrics.combinations[:n_series],
        values=np.ascontiguousarray(metrics.values[:1, :n_series]),
    )
    whole = run_backtest(some, ARN)
    prepared = prepare_backtest(some)
    parts = [judge_series(prepared, begin, end) for begin, end in series_blocks(some)]
    assert len(parts) == max(1, (n_series - 1) // 16 + (n_series % 16 != 1))
    joined = conclude_backtest(prepared, parts, ARN)
    for name in ("expected", "lower", "upper", "severity", "is_anomaly"):
        assert getattr(joined.judgement, name).tobytes() == getattr(whole.judgement, name).tobytes(), name


def test_what_cannot_be_read_is_not_stored(metrics: Metrics) -> None:
    store = memory_store()
    steps = BacktestSteps(store, "shop", "0" * 32, "1" * 32)
    assert steps.read_history() is None
    assert steps.read_block(0) is None
    steps.write_history(metrics)
    (key,) = (entry.key for entry in store.list(""))
    store.put(key, store.get(key)[:-100])
    assert steps.read_history() is None
    assert BacktestSteps(store, "shop", "0" * 32, "2" * 32).read_history() is None
    delete_steps(store, "shop", "0" * 32)
    assert list(store.list("")) == []
