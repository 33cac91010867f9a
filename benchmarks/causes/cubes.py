"""Labelled cubes: leaves with values, expected values and ranges, some elements of which are off by a common share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Random = np.random.Generator

#: An element: pairs of dimension and value, by code, ascending.
Element = tuple[tuple[int, int], ...]

#: Half of a range, in standard deviations.
RANGE_SIGMAS = 3.4
# Least distance of the leaves of a cause from what was expected, in standard deviations, all together: a cause that no
# method can see is no test.
_LEAST_DISTANCE = 7.0


@dataclass(frozen=True, slots=True, eq=False)
class Cube:
    """One case.

    Attributes
    ----------
    codes
        Shape (dimensions, leaves).
    actual, expected, lower, upper
        Shape (leaves,).
    causes
        The elements that are off.
    """

    codes: Ints
    actual: Floats
    expected: Floats
    lower: Floats
    upper: Floats
    causes: frozenset[Element]


def counts(
    rng: Random,
    sizes: tuple[int, ...],
    n_causes: int,
    *,
    typical: float | None = None,
    empty: float = 0.0,
    both: bool = False,
) -> Cube:
    """Make a cube of counts, such as orders by carrier and airport.

    The sizes of dimension values are log-normal. The variance of a leaf is that of a Poisson distribution, and that of
    a relative noise of 2 to 15 %. A cause is 20 to 100 % less, or more by the inverse factor, and its leaves differ by
    3 % of that. It has at most half of the leaves, and shares none with another cause.

    Parameters
    ----------
    typical
        Expected value of a typical leaf. Default: drawn, 10 to 10,000.
    empty
        Share of the leaves that do not exist.
    both
        Causes of one case are in both directions.
    """
    codes = _all_leaves(sizes)
    codes = codes[:, rng.random(codes.shape[1]) >= empty]
    n_leaves = codes.shape[1]
    expected = np.full(n_leaves, float(typical or 10 ** rng.uniform(1, 4)))
    for size, dimension in zip(sizes, codes, strict=True):
        expected *= rng.lognormal(0, 0.8, size)[dimension]
    expected *= rng.lognormal(0, 0.3, n_leaves)
    relative = rng.uniform(0.02, 0.15)
    sigma = np.hypot(relative * expected, np.sqrt(expected))
    mean, covered = expected.copy(), np.zeros(n_leaves, np.bool_)
    causes: set[Element] = set()
    sign = rng.choice([-1, 1])
    for _ in range(200):
        if len(causes) == n_causes:
            break
        dimensions = rng.choice(len(sizes), rng.integers(1, len(sizes) + 1), replace=False)
        leaf = rng.integers(n_leaves)
        members = np.all(codes[dimensions] == codes[dimensions, leaf, None], axis=0)
        sign = rng.choice([-1, 1]) if both else sign
        share = rng.uniform(0.2, 1.0)
        left = 1 - np.clip(rng.normal(share, 0.03 * share, members.sum()), 0.05, 1)
        changed = expected[members] * (left if sign < 0 else 1 / np.maximum(left, 0.1))
        distance = np.sqrt(np.sum(((changed - expected[members]) / sigma[members]) ** 2))
        if (members & covered).any() or members.mean() > 0.5 or distance < _LEAST_DISTANCE:
            continue
        mean[members] = changed
        covered |= members
        causes.add(_element(dimensions, codes[:, leaf]))
    spread = np.hypot(relative * mean, np.sqrt(mean))
    actual = np.round(np.maximum(mean + spread * rng.standard_normal(n_leaves), 0))
    half = RANGE_SIGMAS * sigma
    return Cube(codes, actual, expected, np.maximum(expected - half, 0), expected + half, frozenset(causes))


def amounts(rng: Random, sizes: tuple[int, ...], *, noise: float = 0.25) -> Cube:
    """Make a cube as RiskLoc's paper makes them: Weibull amounts, up to a quarter zeros, noise of up to `noise`.

    One to three anomalies of different dimensions have one to three elements each, all in one direction; their leaves
    differ from the common share by up to 0.1. Elements of different anomalies may share leaves.
    """
    codes = _all_leaves(sizes)
    n_leaves = codes.shape[1]
    level = rng.uniform(0, noise)
    amount = 100 * rng.weibull(rng.uniform(0.5, 1.0), n_leaves) * (rng.random(n_leaves) >= rng.uniform(0, 0.25))
    forecast = np.maximum(amount * (1 + level * rng.standard_normal(n_leaves)), 0)
    is_swapped = rng.random(n_leaves) < 0.5
    actual, expected = np.where(is_swapped, (forecast, amount), (amount, forecast))
    is_more = actual.sum() > expected.sum()
    causes: set[Element] = set()
    used: set[tuple[int, ...]] = set()
    taken: list[set[int]] = [set() for _ in sizes]
    for _ in range(rng.integers(1, 4)):
        dimensions = np.sort(rng.choice(len(sizes), rng.integers(1, len(sizes) + 1), replace=False))
        free = [sorted(set(range(sizes[k])) - taken[k]) for k in dimensions]
        if tuple(dimensions) in used or not all(free):
            continue
        used.add(tuple(dimensions))
        share, spread = rng.uniform(0.2, 1.0) + level, rng.uniform(0, 0.1)
        for _ in range(rng.integers(1, 4)):
            values = np.array([rng.choice(values) for values in free])
            members = np.all(codes[dimensions] == values[:, None], axis=0)
            if not np.any(actual[members] * expected[members]):
                continue
            left = np.maximum(1 - rng.normal(share, spread, members.sum()), 0)
            if is_more:
                expected[members] = actual[members] * left
            else:
                actual[members] = expected[members] * left
            causes.add(tuple(zip(dimensions.tolist(), values.tolist(), strict=True)))
            for k, value in zip(dimensions, values, strict=True):
                taken[k].add(int(value))
    unknown = np.full(n_leaves, np.nan)
    return Cube(codes, actual, expected, unknown, unknown, frozenset(causes))


def _all_leaves(sizes: tuple[int, ...]) -> Ints:
    return np.array(list(product(*(range(size) for size in sizes))), np.int64).T


def _element(dimensions: Ints, values: Ints) -> Element:
    return tuple((int(k), int(values[k])) for k in sorted(dimensions))


#: Sets of cubes with causes: name, and what makes a case.
SETS: dict[str, Callable[[Random], Cube]] = {
    "7 x 3": lambda rng: counts(rng, (7, 3), int(rng.integers(1, 3))),
    "12 x 8 x 5": lambda rng: counts(rng, (12, 8, 5), int(rng.integers(1, 4))),
    "30 x 20 x 10, half of it empty, small counts": lambda rng: counts(
        rng, (30, 20, 10), int(rng.integers(1, 4)), typical=20, empty=0.5
    ),
    "5 x 5 x 5 x 5, both directions": lambda rng: counts(rng, (5, 5, 5, 5), int(rng.integers(1, 4)), both=True),
    "4 x 4 x 4 x 4 x 4 x 4": lambda rng: counts(rng, (4,) * 6, int(rng.integers(1, 4))),
    "50 x 50 x 20": lambda rng: counts(rng, (50, 50, 20), int(rng.integers(1, 4))),
    "amounts, 10 x 12 x 4": lambda rng: amounts(rng, (10, 12, 4)),
    "amounts, 10 x 12 x 10 x 4": lambda rng: amounts(rng, (10, 12, 10, 4)),
    "amounts, 10 x 12 x 10 x 8 x 5": lambda rng: amounts(rng, (10, 12, 10, 8, 5)),
}

#: Sets of cubes without a cause.
QUIET: dict[str, Callable[[Random], Cube]] = {
    "7 x 3": lambda rng: counts(rng, (7, 3), 0),
    "12 x 8 x 5": lambda rng: counts(rng, (12, 8, 5), 0),
    "12 x 8 x 5, small counts": lambda rng: counts(rng, (12, 8, 5), 0, typical=1),
    "40 x 30 x 20": lambda rng: counts(rng, (40, 30, 20), 0),
}
