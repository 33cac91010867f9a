"""Root causes: which elements are found, and which are not."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from anomalake.causes.leaves import MISSING
from anomalake.causes.search import MOST_CAUSES, find_causes

SIZES = (7, 3)


class Cube:
    """A cube of counts, with noise of 5 % and ranges of 3.4 standard deviations."""

    def __init__(self, sizes=SIZES, *, seed=0, level=1_000.0, noise=0.05):
        rng = np.random.default_rng(seed)
        self.codes = np.array(list(product(*map(range, sizes))), np.int64).T
        n_leaves = self.codes.shape[1]
        self.expected = level * rng.lognormal(0, 0.8, n_leaves)
        self.actual = self.expected * (1 + noise * rng.standard_normal(n_leaves))
        self.half = 3.4 * noise * self.expected

    def below(self, *values):
        """Return which leaves are below an element, one value or None a dimension."""
        return np.all([codes == value for codes, value in zip(self.codes, values, strict=True) if value is not None], 0)

    def change(self, *values, times):
        self.actual[self.below(*values)] *= times

    def causes(self, *, with_range=True):
        bounds = (self.expected - self.half, self.expected + self.half) if with_range else (None, None)
        return find_causes(self.codes, self.actual, self.expected, *bounds)


def elements(causes):
    return {cause.values for cause in causes}


@pytest.mark.parametrize("with_range", [True, False])
@pytest.mark.parametrize(
    ("values", "element"),
    [((3, None), ((0, 3),)), ((None, 1), ((1, 1),)), ((5, 2), ((0, 5), (1, 2))), ((None, None), ())],
)
@pytest.mark.parametrize("times", [0.38, 2.5])
def test_an_element_of_a_small_cube_is_found_exactly(values, element, times, with_range):
    cube = Cube()
    cube.change(*values, times=times)
    (cause,) = cube.causes(with_range=with_range)
    assert cause.values == element
    assert cause.share_off == pytest.approx(times - 1, rel=0.15)
    assert cause.gain > 0


def test_several_causes_have_shares_of_their_own():
    cube = Cube((7, 3))
    cube.change(3, None, times=0.38)
    cube.change(5, 1, times=0.1)
    cube.change(1, None, times=3)
    causes = {cause.values: cause.share_off for cause in cube.causes()}
    assert causes.keys() == {((0, 3),), ((0, 5), (1, 1)), ((0, 1),)}
    assert causes[(0, 3),] == pytest.approx(-0.62, abs=0.05)
    assert causes[(0, 5), (1, 1)] == pytest.approx(-0.9, abs=0.05)
    assert causes[(0, 1),] == pytest.approx(2, rel=0.15)


def test_causes_of_one_direction_explain_at_most_all():
    cube = Cube((8, 6, 4))
    for value in range(3):
        cube.change(value, value, None, times=0.4)
    causes = cube.causes()
    assert elements(causes) == {((0, value), (1, value)) for value in range(3)}
    assert 0.5 < sum(cause.explained for cause in causes) <= 1
    assert [cause.gain for cause in causes] == sorted((cause.gain for cause in causes), reverse=True)


@pytest.mark.parametrize("with_range", [True, False])
@pytest.mark.parametrize("sizes", [(7, 3), (12, 8, 5), (40, 30, 20)])
def test_noise_has_no_cause(sizes, with_range):
    for seed in range(5):
        assert Cube(sizes, seed=seed).causes(with_range=with_range) == ()


@pytest.mark.parametrize("level", [0.05, 0.5, 5.0])
def test_small_counts_have_no_cause(level):
    """Of an expected 0.5, a 0 is 100 % less and a 2 is 300 % more; neither is off."""
    for seed in range(5):
        cube = Cube((12, 8, 5), seed=seed, level=level)
        cube.actual = np.random.default_rng([seed, 1]).poisson(cube.expected).astype(np.float64)
        assert cube.causes(with_range=False) == ()


def test_the_noise_of_each_leaf_counts():
    """The leaf with the largest share off is noise by its range; one with a smaller share is a cause."""
    cube = Cube()
    cube.change(0, 0, times=0.3)
    cube.half[cube.below(0, 0)] = 2 * cube.expected[cube.below(0, 0)]
    cube.change(4, 1, times=0.6)
    assert elements(cube.causes()) == {((0, 4), (1, 1))}


def test_leaves_that_do_not_follow_make_the_cause_finer():
    """Two of three parts of an element are two causes, not one."""
    cube = Cube((10, 3, 8))
    cube.change(2, 0, None, times=0.3)
    cube.change(2, 1, None, times=0.3)
    assert elements(cube.causes()) == {((0, 2), (1, 0)), ((0, 2), (1, 1))}


def test_a_measure_that_is_an_average_needs_nothing_of_its_own():
    """The sums of an element say nothing if its leaves have no common unit of size."""
    cube = Cube((7, 5), level=1.0, noise=0.02)
    cube.expected = np.where(cube.codes[1] == 0, 1_000.0, cube.expected)
    cube.actual = cube.expected.copy()
    cube.half = 0.07 * cube.expected
    cube.change(2, None, times=0.5)
    cube.actual[cube.below(1, 0)] *= 1.01
    assert elements(cube.causes()) == {((0, 2),)}


def test_where_nothing_was_expected_the_share_is_infinite():
    cube = Cube()
    new = cube.below(6, None)
    cube.expected[new], cube.actual[new], cube.half[new] = 0, 500, 3
    (cause,) = cube.causes()
    assert cause.values == ((0, 6),)
    assert cause.share_off == math.inf


def test_leaves_without_a_value_or_an_expected_value_are_left_out():
    cube = Cube()
    cube.change(3, None, times=0.4)
    cube.actual[cube.below(2, 1)] = np.nan
    cube.expected[cube.below(3, 1)] = np.nan
    assert elements(cube.causes()) == {((0, 3),)}
    cube.actual[:] = np.nan
    assert cube.causes() == ()


def test_an_open_side_of_a_range_is_that_of_the_other_side():
    cube = Cube()
    cube.change(3, None, times=0.4)
    upper = cube.expected + cube.half
    for lower in (np.nan, -np.inf):
        causes = find_causes(cube.codes, cube.actual, cube.expected, np.full(21, lower), upper)
        assert elements(causes) == {((0, 3),)}


def test_a_missing_dimension_value_is_never_named():
    cube = Cube()
    cube.change(3, None, times=0.4)
    cube.codes[0][cube.codes[0] == 3] = MISSING
    assert all(cause.values and cause.values[0][0] == 1 for cause in cube.causes())


def test_without_dimensions_the_measure_as_a_whole_is_named():
    none = np.zeros((0, 1), np.int64)
    causes = find_causes(none, np.array([40.0]), np.array([100.0]), np.array([90.0]), np.array([110.0]))
    assert [cause.values for cause in causes] == [()]


def test_of_many_dimensions_those_whose_values_differ_are_searched():
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 4, (20, 5_000)).astype(np.int64)
    expected = 1_000 * rng.lognormal(0, 0.5, 5_000)
    actual = expected * (1 + 0.05 * rng.standard_normal(5_000))
    actual[(codes[11] == 2) & (codes[17] == 1)] *= 0.5
    causes = find_causes(codes, actual, expected, most_work=1_000_000)
    assert elements(causes) == {((11, 2), (17, 1))}


def test_the_number_of_causes_is_bounded():
    cube = Cube((30, 30), noise=0.01)
    for value in range(25):
        cube.change(value, value, times=0.2)
    assert len(cube.causes()) == MOST_CAUSES


@pytest.mark.parametrize("with_range", [True, False])
def test_one_more_where_nothing_was_expected_is_no_cause(with_range):
    cube = Cube((12, 8), level=4.0)
    cube.expected[::3] = 0
    cube.actual = np.random.default_rng(2).poisson(cube.expected).astype(np.float64)
    cube.half = 3.4 * np.sqrt(cube.expected + 0.25)
    cube.actual[3::18] += 1
    assert cube.causes(with_range=with_range) == ()
    # Many are one.
    cube.actual[6] = 20
    (cause,) = cube.causes(with_range=with_range)
    assert (cause.values, cause.share_off) == (((0, 0), (1, 6)), math.inf)


@pytest.mark.parametrize("seed", range(10, 20))
def test_zeros_of_half_of_the_leaves_do_not_hide_the_noise_of_the_others(seed):
    cube = Cube((10, 12, 4), seed=seed, noise=0.2)
    cube.actual = np.abs(cube.actual) + 0.5
    for value in (0, 1):
        cube.change(None, None, value, times=0.0)
    cube.change(3, 5, None, times=0.0)
    found = elements(cube.causes(with_range=False))
    assert {((2, 0),), ((2, 1),)} <= found <= {((2, 0),), ((2, 1),), ((0, 3), (1, 5))}


@pytest.mark.parametrize("seed", range(10))
def test_where_all_leaves_are_in_a_cause_it_is_not_split(seed):
    cube = Cube((11, 3), seed=seed, noise=0.15)
    cube.change(None, None, times=0.5)
    assert elements(cube.causes(with_range=False)) == {()}
