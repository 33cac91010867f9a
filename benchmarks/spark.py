"""Apache Spark beside one process: CPU of a backtest and of an interval, and whether the results are the same.

The packages of requirements/spark.txt are in an environment of their own, which `make spark` makes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.figures import Bound, Figure
from benchmarks.processes import BenchmarkError, environment, run
from benchmarks.workspace import Workspace

#: Interpreter with the packages of requirements/spark.txt.
SPARK = Path(sys.prefix).with_name(f"{Path(sys.prefix).name}-spark") / "bin" / "python"


def measure(workspace: Workspace) -> list[Figure]:
    """Measure two sizes of a backtest, and an interval, in one process and by ``local[2]``, in turn."""
    if not SPARK.exists():
        workspace.log("left out: Apache Spark, which `make spark` installs where java and Python 3.11 are")
        return []
    fewer, more = workspace.size(50_000, 2_100), workspace.size(200_000, 4_200)
    return [
        _both(workspace, "backtest", fewer, 840, Bound("<=", 3)),
        _both(workspace, "backtest", more, 840, Bound("<=", 3)),
        _both(workspace, "interval", fewer, 400, None),
    ]


def _both(workspace: Workspace, work: str, n_series: int, n_times: int, wanted: Bound | None) -> Figure:
    outputs = {}
    for engine in ("process", "spark"):
        workspace.log(f"{work} of {n_series:,} series, engine {engine}")
        command = [str(SPARK), "-m", "benchmarks.spark_worker", work, engine, str(n_series), str(n_times)]
        outputs[engine] = run(command, environment()).output.split()[-4:]
    if outputs["process"][2:] != outputs["spark"][2:]:
        raise BenchmarkError(f"{work} of {n_series:,} series: the results differ: {outputs}")
    seconds, cpu = map(float, outputs["process"][:2])
    spark_seconds, spark_cpu = map(float, outputs["spark"][:2])
    how = (
        f"the same bits; Python and JVM: {spark_cpu:.1f} s of CPU, {spark_seconds:.1f} s; one process and its "
        f"forks: {cpu:.1f} s of CPU, {seconds:.1f} s"
    )
    name = f"CPU of Spark local[2] against one process, {work} of {n_series:,} series of {n_times}"
    return Figure(name, spark_cpu / cpu, "times", wanted, how)
