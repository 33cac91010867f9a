"""Runs of low values: evidence that accumulates over the last intervals.

A value far below the expected one is no surprise where noise is strong, but several in a row are: an outage of a noisy
metric. Of metrics that are never negative, the sums of the last 1, 3, 6 and 12 values are compared with the sums of
what level and seasonality let expect, as in a sequential test with a few windows (Page 1954; Lai 1995). The logarithm
of the ratio has the tail of its own history. Of whole numbers, a sum is also at most as surprising as a Poisson
distribution has it.

The last values have no part in this expectation, so a run is compared with what was usual before it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from anomalake.model.array_types import BoolArray, Float32Array, FloatArray, IndexArray
from anomalake.model.counts import MANY_ZEROS
from anomalake.model.filter_state import LONGEST_RUN
from anomalake.model.layout import Array, strips
from anomalake.model.spread import MAD, median, row_sample
from anomalake.model.tails import Tails, fit_tails, limits_of, surprise

#: Numbers of intervals that are judged together.
WINDOWS = (1, 3, 6, LONGEST_RUN)
# A run of each of the windows counts up to these ratios to the expected sum.
_MOST = (0.1, 0.3, 0.3, 0.3)
# A run ends with a low value, at most this share of the expected one: the first usual value after an outage is none.
_MOST_OF_LAST = np.float32(0.5)
# Added to a ratio, so that the logarithm of 0 is finite: 0 counts as a five-hundredth of the expected value.
_NOTHING = 0.002
# Intervals with less than this share of the median expected value are left out, and windows of which they are half.
_LEAST_EXPECTED, _LEAST_OF_WINDOW = 0.2, 0.5
# Reduction of the surprise of each of the windows, because these are further tests.
_MARGINS = (0.5, 2.0, 2.0, 2.0)
_LEAST_SPREAD = np.float32(0.005)
# Where more outages than these begin in a history, as a number and as a share of its windows, they are usual there.
_MOST_OUTAGES, _SHARE_OF_OUTAGES = 2, 0.002
_NOT_JUDGED = np.float32(1e6)
# Share of the expected value that is no longer 0.
_A_LITTLE = np.float32(1e-4)
# -log10 of a Poisson probability of 0 is this share of the mean; more than so many things are many.
_DEVIANCE, _MOST_UNIT = 1 / np.log(10), 1e12
# Every third window of the history is used, every sixth of the longer ones: neighbours share most of their intervals.
_STEP = 3
# Series whose runs are fitted at once: their arrays stay in the cache of a processor.
_AT_ONCE = 512


@dataclass(frozen=True, slots=True, eq=False)
class RunModel:
    """Distribution of the sums of values in the history of S metrics.

    Attributes
    ----------
    zero
        The value 0 in the filter's units with the harmonics, shape (S,).
    least
        Least expected value of an interval that counts, above `zero`, shape (S,); 0 where runs are not judged:
        where 0 is usual, or values are negative.
    integers
        Which metrics are whole numbers, shape (S,).
    spread
        Spread of the logarithm of ratios, shape (windows, S); very large where runs of a window are not judged.
    share, threshold, scale, shape
        Tail of low ratios in spreads (`Tails`), shapes (windows,) and (windows, S).
    """

    zero: Float32Array
    least: Float32Array
    integers: BoolArray
    spread: Float32Array
    share: FloatArray
    threshold: FloatArray
    scale: FloatArray
    shape: FloatArray

    def part(self, first: int, end: int) -> RunModel:
        """Return the model of consecutive series."""
        arrays = {name: getattr(self, name)[..., first:end] for name in _PER_SERIES}
        return RunModel(share=self.share, **arrays)

    def select(self, series: IndexArray) -> RunModel:
        """Return the model of the selected series."""
        return RunModel(share=self.share, **{name: getattr(self, name)[..., series] for name in _PER_SERIES})

    def tails(self, window: int, series: IndexArray) -> Tails:
        """Return the tails of a window of the selected series; both sides are the lower one."""
        arrays = (getattr(self, name)[window, series] for name in ("threshold", "scale", "shape"))
        return Tails(float(self.share[window]), *(np.stack([array, array]) for array in arrays))


_PER_SERIES = tuple(field.name for field in fields(RunModel) if field.name != "share")


def concatenate_runs(parts: list[RunModel]) -> RunModel:
    """Return the model of all series from those of consecutive blocks."""
    arrays = {name: np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in _PER_SERIES}
    return RunModel(share=parts[0].share, **arrays)


def fit_runs(
    values: Float32Array,
    reference: Float32Array,
    zero: Float32Array,
    judged: BoolArray,
    integers: BoolArray,
    first: int,
    *,
    has_pauses: bool = False,
) -> RunModel:
    """Estimate the distribution of runs.

    Parameters
    ----------
    values, reference
        Values, and what level and seasonality let expect, with the harmonics: shape (T, S).
    judged
        Which metrics are judged: those without negative values.
    first
        The first interval to use.
    has_pauses
        Whether metrics that are often 0 are left out, because their pauses are judged (`counts`).
    """
    of_strips = [
        _fit_strip(
            values[:, strip].copy(),
            reference[:, strip].copy(),
            zero[strip],
            judged[strip],
            integers[strip],
            first,
            has_pauses,
        )
        for strip in strips(max(values.shape[1], 1), _AT_ONCE)
    ]
    return concatenate_runs(of_strips)


def _fit_strip(
    values: Float32Array,
    reference: Float32Array,
    zero: Float32Array,
    judged: BoolArray,
    integers: BoolArray,
    first: int,
    has_pauses: bool,
) -> RunModel:
    usual = median(reference[row_sample(len(reference))]) - zero
    least = np.where(judged & (usual > 0), np.float32(_LEAST_EXPECTED) * usual, 0).astype(np.float32)
    above, expected = above_zero(values, reference, zero, least)
    if has_pauses:
        counted = expected[first:] > 0
        least[((above[first:] == 0) & counted).sum(axis=0) > MANY_ZEROS * counted.sum(axis=0)] = 0
    n_steps = max((len(above) - first) // _STEP, 0)
    start = len(above) - _STEP * n_steps
    sums = zip(_sums_by_step(above[start:]), _sums_by_step(expected[start:]), strict=True)
    last_counts = expected[start + _STEP - 1 :: _STEP] > 0
    spreads: list[Float32Array] = []
    tails: list[Tails] = []
    for window, (total, expected_total) in zip(WINDOWS, sums, strict=True):
        usable = last_counts[n_steps - len(total) :] & _is_enough(expected_total, window, least) & (least > 0)
        ratio = _log_ratio(total, expected_total)
        ratio[~usable] = np.nan
        if window > _STEP:
            ratio = ratio[::2]
        spread = (np.float32(MAD) * median(np.abs(ratio[row_sample(len(ratio))])) + _LEAST_SPREAD).astype(np.float32)
        if window == 1:
            # Single low values are counted in all intervals: those of a third of them would miss two of three.
            is_low = (above <= np.float32(_MOST[0]) * expected) & (expected > 0)
            is_low[:first] = False
        else:
            is_low = ratio <= np.float32(np.log(_MOST[len(spreads)]))
        n_outages = is_low[:1].sum(axis=0) + (is_low[1:] & ~is_low[:-1]).sum(axis=0)
        are_usual = n_outages > np.maximum(_MOST_OUTAGES, _SHARE_OF_OUTAGES * (last_counts.sum(axis=0) * _STEP))
        spread[are_usual] = _NOT_JUDGED
        ratio /= spread
        tails.append(fit_tails(ratio))
        spreads.append(spread)
    return RunModel(
        zero=zero,
        least=least,
        integers=integers,
        spread=np.array(spreads),
        share=np.array([of_window.share for of_window in tails]),
        threshold=np.array([of_window.threshold[1] for of_window in tails]),
        scale=np.array([of_window.scale[1] for of_window in tails]),
        shape=np.array([of_window.shape[1] for of_window in tails]),
    )


def above_zero(
    values: Float32Array, reference: Float32Array, zero: Float32Array, least: Float32Array
) -> tuple[Float32Array, Float32Array]:
    """Return values and expected values above 0; both are 0 in intervals that are left out.

    An expected value is NaN where the reference is: runs do not go on over such an interval.
    """
    expected = reference - zero
    np.copyto(expected, np.float32(0), where=np.isnan(values) | (expected < least) | (least <= 0))
    above = values - zero
    np.maximum(above, np.float32(0), out=above)
    np.copyto(above, np.float32(0), where=~(expected > 0))
    return above, expected


def judge_runs(
    runs: RunModel, above: Float32Array, expected: Float32Array, scale: FloatArray, can_end: BoolArray
) -> Float32Array:
    """Return the surprise of the runs that end at each interval, shape (T, S).

    Parameters
    ----------
    above, expected
        Values and expected values above 0 (`above_zero`), of the `LONGEST_RUN` intervals before the first judged one
        as well: shape (LONGEST_RUN + T, S).
    scale
        Unit of the measure in the filter's units, shape (S,).
    can_end
        Where a run may end, shape (T, S).
    """
    surprises = np.zeros((len(above) - LONGEST_RUN, above.shape[1]), np.float32)
    if not runs.least.any():
        return surprises
    last, expected_last = above[LONGEST_RUN:], expected[LONGEST_RUN:]
    is_last = (expected_last > 0) & (last <= _MOST_OF_LAST * expected_last) & can_end
    for place, (window, total, expected_total) in enumerate(zip(WINDOWS, _sums(above), _sums(expected), strict=True)):
        total, expected_total = total[len(total) - len(surprises) :], expected_total[len(total) - len(surprises) :]
        is_low = (
            (total <= np.float32(_MOST[place]) * expected_total)
            & _is_enough(expected_total, window, runs.least)
            & is_last
        )
        found_at = np.flatnonzero(is_low)
        if not len(found_at):
            continue
        columns = found_at % is_low.shape[1]
        observed, usual = (array.ravel()[found_at].astype(np.float64) for array in (total, expected_total))
        ratio = _log_ratio(observed, usual) / runs.spread[place, columns]
        found = surprise(runs.tails(place, columns), ratio.astype(np.float32)[None])[0].astype(np.float64)
        unit = scale[columns]
        found = np.where(
            runs.integers[columns], np.minimum(found, _poisson_deviance(observed * unit, usual * unit)), found
        )
        found -= _MARGINS[place]
        surprises.ravel()[found_at] = np.maximum(surprises.ravel()[found_at], found)
    return surprises


def limit_of_runs(
    runs: RunModel,
    above: Float32Array,
    expected: Float32Array,
    reference: Float32Array,
    scale: FloatArray,
    decision: float,
) -> Float32Array:
    """Return the value above 0 below which a run reaches the decision, NaN for none: shape (T, S).

    It depends on the values before an interval, not on its own: `reference` is what level and seasonality let expect,
    observed or not, shape (T, S). The other arguments are those of `judge_runs`.
    """
    limit = np.full(reference.shape, np.nan, np.float32)
    shares = [_deciding_share(runs, place, decision) for place in range(len(WINDOWS))]
    expected_now = reference - runs.zero
    expected_now[(expected_now < runs.least) | (runs.least <= 0)] = np.nan
    _put_limits(limit, runs, 0, shares[0], 0.0, expected_now, expected_now, scale, decision)
    sums = list(zip(_sums_before(above), _sums_before(expected), strict=True))
    # Longer runs only in metrics in which one has a limit; the limits of others do not depend on this choice.
    has_limit = np.zeros(len(runs.least), np.bool_)
    for most, (before, expected_before) in zip(_MOST[1:], sums, strict=True):
        highest = np.float32(most) * (expected_before + expected_now) + _A_LITTLE * expected_now
        has_limit |= (before <= highest).any(axis=0)
    columns = np.flatnonzero(has_limit)
    if not len(columns):
        return limit
    runs, scale, expected_now = runs.select(columns), scale[columns], expected_now[:, columns]
    sums = [(before[:, columns], expected_before[:, columns]) for before, expected_before in sums]
    found = limit[:, columns]
    for place, (before, expected_before) in enumerate(sums, start=1):
        total = expected_before + expected_now
        total[~_is_enough(total, WINDOWS[place], runs.least)] = np.nan
        _put_limits(found, runs, place, shares[place][columns], before, total, expected_now, scale, decision)
    limit[:, columns] = np.minimum(found, _MOST_OF_LAST * expected_now)
    return limit


def _deciding_share(runs: RunModel, place: int, decision: float) -> Float32Array:
    """Return the share of the expected sum of a window from which a run reaches the decision; negative for none."""
    # One side, because both are the lower one.
    parameters = (getattr(runs, name)[place, None] for name in ("threshold", "scale", "shape"))
    size = limits_of(Tails(float(runs.share[place]), *parameters), decision + _MARGINS[place])[0] * runs.spread[place]
    share: Float32Array = np.minimum(np.exp(-size) * (1 + _NOTHING) - _NOTHING, _MOST[place]).astype(np.float32)
    return share


def _put_limits(
    limit: Float32Array,
    runs: RunModel,
    place: int,
    share: Float32Array,
    before: Float32Array | float,
    expected_total: Float32Array,
    expected_now: Float32Array,
    scale: FloatArray,
    decision: float,
) -> None:
    """Raise the limits to those of one window; expected sums are NaN where it is not judged."""
    surprises = decision + _MARGINS[place]
    none = np.float32(np.nan)
    value = np.where(share >= 0, share, none) * expected_total
    integers = np.flatnonzero(runs.integers & (share >= 0))
    if len(integers):
        # Of whole numbers: how many must be expected, so that this share of them, or none, is a surprise.
        part = share[integers].astype(np.float64)
        for_share = surprises / (1 - part + part * np.log(np.maximum(part, 1e-9)))
        unit = np.minimum(scale[integers] * _DEVIANCE, _MOST_UNIT).astype(np.float32)
        number = expected_total[:, integers] * unit
        few = np.where(number < for_share.astype(np.float32), 0, value[:, integers])
        value[:, integers] = np.where(number < np.float32(surprises), none, few)
    value -= before
    # A value equal to the limit is inside the range: 0 is outside of one that is a little higher.
    zero_decides = (value <= 0) & (value >= -_A_LITTLE * expected_now)
    np.copyto(value, _A_LITTLE * expected_now, where=zero_decides)
    value[value <= 0] = none
    np.fmax(limit, value, out=limit)


def _is_enough(expected_total: Float32Array, window: int, least: Float32Array) -> BoolArray:
    result: BoolArray = expected_total >= np.float32(_LEAST_OF_WINDOW * window) * least
    return result


def _sums_by_step(values: Float32Array) -> list[Float32Array]:
    """Return the sums over each of the `WINDOWS` that end at every third row."""
    steps = values.reshape(len(values) // _STEP, _STEP, values.shape[1])
    three = steps[:, 0] + steps[:, 1] + steps[:, 2]
    six = three[1:] + three[:-1]
    return [steps[:, -1], three, six, six[2:] + six[:-2]]


def _sums(values: Float32Array) -> list[Float32Array]:
    """Return the sums over each of the `WINDOWS` that end at the last rows."""
    three = values[2:] + values[1:-1] + values[:-2]
    six = three[3:] + three[:-3]
    return [values, three, six, six[6:] + six[:-6]]


def _sums_before(values: Float32Array) -> list[Float32Array]:
    """Return the sums over each of the `WINDOWS` but the first, without its last interval, before the judged rows."""
    n_judged = len(values) - LONGEST_RUN
    two = values[1:-1] + values[:-2]
    three = values[2:] + two
    five = two[3:] + three[:-3]
    six = three[3:] + three[:-3]
    eleven = five[6:] + six[:-6]
    return [total[len(total) - n_judged :] for total in (two, five, eleven)]


def _log_ratio(total: Array, expected_total: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = total / expected_total
        ratio += _NOTHING
        ratio /= 1 + _NOTHING
        result: Array = np.log(ratio, out=ratio)
    return result


def _poisson_deviance(observed: FloatArray, usual: FloatArray) -> FloatArray:
    """Return -log10 of the Poisson probability of so few, by the deviance (a Chernoff bound)."""
    count = np.rint(observed)
    logarithm = count * np.log(np.maximum(count, 1e-9) / np.maximum(usual, 1e-9))
    result: FloatArray = np.where(count < usual, logarithm - count + usual, 0.0) / np.log(10)
    return result
