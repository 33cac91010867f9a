"""Search of root causes (docs/adr/0013).

The gain of an element is the evidence of its leaves that they are off by one share, minus the cost of naming it and a
margin. Of an element and the finer ones below it, those count that explain more. The best element is a cause; its
leaves are removed, and the search is repeated. Less and more than expected are searched one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from anomalake.causes.cuboids import MOST_WORK, Cuboid, cuboids_of
from anomalake.causes.evidence import Evidence, evidence_of, hypotheses
from anomalake.causes.leaves import Bools, Floats, Ints, Leaves, leaves_of

#: Most causes of one cube.
MOST_CAUSES: Final = 10
#: Gain in nats below which an element is no cause.
MARGIN: Final = 4.0
# Finer elements count if they explain more than this multiple of the coarser one: a cause is split only for a reason.
_SPLIT: Final = 1.05
# Least evidence of one leaf in the bound of an element's gain.
_LEAST_EVIDENCE: Final = -50.0
# Standard deviations within which a leaf follows its cause.
_FOLLOWS: Final = 3.0
# Least rest of a value, as a share of it, in a share above what was expected.
_LEAST_REST: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Element:
    """A root cause, by codes.

    Attributes
    ----------
    values
        Codes of dimension values by dimension, ascending; empty: the whole cube.
    share_off
        ``actual / expected - 1`` of its leaves: -0.62 is 62 % less; infinite where nothing was expected.
    explained
        Share that its leaves have, 0 to 1, in the differences in its direction of all leaves that are outside of their
        range or below a cause.
    gain
        Evidence for it in nats, less the cost of naming it and the margin.
    """

    values: tuple[tuple[int, int], ...]
    share_off: float
    explained: float
    gain: float


def find_causes(
    codes: Ints,
    actual: Floats,
    expected: Floats,
    lower: Floats | None = None,
    upper: Floats | None = None,
    *,
    most_work: int = MOST_WORK,
) -> tuple[Element, ...]:
    """Find the root causes of deviations, by descending gain.

    Parameters
    ----------
    codes
        Codes of the dimension values from 0 on, or `MISSING`: shape (dimensions, leaves).
    actual, expected
        Shape (leaves,); leaves with NaN are left out.
    lower, upper
        Range of each leaf without an anomaly; NaN or None where it is not known: the noise is then estimated, by all
        leaves and, where there is a cause, again by those that are in none.
    most_work
        Most pairs of a leaf and a cuboid that are looked at.
    """
    unknown = np.full(len(actual), np.nan)
    cube = (codes, actual, expected, unknown if lower is None else lower, unknown if upper is None else upper)
    leaves = leaves_of(*cube)
    if not len(leaves.deviation):
        return ()
    cuboids = cuboids_of(leaves, most_work)
    finer = _finer(cuboids)
    found, is_usual = _in_both_directions(leaves, cuboids, finer)
    if found and leaves.is_estimated:
        # The leaves that are in no cause tell the noise more exactly than all leaves do.
        found, _ = _in_both_directions(leaves_of(*cube, is_usual), cuboids, finer)
    return tuple(sorted(found, key=lambda cause: (-cause.gain, cause.values))[:MOST_CAUSES])


def _in_both_directions(
    leaves: Leaves, cuboids: Sequence[Cuboid], finer: Sequence[Sequence[int]]
) -> tuple[list[Element], Bools]:
    """Return the causes, and the leaves that are in none."""
    less, not_less = _in_direction(leaves, cuboids, finer, 1)
    more, not_more = _in_direction(leaves, cuboids, finer, -1)
    return [*less, *more], not_less & not_more


def _in_direction(
    leaves: Leaves, cuboids: Sequence[Cuboid], finer: Sequence[Sequence[int]], sign: int
) -> tuple[list[Element], Bools]:
    """Return the causes of one direction, and the leaves that are in none."""
    evidence, rows = evidence_of(leaves, sign)
    highest = np.maximum(evidence.max(axis=1), _LEAST_EVIDENCE).astype(np.float64)[rows]
    is_left = np.ones(len(rows), np.bool_)
    gains = [np.zeros(len(cuboid.first)) for cuboid in cuboids]
    found: list[_Found] = []
    changed = is_left
    while len(found) < MOST_CAUSES:
        for cuboid, gain in zip(cuboids, gains, strict=True):
            _update_gains(cuboid, gain, evidence, rows, highest, is_left, changed)
        best = _best_element(cuboids, gains, finer)
        if best is None:
            break
        cuboid, element, best_gain = best
        changed = is_left & (cuboid.elements == element)
        found.append(_Found(cuboid, element, best_gain, changed))
        is_left = is_left & ~changed
    amounts = np.maximum(-sign * leaves.change, 0)
    total = float(amounts[leaves.is_outside | ~is_left].sum())
    causes = [_element(leaves, cause, evidence[rows[cause.members]], sign, amounts, total) for cause in found]
    return causes, is_left


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """An element that is a cause, and its leaves that are in no cause before it."""

    cuboid: Cuboid
    element: int
    gain: float
    members: Bools


def _update_gains(
    cuboid: Cuboid, gains: Floats, evidence: Evidence, rows: Ints, highest: Floats, is_left: Bools, changed: Bools
) -> None:
    """Compute the gains of the elements of a cuboid again that have a changed leaf; 0 for those without a gain."""
    n_elements = len(gains)
    is_changed = np.zeros(n_elements, np.bool_)
    is_changed[cuboid.elements[changed]] = True
    gains[is_changed] = 0
    # The bound of a gain is cheap, and leaves out most elements.
    bound = np.bincount(cuboid.elements, weights=np.where(is_left, highest, 0), minlength=n_elements)
    tried = is_changed & cuboid.is_named & (bound > cuboid.cost + MARGIN)
    if not tried.any():
        return
    order = cuboid.order[(tried[cuboid.elements] & is_left)[cuboid.order]]
    elements = cuboid.elements[order]
    starts = np.flatnonzero(np.diff(elements, prepend=-1))
    sums = np.add.reduceat(evidence[rows[order]], starts, axis=0).astype(np.float64) + hypotheses().prior
    most = sums.max(axis=1)
    # The probability of the leaves under a cause is its mean over all shares and spreads.
    mean = most + np.log(np.exp(sums - most[:, None]).sum(axis=1))
    gains[elements[starts]] = np.maximum(mean - cuboid.cost - MARGIN, 0)


def _best_element(
    cuboids: Sequence[Cuboid], gains: Sequence[Floats], finer: Sequence[Sequence[int]]
) -> tuple[Cuboid, int, float] | None:
    """Return the element with the highest gain of those that explain more than the finer elements below them."""
    explained: list[Floats] = list(gains)
    best: tuple[Cuboid, int, float] | None = None
    for k in range(len(cuboids) - 1, -1, -1):
        cuboid = cuboids[k]
        value, is_whole = gains[k].copy(), np.ones(len(gains[k]), np.bool_)
        for below in finer[k]:
            if explained[below].any():
                parents = cuboid.elements[cuboids[below].first]
                together = np.bincount(parents, weights=explained[below], minlength=len(value))
                is_split = together > _SPLIT * value
                value = np.where(is_split, together, value)
                is_whole &= ~is_split
        explained[k] = value
        of_whole: Floats = np.where(is_whole, gains[k], 0.0)
        element = int(np.argmax(of_whole))
        # Of equal gains, that of the coarser element counts.
        if of_whole[element] > 0 and (best is None or of_whole[element] >= best[2]):
            best = (cuboid, element, float(of_whole[element]))
    return best


def _finer(cuboids: Sequence[Cuboid]) -> list[list[int]]:
    """Return, for each cuboid, those with one more dimension."""
    place = {cuboid.dimensions: k for k, cuboid in enumerate(cuboids)}
    all_dimensions = {dimension for cuboid in cuboids for dimension in cuboid.dimensions}
    return [
        [
            place[more]
            for dimension in sorted(all_dimensions.difference(cuboid.dimensions))
            if (more := tuple(sorted((*cuboid.dimensions, dimension)))) in place
        ]
        for cuboid in cuboids
    ]


def _element(leaves: Leaves, cause: _Found, evidence: Evidence, sign: int, amounts: Floats, total: float) -> Element:
    """Describe a cause; `evidence` is that of its leaves, `amounts` and `total` are what is to be explained."""
    tried = hypotheses()
    likelihood: Floats = evidence.sum(axis=0, dtype=np.float64) + tried.prior
    likeliest = int(np.argmax(likelihood))
    deviation = sign * leaves.deviation[cause.members]
    spread = np.hypot(tried.spreads[likeliest], leaves.noise[cause.members])
    # Leaves that do not follow have no part in the share.
    follows = np.abs(deviation - tried.shares[likeliest]) <= _FOLLOWS * spread
    weights = np.where(follows, spread**-2.0, 0) if follows.any() else spread**-2.0
    share = float((deviation * weights).sum() / weights.sum())
    if sign > 0:
        share_off = -share
    else:
        is_new = share >= 1 - _LEAST_REST or not leaves.expected[cause.members].any()
        share_off = math.inf if is_new else share / (1 - share)
    leaf = cause.cuboid.first[cause.element]
    return Element(
        tuple((dimension, int(leaves.codes[dimension, leaf])) for dimension in cause.cuboid.dimensions),
        share_off,
        float(amounts[cause.members].sum()) / total if total > 0 else 0.0,
        cause.gain,
    )
