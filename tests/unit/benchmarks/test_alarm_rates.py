"""Severities have the meaning that docs/detection.md gives them: runs of alarms a series and year."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from benchmarks.detection.alarm_rates import NOISE, SEVERITIES, Judged, noise

# Bounds of the runs a series and year at severity 50, and at 60: those of the table in docs/detection.md, times three.
BOUNDS = {
    ("PT1H", "normal noise"): (0.6, 0.2),
    ("PT1H", "log-normal noise"): (5.0, 0.5),
    ("PT1H", "noise of Student's t of 4"): (21.0, 5.0),
    ("P1D", "normal noise"): (0.2, 0.1),
    ("P1D", "log-normal noise"): (0.5, 0.1),
    ("P1D", "noise of Student's t of 4"): (1.7, 0.3),
}
SIZES = {"PT1H": (60, 60), "P1D": (100, 800)}


@cache
def made(frequency: str, kind: str) -> Judged:
    return noise(kind, frequency, *SIZES[frequency])


@pytest.mark.parametrize(("frequency", "kind"), BOUNDS)
def test_rates_of_noise_fall_with_severity_and_have_the_documented_size(frequency: str, kind: str) -> None:
    rates = [made(frequency, kind).alarms(least) for least in SEVERITIES]
    assert rates == sorted(rates, reverse=True)
    at_50, at_60 = BOUNDS[frequency, kind]
    assert rates[SEVERITIES.index(50)] <= at_50
    assert rates[SEVERITIES.index(60)] <= at_60


def test_heavier_tails_have_more_alarms_and_some_have_any() -> None:
    rates = [made("PT1H", kind).alarms(50) for kind in NOISE]
    assert rates == sorted(rates)
    assert rates[-1] > 1


def test_a_run_of_normal_points_counts_once_and_points_of_events_do_not() -> None:
    severity = np.array([10.0, 60, 70, 10, 55, 10, 90, 10])
    normal = np.array([True, True, True, True, True, True, False, True])
    judged = Judged("P1D", [severity, severity], [normal, normal])
    assert judged.years == pytest.approx(14 / 365)
    assert [judged.alarms(least) * judged.years for least in (50, 60, 80)] == pytest.approx([4, 2, 0])
