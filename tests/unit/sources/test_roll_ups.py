"""Roll-ups: the total, and the totals of dimension values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anomalake.model.metrics import Combination, Metrics, join
from anomalake.sources import roll_ups
from anomalake.sources.aggregation import LimitExceededError
from anomalake.sources.roll_ups import with_roll_ups

TWO = (("de", "app"), ("de", "web"), ("fr", "app"), ("fr", "web"))


def metrics_of(
    values: np.ndarray, combinations: tuple[Combination, ...] = TWO, measures: tuple[str, ...] = ("orders",)
) -> Metrics:
    starts = np.datetime64("2024-01-01T00:00:00", "s") + np.arange(values.shape[2]) * np.timedelta64(3_600, "s")
    names = ("country", "platform", "plan")[: len(combinations[0])]
    return Metrics("PT1H", "UTC", starts, measures, names, combinations, values)


def rows_of(metrics: Metrics, m: int = 0) -> dict[Combination, list[float]]:
    return {combination: metrics.values[m, k].tolist() for k, combination in enumerate(metrics.combinations)}


def test_the_total_and_those_of_each_dimension_value_are_added() -> None:
    metrics, problems = with_roll_ups(metrics_of(np.array([[[1.0, 10], [2, 20], [3, 30], [4, 40]]])), [True])
    assert problems == []
    assert rows_of(metrics) == {
        (None, None): [10, 100],
        (None, "app"): [4, 40],
        (None, "web"): [6, 60],
        ("de", None): [3, 30],
        ("de", "app"): [1, 10],
        ("de", "web"): [2, 20],
        ("fr", None): [7, 70],
        ("fr", "app"): [3, 30],
        ("fr", "web"): [4, 40],
    }
    assert list(metrics.combinations) == list(rows_of(metrics))
    assert metrics.is_roll_up.tolist() == [True, True, True, True, False, False, True, False, False]
    assert metrics.dimensions(0) == ()
    assert metrics.dimensions(1) == (("platform", "app"),)


def test_what_was_not_observed_is_left_out_and_nothing_is_no_sum() -> None:
    nan = np.nan
    metrics, _ = with_roll_ups(
        metrics_of(np.array([[[1.0, nan, nan], [2, 20, nan], [nan, nan, nan], [4, nan, nan]]])), [True]
    )
    rows = rows_of(metrics)
    np.testing.assert_array_equal(rows[None, None], [7, 20, nan])
    np.testing.assert_array_equal(rows["fr", None], [4, nan, nan])
    np.testing.assert_array_equal(rows["fr", "app"], [nan, nan, nan])


def test_means_have_no_roll_ups() -> None:
    values = np.arange(8.0).reshape(2, 4, 1)
    metrics, _ = with_roll_ups(metrics_of(values, measures=("orders", "latency")), [True, False])
    assert rows_of(metrics)[None, None] == [6]
    assert np.isnan(metrics.values[1, metrics.is_roll_up]).all()
    assert metrics.values[1, ~metrics.is_roll_up].ravel().tolist() == [4, 5, 6, 7]


def test_of_one_dimension_only_the_total_is_added() -> None:
    metrics, _ = with_roll_ups(metrics_of(np.array([[[1.0], [2.0]]]), (("de",), ("fr",))), [True])
    assert rows_of(metrics) == {(None,): [3], ("de",): [1], ("fr",): [2]}


def test_of_three_dimensions_pairs_are_not_added() -> None:
    given_ = (("de", "app", "a"), ("de", "web", "a"), ("fr", "app", None))
    metrics, _ = with_roll_ups(metrics_of(np.array([[[1.0], [2.0], [4.0]]]), given_), [True])
    rows = rows_of(metrics)
    assert rows[None, None, "a"] == [3]
    assert rows[None, "app", None] == [5]
    # It lacks a dimension, and is a metric of its own.
    assert rows["fr", "app", None] == [4]
    assert len(rows) == 3 + 1 + 2 + 2 + 1
    assert metrics.is_roll_up.sum() == 6


def test_rows_that_lack_a_dimension_count_in_the_roll_up_that_has_their_dimensions() -> None:
    metrics, _ = with_roll_ups(
        metrics_of(
            np.array([[[8.0], [4.0], [1.0], [2.0]]]), ((None, None), (None, "app"), ("de", "app"), ("de", "web"))
        ),
        [True],
    )
    assert rows_of(metrics) == {
        (None, None): [15],
        (None, "app"): [5],
        (None, "web"): [2],
        ("de", None): [3],
        ("de", "app"): [1],
        ("de", "web"): [2],
    }


def test_totals_that_no_alert_can_have_are_left_out_and_reported() -> None:
    metrics, problems = with_roll_ups(
        metrics_of(np.array([[[9e17, 1.0], [9e17, 1.0], [1.0, 1.0], [1.0, 1.0]]])), [True]
    )
    assert problems == ["2 roll-ups of 'orders' are left out, for they are not below 1e18 in size"]
    np.testing.assert_array_equal(rows_of(metrics)["de", None], [np.nan, 2])


def test_metrics_beyond_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll_ups, "MOST_VALUES", 17)
    with pytest.raises(LimitExceededError, match="1 measures x 9 combinations with roll-ups x 2 intervals"):
        with_roll_ups(metrics_of(np.ones((1, 4, 2))), [True])


@given(arrays(np.float64, (1, 4, 9), elements=st.floats(-1e9, 1e9) | st.just(np.nan)), st.integers(0, 8))
def test_an_interval_alone_has_the_same_roll_ups(values: np.ndarray, t: int) -> None:
    """To the last digit, and without the combinations that it does not have."""
    whole, _ = with_roll_ups(metrics_of(values), [True])
    observed = ~np.isnan(values[0, :, t])
    if not observed.any():
        assert np.isnan(whole.values[:, :, t]).all()
        return
    some = metrics_of(values[:, observed, t : t + 1], tuple(np.array(TWO)[observed].tolist()))
    some = replace(some, combinations=tuple(tuple(one) for one in some.combinations))
    alone, _ = with_roll_ups(some, [True])
    for combination, (value,) in rows_of(alone).items():
        assert value == rows_of(whole)[combination][t]


def test_large_data_are_added_up_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).normal(0, 1, (1, 4, 100))
    whole, _ = with_roll_ups(metrics_of(values), [True])
    monkeypatch.setattr(roll_ups, "_BLOCK", 7)
    in_blocks, _ = with_roll_ups(metrics_of(values), [True])
    np.testing.assert_array_equal(in_blocks.values, whole.values)


def test_roll_ups_survive_a_join() -> None:
    metrics, _ = with_roll_ups(metrics_of(np.ones((1, 4, 3))), [True])
    joined = join([metrics, metrics], metrics.starts)
    assert joined.roll_ups
    np.testing.assert_array_equal(joined.values, metrics.values)
