"""Days of the month: peaks of a day at the start, at the end, or on the first or the last working day of months.

Two harmonics of the month cannot hold the peak of a day. Each day belongs to up to four *slots*: its number from the
start of the month, its number from the end, and the first and the last working day. A deviation that most visits of a
slot share becomes an offset of the slot, from three visits on. As a day has several slots, the one that explains most
is chosen first, and what it leaves decides about the others.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from anomalake.model.array_types import BoolArray, Float32Array, IntArray
from anomalake.model.calendar import MONTH_SLOTS, Calendar
from anomalake.model.spread import MAD, median, quantiles

# Fewest visits of a slot that are learned from, and the share of them that must agree.
_LEAST_VISITS, _LEAST_SHARE = 3, 0.75
#: Least offset, in sigmas.
LEAST_OFFSET: Final = 3.0
# The share of an offset from which a visit agrees.
_AGREES = 0.5
# Share of an offset by which it must bring its visits nearer to the usual, on average.
_LEAST_GAIN = 0.5
# This quantile of what is left over on the days of a slot is so many of their sigmas.
_QUANTILE, _SIGMAS_OF_QUANTILE = 0.9, np.float32(3.5)
# Most slots of a series that have an offset.
_MOST_SLOTS = 12


def fit_months(deviation: Float32Array, slots: IntArray) -> Float32Array:
    """Estimate offset and spread of the slots of the month, shape (2, MONTH_SLOTS, S); 0 for most.

    Parameters
    ----------
    deviation
        Deviations from the usual values, shape (T, S); NaN where nothing was observed.
    slots
        Slots of each day (`Calendar.month_slots`).
    """
    months = np.zeros((2, MONTH_SLOTS, deviation.shape[1]), np.float32)
    offsets, spreads = months
    days_of = [np.flatnonzero((slots == slot).any(axis=1)) for slot in range(MONTH_SLOTS)]
    if max(len(days) for days in days_of) < _LEAST_VISITS:
        return months
    sigma = np.float32(MAD) * median(np.abs(deviation - median(deviation))) + np.float32(1e-6)
    left = np.arange(deviation.shape[1])
    rest = deviation - median(deviation)
    for _ in range(_MOST_SLOTS):
        gains = np.zeros((MONTH_SLOTS, len(left)), np.float32)
        found, farthest = np.zeros_like(gains), np.zeros_like(gains)
        for slot, days in enumerate(days_of):
            if len(days) >= _LEAST_VISITS:
                found[slot], farthest[slot], gains[slot] = offset_of_visits(rest[days], sigma[left])
        best = gains.argmax(axis=0)
        index = np.flatnonzero(gains.max(axis=0) > 0)
        if not len(index):
            break
        best, left, rest = best[index], left[index], rest[:, index]
        offsets[best, left] = found[best, index]
        spreads[best, left] = farthest[best, index] / _SIGMAS_OF_QUANTILE
        for slot in np.unique(best):
            rest[np.ix_(days_of[slot], np.flatnonzero(best == slot))] = np.nan
    return months


def no_months(calendar: Calendar, n_series: int) -> Float32Array:
    """Return no offsets; intervals that are no days have no slots."""
    return np.zeros((2, MONTH_SLOTS if calendar.month_slots.shape[1] else 0, n_series), np.float32)


def offset_of_visits(visits: Float32Array, sigma: Float32Array) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Return the offset that most visits share, what it leaves over of nine of ten, and its gain; 0 for none.

    The gain is by how much the offset brings the visits nearer to the usual. `visits` has shape (visits, S).
    """
    offset = median(visits)
    size = np.abs(offset)
    observed = (~np.isnan(visits)).sum(axis=0)
    agrees = (visits * np.sign(offset) > np.float32(_AGREES) * size).sum(axis=0)
    left_over = np.abs(visits - offset)
    gain = np.nansum(np.abs(visits) - left_over, axis=0)
    is_offset: BoolArray = (
        (observed >= _LEAST_VISITS)
        & (agrees >= _LEAST_SHARE * observed)
        & (size > np.float32(LEAST_OFFSET) * sigma)
        & (gain > np.float32(_LEAST_GAIN) * size * observed)
    )
    farthest = quantiles(left_over, (_QUANTILE,))[0]
    found, farthest, gain = (np.where(is_offset, array, 0).astype(np.float32) for array in (offset, farthest, gain))
    return found, farthest, gain


def days_of_months(months: Float32Array, slots: IntArray) -> tuple[Float32Array, Float32Array]:
    """Return offset and spread of each day, shape (T, S): those of its slot with the largest offset.

    Of intervals that are no days they are 0, of shape (T, 1).
    """
    if not slots.shape[1]:
        return np.zeros((len(slots), 1), np.float32), np.zeros((len(slots), 1), np.float32)
    padded = np.concatenate([months, np.zeros((2, 1, months.shape[2]), np.float32)], axis=1)
    offset, spread = (np.zeros((len(slots), months.shape[2]), np.float32) for _ in range(2))
    for column in slots.T:
        of_slot, spread_of_slot = padded[:, column]
        is_larger = np.abs(of_slot) > np.abs(offset)
        np.copyto(offset, of_slot, where=is_larger)
        np.copyto(spread, spread_of_slot, where=is_larger)
    return offset, spread
