"""Leaves of a cube of dimensions: their deviations from what was expected, and their noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: Code of a dimension that a leaf does not have.
MISSING: Final = -1

#: Half of the range without an anomaly, in standard deviations: the range of a normal distribution at severity 50.
RANGE_SIGMAS: Final = 3.4
# A side of a range is taken as at least this share of the other side.
_OTHER_SIDE: Final = 0.5
# Bounds of the standard deviation, as a share of the expected value.
LEAST_NOISE, MOST_NOISE = 0.005, 10.0

# Noise without ranges is estimated in groups of leaves of similar size: least leaves of a group, most groups.
_LEAST_LEAVES, _MOST_GROUPS = 24, 12
# Least noise of that estimate; noise where too few leaves tell it.
_LEAST_ESTIMATE, _UNKNOWN_NOISE = 0.01, 0.1
# Leaves with an expected value below this share of the median have the absolute noise of that size.
_SMALL: Final = 0.01
# Least variance of counts.
_LEAST_VARIANCE: Final = 0.25
# The noise follows from the shortest interval with this share of the deviations, of all leaves and of those that are in
# no cause, and from its width in a normal distribution, in standard deviations. Half tolerates that most leaves are
# off; more tells more exactly. The third number is that of the fewest leaves that tell the noise of their size.
_OF_ALL, _OF_USUAL = (0.5, 2 * 0.6745, 3), (0.8, 2 * 1.2816, 12)


@dataclass(frozen=True, slots=True, eq=False)
class Leaves:
    """Leaves of a cube that have a value and an expected value.

    Attributes
    ----------
    codes
        Codes of their dimension values from 0 on, or `MISSING`: shape (dimensions, leaves).
    change
        ``actual - expected``.
    deviation
        ``(expected - actual) / max(|actual|, |expected|)``, from -1 to 1, where the expected value is at least a tenth
        of the standard deviation.
    noise
        Standard deviation without an anomaly, as a share of the expected value.
    is_outside
        Whether the value is outside of the range without an anomaly.
    is_estimated
        Whether the noise of a leaf is estimated.
    """

    codes: Ints
    expected: Floats
    change: Floats
    deviation: Floats
    noise: Floats
    is_outside: Bools
    is_estimated: bool


def leaves_of(
    codes: Ints, actual: Floats, expected: Floats, lower: Floats, upper: Floats, is_usual: Bools | None = None
) -> Leaves:
    """Return the leaves that have a value and an expected value, not both zero.

    Parameters
    ----------
    codes
        Shape (dimensions, leaves).
    actual, expected, lower, upper
        Shape (leaves,). NaN where nothing was observed or expected, or a side of the range is open or not known.
    is_usual
        Those of the returned leaves that are in no cause; None where that is not known.
    """
    size = np.maximum(np.abs(actual), np.abs(expected))
    places = np.flatnonzero(np.isfinite(size) & (size > 0))
    actual, expected = actual[places], expected[places]
    deviation = _deviation(actual, expected)
    sigma = _sigma_of_ranges(actual, expected, lower[places], upper[places])
    unknown = np.isnan(sigma)
    is_estimated = bool(unknown.any())
    if is_estimated:
        sigma[unknown] = _estimated_sigma(actual, expected, deviation, is_usual)[unknown]
    # Where nothing or little was expected, the noise is the unit: one flight is not infinitely more than none.
    unit = np.maximum(np.abs(expected), sigma / MOST_NOISE)
    noise = np.clip(sigma / unit, LEAST_NOISE, MOST_NOISE)
    deviation = _deviation(actual, np.copysign(unit, expected))
    change = actual - expected
    is_outside = np.abs(change) > RANGE_SIGMAS * sigma
    return Leaves(codes[:, places], expected, change, deviation, noise, is_outside, is_estimated)


def _deviation(actual: Floats, expected: Floats) -> Floats:
    size = np.maximum(np.abs(actual), np.abs(expected))
    return np.clip(expected / size - actual / size, -1.0, 1.0)


def _sigma_of_ranges(actual: Floats, expected: Floats, lower: Floats, upper: Floats) -> Floats:
    """Return the standard deviation on the side of each value; NaN where the range is not known."""
    below = np.where(np.isfinite(lower), expected - lower, np.nan)
    above = np.where(np.isfinite(upper), upper - expected, np.nan)
    # A bound of zero is where the model has cut the range of a measure that is never negative.
    below = np.where((lower == 0) & (expected > 0), np.fmax(below, above), below)
    side, other = np.where(actual < expected, below, above), np.where(actual < expected, above, below)
    half = np.fmax(side, _OTHER_SIDE * other)
    half = np.where(np.isfinite(side), half, np.where(np.isfinite(other), other, np.nan))
    return np.where(half > 0, half / RANGE_SIGMAS, np.nan)


def _estimated_sigma(actual: Floats, expected: Floats, deviation: Floats, is_usual: Bools | None) -> Floats:
    """Estimate the standard deviations by the leaves themselves, most of which are not off, or off by one share.

    The width of the shortest interval with a share of the deviations does not depend on where it is.

    Parameters
    ----------
    is_usual
        Leaves that are in no cause; None where that is not known.
    """
    share, width, least = _OF_ALL if is_usual is None else _OF_USUAL
    size = np.abs(expected)
    positive = size[size > 0]
    if not len(positive):
        return np.full(len(size), _UNKNOWN_NOISE)
    size = np.maximum(size, _SMALL * float(np.median(positive)))
    order = np.argsort(size, kind="stable")
    n_groups = max(1, min(_MOST_GROUPS, len(order) // _LEAST_LEAVES))
    # A deviation at its bound, as that of a value of zero, does not tell the noise.
    is_inside_bounds = np.abs(deviation) < 1
    if is_usual is not None:
        is_inside_bounds &= is_usual
    centres, noises = [], []
    for group in np.array_split(order, n_groups):
        usual = group[is_inside_bounds[group]]
        if len(usual) >= least:
            estimate = _shortest(deviation[usual], share) / width * (1 + 2 / len(usual))
            centres.append(np.log(size[group].mean()))
            noises.append(np.log(max(estimate, _LEAST_ESTIMATE)))
    if not centres and is_usual is not None:
        # A cause has nearly all leaves.
        return _estimated_sigma(actual, expected, deviation, None)
    if not centres:
        return _UNKNOWN_NOISE * size
    sigma = np.exp(np.interp(np.log(size), centres, noises)) * size
    if (actual == np.round(actual)).all():
        # Counts vary at least as a Poisson distribution does, and by a half where nearly nothing is expected.
        sigma = np.maximum(sigma, np.sqrt(np.abs(expected) + _LEAST_VARIANCE))
    return np.asarray(sigma, np.float64)


def _shortest(values: Floats, share: float) -> float:
    """Return the width of the shortest interval with more than a share of the values."""
    ordered = np.sort(values)
    number = int(len(ordered) * share) + 1
    widths: Floats = ordered[number - 1 :] - ordered[: len(ordered) - number + 1]
    return float(np.min(widths))
