"""The filter: processes interval after interval, all series at once, and predicts each value before it uses it.

For each series, the filter keeps a level, the daily and weekly pattern that the harmonics leave over, the last values,
the spread at this time of day and recently, and whether an event is in progress. An event is a sequence of intervals
with unusual values; nothing is learned from them until they have settled on a new level.
"""

from __future__ import annotations

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
from anomalake.model.repeats import LONGEST, adopt_repeats, largest_offset, month_places, settle_doubts

#: Number of sigmas from which a value is unusual: it starts or continues an event.
UNUSUAL: Final = 6.0
#: Bound of a residual, in sigmas, in the sum of `JOINT` residuals.
JOINT_CLIP: Final = 3.5

# Smoothing rates per visit of a phase: of the daily pattern, the weekly pattern, and the spread.
_DAY_RATE, _WEEK_RATE, _SPREAD_RATE = 0.15, 0.3, 0.1
# Smoothing rate per interval of the recent spread.
_VOLATILITY_RATE = 0.03
# The spread is the series' sigma times the relative spread of the time of day and the relative recent spread, each to
# one of these powers: both are noisy estimates.
_TIME_OF_DAY_POWER, _RECENT_POWER = 0.4, 0.3
# Standard deviation of a normal distribution in units of its mean absolute deviation.
_MEAN_TO_SIGMA = 1.2533
# Larger absolute residuals, in sigmas, are clipped where the spread is learned.
_SPREAD_CLIP = 4.0
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
# Memories of the level for which the level before a shift is kept.
_FORMER_MEMORIES = 3
# Larger residuals, in sigmas, are clipped, to stay in the range of single precision.
_MOST_SIGMAS = np.float32(1e6)
_ONE = np.float32(1)


def first_pass(
    values: Float32Array, harmonic: Float32Array, calendar: Calendar, start: FilterState, jump: Float32Array
) -> tuple[History, Float32Array, FilterState]:
    """Process a history for the first time, to prepare the regression.

    Parameters
    ----------
    values, harmonic
        Values without the harmonics, and the harmonics; shape (T, S).
    jump
        Largest distance of a learned value from the previous one or from the reference, shape (S,).

    Returns
    -------
    Features, targets of shape (T, S) with NaN where nothing was observed, and the state at the end.
    """
    n_times, n_series = values.shape
    state = start.copy()
    references = np.empty((n_times, REFERENCES, n_series), np.float32)
    cleaned = np.empty((LAGS + n_times, n_series), np.float32)
    levels = np.empty((n_times, n_series), np.float32)
    cleaned[:LAGS] = state.lags[::-1]
    observed = ~np.isnan(values)
    weights = observed.astype(np.float32)
    level_rate = 1 / FREQUENCIES[calendar.frequency].level_memory
    visits_of_day_phase = np.zeros(calendar.day_length, np.int64)
    visits_of_week_phase = np.zeros(calendar.week_length, np.int64)
    level = state.level
    for t in range(n_times):
        day_phase, week_phase = int(calendar.day_phase[t]), int(calendar.week_phase[t])
        _put_references(state, day_phase, week_phase, calendar, references[t])
        levels[t] = level
        previous = cleaned[LAGS - 1 + t]
        clean = cleaned[LAGS + t]
        reference = references[t, 1] + level
        np.copyto(clean, reference)
        np.copyto(clean, values[t], where=observed[t])
        np.minimum(clean, np.maximum(reference, previous) + jump, out=clean)
        np.maximum(clean, np.minimum(reference, previous) - jump, out=clean)
        above_level = clean - level
        if calendar.is_holiday[t]:
            state.last_week[week_phase] = references[t, 1]
            weights[t] = 0
        else:
            state.last_week[week_phase] = above_level
        # Rates are higher at first, as of a running mean.
        level = _update_pattern(
            state,
            level,
            above_level,
            weights[t],
            (day_phase, week_phase),
            max(_DAY_RATE, 1 / (visits_of_day_phase[day_phase] + 2)),
            max(_WEEK_RATE, 1 / (visits_of_week_phase[week_phase] + 2)),
            max(level_rate, 1 / (t + 1)),
        )
        visits_of_day_phase[day_phase] += 1
        visits_of_week_phase[week_phase] += 1
    state.lags[:] = cleaned[n_times:][::-1]
    state.raw_lags[:] = state.lags
    np.copyto(state.level, level)
    return History(references, harmonic, cleaned, levels), values - levels, state


def run_filter(
    coefficients: Coefficients,
    start: FilterState,
    values: Float32Array,
    harmonic: Float32Array,
    calendar: Calendar,
    holidays: HolidayPattern,
    month_spread: Float32Array,
) -> tuple[FilterOutput, FilterState]:
    """Process intervals one after another.

    Parameters
    ----------
    start
        The state before the first interval; it is not changed.
    values, harmonic
        Values without the harmonics, and the harmonics; shape (T, S), NaN where nothing was observed.
    holidays
        What the holidays are expected to be.
    month_spread
        Least spread of days with a peak of the month, shape (T, S).

    Returns
    -------
    The output for all intervals, and the state after the last.
    """
    n_times, n_series = values.shape
    state = start.copy()
    expected, alternative, sigma, residuals, before, z_seasonal, references = (
        np.empty((n_times, n_series), np.float32) for _ in range(7)
    )
    features = np.ones((FEATURES, n_series), np.float32)
    beta, lag_beta, base = coefficients.beta, coefficients.beta[FIRST_LAG:], coefficients.sigma
    memory = np.clip(lag_beta.sum(axis=0), 0, 1)
    frequency = FREQUENCIES[calendar.frequency]
    event_length, level_rate = frequency.event_length, 1 / frequency.level_memory
    former_length = _FORMER_MEMORIES * frequency.level_memory
    wider = np.float32(np.exp(frequency.width_rate * (1 - _WIDE_SHARE)))
    narrower = np.float32(np.exp(-frequency.width_rate * _WIDE_SHARE))
    longest_repeat = calendar.day_length / LONGEST
    series, no_offset = np.arange(n_series), np.zeros(n_series, np.float32)
    level = state.level
    for t in range(n_times):
        day_phase, week_phase = int(calendar.day_phase[t]), int(calendar.week_phase[t])
        is_holiday = bool(calendar.is_holiday[t])
        observed = ~np.isnan(values[t])
        in_event = state.age > 0

        # Two expectations relative to the level: from the clean lags, and from the raw ones.
        _put_references(state, day_phase, week_phase, calendar, features[1:])
        features[FIRST_LAG - 1] = harmonic[t]
        np.subtract(state.lags, level, out=features[FIRST_LAG:])
        usual = np.einsum("fs,fs->s", features, beta)
        reference = state.by_week[week_phase]
        # Lag coefficients that add up to more than 1 would make expectations diverge, also through a gap.
        np.minimum(np.maximum(usual, coefficients.low, out=usual), coefficients.high, out=usual)
        after_raw = usual + np.einsum("fs,fs->s", state.raw_lags - state.lags, lag_beta)
        # An offset that is in doubt, or none, is as well expected; and for some days after a shift, so is a return.
        offset = state.profile[week_phase].copy()
        doubt, former_left = state.doubt[week_phase], state.former_left
        in_doubt = np.where(doubt > 0, offset, 0)
        places = month_places(calendar, t)
        month_offset = no_offset
        if places:
            month_place = largest_offset(state, places)
            month_offset = state.profile[month_place, series]
            offset += month_offset
            in_doubt += np.where(state.doubt[month_place, series] > 0, month_offset, 0)
        either = np.flatnonzero(((in_doubt != 0) | (former_left > 0)) & ~in_event & (not is_holiday))
        to_other = np.where(in_doubt[either] != 0, -in_doubt[either], state.former[either] - level[either])
        after_raw[either] = usual[either] + to_other

        # The spread of the next value, and of a value after so many intervals of an event.
        spread = np.maximum(_spread(state, coefficients, day_phase, is_holiday), month_spread[t])
        wide = spread * np.sqrt(state.growth)

        # Repeats are taken out of the value.
        value = np.where(observed, values[t] - offset, usual + level)
        deviation: Float32Array = np.where(observed, value - level - usual, 0)
        raw_deviation = np.where(observed, value - level - after_raw, 0)
        if is_holiday:
            # What differs from a usual day as much as a holiday may is taken out of the value too.
            first, second = holidays.offsets(t, state, week_phase)
            lowest, highest = np.minimum(first, second), np.maximum(first, second)
            of_holiday = np.minimum(np.maximum(deviation, lowest), highest)
            value, deviation, raw_deviation = (x - of_holiday for x in (value, deviation, raw_deviation))
        # During an event, the residual is that from the clean lags. Otherwise, and on holidays, it is the smaller one,
        # and 0 between the two expectations.
        use_both = np.full(n_series, True) if is_holiday else ~in_event
        z_usual = np.clip(deviation / wide, -_MOST_SIGMAS, _MOST_SIGMAS)
        z_raw: Float32Array = np.clip(raw_deviation / np.where(use_both, wide, spread), -_MOST_SIGMAS, _MOST_SIGMAS)
        raw_is_nearer = use_both & (np.abs(z_raw) < np.abs(z_usual))
        z = np.where(raw_is_nearer, z_raw, z_usual)
        z = np.where(use_both & (z_raw * z_usual < 0), 0, z)
        size = np.abs(z)
        unusual = size > UNUSUAL

        shown = level + offset
        np.add(usual, shown, out=expected[t])
        np.add(np.where(use_both, after_raw, usual), shown, out=alternative[t])
        if is_holiday:
            # The last values move the end of the range that they are nearer to.
            drift = after_raw - usual
            moves_first = drift * (first - second) > 0
            np.add(usual + np.where(moves_first, drift, 0) + first, shown, out=expected[t])
            np.add(usual + np.where(moves_first, 0, drift) + second, shown, out=alternative[t])
        sigma[t] = wide
        residuals[t] = z
        before[t] = state.recent.sum(axis=0)
        z_seasonal[t] = np.clip((value - level - reference) / spread, -_MOST_SIGMAS, _MOST_SIGMAS)

        np.add(reference, shown + lowest if is_holiday else shown, out=references[t])
        width = state.width * np.where(size > _WIDE_FROM, wider, narrower)
        learns = observed & (state.age < _WIDE_AGE) & (not is_holiday)
        np.copyto(state.width, np.minimum(np.maximum(width, _ONE), _MOST_WIDTH), where=learns)

        if not is_holiday:
            can_repeat = observed & (state.age < longest_repeat)
            adopt_repeats(state, deviation, size, wide, can_repeat, month_offset, calendar, t)
        if len(either):
            agrees_usual = np.abs(z_usual[either]) < _SETTLED_CHANGE
            agrees_other = observed[either] & raw_is_nearer[either] & (np.abs(z_raw[either]) < _SETTLED_CHANGE)
            of_either = in_doubt[either]
            is_doubted = of_either != 0
            agrees = agrees_usual & is_doubted & observed[either]
            dropped, returned = is_doubted & agrees_other, ~is_doubted & agrees_other & ~agrees_usual
            settle_doubts(state, np.full(len(either), week_phase), either, agrees, dropped)
            if places:
                settle_doubts(state, month_place[either], either, agrees, dropped)
            value[either[dropped]] += of_either[dropped]
            deviation[either[dropped]] = raw_deviation[either[dropped]]
            level[either[returned]] += to_other[returned]
            state.lags[:, either[returned]] += to_other[returned]
            former_left[either[returned]] = 1
        np.subtract(former_left, 1, out=former_left, where=former_left > 0)

        # What a holiday differs from the expectation by is no sign of the day after.
        clean = np.where(observed & ~unusual & (not is_holiday), value, usual + level)
        accepted = np.zeros(n_series, np.bool_)
        active = np.flatnonzero(in_event | unusual)
        if len(active):
            accepted[active] = _follow_events(
                state,
                active,
                unusual[active],
                observed[active],
                z_raw[active],
                deviation[active],
                spread[active],
                memory[active],
                _NEVER if is_holiday else event_length,
            )
            if is_holiday:
                state.settled[active] = 0
        if accepted.any():
            np.copyto(state.former, level, where=accepted & (former_left == 0))
            np.copyto(former_left, former_length, where=accepted)
            level = level + np.where(accepted, state.shift, 0)
            state.lags[:, accepted] = state.raw_lags[:, accepted]
            _widen_spread(state, accepted & (state.settled < _SETTLED_INTERVALS), base)
            clean = np.where(accepted, value, clean)
            np.copyto(references[t], np.float32(np.nan), where=accepted)
        if calendar.after_holiday[t]:
            references[t] = np.nan

        # Learn from what is observed and usual, on usual days.
        weight = (observed & (~unusual | accepted)).astype(np.float32)
        if is_holiday:
            weight[:] = 0
            state.last_week[week_phase] = reference
        else:
            error = np.abs(np.where(raw_is_nearer, raw_deviation, deviation)) * np.float32(_MEAN_TO_SIGMA)
            _update_spread(state, np.minimum(error, _SPREAD_CLIP * spread), observed & ~unusual, day_phase, base)
            state.last_week[week_phase] = clean - level
        level = _update_pattern(
            state, level, clean - level, weight, (day_phase, week_phase), _DAY_RATE, _WEEK_RATE, level_rate
        )
        _push(state.lags, clean)
        _push(state.raw_lags, np.where(observed, value, clean))
        _push(state.recent, np.clip(np.where(unusual, 0, z), -JOINT_CLIP, JOINT_CLIP))
    np.copyto(state.level, level)
    return FilterOutput(expected, alternative, sigma, residuals, before, z_seasonal, references), state


def _follow_events(
    state: FilterState,
    active: IndexArray,
    unusual: BoolArray,
    observed: BoolArray,
    z_raw: Float32Array,
    deviation: Float32Array,
    spread: Float32Array,
    memory: Float32Array,
    event_length: int,
) -> BoolArray:
    """Follow the events of the `active` series, and return which of them become the new level.

    An event does so when it has settled, or has lasted too long. The other arguments are of the active series.
    """
    in_event, shift = state.age[active] > 0, state.shift[active]
    changed_little = (np.abs(z_raw) < _SETTLED_CHANGE) | (np.abs(deviation - shift) < _SETTLED_CHANGE * spread)
    settled = np.where(in_event & changed_little, state.settled[active] + 1, 0)
    age = np.where(unusual, state.age[active] + 1, np.where(observed, 0, state.age[active]))
    has_settled = (age > event_length) & (settled >= _SETTLED_INTERVALS)
    accepted: BoolArray = in_event & unusual & (has_settled | (age > 3 * event_length))
    followed = np.where(in_event, _SHIFT_KEPT * shift + _SHIFT_NEW * deviation, deviation)
    age = np.where(accepted, 0, age)
    state.settled[active] = settled
    state.shift[active] = np.where(unusual, followed, 0)
    state.age[active] = age
    state.growth[active] = np.where(age > 0, _ONE + memory * memory * state.growth[active], _ONE)
    return accepted


def joint_residuals(output: FilterOutput) -> Float32Array:
    """Return the standardised sum of each residual and the `JOINT` - 1 before it."""
    total: Float32Array = (output.before + np.clip(output.z, -JOINT_CLIP, JOINT_CLIP)) / np.float32(np.sqrt(JOINT))
    return total


def _put_references(state: FilterState, day_phase: int, week_phase: int, calendar: Calendar, out: Float32Array) -> None:
    """Write the features between 1 and the harmonics to `out` (see `FIRST_LAG`)."""
    day_length, week_length = calendar.day_length, calendar.week_length
    out[0] = state.by_day[day_phase]
    out[1] = state.by_week[week_phase]
    out[2] = state.by_week[(week_phase - 1) % week_length]
    out[3] = state.last_week[(week_phase - (day_length if day_length < week_length else 1)) % week_length]
    out[4] = state.last_week[week_phase]


def _spread(state: FilterState, coefficients: Coefficients, day_phase: int, is_holiday: bool) -> Float32Array:
    """Return the spread of the next value."""
    base = coefficients.sigma
    by_time = np.where(state.spread[day_phase] > 0, state.spread[day_phase], base)
    time_of_day_factor = (by_time / base) ** np.float32(_TIME_OF_DAY_POWER)
    spread: Float32Array = base * time_of_day_factor * (state.volatility / base) ** np.float32(_RECENT_POWER)
    spread = np.maximum(spread, coefficients.floor) * state.width
    return np.maximum(spread, coefficients.holiday) if is_holiday else spread


def _update_pattern(
    state: FilterState,
    level: Float32Array,
    above_level: Float32Array,
    weight: Float32Array,
    phases: tuple[int, int],
    day_rate: float,
    week_rate: float,
    level_rate: float,
) -> Float32Array:
    """Update the daily and weekly pattern with a value relative to the level, and return the new level.

    `weight` is 1 for series to learn from, otherwise 0.
    """
    day_phase, week_phase = phases
    from_week = above_level - state.by_week[week_phase]
    state.by_day[day_phase] += np.float32(day_rate) * weight * (above_level - state.by_day[day_phase])
    change = np.float32(week_rate) * weight * from_week
    state.by_week[week_phase] += change
    # The level takes up the mean of all phases. If the pattern took it up as well, both would drift apart.
    state.week_mean[:] += change / np.float32(len(state.by_week))
    new_level: Float32Array = level + np.float32(level_rate) * weight * (from_week + state.week_mean)
    return new_level


def _update_spread(
    state: FilterState, size: Float32Array, learned: BoolArray, day_phase: int, base: Float32Array
) -> None:
    """Update the spread of this time of day, half as fast those of its neighbours, and the recent spread."""
    for step, rate in ((0, _SPREAD_RATE), (1, _SPREAD_RATE / 2), (-1, _SPREAD_RATE / 2)):
        row = state.spread[(day_phase + step) % len(state.spread)]
        previous = np.where(row > 0, row, base)
        np.copyto(row, previous + np.float32(rate) * (size - previous), where=learned)
    np.copyto(
        state.volatility, state.volatility + np.float32(_VOLATILITY_RATE) * (size - state.volatility), where=learned
    )


def _widen_spread(state: FilterState, noisy: BoolArray, base: Float32Array) -> None:
    """Raise the spreads to the scatter of the last values, after an event that did not settle: the noise is new too."""
    last = state.raw_lags[:, noisy]
    scatter = np.abs(last - last.mean(axis=0)).mean(axis=0) * np.float32(_MEAN_TO_SIGMA)
    sigma = base[noisy]
    least = sigma * (scatter / sigma) ** np.float32(1 / (_TIME_OF_DAY_POWER + _RECENT_POWER))
    state.volatility[noisy] = np.maximum(state.volatility[noisy], least)
    state.spread[:, noisy] = np.maximum(state.spread[:, noisy], least)


def _push(lags: Float32Array, newest: Float32Array) -> None:
    lags[1:] = lags[:-1]
    lags[0] = newest
