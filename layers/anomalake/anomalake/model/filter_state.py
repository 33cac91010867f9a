"""Data of the filter: its features, coefficients, state, and output.

The filter works on series that are standardised and have their harmonics subtracted (see `season`). In all arrays the
series are on the last axis, so one interval is one contiguous row.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from anomalake.frequencies import FREQUENCIES
from anomalake.model.array_types import Float32Array, IntArray
from anomalake.model.calendar import MONTH_SLOTS
from anomalake.model.layout import by_series

#: Number of lagged values among the features.
LAGS: Final = 6
#: Index of the first lagged value. The features before it are 1, the remaining daily pattern, the remaining weekly
#: pattern now and one interval earlier, the values one day and one week ago, and the sum of the harmonics.
FIRST_LAG: Final = 7
FEATURES: Final = FIRST_LAG + LAGS
#: Number of features that are references: all but 1, the harmonics, and the lags.
REFERENCES: Final = FIRST_LAG - 2
#: Consecutive points that are judged together, to detect small deviations that last.
JOINT: Final = 4
#: Intervals of the longest run of low values that is judged (see `runs`).
LONGEST_RUN: Final = 12
#: Intervals whose deviations are added up, to detect slow ramps (see `ramps`).
RAMP: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class Coefficients:
    """What a fit estimates for the filter; arrays of float32, S series on the last axis.

    Attributes
    ----------
    beta
        Regression coefficients of the next value on the features, shape (FEATURES, S).
    sigma
        Spread of the residuals, shape (S,).
    floor
        Least spread, shape (S,).
    holiday
        Least spread on holidays, shape (S,).
    low, high
        Bounds of expected values relative to the level, shape (S,).
    """

    beta: Float32Array
    sigma: Float32Array
    floor: Float32Array
    holiday: Float32Array
    low: Float32Array
    high: Float32Array

    def part(self, first: int, end: int) -> Coefficients:
        """Return views of the coefficients of consecutive series."""
        return Coefficients(**{field.name: getattr(self, field.name)[..., first:end] for field in fields(self)})


def concatenate_coefficients(parts: list[Coefficients]) -> Coefficients:
    """Return the coefficients of all series from those of consecutive blocks."""
    return Coefficients(
        **{
            field.name: np.concatenate([getattr(part, field.name) for part in parts], axis=-1)
            for field in fields(Coefficients)
        }
    )


@dataclass(frozen=True, slots=True, eq=False)
class FilterState:
    """State of the filter after an interval, for S series; float32 but for those that count.

    An *event* is a sequence of intervals with unusual values.

    Attributes
    ----------
    level
        Shape (S,).
    by_day, by_week
        Daily and weekly pattern that the harmonics leave over, by phase: shapes (day length, S), (week length, S).
    week_mean
        Mean of `by_week`, which the level takes up, shape (S,).
    last_week
        The last value relative to the level at each phase of the week, shape (week length, S).
    lags, raw_lags
        The last values, newest first, shape (LAGS, S). In `lags`, unusual values are replaced by the expected ones.
    spread
        Spread by phase of the day, shape (day length, S); 0 for a phase without an estimate.
    volatility
        Recent spread, shape (S,).
    age, settled
        Number of intervals since the start of the event, and number of the last of them in which values changed
        little, shape (S,); 0 outside events.
    growth
        Variance of the expectation after so many unusual intervals, divided by that of the next interval, shape (S,).
    shift
        Smoothed deviation during the event, shape (S,).
    profile, doubt, odd
        By phase of the week, and of days by slot of the month too: offset of deviations that came back, number of
        visits that must agree with it still, and the last deviation that was odd; shape (`repeat_phases`, S) (see
        `repeats`).
    former, former_left
        The level before an event became the level, and the number of intervals for which it is kept, shape (S,).
    width
        Factor of the spread, at least 1, where values were often far off, shape (S,).
    held
        Surprise of the last interval, which a share of the surprise before it may exceed, shape (S,) (see `judge`).
    recent
        The last standardised residuals, clipped, newest first, shape (JOINT - 1, S); for low counts, their last
        surprises (see `counts`).
    run_values, run_expected
        The last values, and what level and seasonality let expect of them, both above 0, oldest first, shape
        (LONGEST_RUN, S) (see `runs`); for low counts, the last row is their pause (see `counts`).
    deviations
        The last deviations from level and seasonality, oldest first, shape (RAMP - 1, S) (see `ramps`).
    """

    level: Float32Array
    by_day: Float32Array
    by_week: Float32Array
    week_mean: Float32Array
    last_week: Float32Array
    lags: Float32Array
    raw_lags: Float32Array
    spread: Float32Array
    volatility: Float32Array
    age: IntArray
    settled: IntArray
    growth: Float32Array
    shift: Float32Array
    profile: Float32Array
    doubt: npt.NDArray[np.int8]
    odd: Float32Array
    former: Float32Array
    former_left: IntArray
    width: Float32Array
    held: Float32Array
    recent: Float32Array
    run_values: Float32Array
    run_expected: Float32Array
    deviations: Float32Array

    def part(self, first: int, end: int) -> FilterState:
        """Return views of the state of consecutive series."""
        return FilterState(**{field.name: getattr(self, field.name)[..., first:end] for field in fields(self)})

    def empty(self) -> FilterState:
        """Return a state of the same series without values, to be written by parts."""
        return FilterState(**{field.name: np.empty_like(getattr(self, field.name)) for field in fields(self)})

    def put(self, other: FilterState) -> None:
        """Copy another state of these series, unless it is this one."""
        for field in fields(self):
            array, of_other = getattr(self, field.name), getattr(other, field.name)
            if not np.may_share_memory(array, of_other):
                array[:] = of_other

    def put_level(self, level: Float32Array) -> None:
        """Put a level in place of the level and of the last values."""
        self.level[:], self.lags[:], self.raw_lags[:] = level, level, level


def concatenate_states(parts: list[FilterState]) -> FilterState:
    """Return the state of all series from those of consecutive blocks."""
    if len(parts) == 1:
        return parts[0]
    return FilterState(
        **{
            field.name: np.concatenate([getattr(part, field.name) for part in parts], axis=-1)
            for field in fields(FilterState)
        }
    )


def repeat_phases(frequency: str) -> int:
    """Return the number of phases at which deviations may come back."""
    interval = FREQUENCIES[frequency]
    return interval.week_length + (MONTH_SLOTS if interval.days == 1 else 0)


def initial_state(n_series: int, frequency: str) -> FilterState:
    """Return the state of series before their first interval; their level is 0."""
    day_length, week_length = FREQUENCIES[frequency].day_length, FREQUENCIES[frequency].week_length
    n_repeats = repeat_phases(frequency)

    def zeros(*shape: int) -> Float32Array:
        return np.zeros((*shape, n_series), np.float32)

    return FilterState(
        level=zeros(),
        by_day=zeros(day_length),
        by_week=zeros(week_length),
        week_mean=zeros(),
        last_week=zeros(week_length),
        lags=zeros(LAGS),
        raw_lags=zeros(LAGS),
        spread=zeros(day_length),
        volatility=zeros(),
        age=np.zeros(n_series, np.int64),
        settled=np.zeros(n_series, np.int64),
        growth=np.ones(n_series, np.float32),
        shift=zeros(),
        profile=zeros(n_repeats),
        doubt=np.zeros((n_repeats, n_series), np.int8),
        odd=zeros(n_repeats),
        former=zeros(),
        former_left=np.zeros(n_series, np.int64),
        width=np.ones(n_series, np.float32),
        held=zeros(),
        recent=zeros(JOINT - 1),
        run_values=zeros(LONGEST_RUN),
        run_expected=zeros(LONGEST_RUN),
        deviations=zeros(RAMP - 1),
    )


@dataclass(frozen=True, slots=True, eq=False)
class FilterOutput:
    """Result of the filter for T intervals: float32, shape (T, S), standardised units without the harmonics.

    Attributes
    ----------
    expected, alternative, sigma
        The expected value, a second expected value (equal to the first during an event), and the spread of both. The
        expected values of a fit are those of the last interval only, shape (1, S).
    z
        Residual in sigmas, from the nearer expected value; 0 between the two, and where nothing was observed.
    before
        Sum of the clipped `z` of the previous `JOINT` - 1 intervals.
    z_seasonal
        Deviation from level and weekly pattern alone, in sigmas, whatever the last values were.
    reference
        Level and weekly pattern alone; NaN where an event became the new level, and after a holiday.
    """

    expected: Float32Array
    alternative: Float32Array
    sigma: Float32Array
    z: Float32Array
    before: Float32Array
    z_seasonal: Float32Array
    reference: Float32Array

    def part(self, first: int, end: int) -> FilterOutput:
        """Return a copy of the output for consecutive series, in contiguous arrays."""
        return FilterOutput(**{field.name: getattr(self, field.name)[:, first:end].copy() for field in fields(self)})


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Input of the regression, float32. Lagged values are stored once, not for each lag.

    Attributes
    ----------
    references
        The features without 1, harmonics and lags, shape (T, REFERENCES, S).
    harmonic
        Sum of the harmonics, shape (T, S).
    clean
        Values without outliers, preceded by `LAGS` earlier ones, shape (LAGS + T, S).
    level
        The level before each interval, shape (T, S).
    """

    references: Float32Array
    harmonic: Float32Array
    clean: Float32Array
    level: Float32Array

    def features(self, first: int, end: int, series: slice = slice(None)) -> Float32Array:
        """Return the features of intervals and series, shape (series, FEATURES, end - first)."""
        level = by_series(self.level[first:end, series])
        features = np.empty((len(level), FEATURES, end - first), np.float32)
        features[:, 0] = 1
        for reference in range(REFERENCES):
            by_series(self.references[first:end, reference, series], features[:, 1 + reference])
        by_series(self.harmonic[first:end, series], features[:, FIRST_LAG - 1])
        clean = by_series(self.clean[first : end + LAGS - 1, series])
        for lag in range(LAGS):
            offset = LAGS - 1 - lag
            lagged = clean[:, offset : offset + end - first]
            np.subtract(lagged, level, out=features[:, FIRST_LAG + lag])
        return features
