"""Slow ramps: small deviations from level and seasonality that add up over the last intervals.

The last values predict the next step of a ramp, so no step of it is a surprise. Level and seasonality follow more
slowly: the mean of the last 12 deviations from them is far from 0 before they have learned the ramp. Deviations are
clipped, so that the mean is no evidence of few points that are far off, and the mean has the tails of its own history.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from anomalake.model.array_types import BoolArray, Float32Array, FloatArray
from anomalake.model.filter import UNUSUAL
from anomalake.model.filter_state import RAMP, FilterOutput
from anomalake.model.tails import Tails, limits_of, surprise

#: Bound of a deviation, in sigmas, in the mean.
CLIP: Final = 4.0
# Reduction of the surprise of a mean, because it is a further test.
_MARGIN = 0.25
# The mean counts only if the last value deviates in the same direction, by so many sigmas, and if the mean of the newer
# half is beyond that of the older half by so many: a deviation that stays is no ramp.
_LEAST, _GROWTH = 1.0, 0.5
_HALF: Final = RAMP // 2


def deviations_of(rest: Float32Array, output: FilterOutput, is_holiday: BoolArray) -> Float32Array:
    """Return the clipped deviations from level and seasonality in sigmas, shape (T, S).

    Those of missing and unusual values and of holidays are 0. They are NaN where the reference is: ramps do not go on
    over such an interval.

    Parameters
    ----------
    rest
        Values without the harmonics, shape (T, S).
    """
    deviations: Float32Array = np.subtract(rest, output.reference, dtype=np.float32)
    deviations /= output.sigma
    np.clip(deviations, -CLIP, CLIP, out=deviations)
    deviations[np.isnan(rest) | (np.abs(output.z) > UNUSUAL)] = 0
    deviations[is_holiday] = 0
    deviations[np.isnan(output.reference)] = np.nan
    return deviations


def means_of(deviations: Float32Array) -> Float32Array:
    """Return the mean of each deviation and the `RAMP` - 1 before it; those have no mean of their own."""
    halves = _sums_of_halves(deviations)
    mean: Float32Array = halves[_HALF:] + halves[:-_HALF]
    mean /= np.float32(RAMP)
    return mean


def _sums_of_halves(deviations: Float32Array) -> Float32Array:
    # Always added in the same order, so that a sum does not depend on where a span begins.
    three = deviations[2:] + deviations[1:-1] + deviations[:-2]
    sums: Float32Array = three[3:] + three[:-3]
    return sums


def judge_ramps(tails: Tails, deviations: Float32Array, residuals: Float32Array) -> Float32Array:
    """Return the surprise of the ramps that end at each interval, shape (T, S).

    Parameters
    ----------
    deviations
        Those of the `RAMP` - 1 intervals before the first judged one as well.
    residuals
        Residuals of the expectation, shape (T, S): a value that it has foreseen is no surprise.
    """
    means, last = means_of(deviations), deviations[RAMP - 1 :]
    surprises = np.zeros_like(means)
    rows, columns = np.nonzero(
        (np.abs(means) > tails.threshold.min(axis=0).astype(np.float32)) & (np.abs(last) >= _LEAST)
    )
    mean, last, residual = means[rows, columns], last[rows, columns], residuals[rows, columns]
    halves = _sums_of_halves(deviations)
    growth = (halves[_HALF:] - halves[:-_HALF])[rows, columns]
    counts = (last * mean > 0) & (last * residual > 0) & (growth * np.sign(mean) >= _HALF * _GROWTH)
    rows, columns = rows[counts], columns[counts]
    found = surprise(tails.select(columns), mean[None, counts])[0] - np.float32(_MARGIN)
    surprises[rows, columns] = np.maximum(found, 0)
    return surprises


def limits_of_ramps(tails: Tails, deviations: Float32Array, decision: float) -> tuple[Float32Array, Float32Array]:
    """Return the deviation, down and up, from which a ramp reaches the decision, in sigmas: shape (T, S).

    It is infinite where the clipping keeps a ramp from deciding. It depends on the deviations before an interval, not
    on its own.
    """
    n_judged = len(deviations) - RAMP + 1
    five = deviations[4:] + deviations[3:-1] + deviations[2:-2] + deviations[1:-3] + deviations[:-4]
    six = five[1:] + deviations[:-5]
    before = (five[6:] + six[:-5])[:n_judged]
    up, down = (limits_of(tails, decision + _MARGIN) * RAMP).astype(np.float32)
    # The newer half without the last value, against the older half.
    grown = five[_HALF:][:n_judged] - six[:-5][:n_judged]
    least = np.float32(_HALF * _GROWTH)
    return _limit(np.maximum(down + before, least + grown)), _limit(np.maximum(up - before, least - grown))


def _limit(needed: Float32Array) -> Float32Array:
    far = needed > CLIP
    np.maximum(needed, np.float32(_LEAST), out=needed)
    needed[far] = np.inf
    return needed


def no_ramps(n_series: int) -> Tails:
    """Return tails with which no ramp is judged, as those of models of an earlier version."""
    far: FloatArray = np.full((2, n_series), 1e6)
    return Tails(0.1, far, far, np.full((2, n_series), 0.1))
