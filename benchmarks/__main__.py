"""Runs benchmarks and writes down what they found."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import cold_start, linearity, machine, memory, page, query, replay, s3, warm
from benchmarks.detection import quality, speed
from benchmarks.figures import REPORT, Figure, Table, keep
from benchmarks.processes import BenchmarkError
from benchmarks.workplace import Workplace

#: In the order they run: query asks the lake that linearity leaves.
BENCHMARKS: dict[str, Callable[[Workplace], list[Figure] | list[Figure | Table]]] = {
    "warm": warm.measure,
    "cold_start": cold_start.measure,
    "replay": replay.measure,
    "s3": s3.measure,
    "memory": memory.measure,
    "linearity": linearity.measure,
    "query": query.measure,
    "page": page.measure,
    "detection": quality.measure,
    "detection_speed": speed.measure,
}


def main() -> int:
    """The exit code: 1 when a benchmark failed or a figure is not as wanted."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"Measure anomalake, and write the figures to benchmarks/{REPORT.name}; the others stay in it.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones: {', '.join(BENCHMARKS)}; default all")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all works; writes nothing")
    told = parser.parse_args()
    unknown = [name for name in told.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"{unknown[0]!r} is no benchmark; expected {', '.join(BENCHMARKS)}")
    machine.stay_on(2)
    described = machine.describe()
    code = 0
    with tempfile.TemporaryDirectory(prefix="anomalake-benchmarks-") as folder:
        work = Workplace(Path(folder), told.quick, lambda text: print(f"  {text}", file=sys.stderr, flush=True))
        for name in BENCHMARKS:
            if told.names and name not in told.names:
                continue
            print(name, flush=True)
            start = time.perf_counter()
            try:
                figures = BENCHMARKS[name](work)
            except BenchmarkError as error:
                print(f"  failed: {error}", flush=True)
                code = 1
                continue
            for figure in figures:
                print(f"  {figure}", flush=True)
                code = 1 if figure.met is False and not told.quick else code
            work.say(f"{name} took {time.perf_counter() - start:.0f} s")
            if not told.quick:
                keep(name, figures, described, list(BENCHMARKS))
    return code


if __name__ == "__main__":
    sys.exit(main())
