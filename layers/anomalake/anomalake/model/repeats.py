"""Repeats: deviations that come back at the same time of the day or the week become part of the expectation.

A job of an hour each night, or once a week, is narrower than any harmonic, and too far off for the filter to learn
from. Its deviation is adopted into a *profile*, an offset for each phase of the week that is taken out of a value
before the filter uses it: after three days in a row at all days, and after two weeks in a row at its phase of the week.
Days have phases of the month too, behind those of the week: the slots of `Calendar.month_slots`. A deviation of two
months in a row is adopted at the first of its day's slots that had it, and a day has the largest offset of its slots.
An adopted offset is in doubt at first: the expectation without it is as good, and a value that agrees with that one
drops it. Visits that agree with the offset end the doubt; from then on, a missing peak is an anomaly too.

What an interval adopts counts from the next one on: no value has an effect on its own expectation.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from anomalake.model.array_types import BoolArray, Float32Array, IndexArray
from anomalake.model.calendar import Calendar
from anomalake.model.filter_state import FilterState

#: Visits that must agree with an offset before it is no longer in doubt.
DOUBTED_VISITS: Final = 2
#: Residual, in sigmas, from which a deviation can be a repeat.
ODD: Final = 2.5
# The residual from which a deviation that came twice is one. Three in a row are less often chance than two.
_ODD_OF_TWO = 4.0
# Two deviations are alike if they differ by less than so many sigmas, or by less than this share.
_ALIKE_SIGMAS, _ALIKE_SHARE = np.float32(3), np.float32(0.4)
#: Part of a day that a repeat lasts at most: longer events are outages or new levels.
LONGEST: Final = 12


def adopt_repeats(
    state: FilterState,
    odd: IndexArray,
    deviation: Float32Array,
    size: Float32Array,
    wide: Float32Array,
    month_offset: Float32Array | None,
    calendar: Calendar,
    t: int,
) -> None:
    """Adopt the deviations of an interval that are repeats, and keep the others for later ones.

    Parameters
    ----------
    odd
        Series whose deviation can be a repeat, by their indexes: beyond `ODD`, and at the start of an event at most.
    deviation, size, wide
        Deviation from the expectation, its size in sigmas, and the sigma; shape (S,).
    month_offset
        Offset of the day's slots of the month, shape (S,); None for intervals that are no days.
    calendar, t
        The calendar, and the index of the interval.
    """
    day_length, week_length, week_phase = calendar.day_length, calendar.week_length, int(calendar.week_phase[t])
    found = deviation[odd]
    row = state.odd[week_phase]
    weekly = _alike(row, odd, found, wide)
    weekly = weekly[size[weekly] > _ODD_OF_TWO]
    daily = odd[:0]
    if day_length < week_length:
        yesterday, before = (state.odd[(week_phase - k * day_length) % week_length] for k in (1, 2))
        daily = _alike(yesterday, odd, found, wide)
        if len(daily):
            daily = _alike(before, daily, deviation[daily], wide)
    row[:] = 0
    row[odd] = found
    if len(daily):
        _adopt(state, range(week_phase % day_length, week_length, day_length), daily, deviation)
        weekly = weekly[~np.isin(weekly, daily)]
    _adopt(state, range(week_phase, week_phase + 1), weekly, deviation)
    adopted = weekly
    for place in month_places(calendar, t):
        row = state.odd[place]
        monthly = _alike(row, odd, found, wide)
        monthly = monthly[(size[monthly] > _ODD_OF_TWO) & ~np.isin(monthly, adopted)]
        adopted = np.concatenate([adopted, monthly])
        row[:] = 0
        row[odd] = found
        if month_offset is not None:
            state.profile[place, monthly] = month_offset[monthly]
        _adopt(state, range(place, place + 1), monthly, deviation)


def _alike(past: Float32Array, series: IndexArray, found: Float32Array, wide: Float32Array) -> IndexArray:
    """Return the series whose deviation, `found`, is like a past one: of the same sign and about the same size."""
    same_sign = (past[series] * found > 0).nonzero()[0]
    series, found = series[same_sign], found[same_sign]
    if not len(series):
        return series
    most = np.maximum(_ALIKE_SIGMAS * wide[series], _ALIKE_SHARE * np.abs(found))
    alike: IndexArray = series[np.abs(past[series] - found) < most]
    return alike


def _adopt(state: FilterState, phases: range, series: IndexArray, deviation: Float32Array) -> None:
    if len(series):
        for phase in phases:
            state.profile[phase, series] += deviation[series]
            state.doubt[phase, series] = DOUBTED_VISITS
            state.odd[phase, series] = 0


def month_places(calendar: Calendar, t: int) -> list[int]:
    """Return the rows of a profile for the slots of the month of a day."""
    return [calendar.week_length + int(slot) for slot in calendar.month_slots[t] if slot >= 0]


def largest_offset(state: FilterState, places: list[int]) -> IndexArray:
    """Return the place with the largest offset of each series."""
    return np.array(places)[np.abs(state.profile[places]).argmax(axis=0)]


def settle_doubts(
    state: FilterState, places: IndexArray, series: IndexArray, agrees: BoolArray, agrees_without: BoolArray
) -> None:
    """Count a visit of offsets at one place of each series; only those in doubt count.

    `agrees` are those whose value agrees with the offset, `agrees_without` those that drop it.
    """
    in_doubt = state.doubt[places, series] > 0
    agrees, agrees_without = agrees & in_doubt, agrees_without & in_doubt
    state.doubt[places[agrees], series[agrees]] -= 1
    state.doubt[places[agrees_without], series[agrees_without]] = 0
    state.profile[places[agrees_without], series[agrees_without]] = 0
