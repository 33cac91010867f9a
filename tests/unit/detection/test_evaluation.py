"""Figures of flags and scores against labels."""

from __future__ import annotations

import math
from itertools import groupby

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalake.detection.evaluation import average_precision, best_threshold, evaluate


def row(marks: str) -> npt.NDArray[np.bool_]:
    """Return one series with a mark at each x."""
    return np.array([[mark == "x" for mark in marks]])


def events(labels: str, flags: str, within: int | None = None) -> tuple[float, float]:
    """Return the event-wise precision and recall of one series."""
    flagged = row(flags)
    figures = evaluate(row(labels), flagged, flagged.astype(float), within=within)
    return figures.event_precision, figures.event_recall


class TestPoints:
    def test_precision_recall_and_f1(self) -> None:
        figures = evaluate(row("xx.x...."), row("x..xxx.."), np.zeros((1, 8)))
        assert (figures.precision, figures.recall) == (2 / 4, 2 / 3)
        assert figures.f1 == pytest.approx(2 * 0.5 * (2 / 3) / (0.5 + 2 / 3))

    def test_points_without_a_value_do_not_count(self) -> None:
        observed = ~row("..x..x..")
        figures = evaluate(row("x.x....."), row("x....x.."), np.zeros((1, 8)), observed)
        assert (figures.precision, figures.recall, figures.event_precision, figures.event_recall) == (1, 1, 1, 1)

    def test_without_labels_and_flags_there_are_no_figures(self) -> None:
        figures = evaluate(row("...."), row("...."), np.zeros((1, 4)))
        assert all(math.isnan(x) for x in (figures.precision, figures.recall, figures.f1, figures.event_f1))
        assert math.isnan(figures.average_precision)

    def test_f1_is_zero_where_every_event_is_missed(self) -> None:
        figures = evaluate(row(".x.."), row("...."), np.zeros((1, 4)))
        assert (figures.recall, figures.f1, figures.event_f1) == (0, 0, 0)
        assert math.isnan(figures.precision)


class TestEvents:
    @pytest.mark.parametrize(
        ("labels", "flags", "precision", "recall"),
        [
            pytest.param("..xxxx....", "...x......", 1, 1, id="one-flagged-point-is-enough"),
            pytest.param("..xxxx....", "..xxxx....", 1, 1, id="an-event-counts-once"),
            pytest.param("..xxxx....", ".......x..", 1, 1, id="two-points-late"),
            pytest.param("..xxxx....", "........x.", 0, 0, id="three-points-late"),
            pytest.param("..xxxx....", ".x........", 0, 0, id="one-point-early"),
            pytest.param("..xx......", "..xxxxxxxx", 1 / 2, 1, id="false-flags-after-an-event-are-one-run"),
            pytest.param("..xx......", ".xxx......", 1 / 2, 1, id="false-flags-before-an-event-are-one-run"),
            pytest.param("xx........", "x....xx.xx", 1 / 3, 1, id="each-false-run-counts-once"),
            pytest.param("xx.x......", "...x......", 1, 1, id="one-point-may-find-two-events"),
            pytest.param("x........x", ".........x", 1, 1 / 2, id="at-the-edge"),
        ],
    )
    def test_events_and_false_runs(self, labels: str, flags: str, precision: float, recall: float) -> None:
        got = events(labels, flags)
        assert (0 if math.isnan(got[0]) else got[0], got[1]) == (precision, recall)

    @pytest.mark.parametrize(
        ("flags", "recall"), [("....x.....", 1), (".....x....", 0), ("..x.......", 1), ("..x.....x.", 1)]
    )
    def test_a_long_event_may_have_to_be_found_at_its_beginning(self, flags: str, recall: float) -> None:
        assert events("..xxxxxxx.", flags, within=3)[1] == recall

    def test_a_flag_that_is_too_late_is_not_false(self) -> None:
        precision, recall = events("..xxxxxxx.", ".......x..", within=3)
        assert math.isnan(precision)
        assert recall == 0

    def test_runs_do_not_cross_series(self) -> None:
        labels = np.vstack((row("...x"), row("x...")))
        flagged = np.vstack((row("...."), row("x...")))
        figures = evaluate(labels, flagged, flagged.astype(float))
        assert (figures.event_precision, figures.event_recall) == (1, 1 / 2)
        falsely = np.vstack((row("..xx"), row("xx..")))
        figures = evaluate(
            np.vstack((row("x....."), row("x....."))), np.pad(falsely, ((0, 0), (1, 1))), np.zeros((2, 6))
        )
        assert figures.event_precision == 1 / 2  # a run in the first series, the tail of the event in the second

    def test_a_gap_does_not_end_a_run(self) -> None:
        observed = ~row(".....x....")
        flagged = row("....x.x...")
        figures = evaluate(row("x........."), flagged, flagged.astype(float), observed)
        assert (figures.event_precision, figures.event_recall) == (0, 0)
        assert figures.event_f1 == 0
        alone = evaluate(row("x........."), row("x...x.x..."), flagged.astype(float), observed)
        assert alone.event_precision == 1 / 2


class TestAveragePrecision:
    def test_a_computed_example(self) -> None:
        # Ranks: right, wrong, right: (1/2) x 1 + (1/2) x 2/3.
        assert average_precision(row("x.x."), np.array([[4.0, 3.0, 2.0, 1.0]])) == pytest.approx(0.5 + 1 / 3)

    def test_equal_scores_are_one_step(self) -> None:
        assert average_precision(row("x..."), np.ones((1, 4))) == 1 / 4

    def test_mean_over_series_with_labels(self) -> None:
        labels = np.vstack((row("x..."), row("...."), row("..x.")))
        scores = np.array([[1.0, 0, 0, 0], [1, 2, 3, 4], [0, 9, 8, 0]])
        assert average_precision(labels, scores) == pytest.approx((1 + 1 / 2) / 2)

    def test_a_point_without_a_score_ranks_last(self) -> None:
        assert average_precision(row("x..."), np.array([[np.nan, 1, 2, 3]])) == 1 / 4


class TestBestThreshold:
    def test_a_threshold_that_separates_all_events(self) -> None:
        best = best_threshold(row("..xx......"), np.array([[0, 1, 2, 7, 9, 3, 4, 0, 5, 0.0]]))
        assert (best.threshold, best.event_f1) == (9, 1)

    def test_a_lower_threshold_may_be_better_because_it_joins_runs(self) -> None:
        scores = np.array([[5, 0, 0, 0, 5, 4, 5, *[0] * 93]], dtype=float)
        best = best_threshold(row("x" + 99 * "."), scores)
        assert (best.threshold, best.event_precision) == (4, 1 / 2)

    def test_a_threshold_that_flags_everything_is_excluded(self) -> None:
        labels = row((49 * "." + "x") * 10)
        scores = np.full((1, 500), 1.0)
        assert evaluate(labels, scores > 0, scores).event_f1 == pytest.approx(2 / 3, abs=0.02)
        assert best_threshold(labels, scores).event_f1 == 0

    def test_points_without_a_score_are_never_flagged(self) -> None:
        scores = np.array([[np.nan] * 4 + [1.0] * 2 + [0.0] * 94])
        best = best_threshold(row("x...x" + 95 * "."), scores)
        assert (best.threshold, best.event_recall, best.event_precision) == (1, 1 / 2, 1)

    def test_without_scores_the_f1_is_zero(self) -> None:
        assert best_threshold(row("x..."), np.full((1, 4), np.nan)).event_f1 == 0

    def test_without_events_there_is_no_threshold(self) -> None:
        with pytest.raises(ValueError, match="no observed point is labelled"):
            best_threshold(row("...."), np.zeros((1, 4)))


def test_arrays_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 3\); expected \(series, points\), and labels have \(1, 4\)"):
        evaluate(row("...."), row("..."), np.zeros((1, 4)))


def counted(labels: list[bool], flagged: list[bool], within: int | None) -> tuple[int, int, int]:
    """Count the events found, the events, and the false runs, point by point."""
    spans = []
    for label, run in groupby(range(len(labels)), key=lambda i: labels[i]):
        points = list(run)
        if label:
            spans.append((points[0], points[-1]))
    near = {i for first, last in spans for i in range(first, last + 3)}
    n_found = sum(
        any(flagged[i] for i in range(a, min(b + 3, len(labels), a + within if within else 999))) for a, b in spans
    )
    false_runs = sum(key for key, _ in groupby(flagged[i] and i not in near for i in range(len(labels))))
    return n_found, len(spans), false_runs


@given(
    st.lists(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=12, max_size=12), min_size=1, max_size=4),
    st.sampled_from([None, 1, 3]),
)
def test_figures_agree_with_a_simple_count(series: list[list[tuple[bool, int]]], within: int | None) -> None:
    quiet = [(False, -1)] * 130
    labels = np.array([[label for label, _ in points + quiet] for points in series])
    scores = np.array([[float(score) for _, score in points + quiet] for points in series])
    best = 0.0
    for threshold in range(6):
        flagged = scores >= threshold
        n_found, total, runs = np.sum(
            [counted(list(a), list(b), within) for a, b in zip(labels, flagged, strict=True)], axis=0
        )
        expected = 2 * n_found / (n_found + runs + total) if n_found + runs + total else math.nan
        assert evaluate(labels, flagged, scores, within=within).event_f1 == pytest.approx(expected, nan_ok=True)
        best = max(best, 0.0 if math.isnan(expected) else expected)
    if labels.any():
        got = best_threshold(labels, scores, within=within)
        assert got.event_f1 == pytest.approx(best)
        again = evaluate(labels, scores >= got.threshold, scores, within=within)
        assert (again.event_f1, again.event_recall) == pytest.approx((got.event_f1, got.event_recall))
