"""The filter: processes interval after interval, all series at once, and predicts each value before it uses it.

For each series, the filter keeps a level, the daily and weekly pattern that the harmonics leave over, the last values,
the spread at this time of day and recently, and whether an event is in progress. An event is a sequence of intervals
with unusual values; nothing is learned from them until they have settled on a new level.

What holds for all series is computed in whole rows, in arrays that are allocated once. Most series are usual most of
the time: what holds only during and after events, for offsets in doubt and for missing values is computed for the
series that need it, by their indexes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from anomalake.frequencies import FREQUENCIES
from anomalake.model.array_types import BoolArray, Float32Array, IndexArray
from anomalake.model.calendar import Calendar
from anomalake.model.filter_state import (
    FEATURES,
    FIRST_LAG,
    JOINT,
    LAGS,
    REFERENCES,
    Coefficients,
    FilterOutput,
    FilterState,
    History,
)
from anomalake.model.holidays import HolidayPattern
from anomalake.model.layout import Buffers, wide_strips
from anomalake.model.peaks import Offsets
from anomalake.model.repeats import LONGEST, ODD, adopt_repeats, largest_offset, month_places, settle_doubts

#: Number of sigmas from which a value is unusual: it starts or continues an event.
UNUSUAL: Final = 6.0
#: Bound of a residual, in sigmas, in the sum of `JOINT` residuals.
JOINT_CLIP: Final = 3.5

# Smoothing rates per visit of a phase: of the daily pattern, the weekly pattern, and the spread.
_DAY_RATE, _WEEK_RATE, _SPREAD_RATE = 0.15, 0.3, 0.1
# Smoothing rate per interval of the recent spread.
_VOLATILITY_RATE = np.float32(0.03)
# The spread is the series' sigma times the relative spread of the time of day and the relative recent spread, each to
# one of these powers: both are noisy estimates.
_TIME_OF_DAY_POWER, _RECENT_POWER = 0.4, 0.3
_POWER = np.float32(_TIME_OF_DAY_POWER)
# Standard deviation of a normal distribution in units of its mean absolute deviation.
_MEAN_TO_SIGMA = np.float32(1.2533)
# Larger absolute residuals, in sigmas, are clipped where the spread is learned.
_SPREAD_CLIP = np.float32(4)
# The width multiplies the spread of a series. It follows its own exceedances: it grows where more than this share of
# residuals is beyond so many sigmas, and shrinks where it is less, to 1 at least. Of an event only so many points
# count: one long event is no change of the noise.
_WIDE_FROM, _WIDE_SHARE, _MOST_WIDTH, _WIDE_AGE = 3.0, 0.08, np.float32(30), 6
# An event has settled when its last values changed by less than so many sigmas, for so many intervals.
_SETTLED_CHANGE, _SETTLED_INTERVALS = 3.0, 3
# No event becomes the new level on a holiday.
_NEVER = 1 << 30
# Smoothing of the shift during an event: weights of the previous estimate and of the newest deviation.
_SHIFT_KEPT, _SHIFT_NEW = np.float32(0.7), np.float32(0.3)
# Share of a deviation from the reference that is left after each missing interval.
_GAP_MEMORY = np.float32(0.97)
# Memories of the level for which the level before a shift is kept.
_FORMER_MEMORIES = 3
# Larger residuals, in sigmas, are clipped, to stay in the range of single precision.
_MOST_SIGMAS = np.float32(1e6)
_ZERO, _ONE, _NAN = np.float32(0), np.float32(1), np.float32(np.nan)
_NO_SERIES: IndexArray = np.zeros(0, np.intp)
# Rates of the spread of the time of day before, of this one, and of the next one.
_SPREAD_RATES = np.array([[_SPREAD_RATE / 2], [_SPREAD_RATE], [_SPREAD_RATE / 2]], np.float32)
# Rows of the array of the last values: every so many intervals less `LAGS`, the last values move to its other end.
_TAPE = 2 * LAGS


def first_pass(
    values: Float32Array,
    harmonic: Float32Array,
    calendar: Calendar,
    state: FilterState,
    jump: Float32Array,
    buffers: Buffers,
) -> tuple[History, Float32Array]:
    """Process a history for the first time, to prepare the regression.

    Parameters
    ----------
    values, harmonic
        Values without the harmonics, and the harmonics; shape (T, S).
    state
        Level, patterns, and last values before the first interval; they are changed to those after the last one.
    jump
        Largest distance of a learned value from the previous one or from the reference, shape (S,).
    buffers
        Where the features and targets are: those of the last history are written again.

    Returns
    -------
    Features, and targets of shape (T, S) with NaN where nothing was observed.
    """
    n_times, n_series = values.shape
    patterns = _Patterns(state, calendar, buffers)
    # The output of a run takes the place of these rows, which are not needed any more then.
    rows = buffers.get("rows", (REFERENCES + 3) * n_times + LAGS, n_series)
    references, levels, targets, cleaned = np.split(rows, np.cumsum([REFERENCES * n_times, n_times, n_times]))
    references = references.reshape(n_times, REFERENCES, n_series)
    cleaned[:LAGS] = state.lags[::-1]
    missing = _indexes_of_rows(np.isnan(values))
    level_rate = 1 / FREQUENCIES[calendar.frequency].level_memory
    visits_of_day_phase = np.zeros(calendar.day_length, np.int64)
    visits_of_week_phase = np.zeros(calendar.week_length, np.int64)
    reference, bound = (np.empty(n_series, np.float32) for _ in range(2))
    for t in range(n_times):
        day_phase, week_phase = int(calendar.day_phase[t]), int(calendar.week_phase[t])
        patterns.put_references(day_phase, week_phase, references[t])
        levels[t] = patterns.level
        previous, clean = cleaned[LAGS - 1 + t], cleaned[LAGS + t]
        np.add(references[t, 1], patterns.level, out=reference)
        clean[:] = values[t]
        if len(missing[t]):
            clean[missing[t]] = _through_gap(missing[t], patterns.level, references[t], previous)
        np.maximum(reference, previous, out=bound)
        np.add(bound, jump, out=bound)
        np.minimum(clean, bound, out=clean)
        np.minimum(reference, previous, out=bound)
        np.subtract(bound, jump, out=bound)
        np.maximum(clean, bound, out=clean)
        above_level = patterns.last_week[week_phase]
        if calendar.is_holiday[t]:
            above_level[:] = references[t, 1]
        else:
            np.subtract(clean, patterns.level, out=above_level)
            # Rates are higher at first, as of a running mean.
            patterns.learn(
                (day_phase, week_phase),
                references[t],
                missing[t],
                max(_DAY_RATE, 1 / (visits_of_day_phase[day_phase] + 2)),
                max(_WEEK_RATE, 1 / (visits_of_week_phase[week_phase] + 2)),
                max(level_rate, 1 / (t + 1)),
            )
        visits_of_day_phase[day_phase] += 1
        visits_of_week_phase[week_phase] += 1
    patterns.put_into(state)
    state.lags[:] = cleaned[n_times:][::-1]
    state.raw_lags[:] = state.lags
    np.subtract(values, levels, out=targets)
    return History(references, harmonic, cleaned, levels), targets


def run_filter(
    coefficients: Coefficients,
    state: FilterState,
    values: Float32Array,
    harmonic: Float32Array,
    calendar: Calendar,
    holidays: HolidayPattern,
    offsets: Offsets,
    buffers: Buffers,
    *,
    keeps_expected: bool = True,
) -> FilterOutput:
    """Process intervals one after another.

    Parameters
    ----------
    state
        The state before the first interval; it is changed to that after the last one.
    values, harmonic
        Values without the harmonics, and the harmonics; shape (T, S), NaN where nothing was observed.
    holidays
        What the holidays are expected to be.
    offsets
        Those that the values have no more, with the least spread of their intervals.
    buffers
        Where the arrays of the output are: those of the last output are written again.
    keeps_expected
        Whether the output has the expected values of all intervals.

    Returns
    -------
    The output for all intervals.
    """
    patterns = _Patterns(state, calendar, buffers)
    run = _Filter(coefficients, patterns, values, harmonic, calendar, holidays, offsets, buffers, keeps_expected)
    for t in range(len(values)):
        run.step(t)
    output = run.output(state.recent)
    run.end()
    patterns.put_into(state)
    return output


class _Patterns:
    """Level and patterns of a `state`, and how they are learned.

    The patterns are parts of one array, so that the references of an interval are taken at once. `state` is the one at
    the start with these parts.
    """

    def __init__(self, start: FilterState, calendar: Calendar, buffers: Buffers) -> None:
        self._day_length, self._week_length = day_length, week_length = calendar.day_length, calendar.week_length
        self._all = buffers.get("patterns", day_length + 2 * week_length, len(start.level))
        self.by_day, self.by_week, self.last_week = np.split(self._all, [day_length, day_length + week_length])
        self.by_day[:], self.by_week[:], self.last_week[:] = start.by_day, start.by_week, start.last_week
        self.state = replace(start, by_day=self.by_day, by_week=self.by_week, last_week=self.last_week)
        self.level, self.week_mean = start.level, start.week_mean
        self._from_patterns, (self._change,) = (np.empty((n, len(self.level)), np.float32) for n in (2, 1))

    def put_into(self, state: FilterState) -> None:
        """Write the patterns to a state."""
        state.by_day[:], state.by_week[:], state.last_week[:] = self.by_day, self.by_week, self.last_week

    def put_references(self, day_phase: int, week_phase: int, out: Float32Array) -> None:
        """Write the features between 1 and the harmonics to `out` (see `FIRST_LAG`)."""
        day_length, week_length = self._day_length, self._week_length
        by_week, last_week = day_length, day_length + week_length
        step = day_length if day_length < week_length else 1
        rows = [
            day_phase,
            by_week + week_phase,
            by_week + (week_phase - 1) % week_length,
            last_week + (week_phase - step) % week_length,
            last_week + week_phase,
        ]
        self._all.take(rows, axis=0, out=out, mode="clip")

    def learn(
        self,
        phases: tuple[int, int],
        references: Float32Array,
        idle: IndexArray,
        day_rate: float,
        week_rate: float,
        level_rate: float,
    ) -> None:
        """Update the patterns with the values relative to the level, which `last_week` has, and then the level.

        `references` are those of the interval, `idle` the series that learn nothing.
        """
        day_phase, week_phase = phases
        difference, change = self._from_patterns, self._change
        from_day, from_week = difference
        np.subtract(self.last_week[week_phase], references[:2], out=difference)
        difference[:, idle] = 0
        np.multiply(from_day, np.float32(day_rate), out=from_day)
        np.add(references[0], from_day, out=self.by_day[day_phase])
        np.multiply(from_week, np.float32(week_rate), out=change)
        np.add(references[1], change, out=self.by_week[week_phase])
        # The level takes up the mean of all phases. If the pattern took it up as well, both would drift apart.
        np.divide(change, np.float32(self._week_length), out=change)
        np.add(self.week_mean, change, out=self.week_mean)
        np.add(from_week, self.week_mean, out=from_week)
        from_week[idle] = 0
        np.multiply(from_week, np.float32(level_rate), out=from_week)
        np.add(self.level, from_week, out=self.level)


class _Tape:
    """The last values of each series, newest first, as consecutive rows of a longer array: `lags`."""

    def __init__(self, lags: Float32Array) -> None:
        self._rows = np.empty((_TAPE, lags.shape[1]), np.float32)
        self._first = _TAPE - LAGS
        self.lags[:] = lags

    @property
    def lags(self) -> Float32Array:
        """The last values, shape (LAGS, S)."""
        return self._rows[self._first : self._first + LAGS]

    @property
    def next(self) -> Float32Array:
        """The row for the next values; `push` makes it the newest one."""
        row: Float32Array = self._rows[self._first - 1]
        return row

    def push(self) -> None:
        """Go on by one interval."""
        self._first -= 1
        if not self._first:
            self._rows[_TAPE - LAGS :] = self.lags
            self._first = _TAPE - LAGS


@dataclass(frozen=True, slots=True, eq=False)
class _Either:
    """Series of which a value with another offset or level is as well expected at an interval.

    Attributes
    ----------
    series
        Their indexes.
    in_doubt, step
        Their offsets in doubt, 0 for none, and the difference of the other expectation.
    """

    series: IndexArray
    in_doubt: Float32Array
    step: Float32Array


class _Filter:
    """A run through intervals: the state, and the rows of one interval, which each step writes again."""

    def __init__(
        self,
        coefficients: Coefficients,
        patterns: _Patterns,
        values: Float32Array,
        harmonic: Float32Array,
        calendar: Calendar,
        holidays: HolidayPattern,
        offsets: Offsets,
        buffers: Buffers,
        keeps_expected: bool,
    ) -> None:
        n_times, n_series = values.shape
        self._values, self._harmonic, self._calendar, self._holidays = values, harmonic, calendar, holidays
        self._offsets, self._has_least_spread = offsets, bool(offsets.spread.any())
        self._missing = _indexes_of_rows(np.isnan(values))
        self._coefficients, base = coefficients, coefficients.sigma
        self._lag_beta = coefficients.beta[FIRST_LAG:]
        self._memory = np.clip(self._lag_beta.sum(axis=0), 0, 1)
        self._base_factor = base ** np.float32(1 - _TIME_OF_DAY_POWER - _RECENT_POWER)
        frequency = FREQUENCIES[calendar.frequency]
        self._event_length, self._level_rate = frequency.event_length, 1 / frequency.level_memory
        self._former_length = _FORMER_MEMORIES * frequency.level_memory
        self._wider = np.float32(np.exp(frequency.width_rate * (1 - _WIDE_SHARE)))
        self._narrower = np.float32(np.exp(-frequency.width_rate * _WIDE_SHARE))
        self._longest_repeat = calendar.day_length / LONGEST

        self._patterns = patterns
        self._state = state = patterns.state
        self._clean, self._raw = _Tape(state.lags), _Tape(state.raw_lags)
        np.copyto(state.spread, base, where=state.spread <= 0)
        self._width = state.width.copy()
        self._in_event = state.age > 0
        self._events = self._in_event.nonzero()[0]
        # 1 outside of events, where the last values count; and the growth of the spread during events.
        self._is_usual = (~self._in_event).astype(np.float32)
        self._growth = np.sqrt(state.growth)
        # Outside of events, it grows during gaps.
        self._gaps = (~self._in_event & (state.growth > 1)).nonzero()[0]
        # The intervals up to which the former level is kept, and up to which raw lags can differ from clean ones.
        self._former_until = state.former_left.astype(np.int32)
        self._differs_until = LAGS * (state.lags != state.raw_lags).any(axis=0).astype(np.int32)

        rows = buffers.get("rows", 5, n_times, n_series)
        self._sigma, self._z, self._z_seasonal, self._reference, self._before = rows
        n_kept = n_times if keeps_expected else 1
        kept = (buffers.get(name, n_kept, n_series) for name in ("expected", "alternative"))
        self._all_expected, self._all_alternative = kept
        self._expected, self._alternative = self._all_expected[0], self._all_alternative[0]
        self._features = np.ones((FEATURES, n_series), np.float32)
        of_interval = (np.empty(n_series, np.float32) for _ in range(7))
        self._usual, self._forecast, self._size, self._error, self._drift, self._work, self._more_work = of_interval
        self._deviations = np.empty((3, n_series), np.float32)
        self._deviation, self._raw_deviation, self._spread = self._deviations
        self._mask, self._more = (np.empty(n_series, np.bool_) for _ in range(2))
        self._spread_change = np.empty((3, n_series), np.float32)

    def step(self, t: int) -> None:
        """Process an interval."""
        if t < len(self._all_expected):
            self._expected, self._alternative = self._all_expected[t], self._all_alternative[t]
        calendar, patterns, state = self._calendar, self._patterns, self._state
        day_phase, week_phase = int(calendar.day_phase[t]), int(calendar.week_phase[t])
        is_holiday, missing, level = bool(calendar.is_holiday[t]), self._missing[t], patterns.level
        places = month_places(calendar, t)
        place = largest_offset(state, places) if places else None
        month_offset = None if place is None else state.profile[place, np.arange(len(level))]
        offset = state.profile[week_phase] if month_offset is None else state.profile[week_phase] + month_offset

        references = self._expect(t, day_phase, week_phase, offset)
        # Repeats are taken out of the value.
        value, deviation = self._raw.next, self._deviation
        np.subtract(self._values[t], offset, out=value)
        np.subtract(self._values[t], self._expected, out=deviation)
        value[missing], deviation[missing] = 0, 0
        if len(missing):
            value[missing] = _through_gap(missing, level, references, self._clean.lags[0])
        either = None if is_holiday else self._put_drift(t, week_phase, month_offset, place)
        if is_holiday:
            self._put_holiday(t, week_phase)
        else:
            np.subtract(deviation, self._drift, out=self._raw_deviation)
            # During an event, the residual is that from the clean lags.
            np.multiply(self._drift, self._is_usual, out=self._drift)
            np.add(self._expected, self._drift, out=self._alternative)
        self._measure(t, day_phase, is_holiday, missing)
        above_level, z_seasonal, reference = patterns.last_week[week_phase], self._z_seasonal[t], self._reference[t]
        np.subtract(value, level, out=above_level)
        np.subtract(above_level, references[1], out=z_seasonal)
        np.divide(z_seasonal, self._spread, out=z_seasonal)
        np.add(reference, references[1], out=reference)

        odd = np.greater(self._size, ODD, out=self._mask).nonzero()[0]
        size = self._size[odd]
        unusual = odd[size > UNUSUAL]
        if not is_holiday:
            self._learn_width(odd[size > _WIDE_FROM], missing)
            repeated = odd[state.age[odd] < self._longest_repeat]
            adopt_repeats(state, repeated, deviation, self._size, self._sigma[t], month_offset, calendar, t)
            if either is not None:
                self._settle(t, week_phase, either, place)
        # What a holiday differs from the expectation by is no sign of the day after.
        clean = self._clean.next
        if is_holiday:
            clean[:] = self._forecast
            self._differs_until[:] = t + 1 + LAGS
            value[missing] = self._forecast[missing]
            above_level[:] = references[1]
        else:
            clean[:] = value
            clean[unusual] = self._forecast[unusual]
            above_level[unusual] = self._usual[unusual]
            self._differs_until[unusual] = t + 1 + LAGS
        idle = self._follow_events(t, week_phase, unusual, is_holiday)
        self._follow_gaps(missing)
        if calendar.after_holiday[t]:
            reference[:] = _NAN
        if not is_holiday:
            # Learn from what is observed and usual, on usual days.
            if len(missing):
                unusual, idle = np.concatenate([unusual, missing]), np.concatenate([idle, missing])
            self._learn_spread(day_phase, unusual)
            patterns.learn((day_phase, week_phase), references, idle, _DAY_RATE, _WEEK_RATE, self._level_rate)
        self._clean.push()
        self._raw.push()

    def output(self, before: Float32Array) -> FilterOutput:
        """Return the output; `before` are the residuals before the first interval, as in `FilterState.recent`."""
        n_times = len(self._z)
        total = self._before
        for strip in wide_strips(total.shape[1], n_times):
            for residuals in (self._z[:, strip], self._z_seasonal[:, strip]):
                np.clip(residuals, -_MOST_SIGMAS, _MOST_SIGMAS, out=residuals)
            parts = np.concatenate([before[::-1, strip], _joint_parts(self._z[:, strip])])
            self._state.recent[:, strip] = parts[n_times:][::-1]
            newest = [parts[JOINT - 2 - back : JOINT - 2 - back + n_times] for back in range(JOINT - 1)]
            np.add(newest[0], newest[1], out=total[:, strip])
            for older in newest[2:]:
                total[:, strip] += older
        return FilterOutput(
            self._all_expected,
            self._all_alternative,
            self._sigma,
            self._z,
            total,
            self._z_seasonal,
            self._reference,
        )

    def end(self) -> None:
        """Complete the state after the last interval."""
        state, n_times = self._state, len(self._z)
        state.lags[:], state.raw_lags[:] = self._clean.lags, self._raw.lags
        state.width[:] = self._width
        np.maximum(self._former_until - n_times, 0, out=state.former_left)

    def _expect(self, t: int, day_phase: int, week_phase: int, offset: Float32Array) -> Float32Array:
        """Predict the values of an interval from the clean lags, and return the references."""
        features, usual, level = self._features, self._usual, self._patterns.level
        references = features[1 : FIRST_LAG - 1]
        self._patterns.put_references(day_phase, week_phase, references)
        features[FIRST_LAG - 1] = self._harmonic[t]
        np.subtract(self._clean.lags, level, out=features[FIRST_LAG:])
        np.einsum("fs,fs->s", features, self._coefficients.beta, out=usual)
        # Lag coefficients that add up to more than 1 would make expectations diverge, also through a gap.
        np.maximum(usual, self._coefficients.low, out=usual)
        np.minimum(usual, self._coefficients.high, out=usual)
        np.add(usual, level, out=self._forecast)
        np.add(level, offset, out=self._reference[t])
        np.add(usual, self._reference[t], out=self._expected)
        self._drift[:] = 0
        series = np.greater(self._differs_until, t, out=self._mask).nonzero()[0]
        if len(series):
            change = self._raw.lags.take(series, axis=1)
            change -= self._clean.lags.take(series, axis=1)
            self._drift[series] = np.einsum("fs,fs->s", change, self._lag_beta.take(series, axis=1))
        return references

    def _put_drift(
        self, t: int, week_phase: int, month_offset: Float32Array | None, place: IndexArray | None
    ) -> _Either | None:
        """Find the series of which another value is as well expected, and put its difference in place of the drift.

        A value without an offset that is in doubt, or none, is as well expected; and for some days after a shift, so is
        a return.
        """
        state, mask = self._state, np.greater(self._former_until, t, out=self._mask)
        np.logical_or(mask, np.greater(state.doubt[week_phase], 0, out=self._more), out=mask)
        if place is not None:
            mask |= state.doubt[place, np.arange(len(mask))] > 0
        series = mask.nonzero()[0]
        series = series[~self._in_event[series]]
        in_doubt = state.profile[week_phase, series]
        in_doubt[state.doubt[week_phase, series] == 0] = 0
        if place is not None and month_offset is not None:
            in_doubt += np.where(state.doubt[place[series], series] > 0, month_offset[series], _ZERO)
        is_former = in_doubt == 0
        if place is not None or is_former.any():
            # An offset of 0 is in no doubt.
            kept = ~is_former | (self._former_until[series] > t)
            series, in_doubt, is_former = series[kept], in_doubt[kept], is_former[kept]
        if not len(series):
            return None
        step = np.where(is_former, state.former[series] - self._patterns.level[series], -in_doubt)
        self._drift[series] = step
        return _Either(series, in_doubt, step)

    def _put_holiday(self, t: int, week_phase: int) -> None:
        """Take out of values what differs from a usual day as much as a holiday may; the expectation is a range."""
        value, deviation, drift = self._raw.next, self._deviation, self._drift
        first, second = self._holidays.offsets(t, self._state, week_phase)
        lowest = np.minimum(first, second)
        of_holiday = np.minimum(np.maximum(deviation, lowest), np.maximum(first, second))
        np.subtract(value, of_holiday, out=value)
        np.subtract(deviation, of_holiday, out=deviation)
        np.subtract(deviation, drift, out=self._raw_deviation)
        # The last values move the end of the range that they are nearer to.
        moves_first = drift * (first - second) > 0
        np.add(self._expected, np.where(moves_first, _ZERO, drift) + second, out=self._alternative)
        np.add(self._expected, np.where(moves_first, drift, _ZERO) + first, out=self._expected)
        np.add(self._reference[t], lowest, out=self._reference[t])

    def _measure(self, t: int, day_phase: int, is_holiday: bool, missing: IndexArray) -> None:
        """Estimate the spread, and measure the deviations in it."""
        spread, work, coefficients = self._spread, self._work, self._coefficients
        # The recent spread to 3/4 of the power of the time of day's: roots are faster than another power.
        np.sqrt(self._state.volatility, out=work)
        np.sqrt(work, out=spread)
        np.multiply(spread, work, out=spread)
        np.multiply(spread, self._state.spread[day_phase], out=spread)
        np.power(spread, _POWER, out=spread)
        np.multiply(spread, self._base_factor, out=spread)
        np.maximum(spread, coefficients.floor, out=spread)
        np.multiply(spread, self._width, out=spread)
        if is_holiday:
            np.maximum(spread, coefficients.holiday, out=spread)
        if self._has_least_spread:
            np.maximum(spread, self._offsets.spread[self._offsets.rows[t]], out=spread)
        np.multiply(spread, self._growth, out=self._sigma[t])

        # The residual is the deviation from the nearer expectation, and 0 between the two.
        usual, other, z = self._deviation, self._drift, self._z[t]
        np.subtract(usual, other, out=other)
        other[missing] = usual[missing]
        self._raw_deviation[missing] = usual[missing]
        np.maximum(np.minimum(usual, other, out=work), _ZERO, out=work)
        np.minimum(np.maximum(usual, other, out=z), _ZERO, out=z)
        np.add(z, work, out=z)
        np.divide(z, self._sigma[t], out=z)
        np.abs(z, out=self._size)
        error, most = self._error, self._more_work
        np.minimum(np.abs(usual, out=work), np.abs(other, out=error), out=error)
        np.multiply(error, _MEAN_TO_SIGMA, out=error)
        np.minimum(error, np.multiply(spread, _SPREAD_CLIP, out=most), out=error)

    def _learn_width(self, far: IndexArray, missing: IndexArray) -> None:
        """Learn how often values are far off."""
        width, work, events = self._width, self._work, self._events
        np.multiply(width, self._narrower, out=work)
        work[far] = np.minimum(width[far] * self._wider, _MOST_WIDTH)
        np.maximum(work, _ONE, out=work)
        old = events[self._state.age[events] >= _WIDE_AGE]
        work[old], work[missing] = width[old], width[missing]
        self._width, self._work = work, width

    def _settle(self, t: int, week_phase: int, either: _Either, place: IndexArray | None) -> None:
        """Settle which of two expectations holds: with an offset or without it, the level or the former one."""
        state, patterns, series, in_doubt = self._state, self._patterns, either.series, either.in_doubt
        observed, most = ~np.isnan(self._values[t, series]), _SETTLED_CHANGE * self._sigma[t, series]
        from_usual, from_other = np.abs(self._deviation[series]), np.abs(self._raw_deviation[series])
        agrees_usual = from_usual < most
        agrees_other = observed & (from_other < from_usual) & (from_other < most)
        is_doubted = in_doubt != 0
        agrees = agrees_usual & is_doubted & observed
        dropped, returned = is_doubted & agrees_other, agrees_other & ~(is_doubted | agrees_usual)
        settle_doubts(state, np.full(len(series), week_phase), series, agrees, dropped)
        if place is not None:
            settle_doubts(state, place[series], series, agrees, dropped)
        value, above_level = self._raw.next, patterns.last_week[week_phase]
        if dropped.any():
            back = series[dropped]
            value[back] += in_doubt[dropped]
            above_level[back] = value[back] - patterns.level[back]
        if returned.any():
            back, step = series[returned], either.step[returned]
            patterns.level[back] += step
            self._clean.lags[:, back] += step
            above_level[back] = value[back] - patterns.level[back]
            self._former_until[back] = t + 1
            self._differs_until[back] = t + 1 + LAGS

    def _follow_events(self, t: int, week_phase: int, unusual: IndexArray, is_holiday: bool) -> IndexArray:
        """Follow the events, and return the unusual series that learn nothing.

        An event becomes the new level when it has settled, or has lasted too long.
        """
        state, active = self._state, unusual
        if len(self._events):
            mask = self._mask
            mask[:] = self._in_event
            mask[unusual] = True
            active = mask.nonzero()[0]
        if not len(active):
            return unusual
        is_unusual, in_event, shift = self._size[active] > UNUSUAL, self._in_event[active], state.shift[active]
        deviation, raw_deviation, spread = self._deviations.take(active, axis=1)
        change = np.minimum(np.abs(raw_deviation), np.abs(deviation - shift))
        settled = (state.settled[active] + 1) * (in_event & (change < _SETTLED_CHANGE * spread))
        # A value that is missing does not end an event.
        goes_on = is_unusual | np.isnan(self._values[t, active])
        age = (state.age[active] + is_unusual) * goes_on
        event_length = _NEVER if is_holiday else self._event_length
        is_accepted = age > event_length
        if is_accepted.any():
            has_settled = (settled >= _SETTLED_INTERVALS) | (age > 3 * event_length)
            is_accepted &= in_event & is_unusual & has_settled
            age[is_accepted] = 0
        goes_on, memory = age > 0, self._memory[active]
        state.settled[active] = 0 if is_holiday else settled
        followed = np.where(in_event, _SHIFT_KEPT * shift + _SHIFT_NEW * deviation, deviation)
        state.shift[active] = np.where(is_unusual, followed, _ZERO)
        state.age[active] = age
        growth = np.where(goes_on, _ONE + memory * memory * state.growth[active], _ONE)
        state.growth[active], self._growth[active] = growth, np.sqrt(growth)
        self._in_event[active], self._is_usual[active] = goes_on, ~goes_on
        self._events = active[goes_on]
        if not is_accepted.any():
            return unusual
        self._accept(t, week_phase, active[is_accepted])
        idle: IndexArray = active[is_unusual & ~is_accepted]
        return idle

    def _follow_gaps(self, missing: IndexArray) -> None:
        """Let the spread grow where values are missing, outside of events."""
        ended, growth = self._gaps, self._state.growth
        if not len(missing) and not len(ended):
            return
        gaps = missing[~self._in_event[missing]]
        grown = _ONE + np.minimum(self._memory[gaps], _GAP_MEMORY) ** 2 * growth[gaps]
        ended = ended[~self._in_event[ended]]
        growth[ended], self._growth[ended] = _ONE, _ONE
        growth[gaps], self._growth[gaps] = grown, np.sqrt(grown)
        self._gaps = gaps

    def _accept(self, t: int, week_phase: int, series: IndexArray) -> None:
        """Make the events of some series their new level."""
        state, patterns, value = self._state, self._patterns, self._raw.next
        first = series[self._former_until[series] <= t + 1]
        state.former[first] = patterns.level[first]
        self._former_until[series] = t + 1 + self._former_length
        patterns.level[series] += state.shift[series]
        self._clean.lags[:, series] = self._raw.lags[:, series]
        noisy = series[state.settled[series] < _SETTLED_INTERVALS]
        _widen_spread(state, self._raw.lags[:, noisy], noisy, self._coefficients.sigma[noisy])
        self._clean.next[series] = value[series]
        patterns.last_week[week_phase, series] = value[series] - patterns.level[series]
        self._reference[t, series] = _NAN

    def _learn_spread(self, day_phase: int, idle: IndexArray) -> None:
        """Learn the spread of this time of day, half as fast those of its neighbours, and the recent spread."""
        spreads, volatility, work, error = self._state.spread, self._state.volatility, self._work, self._error
        np.subtract(error, volatility, out=work)
        work[idle] = 0
        np.multiply(work, _VOLATILITY_RATE, out=work)
        np.add(volatility, work, out=volatility)
        if 0 < day_phase < len(spreads) - 1:
            rows, change = spreads[day_phase - 1 : day_phase + 2], self._spread_change
            np.subtract(error, rows, out=change)
            change[:, idle] = 0
            np.multiply(change, _SPREAD_RATES, out=change)
            np.add(rows, change, out=rows)
            return
        for step, (rate,) in zip((-1, 0, 1), _SPREAD_RATES, strict=True):
            row = spreads[(day_phase + step) % len(spreads)]
            np.subtract(error, row, out=work)
            work[idle] = 0
            np.multiply(work, rate, out=work)
            np.add(row, work, out=row)


def _through_gap(
    series: IndexArray, level: Float32Array, references: Float32Array, previous: Float32Array
) -> Float32Array:
    """Return what stands for the missing values of some series: the reference, which the last values return to.

    Expectations of expectations would diverge in a gap where the lags' coefficients add up to more than 1.
    """
    deviation = previous[series] - level[series] - references[2, series]
    through: Float32Array = level[series] + references[1, series] + _GAP_MEMORY * deviation
    return through


def joint_residuals(output: FilterOutput) -> Float32Array:
    """Return the standardised sum of each residual and the `JOINT` - 1 before it."""
    total: Float32Array = np.clip(output.z, -JOINT_CLIP, JOINT_CLIP)
    total += output.before
    total /= np.float32(np.sqrt(JOINT))
    return total


def _joint_parts(z: Float32Array) -> Float32Array:
    """Return what residuals contribute to the sums of later intervals: unusual ones nothing."""
    parts: Float32Array = np.clip(z, -JOINT_CLIP, JOINT_CLIP)
    np.copyto(parts, _ZERO, where=np.abs(z) > UNUSUAL)
    return parts


def _widen_spread(state: FilterState, last: Float32Array, noisy: IndexArray, sigma: Float32Array) -> None:
    """Raise the spreads to the scatter of the last values, after an event that did not settle: the noise is new too."""
    scatter = np.abs(last - last.mean(axis=0)).mean(axis=0) * _MEAN_TO_SIGMA
    least = sigma * (scatter / sigma) ** np.float32(1 / (_TIME_OF_DAY_POWER + _RECENT_POWER))
    state.volatility[noisy] = np.maximum(state.volatility[noisy], least)
    state.spread[:, noisy] = np.maximum(state.spread[:, noisy], least)


def _indexes_of_rows(mask: BoolArray) -> list[IndexArray]:
    """Return the indexes of the True elements of each row."""
    return [row.nonzero()[0] if has_any else _NO_SERIES for row, has_any in zip(mask, mask.any(axis=1), strict=True)]
