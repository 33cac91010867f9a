"""Agreement of judged points with labels: point by point, and event by event.

An event is a run of labelled points, and counts once. It is found when one of its points is flagged, or one of the two
points after it, since those may still be affected by the anomaly. All other flagged points are false; a run of them
counts once. So a level shift that is flagged for a day counts as much as one false point.

Points without a value are left out first: they are neither right nor wrong, and do not end a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from operator import add

import numpy as np
import numpy.typing as npt

#: Number of points after the end of an event whose flags find it, and are not false.
LATE = 2

#: Largest share of the points without an anomaly that a useful threshold flags. Without this limit, a threshold that
#: flags all points may have a high event-wise F1: every event is found, with one false run between each two events.
MOST_FALSE = 0.1

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of a set of series, each 0 to 1; NaN where the denominator is zero.

    Attributes
    ----------
    precision, recall, f1
        Figures of the points of all series.
    event_precision, event_recall, event_f1
        Figures of the events and the runs of false points of all series.
    average_precision
        Mean over the series with labels of the average precision of their scores; equal scores are one step.
    """

    precision: float
    recall: float
    f1: float
    event_precision: float
    event_recall: float
    event_f1: float
    average_precision: float


@dataclass(frozen=True, slots=True)
class BestThreshold:
    """Threshold with the best event-wise F1 of a set of series; a score at or above it is flagged."""

    threshold: float
    event_precision: float
    event_recall: float
    event_f1: float


def evaluate(
    labels: Bools, flagged: Bools, scores: Floats, observed: Bools | None = None, *, within: int | None = None
) -> Figures:
    """Return all figures of a set of series.

    Parameters
    ----------
    labels, flagged, scores
        Shape (series, points): true anomalies, flagged points, and anomaly scores in any unit. A score of NaN is below
        all others.
    observed
        Shape (series, points): points with a value. Default: all.
    within
        Number of points from its begin within which an event must be found. Default: until two points after its end.

    Raises
    ------
    ValueError
        The arrays differ in shape, or do not have two dimensions.
    """
    return Agreement.of(labels, flagged, scores, observed, within=within).figures


@dataclass(frozen=True, slots=True)
class Agreement:
    """Counts of some series, which can be added to those of others.

    Attributes
    ----------
    right, wrong, missed
        Points that are flagged and labelled, only flagged, and only labelled.
    events, found, false_runs
        Events, those that are found, and runs of false points.
    precisions
        Average precision of each series with labels.
    """

    right: int = 0
    wrong: int = 0
    missed: int = 0
    events: int = 0
    found: int = 0
    false_runs: int = 0
    precisions: tuple[float, ...] = ()

    @classmethod
    def of(
        cls, labels: Bools, flagged: Bools, scores: Floats, observed: Bools | None = None, *, within: int | None = None
    ) -> Agreement:
        """Count; parameters and errors are those of `evaluate`."""
        mask = _observed(labels, flagged, scores, observed=observed)
        hits, truth = flagged[mask], labels[mask]
        events = _Events.of(labels, mask, within)
        n_found, runs = events.count(hits)
        return cls(
            right=int(np.sum(hits & truth)),
            wrong=int(np.sum(hits & ~truth)),
            missed=int(np.sum(truth & ~hits)),
            events=len(events.first),
            found=n_found,
            false_runs=runs,
            precisions=tuple(_average_precisions(labels, scores, mask)),
        )

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(*map(add, astuple(self), astuple(other)))

    @property
    def figures(self) -> Figures:
        """The figures of all series."""
        return Figures(
            *_ratios(self.right, self.wrong, self.missed),
            *_ratios(self.found, self.false_runs, self.events - self.found),
            average_precision=_mean(self.precisions),
        )


def best_threshold(
    labels: Bools, scores: Floats, observed: Bools | None = None, *, within: int | None = None
) -> BestThreshold:
    """Return the threshold with the best event-wise F1 of those that flag at most `MOST_FALSE` of the false points.

    Of equally good thresholds it is the highest. The result is exact and takes one sort: an event is found at all
    thresholds up to its highest score, and a run of false points begins where a score reaches the threshold and the
    score before it does not.

    Parameters
    ----------
    labels, scores, observed, within
        As for `evaluate`.

    Raises
    ------
    ValueError
        The arrays differ in shape, do not have two dimensions, or have no event.
    """
    mask = _observed(labels, scores, observed=observed)
    events = _Events.of(labels, mask, within)
    if not len(events.first):
        raise ValueError("no observed point is labelled; expected at least one")
    flat = np.where(np.isnan(scores), -np.inf, scores)[mask]
    heights = np.sort(events.highest(flat))
    lone = np.sort(flat[events.free])
    both = np.sort(np.minimum(flat[1:], flat[:-1])[events.free_pairs])
    thresholds = np.unique(np.concatenate((heights, lone)))[::-1]
    useful = _at_least(lone, thresholds) <= MOST_FALSE * len(lone)
    thresholds = thresholds[useful & (thresholds > -np.inf)]
    n_found = _at_least(heights, thresholds)
    false_runs = _at_least(lone, thresholds) - _at_least(both, thresholds)
    f1 = 2 * n_found / (n_found + false_runs + len(heights))
    if not len(f1):
        return BestThreshold(np.inf, np.nan, 0.0, 0.0)
    k = int(np.argmax(f1))
    ratios = _ratios(int(n_found[k]), int(false_runs[k]), len(heights) - int(n_found[k]))
    return BestThreshold(float(thresholds[k]), *ratios)


def average_precision(labels: Bools, scores: Floats, observed: Bools | None = None) -> float:
    """Return the mean average precision of the series with labels.

    The average precision is sum((recall - previous recall) x precision), with a step for each distinct score.

    Parameters
    ----------
    labels, scores, observed
        As for `evaluate`.

    Returns
    -------
    float
        NaN where no observed point has a label.
    """
    return _mean(tuple(_average_precisions(labels, scores, _observed(labels, scores, observed=observed))))


def _average_precisions(labels: Bools, scores: Floats, mask: Bools) -> Iterator[float]:
    """Yield the average precision of each series with labels."""
    for truth, score, valid in zip(labels, scores, mask, strict=True):
        if not np.any(truth & valid):
            continue
        height = np.where(np.isnan(score), -np.inf, score)[valid]
        order = np.argsort(-height, kind="stable")
        height, right = height[order], np.cumsum(truth[valid][order])
        last_of_equals = np.flatnonzero(np.append(height[1:] != height[:-1], True))
        right_at = right[last_of_equals]
        gained = np.diff(right_at, prepend=0) / right[-1]
        yield float(np.sum(gained * right_at / (last_of_equals + 1)))


def _mean(numbers: tuple[float, ...]) -> float:
    return float(np.mean(numbers)) if numbers else float("nan")


@dataclass(frozen=True, slots=True)
class _Events:
    """Events and false points of the observed points of all series, series by series.

    Attributes
    ----------
    first, until
        Indices of each event's first point, and of the first point that is too late to find it.
    free
        Points whose flag is false.
    free_pairs
        For each point and the next: both are free, and of the same series.
    """

    first: Ints
    until: Ints
    free: Bools
    free_pairs: Bools

    @classmethod
    def of(cls, labels: Bools, mask: Bools, within: int | None) -> _Events:
        truth = labels[mask]
        series = np.nonzero(mask)[0]
        joined = np.append(series[1:] == series[:-1], False)
        begins = truth & ~np.append(False, (truth & joined)[:-1])
        ends = truth & ~np.append(truth[1:] & joined[:-1], False)
        first, last = np.flatnonzero(begins), np.flatnonzero(ends)
        end_of_series = np.searchsorted(series, series[last], side="right")
        after = np.minimum(last + 1 + LATE, end_of_series)
        steps = np.zeros(len(truth) + 1, dtype=np.int64)
        np.add.at(steps, first, 1)
        np.add.at(steps, after, -1)
        free = np.cumsum(steps)[:-1] == 0
        until = after if within is None else np.minimum(after, first + within)
        return cls(first, until, free, (free[1:] & free[:-1] & joined[:-1]))

    def count(self, flagged: Bools) -> tuple[int, int]:
        """Count the events that are found, and the runs of false points."""
        so_far = np.concatenate(([0], np.cumsum(flagged)))
        n_found = int(np.sum(so_far[self.until] > so_far[self.first]))
        runs = int(np.sum(flagged & self.free)) - int(np.sum(flagged[1:] & flagged[:-1] & self.free_pairs))
        return n_found, runs

    def highest(self, scores: Floats) -> Floats:
        """Return the highest threshold at which each event is found."""
        bounds = np.stack((self.first, self.until), axis=1).ravel()
        padded = np.append(scores, -np.inf)
        highest: Floats = np.maximum.reduceat(padded, bounds)[::2]
        return highest


def _observed(*arrays: npt.NDArray[np.generic], observed: Bools | None) -> Bools:
    shape = arrays[0].shape
    for array in (*arrays, *(() if observed is None else (observed,))):
        if array.shape != shape or array.ndim != 2:
            raise ValueError(f"an array has shape {array.shape}; expected (series, points), and labels have {shape}")
    return np.ones(shape, dtype=np.bool_) if observed is None else observed


def _at_least(ascending: Floats, thresholds: Floats) -> Ints:
    return len(ascending) - np.searchsorted(ascending, thresholds, side="left")


def _ratios(right: int, wrong: int, missed: int) -> tuple[float, float, float]:
    """Return precision, recall and F1."""
    nan = float("nan")
    return (
        right / (right + wrong) if right + wrong else nan,
        right / (right + missed) if right + missed else nan,
        2 * right / (2 * right + wrong + missed) if right + wrong + missed else nan,
    )
