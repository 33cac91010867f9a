"""Learning from a history."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import numpy as np

from anomalake.model.calendar import (
    SECONDS,
    STEPS,
    Bools,
    Calendar,
    Floats,
    calendar_of,
    harmonics,
    longest_rhythm,
    rhythms,
)
from anomalake.model.chunks import in_chunks
from anomalake.model.counts import CountModel, are_whole, fit_counts
from anomalake.model.filter import (
    Coefficients,
    FilterState,
    History,
    blank,
    joined,
    learn_history,
    run,
    together,
)
from anomalake.model.metrics import Metrics
from anomalake.model.model import Model, ModelError, State
from anomalake.model.regression import regress
from anomalake.model.season import Singles, fit_harmonics
from anomalake.model.spread import MAD, median, quantiles
from anomalake.model.standard import standard, standardised
from anomalake.model.tails import Tails, fit_tails

#: Observed points of a metric below which nothing is said of it.
LEAST_POINTS = {"PT5M": 72, "PT10M": 72, "PT1H": 48, "P1D": 10}

# The least spread that is believed: a share of the range that holds nearly all values, or of a constant.
_LEAST_SPREAD, _LEAST_OF_CONSTANT = 0.005, 0.1
# Spread of what is rounded to whole numbers.
_ROUNDING = 12**-0.5
_JUMP = 5.0
# Rows beyond which every fifth is enough for what need not be exact.
_ENOUGH = 400
# How far beyond the range of the history expectations may go, in widths of it.
_ROOM = 1.0
# Residuals of the history are smaller than those to come, by the degrees of freedom that the fit has used up.
_SPENT = 15


@dataclass(frozen=True, slots=True, eq=False)
class _Learned:
    """What was learned of some metrics."""

    center: Floats
    scale: Floats
    nonnegative: Bools
    is_ready: Bools
    harmonics: Singles
    coefficients: Coefficients
    tails: Tails
    tails_together: Tails
    tails_rhythm: Tails
    counts: CountModel
    filtered: FilterState


def fit(metrics: Metrics, *, holidays: Collection[date] = ()) -> Model:
    """Learn what is usual, without learning from what is not.

    Parameters
    ----------
    metrics
        The history, up to the last interval before those to judge.
    holidays
        Days that are not as others, past and future.

    Raises
    ------
    ModelError
        There is no interval.
    """
    n_times = len(metrics.starts)
    if not n_times:
        raise ModelError("history: no interval; expected some")
    calendar = calendar_of(metrics.starts, metrics.frequency, metrics.timezone, holidays)
    named = rhythms(n_times, metrics.frequency)
    basis = harmonics(calendar, named)
    longest = longest_rhythm(named, metrics.frequency)
    values = metrics.flat

    def learn(first: int, end: int) -> _Learned:
        return _learn(values[first:end], calendar, basis, longest)

    parts = in_chunks(learn, metrics.n_metrics, n_times)
    step = np.timedelta64(SECONDS[metrics.frequency], "s")
    return Model(
        frequency=metrics.frequency,
        timezone=metrics.timezone,
        holidays=tuple(sorted(holidays)),
        measures=metrics.measures,
        dimension_names=metrics.dimension_names,
        combinations=metrics.combinations,
        center=np.concatenate([part.center for part in parts]),
        scale=np.concatenate([part.scale for part in parts]),
        nonnegative=np.concatenate([part.nonnegative for part in parts]),
        is_ready=np.concatenate([part.is_ready for part in parts]),
        rhythms=named,
        harmonics=np.concatenate([part.harmonics for part in parts], axis=-1),
        coefficients=Coefficients(
            *(
                np.concatenate([getattr(part.coefficients, name) for part in parts], axis=-1)
                for name in Coefficients.__slots__
            )
        ),
        tails=_joined_tails([part.tails for part in parts]),
        tails_together=_joined_tails([part.tails_together for part in parts]),
        tails_rhythm=_joined_tails([part.tails_rhythm for part in parts]),
        counts=CountModel(
            *(np.concatenate([getattr(part.counts, name) for part in parts]) for name in CountModel.__slots__)
        ),
        state=State(metrics.starts[-1].astype("datetime64[s]") + step, joined([part.filtered for part in parts])),
    )


def _learn(raw: Floats, calendar: Calendar, basis: Floats, longest: int) -> _Learned:
    """Learn of some metrics; `raw` has shape (S, T)."""
    n_times = raw.shape[1]
    day, week = STEPS[calendar.frequency]
    center, scale, constant = standard(raw)
    values = standardised(raw, center, scale)
    observed = ~np.isnan(values)

    coefficients = fit_harmonics(_without(values, calendar.is_holiday), basis, longest)
    harmonic = (basis.astype(np.float32) @ coefficients).astype(np.float32)
    rest = values - harmonic
    start = blank(_first_level(rest, day), calendar.frequency)

    low, high = quantiles(values[_some(n_times)], (0.01, 0.99))
    floor = np.where(constant, _LEAST_OF_CONSTANT, np.maximum(_LEAST_SPREAD * (high - low), 1e-6))
    whole = are_whole(raw)
    counts = fit_counts(raw, whole)
    grain = np.maximum(np.sqrt(counts.mean * counts.dispersion), np.where(whole, _ROUNDING, 0.0)) / scale
    floor = np.maximum(floor, grain).astype(np.float32)
    history, targets, first_end = learn_history(rest, harmonic, calendar, start, _jump(rest, day))
    warm = week if n_times > 2.5 * week else min(day, n_times // 3)
    off_holidays = _without(targets, calendar.is_holiday)
    beta, sigma = regress(history, off_holidays, warm, grain.astype(np.float32))
    holiday = _holiday_spread(history, targets, beta, sigma, calendar.is_holiday)
    low_rest, high_rest = quantiles(off_holidays[_some(n_times)], (0.002, 0.998))
    del history, targets

    room = _ROOM * np.maximum(sigma, high_rest - low_rest)
    known = Coefficients(beta, sigma, floor, holiday, low_rest - room, high_rest + room)
    passed, end = run(known, _second_start(start, first_end, sigma), rest, harmonic, calendar)
    usable = observed & ~calendar.is_holiday[:, None]
    usable[:warm] = False
    end.recent[:, counts.few] = 0
    n_usable = usable.sum(axis=0)
    optimism = np.sqrt((n_usable + _SPENT) / np.maximum(n_usable - _SPENT, _SPENT / 2))

    def tails_of(residuals: Singles) -> Tails:
        return fit_tails(residuals[warm:], usable[warm:]).wider(optimism)

    return _Learned(
        center=center,
        scale=scale,
        nonnegative=~(raw < 0).any(axis=1),
        is_ready=observed.sum(axis=0) >= LEAST_POINTS[calendar.frequency],
        harmonics=coefficients,
        coefficients=known,
        tails=tails_of(passed.z),
        tails_together=tails_of(together(passed.z, passed.before)),
        tails_rhythm=tails_of(passed.off_rhythm),
        counts=counts,
        filtered=end,
    )


def _first_level(rest: Singles, day: int) -> Singles:
    """Level to begin with: the median of the first day, or of all where that has nothing."""
    first = rest[:day]
    level: Singles = np.where(np.isnan(first).all(axis=0), median(rest), median(first)).astype(np.float32)
    return level


def _jump(rest: Singles, day: int) -> Singles:
    """How far a value may be off and still be learned from in the first run."""
    few = _some(len(rest))

    def scatter(differences: Singles) -> Singles:
        some = differences[few]
        return np.float32(MAD) * median(np.abs(some - median(some))).astype(np.float32)

    by_day = scatter(rest[day:] - rest[:-day]) if len(rest) > 2 * day else scatter(rest)
    by_step = scatter(rest[1:] - rest[:-1]) if len(rest) > 1 else by_day
    scale = np.maximum(by_day, by_step)
    jump: Singles = np.float32(_JUMP) * np.where(scale > 0, scale, np.float32(0.1))
    return jump


def _holiday_spread(history: History, targets: Singles, beta: Singles, sigma: Singles, is_holiday: Bools) -> Singles:
    """Spread on holidays: that of the history's, at least thrice the usual one."""
    least: Singles = 3 * sigma
    if not is_holiday.any():
        return least
    rows: list[int] = np.flatnonzero(is_holiday).tolist()
    expected: list[Singles] = [(history.features(row, row + 1)[0] * beta).sum(axis=0) for row in rows]
    off = np.abs(targets[rows] - np.array(expected))
    spread: Singles = np.maximum(least, quantiles(off, (0.8,))[0]).astype(np.float32)
    return spread


def _second_start(start: FilterState, first_end: FilterState, sigma: Singles) -> FilterState:
    """The state to run through the history again: with the rhythms that the first run learned."""
    state = start.copy()
    for name in ("by_day", "by_week", "last_week"):
        np.copyto(getattr(state, name), getattr(first_end, name))
    np.copyto(state.week_mean, first_end.by_week.mean(axis=0))
    np.copyto(state.volatility, sigma)
    return state


def _without(values: Singles, is_holiday: Bools) -> Singles:
    if not is_holiday.any():
        return values
    kept = values.copy()
    kept[is_holiday] = np.nan
    return kept


def _some(n_times: int) -> slice:
    return slice(None, None, 5 if n_times > _ENOUGH else 1)


def _joined_tails(parts: list[Tails]) -> Tails:
    arrays = (np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in ("knee", "scale", "shape"))
    return Tails(parts[0].share, *arrays)
