"""Score of a group: its worst metric, its breadth and its weight."""

from __future__ import annotations

import pytest

from anomalake.groups.score import group_score


def test_a_small_metric_that_is_just_an_anomaly_has_a_score_near_fifty() -> None:
    assert 50 <= group_score(50, 1, 42, 10, 10_000) < 50.1
    assert 50 <= group_score(50, 1, 50_000, 1, 1_000_000) < 50.1


def test_without_breadth_and_weight_the_score_is_the_worst_severity() -> None:
    assert group_score(80, 1, 1_000, 0, 1_000) == pytest.approx(80)


def test_many_metrics_that_are_just_anomalies_have_a_high_score() -> None:
    assert group_score(50, 21, 21, 1_050, 2_100) > 80
    assert group_score(50, 5, 42, 250, 4_200) < 70


def test_the_score_rises_with_the_share_of_the_measure() -> None:
    assert group_score(50, 1, 21, 900, 1_000) > 60
    assert group_score(50, 1, 1, 1_000, 1_000) == pytest.approx(200 / 3)


@pytest.mark.parametrize("worst", [99.0, 99.9999999, 100.0])
@pytest.mark.parametrize("affected", [1, 50_000, 10**9])
@pytest.mark.parametrize("amount", [0.0, 1.0, 1e308])
def test_no_score_reaches_a_hundred(worst: float, affected: int, amount: float) -> None:
    assert worst - 1e-9 <= group_score(worst, affected, affected, amount, amount) < 100 or worst == 100.0
    assert group_score(worst, affected, affected, amount, amount) < 100


def test_without_an_expected_total_the_weight_is_the_largest() -> None:
    assert group_score(50, 1, 100, 3, 0) == pytest.approx(75)
    assert group_score(50, 1, 100, 0, 0) == 50
