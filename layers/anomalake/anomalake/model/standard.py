"""Metrics of any unit and size brought onto one scale."""

from __future__ import annotations

import numpy as np

from anomalake.model.calendar import Bools, Floats
from anomalake.model.season import Singles
from anomalake.model.spread import quantiles, sparse

# A share of a constant that stands in for its width, and the width of a constant 0.
_OF_CONSTANT, _OF_ZERO = 0.01, 1e-9
# Differences of so small a share are what sums in another order bring about.
_ROUNDING = 2e-15
# Values farther from the middle than so many widths are all the same; keeps their squares in single precision.
_FARTHEST = 1e15
# Numbers beyond this, whose differences double precision cannot hold, are all the same.
_LARGEST = 8e307


def standard(raw: Floats) -> tuple[Floats, Floats, Bools]:
    """Middle and width of each metric, and whether it is constant; (S, T) to (S,)."""
    few = np.clip(raw[:, sparse(raw.shape[1])], -_LARGEST, _LARGEST)
    low, center, high = quantiles(few.T, (0.25, 0.5, 0.75)).astype(np.float64)
    width = high - low
    least = _ROUNDING * np.abs(center)
    narrow = ~(width > least)
    width[narrow] = _deviation(np.clip(raw[narrow], -_LARGEST, _LARGEST), center[narrow])
    constant = ~(width > least)
    return center, np.where(constant, np.maximum(np.abs(center) * _OF_CONSTANT, _OF_ZERO), width), constant


def _deviation(known: Floats, center: Floats) -> Floats:
    off = np.where(np.isnan(known), 0.0, (known.T - center).T)
    # Squares of the largest numbers, and of the smallest, are beyond double precision.
    most = np.abs(off).max(axis=1, initial=0.0)
    unit = np.where(most > 0, most, 1.0)[:, None]
    observed = np.maximum((~np.isnan(known)).sum(axis=1), 1)
    found: Floats = most * np.sqrt(((off / unit) ** 2).sum(axis=1) / observed)
    return found


def standardised(raw: Floats, center: Floats, scale: Floats) -> Singles:
    """Values as widths from the middle, (S, T) to (T, S); NaN where nothing was observed."""
    off = np.clip(raw, -_LARGEST, _LARGEST)
    off -= center[:, None]
    with np.errstate(over="ignore"):
        off /= scale[:, None]
    return np.ascontiguousarray(np.clip(off, -_FARTHEST, _FARTHEST).astype(np.float32).T)


def in_units(found: Singles, center: Floats, scale: Floats, least: Floats) -> Floats:
    """Back from widths to values, none below the `least`; (T, S) to (S, T)."""
    values = np.ascontiguousarray(found.T).astype(np.float64)
    with np.errstate(over="ignore"):
        values *= scale[:, None]
        values += center[:, None]
    units: Floats = np.clip(values, np.maximum(least, -_LARGEST)[:, None], _LARGEST, out=values)
    return units
