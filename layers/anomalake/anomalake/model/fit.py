"""Fitting a model to a history."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any

import numpy as np

from anomalake.frequencies import FREQUENCIES
from anomalake.model.array_types import BoolArray, Float32Array, FloatArray, IndexArray
from anomalake.model.blocks import BLOCK, divided, in_blocks
from anomalake.model.calendar import Calendar, calendar_of, harmonics, longest_period, seasonal_periods
from anomalake.model.counts import (
    CountModel,
    are_integers,
    concatenate_counts,
    fit_counts,
    fit_pauses,
    mean_of_amounts,
)
from anomalake.model.filter import first_pass, joint_residuals, run_filter
from anomalake.model.filter_state import (
    LONGEST_RUN,
    RAMP,
    Coefficients,
    FilterState,
    History,
    concatenate_coefficients,
    initial_state,
)
from anomalake.model.holidays import (
    LEAST_SPREAD,
    HolidayModel,
    HolidayPattern,
    concatenate_holidays,
    concatenate_patterns,
    learn_holidays,
    no_holidays,
    spread_of_holidays,
)
from anomalake.model.layout import Buffers, strips, wide_strips
from anomalake.model.metrics import Metrics
from anomalake.model.model import Model, ModelError, State, holidays_taught
from anomalake.model.months import days_of_months, fit_months, no_months
from anomalake.model.peaks import concatenate_peaks, fit_peaks, offsets_of
from anomalake.model.ramps import deviations_of, means_of
from anomalake.model.regression import regress
from anomalake.model.runs import RunModel, above_zero, concatenate_runs, fit_runs
from anomalake.model.season import fit_harmonics
from anomalake.model.spread import MAD, median, quantiles
from anomalake.model.standard import in_units, standard, standardised
from anomalake.model.tails import Tails, concatenate_tails, n_tail_quantiles, put_tail_quantiles, tails_of

# Least spread: a share of the range that holds 98 % of the values without trend, or, for a constant, of its scale.
_LEAST_SPREAD, _LEAST_OF_CONSTANT = 0.005, 0.1
# Standard deviation of the error of rounding to integers.
_ROUNDING = 12**-0.5
# Largest jump of a value that the first pass learns from, in sigmas of differences, in addition to the usual step.
_JUMP = 5.0
# Peaks of the month are taken out so many times: harmonics and level had a part of them at first.
_MONTH_ITERATIONS = 2
# Number of intervals above which every fifth is enough for quantiles of a history.
_ALL_ROWS_UP_TO = 400
# How far expected values may leave the range of the history, in widths of that range.
_ROOM = 1.0
# Degrees of freedom that the fit uses: residuals of the history are smaller than those of new values by their share.
_DEGREES_OF_FREEDOM = 15
# Seconds of an interval from which values hardly depend on each other: tails can be lighter than the common one, and
# pauses of amounts are judged.
_LONG_INTERVAL = 3_600


@dataclass(frozen=True, slots=True, eq=False)
class _BlockFit:
    """Fit of a block of metrics; the attributes are those of `Model`."""

    center: FloatArray
    scale: FloatArray
    nonnegative: BoolArray
    is_ready: BoolArray
    harmonics: Float32Array
    months: Float32Array
    peaks: Float32Array
    coefficients: Coefficients
    holidays: HolidayModel
    tails: Tails
    joint_tails: Tails
    seasonal_tails: Tails
    ramp_tails: Tails
    counts: CountModel
    runs: RunModel
    state: FilterState


def fit(metrics: Metrics, *, holidays: Collection[date] = (), earlier: Model | HolidayModel | None = None) -> Model:
    """Fit a model that is not influenced by the anomalies of the history.

    Parameters
    ----------
    metrics
        The history, up to the last interval before those to judge.
    holidays
        Past and future days with other values than usual.
    earlier
        The model before this one, which knows what holidays before the history were like; or what it knows of the
        holidays of these metrics (`holidays_taught`).

    Raises
    ------
    ModelError
        The history has no interval.
    """
    n_times = len(metrics.starts)
    if not n_times:
        raise ModelError("history: 0 intervals; expected at least 1")
    calendar = calendar_of(metrics.starts, metrics.frequency, metrics.timezone, holidays)
    periods = seasonal_periods(n_times, metrics.frequency)
    basis = harmonics(calendar, periods)
    longest = longest_period(periods, metrics.frequency)
    values, buffers = metrics.flat, Buffers()
    taught = no_holidays(metrics.frequency, metrics.n_metrics)
    if earlier is not None and holidays:
        taught = (
            earlier
            if isinstance(earlier, HolidayModel)
            else holidays_taught(earlier.learned_holidays, earlier, metrics)
        )

    # Blocks write their part of it. What another process has written comes back as a copy.
    state = initial_state(metrics.n_metrics, metrics.frequency)

    def fit_block(first: int, end: int) -> _BlockFit:
        earlier_holidays, of_block = taught.part(first, end), state.part(first, end)
        return _fit_block(
            values[first:end], calendar, periods, basis, longest, earlier_holidays, bool(holidays), of_block, buffers
        )

    parts = in_blocks(fit_block, metrics.n_metrics, n_times)
    step = np.timedelta64(FREQUENCIES[metrics.frequency].seconds, "s")
    begin = 0
    for part in parts:
        end = begin + len(part.center)
        state.part(begin, end).put(part.state)
        begin = end
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
        seasonal_periods=periods,
        harmonics=np.concatenate([part.harmonics for part in parts], axis=-1),
        months=np.concatenate([part.months for part in parts], axis=-1),
        peaks=concatenate_peaks([part.peaks for part in parts]),
        coefficients=concatenate_coefficients([part.coefficients for part in parts]),
        learned_holidays=concatenate_holidays([part.holidays for part in parts]),
        tails=concatenate_tails([part.tails for part in parts]),
        joint_tails=concatenate_tails([part.joint_tails for part in parts]),
        seasonal_tails=concatenate_tails([part.seasonal_tails for part in parts]),
        ramp_tails=concatenate_tails([part.ramp_tails for part in parts]),
        counts=concatenate_counts([part.counts for part in parts]),
        runs=concatenate_runs([part.runs for part in parts]),
        state=State(metrics.starts[-1].astype("datetime64[s]") + step, state),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Standardised values, what harmonics and months leave over of them, and the harmonics: arrays of shape (T, S)."""

    values: Float32Array
    rest: Float32Array
    harmonic: Float32Array

    def part(self, first: int, end: int) -> _Rows:
        """Return views of the rows of consecutive series."""
        return _Rows(self.values[:, first:end], self.rest[:, first:end], self.harmonic[:, first:end])


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """What a fit knows of S metrics before the filter runs through their history.

    Attributes
    ----------
    center, scale
        Those of `Model`.
    integers, floor
        Which metrics are integers, and their least spread.
    months, peaks, coefficients
        Those of `Model`, the last as `harmonics`.
    beta, sigma
        Regression.
    low_rest, high_rest
        Range of values relative to the level.
    """

    center: FloatArray
    scale: FloatArray
    integers: BoolArray
    floor: Float32Array
    counts: CountModel
    months: Float32Array
    peaks: Float32Array
    coefficients: Float32Array
    beta: Float32Array
    sigma: Float32Array
    low_rest: Float32Array
    high_rest: Float32Array
    holidays: HolidayModel
    pattern: HolidayPattern


def _prepare(
    raw: FloatArray,
    calendar: Calendar,
    periods: Collection[str],
    basis: FloatArray,
    longest: int,
    n_warmup: int,
    earlier_holidays: HolidayModel,
    has_holidays: bool,
    rows: _Rows,
    state: FilterState,
    buffers: Buffers,
) -> _Prepared:
    """Standardise metrics, take their seasonality out, and regress what is left; `raw` has shape (S, T).

    What is left is written to `rows`, and the state from which the filter starts to `state`.
    """
    n_times, values = raw.shape[1], rows.values
    center, scale, constant = standard(raw)
    standardised(raw, center, scale, values)
    low, high = quantiles(_without_trend(values[_every_fifth(n_times)]), (0.01, 0.99))
    floor = np.where(constant, _LEAST_OF_CONSTANT, np.maximum(_LEAST_SPREAD * (high - low), 1e-6))
    integers = are_integers(raw)
    counts = fit_counts(raw, integers)
    # The spread that counting and rounding cause, in standardised units.
    grain = np.maximum(np.sqrt(counts.mean * counts.dispersion), np.where(integers, _ROUNDING, 0.0)) / scale
    floor = np.maximum(floor, grain).astype(np.float32)
    first, months = _first_fit(values, calendar, basis, longest, rows, state, buffers), no_months(calendar, len(raw))
    of_months, _ = days_of_months(months, calendar.month_slots)
    for _ in range(_MONTH_ITERATIONS if calendar.month_slots.shape[1] else 0):
        months = fit_months(first.targets - first.history.references[:, 1] + of_months, calendar.month_slots)
        if not months.any() and not of_months.any():
            break
        of_months, _ = days_of_months(months, calendar.month_slots)
        first = _first_fit(values - of_months, calendar, basis, longest, rows, state, buffers)
    # Low counts have no peaks: a median of counts says little.
    of_peaks = np.where(counts.is_low, np.float32(np.inf), floor)
    peaks = _take_out_peaks(first, rows, of_peaks, calendar, basis, longest)
    beta, sigma = regress(first.history, first.targets, n_warmup, grain.astype(np.float32))
    holidays, pattern = learn_holidays(
        earlier_holidays,
        first.history,
        rows.rest,
        first.end,
        calendar,
        periods,
        first.coefficients,
        n_warmup,
        has_holidays,
    )
    low_rest, high_rest = quantiles(first.targets[_every_fifth(n_times)], (0.002, 0.998))
    _start_again(state, first.level, sigma)
    return _Prepared(
        center=center,
        scale=scale,
        integers=integers,
        floor=floor,
        counts=counts,
        months=months,
        peaks=peaks,
        coefficients=first.coefficients,
        beta=beta,
        sigma=sigma,
        low_rest=low_rest,
        high_rest=high_rest,
        holidays=holidays,
        pattern=pattern,
    )


def _joined(parts: list[_Prepared]) -> _Prepared:
    """Return what is known of all metrics from that of consecutive ones."""
    if len(parts) == 1:
        return parts[0]
    joined: dict[str, Any] = {}
    for field in fields(_Prepared):
        joined[field.name] = _CONCATENATE.get(field.name, _concatenate)([getattr(part, field.name) for part in parts])
    return _Prepared(**joined)


def _concatenate(arrays: list[Any]) -> Any:
    return np.concatenate(arrays, axis=-1)


_CONCATENATE: dict[str, Callable[[list[Any]], Any]] = {
    "counts": concatenate_counts,
    "peaks": concatenate_peaks,
    "holidays": concatenate_holidays,
    "pattern": concatenate_patterns,
}


def _fit_block(
    raw: FloatArray,
    calendar: Calendar,
    periods: Collection[str],
    basis: FloatArray,
    longest: int,
    earlier_holidays: HolidayModel,
    has_holidays: bool,
    state: FilterState,
    buffers: Buffers,
) -> _BlockFit:
    """Fit a block of metrics; `raw` has shape (S, T). Their state at the end is written to `state`."""
    n_times = raw.shape[1]
    frequency = FREQUENCIES[calendar.frequency]
    memory = frequency.level_memory
    # Intervals at the start that are left out: the references have no estimate yet.
    longest_memory = max(memory, frequency.week_length)
    n_warmup = longest_memory if n_times > 2.5 * longest_memory else min(memory, n_times // 3)
    rows = _Rows(*(buffers.get(name, n_times, len(raw)) for name in ("values", "rest", "harmonic")))
    # In two parts: the first pass through a half needs less memory than the filter needs for the whole.
    size = BLOCK * max(-(-len(raw) // (2 * BLOCK)), 1)
    prepared = _joined(
        [
            _prepare(
                raw[begin:end],
                calendar,
                periods,
                basis,
                longest,
                n_warmup,
                earlier_holidays.part(begin, end),
                has_holidays,
                rows.part(begin, end),
                state.part(begin, end),
                buffers,
            )
            for begin, end in divided(len(raw), size)
        ]
    )
    center, scale = prepared.center, prepared.scale
    values, rest, harmonic = rows.values, rows.rest, rows.harmonic
    sigma, floor, counts, integers = prepared.sigma, prepared.floor, prepared.counts, prepared.integers
    observed = ~np.isnan(values)

    room = _ROOM * np.maximum(sigma, prepared.high_rest - prepared.low_rest)
    filter_coefficients = Coefficients(
        prepared.beta, sigma, floor, LEAST_SPREAD * sigma, prepared.low_rest - room, prepared.high_rest + room
    )
    offsets = offsets_of(prepared.months, prepared.peaks, calendar)
    output = run_filter(
        filter_coefficients,
        state,
        rest,
        harmonic,
        calendar,
        prepared.pattern,
        offsets,
        buffers,
        keeps_expected=False,
    )
    of_holidays = spread_of_holidays(output.z, output.sigma, calendar.is_holiday, sigma)
    filter_coefficients = replace(filter_coefficients, holiday=of_holidays)
    usable = observed & ~calendar.is_holiday[:, None]
    usable[:n_warmup] = False
    # A series that starts later has no estimates on its first day either.
    for series in np.flatnonzero(~observed[0]):
        starts_at, n_observed = int(np.argmax(observed[:, series])), int(observed[:, series].sum())
        if starts_at:
            usable[: starts_at + min(memory, n_observed // 3), series] = False
    state.recent[:, counts.is_low] = 0
    nonnegative = ~(raw < 0).any(axis=1)
    n_usable = usable.sum(axis=0)
    widening = np.sqrt(
        (n_usable + _DEGREES_OF_FREEDOM) / np.maximum(n_usable - _DEGREES_OF_FREEDOM, _DEGREES_OF_FREEDOM / 2)
    )
    is_long, of_days = frequency.seconds >= _LONG_INTERVAL, frequency.days > 0
    n_quantiles = n_tail_quantiles(can_be_light=is_long, of_days=of_days)
    quantiles_of_tails = np.empty((4, n_quantiles, len(raw)), np.float32)
    # In strips, whose arrays stay in the cache of a core.
    for strip in wide_strips(max(len(raw), 1), n_times):
        of_strip, unusable = output.part(strip.start, strip.stop), ~usable[n_warmup:, strip]
        deviations = np.concatenate(
            [state.deviations[:, strip], deviations_of(rest[:, strip], of_strip, calendar.is_holiday)]
        )
        state.deviations[:, strip] = deviations[len(deviations) - RAMP + 1 :]
        residuals = (of_strip.z, joint_residuals(of_strip), of_strip.z_seasonal, means_of(deviations))
        for of_kind, out in zip(residuals, quantiles_of_tails[..., strip], strict=True):
            if unusable.any():
                of_kind[n_warmup:][unusable] = np.nan
            put_tail_quantiles(of_kind[n_warmup:], out, can_be_light=is_long, of_days=of_days)
    of_values, joint_tails, seasonal_tails, ramp_tails = (
        tails_of(of_kind, n_times - n_warmup, can_be_light=is_long, of_days=of_days).widened(widening)
        for of_kind in quantiles_of_tails
    )
    reference = np.add(output.reference, harmonic, out=output.reference)
    offsets.add_to(reference)
    zero = (-center / scale).astype(np.float32)
    runs = fit_runs(values, reference, zero, nonnegative & ~counts.is_low, integers, n_warmup, has_pauses=is_long)
    above, usual = above_zero(values[-LONGEST_RUN:], reference[-LONGEST_RUN:], zero, runs.least)
    state.run_values[LONGEST_RUN - len(above) :], state.run_expected[LONGEST_RUN - len(usual) :] = above, usual
    can_be_amounts = np.flatnonzero(is_long & nonnegative & ~counts.is_low & (runs.least <= 0))
    counts.amount[can_be_amounts] = mean_of_amounts(raw[can_be_amounts, n_warmup:])
    with_pauses = np.flatnonzero(counts.has_pauses)
    if len(with_pauses):
        # The first days have no estimate of the level yet.
        usual_of_pauses = in_units(
            reference[n_warmup:, with_pauses], center[with_pauses], scale[with_pauses], np.zeros(len(with_pauses))
        )
        fitted, pause = fit_pauses(counts.select(with_pauses), raw[with_pauses, n_warmup:], usual_of_pauses)
        counts.pause[with_pauses], counts.longest[with_pauses] = fitted.pause, fitted.longest
        state.run_expected[-1, with_pauses] = pause
    return _BlockFit(
        center=center,
        scale=scale,
        nonnegative=nonnegative,
        is_ready=observed.sum(axis=0) >= frequency.least_points,
        harmonics=prepared.coefficients,
        months=prepared.months,
        peaks=prepared.peaks,
        coefficients=filter_coefficients,
        holidays=prepared.holidays,
        tails=of_values,
        joint_tails=joint_tails,
        seasonal_tails=seasonal_tails,
        ramp_tails=ramp_tails,
        counts=counts,
        runs=runs,
        state=state,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _FirstFit:
    """Harmonics of a history, its first level, and the first pass through what they leave over."""

    coefficients: Float32Array
    level: Float32Array
    history: History
    targets: Float32Array
    end: FilterState


def _first_fit(
    values: Float32Array,
    calendar: Calendar,
    basis: FloatArray,
    longest: int,
    rows: _Rows,
    state: FilterState,
    buffers: Buffers,
) -> _FirstFit:
    """Fit the harmonics of `values`, and write them and what they leave over to `rows`.

    `state` is changed to that after a first pass.
    """
    memory = FREQUENCIES[calendar.frequency].level_memory
    coefficients = fit_harmonics(_without_holidays(values, calendar.is_holiday), basis, longest)
    harmonic, rest, basis = rows.harmonic, rows.rest, basis.astype(np.float32)
    for strip in strips(values.shape[1]):
        of_strip = basis @ coefficients[:, strip]
        harmonic[:, strip] = of_strip
        np.subtract(values[:, strip], of_strip, out=rest[:, strip])
    level = _first_level(rest, memory)
    state.put_level(level)
    for pattern in (state.by_day, state.by_week, state.last_week, state.week_mean):
        pattern[:] = 0
    usual_rest = _without_holidays(rest, calendar.is_holiday)
    history, targets = first_pass(usual_rest, harmonic, calendar, state, _largest_jump(rest, memory), buffers)
    return _FirstFit(coefficients, level, history, targets, state)


def _take_out_peaks(
    first: _FirstFit, rows: _Rows, least_sigma: Float32Array, calendar: Calendar, basis: FloatArray, longest: int
) -> Float32Array:
    """Return the peaks of the day, and take them out of the first fit and of what it leaves over in `rows`."""
    peaks = fit_peaks(first.targets, least_sigma, calendar)
    series = np.flatnonzero(peaks.any(axis=(0, 1)))
    if not len(series):
        return peaks
    values, least_sigma = rows.values[:, series], least_sigma[series]
    # The arrays of the first fit of all series are kept.
    of_series, buffers = _Rows(values, np.empty_like(values), np.empty_like(values)), Buffers()
    state = initial_state(len(series), calendar.frequency)
    # Harmonics and level had a part of the peaks at first.
    of_peaks = peaks[0][:, series][calendar.day_phase]
    second = _first_fit(values - of_peaks, calendar, basis, longest, of_series, state, buffers)
    found = fit_peaks(second.targets + of_peaks, least_sigma, calendar)
    peaks[..., series] = found if found.any() else 0
    of_peaks = peaks[0][:, series][calendar.day_phase]
    _put(first, _first_fit(values - of_peaks, calendar, basis, longest, of_series, state, buffers), series)
    rows.rest[:, series], rows.harmonic[:, series] = of_series.rest, of_series.harmonic
    return peaks


def _put(whole: Any, part: Any, series: IndexArray) -> None:
    """Write the arrays of some series, also those of nested dataclasses, into those of all series."""
    for field in fields(whole):
        array, of_series = getattr(whole, field.name), getattr(part, field.name)
        if isinstance(array, np.ndarray):
            array[..., series] = of_series
        else:
            _put(array, of_series, series)


def _first_level(rest: Float32Array, memory: int) -> Float32Array:
    """Return the median of the first day (`Frequency.level_memory`), or of the whole history if that has no value."""
    level: Float32Array = median(rest[:memory])
    without = np.flatnonzero(np.isnan(rest[:memory]).all(axis=0))
    level[without] = median(rest[:, without])
    return level


def _without_trend(values: Float32Array) -> Float32Array:
    """Return values without the straight line through the medians of both halves."""
    half = len(values) // 2
    if not half:
        return values
    slope = ((median(values[half:]) - median(values[:half])) / half).astype(np.float32)
    trend: Float32Array = slope * np.arange(len(values), dtype=np.float32)[:, None]
    return values - trend


def _largest_jump(rest: Float32Array, memory: int) -> Float32Array:
    """Return the largest deviation of a value that the first pass learns from."""
    rows = _every_fifth(len(rest))

    def sigma_of(sample: Float32Array) -> Float32Array:
        return np.float32(MAD) * median(np.abs(sample - median(sample))).astype(np.float32)

    by_day = sigma_of(rest[memory:][rows] - rest[:-memory][rows] if len(rest) > 2 * memory else rest[rows])
    steps = rest[1:][rows] - rest[:-1][rows]
    sigma = np.maximum(by_day, sigma_of(steps)) if len(rest) > 1 else by_day
    # A trend without noise has steps of one size, which are no jumps.
    step = np.abs(median(steps))
    jump: Float32Array = step + np.float32(_JUMP) * np.where(sigma > 0, sigma, np.float32(0.1))
    return jump


def _start_again(state: FilterState, level: Float32Array, sigma: Float32Array) -> None:
    """Make the state after a first pass the start of a second one, with the daily and weekly pattern of the first."""
    state.put_level(level)
    state.week_mean[:] = state.by_week.mean(axis=0)
    state.volatility[:] = sigma


def _without_holidays(values: Float32Array, is_holiday: BoolArray) -> Float32Array:
    if not is_holiday.any():
        return values
    usual = values.copy()
    usual[is_holiday] = np.nan
    return usual


def _every_fifth(n_times: int) -> slice:
    return slice(None, None, 5 if n_times > _ALL_ROWS_UP_TO else 1)
