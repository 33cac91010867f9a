"""Position of intervals in the day, the week, the month and the year, in the local time of a zone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from anomalake.frequencies import FREQUENCIES
from anomalake.model.array_types import BoolArray, FloatArray, IndexArray, IntArray, TimeArray

# Harmonics of the week in data of less than a day: the 21st has three cycles per day.
_WEEKLY_HARMONICS = 21
# Harmonics of each seasonal period in data of days and weeks.
_HARMONICS = {"week": 3, "month": 2, "year": 4}
# Intervals of history that data of days and weeks need for each seasonal period: two weeks, half a year, two years.
_LEAST_INTERVALS = {1: {"week": 14, "month": 180, "year": 730}, 7: {"year": 104}}
# Slots of the month: days from its start, days from its end, the first and the last working day.
_SLOTS_FROM_START, _SLOTS_FROM_END = 31, 7
#: Number of slots of the month (`Calendar.month_slots`).
MONTH_SLOTS: Final = _SLOTS_FROM_START + _SLOTS_FROM_END + 2
# Weekday of 1 January 1970, where Monday is 0.
_THURSDAY = 3
# Seconds within which a zone's offset is constant: offsets change at whole quarters of an hour.
_QUARTER = 900


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """Calendar positions of T intervals; each array has shape (T,).

    Attributes
    ----------
    day_length, week_length
        Phases of the daily and the weekly pattern (`Frequency`).
    day_phase, week_phase
        Index of the interval in the day and in the week, in local time; weeks begin on Monday.
    month, year
        Elapsed share of the month and of the year, from 0 to 1.
    day, hour
        Days since 1970, in local time, and hour of the day; the hour is 0 in intervals of days.
    month_slots
        Slots of the month of each day, -1 for none, shape (T, 4): its number from the start, its number from the end in
        the last week, and the first and the last working day. Shape (T, 0) where intervals are no days.
    is_holiday, after_holiday
        True for intervals with a holiday, and for the first interval after one.
    """

    frequency: str
    day_length: int
    week_length: int
    day_phase: IntArray
    week_phase: IntArray
    month: FloatArray
    year: FloatArray
    day: IntArray
    hour: IntArray
    month_slots: IntArray
    is_holiday: BoolArray
    after_holiday: BoolArray


_ARRAYS = ("day_phase", "week_phase", "month", "year", "day", "hour", "month_slots", "is_holiday", "after_holiday")


def calendar_of(starts: TimeArray, frequency: str, timezone: str, holidays: Collection[date] = ()) -> Calendar:
    """Return the calendar positions of the intervals that start at `starts` (UTC)."""
    interval = FREQUENCIES[frequency]
    local = wall_clock(starts, timezone)
    days = local.astype("datetime64[D]")
    weekday = (days.astype(np.int64) + _THURSDAY) % 7
    months = local.astype("datetime64[M]")
    month_start, next_month = months.astype("datetime64[D]"), (months + np.timedelta64(1, "M")).astype("datetime64[D]")
    years = local.astype("datetime64[Y]")
    year_start, next_year = years.astype("datetime64[D]"), (years + np.timedelta64(1, "Y")).astype("datetime64[D]")
    if interval.days:
        day_phase = week_phase = weekday % interval.week_length
    else:
        day_phase = (local - days).astype("timedelta64[s]").astype(np.int64) // interval.seconds
        week_phase = weekday * interval.day_length + day_phase
    dates = np.array(sorted(holidays), dtype="datetime64[D]")
    if interval.days:
        # The first day of the interval with the holiday.
        dates = dates - (dates.astype(np.int64) + _THURSDAY) % interval.days
    is_holiday, is_first = np.isin(days, dates), local - days < np.timedelta64(interval.seconds, "s")
    return Calendar(
        frequency,
        interval.day_length,
        interval.week_length,
        day_phase,
        week_phase,
        (days - month_start) / (next_month - month_start),
        (days - year_start) / (next_year - year_start),
        days.astype(np.int64),
        (local - days).astype("timedelta64[h]").astype(np.int64) * (interval.days == 0),
        _month_slots(days, dates) if interval.days == 1 else np.empty((len(days), 0), np.int64),
        is_holiday,
        np.isin(days - np.timedelta64(max(1, interval.days), "D"), dates) & ~is_holiday & is_first,
    )


def _month_slots(days: TimeArray, holidays: TimeArray) -> IntArray:
    months = days.astype("datetime64[M]")
    first, next_first = months.astype("datetime64[D]"), (months + np.timedelta64(1, "M")).astype("datetime64[D]")
    first_working = np.busday_offset(first, 0, roll="forward", holidays=holidays)
    last_working = np.busday_offset(next_first, -1, roll="forward", holidays=holidays)
    from_start, from_end = (days - first).astype(np.int64), (next_first - days).astype(np.int64) - 1
    return np.column_stack(
        [
            from_start,
            np.where(from_end < _SLOTS_FROM_END, _SLOTS_FROM_START + from_end, -1),
            np.where(days == first_working, MONTH_SLOTS - 2, -1),
            np.where(days == last_working, MONTH_SLOTS - 1, -1),
        ]
    )


def on_weekday(calendar: Calendar, rows: IndexArray, weekday: int) -> Calendar:
    """Return intervals of a calendar as if they were on another day of the week; Monday is 0."""
    week_phase = np.full(len(rows), weekday % calendar.week_length)
    if not FREQUENCIES[calendar.frequency].days:
        week_phase = weekday * calendar.day_length + calendar.day_phase[rows]
    of_rows = {name: getattr(calendar, name)[rows] for name in _ARRAYS}
    return replace(calendar, **(of_rows | {"week_phase": week_phase}))


def wall_clock(starts: TimeArray, timezone: str) -> TimeArray:
    """Convert UTC instants to the local time of a zone, ``datetime64[s]``."""
    seconds = starts.astype("datetime64[s]").astype(np.int64)
    if timezone == "UTC" or not len(seconds):
        return seconds.astype("datetime64[s]")
    zone = ZoneInfo(timezone)
    # One lookup for all intervals of a quarter of an hour.
    quarters, quarter_index = np.unique(seconds // _QUARTER, return_inverse=True)
    offsets = np.array([_utc_offset(int(quarter) * _QUARTER, zone) for quarter in quarters], dtype=np.int64)
    return (seconds + offsets[quarter_index]).astype("datetime64[s]")


def _utc_offset(second: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def seasonal_periods(n_history: int, frequency: str) -> tuple[str, ...]:
    """Return the names of the seasonal periods that can be estimated from `n_history` intervals, shortest first."""
    interval = FREQUENCIES[frequency]
    if interval.days:
        return tuple(name for name, least in _LEAST_INTERVALS[interval.days].items() if n_history >= least)
    return ("day",) * (n_history >= 2 * interval.day_length) + ("week",) * (n_history >= 2 * interval.week_length)


def longest_period(periods: Collection[str], frequency: str) -> int:
    """Return the number of intervals of the longest seasonal period; of a week when `periods` is empty."""
    interval = FREQUENCIES[frequency]
    if not periods:
        return max(interval.week_length, interval.level_memory)
    year = 366 // max(1, interval.days)
    return {"day": interval.day_length, "week": interval.week_length, "month": 31, "year": year}[tuple(periods)[-1]]


def harmonics(calendar: Calendar, periods: Collection[str]) -> FloatArray:
    """Return cosines and sines of the seasonal periods, in pairs: shape (T, 2 × harmonics)."""
    cycles: list[FloatArray] = []
    interval = FREQUENCIES[calendar.frequency]
    if interval.days:
        elapsed = {"week": calendar.week_phase / calendar.week_length, "month": calendar.month, "year": calendar.year}
        cycles += [k * elapsed[period] for period in periods for k in range(1, _HARMONICS[period] + 1)]
    else:
        weekly = range(1, _WEEKLY_HARMONICS + 1) if "week" in periods else range(0)
        cycles += [k * calendar.week_phase / calendar.week_length for k in weekly]
        if "day" in periods:
            # The k-th harmonic of the day is the 7k-th of the week.
            daily = [k for k in range(1, interval.daily_harmonics + 1) if 7 * k not in weekly]
            cycles += [k * calendar.day_phase / calendar.day_length for k in daily]
    if not cycles:
        return np.empty((len(calendar.day_phase), 0))
    angles = 2 * np.pi * np.array(cycles)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).reshape(2 * len(cycles), -1).T
