"""Other methods for root causes, written from their papers, for comparison only."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from benchmarks.causes.cubes import Cube, Element, Floats, Ints

# Adtributor (Bhagwan et al., NSDI 2014): least explanatory power of an element, and of a set of elements.
_LEAST_OF_ELEMENT, _LEAST_OF_SET = 0.1, 0.67

# RiskLoc (Kalander, 2022): leaves that are left out at both ends for the cutoff, least risk of a cause, and least
# explanatory power of a cause as a share of that of the anomalous leaves.
_LEFT_OUT, _LEAST_RISK, _LEAST_POWER = 5, 0.5, 0.02


def adtributor(cube: Cube) -> set[Element]:
    """Return the elements of the most surprising dimension that together explain the change of the total."""
    total_expected, total_actual = cube.expected.sum(), cube.actual.sum()
    if total_expected == total_actual or not total_expected or not total_actual:
        return set()
    best: tuple[float, set[Element]] = (-np.inf, set())
    for dimension, codes in enumerate(cube.codes):
        expected, actual = (np.bincount(codes, weights=values) for values in (cube.expected, cube.actual))
        power = (actual - expected) / (total_actual - total_expected)
        p, q = expected / total_expected, actual / total_actual
        surprise = (_entropy(p, (p + q) / 2) + _entropy(q, (p + q) / 2)) / 2
        explained, surprised = 0.0, 0.0
        chosen: set[Element] = set()
        for value in np.argsort(-surprise, kind="stable"):
            if power[value] > _LEAST_OF_ELEMENT:
                explained += power[value]
                surprised += surprise[value]
                chosen.add(((dimension, int(value)),))
                if explained > _LEAST_OF_SET:
                    best = max(best, (float(surprised), chosen), key=lambda candidate: candidate[0])
                    break
    return best[1]


def riskloc(cube: Cube) -> set[Element]:
    """Return the elements with a high risk, coarse ones first; their leaves are removed one element after the other."""
    codes, actual, expected = cube.codes, cube.actual, cube.expected
    total = actual.sum() - expected.sum()
    both = actual + expected
    deviation = np.where(both > 0, 2 * (expected - actual) / np.where(both > 0, both, 1), 0)
    different = np.unique(deviation)
    if not total or len(different) <= 2 * _LEFT_OUT:
        return set()
    low, high = different[_LEFT_OUT], different[-1 - _LEFT_OUT]
    cutoff = -(low if abs(low) < abs(high) else high)
    is_anomalous = deviation > cutoff if cutoff >= 0 else deviation < cutoff
    weight = np.where(is_anomalous, np.abs(deviation), np.abs(cutoff - deviation))
    weight = np.where(both > 0, np.minimum(weight, 1), 0)
    power = (actual - expected) / total
    if power[is_anomalous].sum() < 0:
        power = -power
    least = power[is_anomalous].sum() * _LEAST_POWER
    found: set[Element] = set()
    left = np.arange(len(actual))
    while len(left) and power[left][is_anomalous[left]].sum() >= least:
        parts = (codes[:, left], actual[left], expected[left], deviation[left], is_anomalous[left], weight[left])
        element = _riskiest(*parts, power[left], least)
        if element is None:
            break
        found.add(element)
        members = np.all([codes[dimension, left] == value for dimension, value in element], axis=0)
        left = left[~members]
    return found


def _riskiest(
    codes: Ints,
    actual: Floats,
    expected: Floats,
    deviation: Floats,
    is_anomalous: Ints,
    weight: Floats,
    power: Floats,
    least: float,
) -> Element | None:
    for layer in range(1, len(codes) + 1):
        best, best_power = None, least
        for dimensions in combinations(range(len(codes)), layer):
            keys = np.ravel_multi_index(
                tuple(codes[k] for k in dimensions), tuple(codes[k].max() + 1 for k in dimensions)
            )
            order = np.argsort(keys, kind="stable")
            starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
            ends = np.append(starts[1:], len(order))
            powers = np.add.reduceat(power[order], starts)
            anomalous = np.add.reduceat(is_anomalous[order].astype(np.int64), starts)
            for k in np.argsort(-powers, kind="stable"):
                if powers[k] <= best_power:
                    break
                members = order[starts[k] : ends[k]]
                if anomalous[k] and _risk(actual, expected, deviation, is_anomalous, weight, members) >= _LEAST_RISK:
                    best = tuple((dimension, int(codes[dimension, members[0]])) for dimension in dimensions)
                    best_power = powers[k]
                    break
        if best is not None:
            return best
    return None


def _risk(
    actual: Floats, expected: Floats, deviation: Floats, is_anomalous: Ints, weight: Floats, members: Ints
) -> float:
    """Return the weighted share of anomalous leaves, less the error of the ripple effect."""
    anomalous = weight[members][is_anomalous[members]].sum()
    high = anomalous / (anomalous + weight[members][~is_anomalous[members]].sum() + 1)
    rippled = members[(actual[members] != 0) & (expected[members] != 0)]
    if not len(rippled):
        return float(high)
    spread = expected[rippled] * actual[rippled].sum() / expected[rippled].sum()
    error = np.abs(2 * (spread - actual[rippled]) / (spread + actual[rippled])).mean()
    usual = np.abs(deviation[rippled]).mean()
    return float(high - (error / usual if usual else 0.0))


def _entropy(p: Floats, mean: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * np.log(p / mean), 0)
