"""Where in the day, the week, the month and the year intervals lie, on the wall clock of a zone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: Intervals of a day and of a week; days have no rhythm shorter than a week.
STEPS = {"PT5M": (288, 2016), "PT10M": (144, 1008), "PT1H": (24, 168), "P1D": (7, 7)}
SECONDS = {"PT5M": 300, "PT10M": 600, "PT1H": 3_600, "P1D": 86_400}

_WEEKLY_HARMONICS = 21
_DAILY_HARMONICS = {"PT5M": 12, "PT10M": 12, "PT1H": 8}
_THURSDAY = 3  # 1 January 1970


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """Places of intervals, each array of shape (T,).

    Attributes
    ----------
    day, week
        Intervals of a day and of a week.
    day_phase, week_phase
        Which interval of the day and of the week, by the wall clock; weeks begin on Monday.
    month, year
        Share of the month and of the year that has passed, 0 to 1.
    is_holiday
        Whether the day is one.
    """

    frequency: str
    day: int
    week: int
    day_phase: Ints
    week_phase: Ints
    month: Floats
    year: Floats
    is_holiday: Bools


def calendar_of(
    starts: npt.NDArray[np.datetime64], frequency: str, timezone: str, holidays: Collection[date] = ()
) -> Calendar:
    """Places of intervals that start at `starts` (UTC)."""
    day, week = STEPS[frequency]
    local = wall_clock(starts, timezone)
    days = local.astype("datetime64[D]")
    weekday = (days.astype(np.int64) + _THURSDAY) % 7
    months = local.astype("datetime64[M]")
    month_start, next_month = months.astype("datetime64[D]"), (months + np.timedelta64(1, "M")).astype("datetime64[D]")
    years = local.astype("datetime64[Y]")
    year_start, next_year = years.astype("datetime64[D]"), (years + np.timedelta64(1, "Y")).astype("datetime64[D]")
    if frequency == "P1D":
        day_phase = weekday
        week_phase = weekday
    else:
        day_phase = (local - days).astype("timedelta64[s]").astype(np.int64) // SECONDS[frequency]
        week_phase = weekday * day + day_phase
    named = np.array(sorted(holidays), dtype="datetime64[D]")
    return Calendar(
        frequency,
        day,
        week,
        day_phase,
        week_phase,
        (days - month_start) / (next_month - month_start),
        (days - year_start) / (next_year - year_start),
        np.isin(days, named),
    )


def wall_clock(starts: npt.NDArray[np.datetime64], timezone: str) -> npt.NDArray[np.datetime64]:
    """UTC instants as wall clocks of a zone, ``datetime64[s]``."""
    seconds = starts.astype("datetime64[s]").astype(np.int64)
    if timezone == "UTC" or not len(seconds):
        return seconds.astype("datetime64[s]")
    zone = ZoneInfo(timezone)
    # Offsets change at whole quarters of an hour, so one look-up serves all intervals of a quarter.
    quarters, of_each = np.unique(seconds // 900, return_inverse=True)
    offsets = np.array([_offset(int(quarter) * 900, zone) for quarter in quarters], dtype=np.int64)
    return (seconds + offsets[of_each]).astype("datetime64[s]")


def _offset(second: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def rhythms(n_history: int, frequency: str) -> tuple[str, ...]:
    """The rhythms that a history of so many intervals can teach."""
    day, week = STEPS[frequency]
    if frequency == "P1D":
        return ("week",) * (n_history >= 14) + ("month",) * (n_history >= 180) + ("year",) * (n_history >= 730)
    return ("day",) * (n_history >= 2 * day) + ("week",) * (n_history >= 2 * week)


def harmonics(calendar: Calendar, named: Collection[str]) -> Floats:
    """Sines and cosines of the rhythms, in pairs: shape (T, 2 × harmonics)."""
    turns: list[Floats] = []
    if calendar.frequency == "P1D":
        if "week" in named:
            turns += [k * calendar.week_phase / 7 for k in (1, 2, 3)]
        if "month" in named:
            turns += [k * calendar.month for k in (1, 2)]
        if "year" in named:
            turns += [k * calendar.year for k in (1, 2, 3, 4)]
    else:
        per_day = _DAILY_HARMONICS[calendar.frequency]
        of_week = range(1, _WEEKLY_HARMONICS + 1) if "week" in named else range(0)
        turns += [k * calendar.week_phase / calendar.week for k in of_week]
        if "day" in named:
            turns += [k * calendar.day_phase / calendar.day for k in range(1, per_day + 1) if 7 * k not in of_week]
    if not turns:
        return np.empty((len(calendar.day_phase), 0))
    angles = 2 * np.pi * np.array(turns)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).reshape(2 * len(turns), -1).T


def longest_rhythm(named: Collection[str], frequency: str) -> int:
    """Intervals of the longest of the rhythms."""
    day, week = STEPS[frequency]
    return {"day": day, "week": week, "month": 31, "year": 366}[tuple(named)[-1]] if named else week
