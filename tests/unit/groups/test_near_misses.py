"""Near misses: the most unusual points where nothing is an anomaly."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from anomalake.groups.judged_series import JudgedArrays
from anomalake.groups.near_misses import MOST, near_misses
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.metrics import Metrics
from anomalake.records.backtests import Backtest
from tests.support.anomalies import group_of, interval

START = datetime(2024, 3, 1, tzinfo=UTC)


def judged(severity: np.ndarray, frequency: str = "PT1H") -> tuple[Metrics, Judgement]:
    """Two measures by country; the first two intervals are not judged."""
    n_times = severity.shape[2] + 2
    step = np.timedelta64(86_400 if frequency == "P1D" else 3_600, "s")
    starts = np.datetime64(START.replace(tzinfo=None), "s") + np.arange(n_times) * step
    values = np.arange(2 * 3 * n_times, dtype=float).reshape(2, 3, n_times)
    countries = (("de",), ("fr",), (None,))
    metrics = Metrics(frequency, "UTC", starts, ("orders", "views"), ("country",), countries, values)
    flat = severity.reshape(6, -1)
    expected = metrics.flat[:, 2:] - 1
    lower = np.where(np.arange(6)[:, None] == 4, -np.inf, expected - 3)
    return metrics, Judgement(2, expected, lower, expected + 3, flat, flat >= ANOMALOUS)


def test_the_most_unusual_points_come_first_with_their_values() -> None:
    severity = np.zeros((2, 3, 100))
    severity[1, 1, 40], severity[0, 2, 80], severity[0, 0, 4] = 49.5, 30.0, 20.0
    metrics, judgement = judged(severity)
    first, second, third = near_misses(JudgedArrays(metrics, judgement))
    assert (first.measure, first.dimensions, first.severity) == ("views", (("country", "fr"),), 49.5)
    assert first.timestamp == START + timedelta(hours=42)
    assert (first.value, first.expected) == (metrics.values[1, 1, 42], metrics.values[1, 1, 42] - 1)
    assert (first.lower, first.upper) == (None, first.expected + 3)
    assert (second.measure, second.dimensions) == ("orders", ())
    assert second.lower == second.expected - 3
    assert third.timestamp == START + timedelta(hours=6)


@pytest.mark.parametrize("frequency", ["PT1H", "P1D"])
def test_near_points_of_a_measure_are_one_event(frequency: str) -> None:
    severity = np.zeros((2, 3, 100))
    severity[0, :, 10:13] = 40.0
    severity[0, 1, 11] = 41.0
    severity[1, 0, 12] = 39.0
    severity[0, 2, 14] = 38.0
    found = near_misses(JudgedArrays(*judged(severity, frequency)))
    step = timedelta(days=1) if frequency == "P1D" else timedelta(hours=1)
    assert [(item.measure, (item.timestamp - START) // step - 2, item.severity) for item in found] == [
        ("orders", 11, 41.0),
        ("views", 12, 39.0),
        ("orders", 14, 38.0),
    ]


def test_their_number_is_bounded() -> None:
    severity = np.random.default_rng(1).uniform(1, 49, (2, 3, 1_000))
    found = near_misses(JudgedArrays(*judged(severity)))
    assert len(found) == MOST
    assert found[0].severity == severity.max()
    assert [item.severity for item in found] == sorted((item.severity for item in found), reverse=True)
    assert len(near_misses(JudgedArrays(*judged(severity)), 2)) == 2


def test_points_with_the_severity_of_anomalies_are_left_out() -> None:
    """Such as those in a quiet window, which cause no group."""
    severity = np.full((2, 3, 10), 40.0)
    severity[1, 2, 3] = 90.0
    severity[1, 0, 3] = ANOMALOUS
    severity[1, 1, 3] = 49.0
    found = near_misses(JudgedArrays(*judged(severity)))
    assert [item.severity for item in found] == [49.0, 40.0, 40.0, 40.0, 40.0]


def test_a_backtest_with_a_group_has_none() -> None:
    metrics, judgement = judged(np.full((2, 3, 10), 40.0))
    assert len(Backtest.of(metrics, judgement, ()).near_misses()) == MOST
    assert Backtest.of(metrics, judgement, (group_of(interval()),)).near_misses() == ()


def test_there_are_none_where_nothing_deviates() -> None:
    assert near_misses(JudgedArrays(*judged(np.zeros((2, 3, 10))))) == ()
    metrics, judgement = judged(np.zeros((2, 3, 0)))
    assert near_misses(JudgedArrays(metrics, judgement)) == ()
    nothing = replace(metrics, combinations=(), values=np.zeros((2, 0, 2)))
    empty = np.zeros((0, 0))
    assert near_misses(JudgedArrays(nothing, Judgement(2, empty, empty, empty, empty, empty > 0))) == ()
