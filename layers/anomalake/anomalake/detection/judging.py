"""Judging with a detector's settings, the same for backtests and live detection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from anomalake.definitions.metric_set import Direction
from anomalake.definitions.settings import DetectionSettings
from anomalake.detection.presence import with_missing
from anomalake.model.array_types import BoolArray, FloatArray, IntArray
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.metrics import Metrics, between

#: Judges all intervals of some metrics from a state; returns the judgement and the state after them.
Judge = Callable[[Any, Metrics], tuple[Judgement, Any]]


def judge_intervals(
    judge: Judge, state: Any, metrics: Metrics, settings: DetectionSettings, missing: BoolArray
) -> tuple[Judgement, Any]:
    """Judge all intervals of some metrics with the settings of a detector.

    Parameters
    ----------
    missing
        Points that are anomalies because they have no value (`presence.Completed`).
    """
    judgement, state = judge_quiet(judge, state, metrics, settings)
    return with_missing(in_direction(metrics, judgement, settings), missing), state


def judge_quiet(judge: Judge, state: Any, metrics: Metrics, settings: DetectionSettings) -> tuple[Judgement, Any]:
    """Judge all intervals of some metrics.

    Each quiet interval is judged by what was learned before it, and counts as not observed for those after it.
    """
    is_quiet = settings.is_quiet(metrics.starts)
    if not is_quiet.any():
        return judge(state, metrics)
    parts = []
    cuts = np.flatnonzero(is_quiet[1:] | is_quiet[:-1]) + 1
    for start, end in pairwise([0, *cuts.tolist(), len(is_quiet)]):
        span = between(metrics, start, end)
        part, after = judge(state, span)
        state = judge(state, _unobserved(span))[1] if is_quiet[start] else after
        parts.append(part)
    return joined(parts), state


def learnable(metrics: Metrics, settings: DetectionSettings) -> Metrics:
    """Return the values that a model learns from: those in quiet intervals are not observed."""
    is_quiet = settings.is_quiet(metrics.starts)
    if not is_quiet.any():
        return metrics
    return replace(metrics, values=np.where(is_quiet, np.nan, metrics.values))


def joined(parts: Sequence[Judgement], first: int = 0) -> Judgement:
    """Return the judgement of consecutive parts, from index `first` on."""
    return _concatenated(parts, first, 1)


def stacked(parts: Sequence[Judgement]) -> Judgement:
    """Return the judgement of consecutive series, each part of the same intervals."""
    return parts[0] if len(parts) == 1 else _concatenated(parts, parts[0].first, 0)


def _concatenated(parts: Sequence[Judgement], first: int, axis: int) -> Judgement:
    names = ("expected", "lower", "upper", "severity", "is_anomaly")
    arrays = (np.concatenate([getattr(part, name) for part in parts], axis) for name in names)
    if all(part.is_missing is None for part in parts):
        return Judgement(first, *arrays)
    is_missing = [part.is_missing if part.is_missing is not None else part.is_anomaly & False for part in parts]
    return replace(Judgement(first, *arrays), is_missing=np.concatenate(is_missing, axis))


def _unobserved(metrics: Metrics) -> Metrics:
    return replace(metrics, values=np.full(metrics.values.shape, np.nan))


def in_direction(metrics: Metrics, judgement: Judgement, settings: DetectionSettings) -> Judgement:
    """Leave only the deviations in the direction of their measure: others have severity 0, and their side is open."""
    signs = signs_of(metrics.measures, settings)
    if not signs.any():
        return judgement
    judged = metrics.flat[:, judgement.first : judgement.first + judgement.severity.shape[1]]
    return in_direction_of(np.repeat(signs, len(metrics.combinations)), judged, judgement)


def signs_of(measures: Sequence[str], settings: DetectionSettings) -> IntArray:
    """Return the direction of each measure: 1 where it rises, -1 where it drops, and 0 for both."""
    directions: list[Direction] = [settings.measure(name).direction for name in measures]
    return np.array([{"both": 0, "rises": 1, "drops": -1}[direction] for direction in directions], np.int64)


def in_direction_of(signs: IntArray, values: FloatArray, judgement: Judgement) -> Judgement:
    """Do what `in_direction` does for series with their directions (`signs_of`) and values."""
    if not signs.any():
        return judgement
    sign = signs[:, None]
    severity = np.where(sign * (values - judgement.expected) < 0, 0.0, judgement.severity)
    is_known = ~np.isnan(judgement.expected)
    return replace(
        judgement,
        lower=np.where((sign > 0) & is_known, -np.inf, judgement.lower),
        upper=np.where((sign < 0) & is_known, np.inf, judgement.upper),
        severity=severity,
        is_anomaly=severity >= ANOMALOUS,
    )
