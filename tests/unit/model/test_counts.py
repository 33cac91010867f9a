"""Counts of few things are judged as counts: by how unlikely they are, alone and hour after hour."""

from __future__ import annotations

from math import lgamma, log

import numpy as np
import pytest

from anomalake.model import judge
from anomalake.model.counts import CountModel, are_whole, fit_counts, judge_counts

from .histories import by_steps, learn, metrics

LEARNED, ALL = 840, 1_000


def rare(rate: float, seed: int = 1, n: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).poisson(rate, (n, ALL)).astype(float)


def test_a_surprise_is_the_poisson_probability() -> None:
    counts = CountModel(np.array([2.0]), np.array([1.0]))
    values = np.arange(0.0, 40.0)[None]
    found = judge_counts(counts, values, np.full(values.shape, 2.0), np.zeros((3, 1)), 3.5, 99.0).surprises[0]
    exact = [-(k * log(2) - 2 - lgamma(k + 1)) / log(10) for k in range(40)]
    np.testing.assert_allclose(found, exact, atol=0.02)


def test_bursts_widen_what_is_usual() -> None:
    rng = np.random.default_rng(1)
    steady = rng.poisson(1.0, 5_000).astype(float)
    bursts = rng.negative_binomial(0.5, 0.2, 5_000).astype(float)
    found = fit_counts(np.array([steady, bursts]), np.array([True, True]))
    assert found.dispersion[0] < 1.2
    assert found.dispersion[1] > 2.5


@pytest.mark.parametrize("values", [np.full(840, 3.0), np.full(840, 0.0), np.linspace(0, 1, 840), np.full(840, 60.0)])
def test_what_is_no_count_of_few_things(values: np.ndarray) -> None:
    assert not fit_counts(values[None], are_whole(values[None])).few.any()


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 3.0])
def test_what_comes_now_and_then_is_no_anomaly(rate: float) -> None:
    values = rare(rate)
    model = learn(values, LEARNED)
    found, _ = judge(model, model.state, metrics(values), LEARNED)
    assert found.is_anomaly.mean() < 2e-3


def test_more_than_ever_is_an_anomaly_and_so_is_a_little_more_for_hours() -> None:
    values = rare(0.05)
    values[0, 900] = 5
    values[1, 900:906] = 2
    model = learn(values, LEARNED)
    found, _ = judge(model, model.state, metrics(values), LEARNED)
    assert found.is_anomaly[0, 60]
    assert found.is_anomaly[1, 60:66].any()
    assert not found.is_anomaly[1, :60].any()


def test_a_span_of_counts_is_judged_the_same_however_it_is_cut() -> None:
    values = rare(0.3, seed=2)
    values[3, 930:940] = np.nan
    values[:, 950:954] = 3
    model = learn(values, LEARNED)
    whole, _ = judge(model, model.state, metrics(values), LEARNED)
    parts, _ = by_steps(model, values, LEARNED, [841, 900, 935, 951, 952, 953])
    for name in ("expected", "lower", "upper", "severity"):
        np.testing.assert_allclose(np.hstack([getattr(one, name) for one in parts]), getattr(whole, name), rtol=1e-5)
