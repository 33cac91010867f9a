"""Severities: their range, their order, and that they say the same as the range of values."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from anomalake.model import judge
from anomalake.model.calendar import calendar_of
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.tails import Tails, fit_tails, reach, surprise
from tests.unit.model.histories import (
    ALL,
    LEARNED,
    judged,
    learn,
    metrics,
    noisy,
    outside,
    rows,
    starts,
    state_before,
    usual_model,
)

RNG = np.random.default_rng
Floats = npt.NDArray[np.float64]


def kinds() -> dict[str, Floats]:
    """Series of many kinds, with what makes ranges and decisions part."""
    rng = RNG(4)
    usual = noisy(4)
    shifted, spiked, died, lasting, gone = (usual.copy() for _ in range(5))
    shifted[:, 900:] += 80
    spiked[rng.random(usual.shape) < 0.03] *= 4
    died[:, 900:] = 0
    lasting[:, 900:910] += 12
    gone[rng.random(usual.shape) < 0.2] = np.nan
    negative = rng.poisson(2, (4, ALL)).astype(float)
    negative[:, 1000:1003] = [-1e-9, -1, -50]
    return {
        "usual": usual,
        "shifted": shifted,
        "spiked": spiked,
        "to zero": died,
        "lasting": lasting,
        "with gaps": gone,
        "negative at last": negative,
        "few counts": rng.poisson(0.3, (4, ALL)).astype(float),
        "hardly any counts": rng.poisson(0.01, (4, ALL)).astype(float),
        "log-normal": np.exp(rng.normal(0, 1.5, (4, ALL))),
        "Cauchy": rng.standard_cauchy((4, ALL)),
        "a walk": rng.normal(0, 1, (4, ALL)).cumsum(axis=1),
        "a large offset": 1e15 + usual,
        "a small unit": 1e-12 * usual,
        "constant": np.full((1, ALL), 7.0),
        "zero, and some": np.where(rng.random((4, ALL)) < 0.1, 5.0, 0.0),
    }


KINDS = kinds()


@cache
def judged_kinds() -> Judgement:
    """All of them at once, for metrics are judged each for itself."""
    return judged(np.vstack(list(KINDS.values())))


def is_sound(found: Judgement, values: Floats) -> None:
    """All that holds of every judgement."""
    of = values[:, found.first :]
    seen = ~np.isnan(of) & ~np.isnan(found.expected)
    assert found.severity.shape == found.expected.shape == of.shape
    assert ((found.severity >= 0) & (found.severity < 100)).all()
    assert (found.severity[~seen] == 0).all()
    np.testing.assert_array_equal(found.is_anomaly, found.severity >= ANOMALOUS)
    np.testing.assert_array_equal(found.is_anomaly[seen], outside(found, values)[seen])
    assert np.isfinite([found.lower[seen], found.expected[seen], found.upper[seen]]).all()
    assert (found.lower[seen] <= found.expected[seen]).all()
    assert (found.expected[seen] <= found.upper[seen]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_range_and_decision_agree(kind: str) -> None:
    names = list(KINDS)
    first = sum(len(KINDS[name]) for name in names[: names.index(kind)])
    found = rows(judged_kinds(), slice(first, first + len(KINDS[kind])))
    assert not np.isnan(found.expected).any()
    is_sound(found, KINDS[kind])


@pytest.mark.parametrize("holidays", [False, True])
def test_range_and_decision_agree_at_the_edge(holidays: bool) -> None:
    values = noisy(3)
    values[:, 1000:1012] += np.where(np.arange(12) < 9, 90, 0)
    days = (starts(1100)[-1].item().date(), starts(1005)[-1].item().date()) if holidays else ()
    model = learn(values, holidays=days) if days else usual_model()
    before = judged(values, model=model)
    for at in (LEARNED, 1000, 1004, 1010, 1012, 1097):
        k, state = at - LEARNED, state_before(model, values, at)
        for edge, step in ((before.lower[:, k], -1), (before.upper[:, k], 1)):
            for by in (-1e-6, 1e-6):
                other = values.copy()
                other[:, at] = edge * (1 + step * by)
                found = judge(model, state, metrics(other[:, : at + 1]), at)[0]
                is_sound(found, other[:, : at + 1])
                assert (found.is_anomaly[:, 0] == (by > 0)).all()


@pytest.mark.parametrize("at", [LEARNED, 1000, 1004, 1012, 1100])
def test_the_farther_out_the_more_severe(at: int) -> None:
    values = noisy(3)
    values[:, 1000:1010] += 90
    model = usual_model()
    before, state = judged(values, model=model), state_before(model, values, at)
    k = at - LEARNED
    for edge, side in ((before.upper[:, k], 1), (before.lower[:, k], -1)):
        sizes = 10.0 ** np.arange(-2, 6.1)
        severities = []
        for size in sizes:
            values[:, at] = edge + side * size
            severities.append(judge(model, state, metrics(values[:, : at + 1]), at)[0].severity[:, 0])
        climbing = np.array(severities)
        assert (climbing >= ANOMALOUS).all()
        assert (np.diff(climbing, axis=0) > 0).all()  # no ties: the largest of many can be told


def test_the_less_usual_the_noise_the_more_severe_the_same_deviation() -> None:
    values = np.vstack([noisy(1, noise=1.0), noisy(1, noise=6.0)])
    values[:, 1000] += 40
    calm, wild = judged(values).severity[:, 1000 - LEARNED]
    assert calm > wild


def test_noise_by_time_of_day_is_heeded() -> None:
    t = np.arange(ALL)
    by_night = (t % 24) < 12
    values = 100 + np.where(by_night, 0.5, 8.0) * RNG(1).normal(0, 1, (6, ALL))
    found = judged(values)
    width = (found.upper - found.lower)[:, 100:]
    assert np.median(width[:, by_night[LEARNED + 100 :]]) < 0.4 * np.median(width[:, ~by_night[LEARNED + 100 :]])


def test_small_deviations_that_last_are_found_together() -> None:
    rng = RNG(2)
    values = 100 + rng.normal(0, 3, (20, ALL))
    one, four = values.copy(), values.copy()
    one[:, 1003] = 100 + 3.2 * 3
    four[:, 1000:1004] = 100 + 3.2 * 3
    model = learn(values)
    k = 1003 - LEARNED
    alone, joint = judged(one, model=model), judged(four, model=model)
    assert not alone.is_anomaly[:, k].any()
    assert joint.severity[:, k].mean() > alone.severity[:, k].mean() + 3


def test_a_measure_that_never_was_negative_is_expected_not_to_be() -> None:
    values = RNG(1).poisson(1.0, (3, ALL)).astype(float)
    values[:, 1000] = -1
    found = judged(values)
    assert (found.lower >= 0).all()
    assert (found.expected >= 0).all()
    assert found.is_anomaly[:, 1000 - LEARNED].all()


def test_surprise_and_reach_are_each_others_inverse() -> None:
    z = RNG(1).standard_t(4, (2000, 5)).astype(np.float32)
    tails = fit_tails(z, np.ones(z.shape, bool))
    for surprises in (0.5, 2.0, 3.5, 6.0):
        up, down = reach(tails, surprises)
        np.testing.assert_allclose(surprise(tails, up[None].astype(np.float32))[0], surprises, rtol=1e-4)
        np.testing.assert_allclose(surprise(tails, -down[None].astype(np.float32))[0], surprises, rtol=1e-4)


def test_surprise_is_that_of_the_distribution() -> None:
    rng = RNG(1)
    tails = fit_tails(rng.normal(size=(5000, 30)).astype(np.float32), np.ones((5000, 30), bool))
    up, down = reach(tails, 3.0)  # one in a thousand on its side: 3.09 for normal values, more with the prior's tail
    assert 2.9 < up.mean() < 3.8
    assert 2.9 < down.mean() < 3.8


def test_tails_are_each_sides_own_and_leave_out_what_is_far_and_rare() -> None:
    rng = RNG(1)
    z = rng.exponential(1, (3000, 10)).astype(np.float32) - 1
    up, down = reach(fit_tails(z, np.ones(z.shape, bool)), 3.5)
    assert (up > 1.2 * down).all()
    wild = z.copy()
    wild[rng.random(z.shape) < 0.01] = 1000
    far, _ = reach(fit_tails(wild, np.ones(z.shape, bool)), 3.5)
    np.testing.assert_allclose(far, up, rtol=0.3)


def test_tails_come_back_from_arrays_and_in_parts() -> None:
    z = RNG(1).normal(size=(500, 7)).astype(np.float32)
    tails = fit_tails(z, np.ones(z.shape, bool))
    back = Tails.from_arrays(tails.to_arrays())
    np.testing.assert_array_equal(reach(back, 3.5), reach(tails, 3.5))
    np.testing.assert_array_equal(reach(tails.part(2, 5), 3.5), reach(tails, 3.5)[:, 2:5])


def test_a_day_of_the_calendar_widens_what_a_holiday_may_bring() -> None:
    values = noisy(3)
    day = starts(1000)[-1].item().date()
    is_day = calendar_of(starts(ALL), "PT1H", "UTC", [day]).is_holiday[LEARNED:]
    plain, festive = judged(values), judged(values, holidays=[day])
    wider = (festive.upper - festive.lower) / (plain.upper - plain.lower)
    assert wider[:, is_day].min() > 1.5
    assert np.median(wider[:, ~is_day]) < 1.1


def test_metrics_without_intervals_to_judge_give_nothing() -> None:
    values = noisy(2)
    model = learn(values)
    found, state = judge(model, model.state, metrics(values), ALL)
    assert found.severity.shape == (2, 0)
    assert state is model.state
