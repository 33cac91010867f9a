"""Slow ramps: each value is as the last ones predict it, and level and seasonality are left behind all the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anomalake.model import judge
from anomalake.model.filter_state import RAMP
from anomalake.model.ramps import CLIP, judge_ramps, limits_of_ramps, no_ramps
from anomalake.model.tails import fit_tails
from tests.unit.model.histories import Floats, by_steps, judged, learn, metrics
from tests.unit.model.test_severity import check_judgement

FIRST, ALL, AT = 1_000, 1_400, 1_109
SERIES = 10
HOUR = np.arange(ALL)
DAY = 1 + 0.4 * np.sin(2 * np.pi * (HOUR - 5) / 24) + 0.1 * (HOUR // 24 % 7 < 5)


def usual(noise: float) -> Floats:
    """Return log-normal noise, half of which is taken over by the next interval."""
    steps = np.random.default_rng(21).normal(0, noise, (SERIES, ALL))
    for t in range(1, ALL):
        steps[:, t] += 0.5 * steps[:, t - 1]
    values: Floats = 1_000 * DAY * np.exp(steps)
    return values


def ramp(size: float, length: int) -> Floats:
    """Return factors that change by `size` within so many intervals, slowest at both ends."""
    x = np.clip((HOUR - AT) / length, 0, 1)
    factors: Floats = 1 + size * (3 * x**2 - 2 * x**3)
    return factors


@pytest.mark.parametrize(("size", "length"), [(-0.6, 18), (-0.5, 30), (0.7, 30), (1.0, 48)])
def test_a_slow_ramp_is_found(size: float, length: int) -> None:
    values = usual(0.06) * ramp(size, length)
    judgement = judged(values, FIRST)
    check_judgement(judgement, values)
    of_ramp = judgement.is_anomaly[:, AT - FIRST : AT - FIRST + length + 12]
    assert of_ramp.any(axis=1).mean() >= 0.7
    model = learn(values, FIRST)
    without = replace(model, ramp_tails=no_ramps(SERIES))
    single, _ = judge(without, without.state, metrics(values), FIRST)
    found = single.is_anomaly[:, AT - FIRST : AT - FIRST + length + 12].any(axis=1)
    assert of_ramp.any(axis=1).sum() > found.sum()


def test_noise_that_lasts_is_no_ramp() -> None:
    values = usual(0.06)
    model = learn(values, FIRST)
    without = replace(model, ramp_tails=no_ramps(SERIES))
    judgement, _ = judge(model, model.state, metrics(values), FIRST)
    single, _ = judge(without, without.state, metrics(values), FIRST)
    assert judgement.is_anomaly.sum() - single.is_anomaly.sum() <= 1


def test_a_deviation_that_stays_is_a_ramp_while_it_grows_only() -> None:
    noise = np.random.default_rng(8).normal(0, 0.3, (2_000, 1)).astype(np.float32)
    tails = fit_tails(noise, np.ones(noise.shape, bool), can_be_light=True, of_days=False)
    grows = np.linspace(0, -CLIP, RAMP, dtype=np.float32)
    deviations = np.concatenate([np.zeros(RAMP, np.float32), grows, np.full(60, -CLIP, np.float32)])[:, None]
    residuals = np.full((len(deviations) - RAMP + 1, 1), -1, np.float32)
    surprises = judge_ramps(tails, deviations, residuals)[:, 0]
    assert surprises[: 2 * RAMP].max() > 4
    assert not surprises[2 * RAMP :].any()
    down, up = limits_of_ramps(tails, deviations, 4.0)
    judged_values = -deviations[RAMP - 1 :, 0]
    assert ((judged_values >= down[:, 0]) == (surprises >= 4)).mean() > 0.9
    assert np.isinf(up[2 * RAMP :]).all()


def test_ramps_are_judged_in_steps_as_at_once() -> None:
    values = usual(0.06) * ramp(-0.5, 30)
    values[2, AT + 5] = np.nan
    values[3, AT + 60 :] *= 3
    model = learn(values, FIRST)
    at_once, _ = judge(model, model.state, metrics(values), FIRST)
    parts, _ = by_steps(model, values, FIRST, [AT, AT + 1, AT + 2, AT + 7, AT + 20, AT + 31, AT + 90, AT + 91])
    for name in ("severity", "lower", "upper"):
        np.testing.assert_array_equal(np.hstack([getattr(part, name) for part in parts]), getattr(at_once, name))


def test_a_holiday_is_no_part_of_a_ramp() -> None:
    values = usual(0.06)
    holiday = metrics(values).starts[AT].item().date()
    first = int(AT // 24 * 24)
    values[:, first : first + 24] *= 0.8
    model = learn(values, FIRST, holidays=[holiday])
    judgement, _ = judge(model, model.state, metrics(values), FIRST)
    check_judgement(judgement, values)
    assert judgement.is_anomaly[:, first - FIRST : first - FIRST + 48].mean() < 0.01
