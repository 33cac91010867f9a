"""How far apart the times of a table are: its frequency, its gaps, and how many intervals it spans."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from anomalake.sources.guessing.guess import Guess

Seconds = npt.NDArray[np.int64]

_DAY: Final = 86_400
#: Frequencies of tables by their seconds. A week is P1W here; the detector file calls it P7D.
_INTRADAY: Final = {
    1: "PT1S", 5: "PT5S", 10: "PT10S", 15: "PT15S", 30: "PT30S", 60: "PT1M", 120: "PT2M", 180: "PT3M", 300: "PT5M",
    600: "PT10M", 900: "PT15M", 1_200: "PT20M", 1_800: "PT30M", 3_600: "PT1H", 7_200: "PT2H", 10_800: "PT3H",
    14_400: "PT4H", 21_600: "PT6H", 28_800: "PT8H", 43_200: "PT12H",
}  # fmt: skip
#: Days of the frequencies from a day on: fewest, most, name.
_DAYS: Final = (
    (1, 1, "P1D"), (7, 7, "P1W"), (14, 14, "P2W"), (28, 31, "P1M"), (59, 62, "P2M"), (89, 92, "P3M"), (181, 184, "P6M"),
    (365, 366, "P1Y"),
)  # fmt: skip
#: Frequencies into which irregular times may be collected.
_COLLECTED: Final = (("PT5M", 300), ("PT10M", 600), ("PT15M", 900), ("PT30M", 1_800), ("PT1H", 3_600), ("P1D", _DAY),
                     ("P1W", 7 * _DAY))  # fmt: skip
_MONTHS: Final = {"P1M": 1, "P2M": 2, "P3M": 3, "P6M": 6, "P1Y": 12}
_OF_LETTER: Final = {"y": "P1Y", "Q": "P3M", "M": "P1M", "w": "P1W", "d": "P1D"}
IRREGULAR: Final = "irregular"


@dataclass(frozen=True, slots=True)
class Spacing:
    """How the times of a table lie.

    Attributes
    ----------
    frequency
        ISO 8601 duration.
    intervals
        From the first to the last time.
    with_rows
        Intervals that have a row.
    is_irregular
        Whether the times are those of events, on no grid.
    share
        Share of the steps from one time to the next that are one interval long.
    off_grid
        Share of the times that do not lie on the grid of the others.
    closed
        Why intervals lack rows at regular times: ``business days`` or ``closed hours``; empty if they do not.
    gaps
        Steps over missing intervals that no closed time explains.
    """

    frequency: str
    intervals: int
    with_rows: int
    is_irregular: bool = False
    share: float = 1.0
    off_grid: float = 0.0
    closed: str = ""
    gaps: int = 0


def spacing_of(
    moments: npt.NDArray[np.datetime64], series: npt.NDArray[np.int64] | None, finest: str
) -> Guess[Spacing]:
    """Guess the frequency of times.

    Parameters
    ----------
    moments
        Time of each row; NaT where there is none.
    series
        Number of each row's series; None if there is one. Series may lie on grids of their own.
    finest
        The finest unit of the times: ``S s m H d w M Q y``.
    """
    valid = ~np.isnat(moments)
    seconds = moments[valid].astype(np.int64)
    all_times = np.unique(seconds)
    if len(all_times) < 2:
        name = _OF_LETTER.get(finest, "PT1H")
        return Guess(Spacing(name, len(all_times), len(all_times)), 0.3, "there is one time")
    steps = np.diff(all_times)
    if series is not None:
        within = _steps_within(seconds, series[valid])
        steps = within if len(within) >= 5 else steps
    if _is_daily(all_times, finest):
        return _of_days(all_times, steps, finest)
    return _of_hours(all_times, steps)


def _steps_within(seconds: Seconds, series: npt.NDArray[np.int64]) -> Seconds:
    """Steps from one time of a series to its next."""
    order = np.lexsort((seconds, series))
    steps = np.diff(seconds[order])[np.diff(series[order]) == 0]
    found: Seconds = steps[steps > 0]
    return found


def _is_daily(times: Seconds, finest: str) -> bool:
    """Whether times lie at one time of day, up to a change of clocks."""
    if finest in "dwMQy":
        return True
    days = np.unique(times // _DAY)
    if len(days) < len(times):
        return False
    clock = times % _DAY
    usual = np.median(clock)
    return bool((np.abs(clock - usual) <= 3_700).mean() > 0.95) and len(times) > 4


def _of_days(times: Seconds, steps: Seconds, finest: str) -> Guess[Spacing]:
    days = np.maximum(1, np.round(steps / _DAY).astype(np.int64))
    lengths, counts = np.unique(days, return_counts=True)
    shares = {name: float(counts[(lengths >= low) & (lengths <= high)].sum()) / float(counts.sum())
              for low, high, name in _DAYS}  # fmt: skip
    name, share = max(shares.items(), key=lambda item: item[1])
    least = _OF_LETTER.get(finest, "P1D")
    if finest in "MQyw" and shares.get(least, 0.0) < 0.5 and share < 0.5:
        name, share = least, max(share, 0.5)
    if finest not in "MQyw" and share < 0.5:
        # Days with gaps: the greatest step that all are multiples of.
        step = math.gcd(*map(int, lengths))
        name, share = ("P1W", share) if step % 7 == 0 else ("P1D", shares["P1D"])
    closed = _business_days(times, days) if name == "P1D" else ""
    regular = share if not closed else float(((days == 1) | (days == 3)).mean())
    intervals = intervals_between(times, name)
    few = len(np.unique(times)) < 5
    confidence = 0.5 if few else 0.97 if regular > 0.7 else 0.85 if share > 0.4 else 0.6
    gaps = int((days > (4 if closed else 1)).sum()) if name == "P1D" else _gaps(days, name)
    spacing = Spacing(name, intervals, len(times), False, share, 0.0, closed, gaps)
    return Guess(
        spacing, confidence, f"{share:.0%} of the steps are {name} long" + (f", on {closed}" if closed else "")
    )


def _business_days(times: Seconds, days: npt.NDArray[np.int64]) -> str:
    """Whether there are no Saturdays and Sundays; the first of January 1970 was a Thursday."""
    weekday = (times // _DAY + 3) % 7
    return "business days" if len(times) > 20 and (weekday >= 5).mean() < 0.01 and (days == 3).any() else ""


def _gaps(days: npt.NDArray[np.int64], name: str) -> int:
    most = next(high for _, high, other in _DAYS if other == name)
    return int((days > most + 2).sum())


def intervals_between(times: Seconds, name: str) -> int:
    """Number of intervals from the first to the last time."""
    first, last = int(np.min(times)), int(np.max(times))
    if name in _MONTHS:
        months = np.array([first, last], "datetime64[s]").astype("datetime64[M]").astype(np.int64)
        return int(months[1] - months[0]) // _MONTHS[name] + 1
    return round((last - first) / seconds_of(name)) + 1


def seconds_of(name: str) -> int:
    """Length of an interval; a month has 30 days."""
    for seconds, known in _INTRADAY.items():
        if known == name:
            return seconds
    if name.startswith("PT"):
        units = {"S": 1, "M": 60, "H": 3_600}
        return max(1, int(float(name[2:-1]) * units[name[-1]]))
    number, unit = int(name[1:-1]), {"D": _DAY, "W": 7 * _DAY, "M": 30 * _DAY, "Y": 365 * _DAY}[name[-1]]
    return number * unit


def is_duration(name: str) -> bool:
    """Whether a text is the duration of an interval, such as ``PT1H`` or ``P1W``."""
    return re.fullmatch(r"PT[1-9]\d{0,4}[SMH]|P[1-9]\d{0,2}[DWMY]", name) is not None


def _of_hours(times: Seconds, steps: Seconds) -> Guess[Spacing]:
    lengths, counts = np.unique(steps, return_counts=True)
    usual = int(lengths[np.argmax(counts)])
    near = np.abs(steps - usual) <= max(1, usual // 50)
    share = float(near.mean())
    multiples = float((np.abs(steps - usual * np.maximum(1, np.round(steps / usual))) <= max(1, usual // 50)).mean())
    if share < 0.5 or multiples < 0.7:
        # Times that shake about a grid.
        median = float(np.median(steps))
        standard = min(_INTRADAY, key=lambda seconds: abs(seconds - median))
        shaking = float((np.abs(steps - standard) <= 0.25 * standard).mean())
        if abs(standard - median) <= 0.1 * standard and shaking > 0.8 and standard > 1:
            spacing = _grid(times, standard, shaking, off_grid=1.0 - share)
            return Guess(spacing, 0.85, f"{shaking:.0%} of the steps are about {spacing.frequency} long")
        return _collected(times, share)
    spacing = _grid(times, usual, share, off_grid=1.0 - multiples)
    if _is_event(times, usual, spacing):
        return _collected(times, share)
    confidence = 0.97 if share > 0.8 else 0.88 if share > 0.6 else 0.75
    return Guess(spacing, confidence, f"{share:.0%} of the steps are {spacing.frequency} long")


def _is_event(times: Seconds, usual: int, spacing: Spacing) -> bool:
    """Whether most intervals are empty without a regular reason: rows are then events."""
    share = spacing.with_rows / spacing.intervals
    return usual <= 3_600 and share < (0.1 if spacing.closed else 0.35)


def _grid(times: Seconds, seconds: int, share: float, off_grid: float) -> Spacing:
    name = _INTRADAY.get(seconds) or (f"PT{seconds // 60}M" if seconds % 60 == 0 else f"PT{seconds}S")
    if seconds % 3_600 == 0 and seconds not in _INTRADAY:
        name = f"PT{seconds // 3_600}H"
    slots = np.unique(times // seconds)
    intervals = int(slots[-1] - slots[0]) + 1
    steps = np.diff(slots)
    closed = ""
    if seconds < _DAY and len(slots) < 0.95 * intervals:
        hours = np.unique((times % _DAY) // 3_600, return_counts=True)[0]
        weekdays = np.unique((times // _DAY + 3) % 7)
        if len(np.unique(times // _DAY)) > 5 and (len(hours) < 20 or len(weekdays) < 7):
            closed = "closed hours"
    nightly = int((steps * seconds > 4 * _DAY).sum())
    gaps = nightly if closed else int((steps > 1).sum())
    return Spacing(name, intervals, len(slots), False, share, off_grid, closed, gaps)


def _collected(times: Seconds, share: float) -> Guess[Spacing]:
    """The smallest frequency at which most intervals have events."""
    for name, seconds in _COLLECTED:
        slots = np.unique(times // seconds)
        intervals = int(slots[-1] - slots[0]) + 1
        # Events at night and at weekends may be few.
        # Days without any event say nothing about shorter intervals.
        counted = len(np.unique(times // _DAY)) * _DAY // seconds if seconds < _DAY else intervals
        if len(slots) >= (0.35 if seconds < _DAY else 0.5) * counted or name == _COLLECTED[-1][0]:
            hours = np.unique((times % _DAY) // 3_600)
            closed = "closed hours" if seconds < _DAY and len(hours) < 20 else ""
            gaps = int((np.diff(slots) > 1).sum())
            spacing = Spacing(name, intervals, len(slots), True, share, 1.0 - share, closed, gaps)
            return Guess(spacing, 0.5, f"times are irregular; {len(slots) / intervals:.0%} of the {name} have some")
    raise AssertionError("the last frequency always fits")
