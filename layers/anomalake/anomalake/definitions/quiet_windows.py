"""Quiet windows: recurring and planned times in which anomalies are judged, but neither alerted nor learned from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from anomalake.definitions.fields import Fields, Problems
from anomalake.definitions.intervals import (
    NO_INSTANT,
    Instants,
    Seconds,
    local_seconds,
    next_start,
    second_instants,
    to_utc,
)
from anomalake.frequencies import FREQUENCIES

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOST_QUIET_WINDOWS = 100

_DAY = timedelta(days=1)
_TIME = re.compile(r"(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])|(?P<midnight>24:00)")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}")
_A_TIME = "a time of day such as 02:00, or a day and time such as 2026-12-24T00:00"


@dataclass(frozen=True, slots=True)
class RecurringWindow:
    """A window of each week, in wall-clock time.

    Attributes
    ----------
    days
        Days on which it begins; 0 is Monday.
    start, end
        Times since midnight; an end that is not after the start is on the next day.
    """

    days: tuple[int, ...]
    start: timedelta
    end: timedelta


@dataclass(frozen=True, slots=True)
class PlannedWindow:
    """A window from one wall-clock time to another, the latter excluded."""

    start: datetime
    end: datetime


QuietWindow = RecurringWindow | PlannedWindow


def quiet_intervals(
    windows: Iterable[QuietWindow], starts: Instants, frequency: str, timezone: str
) -> npt.NDArray[np.bool_]:
    """Return which intervals overlap a quiet window.

    A window begins at the first instant with its wall-clock time or, where the zone skips it, when the clocks change.
    It ends at the last one with its wall-clock time, where clocks go back. So it has an hour more or less then.

    Parameters
    ----------
    starts
        Starts of intervals, ascending.
    """
    seconds = starts.astype("datetime64[s]").astype(np.int64)
    quiet = np.zeros(len(seconds), np.bool_)
    listed = tuple(windows)
    if not listed or not len(seconds):
        return quiet
    ends = _ends(seconds, frequency, timezone)
    zone = ZoneInfo(timezone)
    # A window of the day before may reach into the first interval.
    first = datetime.fromtimestamp(int(seconds[0]), zone).date() - _DAY
    last = datetime.fromtimestamp(int(ends[-1]), zone).date()
    local = [times for window in listed for times in _wall_clock(window, first, last)]
    begins = to_utc(_seconds(start for start, _ in local), timezone, gaps_forward=True)
    until = _seconds(end for _, end in local)
    again = second_instants(until, timezone)
    until = np.where(again == NO_INSTANT, to_utc(until, timezone, gaps_forward=True), again)
    overlaps = zip(np.searchsorted(ends, begins, "right"), np.searchsorted(seconds, until, "left"), strict=True)
    for first_place, end_place in overlaps:
        quiet[first_place:end_place] = True
    return quiet


def _ends(starts: Seconds, frequency: str, timezone: str) -> Seconds:
    if not FREQUENCIES[frequency].days:
        return starts + FREQUENCIES[frequency].seconds
    instants = (datetime.fromtimestamp(int(start), UTC) for start in starts)
    return np.array([int(next_start(start, frequency, timezone).timestamp()) for start in instants], np.int64)


def _wall_clock(window: QuietWindow, first: date, last: date) -> Iterator[tuple[datetime, datetime]]:
    """Yield the starts and ends of a window on the days from `first` to `last`."""
    if isinstance(window, PlannedWindow):
        yield window.start, window.end
        return
    end = window.end if window.end > window.start else window.end + _DAY
    for number in range((last - first).days + 1):
        day = first + number * _DAY
        if day.weekday() in window.days:
            midnight = datetime(day.year, day.month, day.day)
            yield midnight + window.start, midnight + end


def _seconds(times: Iterable[datetime]) -> Seconds:
    return np.array([local_seconds(time) for time in times], np.int64)


def read_quiet_windows(fields: Fields, frequency: str, problems: Problems) -> tuple[QuietWindow, ...]:
    """Read QuietWindows; `frequency` is empty if it is invalid."""
    windows = []
    for node, path in fields.items("QuietWindows", most=MOST_QUIET_WINDOWS):
        window = _window(Fields(node, path, problems), frequency, problems)
        windows += [window] if window is not None else []
    return tuple(windows)


def _window(window: Fields, frequency: str, problems: Problems) -> QuietWindow | None:
    """Read a window; None after a problem."""
    days = window.texts("Days", f"a day of the week: {', '.join(WEEKDAYS)}", most=7)
    unknown = [day for day in days if day not in WEEKDAYS]
    if unknown:
        window.problem("Days", f"{unknown[0][:60]!r}: expected one of {', '.join(WEEKDAYS)}")
    start, end = (window.text(name, _A_TIME, longest=16) for name in ("From", "To"))
    window.unknown()
    if unknown:
        return None
    if bool(start) != bool(end):
        window.problem("To" if start else "From", f"is missing beside {'From' if start else 'To'}; expected {_A_TIME}")
        return None
    if not start and not days:
        problems.add(window.path, window.node, "expected Days, From and To, or both")
        return None
    if _INSTANT.fullmatch(start) or _INSTANT.fullmatch(end):
        return _planned(window, start, end, has_days=bool(days))
    return _recurring(window, tuple(WEEKDAYS.index(day) for day in days), start, end, frequency, problems)


def _planned(window: Fields, start: str, end: str, *, has_days: bool) -> PlannedWindow | None:
    times = []
    for name, text in (("From", start), ("To", end)):
        try:
            times.append(datetime.fromisoformat(text) if _INSTANT.fullmatch(text) else None)
        except ValueError:
            times.append(None)
        if times[-1] is None:
            window.problem(name, f"{text!r}: expected a day and time such as 2026-12-24T00:00")
    if has_days:
        window.problem("Days", "is given beside a planned window; expected From and To as times of day, such as 02:00")
    first, last = times
    if first is None or last is None or has_days:
        return None
    if last <= first:
        window.problem("To", f"{end!r}: expected a time after From, {start}")
        return None
    return PlannedWindow(first, last)


def _recurring(
    window: Fields, days: tuple[int, ...], start: str, end: str, frequency: str, problems: Problems
) -> RecurringWindow | None:
    every_day = days or tuple(range(7))
    interval = FREQUENCIES.get(frequency)
    if interval is not None and interval.days > 1:
        problems.add(
            window.path,
            window.node,
            f"recurs each week, in every interval of {frequency}; expected From and To with a day",
        )
        return None
    if not start:
        return RecurringWindow(every_day, timedelta(0), _DAY)
    if interval is not None and interval.days:
        window.problem("From", f"{start!r}: is within an interval of {frequency}; expected Days alone")
        return None
    times = []
    for name, text in (("From", start), ("To", end)):
        match = _TIME.fullmatch(text)
        if match is None or (match["midnight"] and name == "From"):
            window.problem(name, f"{text!r}: expected {_A_TIME}")
            return None
        times.append(_DAY if match["midnight"] else timedelta(hours=int(match["hour"]), minutes=int(match["minute"])))
    if times[0] == times[1]:
        window.problem("To", f"{end!r}: expected another time than From; Days alone is the whole day")
        return None
    return RecurringWindow(every_day, *times)
