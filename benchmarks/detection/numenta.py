"""Scores of the Numenta Anomaly Benchmark, by its published definition, in its standard profile.

Each labelled window is found by its first anomaly: the earlier in the window, the more it counts (a sigmoid of the
position in the window). A window that is not found counts -1. An anomaly outside of windows counts against a detector:
little soon after a window, fully later (the same sigmoid, times 0.11). The sum over all files is scaled so that a
detector that reports nothing has 0, and one that reports the first point of each window, and no other, has 100. The
first 15 % of a file (at most 750 rows) are not scored. One threshold serves all files.

Lavin and Ahmad, *Evaluating Real-time Anomaly Detection Algorithms: the Numenta Anomaly Benchmark*, ICMLA 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.detection.labelled import Bools, Floats

#: Published scores of detectors on all 58 files in the standard profile, each at its best threshold.
PUBLISHED = {
    "ARTime": 74.9,
    "Numenta HTM": 70.5,
    "CAD OSE": 69.9,
    "KNN-CAD": 58.0,
    "relative entropy": 54.6,
    "random cut forest": 51.7,
    "Twitter ADVec": 47.1,
    "windowed Gaussian": 39.6,
    "Etsy Skyline": 35.7,
    "Bayesian changepoint": 17.7,
    "EXPoSE": 16.4,
    "random": 11.0,
}

# Weights of the standard profile.
_FOUND, _MISSED, _FALSE = 1.0, 1.0, 0.11
# Share of a file that is not scored, of so many rows at most.
_PROBATION, _PROBATION_ROWS = 0.15, 5_000
# Steepness of the sigmoid, and the position after a window, in its lengths, from which an anomaly counts fully.
_STEEPNESS, _FAR = 5.0, 3.0


@dataclass(frozen=True, slots=True, eq=False)
class ScoredFile:
    """The rows of one file.

    Attributes
    ----------
    severity
        One a row.
    windows
        Index of the first and the last row of each labelled window, in their order; shape (windows, 2).
    """

    severity: Floats
    windows: npt.NDArray[np.int64]

    @property
    def first_scored(self) -> int:
        """Index of the first row that is scored."""
        return int(_PROBATION * min(len(self.severity), _PROBATION_ROWS))


def nab_score(files: Sequence[ScoredFile], flags: Sequence[Bools]) -> float:
    """Return the score of the rows that are flagged in each file: 100 is perfect, 0 that of no flag at all."""
    found = sum(_file_score(file, flag) for file, flag in zip(files, flags, strict=True))
    n_windows = sum(len(file.windows) for file in files)
    nothing, perfect = -_MISSED * n_windows, _FOUND * n_windows
    return 100 * (found - nothing) / (perfect - nothing)


def scores_at(files: Sequence[ScoredFile], threshold: float) -> tuple[float, float]:
    """Return the scores at one threshold: each anomalous row counts, or only the first row of each run of them."""
    flags = [file.severity >= threshold for file in files]
    return nab_score(files, flags), nab_score(files, [first_of_runs(flag) for flag in flags])


def best_scores(files: Sequence[ScoredFile], thresholds: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Return the best score and its threshold: of each anomalous row, and of the first row of each run of them."""
    scores = [(*scores_at(files, threshold), threshold) for threshold in thresholds]
    return max((each, at) for each, _, at in scores), max((first, at) for _, first, at in scores)


def first_of_runs(flags: Bools) -> Bools:
    """Return the first flag of each run."""
    first = flags.copy()
    first[1:] &= ~flags[:-1]
    return first


def _file_score(file: ScoredFile, flags: Bools) -> float:
    weights, window_of = _weights(len(flags), file.windows)
    scored = flags.copy()
    scored[: file.first_scored] = False
    score = float(weights[scored & (window_of < 0)].sum())
    for window in range(len(file.windows)):
        hits = weights[scored & (window_of == window)]
        score += float(hits.max()) if len(hits) else -_MISSED
    return score


def _weights(n_rows: int, windows: npt.NDArray[np.int64]) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return what a flag of each row counts, and the window of each row, -1 for none."""
    rows = np.arange(n_rows)
    position, window_of = np.full(n_rows, _FAR), np.full(n_rows, -1)
    for number, (first, last) in enumerate(windows):
        inside = (rows >= first) & (rows <= last)
        position[inside] = -(last - rows[inside] + 1) / (last - first + 1)
        window_of[inside] = number
        after = rows > last
        position[after] = (rows[after] - last) / max(last - first, 1)
    value = np.where(position >= _FAR, -1.0, 2 / (1 + np.exp(_STEEPNESS * np.minimum(position, _FAR))) - 1)
    most = 2 / (1 + np.exp(-_STEEPNESS)) - 1
    return np.where(window_of >= 0, _FOUND * value / most, _FALSE * value), window_of
