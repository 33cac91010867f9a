"""Score of a group: its worst metric, its breadth and its weight."""

from __future__ import annotations

import pytest

from anomalake.definitions.detector import DEFAULT_THRESHOLD
from anomalake.groups.score import group_score


def test_a_small_metric_that_is_just_an_anomaly_has_the_default_threshold_as_its_score() -> None:
    assert DEFAULT_THRESHOLD <= group_score(50, 1, 42, 10, 10_000) < 70.1
    assert DEFAULT_THRESHOLD <= group_score(50, 1, 50_000, 1, 1_000_000) < 70.1
    assert group_score(50, 1, 1, 0, 1) == pytest.approx(DEFAULT_THRESHOLD)


def test_without_breadth_and_weight_the_score_rises_with_the_worst_severity() -> None:
    scores = [group_score(worst, 1, 1_000, 0, 1_000) for worst in (50, 60, 80, 95, 99)]
    assert scores == sorted(scores)
    assert scores[2] == pytest.approx(100 * (7 / 3 * 4) / (1 + 7 / 3 * 4))


def test_many_metrics_that_are_just_anomalies_have_a_high_score() -> None:
    assert group_score(50, 21, 21, 1_050, 2_100) > 85
    assert group_score(50, 5, 42, 250, 4_200) < 80


def test_the_score_rises_with_the_share_of_the_measure() -> None:
    assert group_score(50, 1, 21, 900, 1_000) > 74
    assert group_score(50, 1, 1, 1_000, 1_000) == pytest.approx(100 * 10 / 13)


@pytest.mark.parametrize("worst", [99.0, 99.9999999, 100.0])
@pytest.mark.parametrize("affected", [1, 50_000, 10**9])
@pytest.mark.parametrize("amount", [0.0, 1.0, 1e308])
def test_no_score_reaches_a_hundred(worst: float, affected: int, amount: float) -> None:
    assert worst - 1e-9 <= group_score(worst, affected, affected, amount, amount) < 100 or worst == 100.0
    assert group_score(worst, affected, affected, amount, amount) < 100


def test_without_an_expected_total_the_weight_is_the_largest() -> None:
    assert group_score(50, 1, 100, 3, 0) == pytest.approx(81.25)
    assert group_score(50, 1, 100, 0, 0) == pytest.approx(70)
