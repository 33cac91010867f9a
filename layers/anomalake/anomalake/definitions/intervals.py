"""Arithmetic of intervals: their starts, with the clock changes of a zone, and their folders.

A ``P1D`` interval begins at midnight in the zone (if the zone skips midnight, at the first instant of the day), so it
has 23, 24 or 25 hours. A ``P7D`` interval begins so on a Monday. Shorter intervals are a regular grid in UTC, aligned
with the zone's standard time: an hour in India begins at half past in UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from anomalake.definitions.time_formats import Part, WallClockReader, template_parts, write_wall_clock
from anomalake.frequencies import FREQUENCIES

Instants = npt.NDArray[np.datetime64]
Seconds = npt.NDArray[np.int64]

#: Frequency of days.
DAILY = "P1D"
#: Marks a missing instant in arrays of seconds.
NO_INSTANT = np.iinfo(np.int64).min

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Since 1972 clocks have changed at full quarters of an hour only.
_QUARTER = 900
_DAY = 86_400


@lru_cache(maxsize=64)
def grid_of(frequency: str, timezone: str) -> tuple[int, int]:
    """Step and offset of the regular grid of a frequency below a day, in seconds of UTC."""
    step = FREQUENCIES[frequency].seconds
    offset = ZoneInfo(timezone).utcoffset(datetime(2024, 1, 1))
    assert offset is not None
    return step, -int(offset.total_seconds()) % step


def interval_start(instant: datetime, frequency: str, timezone: str) -> datetime:
    """Start of the interval that contains an instant."""
    return _as_datetime(int(floor_to_starts(np.array([_as_seconds(instant)]), frequency, timezone)[0]))


def next_start(start: datetime, frequency: str, timezone: str) -> datetime:
    """Start of the interval after the one that begins at `start`."""
    days = FREQUENCIES[frequency].days
    if not days:
        return start + timedelta(seconds=grid_of(frequency, timezone)[0])
    first_day = _first_day(start.astimezone(ZoneInfo(timezone)).date(), days)
    return _as_datetime(day_start(first_day + timedelta(days=days), timezone))


def previous_start(start: datetime, frequency: str, timezone: str) -> datetime:
    """Start of the interval before the one that begins at `start`."""
    return interval_start(start - timedelta(seconds=1), frequency, timezone)


def latest_complete(now: datetime, frequency: str, timezone: str, offset: int) -> datetime:
    """Return the start of the latest interval that has ended at least `offset` seconds ago."""
    return previous_start(interval_start(now - timedelta(seconds=offset), frequency, timezone), frequency, timezone)


def interval_starts(frequency: str, timezone: str, first: datetime, last: datetime) -> Instants:
    """Starts of the intervals from the one that contains `first` to the one that contains `last`, inclusive.

    Returns
    -------
    numpy.ndarray
        ``datetime64[s]`` in UTC, ascending; empty if `last` is before `first`.
    """
    ends = floor_to_starts(np.array([_as_seconds(first), _as_seconds(last)]), frequency, timezone)
    return starts_between(frequency, timezone, int(ends[0]), int(ends[1])).astype("datetime64[s]")


def starts_between(frequency: str, timezone: str, first: int, last: int) -> Seconds:
    """As `interval_starts`, from one start to another, in seconds since 1970."""
    if last < first:
        return np.empty(0, np.int64)
    days = FREQUENCIES[frequency].days
    if not days:
        return np.arange(first, last + 1, grid_of(frequency, timezone)[0], dtype=np.int64)
    first_day, last_day = _first_day(_day_of(first, timezone), days), _day_of(last, timezone)
    dates = (date.fromordinal(day) for day in range(first_day.toordinal(), last_day.toordinal() + 1, days))
    # A day that a zone skipped (30 December 2011 in Samoa) begins at the start of the next day.
    return np.unique(np.array([day_start(day, timezone) for day in dates], np.int64))


def floor_to_starts(seconds: Seconds, frequency: str, timezone: str) -> Seconds:
    """Starts of the intervals that contain instants, in seconds since 1970; `NO_INSTANT` stays.

    Parameters
    ----------
    seconds
        int64 of any length.
    """
    known = seconds != NO_INSTANT
    result = np.full(len(seconds), NO_INSTANT, np.int64)
    if not known.any():
        return result
    instants = seconds[known]
    if not FREQUENCIES[frequency].days:
        step, shift = grid_of(frequency, timezone)
        result[known] = (instants - shift) // step * step + shift
        return result
    low, high = int(instants.min()), int(instants.max())
    starts = starts_between(frequency, timezone, low, high + _DAY)
    result[known] = starts[np.searchsorted(starts, instants, side="right") - 1]
    return result


def _first_day(day: date, days: int) -> date:
    """First day of the interval of one or seven days that contains a day; weeks begin on Monday."""
    return day - timedelta(days=day.weekday() % days)


@lru_cache(maxsize=65_536)
def day_start(day: date, timezone: str) -> int:
    """First instant of a day in a zone, in seconds since 1970."""
    midnight = local_seconds(datetime(day.year, day.month, day.day))
    utc = to_utc(np.array([midnight]), timezone, gaps_forward=True)
    return int(utc[0])


def to_utc(local: Seconds, timezone: str, *, gaps_forward: bool = False) -> Seconds:
    """Convert wall-clock times to instants.

    A time that the zone has twice is the first instant. A time that it skips is `NO_INSTANT`.

    Parameters
    ----------
    local
        Wall-clock times, in seconds since 1970.
    gaps_forward
        A time that the zone skips is the instant at which the clocks change.
    """
    if timezone == "UTC":
        return local.copy()
    quarters, place = np.unique(local // _QUARTER, return_inverse=True)
    offsets = [_quarter(int(quarter), timezone) for quarter in quarters]
    shifts = np.array([shift for shift, _ in offsets], np.int64)
    ends = np.array([end if end is not None else NO_INSTANT for _, end in offsets], np.int64)
    utc = local - shifts[place]
    skipped = (ends != NO_INSTANT)[place]
    utc[skipped] = ends[place][skipped] if gaps_forward else NO_INSTANT
    return utc


def second_instants(local: Seconds, timezone: str) -> Seconds:
    """Second instants of wall-clock times that the zone has twice, when clocks go back; `NO_INSTANT` for all others."""
    result = np.full(len(local), NO_INSTANT, np.int64)
    if timezone == "UTC":
        return result
    quarters, place = np.unique(local // _QUARTER, return_inverse=True)
    offsets = np.array([_second_offset(int(quarter), timezone) for quarter in quarters], np.int64)[place]
    twice = offsets != NO_INSTANT
    result[twice] = local[twice] - offsets[twice]
    return result


@lru_cache(maxsize=262_144)
def _second_offset(quarter: int, timezone: str) -> int:
    """Offset of a quarter of an hour in wall-clock time when it occurs again; `NO_INSTANT` if it occurs once."""
    local = (datetime(1970, 1, 1) + timedelta(seconds=quarter * _QUARTER)).replace(tzinfo=ZoneInfo(timezone))
    first, second = local.utcoffset(), local.replace(fold=1).utcoffset()
    assert first is not None
    assert second is not None
    return int(second.total_seconds()) if second < first else int(NO_INSTANT)


@lru_cache(maxsize=262_144)
def _quarter(quarter: int, timezone: str) -> tuple[int, int | None]:
    """Offset of a quarter of an hour in wall-clock time and, if the zone skips it, the instant of the clock change."""
    zone = ZoneInfo(timezone)
    local = datetime(1970, 1, 1) + timedelta(seconds=quarter * _QUARTER)
    shift = local.replace(tzinfo=zone).utcoffset()
    assert shift is not None
    offset = int(shift.total_seconds())
    instant = quarter * _QUARTER - offset
    back = _as_datetime(instant).astimezone(zone)
    if back.replace(tzinfo=None) == local:
        return offset, None
    # The offset is that of fold 0 before the change and of fold 1 after it; the change is at the start of the gap.
    low, high = instant - _DAY, instant
    before = _offset_at(low, zone)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_at(middle, zone) == before:
            low = middle
        else:
            high = middle
    return offset, high


def _offset_at(instant: int, zone: ZoneInfo) -> timedelta | None:
    return _as_datetime(instant).astimezone(zone).utcoffset()


def folder_of(template: str, start: datetime, timezone: str) -> str:
    """Folder of an interval: a template such as ``live/{{yyyyMMdd}}/{{HHmm}}`` with the wall-clock time of its start.

    Raises
    ------
    SourceError
        The template has an unsupported key.
    """
    local = start.astimezone(ZoneInfo(timezone)).replace(tzinfo=None)
    return write_wall_clock(_template(template), local)


def start_of_folder(template: str, folder: str, frequency: str, timezone: str) -> datetime | None:
    """Start of the first interval with a folder; None if the folder does not match the template."""
    try:
        local = _reader(template).read(folder).local
    except ValueError:
        return None
    seconds = int(to_utc(np.array([local_seconds(local)]), timezone, gaps_forward=True)[0])
    start = interval_start(_as_datetime(seconds), frequency, timezone)
    # The first day of a month may be within a week that began in the month before.
    starts = (start, next_start(start, frequency, timezone))
    return next((first for first in starts if folder_of(template, first, timezone) == folder), None)


@lru_cache(maxsize=64)
def _template(template: str) -> tuple[Part, ...]:
    return template_parts(template)


@lru_cache(maxsize=64)
def _reader(template: str) -> WallClockReader:
    return WallClockReader(_template(template))


def _day_of(seconds: int, timezone: str) -> date:
    return _as_datetime(seconds).astimezone(ZoneInfo(timezone)).date()


def local_seconds(local: datetime) -> int:
    """A naive wall-clock time as seconds since 1970."""
    return _as_seconds(local.replace(tzinfo=UTC))


def _as_seconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(seconds=1)


def _as_datetime(seconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)
