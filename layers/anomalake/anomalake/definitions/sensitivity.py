"""Sensitivity: about how many false anomaly groups a detector may cause."""

from __future__ import annotations

import math
from typing import Literal

from anomalake.definitions.fields import Fields
from anomalake.frequencies import FREQUENCIES

Level = Literal["low", "medium", "high"]
#: A level, or about how many false groups `PER_METRICS` metrics cause in a week.
Sensitivity = Level | float

#: Metrics that a number of false groups is for.
PER_METRICS = 100
#: Fewest false groups that can be set.
LEAST_FALSE_GROUPS = 0.001

# Surprise by which the decision of a level differs from that of medium: a tenth, and about three times as many.
_LEVELS: dict[Level, float] = {"low": 1.0, "medium": 0.0, "high": -0.5}
# Lowest surprise of a decision: below it, points are not in the tails of the residuals.
_LEAST_DECISION = 2.0
_WEEK = 7 * 86_400


def decision_of(sensitivity: Sensitivity, frequency: str) -> float:
    """Return the surprise (-log10 of the tail probability) from which a point is an anomaly.

    A number is that of the points that noise brings beyond the decision, on both sides, in a week of `PER_METRICS`
    metrics. The level medium is `Frequency.decision`.
    """
    if isinstance(sensitivity, str):
        return FREQUENCIES[frequency].decision + _LEVELS[sensitivity]
    return math.log10(_points(frequency) / sensitivity)


def most_false_groups(frequency: str) -> float:
    """Return the largest number of false groups that can be set."""
    return float(f"{_points(frequency) * 10**-_LEAST_DECISION:.4g}")


def _points(frequency: str) -> float:
    """Return the number of points in a week of `PER_METRICS` metrics, on two sides."""
    return 2 * PER_METRICS * _WEEK / FREQUENCIES[frequency].seconds


def read_sensitivity(fields: Fields, frequency: str) -> Sensitivity:
    """Read Sensitivity; `frequency` is empty if it is invalid."""
    most = most_false_groups(frequency if frequency in FREQUENCIES else "PT1H")
    expected = f"low, medium, high, or a number from {LEAST_FALSE_GROUPS:g} to {most:g}"
    text = fields.text("Sensitivity", expected, default="medium")
    if text in _LEVELS:
        return text
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not LEAST_FALSE_GROUPS <= number <= most:
        fields.problem("Sensitivity", f"{text[:60]!r}: expected {expected} ({PER_METRICS} metrics, a week)")
        return "medium"
    return number
