"""Low counts and amounts of few things: how unlikely a count is, or a pause, where residuals have no tail to fit.

Residuals of a count that is mostly 0 have no density, and one more is no anomaly if it happens a few times a month.
So the surprise of a count (-log10 of its probability, see `tails`) is that of a Poisson distribution. If counts come in
bursts, they are measured in units of their dispersion (quasi-Poisson; McCullagh and Nelder 1989, ch. 6).

One 0 is no surprise, but many in a row are. A *pause* is what was expected since the last count above 0. Of independent
events, pauses have an exponential distribution of mean 1; with bursts and closing hours they are longer, as the history
has them. *Amounts* that are often 0, as the revenue of a few sales, have pauses too, in which an amount is expected.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache
from math import factorial
from typing import Final

import numpy as np

from anomalake.model.array_types import BoolArray, Float32Array, FloatArray, IndexArray
from anomalake.model.filter_state import JOINT
from anomalake.model.layout import strips
from anomalake.model.spread import quantiles_of_series

#: Largest mean of a history for which integers are judged as low counts.
MOST_MEAN = 5.0
# Larger values of a history are clipped to this quantile: they are its anomalies.
_CLIPPED_FROM = 0.98
# The expected count is at least this share of the mean: the regression follows medians, which are mostly 0.
_LEAST_OF_MEAN = 0.5
# A history with more than 2 % of its values above this is not a low count.
_MOST_COUNT = 1_000.0
# A history with a smaller dispersion varies too little for a count of independent events.
_LEAST_DISPERSION = 0.3
# Larger counts are clipped. Of amounts, at most so many times the mean is expected: after a very large one, the level
# is too high.
_CLIPPED_COUNT, _MOST_OF_MEAN = 1e9, 2.0
# Least surprise of a count, above the expected one, that is judged together with the counts before it.
_LEAST_ALONE = 1.0
# Pauses: quantiles of the history whose exponential distributions are compared, fewest counts above 0, and reduction of
# the surprise, because this is a further test. Pauses are hardly independent, so their tail is a little heavier than
# that of an exponential distribution.
_PAUSE_SHARES, _LEAST_PAUSES, _PAUSE_MARGIN, _PAUSE_SHAPE = (0.8, 0.95, 0.99), 30, 0.5, 0.1
# A pause is at least so many times as long as the second longest of the history, to be an anomaly; one that is so many
# times as long as a pause that decides is the new usual.
_TIMES_OF_LONGEST, _MOST_PAUSE = 2.0, 10.0
# The least expected count of a pause, and the least amount as a share of the mean: 0 is below the range, whatever is
# expected.
_LOWER_OF_PAUSE, _LOWER_OF_AMOUNTS = 0.5, 1e-3
#: From this share of zeros on, 0 is usual: pauses are judged, and no runs of low values.
MANY_ZEROS: Final = 0.2
# Bisection steps: enough for double precision.
_STEPS = 60


@dataclass(frozen=True, slots=True, eq=False)
class CountModel:
    """Low counts, arrays of shape (S,).

    Attributes
    ----------
    mean
        0 for other metrics.
    dispersion
        Variance by mean, at least 1.
    pause
        Scale of the distribution of pauses, as what is expected in them; infinite where pauses are not judged.
    longest
        A pause is no anomaly before it is longer.
    amount
        Mean of amounts whose pauses are judged; 0 for other metrics.
    """

    mean: FloatArray
    dispersion: FloatArray
    pause: FloatArray
    longest: FloatArray
    amount: FloatArray

    @property
    def is_low(self) -> BoolArray:
        """Which metrics are low counts."""
        return self.mean > 0

    @property
    def has_pauses(self) -> BoolArray:
        """Which metrics are low counts or amounts, so that their pauses are followed."""
        return self.is_low | (self.amount > 0)

    def select(self, metrics: BoolArray | IndexArray | slice) -> CountModel:
        """Return the model of the selected metrics."""
        return CountModel(*(getattr(self, name)[metrics] for name in _NAMES))


_NAMES = tuple(field.name for field in fields(CountModel))


def concatenate_counts(parts: list[CountModel]) -> CountModel:
    """Return the model of all metrics from those of consecutive blocks."""
    return CountModel(*(np.concatenate([getattr(part, name) for part in parts]) for name in _NAMES))


def are_integers(raw: FloatArray) -> BoolArray:
    """Return which metrics have integers only, up to one value in a thousand; (S, T) to (S,)."""
    n_fractions = np.zeros(len(raw), np.int64)
    for strip in strips(len(raw)):
        values = raw[strip]
        n_fractions[strip] = (~np.isnan(values) & (values != np.rint(values))).sum(axis=1)
    result: BoolArray = n_fractions <= 0.001 * raw.shape[1]
    return result


def fit_counts(raw: FloatArray, integers: BoolArray) -> CountModel:
    """Find low counts and estimate their mean and dispersion; their pauses are not judged (see `fit_pauses`).

    `raw` is the history, shape (S, T), NaN where nothing was observed; `integers` are the metrics of integers.
    """
    mean, dispersion = np.zeros(len(raw)), np.ones(len(raw))
    all_rows = np.flatnonzero(integers)
    for strip in strips(len(all_rows)):
        rows = all_rows[strip]
        # Where more than half of the values are twice as large, the mean is larger.
        rows = rows[(raw[rows] > 2 * MOST_MEAN).sum(axis=1) <= raw.shape[1] / 2]
        if not len(rows):
            continue
        values = np.clip(raw[rows], -1.0, 2 * _MOST_COUNT).astype(np.float32)
        low, high = quantiles_of_series(values, (0.0, _CLIPPED_FROM))
        in_range = (low >= 0) & (high <= _MOST_COUNT)
        rows, bound = rows[in_range], np.maximum(high[in_range], 1.0)
        if not len(rows):
            continue
        observed = ~np.isnan(raw[rows])
        n_observed = np.maximum(observed.sum(axis=1), 1)
        clipped = np.where(observed, np.minimum(raw[rows], bound[:, None]), 0.0)
        means = clipped.sum(axis=1) / n_observed
        variance = np.where(observed, (clipped - means[:, None]) ** 2, 0.0).sum(axis=1) / n_observed
        is_low = (means > 0) & (means <= MOST_MEAN) & (variance >= _LEAST_DISPERSION * means)
        mean[rows[is_low]] = means[is_low]
        dispersion[rows[is_low]] = np.maximum(variance[is_low] / means[is_low], 1.0)
    infinite = np.full(len(raw), np.inf)
    return CountModel(mean, dispersion, infinite, infinite.copy(), np.zeros(len(raw)))


def mean_of_amounts(raw: FloatArray) -> FloatArray:
    """Return the mean of each history that is often 0, 0 for other ones; (S, T) to (S,). No value is negative."""
    n_observed = np.maximum((~np.isnan(raw)).sum(axis=1), 1)
    are_amounts = (raw == 0).sum(axis=1) >= MANY_ZEROS * n_observed
    result: FloatArray = np.where(are_amounts, np.nansum(raw, axis=1) / n_observed, 0.0)
    return result


def fit_pauses(counts: CountModel, raw: FloatArray, reference: FloatArray) -> tuple[CountModel, Float32Array]:
    """Estimate the distribution of the pauses of a history.

    Parameters
    ----------
    counts
        Low counts and amounts only.
    raw, reference
        The history, and what level and seasonality let expect, shape (S, T).

    Returns
    -------
    The model with pauses, and the pause at the end of the history.
    """
    with_interval, rate, last = pauses_of(counts, raw, reference, np.zeros(len(raw), np.float32))
    ended = np.sort(np.where(raw > 0, with_interval - rate, np.float32(np.nan)), axis=1)
    n_ended = (raw > 0).sum(axis=1)
    judged = np.flatnonzero(n_ended >= _LEAST_PAUSES)
    pause, longest = counts.pause.copy(), counts.longest.copy()
    if len(judged):
        n_judged = n_ended[judged]
        # The mean of an exponential distribution by its quantiles. The longest pause may be an outage.
        means = [ended[judged, (share * (n_judged - 1)).astype(int)] / -np.log(1 - share) for share in _PAUSE_SHARES]
        second = ended[judged, n_judged - 2].astype(np.float64)
        one = np.where(counts.is_low[judged], 1.0, counts.amount[judged])
        pause[judged] = np.max([one, *means, second / np.log(n_judged / 2)], axis=0)
        longest[judged] = _TIMES_OF_LONGEST * second
    return replace(counts, pause=pause, longest=longest), last


def pauses_of(
    counts: CountModel, raw: FloatArray, reference: FloatArray, before: Float32Array
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Return pauses with each interval, as if it were 0, what each interval adds, shape (S, T), and the last pause.

    `before` is the pause before the first interval. Intervals without a value are left out.
    """
    least = _LEAST_OF_MEAN * (counts.mean + counts.amount)
    most = np.where(counts.amount > 0, _MOST_OF_MEAN * counts.amount, _CLIPPED_COUNT)
    rate = np.clip(np.fmax(reference, least[:, None]), None, most[:, None]).astype(np.float32)
    added = np.ascontiguousarray(rate.T)
    keeps, goes_on = (np.ascontiguousarray(of.T).astype(np.float32) for of in (~(raw > 0), raw == 0))
    with_interval = np.empty_like(added)
    pause = before
    for t in range(len(added)):
        np.add(pause, added[t], out=with_interval[t])
        pause = (pause + goes_on[t] * added[t]) * keeps[t]
    return with_interval.T, rate, pause


@dataclass(frozen=True, slots=True, eq=False)
class JudgedCounts:
    """Surprises of counts, and the counts below and above which they reach the decision: arrays of shape (S, T).

    `recent` are the surprises of the last intervals, newest first, shape (JOINT - 1, S).
    """

    surprises: FloatArray
    lower: FloatArray
    upper: FloatArray
    recent: FloatArray


def judge_counts(
    counts: CountModel, values: FloatArray, expected: FloatArray, recent: FloatArray, decision: float, margin: float
) -> JudgedCounts:
    """Judge counts, each alone and together with those before it.

    Small excesses in consecutive intervals are tested together by Fisher's sum of the logarithms of their probabilities
    (1932). As this is a second test, its surprise is reduced by the `margin`.

    Parameters
    ----------
    values, expected
        Shape (S, T), NaN where nothing was observed.
    recent
        Surprises of the previous intervals, newest first, shape (JOINT - 1, S).
    decision
        Surprise from which a count is an anomaly.
    """
    rate = np.clip(expected, _LEAST_OF_MEAN * counts.mean[:, None], _CLIPPED_COUNT) / counts.dispersion[:, None]
    size = np.clip(values, 0, _CLIPPED_COUNT) / counts.dispersion[:, None]
    alone = np.where(np.isnan(values), 0.0, _poisson_surprise(size, rate))
    above = np.where(size > rate, alone, 0.0)
    sequence = np.concatenate([recent[::-1].T, above], axis=1)
    before = sum(sequence[:, step : step + above.shape[1]] for step in range(len(recent)))
    joint = _joint_surprise(above + before) - margin
    surprises = np.maximum(alone, np.where(above >= _LEAST_ALONE, joint, 0.0))
    needed = np.clip(_sum_with_surprise(decision + margin) - before, _LEAST_ALONE, decision)
    # A count this far above the rate exceeds any decision.
    far_above = rate + 10 * decision * (1 + np.sqrt(rate)) + 10
    upper = _limit(rate, far_above, needed) * counts.dispersion[:, None]
    lower = _limit(rate, np.zeros(rate.shape), np.full(rate.shape, decision)) * counts.dispersion[:, None]
    return JudgedCounts(
        surprises,
        np.minimum(lower, expected),
        np.maximum(upper, expected),
        sequence[:, sequence.shape[1] - len(recent) :].T[::-1],
    )


@dataclass(frozen=True, slots=True, eq=False)
class JudgedPauses:
    """Pauses that decide: arrays of shape (S, T).

    Attributes
    ----------
    surprises
        Of a value of 0 in a pause that decides; 0 elsewhere.
    expected, lower
        What to show where a pause decides, whatever the value is; NaN elsewhere.
    """

    surprises: FloatArray
    expected: FloatArray
    lower: FloatArray


def judge_pauses(
    counts: CountModel, values: FloatArray, expected: FloatArray, with_interval: Float32Array, decision: FloatArray
) -> JudgedPauses:
    """Judge the pauses of low counts and amounts (`pauses_of`); arrays have shape (S, T), decisions (S, 1)."""
    size = with_interval / counts.pause[:, None]
    surprises = np.log1p(_PAUSE_SHAPE * size) / (_PAUSE_SHAPE * np.log(10)) - _PAUSE_MARGIN
    deciding = np.expm1((decision + _PAUSE_MARGIN) * _PAUSE_SHAPE * np.log(10)) / _PAUSE_SHAPE
    deciding_pause = np.maximum(counts.longest[:, None], deciding * counts.pause[:, None])
    decides = (with_interval > deciding_pause) & (with_interval < _MOST_PAUSE * deciding_pause)
    shown = np.where(decides, np.fmax(expected, _LEAST_OF_MEAN * (counts.mean + counts.amount)[:, None]), np.nan)
    least = np.where(counts.is_low, _LOWER_OF_PAUSE, _LOWER_OF_AMOUNTS * counts.amount)[:, None]
    return JudgedPauses(np.where((values == 0) & decides, surprises, 0.0), shown, np.minimum(least, shown))


def _joint_surprise(total: FloatArray) -> FloatArray:
    """Return the surprise of a sum of `JOINT` surprises, which has a gamma distribution."""
    nats = total * np.log(10)
    terms = sum(nats**k / factorial(k) for k in range(JOINT))
    result: FloatArray = np.maximum(nats - np.log(terms), 0) / np.log(10)
    return result


@cache
def _sum_with_surprise(surprise: float) -> float:
    """Return the sum of `JOINT` surprises that has the given joint surprise, by bisection."""
    low, high = 0.0, 10 * surprise + 10
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _joint_surprise(np.array(middle)) >= surprise else (middle, high)
    return high


def _limit(rate: FloatArray, far: FloatArray, surprises: FloatArray) -> FloatArray:
    """Return the last count from the rate towards `far` with less than the given surprise, by bisection."""
    inside, outside = rate.copy(), far
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        reached = _poisson_surprise(middle, rate) >= surprises
        inside, outside = np.where(reached, inside, middle), np.where(reached, middle, outside)
    limit: FloatArray = np.where(_poisson_surprise(far, rate) < surprises, far, inside)
    return limit


def _poisson_surprise(count: FloatArray, rate: FloatArray) -> FloatArray:
    """Return -log10 of the Poisson probability of a count, by Gosper's approximation of the factorial."""
    log_count = np.log(np.maximum(count, 1e-300))
    log_factorial = count * log_count - count + 0.5 * np.log((2 * count + 1 / 3) * np.pi)
    result: FloatArray = np.maximum(rate - count * np.log(rate) + log_factorial, 0) / np.log(10)
    return result
