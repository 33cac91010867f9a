"""Backtests: training on the oldest 70 %, detection in the rest, and files of scores."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from anomalake.detection.backtest import BacktestError, run_backtest
from anomalake.detection.evaluation import evaluate
from anomalake.detection.score_files import SCHEMA, write_scores
from anomalake.model import fit, judge
from anomalake.model.metrics import Metrics, time_series_id
from anomalake.records.backtests import Backtest
from anomalake.records.feedback import Feedback
from anomalake.synth import Shop, ShopSettings, shop

ARN = "arn:aws:lookoutmetrics:us-east-1:000000000000:AnomalyDetector:shop"


@pytest.fixture(scope="module")
def made() -> Shop:
    return shop(ShopSettings(intervals=1_500, series=6))


@pytest.fixture(scope="module")
def found(made: Shop) -> Backtest:
    return run_backtest(made.metrics, ARN)


def part_of(metrics: Metrics, end: int) -> Metrics:
    return replace(metrics, starts=metrics.starts[:end], values=metrics.values[:, :, :end])


def test_the_oldest_seventy_per_cent_are_for_training(found: Backtest) -> None:
    assert (found.first, found.tested) == (1_050, 450)
    assert found.judgement.severity.shape == (12, 450)


def test_the_anomalies_of_a_shop_are_detected(made: Shop, found: Backtest) -> None:
    labels = made.labels.reshape(12, -1)[:, found.first :]
    figures = evaluate(labels, found.judgement.is_anomaly, found.judgement.severity, found.observed)
    assert labels.sum() > 50
    assert figures.f1 > 0.97
    assert figures.event_f1 > 0.97


def test_judging_in_steps_equals_judging_at_once(made: Shop, found: Backtest) -> None:
    model = fit(part_of(made.metrics, found.first))
    judgement, _ = judge(model, model.state, made.metrics, found.first)
    for name in ("expected", "lower", "upper", "severity", "is_anomaly"):
        np.testing.assert_array_equal(getattr(judgement, name), getattr(found.judgement, name))


def test_tested_intervals_do_not_affect_the_model(made: Shop, found: Backtest) -> None:
    changed = made.metrics.values.copy()
    changed[:, :, found.first + 10 :] += 1e6
    other = run_backtest(replace(made.metrics, values=changed), ARN)
    np.testing.assert_array_equal(other.judgement.severity[:, :10], found.judgement.severity[:, :10])


def test_groups_have_all_anomalous_points(found: Backtest) -> None:
    affected = sum(len(interval.affected) for group in found.groups for interval in group.intervals)
    assert affected == found.judgement.is_anomaly.sum() == sum(found.points_by_measure().values())
    assert sum(found.groups_by_measure().values()) == len(found.groups)
    scores = [group.score for group in found.worst_groups(3)]
    assert scores == sorted((group.score for group in found.groups), reverse=True)[:3]


def test_a_repeated_backtest_has_the_same_groups(made: Shop, found: Backtest) -> None:
    assert run_backtest(made.metrics, ARN).groups == found.groups


def test_progress_is_reported_to_the_end(made: Shop) -> None:
    calls: list[tuple[str, int, int]] = []
    run_backtest(part_of(made.metrics, 300), ARN, progress=lambda *call: calls.append(call))
    assert calls[0] == ("train", 0, 210)
    assert ("train", 210, 210) in calls
    assert calls[-1] == ("test", 90, 90)


def test_too_few_intervals_are_refused_with_the_message_of_lookout_for_metrics(made: Shop) -> None:
    with pytest.raises(BacktestError) as refused:
        run_backtest(part_of(made.metrics, 284), ARN)
    assert str(refused.value) == (
        "Insufficient amount of data was found at the source location: 284 intervals of PT1H, "
        "from 2023-01-01T00:00:00Z to 2023-01-12T19:00:00Z, 12 metrics; expected at least 285 intervals"
    )
    assert run_backtest(part_of(made.metrics, 285), ARN).tested == 86


def test_an_empty_history_is_refused() -> None:
    empty = Metrics("PT1H", "UTC", np.zeros(0, "datetime64[s]"), ("a",), (), (), np.zeros((1, 0, 0)))
    with pytest.raises(BacktestError, match="0 intervals of PT1H, 0 metrics; expected at least 285 intervals"):
        run_backtest(empty, ARN)


def test_scores_have_every_observed_tested_point(made: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Several batches, and gaps in the data.
    monkeypatch.setattr("anomalake.detection.score_files._POINTS", 1_000)
    values = made.metrics.values.copy()
    values[0, 1, 1_200:1_210] = np.nan
    found = run_backtest(replace(made.metrics, values=values), ARN)
    path = tmp_path / "new" / "scores.parquet"
    assert write_scores(path, found) == 12 * 450 - 10
    table = pq.read_table(path)
    assert table.schema.equals(SCHEMA)
    assert [file.name for file in path.parent.iterdir()] == ["scores.parquet"]
    observed = found.observed
    expected = {
        "value": values.reshape(12, -1)[:, found.first :][observed],
        "severity": found.judgement.severity[observed],
        "expected": found.judgement.expected[observed],
        "is_anomaly": found.judgement.is_anomaly[observed],
    }
    for name, wanted in expected.items():
        np.testing.assert_array_equal(table[name].to_numpy(), wanted)
    first = table.slice(0, 1).to_pylist()[0]
    assert first["measure"] == "views"
    assert dict(first["dimensions"]) == dict(made.metrics.dimensions(0))
    assert first["timestamp"].isoformat() == "2023-02-13T18:00:00+00:00"
    assert pc.max(table["timestamp"]).as_py().isoformat() == "2023-03-04T11:00:00+00:00"


def test_unknown_expectations_are_null_in_the_scores(made: Shop, found: Backtest, tmp_path: Path) -> None:
    judgement = found.judgement
    open_above = judgement.upper.copy()
    open_above[0, 0] = np.inf
    unknown = judgement.expected.copy()
    unknown[0, 1] = np.nan
    changed = replace(found, judgement=replace(judgement, upper=open_above, expected=unknown))
    write_scores(tmp_path / "scores.parquet", changed)
    rows = pq.read_table(tmp_path / "scores.parquet").slice(0, 3).to_pylist()
    assert [row["upper"] is None for row in rows] == [True, False, False]
    assert [row["expected"] is None for row in rows] == [False, True, False]


def test_a_failed_write_keeps_the_earlier_file(found: Backtest, tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    path.write_bytes(b"before")
    broken = replace(found, judgement=replace(found.judgement, severity=found.judgement.severity[:, :5]))
    with pytest.raises((IndexError, pa.ArrowInvalid)):
        write_scores(path, broken)
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["scores.parquet"]


def test_feedback_is_applied(made: Shop, found: Backtest) -> None:
    row, column = map(int, np.argwhere(found.judgement.is_anomaly)[0])
    combinations = len(made.metrics.combinations)
    measure, dimensions = made.metrics.measures[row // combinations], made.metrics.dimensions(row % combinations)
    later = [int(index) for index in np.flatnonzero(found.judgement.is_anomaly[row]) if index > column]
    assert later
    feedback = Feedback(
        detector_arn=ARN,
        time_series_id=time_series_id(ARN, measure, dimensions),
        measure=measure,
        dimensions=dimensions,
        timestamp=made.metrics.starts[found.first + column].astype(object).replace(tzinfo=UTC),
        given_at=datetime(2024, 1, 1, tzinfo=UTC),
        is_anomaly=False,
        direction=int(np.sign(found.metrics.flat[row, found.first + column] - found.judgement.expected[row, column])),
        severity=float(found.judgement.severity[row, column]),
    )

    with_feedback = run_backtest(made.metrics, ARN, feedback=[feedback]).judgement

    assert with_feedback.severity[row, later].sum() < found.judgement.severity[row, later].sum()
    others = np.arange(len(with_feedback.severity)) != row
    np.testing.assert_array_equal(with_feedback.severity[others], found.judgement.severity[others])
