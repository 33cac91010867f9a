"""Outages of noisy metrics: several low values in a row are evidence that one is not."""

from __future__ import annotations

import numpy as np
import pytest

from anomalake.model import Model, judge
from tests.unit.model.histories import Floats, by_steps, judged, learn, metrics
from tests.unit.model.test_severity import check_judgement

FIRST, ALL, AT = 1_000, 1_680, 1_300
SERIES = 10
DAY = 1 + 0.5 * np.sin(2 * np.pi * np.arange(ALL) / 24)


def log_normal(variation: float, season: Floats) -> Floats:
    sigma = np.sqrt(np.log(1 + variation**2))
    noise = np.random.default_rng(7).normal(size=(SERIES, len(season)))
    return 1_000 * season * np.exp(sigma * noise - sigma**2 / 2)


@pytest.mark.parametrize("variation", [0.3, 0.5, 0.7])
def test_a_day_of_zeros_is_found_in_strong_noise(variation: float) -> None:
    values = log_normal(variation, DAY)
    values[:, AT : AT + 24] = 0
    judgement = judged(values, FIRST)
    check_judgement(judgement, values)
    outage = judgement.is_anomaly[:, AT - FIRST : AT - FIRST + 24]
    assert outage[:, :12].any(axis=1).all()
    assert outage.mean() > 0.5
    assert judgement.is_anomaly[:, : AT - FIRST].sum() <= 2


@pytest.mark.parametrize("mean", [6, 20])
def test_a_day_of_zeros_is_found_in_counts(mean: int) -> None:
    values = np.random.default_rng(8).poisson(mean * DAY, (SERIES, ALL)).astype(float)
    values[:, AT : AT + 24] = 0
    judgement = judged(values, FIRST)
    check_judgement(judgement, values)
    assert judgement.is_anomaly[:, AT - FIRST : AT - FIRST + 24].any(axis=1).all()
    assert judgement.is_anomaly[:, : AT - FIRST].sum() <= 2


def test_two_weeks_of_zeros_are_found_in_days() -> None:
    week = 1 + 0.3 * np.sin(2 * np.pi * np.arange(560) / 7)
    values = log_normal(0.5, week)
    values[:, 480:494] = 0
    judgement = judged(values, 400, frequency="P1D")
    assert judgement.is_anomaly[:, 80:94].any(axis=1).all()
    assert judgement.is_anomaly[:, :80].sum() <= 1


def test_single_zeros_that_a_history_has_are_usual() -> None:
    noise = 1 + 0.4 * np.random.default_rng(7).normal(size=(SERIES, ALL))
    values = np.maximum(1_000 * DAY * noise, 0)
    assert (values[:, :FIRST] == 0).mean() > 0.004
    assert judged(values, FIRST).is_anomaly.mean() < 2e-3


@pytest.mark.parametrize("variation", [0.4, 0.5])
def test_noise_that_is_cut_at_0_has_usual_zeros(variation: float) -> None:
    noise = np.random.default_rng(7).normal(size=(20, ALL))
    judgement = judged(np.maximum(1_000 * DAY * (1 + variation * noise), 0), FIRST)
    assert judgement.is_anomaly.sum() <= 4


def test_negative_metrics_have_no_runs() -> None:
    values = np.random.default_rng(2).normal(0, 3, (4, ALL))
    assert (learn(values, FIRST).runs.least == 0).all()
    assert judged(values, FIRST).is_anomaly.mean() < 1e-3


def test_runs_are_judged_in_steps_as_at_once() -> None:
    values = log_normal(0.5, DAY)
    values[:, AT : AT + 24] = 0
    values[2, AT + 3] = np.nan
    # Two low values limit the next one, whether or not a longer run follows in later steps.
    values[5:, AT : AT + 24] = log_normal(0.1, DAY)[5:, AT : AT + 24]
    values[5:, AT + 3 : AT + 5] *= 0.2
    values[5:, AT + 100 : AT + 124] = 0
    model = learn(values, FIRST)
    at_once, _ = judge(model, model.state, metrics(values), FIRST)
    parts, _ = by_steps(model, values, FIRST, [AT, AT + 1, AT + 2, AT + 7, AT + 13, AT + 24])
    for name in ("severity", "lower", "upper"):
        np.testing.assert_array_equal(np.hstack([getattr(part, name) for part in parts]), getattr(at_once, name))


@pytest.mark.parametrize("frequency", ["PT1H", "PT5M"])
def test_the_first_usual_value_after_an_outage_is_no_anomaly(frequency: str) -> None:
    values = log_normal(0.05, DAY)
    starts = range(FIRST + 20, ALL - 12, 40)
    for begin in starts:
        values[:, begin : begin + 5] = 0
    is_anomaly = judged(values, FIRST, frequency=frequency).is_anomaly
    assert is_anomaly[:, [begin - FIRST for begin in starts]].all()
    assert is_anomaly[:, [begin + 5 - FIRST for begin in starts]].mean() < 0.02


@pytest.mark.parametrize("mean", [0.6, 1.5])
def test_hours_without_a_sale_are_usual_where_sales_are_few(mean: float) -> None:
    rng = np.random.default_rng(9)
    amounts = rng.poisson(mean * DAY, (40, ALL)) * rng.gamma(4, 10, (40, ALL))
    assert judged(amounts, FIRST).is_anomaly.sum() <= 6


def test_an_outage_of_amounts_that_are_often_0_is_found() -> None:
    rng = np.random.default_rng(10)
    amounts = rng.poisson(1.5 * DAY, (SERIES, ALL)) * rng.gamma(4, 10, (SERIES, ALL))
    amounts[:, AT : AT + 48] = 0
    judgement = judged(amounts, FIRST)
    check_judgement(judgement, amounts)
    outage = judgement.is_anomaly[:, AT - FIRST : AT - FIRST + 48]
    assert outage.any(axis=1).all()
    assert outage.mean() > 0.3


def test_amounts_are_judged_in_steps_as_at_once() -> None:
    rng = np.random.default_rng(11)
    amounts = rng.poisson(1.5 * DAY, (SERIES, ALL)) * rng.gamma(4, 10, (SERIES, ALL))
    amounts[:, AT : AT + 48] = 0
    amounts[2, AT + 3] = np.nan
    model = learn(amounts, FIRST)
    assert (model.counts.amount > 0).all()
    at_once, _ = judge(model, model.state, metrics(amounts), FIRST)
    parts, _ = by_steps(model, amounts, FIRST, [AT, AT + 1, AT + 20, AT + 40])
    for name in ("severity", "lower", "upper", "expected"):
        np.testing.assert_array_equal(np.hstack([getattr(part, name) for part in parts]), getattr(at_once, name))


def test_models_without_amounts_have_no_array_of_them() -> None:
    assert "count_amount" not in learn(log_normal(0.3, DAY), FIRST).to_arrays()
    rng = np.random.default_rng(11)
    arrays = learn(rng.poisson(1.5 * DAY, (SERIES, ALL)) * 0.3, FIRST).to_arrays()
    np.testing.assert_array_equal(Model.from_arrays(arrays).counts.amount, arrays["count_amount"])
    del arrays["count_amount"]
    np.testing.assert_array_equal(Model.from_arrays(arrays).counts.amount, np.zeros(SERIES))
