"""Run benchmarks and write their results."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import (
    api,
    cold_start,
    linearity,
    machine,
    memory,
    page,
    query,
    replay,
    s3,
    small_files,
    spark,
    views,
    warm,
)
from benchmarks.causes import measure as root_causes
from benchmarks.detection import alarm_rates, quality, real, speed
from benchmarks.figures import REPORT, Figure, Table, save_figures
from benchmarks.processes import BenchmarkError
from benchmarks.workspace import Workspace

#: In the order of execution: `query` uses the lake of `linearity`.
BENCHMARKS: dict[str, Callable[[Workspace], Sequence[Figure | Table]]] = {
    "warm": warm.measure,
    "cold_start": cold_start.measure,
    "replay": replay.measure,
    "s3": s3.measure,
    "memory": memory.measure,
    "linearity": linearity.measure,
    "query": query.measure,
    "views": views.measure,
    "small_files": small_files.measure,
    "page": page.measure,
    "api": api.measure,
    "detection": quality.measure,
    "detection_real": real.measure,
    "alarm_rates": alarm_rates.measure,
    "detection_speed": speed.measure,
    "root_causes": root_causes.measure,
    "spark": spark.measure,
    "spark_rebuild": spark.measure_rebuild,
}
#: Those that take too long to be run unless they are named.
NAMED_ONLY = frozenset({"spark_rebuild"})


def main() -> int:
    """Run the command; return 1 if a benchmark fails or a figure misses its target."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"Measure anomalake, and write the figures to benchmarks/{REPORT.name}; the others stay in it.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"which ones: {', '.join(BENCHMARKS)}; default all but {', '.join(NAMED_ONLY)}",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all works; writes nothing")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"{unknown[0]!r} is no benchmark; expected {', '.join(BENCHMARKS)}")
    machine.limit_cores(2)
    description = machine.describe()
    code = 0
    with tempfile.TemporaryDirectory(prefix="anomalake-benchmarks-") as folder:
        workspace = Workspace(Path(folder), options.quick, lambda text: print(f"  {text}", file=sys.stderr, flush=True))
        for name in BENCHMARKS:
            if name not in options.names and (options.names or name in NAMED_ONLY):
                continue
            print(name, flush=True)
            start = time.perf_counter()
            try:
                figures = BENCHMARKS[name](workspace)
            except BenchmarkError as error:
                print(f"  failed: {error}", flush=True)
                code = 1
                continue
            for figure in figures:
                print(f"  {figure}", flush=True)
                code = 1 if figure.met is False and not options.quick else code
            workspace.log(f"{name} took {time.perf_counter() - start:.0f} s")
            if not options.quick:
                save_figures(name, figures, description, list(BENCHMARKS))
    return code


if __name__ == "__main__":
    sys.exit(main())
