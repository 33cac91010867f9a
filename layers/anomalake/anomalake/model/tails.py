"""Tail probabilities of standardised residuals, by the tails of each series.

Exceedances over a high quantile follow a generalised Pareto distribution (peaks over threshold; Pickands 1975, and for
anomaly detection Siffer et al. 2017). Its scale is estimated for each series and side. Its shape is mostly a common
one: a few exceedances say little about a shape, and the anomalies of the history are among them.

The *surprise* of a value is -log10 of the probability of a value at least as far out on the same side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from anomalake.model.array_types import BoolArray, Float32Array, FloatArray, IndexArray
from anomalake.model.body import BODY_SHARES, SHARE_OF_OTHER_SIDE, shape_by_body
from anomalake.model.layout import by_series, wide_strips
from anomalake.model.spread import put_quantiles

# Number of exceedances to aim at, both sides together, and the bounds of their share of the points. The farthest 1 % of
# a long history are mostly its anomalies, so the share is at least 8 %.
_EXCEEDANCES, _LEAST_SHARE, _MOST_SHARE = 240, 0.08, 0.2
# The common shape, and the weight of the series' own shape beside it: a heavier one is mostly that of anomalies of the
# history.
_COMMON_SHAPE, _OWN_WEIGHT = 0.15, 0.2
# The common shape of short histories. They have more of their points beyond the threshold, from which the shape is
# lighter, as that of normal noise is; with one shape, their ranges would be a quarter wider than those of long ones.
_COMMON_SHAPE_OF_SHORT = 0.1
# Where an interval is an hour or longer, values hardly depend on each other, and the own shape says more. A lighter one
# has these weights, in long and in short histories, beside the common shape; that of long ones is the one of heavy
# noise, because many points tell normal noise from it.
_COMMON_SHAPE_OF_HOURS, _LIGHT_WEIGHT, _LIGHT_WEIGHT_OF_SHORT = 0.3, 0.7, 0.5
_LEAST_SHAPE, _MOST_SHAPE = 0.02, 0.7
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
# reach, and the one that a fifth of them reach. A tenth says more about a light shape, but is sooner an anomaly.
_OUTER, _OUTER_OF_LIGHT = 5.0, 10.0
# Parts of the exceedances whose quantiles a fit uses; the last one only where tails can be light.
_PARTS = (1.0, 2.0, _OUTER, _OUTER_OF_LIGHT)
# Standard error of a light shape: only what is beyond it counts.
_ERROR_OF_LIGHT = 0.12
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

    def select(self, series: IndexArray) -> Tails:
        """Return the tails of the selected series."""
        return Tails(self.share, self.threshold[:, series], self.scale[:, series], self.shape[:, series])

    def widened(self, factor: FloatArray) -> Tails:
        """Return the tails of residuals multiplied by factors of shape (S,)."""
        return Tails(self.share, self.threshold * factor, self.scale * factor, self.shape)


def concatenate_tails(parts: list[Tails]) -> Tails:
    """Return the tails of all series from those of consecutive blocks."""
    names = ("threshold", "scale", "shape")
    arrays = (np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in names)
    return Tails(parts[0].share, *arrays)


def fit_tails(
    z: Float32Array, usable: BoolArray | None = None, *, can_be_light: bool = False, of_days: bool = False
) -> Tails:
    """Estimate the tails of the standardised residuals of a history, shape (T, S); only `usable` ones count.

    NaN is not usable. `can_be_light` tells that intervals are hours or longer, `of_days` that they are days or longer.
    """
    if usable is not None:
        z = np.where(usable, z, np.float32(np.nan))
    found = np.empty((n_tail_quantiles(can_be_light=can_be_light, of_days=of_days), z.shape[1]), np.float32)
    for strip in wide_strips(z.shape[1], len(z)):
        put_tail_quantiles(z[:, strip], found[:, strip], can_be_light=can_be_light, of_days=of_days)
    return tails_of(found, len(z), can_be_light=can_be_light, of_days=of_days)


def n_tail_quantiles(*, can_be_light: bool, of_days: bool) -> int:
    """Return the number of quantiles of a series from which `tails_of` estimates its tails."""
    return 2 * len(_shares(1, can_be_light, of_days))


def put_tail_quantiles(z: Float32Array, out: Float32Array, *, can_be_light: bool, of_days: bool) -> None:
    """Write the quantiles of the residuals of a strip of series to `out`, shape (`n_tail_quantiles`, S).

    NaN is left out.
    """
    shares = _shares(len(z), can_be_light, of_days)
    values = by_series(z)
    _leave_events_out(values, of_days)
    put_quantiles(values, (*shares, *(1 - share for share in shares)), out)


def tails_of(found: Float32Array, n_times: int, *, can_be_light: bool, of_days: bool) -> Tails:
    """Return the tails from the quantiles of residuals of so many intervals (`put_tail_quantiles`)."""
    share, *_ = _shares(n_times, can_be_light, of_days)
    lower, upper = np.split(found.astype(np.float64), 2)
    lower = -lower
    of_long = _COMMON_SHAPE_OF_HOURS if can_be_light else _COMMON_SHAPE
    by_share = [(of_long, _COMMON_SHAPE_OF_SHORT), (_LIGHT_WEIGHT, _LIGHT_WEIGHT_OF_SHORT)]
    common, weight = (float(np.interp(2 * share, (_LEAST_SHARE, _MOST_SHARE), bounds)) for bounds in by_share)
    sides = [_fit_side(upper, lower, common, weight, share), _fit_side(lower, upper, common, weight, share)]
    return Tails(share, *(np.array([side[i] for side in sides]) for i in range(3)))


@cache
def _shares(n_times: int, can_be_light: bool, of_days: bool) -> tuple[float, ...]:
    """Return the share of the points that is beyond the threshold of one side, parts of it, and those of the body."""
    share = min(max(_EXCEEDANCES / max(n_times, 1), _LEAST_SHARE), _MOST_SHARE) / 2
    shares = tuple(share / part for part in (_PARTS if can_be_light else _PARTS[:-1]))
    # Days are too few for a body.
    return (*shares, *BODY_SHARES) if can_be_light and not of_days else shares


def _leave_events_out(values: Float32Array, of_days: bool) -> None:
    """Put NaN in place of what is far out where that is few events; `values` has shape (S, T)."""
    far = np.flatnonzero(np.abs(values) > _FAR)
    if not len(far):
        return
    n_times = values.shape[1]
    series = far // n_times
    # Few series have any that is far out, and only these are looked at.
    with_far, row = np.unique(series, return_inverse=True)
    are_few = _are_few_events(row, far - series * n_times, ~np.isnan(values[with_far]), of_days)
    values.ravel()[far[are_few[row]]] = np.nan


def _are_few_events(row: IndexArray, place: IndexArray, usable: BoolArray, of_days: bool) -> BoolArray:
    """Return for which series the residuals that are far out are few events.

    They are at `place` in time of the series at `row`, series by series; each has one. `usable` has shape (S, T).
    """
    n_series, n_times = usable.shape
    near = _NEAR_OF_DAYS if of_days else _NEAR
    most_events = _MOST_EVENTS_OF_DAYS if of_days else _MOST_EVENTS
    is_first = np.ones(len(row), np.bool_)
    is_first[1:] = (row[1:] != row[:-1]) | (place[1:] - place[:-1] > 2 * near + 1)
    events, is_last = row[is_first], np.append(is_first[1:], True)
    begins, ends = np.maximum(place[is_first] - near, 0), np.minimum(place[is_last] + near + 1, n_times)
    n_before = np.zeros((n_series, n_times + 1), np.int32)
    np.cumsum(usable, axis=1, out=n_before[:, 1:])
    n_usable = n_before[:, -1]
    n_near = np.bincount(events, n_before[events, ends] - n_before[events, begins], minlength=n_series)
    n_events = np.bincount(events, usable[events, begins], minlength=n_series)
    are_few: BoolArray = (n_near <= _MOST_FAR * n_usable) & (n_events <= most_events * n_usable)
    return are_few


def _fit_side(
    side: FloatArray, other: FloatArray, common_shape: float, light_weight: float, share: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return threshold, scale and shape of one side.

    `side` are the threshold and the values that half, a fifth, and where tails can be light a tenth of the exceedances
    reach, and, where the body counts, its quantiles: shape (3, 4 or 7, S); `other` those of the other side.
    """
    exceedances, of_other = side[1:] - side[0], other[1:] - other[0]
    threshold = np.maximum(np.maximum(side[0], SHARE_OF_OTHER_SIDE * other[0]), _LEAST_THRESHOLD)
    median_exceedance = np.maximum(
        np.maximum(exceedances[0], SHARE_OF_OTHER_SIDE * of_other[0]), _LEAST_EXCEEDANCE * threshold
    )
    own = _shape(exceedances[0], exceedances[1], _OUTER)
    shape = common_shape + _OWN_WEIGHT * (own - common_shape)
    if len(side) > 3:
        light, light_of_other = (_shape(each[0], each[2], _OUTER_OF_LIGHT) for each in (exceedances, of_other))
        # Both sides together err less, but noise with one heavy side is not light there.
        light = np.maximum(light, (light + light_of_other) / 2) + _ERROR_OF_LIGHT
        shape = np.where(light < common_shape, common_shape + light_weight * (light - common_shape), shape)
    if len(side) > 4:
        shape = shape_by_body(side[4:], other[4:], shape, threshold, median_exceedance, share)
    shape = np.clip(shape, _LEAST_SHAPE, _MOST_SHAPE)
    return threshold, median_exceedance * shape / (2**shape - 1), shape


def _shape(half: FloatArray, farther: FloatArray, outer: float) -> FloatArray:
    """Return the shape of exceedances of which half reach `half`, and one of `outer` reaches `farther`."""
    ratio = np.where(half > 1e-6, farther / np.maximum(half, 1e-6), np.log(outer) / np.log(2))
    shape: FloatArray = np.interp(ratio, _ratios(outer), _SHAPES)
    return shape


@cache
def _ratios(outer: float) -> FloatArray:
    """Return the ratio of the exceedances that one of `outer` and half of them reach, for each of the `_SHAPES`."""
    ratios: FloatArray = (outer**_SHAPES - 1) / (2**_SHAPES - 1)
    return ratios


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
    np.minimum(result, np.float32(1), out=result)
    result *= at_threshold
    size -= threshold
    beyond = np.flatnonzero(size > 0)
    if len(beyond):
        # Both sides of a series are beside each other, so that one index finds a parameter.
        # A whole division is several times as fast as its remainder.
        series = beyond - beyond // z.shape[1] * z.shape[1]
        parameter = (z.ravel()[beyond] < 0) * z.shape[1] + series
        shape, scale = tails.shape.ravel()[parameter], tails.scale.ravel()[parameter]
        found = np.log1p(shape * size.ravel()[beyond] / scale) / shape / np.log(10)
        result.ravel()[beyond] += found.astype(np.float32)
    return result


def limits_of(tails: Tails, surprises: float) -> FloatArray:
    """Return the size of a residual, up and down, that has the given surprise, in sigmas: shape (2, S)."""
    ratio = 10 ** (surprises + np.log10(tails.share))
    if ratio <= 1:
        below_threshold: FloatArray = tails.threshold * surprises / -np.log10(tails.share)
        return below_threshold
    beyond_threshold: FloatArray = tails.threshold + tails.scale / tails.shape * (ratio**tails.shape - 1)
    return beyond_threshold
