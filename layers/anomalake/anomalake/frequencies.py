"""The frequencies of detectors: the length of an interval, and lengths that the model derives from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Frequency:
    """One frequency; all lengths but `seconds` are in intervals.

    Attributes
    ----------
    seconds
        Length of an interval. Days and weeks are an hour shorter or longer when clocks change.
    day_length, week_length
        Phases of the daily and the weekly pattern. The shortest seasonal period of daily data is the week, which is
        used for both. Weekly data have one phase, and no pattern but that of the year.
    daily_harmonics
        Harmonics of the day.
    level_memory
        Memory of the level: a day, for daily data a week, for weekly data two months.
    least_points
        Fewest observed points of a metric that is judged.
    event_length
        Length after which an event that has settled becomes the new level. After three times as many, any event does.
    width_rate
        Rate per interval at which the spread grows where values are often far off: slow where an interval is minutes,
        because the values of one event are many.
    decision
        Surprise from which a point is an anomaly: -log10 of its tail probability. It rises a little with the number of
        intervals of a year, because people have time for a number of alarms a year.
    """

    seconds: int
    day_length: int
    week_length: int
    daily_harmonics: int
    level_memory: int
    least_points: int
    event_length: int
    width_rate: float
    decision: float

    @property
    def days(self) -> int:
        """Days of an interval that begins at midnight in the zone; 0 for shorter intervals, which are a grid in UTC."""
        return self.seconds // _DAY

    @property
    def hours(self) -> int:
        """Hours of the day that intervals tell apart: one where an interval is a day or longer."""
        return 1 if self.days else 24


#: The frequencies by name. L4M had PT5M, PT10M, PT1H and P1D.
FREQUENCIES: Final = {
    "PT5M": Frequency(300, 288, 2_016, 12, 288, least_points=72, event_length=48, width_rate=0.01, decision=4.0),
    "PT10M": Frequency(600, 144, 1_008, 12, 144, least_points=72, event_length=36, width_rate=0.01, decision=3.95),
    "PT15M": Frequency(900, 96, 672, 12, 96, least_points=72, event_length=32, width_rate=0.015, decision=3.9),
    "PT30M": Frequency(1_800, 48, 336, 12, 48, least_points=48, event_length=24, width_rate=0.03, decision=3.85),
    "PT1H": Frequency(3_600, 24, 168, 8, 24, least_points=48, event_length=24, width_rate=0.05, decision=3.6),
    "P1D": Frequency(_DAY, 7, 7, 0, 7, least_points=10, event_length=7, width_rate=0.05, decision=3.4),
    "P7D": Frequency(7 * _DAY, 1, 1, 0, 8, least_points=10, event_length=4, width_rate=0.05, decision=3.2),
}


def least_intervals(frequency: str) -> int:
    """Return the fewest intervals of a backtest: their oldest 70 % are enough for the model to judge a metric."""
    return -(-FREQUENCIES[frequency].least_points * 10 // 7)
