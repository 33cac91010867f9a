"""Prints how methods do on development sets: ``python -m benchmarks.detection.compare --methods ours,huber``."""

from __future__ import annotations

import argparse
import time
from typing import get_args

import numpy as np

from anomalake.detection.evaluation import Figures, best_threshold, evaluate
from benchmarks.detection import kpis
from benchmarks.detection.kpis import Family, Floats, LabelledSet
from benchmarks.detection.methods import METHODS, Score

HEADER = (
    f"{'set':12} {'method':18} {'F1':>6} {'evF1':>6} {'(p':>6} {'r)':>6} "
    f"{'best':>6} {'(p':>6} {'r)':>6} {'at':>8} {'strict':>6} {'AP':>6} {'s':>6}"
)


def measured(labelled: LabelledSet, scores: Floats, threshold: float) -> tuple[Figures, str]:
    """The figures of scores of the tested points, and the same as a line."""
    first = labelled.first_tested
    labels, observed = labelled.labels[:, first:], ~np.isnan(labelled.values[:, first:])
    found = evaluate(labels, scores >= threshold, scores, observed)
    best = best_threshold(labels, scores, observed)
    strict = best_threshold(labels, scores, observed, within=3)
    line = (
        f"{found.f1:6.3f} {found.event_f1:6.3f} {found.event_precision:6.2f} {found.event_recall:6.2f} "
        f"{best.event_f1:6.3f} {best.event_precision:6.2f} {best.event_recall:6.2f} {best.threshold:8.4g} "
        f"{strict.event_f1:6.3f} {found.average_precision:6.3f}"
    )
    return found, line


def show(name: str, score: Score, threshold: float, labelled: LabelledSet, *, by_kind: bool = False) -> None:
    """Run a method on a set and print its line; for scripts that try out a method."""
    start = time.perf_counter()
    scores = score(labelled.values, labelled.frequency_minutes, labelled.first_tested)
    seconds = time.perf_counter() - start
    print(f"{labelled.name:12} {name:18} {measured(labelled, scores, threshold)[1]} {seconds:6.1f}", flush=True)
    for kind in dict.fromkeys(labelled.kinds) if by_kind else ():
        of_kind = np.array([one == kind for one in labelled.kinds])
        part = kpis.only(labelled, of_kind)
        if (part.labels[:, part.first_tested :] & ~np.isnan(part.values[:, part.first_tested :])).any():
            print(f"  {kind:10} {name:18} {measured(part, scores[of_kind], threshold)[1]}")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.compare", description=__doc__)
    parser.add_argument("--sets", default="hourly,five_minute", help=f"of {', '.join(kpis.SETS)}")
    parser.add_argument("--methods", default="ours,huber,hour_of_week,differences", help=f"of {', '.join(METHODS)}")
    parser.add_argument("--family", default="develop", choices=get_args(Family))
    parser.add_argument("--copies", type=int, default=1, help="so many times the series")
    parser.add_argument("--by-kind", action="store_true", help="a line for each kind of series too")
    told = parser.parse_args()
    print(HEADER)
    for name in told.sets.split(","):
        labelled = kpis.SETS[name](told.family, copies=told.copies)
        for method in told.methods.split(","):
            show(method, METHODS[method].score, METHODS[method].threshold, labelled, by_kind=told.by_kind)


if __name__ == "__main__":
    main()
