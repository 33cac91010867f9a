"""Compare methods on labelled sets: ``python -m benchmarks.detection.compare --methods ours,huber``."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import get_args

import numpy as np

from anomalake.detection.evaluation import BestThreshold, Figures, best_threshold, evaluate
from benchmarks.detection.kpis import Family
from benchmarks.detection.labelled import Scored, pooled
from benchmarks.detection.methods import METHODS, Method
from benchmarks.detection.sets import SETS, Parts

HEADER = (
    f"{'set':16} {'method':18} {'F1':>6} {'evF1':>6} {'(p':>6} {'r)':>6} "
    f"{'best':>6} {'(p':>6} {'r)':>6} {'at':>8} {'strict':>6} {'AP':>6} {'s':>6}"
)

#: Number of points within which an event must be found in the strict variant.
STRICT = 3


@dataclass(frozen=True, slots=True)
class Result:
    """Figures at the default threshold, at the best one, and at the best one of the strict variant."""

    default: Figures
    best: BestThreshold
    strict: BestThreshold

    @classmethod
    def of(cls, scored: Scored, threshold: float) -> Result:
        """Return the result of a method with the given default threshold."""
        labels, scores, observed = scored.labels, scored.scores, scored.observed
        return cls(
            evaluate(labels, scores >= threshold, scores, observed),
            best_threshold(labels, scores, observed),
            best_threshold(labels, scores, observed, within=STRICT),
        )

    def __str__(self) -> str:
        default, best = self.default, self.best
        return (
            f"{default.f1:6.3f} {default.event_f1:6.3f} {default.event_precision:6.2f} {default.event_recall:6.2f} "
            f"{best.event_f1:6.3f} {best.event_precision:6.2f} {best.event_recall:6.2f} {best.threshold:8.4g} "
            f"{self.strict.event_f1:6.3f} {default.average_precision:6.3f}"
        )


def show(set_name: str, name: str, method: Method, parts: Parts, *, by_kind: bool = False) -> Scored:
    """Run a method on the parts of a set and print its results; `by_kind` adds a line for each kind of series."""
    start = time.perf_counter()
    scored = pooled(parts, [method.run(part) for part in parts])
    seconds = time.perf_counter() - start
    print(f"{set_name:16} {name:18} {Result.of(scored, method.threshold)} {seconds:6.1f}", flush=True)
    for kind in dict.fromkeys(scored.kinds.tolist()) if by_kind else ():
        part = scored.only(kind)
        if np.any(part.labels & part.observed):
            print(f"  {kind:14} {name:18} {Result.of(part, method.threshold)}")
    return scored


def main() -> None:
    """Print a table of methods and sets."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.compare", description=__doc__)
    parser.add_argument("--sets", default="hourly,five_minute", help=f"of {', '.join(SETS)}")
    parser.add_argument("--methods", default="ours,huber,hour_of_week,differences", help=f"of {', '.join(METHODS)}")
    parser.add_argument("--family", default="develop", choices=get_args(Family))
    parser.add_argument("--quick", action="store_true", help="small sets, to see that all works")
    parser.add_argument("--by-kind", action="store_true", help="a line for each kind of series too")
    options = parser.parse_args()
    for label, names, known in (("set", options.sets, SETS), ("method", options.methods, METHODS)):
        for name in names.split(","):
            if name not in known:
                parser.error(f"{name!r} is no {label}; expected {', '.join(known)}")
    print(HEADER)
    for name in options.sets.split(","):
        parts = SETS[name](options.family, options.quick)
        for method in options.methods.split(","):
            show(name, method, METHODS[method], parts, by_kind=options.by_kind)


if __name__ == "__main__":
    main()
