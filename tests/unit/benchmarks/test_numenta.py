"""The score of the Numenta Anomaly Benchmark, and fits of a detector that judges a history online."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from anomalake.detection.learning import SCHEDULES
from benchmarks.detection.labelled import unrelated
from benchmarks.detection.numenta import ScoredFile, best_scores, first_of_runs, nab_score, scores_at
from benchmarks.detection.online import fit_indices, severity_online

WINDOWS = np.array([[400, 449], [700, 799]])


def flagged(*rows: int) -> np.ndarray:
    flags = np.zeros(1000, bool)
    flags[list(rows)] = True
    return flags


def scored(*rows: int, severity: float = 90.0) -> ScoredFile:
    return ScoredFile(np.where(flagged(*rows), severity, 10.0), WINDOWS)


@pytest.mark.parametrize(
    ("rows", "score"),
    [
        ((), 0.0),
        ((400, 700), 100.0),
        ((400,), 50.0),
        # Half of a window is a little less than its beginning: (2 / (1 + e^-2.5) - 1) / (2 / (1 + e^-5) - 1).
        ((400, 750), 50 + 50 * (1 + 0.84828 / 0.98661) / 2),
        # Two false alarms: one before all windows, one long after the first.
        ((300, 400, 600, 700), 100 - 2 * 100 * 0.11 / 4),
        # Soon after a window, a false alarm counts less: 0.1 of its length.
        ((400, 700, 809), 100 - 100 * 0.11 * (1 - 2 / (1 + np.exp(5 * 10 / 99))) / 4),
        # The first 15 % are not scored.
        ((10, 149, 400, 700), 100.0),
        # One window is found once.
        ((400, 401, 402, 700), 100.0),
    ],
)
def test_scores_are_those_of_the_published_definition(rows: tuple[int, ...], score: float) -> None:
    assert nab_score([scored()], [flagged(*rows)]) == pytest.approx(score, abs=1e-3)


def test_one_threshold_serves_all_files_and_a_run_may_count_once() -> None:
    files = [scored(400, 700), scored(400, 401, 600, 601, 602, severity=60.0)]
    each, first = scores_at(files, 50)
    assert first - each == pytest.approx(2 * 100 * 0.11 / 8, rel=1e-2)
    (best, at), (best_first, _) = best_scores(files, [50, 70])
    assert (best, at) == (pytest.approx(each), 50)
    assert best_first == pytest.approx(first)
    assert first_of_runs(flagged(3, 4, 7)).nonzero()[0].tolist() == [3, 7]


def test_a_history_is_judged_from_the_first_model_on_and_models_are_those_of_the_schedule() -> None:
    rng = np.random.default_rng(1)
    values = 100 + rng.normal(size=(1, 700))
    values[:, :40] = np.nan
    values[:, 600] = 300
    metrics = unrelated(values, "PT1H")
    least, week = SCHEDULES["PT1H"].minimum, SCHEDULES["PT1H"].refit // timedelta(hours=1)
    fits = fit_indices(metrics)
    # The first interval is that of a Monday.
    assert fits[0] == 40 + least
    assert set(range(3 * week, 700, week)) <= set(fits)
    severity = severity_online(metrics)
    assert (severity[:, : fits[0]] == 0).all()
    assert np.flatnonzero(severity[0] >= 50).tolist() == [600]
