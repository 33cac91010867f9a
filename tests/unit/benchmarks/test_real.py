"""The counting of events and points on real KPIs."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detection.real import Result, average_precision, by_events, runs_of


def flags(text: str) -> np.ndarray:
    return np.array([letter == "x" for letter in text])


def test_runs_have_a_first_and_an_end_index() -> None:
    assert runs_of(flags("xx..x")).tolist() == [[0, 2], [4, 5]]
    assert runs_of(flags("...")).tolist() == []


def test_an_event_is_found_up_to_two_points_late_and_each_other_run_is_false() -> None:
    labels = flags("..xx.....x....")
    f1, precision, recall = by_events([flags("....x.......x.")], [labels])
    assert (precision, recall) == (0.5, 0.5)
    assert f1 == pytest.approx(0.5)


def test_average_precision_is_that_of_the_ranks() -> None:
    assert average_precision(np.array([3.0, 2.0, 1.0]), flags("x.x")) == pytest.approx((1 + 2 / 3) / 2)


def test_the_best_threshold_is_at_least_as_good_as_the_default() -> None:
    scores = np.linspace(0, 100, 200)
    result = Result.of([scores], [scores > 90], 50)
    assert result.best >= result.f1
    assert result.normal == pytest.approx((scores[scores <= 90] >= 50).mean())
