"""Tail probabilities of standardised residuals, by the tails of each series.

Exceedances over a high quantile follow a generalised Pareto distribution (peaks over threshold; Pickands 1975, and for
anomaly detection Siffer et al. 2017). Its scale is estimated for each series and side. Its shape is mostly a common
one: a few exceedances say little about a shape, and the anomalies of the history are among them.

The *surprise* of a value is -log10 of the probability of a value at least as far out on the same side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalake.model.array_types import BoolArray, Float32Array, FloatArray
from anomalake.model.spread import quantiles

# Number of exceedances to aim at, both sides together, and the bounds of their share of the points. The farthest 1 % of
# a long history are mostly its anomalies, so the share is at least 8 %.
_EXCEEDANCES, _LEAST_SHARE, _MOST_SHARE = 240, 0.08, 0.2
# The common shape, and the weight of the series' own shape beside it. A heavier one is mostly that of anomalies of the
# history. A lighter one is that of the noise where an interval is an hour or longer: it has more weight there.
_COMMON_SHAPE, _OWN_WEIGHT, _LIGHT_WEIGHT = 0.15, 0.2, 0.5
_LEAST_SHAPE, _MOST_SHAPE = 0.02, 0.7
# Threshold and median exceedance of a side are at least this share of those of the other side.
_SHARE_OF_OTHER_SIDE = 0.7
# Least threshold, in sigmas, and least exceedance as a share of the threshold.
_LEAST_THRESHOLD, _LEAST_EXCEEDANCE = 1.0, 0.15
# Residuals beyond this many sigmas are left out where they are anomalies of the history. Anomalies are few events,
# however long; heavy noise is many. The points of all events together, with so many intervals around each, are at most
# the first share of the points, and the number of events is at most the second one: an event a month of days.
_FAR = 8.0
_MOST_FAR = 0.12
_NEAR, _NEAR_OF_DAYS = 3, 1
_MOST_EVENTS, _MOST_EVENTS_OF_DAYS = 0.012, 0.03

# Shapes of generalised Pareto distributions, to find one by the ratio of two exceedances: the one that half of them
# reach, and the one that a fifth of them reach; a tenth where light shapes count, because it says more about them.
_OUTER, _OUTER_OF_LIGHT = 5.0, 10.0
_SHAPES = np.linspace(-0.5, 1.5, 200)


@dataclass(frozen=True, slots=True, eq=False)
class Tails:
    """Upper and lower tails of S series: generalised Pareto distributions, arrays of shape (2, S).

    Attributes
    ----------
    share
        Probability that a value exceeds the threshold, on one side.
    threshold, scale
        In sigmas.
    shape
        Positive: the tail is heavier than an exponential one.
    """

    share: float
    threshold: FloatArray
    scale: FloatArray
    shape: FloatArray

    def part(self, first: int, end: int) -> Tails:
        """Return the tails of consecutive series."""
        return Tails(self.share, self.threshold[:, first:end], self.scale[:, first:end], self.shape[:, first:end])

    def widened(self, factor: FloatArray) -> Tails:
        """Return the tails of residuals multiplied by factors of shape (S,)."""
        return Tails(self.share, self.threshold * factor, self.scale * factor, self.shape)


def concatenate_tails(parts: list[Tails]) -> Tails:
    """Return the tails of all series from those of consecutive blocks."""
    names = ("threshold", "scale", "shape")
    arrays = (np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in names)
    return Tails(parts[0].share, *arrays)


def fit_tails(z: Float32Array, usable: BoolArray, *, can_be_light: bool = False, of_days: bool = False) -> Tails:
    """Estimate the tails of the standardised residuals of a history, shape (T, S); only `usable` ones count.

    `can_be_light` tells that intervals are hours or longer, `of_days` that they are days or longer.
    """
    n_times = z.shape[0]
    far = np.abs(z) > _FAR
    residuals = np.where(usable, z, np.float32(np.nan))
    with_far = np.flatnonzero(far.any(axis=0))
    if len(with_far):
        rare = with_far[_are_few_events(far[:, with_far], usable[:, with_far], of_days)]
        residuals[:, rare] = np.where(far[:, rare], np.float32(np.nan), residuals[:, rare])
    share = float(np.clip(_EXCEEDANCES / max(n_times, 1), _LEAST_SHARE, _MOST_SHARE)) / 2
    outer = _OUTER_OF_LIGHT if can_be_light else _OUTER
    # Quantiles that the given share of the points exceeds, half of that share, and a fifth or a tenth of it.
    low_outer, low_half, low, high, high_half, high_outer = quantiles(
        residuals, (share / outer, share / 2, share, 1 - share, 1 - share / 2, 1 - share / outer)
    ).astype(np.float64)
    upper, lower = (high, high_half, high_outer), (-low, -low_half, -low_outer)
    light = _LIGHT_WEIGHT if can_be_light else _OWN_WEIGHT
    sides = [_fit_side(*upper, *lower[:2], outer, light), _fit_side(*lower, *upper[:2], outer, light)]
    return Tails(share, *(np.array([side[i] for side in sides]) for i in range(3)))


def _are_few_events(far: BoolArray, usable: BoolArray, of_days: bool) -> BoolArray:
    """Return for which series the residuals that are far out are few events; (T, S) to (S,)."""
    near = far.copy()
    most_events = _MOST_EVENTS_OF_DAYS if of_days else _MOST_EVENTS
    for step in range(1, (_NEAR_OF_DAYS if of_days else _NEAR) + 1):
        near[step:] |= far[:-step]
        near[:-step] |= far[step:]
    begins = near.copy()
    begins[1:] &= ~near[:-1]
    n_usable = np.maximum(usable.sum(axis=0), 1)
    are_few: BoolArray = ((near & usable).sum(axis=0) <= _MOST_FAR * n_usable) & (
        (begins & usable).sum(axis=0) <= most_events * n_usable
    )
    return are_few


def _fit_side(
    threshold: FloatArray,
    half: FloatArray,
    farther: FloatArray,
    other_threshold: FloatArray,
    other_half: FloatArray,
    outer: float,
    light_weight: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return threshold, scale and shape of one side.

    `half` and `farther` are the values that half of the exceedances and one of `outer` of them reach; the others are of
    the other side. `light_weight` is the weight of an own shape that is lighter than the common one.
    """
    half_exceedance, farther_exceedance = half - threshold, farther - threshold
    threshold = np.maximum(np.maximum(threshold, _SHARE_OF_OTHER_SIDE * other_threshold), _LEAST_THRESHOLD)
    median_exceedance = np.maximum(
        np.maximum(half_exceedance, _SHARE_OF_OTHER_SIDE * (other_half - other_threshold)),
        _LEAST_EXCEEDANCE * threshold,
    )
    ratio = np.where(
        half_exceedance > 1e-6, farther_exceedance / np.maximum(half_exceedance, 1e-6), np.log(outer) / np.log(2)
    )
    own_shape = np.interp(ratio, (outer**_SHAPES - 1) / (2**_SHAPES - 1), _SHAPES)
    weight = np.where(own_shape < _COMMON_SHAPE, light_weight, _OWN_WEIGHT)
    shape = np.clip(_COMMON_SHAPE + weight * (own_shape - _COMMON_SHAPE), _LEAST_SHAPE, _MOST_SHAPE)
    return threshold, median_exceedance * shape / (2**shape - 1), shape


def surprise(tails: Tails, z: Float32Array) -> Float32Array:
    """Return the surprise of `z`, shape (T, S); below the threshold it decreases linearly, to 0 at 0."""
    at_threshold = np.float32(-np.log10(tails.share))
    size = np.abs(z)
    # The threshold of each value's side. Arithmetic is several times as fast here as a choice for each element.
    upper, lower = tails.threshold.astype(np.float32)
    threshold: Float32Array = np.copysign(np.float32(1), z)
    threshold *= (upper - lower) / 2
    threshold += (upper + lower) / 2
    result: Float32Array = np.divide(size, threshold).astype(np.float32, copy=False)
    np.minimum(result, 1, out=result)
    result *= at_threshold
    rows, columns = np.nonzero(size > threshold)
    side = (z[rows, columns] < 0).astype(np.int64)
    shape, scale = tails.shape[side, columns], tails.scale[side, columns]
    exceedance = (size[rows, columns] - threshold[rows, columns]).astype(np.float64)
    result[rows, columns] += np.log1p(shape * exceedance / scale) / shape / np.log(10)
    return result


def limits_of(tails: Tails, surprises: float) -> FloatArray:
    """Return the size of a residual, up and down, that has the given surprise, in sigmas: shape (2, S)."""
    ratio = 10 ** (surprises + np.log10(tails.share))
    if ratio <= 1:
        below_threshold: FloatArray = tails.threshold * surprises / -np.log10(tails.share)
        return below_threshold
    beyond_threshold: FloatArray = tails.threshold + tails.scale / tails.shape * (ratio**tails.shape - 1)
    return beyond_threshold
