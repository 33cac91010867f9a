"""Few things an interval: how unlikely a count is, where a spread says little.

Of a metric that counts and is mostly 0, residuals have no density whose tail could be followed: one more is no anomaly
if it comes a few times a month. A count is therefore as surprising as a Poisson distribution finds it, with counts in
units of their dispersion where they come in bursts (quasi-Poisson; McCullagh and Nelder 1989, ch. 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import factorial

import numpy as np

from anomalake.model.calendar import Bools, Floats
from anomalake.model.filter import TOGETHER
from anomalake.model.spread import quantiles

#: Mean of a history up to which whole numbers are taken for counts of few things.
FEW = 5.0
# Squared deviations of a history are cut off at this quantile of sizes: beyond are its anomalies.
_ORDINARY = 0.98
# What is expected is at least this share of the mean: the regression follows medians, which are mostly 0.
_OF_MEAN = 0.5
_MOST = 1_000.0
_LEAST_DISPERSION = 0.3
# CountModel beyond are all the same.
_FARTHEST = 1e9
# A count that is looked at together with others must itself be so surprising, and above what was expected.
_LEAST_ALONE = 1.0
_STEPS = 60


@dataclass(frozen=True, slots=True, eq=False)
class CountModel:
    """Mean and dispersion (variance by mean, at least 1) of metrics that count few, shape (S,); mean 0 of others."""

    mean: Floats
    dispersion: Floats

    @property
    def few(self) -> Bools:
        """Which metrics count few things."""
        return self.mean > 0

    def chosen(self, metrics: Bools | slice) -> CountModel:
        """Those of some of the metrics."""
        return CountModel(self.mean[metrics], self.dispersion[metrics])


def are_whole(raw: Floats) -> Bools:
    """Metrics of whole numbers, (S, T) to (S,); one value in a thousand may be none."""
    broken = (~np.isnan(raw) & (raw != np.rint(raw))).sum(axis=1)
    whole: Bools = broken <= 0.001 * raw.shape[1]
    return whole


def fit_counts(raw: Floats, whole: Bools) -> CountModel:
    """What a history tells, shape (S, T), NaN where nothing was observed; `whole` are the metrics of whole numbers."""
    mean, dispersion = np.zeros(len(raw)), np.ones(len(raw))
    some = np.flatnonzero(whole)
    low, high = quantiles(np.clip(raw[some], -1.0, 2 * _MOST).T.astype(np.float32), (0.0, _ORDINARY))
    few = (low >= 0) & (high <= _MOST)
    maybe, most = some[few], np.maximum(high[few], 1.0)
    observed = ~np.isnan(raw[maybe])
    number = np.maximum(observed.sum(axis=1), 1)
    kept = np.where(observed, np.minimum(raw[maybe], most[:, None]), 0.0)
    means = kept.sum(axis=1) / number
    variance = np.where(observed, (kept - means[:, None]) ** 2, 0.0).sum(axis=1) / number
    # What hardly varies is no count of things that come as they like.
    counts = (means > 0) & (means <= FEW) & (variance >= _LEAST_DISPERSION * means)
    mean[maybe[counts]] = means[counts]
    dispersion[maybe[counts]] = np.maximum(variance[counts] / means[counts], 1.0)
    return CountModel(mean, dispersion)


@dataclass(frozen=True, slots=True, eq=False)
class JudgedCounts:
    """Judged counts, shape (S, T): surprises, and the counts below and above which they reach the decision.

    `recent` are the surprises of the last intervals, newest first, shape (TOGETHER - 1, S).
    """

    surprises: Floats
    lower: Floats
    upper: Floats
    recent: Floats


def judge_counts(
    counts: CountModel, values: Floats, expected: Floats, recent: Floats, decision: float, margin: float
) -> JudgedCounts:
    """Judge counts, each alone and together with those before it.

    Few things more than expected, hour after hour, are as unlikely together as Fisher's sum of the logarithms of their
    probabilities (1932) says; that is a second look, which has to be more surprising by the `margin`.

    Parameters
    ----------
    values, expected
        Shape (S, T), NaN where nothing was observed.
    recent
        Surprises of the intervals before, newest first, shape (TOGETHER - 1, S).
    decision
        Surprise at which a count is an anomaly.
    """
    rate = np.clip(expected, _OF_MEAN * counts.mean[:, None], _FARTHEST) / counts.dispersion[:, None]
    size = np.clip(values, 0, _FARTHEST) / counts.dispersion[:, None]
    alone = np.where(np.isnan(values), 0.0, _surprise(size, rate))
    above = np.where(size > rate, alone, 0.0)
    line = np.concatenate([recent[::-1].T, above], axis=1)
    before = sum(line[:, step : step + above.shape[1]] for step in range(len(recent)))
    joint = _together(above + before) - margin
    surprises = np.maximum(alone, np.where(above >= _LEAST_ALONE, joint, 0.0))
    needed = np.clip(_sum_needed(decision + margin) - before, _LEAST_ALONE, decision)
    most = rate + 10 * decision * (1 + np.sqrt(rate)) + 10
    upper = _limit(rate, most, needed) * counts.dispersion[:, None]
    lower = _limit(rate, np.zeros(rate.shape), np.full(rate.shape, decision)) * counts.dispersion[:, None]
    return JudgedCounts(
        surprises,
        np.minimum(lower, expected),
        np.maximum(upper, expected),
        line[:, line.shape[1] - len(recent) :].T[::-1],
    )


def _together(total: Floats) -> Floats:
    """-log10 of the probability of a sum of `TOGETHER` surprises."""
    nats = total * np.log(10)
    terms = sum(nats**k / factorial(k) for k in range(TOGETHER))
    found: Floats = np.maximum(nats - np.log(terms), 0) / np.log(10)
    return found


@cache
def _sum_needed(surprise: float) -> float:
    """The sum whose probability is as small as that."""
    low, high = 0.0, 10 * surprise + 10
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _together(np.array(middle)) >= surprise else (middle, high)
    return high


def _limit(rate: Floats, far: Floats, surprises: Floats) -> Floats:
    """The last count from the rate towards `far` that is not so surprising yet, by bisection."""
    inside, outside = rate.copy(), far
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        surprising = _surprise(middle, rate) >= surprises
        inside, outside = np.where(surprising, inside, middle), np.where(surprising, middle, outside)
    limit: Floats = np.where(_surprise(far, rate) < surprises, far, inside)
    return limit


def _surprise(count: Floats, rate: Floats) -> Floats:
    """-log10 of the Poisson probability of a count, by Gosper's approximation of the factorial."""
    log_count = np.log(np.maximum(count, 1e-300))
    log_factorial = count * log_count - count + 0.5 * np.log((2 * count + 1 / 3) * np.pi)
    found: Floats = np.maximum(rate - count * np.log(rate) + log_factorial, 0) / np.log(10)
    return found
