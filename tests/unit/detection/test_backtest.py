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

from anomalake.definitions.intervals import interval_starts
from anomalake.detection.backtest import BacktestError, first_tested, run_backtest
from anomalake.detection.evaluation import evaluate
from anomalake.detection.score_files import SCHEMA, write_scores
from anomalake.frequencies import FREQUENCIES, least_intervals
from anomalake.model import fit, judge
from anomalake.model.metrics import Metrics, time_series_id
from anomalake.records.backtests import Backtest
from anomalake.records.feedback import Feedback
from anomalake.synth import Shop, ShopSettings, shop

ARN = "arn:aws:lookoutmetrics:us-east-1:000000000000:AnomalyDetector:shop"


@pytest.fixture(scope="module")
def synthetic() -> Shop:
    return shop(ShopSettings(intervals=1_500, series=6))


@pytest.fixture(scope="module")
def backtest(synthetic: Shop) -> Backtest:
    return run_backtest(synthetic.metrics, ARN)


def part_of(metrics: Metrics, end: int) -> Metrics:
    return replace(metrics, starts=metrics.starts[:end], values=metrics.values[:, :, :end])


def test_the_oldest_seventy_per_cent_are_for_training(backtest: Backtest) -> None:
    assert (backtest.first, backtest.tested) == (1_050, 450)
    assert backtest.judgement.severity.shape == (12, 450)


def test_the_anomalies_of_a_shop_are_detected(synthetic: Shop, backtest: Backtest) -> None:
    labels = synthetic.labels.reshape(12, -1)[:, backtest.first :]
    observed = ~np.isnan(backtest.metrics.flat[:, backtest.first :])
    figures = evaluate(labels, backtest.judgement.is_anomaly, backtest.judgement.severity, observed)
    assert labels.sum() > 50
    assert figures.f1 > 0.97
    assert figures.event_f1 > 0.97


def test_judging_in_steps_equals_judging_at_once(synthetic: Shop, backtest: Backtest) -> None:
    model = fit(part_of(synthetic.metrics, backtest.first))
    judgement, _ = judge(model, model.state, synthetic.metrics, backtest.first)
    for name in ("expected", "lower", "upper", "severity", "is_anomaly"):
        np.testing.assert_array_equal(getattr(judgement, name), getattr(backtest.judgement, name))


def test_tested_intervals_do_not_affect_the_model(synthetic: Shop, backtest: Backtest) -> None:
    changed = synthetic.metrics.values.copy()
    changed[:, :, backtest.first + 10 :] += 1e6
    other = run_backtest(replace(synthetic.metrics, values=changed), ARN)
    np.testing.assert_array_equal(other.judgement.severity[:, :10], backtest.judgement.severity[:, :10])


def test_groups_have_all_anomalous_points(backtest: Backtest) -> None:
    affected = sum(len(interval.affected) for group in backtest.groups for interval in group.intervals)
    assert affected == backtest.judgement.is_anomaly.sum() == sum(backtest.points_by_measure().values())
    assert sum(backtest.groups_by_measure().values()) == len(backtest.groups)
    scores = [group.score for group in backtest.worst_groups(3)]
    assert scores == sorted((group.score for group in backtest.groups), reverse=True)[:3]


def test_a_repeated_backtest_has_the_same_groups(synthetic: Shop, backtest: Backtest) -> None:
    assert run_backtest(synthetic.metrics, ARN).groups == backtest.groups


@pytest.mark.parametrize(
    ("frequency", "n_intervals", "periods"),
    [("PT15M", 1_500, (96, 672)), ("PT30M", 1_000, (48, 336)), ("P7D", 60, ()), ("P7D", 208, (52,))],
)
def test_an_obvious_anomaly_is_found_and_no_other(frequency: str, n_intervals: int, periods: tuple[int, ...]) -> None:
    """Values of 100 with a swing of 20 in each seasonal period and noise of 3; one value is 60 more."""
    at = np.arange(n_intervals)
    usual = 100 + sum((20 * np.sin(2 * np.pi * at / period) for period in periods), np.zeros(n_intervals))
    values = usual + np.random.default_rng(1).normal(0, 3, (10, n_intervals))
    unusual = n_intervals * 17 // 20
    values[:, unusual] += 60
    first = datetime(2018, 1, 1, tzinfo=UTC)
    starts = interval_starts(frequency, "Europe/Paris", first, datetime(2024, 1, 1, tzinfo=UTC))[:n_intervals]
    pages = tuple((f"{number}",) for number in range(10))
    tested = run_backtest(Metrics(frequency, "Europe/Paris", starts, ("views",), ("page",), pages, values[None]), ARN)
    (group,) = tested.groups
    (interval,) = group.intervals
    assert interval.timestamp == starts[unusual].item().replace(tzinfo=UTC)
    assert len(interval.affected) >= 9


def test_seven_months_of_days_are_enough_for_a_backtest() -> None:
    """A shop's daily orders with a weekly pattern, and a day on which nothing could be ordered."""
    at = np.arange(215)
    usual = 1_000 + 200 * np.isin(at % 7, (5, 6)) + np.random.default_rng(1).normal(0, 30, 215)
    usual[200] = 0
    starts = interval_starts("P1D", "Europe/Paris", datetime(2023, 6, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC))
    values = usual[None, None]
    tested = run_backtest(Metrics("P1D", "Europe/Paris", starts[:215], ("orders",), (), ((),), values), ARN)
    (group,) = tested.groups
    assert (tested.first, tested.tested) == (150, 65)
    assert [interval.timestamp for interval in group.intervals] == [starts[200].item().replace(tzinfo=UTC)]


def test_progress_is_reported_to_the_end(synthetic: Shop) -> None:
    calls: list[tuple[str, int, int]] = []
    run_backtest(part_of(synthetic.metrics, 300), ARN, progress=lambda *call: calls.append(call))
    assert calls[0] == ("train", 0, 210)
    assert ("train", 210, 210) in calls
    assert calls[-1] == ("test", 90, 90)


@pytest.mark.parametrize("frequency", list(FREQUENCIES))
def test_a_backtest_takes_the_intervals_that_the_model_needs(frequency: str) -> None:
    least = least_intervals(frequency)
    assert first_tested(least) >= FREQUENCIES[frequency].least_points > first_tested(least - 1)
    values = np.random.default_rng(1).normal(100, 3, (1, 1, least))
    values[..., -1] = 0
    first = datetime(2018, 1, 1, tzinfo=UTC)
    starts = interval_starts(frequency, "UTC", first, datetime(2020, 1, 1, tzinfo=UTC))[:least]
    metrics = Metrics(frequency, "UTC", starts, ("views",), (), ((),), values)
    tested = run_backtest(metrics, ARN)
    assert np.isfinite(tested.judgement.expected).all()
    assert tested.judgement.is_anomaly[0, -1]
    message = (
        f"Insufficient amount .* {least - 1} intervals of {frequency}, .*, 1 metrics; .* at least {least} intervals$"
    )
    with pytest.raises(BacktestError, match=message):
        run_backtest(part_of(metrics, least - 1), ARN)


def test_too_few_intervals_are_refused_with_the_message_of_lookout_for_metrics(synthetic: Shop) -> None:
    with pytest.raises(BacktestError) as refused:
        run_backtest(part_of(synthetic.metrics, 68), ARN)
    assert str(refused.value) == (
        "Insufficient amount of data was found at the source location: 68 intervals of PT1H, "
        "from 2023-01-01T00:00:00Z to 2023-01-03T19:00:00Z, 12 metrics; expected at least 69 intervals"
    )
    assert run_backtest(part_of(synthetic.metrics, 69), ARN).tested == 21


def test_a_history_without_a_metric_that_can_be_judged_is_refused(synthetic: Shop) -> None:
    """One metric ends with the training part, the others have too few values in it."""
    values = np.full((1, 3, 100), np.nan)
    values[0, 0, :70] = values[0, 1:, 30:] = 1.0
    values[0, 1:, 77:] = np.nan
    values[0, 2, 99] = 1.0
    metrics = replace(
        part_of(synthetic.metrics, 100),
        measures=("views",),
        combinations=synthetic.metrics.combinations[:3],
        values=values,
    )
    with pytest.raises(BacktestError) as refused:
        run_backtest(metrics, ARN)
    assert str(refused.value) == (
        "Insufficient amount of data was found at the source location: 100 intervals of PT1H (78 with rows), "
        "from 2023-01-01T00:00:00Z to 2023-01-05T03:00:00Z, 3 metrics; expected a metric with at least 48 values in "
        "the first 70 intervals, which the model is trained on, and one in the rest"
    )
    values[0, 0, 80] = 1.0
    assert run_backtest(metrics, ARN).groups == ()


def test_an_empty_history_is_refused() -> None:
    empty = Metrics("PT1H", "UTC", np.zeros(0, "datetime64[s]"), ("a",), (), (), np.zeros((1, 0, 0)))
    with pytest.raises(BacktestError, match="0 intervals of PT1H, 0 metrics; expected at least 69 intervals"):
        run_backtest(empty, ARN)


def test_scores_have_every_observed_tested_point(
    synthetic: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Several batches, and gaps in the data.
    monkeypatch.setattr("anomalake.detection.score_files._POINTS", 1_000)
    values = synthetic.metrics.values.copy()
    values[0, 1, 1_200:1_210] = np.nan
    backtest = run_backtest(replace(synthetic.metrics, values=values), ARN)
    path = tmp_path / "new" / "scores.parquet"
    assert write_scores(path, backtest) == 12 * 450 - 10
    table = pq.read_table(path)
    assert table.schema.equals(SCHEMA)
    assert [file.name for file in path.parent.iterdir()] == ["scores.parquet"]
    observed = ~np.isnan(backtest.metrics.flat[:, backtest.first :])
    expected = {
        "value": values.reshape(12, -1)[:, backtest.first :][observed],
        "severity": backtest.judgement.severity[observed],
        "expected": backtest.judgement.expected[observed],
        "is_anomaly": backtest.judgement.is_anomaly[observed],
    }
    for name, wanted in expected.items():
        np.testing.assert_array_equal(table[name].to_numpy(), wanted)
    first = table.slice(0, 1).to_pylist()[0]
    assert first["measure"] == "views"
    assert dict(first["dimensions"]) == dict(synthetic.metrics.dimensions(0))
    assert first["timestamp"].isoformat() == "2023-02-13T18:00:00+00:00"
    assert pc.max(table["timestamp"]).as_py().isoformat() == "2023-03-04T11:00:00+00:00"


def test_unknown_expectations_are_null_in_the_scores(synthetic: Shop, backtest: Backtest, tmp_path: Path) -> None:
    judgement = backtest.judgement
    open_above = judgement.upper.copy()
    open_above[0, 0] = np.inf
    unknown = judgement.expected.copy()
    unknown[0, 1] = np.nan
    changed = Backtest.of(backtest.metrics, replace(judgement, upper=open_above, expected=unknown), backtest.groups)
    write_scores(tmp_path / "scores.parquet", changed)
    rows = pq.read_table(tmp_path / "scores.parquet").slice(0, 3).to_pylist()
    assert [row["upper"] is None for row in rows] == [True, False, False]
    assert [row["expected"] is None for row in rows] == [False, True, False]


def test_a_failed_write_keeps_the_earlier_file(backtest: Backtest, tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    path.write_bytes(b"before")
    judgement = backtest.judgement
    broken = Backtest.of(backtest.metrics, replace(judgement, severity=judgement.severity[:, :5]), backtest.groups)
    with pytest.raises((IndexError, pa.ArrowInvalid)):
        write_scores(path, broken)
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["scores.parquet"]


def test_feedback_is_applied(synthetic: Shop, backtest: Backtest) -> None:
    row, column = map(int, np.argwhere(backtest.judgement.is_anomaly)[0])
    combinations = len(synthetic.metrics.combinations)
    measure, dimensions = (
        synthetic.metrics.measures[row // combinations],
        synthetic.metrics.dimensions(row % combinations),
    )
    later = [int(index) for index in np.flatnonzero(backtest.judgement.is_anomaly[row]) if index > column]
    assert later
    feedback = Feedback(
        detector_arn=ARN,
        time_series_id=time_series_id(ARN, measure, dimensions),
        measure=measure,
        dimensions=dimensions,
        timestamp=synthetic.metrics.starts[backtest.first + column].astype(object).replace(tzinfo=UTC),
        given_at=datetime(2024, 1, 1, tzinfo=UTC),
        is_anomaly=False,
        direction=int(
            np.sign(backtest.metrics.flat[row, backtest.first + column] - backtest.judgement.expected[row, column])
        ),
        severity=float(backtest.judgement.severity[row, column]),
    )

    with_feedback = run_backtest(synthetic.metrics, ARN, feedback=[feedback]).judgement

    assert with_feedback.severity[row, later].sum() < backtest.judgement.severity[row, later].sum()
    others = np.arange(len(with_feedback.severity)) != row
    np.testing.assert_array_equal(with_feedback.severity[others], backtest.judgement.severity[others])
