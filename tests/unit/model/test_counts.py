"""Low counts are judged by their Poisson probability, alone and together with the previous ones."""

from __future__ import annotations

from math import lgamma, log

import numpy as np
import pytest

from anomalake.model import Model, judge
from anomalake.model.counts import CountModel, are_integers, fit_counts, judge_counts
from tests.unit.model.histories import by_steps, judged, learn, metrics
from tests.unit.model.test_severity import check_judgement

LEARNED, ALL = 840, 1_000


def poisson(rate: float, seed: int = 1, n: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).poisson(rate, (n, ALL)).astype(float)


def test_the_surprise_is_that_of_the_poisson_probability() -> None:
    never = np.array([np.inf])
    counts = CountModel(np.array([2.0]), np.array([1.0]), never, never, np.zeros(1))
    values = np.arange(0.0, 40.0)[None]
    surprises = judge_counts(counts, values, np.full(values.shape, 2.0), np.zeros((3, 1)), 3.5, 99.0).surprises[0]
    exact = [-(k * log(2) - 2 - lgamma(k + 1)) / log(10) for k in range(40)]
    np.testing.assert_allclose(surprises, exact, atol=0.02)


def test_bursts_increase_the_dispersion() -> None:
    rng = np.random.default_rng(1)
    steady = rng.poisson(1.0, 5_000).astype(float)
    bursts = rng.negative_binomial(0.5, 0.2, 5_000).astype(float)
    counts = fit_counts(np.array([steady, bursts]), np.array([True, True]))
    assert counts.dispersion[0] < 1.2
    assert counts.dispersion[1] > 2.5


@pytest.mark.parametrize("values", [np.full(840, 3.0), np.full(840, 0.0), np.linspace(0, 1, 840), np.full(840, 60.0)])
def test_other_series_are_no_low_counts(values: np.ndarray) -> None:
    assert not fit_counts(values[None], are_integers(values[None])).is_low.any()


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 3.0])
def test_usual_counts_are_no_anomalies(rate: float) -> None:
    values = poisson(rate)
    model = learn(values, LEARNED)
    judgement, _ = judge(model, model.state, metrics(values), LEARNED)
    assert judgement.is_anomaly.mean() < 2e-3


def test_a_large_count_is_an_anomaly_and_so_are_small_excesses_in_a_row() -> None:
    values = poisson(0.05)
    values[0, 900] = 5
    values[1, 900:906] = 2
    model = learn(values, LEARNED)
    judgement, _ = judge(model, model.state, metrics(values), LEARNED)
    assert judgement.is_anomaly[0, 60]
    assert judgement.is_anomaly[1, 60:66].any()
    assert not judgement.is_anomaly[1, :60].any()


def test_judging_counts_in_steps_is_judging_them_at_once() -> None:
    values = poisson(0.3, seed=2)
    values[3, 930:940] = np.nan
    values[:, 950:954] = 3
    model = learn(values, LEARNED)
    at_once, _ = judge(model, model.state, metrics(values), LEARNED)
    parts, _ = by_steps(model, values, LEARNED, [841, 900, 935, 951, 952, 953])
    for name in ("expected", "lower", "upper", "severity"):
        in_steps = np.hstack([getattr(part, name) for part in parts])
        np.testing.assert_allclose(in_steps, getattr(at_once, name), rtol=1e-5)


@pytest.mark.parametrize(("mean", "hours"), [(0.5, 72), (2, 24), (4.9, 24)])
def test_an_outage_of_a_low_count_is_found(mean: float, hours: int) -> None:
    values = seasonal(mean)
    begin = 1_300
    values[:, begin : begin + hours] = 0
    judgement = judged(values, 1_000)
    check_judgement(judgement, values)
    zeros = judgement.is_anomaly & (values[:, 1_000:] == 0)
    outage = zeros[:, begin - 1_000 : begin - 1_000 + hours]
    assert outage.any(axis=1).mean() >= 0.95
    # A pause ends with the first count above 0.
    assert zeros[:, : begin - 1_000].sum() + zeros[:, begin - 1_000 + hours + 12 :].sum() <= 1
    # What is expected of a pause is more than 0.
    assert (judgement.expected[:, begin - 1_000 : begin - 1_000 + hours][outage] > 0).all()


@pytest.mark.parametrize("kind", ["bursts", "closed at night", "closed on weekends"])
def test_usual_pauses_are_no_anomalies(kind: str) -> None:
    rng = np.random.default_rng(3)
    hours = np.arange(1_680)
    rates = {"closed at night": 3.0 * (hours % 24 >= 9), "closed on weekends": 2.0 * (hours // 24 % 7 < 5)}
    if kind == "bursts":
        values = rng.negative_binomial(0.3, 0.3 / (0.3 + 0.5), (30, 1_680)).astype(float)
    else:
        values = rng.poisson(rates[kind], (30, 1_680)).astype(float)
    judgement = judged(values, 1_000)
    assert not (judgement.is_anomaly & (values[:, 1_000:] == 0)).any()


def test_a_pause_that_goes_on_is_usual_in_the_end() -> None:
    values = seasonal(2)
    values[:, 1_100:] = 0
    judgement = judged(values, 1_000)
    assert judgement.is_anomaly[:, 100:200].any(axis=1).all()
    assert not judgement.is_anomaly[:, -50:].any()


def test_pauses_are_judged_in_steps_as_at_once() -> None:
    values = seasonal(2)[:5]
    values[:, 1_005:1_040] = 0
    values[2, 1_010:1_015] = np.nan
    model = learn(values[:, :1_000])
    at_once, _ = judge(model, model.state, metrics(values), 1_000)
    assert (at_once.is_anomaly & (values[:, 1_000:] == 0)).any(axis=1).all()
    steps, _ = by_steps(model, values, 1_000, [1_004, 1_013, 1_030, 1_031])
    np.testing.assert_array_equal(np.concatenate([part.severity for part in steps], axis=1), at_once.severity)
    np.testing.assert_array_equal(np.concatenate([part.lower for part in steps], axis=1), at_once.lower)


def test_a_stored_model_without_pauses_judges_none() -> None:
    values = seasonal(2)[:3]
    values[:, 1_100:1_160] = 0
    model = learn(values[:, :1_000])
    arrays = {name: array for name, array in model.to_arrays().items() if name not in {"count_pause", "count_longest"}}
    earlier = Model.from_arrays(arrays)
    judgement, _ = judge(earlier, earlier.state, metrics(values), 1_000)
    assert not (judgement.is_anomaly & (values[:, 1_000:] == 0)).any()


def seasonal(mean: float) -> np.ndarray:
    day = 1 + 0.5 * np.sin(2 * np.pi * np.arange(1_680) / 24)
    return np.random.default_rng(8).poisson(mean * day, (20, 1_680)).astype(float)
