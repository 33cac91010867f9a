"""Repeats: deviations that come back at the same time of the day or the week become part of the expectation.

A job of an hour each night, or once a week, is narrower than any harmonic, and too far off for the filter to learn
from. Its deviation is adopted into a *profile*, an offset for each phase of the week that is taken out of a value
before the filter uses it: after three days in a row at all days, and after two weeks in a row at its phase of the week.
An adopted offset is in doubt at first: the expectation without it is as good, and a value that agrees with that one
drops it. Visits that agree with the offset end the doubt; from then on, a missing peak is an anomaly too.

What an interval adopts counts from the next one on: no value has an effect on its own expectation.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from anomalake.model.array_types import BoolArray, Float32Array
from anomalake.model.filter_state import FilterState

#: Visits that must agree with an offset before it is no longer in doubt.
DOUBTED_VISITS: Final = 2
# Residual, in sigmas, from which a deviation can be a repeat, and from which one that came twice is. Three in a row are
# less often chance than two.
_ODD, _ODD_OF_TWO = 2.5, 4.0
# Two deviations are alike if they differ by less than so many sigmas, or by less than this share.
_ALIKE_SIGMAS, _ALIKE_SHARE = np.float32(3), np.float32(0.4)
#: Part of a day that a repeat lasts at most: longer events are outages or new levels.
LONGEST: Final = 12


def adopt_repeats(
    state: FilterState,
    deviation: Float32Array,
    z: Float32Array,
    wide: Float32Array,
    counts: BoolArray,
    day_length: int,
    week_phase: int,
) -> None:
    """Adopt the deviations of an interval that are repeats, and keep the others for later ones.

    Parameters
    ----------
    deviation, z, wide
        Deviation from the expectation, the same in sigmas, and the sigma; shape (S,).
    counts
        Series whose deviation can be a repeat: observed, and at the start of an event at most; shape (S,).
    """
    week_length = len(state.profile)
    odd = np.flatnonzero(counts & (np.abs(z) > _ODD))
    row = state.odd[week_phase]
    if len(odd):
        found, sigma = deviation[odd], wide[odd]
        weekly = _are_alike(row[odd], found, sigma) & (np.abs(z[odd]) > _ODD_OF_TWO)
        daily = np.zeros(len(odd), np.bool_)
        if day_length < week_length:
            yesterday, before = (state.odd[(week_phase - k * day_length) % week_length, odd] for k in (1, 2))
            daily = _are_alike(yesterday, found, sigma) & _are_alike(before, found, sigma)
        for series in odd[daily]:
            days = slice(week_phase % day_length, None, day_length)
            _adopt(state, days, series, deviation[series])
        for series in odd[weekly & ~daily]:
            _adopt(state, slice(week_phase, week_phase + 1), series, deviation[series])
        adopted = weekly | daily
        row[:] = 0
        row[odd] = np.where(adopted, 0, found)
    else:
        row[:] = 0


def _are_alike(past: Float32Array, found: Float32Array, sigma: Float32Array) -> BoolArray:
    """Return which deviations are of the same sign and about the same size."""
    most = np.maximum(_ALIKE_SIGMAS * sigma, _ALIKE_SHARE * np.abs(found))
    result: BoolArray = (past * found > 0) & (np.abs(past - found) < most)
    return result


def _adopt(state: FilterState, phases: slice, series: np.intp, offset: np.float32) -> None:
    state.profile[phases, series] += offset
    state.doubt[phases, series] = DOUBTED_VISITS
    state.odd[phases, series] = 0


def settle_doubts(state: FilterState, week_phase: int, agrees: BoolArray, agrees_without: BoolArray) -> None:
    """Count a visit of the offsets in doubt: those that a value agrees with, and those that one drops."""
    doubt = state.doubt[week_phase]
    np.subtract(doubt, 1, out=doubt, where=agrees & (doubt > 0))
    doubt[agrees_without] = 0
    state.profile[week_phase][agrees_without] = 0
