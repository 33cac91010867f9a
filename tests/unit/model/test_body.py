"""Tests of `anomalake.model.body`: the body of the residuals of hours and the length of their tails."""

import numpy as np
import pytest

from anomalake.model.body import shape_by_body
from anomalake.model.tails import fit_tails, limits_of

DECISION = 3.6


def _limits(z: np.ndarray) -> np.ndarray:
    """Return the median residual, up and down, that decides."""
    tails = fit_tails(z.astype(np.float32), np.ones(z.shape, bool), can_be_light=True)
    return np.median(limits_of(tails, DECISION), axis=1)


@pytest.mark.parametrize("n_times", [840, 2_500, 6_000])
def test_outliers_of_the_history_hardly_widen_the_tails_of_normal_noise(n_times: int) -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(n_times, 200))
    outliers = rng.choice([-1, 1], noise.shape) * rng.uniform(3, 8, noise.shape)
    with_outliers = noise + (rng.random(noise.shape) < 0.005) * outliers

    assert (_limits(with_outliers) < 1.25 * _limits(noise)).all()
    assert (_limits(noise) > 4.2).all()


def test_usual_jumps_are_no_outliers() -> None:
    rng = np.random.default_rng(2)
    z = rng.normal(size=(2_500, 50))
    z[::72] += 7

    up, down = _limits(z)

    assert up > 8
    assert down > 4.2


def test_tails_of_a_heavy_body_are_longer() -> None:
    rng = np.random.default_rng(3)
    heavy = rng.standard_t(4, size=(6_000, 100)) / 1.098

    assert (_limits(heavy) > 2 * _limits(rng.normal(size=(6_000, 100)))).all()


def test_a_tail_is_not_made_shorter_than_that_of_normal_noise() -> None:
    # Residuals that are mostly 0: their body is next to nothing.
    body = np.full((3, 1), 0.01)
    shape = np.array([0.05])

    found = shape_by_body(body, body, shape, np.array([1.0]), np.array([0.3]), 0.05)

    assert found == shape


def test_a_long_side_stays_long() -> None:
    rng = np.random.default_rng(5)
    skewed = np.exp(0.6 * rng.normal(size=(2_500, 100))) - 1

    up, down = _limits(skewed)

    assert up > 4.5
    assert up > 1.4 * down
