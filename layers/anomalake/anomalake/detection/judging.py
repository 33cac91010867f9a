"""Judging with a detector's settings, the same for backtests and live detection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from anomalake.definitions.metric_set import Direction
from anomalake.definitions.settings import DetectionSettings
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.metrics import Metrics

#: Judges all intervals of some metrics from a state; returns the judgement and the state after them.
Judge = Callable[[Any, Metrics], tuple[Judgement, Any]]


def judge_intervals(judge: Judge, state: Any, metrics: Metrics, settings: DetectionSettings) -> tuple[Judgement, Any]:
    """Judge all intervals of some metrics with the settings of a detector."""
    judgement, state = judge(state, metrics)
    return in_direction(metrics, judgement, settings), state


def in_direction(metrics: Metrics, judgement: Judgement, settings: DetectionSettings) -> Judgement:
    """Leave only the deviations in the direction of their measure: others have severity 0, and their side is open."""
    directions: list[Direction] = [settings.measure(name).direction for name in metrics.measures]
    if all(direction == "both" for direction in directions):
        return judgement
    sign = np.repeat([{"both": 0, "rises": 1, "drops": -1}[one] for one in directions], len(metrics.combinations))
    sign = sign[:, None]
    judged = metrics.flat[:, judgement.first : judgement.first + judgement.severity.shape[1]]
    severity = np.where(sign * (judged - judgement.expected) < 0, 0.0, judgement.severity)
    is_known = ~np.isnan(judgement.expected)
    return replace(
        judgement,
        lower=np.where((sign > 0) & is_known, -np.inf, judgement.lower),
        upper=np.where((sign < 0) & is_known, np.inf, judgement.upper),
        severity=severity,
        is_anomaly=severity >= ANOMALOUS,
    )
