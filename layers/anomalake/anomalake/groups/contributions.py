"""Contributions of dimension values to an anomaly, in whole per cent."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from anomalake.alerts import Contribution

Dimensions = tuple[tuple[str, str], ...]

#: A dimension, a value of it, and the deviation that it accounts for.
Part = tuple[str, str, float]


def contributions(affected: Sequence[tuple[Dimensions, float]]) -> tuple[Contribution, ...]:
    """Return the contributions to the deviation of metrics: dimensions and deviation of each (`shares_of`)."""
    return shares_of((name, value, abs(deviation)) for dimensions, deviation in affected for name, value in dimensions)


def shares_of(parts: Iterable[Part]) -> tuple[Contribution, ...]:
    """Return the share of each dimension value in the deviation; the shares of a dimension add up to 100.

    Where no value of a dimension deviates, all its parts have the same weight.

    Returns
    -------
    By dimension name, then by descending share, then by value.
    """
    deviations: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name, value, deviation in parts:
        deviations[name][value].append(deviation)
    shared = []
    for name, values in sorted(deviations.items()):
        sums = {value: coarse(math.fsum(amounts)) for value, amounts in values.items()}
        if not any(sums.values()):
            sums = {value: float(len(amounts)) for value, amounts in values.items()}
        shares = whole_per_cent(sums)
        shared += [Contribution(name, value, shares[value]) for value in sorted(shares, key=lambda v: (-shares[v], v))]
    return tuple(shared)


def coarse(amount: float) -> float:
    """Round an amount to six significant digits, for comparisons and shares.

    Expected values differ in their last bits between processors. Rounded amounts are equal on all of them, so an order
    or a share does not depend on the processor.
    """
    return float(f"{amount:.5e}")


def whole_per_cent(amounts: Mapping[str, float]) -> dict[str, int]:
    """Return amounts, none negative and not all zero, as whole per cent that add up to 100.

    The largest remainders are rounded up; of equal remainders, that of the larger amount, then of the first key.
    """
    # Integers make the remainders exact: a float is an integer over a power of two.
    ratios = {key: float(amount).as_integer_ratio() for key, amount in amounts.items()}
    unit = max(denominator for _, denominator in ratios.values())
    exact = {key: numerator * (unit // denominator) for key, (numerator, denominator) in ratios.items()}
    total = sum(exact.values())
    per_cent = {key: 100 * amount // total for key, amount in exact.items()}
    missing = 100 - sum(per_cent.values())
    if missing:
        by_remainder = sorted(exact, key=lambda key: (-(100 * exact[key] % total), -exact[key], key))
        for key in by_remainder[:missing]:
            per_cent[key] += 1
    return per_cent
