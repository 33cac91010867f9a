"""Judging intervals, one after another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomalake.model.calendar import SECONDS, Calendar, Floats, calendar_of, harmonics
from anomalake.model.chunks import in_chunks
from anomalake.model.counts import judge_counts
from anomalake.model.filter import (
    LAGS,
    TOGETHER,
    TOGETHER_CLIP,
    FilterState,
    Passed,
    joined,
    run,
    together,
)
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.metrics import Metrics
from anomalake.model.model import Model, ModelError, State
from anomalake.model.season import sum_of_harmonics
from anomalake.model.standard import in_units, standardised
from anomalake.model.tails import reach, surprise

#: -log10 of the probability at which a point becomes an anomaly.
DECISION = 3.5
# Being one of several small deviations together must be so much less likely, since it is looked for as well.
_TOGETHER_MARGIN = 0.75
# And the point itself must be off in the same direction, by so many spreads.
_TOGETHER_LEAST = 1.0
# What is off the rhythm of day and week, though the last values led there, ranks higher but never decides: a long event
# keeps its rank until its end, while a new level raises no alarm for ever. Where half the decision is reached.
_RHYTHM = 0.25
# Beyond so many intervals without a run, nothing of the last values matters any more.
_MOST_MISSED = 3 * LAGS


def judge(model: Model, state: State, metrics: Metrics, first: int) -> tuple[Judgement, State]:
    """Judge the intervals from the `first` on.

    Parameters
    ----------
    model, state
        What was learned, and the filter's state before the first of them; an interval in between counts as missing.
    metrics
        May have other metrics than the model: new ones are not judged, those that are missing are taken for unobserved.
    first
        Index into `metrics.starts`; what is before it is not looked at.

    Returns
    -------
    The judgement, shape (metrics, intervals), and the state after the last interval.

    Raises
    ------
    ModelError
        The intervals are of another frequency or zone, or begin before the state; or the state is another model's.
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
    starts = metrics.starts[first:].astype("datetime64[s]")
    if not len(starts):
        empty = np.zeros((metrics.n_metrics, 0))
        return Judgement(first, empty, empty, empty, empty, empty.astype(np.bool_)), state
    missed = _missed(state.next_start, starts[0], model.frequency)
    calendar = calendar_of(np.concatenate([missed, starts]), model.frequency, model.timezone, model.holidays)
    basis = harmonics(calendar, model.rhythms).astype(np.float32)
    of_model, of_metrics = _alignment(model, metrics)
    raw = metrics.flat[:, first:]
    n_known, n_missed = len(model.center), len(missed)

    def look(begin: int, end: int) -> tuple[_Judged, FilterState]:
        rows = of_metrics[begin:end]
        if of_metrics is of_model and not n_missed:
            values = raw[begin:end]
        else:
            values = np.full((end - begin, n_missed + len(starts)), np.nan)
            values[rows >= 0, n_missed:] = raw[rows[rows >= 0]]
        return _look(model, state.filtered.part(begin, end), values, n_missed, basis, calendar, begin, end)

    parts = in_chunks(look, n_known, n_missed + len(starts))
    judged = _Judged(*(np.concatenate([getattr(part, name) for part, _ in parts]) for name in _Judged.__slots__))
    step = np.timedelta64(SECONDS[model.frequency], "s")
    after = State(starts[-1] + step, joined([filtered for _, filtered in parts]))
    expected, lower, upper, severity = (
        _aligned(getattr(judged, name), of_model, fill)
        for name, fill in (("expected", np.nan), ("lower", np.nan), ("upper", np.nan), ("severity", 0.0))
    )
    return Judgement(first, expected, lower, upper, severity, severity >= ANOMALOUS), after


class _Judged:
    """Arrays of shape (S, T)."""

    __slots__ = ("expected", "lower", "severity", "upper")

    def __init__(self, expected: Floats, lower: Floats, severity: Floats, upper: Floats) -> None:
        self.expected, self.lower, self.severity, self.upper = expected, lower, severity, upper


def _look(
    model: Model,
    filtered: FilterState,
    raw: Floats,
    n_missed: int,
    basis: npt.NDArray[np.float32],
    calendar: Calendar,
    begin: int,
    end: int,
) -> tuple[_Judged, FilterState]:
    """Judge some metrics; `raw` has shape (S, missed and judged intervals)."""
    center, scale = model.center[begin:end], model.scale[begin:end]
    values = standardised(raw, center, scale)
    harmonic = sum_of_harmonics(basis, model.harmonics[:, begin:end])
    passed, after = run(model.coefficients.part(begin, end), filtered, values - harmonic, harmonic, calendar)
    surprises, far_up, far_down = _surprises(model, passed, begin, end)
    expected = passed.expected + harmonic
    other = passed.other + harmonic
    lower = np.minimum(expected, other) - far_down * passed.sigma
    upper = np.maximum(expected, other) + far_up * passed.sigma
    least = np.where(model.nonnegative[begin:end], 0.0, -np.inf)
    expected, lower, upper = (in_units(of[n_missed:], center, scale, least) for of in (expected, lower, upper))
    judged, surprises = raw[:, n_missed:], surprises.T[:, n_missed:].astype(np.float64)
    few = model.counts.few[begin:end]
    if few.any():
        counts = model.counts.chosen(slice(begin, end)).chosen(few)
        recent = np.zeros((TOGETHER - 1, int(few.sum())))
        recent[n_missed:] = filtered.recent[: max(0, TOGETHER - 1 - n_missed), few]
        found = judge_counts(counts, judged[few], expected[few], recent, DECISION, _TOGETHER_MARGIN)
        surprises[few], lower[few], upper[few] = found.surprises, found.lower, found.upper
        after.recent[:, few] = found.recent
    severity = np.where(np.isnan(judged), 0, 100 * surprises / (surprises + DECISION))
    severity = _agreeing(severity, judged, lower, upper)
    ready = model.is_ready[begin:end, None]
    nothing = np.where(ready, 0.0, np.nan)
    return _Judged(expected + nothing, lower + nothing, np.where(ready, severity, 0), upper + nothing), after


def _agreeing(severity: Floats, raw: Floats, lower: Floats, upper: Floats) -> Floats:
    """Severities that reach the decision exactly where values lie outside the range, which rounding and 0 may cut."""
    outside = (raw < lower) | (raw > upper)
    agreeing = np.minimum(severity, np.nextafter(ANOMALOUS, 0))
    agreeing[outside] = np.maximum(severity[outside], ANOMALOUS)
    return agreeing


def _surprises(model: Model, passed: Passed, begin: int, end: int) -> tuple[Floats, Floats, Floats]:
    """Surprise of each point, shape (T, S), and how far up and down it is no anomaly yet, in spreads."""
    single, summed = model.tails.part(begin, end), model.tails_together.part(begin, end)
    z = passed.z
    alone = surprise(single, z)
    total = together(z, passed.before)
    joint = surprise(summed, total) - _TOGETHER_MARGIN
    counts = (np.abs(z) >= _TOGETHER_LEAST) & (np.sign(total) == np.sign(z))
    found = np.maximum(alone, joint * counts)
    lasting = surprise(model.tails_rhythm.part(begin, end), passed.off_rhythm)
    found = np.maximum(found, DECISION * lasting / (lasting + DECISION * _RHYTHM))
    up, down = reach(single, DECISION)
    joint_up, joint_down = reach(summed, DECISION + _TOGETHER_MARGIN) * np.sqrt(TOGETHER)
    return (
        found,
        np.minimum(up, _joint_reach(joint_up - passed.before)),
        np.minimum(down, _joint_reach(joint_down + passed.before)),
    )


def _joint_reach(needed: Floats) -> Floats:
    """How far a point must be off to be one of several; never, where more than the clip would be needed."""
    return np.where(needed > TOGETHER_CLIP, np.inf, np.maximum(needed, _TOGETHER_LEAST))


def _missed(next_start: np.datetime64, first: np.datetime64, frequency: str) -> npt.NDArray[np.datetime64]:
    """Starts of the intervals between the state and the first to judge, as far back as they matter."""
    gap = int((first - next_start) / np.timedelta64(1, "s"))
    if gap < -SECONDS[frequency] // 2:
        raise ModelError(f"interval {first}Z is before {next_start}Z, the next that the state knows; expected that one")
    count = min(round(gap / SECONDS[frequency]), _MOST_MISSED)
    steps = np.arange(-count, 0) * np.timedelta64(SECONDS[frequency], "s")
    missed: npt.NDArray[np.datetime64] = first + steps
    # After a change of clocks, 24 hours before a day's start may be on the day before; noon tells days apart.
    return missed + np.timedelta64(12, "h") if frequency == "P1D" else missed


def _alignment(model: Model, metrics: Metrics) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Row of the model for each metric, and row of the metrics for each of the model's; -1 where there is none."""
    if (model.measures, model.dimension_names, model.combinations) == (
        metrics.measures,
        metrics.dimension_names,
        metrics.combinations,
    ):
        same = np.arange(metrics.n_metrics)
        return same, same
    names = _names(model.measures, model.dimension_names, model.combinations)
    rows = {name: row for row, name in enumerate(names)}
    of_model = np.array(
        [rows.get(name, -1) for name in _names(metrics.measures, metrics.dimension_names, metrics.combinations)],
        dtype=np.int64,
    )
    of_metrics = np.full(len(names), -1, dtype=np.int64)
    found = of_model >= 0
    of_metrics[of_model[found]] = np.flatnonzero(found)
    return of_model, of_metrics


def _names(
    measures: tuple[str, ...], dimension_names: tuple[str, ...], combinations: tuple[tuple[str | None, ...], ...]
) -> list[tuple[str, frozenset[tuple[str, str | None]]]]:
    keys = [frozenset(zip(dimension_names, one, strict=True)) for one in combinations]
    return [(measure, key) for measure in measures for key in keys]


def _aligned(found: Floats, of_model: npt.NDArray[np.int64], fill: float) -> Floats:
    if not len(found):
        return np.full((len(of_model), found.shape[1]), fill)
    if len(of_model) == len(found) and (of_model == np.arange(len(found))).all():
        return found
    return np.where((of_model >= 0)[:, None], found[np.maximum(of_model, 0)], fill)
