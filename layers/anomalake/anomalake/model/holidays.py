"""Holidays: what is expected of a day that differs from the other days of its weekday.

A metric may be on its first holiday as on its day of rest, or as on the usual day, or between them: a shop may be
closed, or open as ever. Which day is the day of rest, the history decides: the quietest day of the weekend. After a
holiday, its deviation from both days is kept. When it comes back a year later, these deviations are expected; on
another holiday, the median deviation of those known takes the place of the day of rest. A model takes over what the
one before it has learned, because a history may be shorter than a year.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from anomalake.frequencies import FREQUENCIES
from anomalake.model.array_types import BoolArray, Float32Array, FloatArray, IndexArray, IntArray
from anomalake.model.calendar import Calendar, harmonics, on_weekday
from anomalake.model.filter_state import FilterState, History
from anomalake.model.season import sum_of_harmonics
from anomalake.model.spread import median, quantiles

#: Most holidays whose deviation is kept: the last ones.
KEPT: Final = 32
# Number of holidays whose median deviation is expected on others.
_LAST = 12
# Days from Monday, which is 0: the days that a weekend has somewhere, the most usual day of rest first; and working
# days everywhere.
_WEEKEND, _WORKING = (6, 5, 4), (0, 1, 2)
# A day of the weekend is a day of rest if it differs from working days by this share of what the most different does.
_SHARE_OF_MOST = 0.5
# Weeks of the history that tell the day of rest.
_WEEKS = 8
# A holiday of an earlier year is the same one if it had the same date, or the same weekday in the same week of the
# year: so many days from a number of years earlier.
_SAME_DATE, _SAME_WEEK = 0.8, 7
_YEAR, _LEAST_YEAR = 365.25, 300
#: Least spread on holidays, in sigmas.
LEAST_SPREAD: Final = np.float32(1.5)
# This quantile of past deviations on holidays is so many of their sigmas: a tail of usual days is heavy enough.
_QUANTILE, _SIGMAS_OF_QUANTILE = 0.8, np.float32(3)
# Bound of what half precision holds.
_MOST_EFFECT = 6e4


@dataclass(frozen=True, slots=True, eq=False)
class HolidayModel:
    """What the holidays of a history, and of those before it, have taught of S metrics.

    Attributes
    ----------
    rest
        Weekday of the day of rest, Monday is 0, shape (S,); -1 where the history does not tell it.
    dates
        Days since 1970 of the K holidays, ascending.
    effects
        Deviation from the day of rest, and from the usual day, by hour of the day, in the filter's units, shape
        (K, 2, hours, S); NaN where nothing was observed. Data of days and weeks have one hour.
    """

    rest: npt.NDArray[np.int8]
    dates: IntArray
    effects: npt.NDArray[np.float16]

    @property
    def is_known(self) -> bool:
        """True where there is a day of rest, or a holiday."""
        return bool(len(self.dates) or (self.rest >= 0).any())

    def part(self, first: int, end: int) -> HolidayModel:
        """Return the model of consecutive series."""
        return replace(self, rest=self.rest[first:end], effects=self.effects[..., first:end])

    def select(self, rows: IntArray) -> HolidayModel:
        """Return the model of other metrics, by their rows in this one; those with a negative row have no effects."""
        effects = self.effects[..., np.maximum(rows, 0)]
        return replace(
            self, rest=self.rest[np.maximum(rows, 0)], effects=np.where(rows >= 0, effects, np.float16(np.nan))
        )


def no_holidays(frequency: str, n_series: int) -> HolidayModel:
    """Return the model of metrics without holidays."""
    effects = np.zeros((0, 2, FREQUENCIES[frequency].hours, n_series), np.float16)
    return HolidayModel(np.full(n_series, -1, np.int8), np.zeros(0, np.int64), effects)


def concatenate_holidays(parts: list[HolidayModel]) -> HolidayModel:
    """Return the model of all series from those of consecutive blocks."""
    rest = np.concatenate([part.rest for part in parts])
    return replace(parts[0], rest=rest, effects=np.concatenate([part.effects for part in parts], axis=-1))


@dataclass(frozen=True, slots=True, eq=False)
class HolidayPattern:
    """What the intervals of holidays are expected to be, for the filter.

    Attributes
    ----------
    row
        Row of an interval in the other arrays, shape (T,).
    phase
        Phase of the week of the day of rest, shape (rows, S).
    shift
        Harmonics of the day of rest less those of the day itself, shape (rows, S).
    effect
        Known deviations from the day of rest and from the usual day, NaN where there are none, shape (rows, 2, S).
    is_same
        True where it is that of the same holiday, False where it is that of others, shape (rows,).
    """

    row: IntArray
    phase: IntArray
    shift: Float32Array
    effect: Float32Array
    is_same: BoolArray

    def offsets(self, t: int, state: FilterState, week_phase: int) -> tuple[Float32Array, Float32Array]:
        """Return two offsets from the expectation of a usual day; the expectation is between them.

        They are by what the same holiday was like a year ago: from the day of rest, and from the usual day, which
        differ where its weekday does. If it is a first one, they are those by what others were like, or the day of
        rest, and the usual day itself. The first one is the nearer to what the day of rest says.
        """
        row = self.row[t]
        phase, series = self.phase[row], np.arange(self.phase.shape[1])
        profile = state.profile[week_phase]
        to_rest = state.by_week[phase, series] - state.by_week[week_phase] + self.shift[row]
        from_rest, from_usual = self.effect[row]
        is_known = ~np.isnan(from_rest)
        by_rest = to_rest - profile + np.where(is_known, from_rest, state.profile[phase, series])
        by_usual = np.where(is_known, from_usual - profile, by_rest)
        lowest, highest = np.minimum(by_rest, by_usual), np.maximum(by_rest, by_usual)
        if not self.is_same[row]:
            is_known = np.zeros_like(is_known)
        lowest = np.where(is_known, lowest, np.minimum(lowest, 0))
        highest = np.where(is_known, highest, np.maximum(highest, 0))
        is_low = by_rest - lowest <= highest - by_rest
        first: Float32Array = np.where(is_low, lowest, highest).astype(np.float32)
        return first, np.where(is_low, highest, lowest).astype(np.float32)


def concatenate_patterns(parts: list[HolidayPattern]) -> HolidayPattern:
    """Return the pattern of all series from those of consecutive blocks."""
    names = ("phase", "shift", "effect")
    return replace(
        parts[0], **{name: np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in names}
    )


def pattern_of(
    learned: HolidayModel,
    calendar: Calendar,
    periods: Collection[str],
    coefficients: Float32Array,
    harmonic: Float32Array,
) -> HolidayPattern:
    """Return what the holidays of `calendar` are expected to be.

    Parameters
    ----------
    learned
        What earlier holidays have taught.
    periods, coefficients, harmonic
        Seasonal periods, coefficients of their harmonics, and their sum, shape (T, S).
    """
    rows = np.flatnonzero(calendar.is_holiday)
    pattern = _pattern(learned.rest, calendar, rows, periods, coefficients, harmonic)
    days = calendar.day[rows]
    for day in np.unique(days):
        at_day = np.flatnonzero(days == day)
        same = _same_holiday(learned.dates, int(day))
        of_hours = learned.effects[same] if same is not None else _usual_effect(list(learned.effects))
        if of_hours is not None:
            pattern.effect[at_day] = of_hours[:, calendar.hour[rows[at_day]]].swapaxes(0, 1)
        pattern.is_same[at_day] = same is not None
    return pattern


def learn_holidays(
    earlier: HolidayModel,
    history: History,
    values: Float32Array,
    state: FilterState,
    calendar: Calendar,
    periods: Collection[str],
    coefficients: Float32Array,
    n_warmup: int,
    has_holidays: bool,
) -> tuple[HolidayModel, HolidayPattern]:
    """Learn from the holidays of a history.

    Parameters
    ----------
    earlier
        What holidays before the history have taught.
    history, values, state
        The history after a first pass that has left the holidays out, its values without harmonics, and the state at
        its end.
    n_warmup
        Number of intervals at the start that teach nothing.
    has_holidays
        Whether there are holidays, in the history or later; otherwise nothing is learned.

    Returns
    -------
    What the holidays have taught, and the pattern of those of the history, each by what those before it have taught.
    """
    rest = _days_of_rest(history, calendar, periods) if has_holidays else earlier.rest
    rows = np.flatnonzero(calendar.is_holiday)
    pattern = _pattern(rest, calendar, rows, periods, coefficients, history.harmonic)
    if not len(rows):
        return replace(earlier, rest=rest), pattern
    series = np.arange(len(rest))
    to_rest = state.by_week[pattern.phase, series] - state.by_week[calendar.week_phase[rows]] + pattern.shift
    from_usual = values[rows] - history.level[rows] - state.by_week[calendar.week_phase[rows]]
    days, hours = calendar.day[rows], calendar.hour[rows]
    is_early = rows < n_warmup
    n_earlier = int(np.sum(earlier.dates < np.min(np.where(is_early, days[-1], days))))
    dates, effects = list(earlier.dates[:n_earlier]), list(earlier.effects[:n_earlier])
    for day in np.unique(days[~is_early]):
        at_day = np.flatnonzero((days == day) & ~is_early)
        found = np.stack(
            [
                _by_hour(from_usual[at_day] - to_rest[at_day], hours[at_day], earlier.effects.shape[2]),
                _by_hour(from_usual[at_day], hours[at_day], earlier.effects.shape[2]),
            ]
        )
        same = _same_holiday(np.array(dates, np.int64), int(day))
        usual = _usual_effect(effects)
        if same is None and usual is not None:
            pattern.effect[at_day] = usual[:, hours[at_day]].swapaxes(0, 1)
        if same is not None:
            known = effects[same].astype(np.float32)
            pattern.is_same[at_day] = True
            pattern.effect[at_day] = known[:, hours[at_day]].swapaxes(0, 1)
            found = np.where(np.isnan(found), known, np.where(np.isnan(known), found, (found + known) / 2))
            del dates[same], effects[same]
        dates.append(day)
        effects.append(np.clip(found, -_MOST_EFFECT, _MOST_EFFECT).astype(np.float16))
    kept = np.array(effects[-KEPT:], np.float16).reshape(-1, *earlier.effects.shape[1:])
    learned = HolidayModel(rest, np.array(dates[-KEPT:], np.int64), kept)
    return learned, pattern


def spread_of_holidays(
    z: Float32Array, spread: Float32Array, is_holiday: BoolArray, sigma: Float32Array
) -> Float32Array:
    """Return the least spread on holidays: that of past holidays, and at least `LEAST_SPREAD` times the usual one.

    `z`, in units of `spread`, are the residuals of a history: shape (T, S).
    """
    least: Float32Array = LEAST_SPREAD * sigma
    rows = np.flatnonzero(is_holiday)
    if not len(rows):
        return least
    usual_deviation = quantiles(np.abs(z[rows] * spread[rows]), (_QUANTILE,))[0]
    result: Float32Array = np.maximum(least, usual_deviation / _SIGMAS_OF_QUANTILE).astype(np.float32)
    return result


def _pattern(
    rest: npt.NDArray[np.int8],
    calendar: Calendar,
    rows: IndexArray,
    periods: Collection[str],
    coefficients: Float32Array,
    harmonic: Float32Array,
) -> HolidayPattern:
    row = np.full(len(calendar.is_holiday), -1, np.int64)
    row[rows] = np.arange(len(rows))
    phase = np.repeat(calendar.week_phase[rows, None], len(rest), axis=1)
    shift = np.zeros(phase.shape, np.float32)
    for weekday in np.unique(rest[rest >= 0]):
        series = np.flatnonzero(rest == weekday)
        of_rest = on_weekday(calendar, rows, int(weekday))
        basis = harmonics(of_rest, periods).astype(np.float32)
        phase[:, series] = of_rest.week_phase[:, None]
        shift[:, series] = sum_of_harmonics(basis, coefficients[:, series]) - harmonic[np.ix_(rows, series)]
    effect = np.full((len(rows), 2, len(rest)), np.nan, np.float32)
    return HolidayPattern(row, phase, shift, effect, np.zeros(len(rows), np.bool_))


def _usual_effect(effects: list[npt.NDArray[np.float16]]) -> Float32Array | None:
    """Return the median deviation of the last holidays shape (2, hours, S); None where there are none."""
    if not effects:
        return None
    last = np.array(effects[-_LAST:], np.float32)
    result: Float32Array = np.where(
        np.isnan(last).all(axis=0), np.nan, median(last.reshape(len(last), -1)).reshape(last.shape[1:])
    ).astype(np.float32)
    return result


def _days_of_rest(history: History, calendar: Calendar, periods: Collection[str]) -> npt.NDArray[np.int8]:
    """Return the weekday of the quietest day of the weekend of each series; -1 where there is no weekly pattern."""
    interval = FREQUENCIES[calendar.frequency]
    if "week" not in periods:
        return np.full(history.level.shape[1], -1, np.int8)
    per_day = interval.day_length if not interval.days else 1
    last = slice(-_WEEKS * interval.week_length, None)
    weekday = calendar.week_phase[last] // per_day
    seasonal = history.references[last, 1] + history.harmonic[last]
    means = np.array([seasonal[weekday == day].mean(axis=0) for day in range(7)])
    from_usual = means[list(_WEEKEND)] - np.median(means[list(_WORKING)], axis=0)
    differs = np.abs(from_usual) >= _SHARE_OF_MOST * np.abs(from_usual).max(axis=0)
    of_rest: Float32Array = np.where(differs, from_usual, np.float32(np.inf)).astype(np.float32)
    quietest = np.argmin(of_rest, axis=0)
    result: npt.NDArray[np.int8] = np.array(_WEEKEND, np.int8)[quietest]
    return result


def _same_holiday(dates: IntArray, day: int) -> int | None:
    """Return the index of the same holiday in the last year that had it; None where it is the first one."""
    age = day - dates
    years = np.maximum(np.rint(age / _YEAR), 1)
    distance = np.abs(age - years * _YEAR)
    is_same: BoolArray = (age >= _LEAST_YEAR) & ((distance <= _SAME_DATE) | ((distance < _SAME_WEEK) & (age % 7 == 0)))
    if not is_same.any():
        return None
    best: FloatArray = np.where(is_same, years * _YEAR + distance, np.inf)
    return int(best.argmin(axis=0))


def _by_hour(deviation: Float32Array, hours: IntArray, n_hours: int) -> Float32Array:
    """Return the mean deviation of each hour, NaN where nothing was observed: shape (hours, S)."""
    observed = ~np.isnan(deviation)
    total = np.zeros((n_hours, deviation.shape[1]), np.float32)
    count = np.zeros((n_hours, deviation.shape[1]), np.float32)
    np.add.at(total, hours, np.where(observed, deviation, 0))
    np.add.at(count, hours, observed)
    with np.errstate(invalid="ignore"):
        mean: Float32Array = total / count
    return mean
