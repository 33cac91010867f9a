"""What the body of the residuals says about their tail.

The farthest residuals of a history are few, and its anomalies are among them. The body, the residuals up to the
quantile .975, has many, and hardly any of them is an anomaly. The ratio of two quantiles of a Student's t distribution
depends on its degrees of freedom only. So the body finds one, from normal noise to heavy tails, and with it the
residual that one of 10,000 exceeds (quantiles as a measure of the weight of tails: Hogg, JASA 1974).
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from anomalake.model.array_types import FloatArray

#: Shares of the residuals beyond the quantiles that are used: an outer one, and the ends of the body and of its middle.
BODY_SHARES: Final = (0.004, 0.025, 0.2)
# Student's t distributions of 1000, 40, 20, 14, 10, 8, 6, 5, 4, 3.5 and 3 degrees of freedom: the quantiles .8 and
# .975, and the value that is exceeded with the probability below.
_MIDDLE = np.array([0.842, 0.851, 0.860, 0.868, 0.879, 0.889, 0.906, 0.920, 0.941, 0.957, 0.978])
_END = np.array([1.962, 2.021, 2.086, 2.145, 2.228, 2.306, 2.447, 2.571, 2.776, 2.940, 3.182])
_FAR = np.array([3.733, 4.094, 4.539, 4.985, 5.694, 6.442, 8.025, 9.678, 13.034, 16.295, 22.204])
_PROBABILITY = 1e-4
_RATIO, _FARTHER = np.log(_END / _MIDDLE), np.log(_FAR / _END)
# A tail reaches at most so many times as far as the body says, but it is never made shorter than that of normal noise,
# because residuals that are mostly 0 have no body. What is beyond the outer quantile is often usual, as the jumps of a
# sawtooth are: a tail is not made shorter than so many times this quantile.
_MOST, _LEAST_OF_OUTER = 1.3, 1.5
# A body of heavier tails counts with this weight.
_HEAVY_WEIGHT = 0.2
#: Quantiles and exceedances of a side are at least this share of those of the other side.
SHARE_OF_OTHER_SIDE: Final = 0.7

# Shapes of generalised Pareto distributions that a tail can have.
_SHAPES = np.linspace(0.001, 1.5, 300)


def shape_by_body(
    side: FloatArray,
    other: FloatArray,
    shape: FloatArray,
    threshold: FloatArray,
    median_exceedance: FloatArray,
    share: float,
) -> FloatArray:
    """Return the shapes of the tails of one side that agree with its body.

    Parameters
    ----------
    side, other
        The quantiles of the `BODY_SHARES` of this side and the other one, in sigmas: shape (3, S).
    shape, threshold, median_exceedance
        Generalised Pareto distributions of the exceedances, shape (S,).
    share
        Share of the residuals beyond the threshold.
    """
    outer, end, _ = side
    ratio, of_other = (np.log(np.maximum(each[1], 1e-6) / np.maximum(each[2], 1e-6)) for each in (side, other))
    # Both sides together err less, but noise with one heavy side is not light there.
    farther = np.exp(np.interp(np.maximum(ratio, (ratio + of_other) / 2), _RATIO, _FARTHER))
    by_body = np.maximum(end, SHARE_OF_OTHER_SIDE * other[1]) * farther
    longest = np.maximum(_MOST * np.maximum(by_body, _FAR[0]), _LEAST_OF_OUTER * outer)
    heavy, most = (
        np.interp((reach - threshold) / median_exceedance, _reaches(share), _SHAPES) for reach in (by_body, longest)
    )
    heavier = shape + _HEAVY_WEIGHT * np.maximum(heavy - shape, 0)
    result: FloatArray = np.where(most < shape, most, heavier)
    return result


@cache
def _reaches(share: float) -> FloatArray:
    """Return the exceedance that one of 10,000 residuals reaches, in median exceedances, for each of the `_SHAPES`."""
    reaches: FloatArray = ((share / _PROBABILITY) ** _SHAPES - 1) / (2**_SHAPES - 1)
    return reaches
