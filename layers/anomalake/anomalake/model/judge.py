"""Judging intervals with a fitted model."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from anomalake.frequencies import FREQUENCIES
from anomalake.model.array_types import BoolArray, Float32Array, FloatArray, IntArray, TimeArray
from anomalake.model.blocks import in_blocks
from anomalake.model.calendar import Calendar, calendar_of, harmonics
from anomalake.model.counts import judge_counts, judge_pauses, pauses_of
from anomalake.model.filter import JOINT_CLIP, joint_residuals, run_filter
from anomalake.model.filter_state import JOINT, LAGS, LONGEST_RUN, FilterOutput, FilterState
from anomalake.model.holidays import pattern_of
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.layout import Buffers, by_series, wide_strips
from anomalake.model.metrics import Metrics
from anomalake.model.model import Model, ModelError, State, align
from anomalake.model.peaks import offsets_of
from anomalake.model.ramps import deviations_of, judge_ramps, limits_of_ramps
from anomalake.model.runs import above_zero, judge_runs, limit_of_runs
from anomalake.model.season import sum_of_harmonics
from anomalake.model.standard import in_units, standardised
from anomalake.model.tails import limits_of, surprise

# Reduction of the joint surprise of consecutive points, because it is a second test.
_JOINT_MARGIN = 0.75
# The joint test counts only if the last point deviates in the same direction, by so many sigmas.
_JOINT_LEAST = 1.0
# Share of the decision at which the surprise of a deviation from the seasonal pattern contributes half of it. A point
# that the last values predicted, but the seasonal pattern did not, ranks higher but is no anomaly: a long event keeps
# its rank to its end, and a new level does not cause alarms for ever.
_SEASONAL_HALF = 0.5
# Share of the decision from which a low count is an anomaly: its probability is not extrapolated from a history. That
# of hours is low already.
_DECISION_OF_COUNTS, _DECISION_OF_HOURLY_COUNTS = 14 / 15, 0.97
# Share of the smaller of two surprises that is added to the larger one.
_SHARE_OF_SMALLER = 0.1
# Share of its surprise that a point hands on to the next one, by the seconds of an interval: people take the minutes
# after an event for its end, and so do labels. Such a point ranks higher but is no anomaly. None from half an hour on.
_HELD_SHARE = {300: 0.8, 600: 0.64, 900: 0.5}
_HOUR = 3_600
# After this many missed intervals, the last values have no more effect.
_MOST_MISSED = 3 * LAGS


def judge(
    model: Model, state: State, metrics: Metrics, first: int, *, decision: float | None = None
) -> tuple[Judgement, State]:
    """Judge the intervals from index `first` on.

    Parameters
    ----------
    model, state
        The model, and the state before the first judged interval. Intervals in between count as missing.
    metrics
        May have other metrics than the model: new ones are not judged, missing ones count as not observed.
    first
        Index into `metrics.starts`. Values before it are not used.
    decision
        Surprise (-log10 of the tail probability) from which a point is an anomaly; None: `Frequency.decision`. What is
        learned does not depend on it.

    Returns
    -------
    The judgement, shape (metrics, intervals), and the state after the last interval.

    Raises
    ------
    ModelError
        The frequency or zone is not the model's, the intervals begin before the state, or the state is of another
        model.
    """
    if (metrics.frequency, metrics.timezone) != (model.frequency, model.timezone):
        raise ModelError(
            f"metrics are {metrics.frequency} in {metrics.timezone}; the model was fitted on {model.frequency} "
            f"in {model.timezone}"
        )
    if len(state.filtered.level) != len(model.center):
        raise ModelError(
            f"state is of {len(state.filtered.level)} metrics; the model was fitted on {len(model.center)}"
        )
    least = FREQUENCIES[model.frequency].decision if decision is None else decision
    starts = metrics.starts[first:].astype("datetime64[s]")
    if not len(starts):
        empty = np.zeros((metrics.n_metrics, 0))
        return Judgement(first, empty, empty, empty, empty, empty.astype(np.bool_)), state
    missed = _missed_starts(state.next_start, starts[0], model.frequency)
    calendar = calendar_of(np.concatenate([missed, starts]), model.frequency, model.timezone, model.holidays)
    basis = harmonics(calendar, model.seasonal_periods).astype(np.float32)
    model_rows, metric_rows = align(model, metrics)
    raw = metrics.flat[:, first:]
    n_missed = len(missed)

    # Blocks write their part of these arrays. What another process has written comes back as a copy.
    everything = _Judged(*(np.empty((len(model.center), len(starts))) for _ in range(4)))
    state_after = state.filtered.empty()
    buffers = Buffers()

    def judge_block(begin: int, end: int) -> tuple[_Judged, FilterState]:
        rows = metric_rows[begin:end]
        if metric_rows is model_rows and not n_missed:
            values = raw[begin:end]
        else:
            values = np.full((end - begin, n_missed + len(starts)), np.nan)
            values[rows >= 0, n_missed:] = raw[rows[rows >= 0]]
        filtered, after = state.filtered.part(begin, end), state_after.part(begin, end)
        out = everything.part(begin, end)
        _judge_block(model, filtered, values, n_missed, basis, calendar, begin, end, least, out, after, buffers)
        return out, after

    parts = in_blocks(judge_block, len(model.center), n_missed + len(starts))
    step = np.timedelta64(FREQUENCIES[model.frequency].seconds, "s")
    after = State(starts[-1] + step, state_after)
    begin = 0
    for judged, filtered in parts:
        end = begin + len(judged.severity)
        everything.part(begin, end).put(judged)
        state_after.part(begin, end).put(filtered)
        begin = end
    del parts
    expected, lower, upper = (
        _in_order(array, model_rows, np.nan) for array in (everything.expected, everything.lower, everything.upper)
    )
    severity = _in_order(everything.severity, model_rows, 0.0)
    return Judgement(first, expected, lower, upper, severity, severity >= ANOMALOUS), after


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """Judgement of a block of metrics: arrays of shape (S, T)."""

    expected: FloatArray
    lower: FloatArray
    upper: FloatArray
    severity: FloatArray

    def part(self, first: int, end: int) -> _Judged:
        """Return views of the judgement of consecutive metrics."""
        return _Judged(*(getattr(self, field.name)[first:end] for field in fields(self)))

    def put(self, judged: _Judged) -> None:
        """Copy another judgement of these metrics, unless it is this one."""
        for field in fields(self):
            array, other = getattr(self, field.name), getattr(judged, field.name)
            if not np.may_share_memory(array, other):
                array[:] = other


def _judge_block(
    model: Model,
    filtered: FilterState,
    raw: FloatArray,
    n_missed: int,
    basis: Float32Array,
    calendar: Calendar,
    begin: int,
    end: int,
    decision: float,
    out: _Judged,
    after: FilterState,
    buffers: Buffers,
) -> None:
    """Judge a block of metrics, and write the judgement to `out` and the state to `after`.

    `raw` has shape (S, missed and judged intervals).
    """
    center, scale = model.center[begin:end], model.scale[begin:end]
    n_times, n_series = len(basis), end - begin
    values = standardised(raw, center, scale, buffers.get("values", n_times, n_series))
    harmonic = buffers.get("harmonic", n_times, n_series)
    harmonic = sum_of_harmonics(basis, model.harmonics[:, begin:end], harmonic)
    coefficients, of_block = model.harmonics[:, begin:end], model.learned_holidays.part(begin, end)
    holidays = pattern_of(of_block, calendar, model.seasonal_periods, coefficients, harmonic)
    offsets = offsets_of(model.months[..., begin:end], model.peaks[..., begin:end], calendar)
    seasonal = harmonic
    if offsets.offset.any():
        seasonal = harmonic.copy()
        offsets.add_to(seasonal)
    rest = np.subtract(values, seasonal, out=buffers.get("rest", n_times, n_series))
    after.put(filtered)
    output = run_filter(
        model.coefficients.part(begin, end), after, rest, harmonic, calendar, holidays, offsets, buffers
    )
    # What follows concerns each series alone: in strips, its arrays stay in the cache of a core.
    for strip in wide_strips(end - begin, len(values)):
        _judge_strip(
            model,
            filtered.part(strip.start, strip.stop),
            after.part(strip.start, strip.stop),
            output.part(strip.start, strip.stop),
            values[:, strip].copy(),
            rest[:, strip],
            seasonal[:, strip].copy(),
            calendar.is_holiday,
            raw[strip],
            n_missed,
            begin + strip.start,
            min(begin + strip.stop, end),
            decision,
            out.part(strip.start, strip.stop),
        )


def _judge_strip(
    model: Model,
    filtered: FilterState,
    after: FilterState,
    output: FilterOutput,
    values: Float32Array,
    rest: Float32Array,
    seasonal: Float32Array,
    is_holiday: BoolArray,
    raw: FloatArray,
    n_missed: int,
    begin: int,
    end: int,
    decision: float,
    out: _Judged,
) -> None:
    """Judge a strip of metrics by the output of the filter, and write the judgement to `out`.

    The state `after` the intervals is completed.
    """
    center, scale = model.center[begin:end], model.scale[begin:end]
    surprises, limit_up, limit_down = _surprises(model, output, begin, end, decision)
    expected = output.expected + seasonal
    alternative = output.alternative + seasonal
    lowest, highest = np.minimum(expected, alternative), np.maximum(expected, alternative)
    lower, upper = lowest - limit_down * output.sigma, highest + limit_up * output.sigma
    deviations = np.concatenate([filtered.deviations, deviations_of(rest, output, is_holiday)])
    after.deviations[:] = deviations[len(rest) :]
    ramp_tails = model.ramp_tails.part(begin, end)
    surprises = np.maximum(surprises, judge_ramps(ramp_tails, deviations, output.z))
    down, up = limits_of_ramps(ramp_tails, deviations, decision)
    down[is_holiday], up[is_holiday] = np.nan, np.nan
    reference = output.reference + seasonal
    np.fmax(lower, np.minimum(lowest, reference - down * output.sigma), out=lower)
    np.fmin(upper, np.maximum(highest, reference + up * output.sigma), out=upper)
    least = np.where(model.nonnegative[begin:end], 0.0, -np.inf)
    for array, of_judged in ((expected, out.expected), (lower, out.lower), (upper, out.upper)):
        in_units(array[n_missed:], center, scale, least, of_judged)
    expected, lower, upper = out.expected, out.lower, out.upper
    judged, surprises = raw[:, n_missed:], by_series(surprises)[:, n_missed:].astype(np.float64)
    is_low = model.counts.is_low[begin:end]
    is_hourly = FREQUENCIES[model.frequency].seconds == _HOUR
    share = _DECISION_OF_HOURLY_COUNTS if is_hourly else _DECISION_OF_COUNTS
    if is_low.any():
        counts = model.counts.select(slice(begin, end)).select(is_low)
        recent = np.zeros((JOINT - 1, int(is_low.sum())))
        recent[n_missed:] = filtered.recent[: max(0, JOINT - 1 - n_missed), is_low]
        judged_counts = judge_counts(counts, judged[is_low], expected[is_low], recent, decision * share, _JOINT_MARGIN)
        surprises[is_low] = judged_counts.surprises / share
        lower[is_low], upper[is_low] = judged_counts.lower, judged_counts.upper
        after.recent[:, is_low] = judged_counts.recent
    in_runs, limit = _judge_runs(model, output, values, reference, filtered, after, begin, end, decision)
    with_pauses = np.flatnonzero(model.counts.has_pauses[begin:end])
    if len(with_pauses):
        usual = in_units(reference[:, with_pauses], center[with_pauses], scale[with_pauses], np.zeros(len(with_pauses)))
        counts = model.counts.select(begin + with_pauses)
        pauses, _, last_pause = pauses_of(counts, raw[with_pauses], usual, filtered.run_expected[-1, with_pauses])
        after.run_expected[-1, with_pauses] = last_pause
        of_decision = np.where(is_low[with_pauses], share, 1.0)[:, None]
        in_pauses = judge_pauses(
            counts, judged[with_pauses], expected[with_pauses], pauses[:, n_missed:], decision * of_decision
        )
        surprises[with_pauses] = np.maximum(surprises[with_pauses], in_pauses.surprises / of_decision)
        expected[with_pauses] = np.fmax(in_pauses.expected, expected[with_pauses])
        lower[with_pauses] = np.fmax(in_pauses.lower, lower[with_pauses])
    surprises = _with_runs(surprises, by_series(in_runs)[:, n_missed:].astype(np.float64), decision)
    low_runs = in_units(limit[n_missed:], center, scale, np.full(len(center), -np.inf))
    np.fmax(lower, np.minimum(expected, low_runs), out=lower)
    _hold(surprises, decision, after.held, _HELD_SHARE.get(FREQUENCIES[model.frequency].seconds, 0.0))
    severity = np.divide(100 * surprises, surprises + decision, out=out.severity)
    severity[np.isnan(judged)] = 0
    _make_consistent(severity, judged, lower, upper)
    too_new = np.flatnonzero(~model.is_ready[begin:end])
    if len(too_new):
        expected[too_new], lower[too_new], upper[too_new], severity[too_new] = np.nan, np.nan, np.nan, 0


def _judge_runs(
    model: Model,
    output: FilterOutput,
    values: Float32Array,
    reference: Float32Array,
    before: FilterState,
    after: FilterState,
    begin: int,
    end: int,
    decision: float,
) -> tuple[Float32Array, Float32Array]:
    """Judge runs of low values, and write the last values to the state `after`.

    Returns
    -------
    The surprise of each run, and the value below which a run is an anomaly, NaN for none; shape (T, S).
    """
    runs = model.runs.part(begin, end)
    above, usual = above_zero(values, reference, runs.zero, runs.least)
    above, usual = np.concatenate([before.run_values, above]), np.concatenate([before.run_expected, usual])
    after.run_values[:], after.run_expected[:] = above[-LONGEST_RUN:], usual[-LONGEST_RUN:]
    unit = model.scale[begin:end]
    surprises = judge_runs(runs, above, usual, unit, output.z <= 0)
    return surprises, limit_of_runs(runs, above, usual, reference, unit, decision) + runs.zero


def _with_runs(surprises: FloatArray, in_runs: FloatArray, decision: float) -> FloatArray:
    """Return the larger surprise; where both decide, a share of the smaller one is added, so that the order is kept."""
    both = np.minimum(surprises, in_runs)
    larger = np.maximum(surprises, in_runs)
    decide = both >= decision
    larger[decide] += _SHARE_OF_SMALLER * both[decide]
    return larger


def _hold(surprises: FloatArray, decision: float, held: Float32Array, share: float) -> None:
    """Hand on a share of each surprise to the next points, to less than the decision.

    `surprises`, shape (S, T), and `held`, the surprise that the last interval hands on, are changed in place.
    """
    if not share:
        return
    most = np.nextafter(decision, 0)
    last = held.astype(np.float64)
    for t in range(surprises.shape[1]):
        last = np.maximum(surprises[:, t], share * last)
        surprises[:, t] = np.maximum(surprises[:, t], np.minimum(last, most))
        # State is stored as float32; in steps it must be what it is at once.
        last = last.astype(np.float32).astype(np.float64)
    held[:] = last


def _make_consistent(severity: FloatArray, raw: FloatArray, lower: FloatArray, upper: FloatArray) -> None:
    """Make severities reach `ANOMALOUS` exactly for values outside the range, which rounding and the bound 0 change."""
    outside = (raw < lower) | (raw > upper)
    of_outside = np.maximum(severity[outside], ANOMALOUS)
    np.minimum(severity, np.nextafter(ANOMALOUS, 0), out=severity)
    severity[outside] = of_outside


def _surprises(
    model: Model, output: FilterOutput, begin: int, end: int, decision: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the surprise of each point, shape (T, S), and the residuals, up and down, of the decision, in sigmas."""
    tails, joint_tails = model.tails.part(begin, end), model.joint_tails.part(begin, end)
    seasonal_tails = model.seasonal_tails.part(begin, end)
    z = output.z
    alone = surprise(tails, z)
    total = joint_residuals(output)
    joint = surprise(joint_tails, total) - _JOINT_MARGIN
    joint_counts = (np.abs(z) >= _JOINT_LEAST) & (np.sign(total) == np.sign(z))
    surprises = np.maximum(alone, joint * joint_counts)
    seasonal = surprise(seasonal_tails, output.z_seasonal)
    surprises = np.maximum(surprises, decision * seasonal / (seasonal + decision * _SEASONAL_HALF))
    up, down = limits_of(tails, decision)
    joint_up, joint_down = limits_of(joint_tails, decision + _JOINT_MARGIN) * np.sqrt(JOINT)
    return (
        surprises,
        np.minimum(up, _joint_limit(joint_up - output.before)),
        np.minimum(down, _joint_limit(joint_down + output.before)),
    )


def _joint_limit(needed: FloatArray) -> FloatArray:
    """Return the residual from which the joint test decides; infinite where the clipping keeps it from deciding."""
    return np.where(needed > JOINT_CLIP, np.inf, np.maximum(needed, _JOINT_LEAST))


def _missed_starts(next_start: np.datetime64, first: np.datetime64, frequency: str) -> TimeArray:
    """Return the starts of the intervals between the state and the first to judge, at most `_MOST_MISSED`."""
    gap = int((first - next_start) / np.timedelta64(1, "s"))
    seconds = FREQUENCIES[frequency].seconds
    if gap < -seconds // 2:
        raise ModelError(f"interval {first}Z is before {next_start}Z, the next of the state; expected that interval")
    count = min(round(gap / seconds), _MOST_MISSED)
    steps = np.arange(-count, 0) * np.timedelta64(seconds, "s")
    missed: TimeArray = first + steps
    # After a clock change, 24 hours before the start of a day may be on the day before that. Noon never is.
    return missed + np.timedelta64(12, "h") if FREQUENCIES[frequency].days else missed


def _in_order(values: FloatArray, model_rows: IntArray, fill: float) -> FloatArray:
    """Return rows of the model in the order of the metrics; `fill` for new metrics."""
    if not len(values):
        return np.full((len(model_rows), values.shape[1]), fill)
    if len(model_rows) == len(values) and (model_rows == np.arange(len(values))).all():
        return values
    return np.where((model_rows >= 0)[:, None], values[np.maximum(model_rows, 0)], fill)
