"""The benchmark of root causes: its cubes, its peers and its score."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from benchmarks.causes.cubes import QUIET, SETS, Cube
from benchmarks.causes.measure import f1, with_ranges
from benchmarks.causes.peers import adtributor, riskloc

SMALL = [name for name in SETS if name not in ("50 x 50 x 20", "amounts, 10 x 12 x 10 x 8 x 5")]


def cube(sizes: tuple[int, ...], *causes: tuple[tuple[int, int], ...], times: float = 0.3) -> Cube:
    """Return a cube of 100 in each leaf with noise of 2 %; the leaves of causes are multiplied."""
    codes = np.array(list(product(*map(range, sizes))), np.int64).T
    expected = np.full(codes.shape[1], 100.0)
    actual = expected * (1 + 0.02 * np.random.default_rng(1).standard_normal(codes.shape[1]))
    for cause in causes:
        actual[np.all([codes[dimension] == value for dimension, value in cause], axis=0)] *= times
    return Cube(codes, actual, expected, expected - 7, expected + 7, frozenset(causes))


@pytest.mark.parametrize("name", SMALL)
def test_the_leaves_of_a_cause_are_off(name: str) -> None:
    made = [SETS[name](np.random.default_rng([1, case])) for case in range(5)]
    assert all(one.causes for one in made)
    for one in made:
        for cause in one.causes:
            members = np.all([one.codes[dimension] == value for dimension, value in cause], axis=0)
            assert abs(one.actual[members].sum() / one.expected[members].sum() - 1) > 0.1


@pytest.mark.parametrize("name", ["7 x 3", "12 x 8 x 5"])
def test_cubes_without_a_cause_have_none(name: str) -> None:
    one = QUIET[name](np.random.default_rng(1))
    assert one.causes == frozenset()
    assert ((one.actual >= one.lower) & (one.actual <= one.upper)).mean() > 0.95


def test_equal_seeds_make_equal_cubes() -> None:
    first, second = (SETS["7 x 3"](np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first.actual, second.actual)
    assert first.causes == second.causes


def test_adtributor_finds_values_of_one_dimension() -> None:
    case = cube((7, 3), ((0, 2),), ((0, 5),))
    assert adtributor(case) == case.causes


def test_adtributor_finds_no_combination() -> None:
    assert not adtributor(cube((7, 3), ((0, 2), (1, 1)))) & {((0, 2), (1, 1))}


@pytest.mark.parametrize("cause", [((0, 2),), ((0, 2), (1, 1)), ((1, 3), (2, 0))])
def test_riskloc_finds_an_element_of_any_layer(cause: tuple[tuple[int, int], ...]) -> None:
    assert riskloc(cube((6, 5, 4), cause)) == {cause}


def test_the_score_counts_exact_elements_only() -> None:
    case = cube((6, 5, 4), ((0, 2), (1, 1)))
    assert f1([(case.causes, with_ranges(case))]) == 1
    assert f1([(case.causes, {((0, 2),)})]) == 0
    assert f1([(case.causes, {((0, 2),), ((0, 2), (1, 1))})]) == pytest.approx(2 / 3)
