"""Cuboids of a cube: for each set of dimensions, the elements that leaves belong to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from anomalake.causes.leaves import MISSING, Bools, Floats, Ints, Leaves

#: Most dimensions of an element.
MOST_LAYERS: Final = 5
#: Most pairs of a leaf and a cuboid that are looked at; beyond it, the dimensions that tell least are left out.
MOST_WORK: Final = 8_000_000
# Standard deviations from which a leaf counts no more when dimensions are compared.
_MOST_Z: Final = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Cuboid:
    """Elements of one set of dimensions.

    Attributes
    ----------
    dimensions
        Indices of dimensions, ascending; empty: one element, the whole cube.
    elements
        Element of each leaf.
    order
        Leaves, element by element.
    first
        A leaf of each element.
    is_named
        Elements without a missing dimension value.
    cost
        Nats for naming one of these elements: the logarithm of how many there are in all cuboids of as many dimensions.
    """

    dimensions: tuple[int, ...]
    elements: Ints
    order: Ints
    first: Ints
    is_named: Bools
    cost: float


def cuboids_of(leaves: Leaves, most_work: int = MOST_WORK) -> list[Cuboid]:
    """Return the cuboids of leaves, coarse ones first."""
    used = _used_dimensions(leaves, most_work)
    return [
        _cuboid(leaves, dimensions, math.comb(len(used), layer))
        for layer in range(min(len(used), MOST_LAYERS) + 1)
        for dimensions in combinations(used, layer)
    ]


def _cuboid(leaves: Leaves, dimensions: tuple[int, ...], n_cuboids: int) -> Cuboid:
    n_leaves = leaves.codes.shape[1]
    keys = np.zeros(n_leaves, np.int64)
    is_named = np.ones(n_leaves, np.bool_)
    for dimension in dimensions:
        codes = leaves.codes[dimension]
        # Keys stay small, so that they neither overflow nor take long to sort.
        keys = keys * (int(codes.max()) + 2) + codes + 1
        if int(keys.max()) > 8 * n_leaves:
            keys = np.unique(keys, return_inverse=True)[1].astype(np.int64)
        is_named &= codes != MISSING
    present = np.bincount(keys) > 0
    elements = (np.cumsum(present) - 1)[keys]
    order = np.argsort(elements.astype(np.int32), kind="stable").astype(np.int64)
    first = order[np.searchsorted(elements[order], np.arange(int(present.sum())))]
    return Cuboid(dimensions, elements, order, first, is_named[first], math.log(len(first)) + math.log(n_cuboids))


def _used_dimensions(leaves: Leaves, most_work: int) -> list[int]:
    """Return the dimensions with different values; if they are too many, those whose values differ most."""
    n_leaves = leaves.codes.shape[1]
    different = [k for k, codes in enumerate(leaves.codes) if codes.min() != codes.max()]
    most = len(different)
    while most > 1 and n_leaves * _number_of_cuboids(most) > most_work:
        most -= 1
    if most == len(different):
        return different
    z = np.minimum(np.abs(leaves.deviation) / leaves.noise, _MOST_Z)
    return sorted(sorted(different, key=lambda k: -_difference(leaves.codes[k], z))[:most])


def _number_of_cuboids(n_dimensions: int) -> int:
    return sum(math.comb(n_dimensions, layer) for layer in range(min(n_dimensions, MOST_LAYERS) + 1))


def _difference(codes: Ints, values: Floats) -> float:
    """Return the variance between the values of a dimension as a multiple of what chance gives."""
    counts = np.bincount(codes + 1)
    sums = np.bincount(codes + 1, weights=values)
    present = counts > 0
    between = (sums[present] ** 2 / counts[present]).sum() - values.sum() ** 2 / len(values)
    return float(between / max(int(present.sum()) - 1, 1) / max(float(values.var()), 1e-12))
