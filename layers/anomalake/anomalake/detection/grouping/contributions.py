"""Which values of which dimension an anomaly comes from, in whole per cent."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from anomalake.alerts import Contribution

Dimensions = tuple[tuple[str, str], ...]


def contributions(affected: Sequence[tuple[Dimensions, float]]) -> tuple[Contribution, ...]:
    """Each dimension's values with their share of the deviation, adding up to 100 for each dimension.

    Parameters
    ----------
    affected
        The dimensions of each affected metric, and how far it deviates from what was expected, either way. A dimension
        is shared out among the metrics that have it. Where nothing deviates, all metrics count alike.

    Returns
    -------
    Dimensions by name, the values of each by falling share, then by value.
    """
    deviations: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for dimensions, deviation in affected:
        for name, value in dimensions:
            deviations[name][value].append(abs(deviation))
    made = []
    for name, values in sorted(deviations.items()):
        sums = {value: coarse(math.fsum(some)) for value, some in values.items()}
        if not any(sums.values()):
            sums = {value: float(len(some)) for value, some in values.items()}
        shares = whole_per_cent(sums)
        made += [Contribution(name, value, shares[value]) for value in sorted(shares, key=lambda v: (-shares[v], v))]
    return tuple(made)


def coarse(amount: float) -> float:
    """An amount to six significant digits, for what compares or shares out amounts.

    Processors differ in the last bits of what a model expects. Amounts that are equal but for these must be equal on
    all of them, so that an order or a rounding never depends on the processor.
    """
    return float(f"{amount:.5e}")


def whole_per_cent(amounts: Mapping[str, float]) -> dict[str, int]:
    """Amounts, none negative and not all zero, as whole per cent that add up to 100.

    By largest remainder; of equal remainders the larger amount is rounded up, then the key that sorts first.
    """
    # In integers, for exact remainders: a float is one over a power of two.
    ratios = {key: float(amount).as_integer_ratio() for key, amount in amounts.items()}
    unit = max(denominator for _, denominator in ratios.values())
    exact = {key: numerator * (unit // denominator) for key, (numerator, denominator) in ratios.items()}
    total = sum(exact.values())
    whole = {key: 100 * amount // total for key, amount in exact.items()}
    missing = 100 - sum(whole.values())
    if missing:
        by_remainder = sorted(exact, key=lambda key: (-(100 * exact[key] % total), -exact[key], key))
        for key in by_remainder[:missing]:
            whole[key] += 1
    return whole
