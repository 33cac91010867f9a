"""Another kind of processor finds the same anomalies, in the same groups under the same ids."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from anomalake.detection.backtest import run_backtest
from anomalake.records.backtests import Backtest
from anomalake.synth import ShopSettings, shop
from tests.support.patience import PATIENCE
from tests.support.tolerance import BETWEEN_PROCESSORS

ROOT = Path(__file__).parents[3]
ARN = "arn:aws:lookoutmetrics:us-east-1:000000000000:AnomalyDetector:shop"


def found() -> Backtest:
    return run_backtest(shop(ShopSettings(intervals=1_000, series=6)).metrics, ARN)


def write(path: str) -> None:
    """Keep what this process finds."""
    backtest = found()
    np.savez(
        path,
        severity=backtest.judgement.severity,
        is_anomaly=backtest.judgement.is_anomaly,
        members=np.array(members(backtest)),
    )


def members(backtest: Backtest) -> list[str]:
    """Each affected metric of each group, in order: group, interval, metric, share of its dimension values."""
    return [
        f"{group.group_id} {interval.timestamp} {metric.time_series_id} {interval.contributions}"
        for group in backtest.groups
        for interval in group.intervals
        for metric in interval.affected
    ]


@pytest.mark.parametrize("processor", ["Nehalem", "Haswell"])
def test_another_processor_finds_the_same_groups(processor: str, tmp_path: Path) -> None:
    """OpenBLAS uses the kernels of the named processor; other libraries ignore it and find the same."""
    file = tmp_path / "found.npz"
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import write; write({str(file)!r})"],
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_CORETYPE": processor, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    here = found()
    with np.load(file) as there:
        np.testing.assert_allclose(there["severity"], here.judgement.severity, rtol=0, atol=BETWEEN_PROCESSORS)
        np.testing.assert_array_equal(there["is_anomaly"], here.judgement.is_anomaly)
        assert there["members"].tolist() == members(here)
