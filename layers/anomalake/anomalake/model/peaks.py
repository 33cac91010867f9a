"""Peaks of the day: deviations of a few intervals at the same time each day, as those of a nightly job.

The harmonics of the day cannot hold them, and a pattern that follows them late makes the expectation poor for weeks. A
deviation that most days share, and that the times around it do not have, becomes an offset of its phase of the day. It
is taken out of the values before the harmonics are fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalake.frequencies import FREQUENCIES
from anomalake.model.array_types import Float32Array, IndexArray, IntArray
from anomalake.model.calendar import Calendar
from anomalake.model.layout import wide_strips
from anomalake.model.months import LEAST_OFFSET, days_of_months, offset_of_visits
from anomalake.model.repeats import LONGEST
from anomalake.model.spread import MAD, median, row_sample

# A series can have a peak where the mean deviation at a time is so many sigmas from those around it; each deviation is
# clipped to so many.
_CAN_BE_PEAK, _CLIP = np.float32(0.75), np.float32(8)
# Number of times on each side that a peak is compared with.
_AROUND = 4
# A phase has no offset where the median deviation is less than this share of the least one, rounding included.
_ALMOST, _ROUNDING = 0.999, np.float32(1e-5)
# Sigmas of normal noise that nine of ten values reach at most: what is left over at a peak (`offset_of_visits`).
_SIGMAS_OF_QUANTILE = np.float32(1.645)


def fit_peaks(deviation: Float32Array, least_sigma: Float32Array, calendar: Calendar) -> Float32Array:
    """Estimate offset and spread of the phases of the day, shape (2, day length, S); 0 for most.

    The shape is (2, 0, S) where there is none, as where an interval is a day or longer.

    Parameters
    ----------
    deviation
        Deviations from level and harmonics, shape (T, S); NaN where nothing was observed.
    least_sigma
        Least spread of the deviations, shape (S,); infinite for series without peaks.
    """
    none = np.zeros((2, 0, deviation.shape[1]), np.float32)
    phases = range(0 if FREQUENCIES[calendar.frequency].days else calendar.day_length)
    rows_of = [np.flatnonzero((calendar.day_phase == phase) & ~calendar.is_holiday) for phase in phases]
    if min(map(len, rows_of), default=0) == 0:
        return none
    sample = deviation[row_sample(len(deviation))]
    sigma = np.maximum(np.float32(MAD) * median(np.abs(sample - median(sample))), least_sigma)
    candidates = _candidates(deviation, rows_of, sigma)
    if not len(candidates):
        return none
    peaks = np.zeros((2, len(phases), deviation.shape[1]), np.float32)
    selected = deviation[:, candidates]
    # Few candidates have an offset at a phase: a median this small has none, with room for rounding.
    medians = np.array([median(selected[rows]) for rows in rows_of])
    usual = _around(medians)
    least = np.float32(_ALMOST * LEAST_OFFSET) * sigma[candidates]
    can_be = ~(np.abs(medians - usual) + _ROUNDING * (np.abs(medians) + np.abs(usual)) < least)
    for phase, rows in enumerate(rows_of):
        series = np.flatnonzero(can_be[phase])
        visits = selected[rows[:, None], series] - usual[phase, series]
        offset, left_over, _ = offset_of_visits(visits, sigma[candidates[series]])
        peaks[:, phase, candidates[series]] = offset, left_over / _SIGMAS_OF_QUANTILE
    return peaks if peaks.any() else none


def _candidates(deviation: Float32Array, rows_of: list[IndexArray], sigma: Float32Array) -> IndexArray:
    """Return the series that can have a peak, by the mean of clipped deviations; a missing value counts as 0."""
    observed = deviation
    missing = np.isnan(deviation)
    if missing.any():
        observed = deviation.copy()
        observed[missing] = 0
    can_be = np.zeros(deviation.shape[1], np.bool_)
    # In strips, whose arrays stay in the cache of a core.
    for strip in wide_strips(deviation.shape[1], len(rows_of[0])):
        sigma_of_strip = sigma[strip]
        clipped = np.clip(observed[:, strip], -_CLIP * sigma_of_strip, _CLIP * sigma_of_strip)
        mean = np.array([clipped[rows].mean(axis=0) for rows in rows_of])
        can_be[strip] = (np.abs(mean - _around(mean)) > _CAN_BE_PEAK * sigma_of_strip).any(axis=0)
    return np.flatnonzero(can_be)


def _around(profile: Float32Array) -> Float32Array:
    """Return the median of each phase and the phases around it, of which a peak is less than half."""
    longest = max(len(profile) // LONGEST, 1)
    steps = np.unique(np.linspace(-longest, longest, 2 * _AROUND + 1).round().astype(np.int64))
    around = [np.roll(profile, step, axis=0) for step in steps]
    # The largest of those that are left, as often as half of them: NumPy's median of few arrays takes longer.
    while True:
        for place in range(len(around) - 1):
            one, other = around[place : place + 2]
            around[place : place + 2] = np.minimum(one, other), np.maximum(one, other)
        largest: Float32Array = around.pop()
        if len(around) <= len(steps) // 2:
            return largest


def concatenate_peaks(parts: list[Float32Array]) -> Float32Array:
    """Return the peaks of all series from those of consecutive blocks."""
    day_length = max(part.shape[1] for part in parts)
    missing = [((0, 0), (0, day_length - part.shape[1]), (0, 0)) for part in parts]
    return np.concatenate([np.pad(part, width) for part, width in zip(parts, missing, strict=True)], axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Offsets:
    """Offset and spread of each interval, of peaks of the month or of the day; many intervals have the same.

    Attributes
    ----------
    offset, spread
        Shape (rows, S), or (rows, 1) for all series.
    rows
        The row of each interval, shape (T,).
    """

    offset: Float32Array
    spread: Float32Array
    rows: IntArray

    def add_to(self, values: Float32Array) -> None:
        """Add the offset of each interval to values of shape (T, S)."""
        if not self.offset.any():
            return
        for row, of_interval in zip(self.rows, values, strict=True):
            of_interval += self.offset[row]


def offsets_of(months: Float32Array, peaks: Float32Array, calendar: Calendar) -> Offsets:
    """Return offset and spread of each interval of a calendar."""
    if not peaks.any():
        return Offsets(*days_of_months(months, calendar.month_slots), np.arange(len(calendar.day_phase)))
    return Offsets(peaks[0], peaks[1], calendar.day_phase)
