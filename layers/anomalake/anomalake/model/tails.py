"""How unlikely a standardised residual is, by each series' own tails.

Beyond a high quantile, excesses follow a generalised Pareto distribution (peaks over threshold; Pickands 1975, and for
anomaly detection Siffer et al. 2017). Its scale is that of the series and side, its shape mostly a common one: a few
excesses tell little about a shape, and among them are the anomalies of the history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from anomalake.model.calendar import Bools, Floats
from anomalake.model.season import Singles
from anomalake.model.spread import quantiles

# So many excesses, of both sides together, but neither less than a hundredth of the points nor more than a fifth.
_EXCESSES, _LEAST_SHARE, _MOST_SHARE = 240, 0.01, 0.2
_SHAPE, _OWN_SHAPE = 0.15, 0.2
_LEAST_SHAPE, _MOST_SHAPE = 0.02, 0.7
# A side that is shorter than this share of the other borrows from it.
_BORROWED = 0.7
_LEAST_SCALE, _LEAST_KNEE = 0.15, 1.0
# What a history holds beyond this is taken for anomalies, unless there is more of it than this share.
_ODD, _ODD_SHARE = 8.0, 0.03

_SHAPES = np.linspace(-0.5, 1.5, 200)
_RATIOS = (5.0**_SHAPES - 1) / (2.0**_SHAPES - 1)


@dataclass(frozen=True, slots=True, eq=False)
class Tails:
    """Upper and lower tails of S series: arrays of shape (2, S), of excesses above `knee` in units of spreads.

    `share` is the probability, one-sided, of exceeding the knee.
    """

    share: float
    knee: Floats
    scale: Floats
    shape: Floats

    def part(self, first: int, end: int) -> Tails:
        """The tails of some of the series."""
        return Tails(self.share, self.knee[:, first:end], self.scale[:, first:end], self.shape[:, first:end])

    def wider(self, by: Floats) -> Tails:
        """The tails of residuals that are larger by factors of shape (S,)."""
        return Tails(self.share, self.knee * by, self.scale * by, self.shape)

    def to_arrays(self) -> dict[str, Any]:
        """The arrays by name."""
        return {one.name: np.asarray(getattr(self, one.name)) for one in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Tails:
        """Out of `to_arrays`; raises KeyError."""
        return cls(float(arrays["share"]), arrays["knee"], arrays["scale"], arrays["shape"])


def fit_tails(z: Singles, usable: Bools) -> Tails:
    """Tails of standardised residuals of a history, shape (T, S), as far as they are `usable`."""
    n_times = z.shape[0]
    odd = np.abs(z) > _ODD
    rare = odd.sum(axis=0) <= _ODD_SHARE * np.maximum(usable.sum(axis=0), 1)
    kept = z.copy()
    kept[~usable | (odd & rare)] = np.nan
    share = float(np.clip(_EXCESSES / max(n_times, 1), _LEAST_SHARE, _MOST_SHARE)) / 2
    low10, low4, low2, high2, high4, high10 = quantiles(
        kept, (share / 5, share / 2, share, 1 - share, 1 - share / 2, 1 - share / 5)
    ).astype(np.float64)
    upper, lower = (high2, high4, high10), (-low2, -low4, -low10)
    sides = [_side(*upper, *lower), _side(*lower, *upper)]
    return Tails(share, *(np.array([side[i] for side in sides]) for i in range(3)))


def _side(
    knee: Floats, half: Floats, fifth: Floats, other_knee: Floats, other_half: Floats, other_fifth: Floats
) -> tuple[Floats, Floats, Floats]:
    """Knee, scale and shape, by the excesses that half and a fifth of those over the knee have."""
    excess, far = half - knee, fifth - knee
    knee = np.maximum(np.maximum(knee, _BORROWED * other_knee), _LEAST_KNEE)
    scale = np.maximum(np.maximum(excess, _BORROWED * (other_half - other_knee)), _LEAST_SCALE * knee)
    ratio = np.where(excess > 1e-6, far / np.maximum(excess, 1e-6), np.log(5) / np.log(2))
    own = np.interp(ratio, _RATIOS, _SHAPES)
    shape = np.clip((1 - _OWN_SHAPE) * _SHAPE + _OWN_SHAPE * own, _LEAST_SHAPE, _MOST_SHAPE)
    return knee, scale * shape / (2**shape - 1), shape


def surprise(tails: Tails, z: Singles) -> Singles:
    """-log10 of the one-sided probability of `z`, shape (T, S); below the knee it falls off to 0 at 0."""
    at_knee = np.float32(-np.log10(tails.share))
    size = np.abs(z)
    # One array of knees by arithmetic: choosing element by element takes several times as long.
    upper, lower = tails.knee.astype(np.float32)
    knee: Singles = np.copysign(np.float32(1), z)
    knee *= (upper - lower) / 2
    knee += (upper + lower) / 2
    found: Singles = np.divide(size, knee).astype(np.float32, copy=False)
    np.minimum(found, 1, out=found)
    found *= at_knee
    rows, columns = np.nonzero(size > knee)
    side = (z[rows, columns] < 0).astype(np.int64)
    shape, scale = tails.shape[side, columns], tails.scale[side, columns]
    beyond = (size[rows, columns] - knee[rows, columns]).astype(np.float64)
    found[rows, columns] += np.log1p(shape * beyond / scale) / shape / np.log(10)
    return found


def reach(tails: Tails, surprises: float) -> Floats:
    """How far a point may be off, up and down, in spreads, until it is so surprising: shape (2, S)."""
    more = 10 ** (surprises + np.log10(tails.share))
    if more <= 1:
        below: Floats = tails.knee * surprises / -np.log10(tails.share)
        return below
    found: Floats = tails.knee + tails.scale / tails.shape * (more**tails.shape - 1)
    return found
