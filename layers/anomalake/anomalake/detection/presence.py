"""Metrics without a value in an interval in which others of their measure have one (MissingData).

A metric that is `anomaly` is missing where it usually has a value at this time of the week. What is usual is learned
from the last weeks of a model's history, so that a shop that is closed at night is not missing then.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from anomalake.definitions.settings import DetectionSettings
from anomalake.frequencies import FREQUENCIES
from anomalake.model.array_types import BoolArray, IntArray
from anomalake.model.calendar import Calendar, calendar_of
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.metrics import Combination, Metrics, join

#: Weeks of history from which it is learned when a metric has a value.
WEEKS = 8
#: Largest share of values that a metric may lack at its usual times; one value in any case.
MOST_LACKING = 0.1

# Metrics that are processed at once.
_BLOCK = 1_024
_NAMES, _KNOWN, _EXPECTED, _SHAPE = (f"presence_{name}" for name in ("combinations", "known", "expected", "shape"))


@dataclass(frozen=True, slots=True, eq=False)
class Presence:
    """When the metrics of a history have a value.

    Attributes
    ----------
    combinations
        K combinations of dimension values.
    known
        Metrics with a value in the history, shape (M, K).
    expected
        Whether a metric usually has a value at a phase of the week, shape (phases, M, K); for data of less than two
        weeks, phases of the day.
    """

    combinations: tuple[Combination, ...]
    known: BoolArray
    expected: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Completed:
    """Metrics with those that have no value.

    Attributes
    ----------
    metrics
        Metrics to judge and to learn from: with `zero`, 0 where there is no value.
    missing
        Points that are anomalies because they have no value, shape (metrics, intervals).
    added
        Points that `shown` has and the source has not, shape (metrics, intervals).
    """

    metrics: Metrics
    missing: BoolArray
    added: BoolArray

    @property
    def shown(self) -> Metrics:
        """The metrics with 0 for missing points too."""
        if not self.missing.any():
            return self.metrics
        missing = self.missing.reshape(self.metrics.values.shape)
        return replace(self.metrics, values=np.where(missing, 0.0, self.metrics.values))


def learn_presence(history: Metrics, settings: DetectionSettings, holidays: Collection[date] = ()) -> Presence | None:
    """Learn when the metrics of a history have a value; None where no measure has a setting for missing values."""
    if not _modes(history, settings):
        return None
    n_week = FREQUENCIES[history.frequency].week_length
    has = ~np.isnan(history.values)
    known = has.any(axis=2)
    calendar = calendar_of(history.starts, history.frequency, history.timezone, holidays)
    phases, n_phases = _phases(calendar, len(history.starts) >= 2 * n_week)
    n_measures, n_combinations, n_times = has.shape
    expected = np.zeros((n_phases, n_measures, n_combinations), np.bool_)
    usual = ~calendar.is_holiday & ~settings.is_quiet(history.starts)
    first_recent = max(0, n_times - WEEKS * n_week)
    for m, mode in _modes(history, settings).items():
        if mode != "anomaly":
            continue
        is_visit = has[m].any(axis=0) & usual
        for start in range(0, n_combinations, _BLOCK):
            block = has[m, start : start + _BLOCK]
            began = np.maximum.accumulate(block, axis=1)
            visits, present = (np.zeros((n_phases, len(block)), np.int32) for _ in range(2))
            # A phase occurs once in each span of a week.
            for at in range(first_recent, n_times, n_week):
                span = slice(at, at + n_week)
                visits[phases[span]] += (began[:, span] & is_visit[span]).T
                present[phases[span]] += (block[:, span] & is_visit[span]).T
            usually = 2 * present > visits
            lacking = np.where(usually, visits - present, 0).sum(axis=0)
            most = MOST_LACKING * np.where(usually, visits, 0).sum(axis=0)
            is_regular = lacking <= np.maximum(most, 1)
            expected[:, m, start : start + _BLOCK] = usually & is_regular
    return Presence(history.combinations, known, expected)


def with_zeros(history: Metrics, settings: DetectionSettings) -> Metrics:
    """Return a history to fit a model to: with `zero`, 0 where a metric has no value after its first one."""
    zeros = [m for m, mode in _modes(history, settings).items() if mode == "zero"]
    if not zeros:
        return history
    values = history.values.copy()
    for m in zeros:
        has = ~np.isnan(history.values[m])
        values[m][~has & np.maximum.accumulate(has, axis=1) & has.any(axis=0)] = 0.0
    return replace(history, values=values)


def complete(
    metrics: Metrics, presence: Presence | None, settings: DetectionSettings, holidays: Collection[date] = ()
) -> Completed:
    """Complete the metrics of intervals by those that have no value.

    An interval in which no metric of a measure has a value stays as it is: its data are late, or cannot be summed.

    Parameters
    ----------
    presence
        What was learned with the model.
    """
    modes = _modes(metrics, settings)
    if presence is None or not modes:
        nothing = np.zeros(metrics.flat.shape, np.bool_)
        return Completed(metrics, nothing, nothing)
    own = set(metrics.combinations)
    empty = replace(
        metrics,
        combinations=presence.combinations,
        values=np.full((len(metrics.measures), len(presence.combinations), len(metrics.starts)), np.nan),
    )
    whole = metrics if own.issuperset(presence.combinations) else join([empty, metrics], metrics.starts)
    row_of = {combination: row for row, combination in enumerate(presence.combinations)}
    rows = np.array([row_of.get(combination, -1) for combination in whole.combinations], np.int64)
    is_new = np.array([combination not in own for combination in whole.combinations], np.bool_)
    calendar = calendar_of(metrics.starts, metrics.frequency, metrics.timezone, holidays)
    phases, _ = _phases(calendar, len(presence.expected) == calendar.week_length)
    values = whole.values.copy()
    missing = np.zeros(values.shape, np.bool_)
    for m, mode in modes.items():
        has = ~np.isnan(whole.values[m])
        lacks = ~has & has.any(axis=0) & (rows >= 0)[:, None]
        if mode == "zero":
            values[m][lacks & presence.known[m, rows][:, None]] = 0.0
        else:
            missing[m] = lacks & presence.expected[:, m][phases][:, rows].T & ~calendar.is_holiday
    filled = missing | (np.isnan(whole.values) & ~np.isnan(values))
    # Metrics that the model knows, but of which nothing is to be judged, are left out again.
    kept = ~is_new | filled.any(axis=(0, 2))
    combinations = tuple(combination for combination, is_kept in zip(whole.combinations, kept, strict=True) if is_kept)
    completed = replace(whole, combinations=combinations, values=values[:, kept])
    added = (filled | is_new[None, :, None])[:, kept]
    shape = completed.flat.shape
    return Completed(completed, missing[:, kept].reshape(shape), added.reshape(shape))


def with_missing(judgement: Judgement, missing: BoolArray) -> Judgement:
    """Return a judgement with anomalies where metrics are missing.

    Their severity is at least that of a decision. It is higher where 0 is farther from the expected value than the
    range's limit. Metrics that the model does not know well enough are not judged.
    """
    missing = missing & np.isfinite(judgement.expected)
    if not missing.any():
        return judgement
    distance = np.abs(judgement.expected)
    limit = np.where(judgement.expected > 0, judgement.expected - judgement.lower, judgement.upper - judgement.expected)
    with np.errstate(divide="ignore", invalid="ignore"):
        evidence = np.where(np.isfinite(limit) & (limit > 0), distance / limit, 1.0)
    most = np.nextafter(100.0, 0.0)
    severity = np.where(missing, np.clip(100 - 100 / (1 + evidence), ANOMALOUS, most), judgement.severity)
    return replace(judgement, severity=severity, is_anomaly=severity >= ANOMALOUS, is_missing=missing)


def to_arrays(presence: Presence | None) -> dict[str, npt.NDArray[Any]]:
    """Return what was learned as named arrays, to be stored with the model's."""
    if presence is None:
        return {}
    return {
        _NAMES: np.array([json.dumps(combination) for combination in presence.combinations], np.str_),
        _KNOWN: np.packbits(presence.known),
        _EXPECTED: np.packbits(presence.expected),
        _SHAPE: np.array(presence.expected.shape, np.int64),
    }


def from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> Presence | None:
    """Inverse of `to_arrays`; raises ValueError or KeyError for other arrays."""
    if _SHAPE not in arrays:
        return None
    shape = tuple(arrays[_SHAPE].tolist())
    size = int(np.prod(shape[1:]))
    return Presence(
        tuple(tuple(json.loads(text)) for text in arrays[_NAMES].tolist()),
        np.unpackbits(arrays[_KNOWN], count=size).astype(np.bool_).reshape(shape[1:]),
        np.unpackbits(arrays[_EXPECTED], count=size * shape[0]).astype(np.bool_).reshape(shape),
    )


def _modes(metrics: Metrics, settings: DetectionSettings) -> dict[int, str]:
    """Return the settings of the measures that have one, by their index."""
    modes = {m: settings.measure(name).missing_data for m, name in enumerate(metrics.measures)}
    return {m: mode for m, mode in modes.items() if mode != "ignore"}


def _phases(calendar: Calendar, of_week: bool) -> tuple[IntArray, int]:
    return (calendar.week_phase, calendar.week_length) if of_week else (calendar.day_phase, calendar.day_length)
