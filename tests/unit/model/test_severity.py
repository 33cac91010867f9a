"""Severities: their range and order, and that they agree with the range of values; tails."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from anomalake.model import judge
from anomalake.model.calendar import calendar_of
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.tails import fit_tails, limits_of, surprise
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
    """Return series of many kinds, with events for which range and severity could disagree."""
    rng = RNG(4)
    usual = noisy(4)
    shifted, spiked, stopped, lasting, with_gaps = (usual.copy() for _ in range(5))
    shifted[:, 900:] += 80
    spiked[rng.random(usual.shape) < 0.03] *= 4
    stopped[:, 900:] = 0
    lasting[:, 900:910] += 12
    with_gaps[rng.random(usual.shape) < 0.2] = np.nan
    negative = rng.poisson(2, (4, ALL)).astype(float)
    negative[:, 1000:1003] = [-1e-9, -1, -50]
    return {
        "usual": usual,
        "shifted": shifted,
        "spiked": spiked,
        "to zero": stopped,
        "lasting": lasting,
        "with gaps": with_gaps,
        "negative at last": negative,
        "low counts": rng.poisson(0.3, (4, ALL)).astype(float),
        "very low counts": rng.poisson(0.01, (4, ALL)).astype(float),
        "log-normal": np.exp(rng.normal(0, 1.5, (4, ALL))),
        "Cauchy": rng.standard_cauchy((4, ALL)),
        "a walk": rng.normal(0, 1, (4, ALL)).cumsum(axis=1),
        "a large offset": 1e15 + usual,
        "a small unit": 1e-12 * usual,
        "constant": np.full((1, ALL), 7.0),
        "mostly zero": np.where(rng.random((4, ALL)) < 0.1, 5.0, 0.0),
    }


KINDS = kinds()


@cache
def judged_kinds() -> Judgement:
    """Judge all of them at once: each metric is judged independently."""
    return judged(np.vstack(list(KINDS.values())))


def check_judgement(judgement: Judgement, values: Floats) -> None:
    """Check the invariants of every judgement."""
    judged_values = values[:, judgement.first :]
    is_judged = ~np.isnan(judged_values) & ~np.isnan(judgement.expected)
    assert judgement.severity.shape == judgement.expected.shape == judged_values.shape
    assert ((judgement.severity >= 0) & (judgement.severity < 100)).all()
    assert (judgement.severity[~is_judged] == 0).all()
    np.testing.assert_array_equal(judgement.is_anomaly, judgement.severity >= ANOMALOUS)
    np.testing.assert_array_equal(judgement.is_anomaly[is_judged], outside(judgement, values)[is_judged])
    assert np.isfinite([judgement.lower[is_judged], judgement.expected[is_judged], judgement.upper[is_judged]]).all()
    assert (judgement.lower[is_judged] <= judgement.expected[is_judged]).all()
    assert (judgement.expected[is_judged] <= judgement.upper[is_judged]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_range_and_severity_agree(kind: str) -> None:
    names = list(KINDS)
    first = sum(len(KINDS[name]) for name in names[: names.index(kind)])
    judgement = rows(judged_kinds(), slice(first, first + len(KINDS[kind])))
    assert not np.isnan(judgement.expected).any()
    check_judgement(judgement, KINDS[kind])


@pytest.mark.parametrize("holidays", [False, True])
def test_range_and_severity_agree_at_the_limits(holidays: bool) -> None:
    values = noisy(3)
    values[:, 1000:1012] += np.where(np.arange(12) < 9, 90, 0)
    days = (starts(1100)[-1].item().date(), starts(1005)[-1].item().date()) if holidays else ()
    model = learn(values, holidays=days) if days else usual_model()
    before = judged(values, model=model)
    for at in (LEARNED, 1000, 1004, 1010, 1012, 1097):
        k, state = at - LEARNED, state_before(model, values, at)
        for limit, step in ((before.lower[:, k], -1), (before.upper[:, k], 1)):
            for relative in (-1e-6, 1e-6):
                other = values.copy()
                other[:, at] = limit * (1 + step * relative)
                judgement = judge(model, state, metrics(other[:, : at + 1]), at)[0]
                check_judgement(judgement, other[:, : at + 1])
                assert (judgement.is_anomaly[:, 0] == (relative > 0)).all()


@pytest.mark.parametrize("at", [LEARNED, 1000, 1004, 1012, 1100])
def test_larger_deviations_are_more_severe(at: int) -> None:
    values = noisy(3)
    values[:, 1000:1010] += 90
    model = usual_model()
    before, state = judged(values, model=model), state_before(model, values, at)
    k = at - LEARNED
    for limit, side in ((before.upper[:, k], 1), (before.lower[:, k], -1)):
        sizes = 10.0 ** np.arange(-2, 6.1)
        severities = []
        for size in sizes:
            values[:, at] = limit + side * size
            severities.append(judge(model, state, metrics(values[:, : at + 1]), at)[0].severity[:, 0])
        increasing = np.array(severities)
        assert (increasing >= ANOMALOUS).all()
        assert (np.diff(increasing, axis=0) > 0).all()  # no ties, so the largest of many is known


def test_a_deviation_is_more_severe_with_less_noise() -> None:
    values = np.vstack([noisy(1, noise=1.0), noisy(1, noise=6.0)])
    values[:, 1000] += 40
    with_low_noise, with_high_noise = judged(values).severity[:, 1000 - LEARNED]
    assert with_low_noise > with_high_noise


def test_the_range_follows_the_noise_by_time_of_day() -> None:
    t = np.arange(ALL)
    by_night = (t % 24) < 12
    values = 100 + np.where(by_night, 0.5, 8.0) * RNG(1).normal(0, 1, (6, ALL))
    judgement = judged(values)
    width = (judgement.upper - judgement.lower)[:, 100:]
    assert np.median(width[:, by_night[LEARNED + 100 :]]) < 0.5 * np.median(width[:, ~by_night[LEARNED + 100 :]])


def test_small_deviations_in_a_row_are_found_together() -> None:
    rng = RNG(2)
    values = 100 + rng.normal(0, 3, (20, ALL))
    single, four = values.copy(), values.copy()
    single[:, 1003] = 100 + 3.2 * 3
    four[:, 1000:1004] = 100 + 3.2 * 3
    model = learn(values)
    k = 1003 - LEARNED
    alone, joint = judged(single, model=model), judged(four, model=model)
    assert not alone.is_anomaly[:, k].any()
    assert joint.severity[:, k].mean() > alone.severity[:, k].mean() + 3


def test_a_measure_without_negative_values_is_expected_to_stay_so() -> None:
    values = RNG(1).poisson(1.0, (3, ALL)).astype(float)
    values[:, 1000] = -1
    judgement = judged(values)
    assert (judgement.lower >= 0).all()
    assert (judgement.expected >= 0).all()
    assert judgement.is_anomaly[:, 1000 - LEARNED].all()


def test_limits_are_the_inverse_of_surprise() -> None:
    z = RNG(1).standard_t(4, (2000, 5)).astype(np.float32)
    tails = fit_tails(z, np.ones(z.shape, bool))
    for surprises in (0.5, 2.0, 3.5, 6.0):
        up, down = limits_of(tails, surprises)
        np.testing.assert_allclose(surprise(tails, up[None].astype(np.float32))[0], surprises, rtol=1e-4)
        np.testing.assert_allclose(surprise(tails, -down[None].astype(np.float32))[0], surprises, rtol=1e-4)


def test_limits_are_those_of_the_distribution() -> None:
    rng = RNG(1)
    tails = fit_tails(rng.normal(size=(5000, 30)).astype(np.float32), np.ones((5000, 30), bool))
    up, down = limits_of(tails, 3.0)  # 10^-3 on one side: 3.09 for normal values, more with the common shape
    assert 2.9 < up.mean() < 3.8
    assert 2.9 < down.mean() < 3.8


def test_each_side_has_its_own_tail_without_rare_extreme_values() -> None:
    rng = RNG(1)
    z = rng.exponential(1, (3000, 10)).astype(np.float32) - 1
    up, down = limits_of(fit_tails(z, np.ones(z.shape, bool)), 3.5)
    assert (up > 1.2 * down).all()
    extreme = z.copy()
    extreme[rng.random(z.shape) < 0.005] = 1000
    far, _ = limits_of(fit_tails(extreme, np.ones(z.shape, bool)), 3.5)
    np.testing.assert_allclose(far, up, rtol=0.3)


@pytest.mark.parametrize(
    ("freedom", "of_hours", "usual", "short"),
    [(np.inf, 4.36, 4.32, 4.73), (4, 10.3, 8.5, 7.9)],
    ids=["normal", "heavy"],
)
def test_long_histories_of_hours_tell_heavy_noise_from_normal_noise_and_short_ones_are_not_wider(
    freedom: float, of_hours: float, usual: float, short: float
) -> None:
    noise = RNG(6).standard_t(freedom, (4_000, 60)) if np.isfinite(freedom) else RNG(6).normal(size=(4_000, 60))

    def limit(z: np.ndarray, *, can_be_light: bool) -> float:
        tails = fit_tails(z.astype(np.float32), np.ones(z.shape, bool), can_be_light=can_be_light)
        return float(np.median(limits_of(tails, 3.5)))

    assert limit(noise, can_be_light=True) == pytest.approx(of_hours, rel=0.05)
    assert limit(noise, can_be_light=False) == pytest.approx(usual, rel=0.08)
    assert limit(noise[:900], can_be_light=False) == pytest.approx(short, rel=0.08)


def test_an_event_a_month_of_days_leaves_the_tails() -> None:
    rng = RNG(1)
    z = rng.normal(size=(400, 10)).astype(np.float32)
    usual, _ = limits_of(fit_tails(z, np.ones(z.shape, bool), of_days=True), 3.4)
    peaks = z.copy()
    peaks[15::40] = 60
    with_peaks, _ = limits_of(fit_tails(peaks, np.ones(z.shape, bool), of_days=True), 3.4)
    np.testing.assert_allclose(with_peaks, usual, rtol=0.3)
    peaks[::5] = 60  # an event in five days is noise
    noise, _ = limits_of(fit_tails(peaks, np.ones(z.shape, bool), of_days=True), 3.4)
    assert (noise > 5 * usual).all()


def test_a_part_of_tails_has_the_limits_of_its_series() -> None:
    z = RNG(1).normal(size=(500, 7)).astype(np.float32)
    tails = fit_tails(z, np.ones(z.shape, bool))
    np.testing.assert_array_equal(limits_of(tails.part(2, 5), 3.5), limits_of(tails, 3.5)[:, 2:5])


def test_the_range_is_wider_on_a_holiday() -> None:
    values = noisy(3)
    day = starts(1000)[-1].item().date()
    is_day = calendar_of(starts(ALL), "PT1H", "UTC", [day]).is_holiday[LEARNED:]
    plain, with_holiday = judged(values), judged(values, holidays=[day])
    wider = (with_holiday.upper - with_holiday.lower) / (plain.upper - plain.lower)
    assert wider[:, is_day].min() > 1.4
    assert np.median(wider[:, ~is_day]) < 1.1


def test_no_interval_to_judge_gives_an_empty_judgement() -> None:
    values = noisy(2)
    model = learn(values)
    judgement, state = judge(model, model.state, metrics(values), ALL)
    assert judgement.severity.shape == (2, 0)
    assert state is model.state
