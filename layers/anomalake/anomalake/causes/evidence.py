"""Evidence of leaves: log-likelihood ratios of "off by a share m, with a spread" against "noise"."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from anomalake.causes.leaves import Floats, Ints, Leaves

Evidence = npt.NDArray[np.float32]

# Spreads of the leaves of one cause around its share, and the least share: absolute, and in spreads.
_SPREADS: Final = (0.015, 0.04, 0.1)
_LEAST_SHARE, _LEAST_IN_SPREADS = 0.05, 4.0
# Distance of the shares that are tried, where the spread is smaller.
_STEP: Final = 0.025

# Degrees of freedom of the noise, a t distribution: its tails are those of the residuals of forecasts.
_FREEDOM: Final = 20
# Probability that a leaf is anywhere, for no reason: it bounds what one leaf can tell, for or against a cause.
_ANYWHERE: Final = 1e-6
# Probability that a leaf of a cause does not follow it.
_APART: Final = 0.01
# The noise of a leaf that is off by a share m is not less than that of one off by this much.
_LEAST_LEFT: Final = 0.1
# Least distance to a deviation of 1, where a value is infinitely more than expected.
_LEAST_REST: Final = 0.002

# Least weight of ratios in the noise.
_LEAST_RATIO: Final = 1e-3

# Leaves with nearly the same deviation and noise have the same evidence: steps of both.
_DEVIATION_STEP, _NOISE_STEP = 1 / 200, math.log(1.2)


@dataclass(frozen=True, slots=True, eq=False)
class Hypotheses:
    """Ways in which a leaf can be off: shares and spreads, and the logarithm of the probability of each."""

    shares: Floats
    spreads: Floats
    prior: Floats


@lru_cache(maxsize=1)
def hypotheses() -> Hypotheses:
    """Return the ways in which a leaf can be off; each spread is as probable as the others."""
    shares = [
        np.append(np.arange(max(_LEAST_SHARE, _LEAST_IN_SPREADS * spread), 0.999, max(spread, _STEP)), 1.0)
        for spread in _SPREADS
    ]
    return Hypotheses(
        np.concatenate(shares),
        np.concatenate([np.full(len(part), spread) for part, spread in zip(shares, _SPREADS, strict=True)]),
        np.concatenate([np.full(len(part), -math.log(len(part) * len(_SPREADS))) for part in shares]),
    )


def evidence_of(leaves: Leaves, sign: int) -> tuple[Evidence, Ints]:
    """Return the evidence that leaves are off, in nats: a row for each different leaf, a column for each hypothesis.

    Parameters
    ----------
    sign
        1: less than expected, -1: more.

    Returns
    -------
    The rows, and the row of each leaf.
    """
    steps = np.round(leaves.deviation * sign / _DEVIATION_STEP).astype(np.int64)
    classes = np.round(np.log(leaves.noise) / _NOISE_STEP).astype(np.int64)
    different, rows = np.unique(steps * 1024 + (classes + 512), return_inverse=True)
    deviation = (different // 1024) * _DEVIATION_STEP
    noise = np.exp(((different % 1024) - 512) * _NOISE_STEP)
    return _log_ratios(deviation, noise, sign), rows.astype(np.int64)


def _log_ratios(deviation: Floats, noise: Floats, sign: int) -> Evidence:
    """Return log p(deviation | off by m) - log p(deviation | noise): shape (leaves, hypotheses)."""
    tried = hypotheses()
    d, sigma = deviation[:, None], noise[:, None]
    is_more = (d > 0) == (sign < 0)
    rest = np.maximum(1 - np.abs(d), _LEAST_REST)
    # The noise of small values, such as counts, is that of differences; the noise of others is that of ratios, in which
    # a value of zero is far away and a high one is not so far.
    size = np.where(is_more, np.abs(d) / rest, np.abs(d))
    ratio = np.where(is_more, np.maximum(1 - sigma, _LEAST_RATIO), -np.maximum(1 - 2 * sigma, _LEAST_RATIO))
    stretch = np.maximum(1 + ratio * size, _LEAST_REST)
    z = np.log(stretch) / (ratio * sigma)
    density = 1 / (sigma * stretch * np.where(is_more, rest**2, 1))
    log_t = (
        math.lgamma((_FREEDOM + 1) / 2)
        - math.lgamma(_FREEDOM / 2)
        - math.log(_FREEDOM * math.pi) / 2
        - (_FREEDOM + 1) / 2 * np.log1p(z * z / _FREEDOM)
    )
    of_noise = (1 - _ANYWHERE) * np.exp(log_t) * density + _ANYWHERE / 2
    left = np.maximum(1 - tried.shares, _LEAST_LEFT)
    spread = np.hypot(tried.spreads, sigma * (np.sqrt(left) if sign > 0 else left))
    of_cause = np.exp(-(((d - tried.shares) / spread) ** 2) / 2) / (spread * math.sqrt(2 * math.pi))
    of_cause = (1 - _ANYWHERE) * of_cause + _ANYWHERE / 2
    ratios = np.log((1 - _APART) * of_cause + _APART * of_noise) - np.log(of_noise)
    # A leaf that is off in the other direction is no evidence, nor is a difference that is smaller than its noise.
    difference = tried.shares if sign > 0 else tried.shares / np.maximum(1 - tried.shares, _LEAST_REST)
    ratios = np.where((difference < sigma) | (d <= 0), np.minimum(ratios, 0), ratios)
    return np.asarray(ratios, np.float32)
