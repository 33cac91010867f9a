"""The filter: takes one interval after another, all series at once, and says what it expects before it looks.

Series are standardised and rid of their harmonics (see `season`), so that what is left wanders about a level. The
filter keeps, for each series, that level, what remains of the rhythms of day and week, the last values, how much values
scatter at this time of day and lately, and whether something unusual is going on. Arrays have the series on the last
axis, so one interval touches whole rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from anomalake.model.calendar import STEPS, Bools, Calendar, Ints
from anomalake.model.season import Singles

LAGS: Final = 6
#: Features before the lags: 1, rest of the day's rhythm, rest of the week's now and before, the values a day and a
#: week ago, the harmonics.
BASE: Final = 7
FEATURES: Final = BASE + LAGS

# How fast references follow: a share of each visit's deviation, and of a day's deviations for the level.
_DAY_RATE, _WEEK_RATE, _SPREAD_RATE = 0.15, 0.3, 0.1
_VOLATILITY_RATE = 0.03
# The spread is that of the series x the time of day's (to this power) x the recent one (to that).
_BY_TIME, _BY_RECENT = 0.6, 0.3
_MEAN_TO_SIGMA = 1.2533
# Absolute residuals beyond so many sigmas say no more about the spread.
_SPREAD_CLIP = 4.0
#: From so many sigmas on, a value is unusual: it is kept out of all that is learned, and an event begins.
EVENT: Final = 6.0
_CALM, _CALM_STEPS = 3.0, 3
#: Intervals after which an event that has settled becomes the new level; three times as many, and it does in any case.
SETTLED: Final = {"PT5M": 48, "PT10M": 36, "PT1H": 24, "P1D": 7}
#: Points that are judged together with the present one, to see small deviations that last.
TOGETHER: Final = 4
#: In their sum, nothing counts for more spreads than these.
TOGETHER_CLIP: Final = 3.5
# Residuals beyond so many sigmas are all the same; keeps single precision in its range.
_FARTHEST = np.float32(1e6)

_ONE = np.float32(1)


@dataclass(frozen=True, slots=True, eq=False)
class Coefficients:
    """What the filter does not change; arrays of float32 with S series last.

    Attributes
    ----------
    beta
        Regression of the next value on the features, shape (FEATURES, S).
    sigma
        Spread of its residuals, shape (S,); `floor` is the least spread that is believed.
    holiday
        Spread on holidays, shape (S,).
    low, high
        Range of values above the level, shape (S,), that nothing expected leaves.
    """

    beta: Singles
    sigma: Singles
    floor: Singles
    holiday: Singles
    low: Singles
    high: Singles

    def part(self, first: int, end: int) -> Coefficients:
        """Those of some of the series; a view."""
        return Coefficients(**{one.name: getattr(self, one.name)[..., first:end] for one in fields(self)})


@dataclass(frozen=True, slots=True, eq=False)
class FilterState:
    """What the filter knows of S series after an interval; all but `age` and `calm` are float32.

    Attributes
    ----------
    level
        Shape (S,).
    by_day, by_week
        Rest of the rhythm by day and week phase: shape (day, S), (week, S).
    week_mean
        Mean of `by_week`, which belongs to the level, shape (S,).
    last_week
        The last value above the level at each week phase, shape (week, S).
    lags, raw_lags
        The last values, newest first, shape (LAGS, S): with unusual ones replaced by what was expected, and as they
        were.
    spread
        Spread by day phase, shape (day, S); 0 where not known yet.
    volatility
        Recent spread, shape (S,).
    age, calm
        Intervals that an event has lasted, and has been settled, shape (S,).
    growth
        By how much the variance of an expectation over so many unusual intervals exceeds that of the next, shape (S,).
    shift
        How far values were off during the event, shape (S,).
    recent
        The last standardised residuals, clipped, newest first, shape (TOGETHER - 1, S); of metrics that count few
        things, their last surprises (`counts`).
    """

    level: Singles
    by_day: Singles
    by_week: Singles
    week_mean: Singles
    last_week: Singles
    lags: Singles
    raw_lags: Singles
    spread: Singles
    volatility: Singles
    age: Ints
    calm: Ints
    growth: Singles
    shift: Singles
    recent: Singles

    def part(self, first: int, end: int) -> FilterState:
        """The state of some of the series; a view."""
        return FilterState(**{one.name: getattr(self, one.name)[..., first:end] for one in fields(self)})

    def copy(self) -> FilterState:
        """A state whose arrays are its own."""
        return FilterState(**{one.name: getattr(self, one.name).copy() for one in fields(self)})

    def to_arrays(self) -> dict[str, Any]:
        """The arrays by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> FilterState:
        """Out of `to_arrays`; raises KeyError."""
        return cls(**{one.name: arrays[one.name] for one in fields(cls)})


def joined(parts: list[FilterState]) -> FilterState:
    """The states of all series out of those of some."""
    if len(parts) == 1:
        return parts[0]
    return FilterState(
        **{
            one.name: np.concatenate([getattr(part, one.name) for part in parts], axis=-1)
            for one in fields(FilterState)
        }
    )


def blank(level: Singles, frequency: str) -> FilterState:
    """The state of series of which only a level is known, shape (S,)."""
    day, week = STEPS[frequency]
    n = len(level)

    def zeros(*shape: int) -> Singles:
        return np.zeros((*shape, n), np.float32)

    return FilterState(
        level=level.astype(np.float32),
        by_day=zeros(day),
        by_week=zeros(week),
        week_mean=zeros(),
        last_week=zeros(week),
        lags=np.repeat(level[None].astype(np.float32), LAGS, axis=0),
        raw_lags=np.repeat(level[None].astype(np.float32), LAGS, axis=0),
        spread=zeros(day),
        volatility=zeros(),
        age=np.zeros(n, np.int64),
        calm=np.zeros(n, np.int64),
        growth=np.ones(n, np.float32),
        shift=zeros(),
        recent=zeros(TOGETHER - 1),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Passed:
    """What the filter said of intervals, float32 of shape (T, S), in standardised units without the harmonics.

    Attributes
    ----------
    expected, other, sigma
        Expected value, what may be expected as well (else the same), and the spread of both.
    z
        How many spreads the value was off the nearer of both; 0 between them, and where nothing was observed.
    before
        Sum of the clipped `z` of the `TOGETHER` - 1 intervals before.
    off_rhythm
        How many spreads the value was off level and rhythm alone, whatever the last values were.
    """

    expected: Singles
    other: Singles
    sigma: Singles
    z: Singles
    before: Singles
    off_rhythm: Singles


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """What the regression is to learn from, float32; the lagged values are kept once, not for each lag.

    Attributes
    ----------
    references
        The features but for 1, harmonics and lags, shape (T, BASE - 2, S).
    harmonic
        The harmonics, shape (T, S).
    clean
        Values that are learned from, after the `LAGS` before them, shape (LAGS + T, S).
    level
        The level before each interval, shape (T, S).
    """

    references: Singles
    harmonic: Singles
    clean: Singles
    level: Singles

    def features(self, first: int, end: int, series: slice = slice(None)) -> Singles:
        """Features of some intervals and series, shape (end - first, FEATURES, series)."""
        level = self.level[first:end, series]
        out = np.empty((len(level), FEATURES, level.shape[1]), np.float32)
        out[:, 0] = 1
        out[:, 1 : BASE - 1] = self.references[first:end, :, series]
        out[:, BASE - 1] = self.harmonic[first:end, series]
        for lag in range(LAGS):
            newest = LAGS - 1 - lag
            np.subtract(self.clean[first + newest : end + newest, series], level, out=out[:, BASE + lag])
        return out


def learn_history(
    values: Singles, harmonic: Singles, calendar: Calendar, start: FilterState, jump: Singles
) -> tuple[History, Singles, FilterState]:
    """Run through a history for the first time, to see what the regression is to learn from.

    Parameters
    ----------
    values, harmonic
        Without the harmonics, and the harmonics; shape (T, S).
    jump
        How far a value may be from the one before or from the reference and still be learned from, shape (S,).

    Returns
    -------
    What to learn from, targets (T, S) with NaN where nothing is to be learned, and the state at the end.
    """
    n_times, n_series = values.shape
    state = start.copy()
    references = np.empty((n_times, BASE - 2, n_series), np.float32)
    cleaned = np.empty((LAGS + n_times, n_series), np.float32)
    levels = np.empty((n_times, n_series), np.float32)
    cleaned[:LAGS] = state.lags[::-1]
    observed = ~np.isnan(values)
    weights = observed.astype(np.float32)
    visits_day = np.zeros(calendar.day, np.int64)
    visits_week = np.zeros(calendar.week, np.int64)
    level = state.level
    for t in range(n_times):
        day_phase, week_phase = int(calendar.day_phase[t]), int(calendar.week_phase[t])
        _references(state, day_phase, week_phase, calendar, references[t])
        levels[t] = level
        before = cleaned[LAGS - 1 + t]
        clean = cleaned[LAGS + t]
        reference = references[t, 1] + level
        np.copyto(clean, reference)
        np.copyto(clean, values[t], where=observed[t])
        np.minimum(clean, np.maximum(reference, before) + jump, out=clean)
        np.maximum(clean, np.minimum(reference, before) - jump, out=clean)
        above = clean - level
        if calendar.is_holiday[t]:
            state.last_week[week_phase] = references[t, 1]
            weights[t] = 0
        else:
            state.last_week[week_phase] = above
        level = _follow(
            state,
            level,
            above,
            weights[t],
            (day_phase, week_phase),
            max(_DAY_RATE, 1 / (visits_day[day_phase] + 2)),
            max(_WEEK_RATE, 1 / (visits_week[week_phase] + 2)),
            max(1 / calendar.day, 1 / (t + 1)),
        )
        visits_day[day_phase] += 1
        visits_week[week_phase] += 1
    state.lags[:] = cleaned[n_times:][::-1]
    state.raw_lags[:] = state.lags
    return History(references, harmonic, cleaned, levels), values - levels, _with_level(state, level)


def run(
    known: Coefficients, start: FilterState, values: Singles, harmonic: Singles, calendar: Calendar
) -> tuple[Passed, FilterState]:
    """Judge intervals one after another.

    Parameters
    ----------
    start
        The state before the first of them; it stays as it is.
    values, harmonic
        Without the harmonics, and the harmonics; shape (T, S), NaN where nothing was observed.

    Returns
    -------
    What was said of them, and the state after the last.
    """
    n_times, n_series = values.shape
    state = start.copy()
    expected, other, sigma, scores, before, off_rhythm = (np.empty((n_times, n_series), np.float32) for _ in range(6))
    features = np.ones((FEATURES, n_series), np.float32)
    beta, lag_beta, base = known.beta, known.beta[BASE:], known.sigma
    memory = np.clip(lag_beta.sum(axis=0), 0, 1)
    settled = SETTLED[calendar.frequency]
    level = state.level
    for t in range(n_times):
        day_phase, week_phase = int(calendar.day_phase[t]), int(calendar.week_phase[t])
        observed = ~np.isnan(values[t])
        in_event = state.age > 0

        # What is expected after what usually would have been, and after what was.
        _references(state, day_phase, week_phase, calendar, features[1:])
        features[BASE - 1] = harmonic[t]
        np.subtract(state.lags, level, out=features[BASE:])
        usual = np.einsum("fs,fs->s", features, beta)
        reference = state.by_week[week_phase]
        # A feedback that explodes must not carry expectations away, nor an unstable one through a gap.
        np.minimum(np.maximum(usual, known.low, out=usual), known.high, out=usual)
        after_raw = usual + np.einsum("fs,fs->s", state.raw_lags - state.lags, lag_beta)

        spread = np.where(state.spread[day_phase] > 0, state.spread[day_phase], base)
        now = base * (spread / base) ** np.float32(_BY_TIME) * (state.volatility / base) ** np.float32(_BY_RECENT)
        now = np.maximum(now, known.floor)
        if calendar.is_holiday[t]:
            now = np.maximum(now, known.holiday)
        wide = now * np.sqrt(state.growth)

        value = np.where(observed, values[t], usual + level)
        off_usual = np.where(observed, value - level - usual, 0)
        off_raw = np.where(observed, value - level - after_raw, 0)
        # During an event the usual counts; else, and on holidays, the kinder of both, and what lies between is right.
        either = np.full(n_series, True) if calendar.is_holiday[t] else ~in_event
        z_usual = np.clip(off_usual / wide, -_FARTHEST, _FARTHEST)
        z_raw = np.clip(off_raw / np.where(either, wide, now), -_FARTHEST, _FARTHEST)
        kinder_raw = either & (np.abs(z_raw) < np.abs(z_usual))
        z = np.where(kinder_raw, z_raw, z_usual)
        z = np.where(either & (z_raw * z_usual < 0), 0, z)
        hot = np.abs(z) > EVENT

        expected[t] = usual + level
        other[t] = np.where(either, after_raw, usual) + level
        sigma[t] = wide
        scores[t] = z
        before[t] = state.recent.sum(axis=0)
        off_rhythm[t] = np.clip((value - level - reference) / now, -_FARTHEST, _FARTHEST)

        steady = (np.abs(z_raw) < _CALM) | (np.abs(off_usual - state.shift) < _CALM * now)
        np.copyto(state.calm, np.where(in_event & steady, state.calm + 1, 0))
        age = np.where(hot, state.age + 1, np.where(observed, 0, state.age))
        accepted = in_event & hot & (((age > settled) & (state.calm >= _CALM_STEPS)) | (age > 3 * settled))
        np.copyto(
            state.shift,
            np.where(
                hot, np.where(in_event, np.float32(0.7) * state.shift + np.float32(0.3) * off_usual, off_usual), 0
            ),
        )
        clean = np.where(observed & ~hot, value, usual + level)
        if accepted.any():
            level = level + np.where(accepted, state.shift, 0)
            state.lags[:, accepted] = state.raw_lags[:, accepted]
            _widen(state, accepted & (state.calm < _CALM_STEPS), base)
            clean = np.where(accepted, value, clean)
            age = np.where(accepted, 0, age)
        np.copyto(state.age, age)
        np.copyto(state.growth, np.where(age > 0, _ONE + memory * memory * state.growth, _ONE))

        learned = (observed & (~hot | accepted)).astype(np.float32)
        if calendar.is_holiday[t]:
            learned[:] = 0
            state.last_week[week_phase] = reference
        else:
            _learn_spread(
                state,
                np.minimum(
                    np.abs(np.where(kinder_raw, off_raw, off_usual)) * np.float32(_MEAN_TO_SIGMA), _SPREAD_CLIP * now
                ),
                observed & ~hot,
                day_phase,
                base,
            )
            state.last_week[week_phase] = clean - level
        level = _follow(
            state, level, clean - level, learned, (day_phase, week_phase), _DAY_RATE, _WEEK_RATE, 1 / calendar.day
        )
        _push(state.lags, clean)
        _push(state.raw_lags, np.where(observed, value, clean))
        _push(state.recent, np.clip(np.where(hot, 0, z), -TOGETHER_CLIP, TOGETHER_CLIP))
    return Passed(expected, other, sigma, scores, before, off_rhythm), _with_level(state, level)


def together(z: Singles, before: Singles) -> Singles:
    """Standardised sum of a point and those before it, of the same shape."""
    total: Singles = (before + np.clip(z, -TOGETHER_CLIP, TOGETHER_CLIP)) / np.float32(np.sqrt(TOGETHER))
    return total


def _references(state: FilterState, day_phase: int, week_phase: int, calendar: Calendar, out: Singles) -> None:
    """The rest of the day's and the week's rhythm, of the week's before, and the values of a day and a week ago."""
    day, week = calendar.day, calendar.week
    out[0] = state.by_day[day_phase]
    out[1] = state.by_week[week_phase]
    out[2] = state.by_week[(week_phase - 1) % week]
    out[3] = state.last_week[(week_phase - (day if day < week else 1)) % week]
    out[4] = state.last_week[week_phase]


def _follow(
    state: FilterState,
    level: Singles,
    above: Singles,
    learned: Singles,
    phases: tuple[int, int],
    day_rate: float,
    week_rate: float,
    level_rate: float,
) -> Singles:
    """Let the references follow a value above the level, where something is `learned` (1, else 0); the new level."""
    day_phase, week_phase = phases
    from_week = above - state.by_week[week_phase]
    state.by_day[day_phase] += np.float32(day_rate) * learned * (above - state.by_day[day_phase])
    change = np.float32(week_rate) * learned * from_week
    state.by_week[week_phase] += change
    # What all phases have in common is the level's: else both would follow the same thing, and run away from it.
    state.week_mean[:] += change / np.float32(len(state.by_week))
    new_level: Singles = level + np.float32(level_rate) * learned * (from_week + state.week_mean)
    return new_level


def _learn_spread(state: FilterState, size: Singles, learned: Bools, day_phase: int, base: Singles) -> None:
    for step, rate in ((0, _SPREAD_RATE), (1, _SPREAD_RATE / 2), (-1, _SPREAD_RATE / 2)):
        row = state.spread[(day_phase + step) % len(state.spread)]
        known = np.where(row > 0, row, base)
        np.copyto(row, known + np.float32(rate) * (size - known), where=learned)
    np.copyto(
        state.volatility, state.volatility + np.float32(_VOLATILITY_RATE) * (size - state.volatility), where=learned
    )


def _widen(state: FilterState, noisy: Bools, base: Singles) -> None:
    """Let spreads be no less than the last values scatter, where an event never settled: it is a new noise as well."""
    last = state.raw_lags[:, noisy]
    scatter = np.abs(last - last.mean(axis=0)).mean(axis=0) * np.float32(_MEAN_TO_SIGMA)
    known = base[noisy]
    least = known * (scatter / known) ** np.float32(1 / (_BY_TIME + _BY_RECENT))
    state.volatility[noisy] = np.maximum(state.volatility[noisy], least)
    state.spread[:, noisy] = np.maximum(state.spread[:, noisy], least)


def _push(lags: Singles, newest: Singles) -> None:
    lags[1:] = lags[:-1]
    lags[0] = newest


def _with_level(state: FilterState, level: Singles) -> FilterState:
    np.copyto(state.level, level)
    return state
