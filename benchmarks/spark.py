"""Apache Spark beside one process: CPU of backtests, reading, intervals and a rebuild, and whether results are equal.

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
    """Measure backtests, live intervals and a rebuild in one process and by ``local[2]``, in turn.

    One process needs 22 KB for a metric of such an interval, which this machine does not have for the most metrics.
    """
    if not SPARK.exists():
        workspace.log("left out: Apache Spark, which `make spark` installs where java and Python 3.11 are")
        return []
    backtests = [workspace.size(full, quick) for full, quick in ((100_000, 2_100), (200_000, 4_200))]
    few, some, most = (workspace.size(n, q) for n, q in ((10_000, 2_100), (100_000, 4_200), (1_000_000, 8_400)))
    alerts = workspace.size(1_000_000, 5_000)
    return [
        *(_both(workspace, "backtest", [str(n), "840"], f"{n:,} series of 840", Bound("<=", 3)) for n in backtests),
        _both(
            workspace, "read", [str(few), "840"], f"the history of {few:,} series of 840 in daily files of CSV", None
        ),
        _both(workspace, "interval", [str(some), "400"], f"{some:,} series of 400", None),
        *_interval_of_most(workspace, few, most),
        _both(workspace, "rebuild", [str(workspace.lake_of(alerts))], f"{alerts:,} alerts, the same rows", None),
    ]


def _both(workspace: Workspace, work: str, arguments: list[str], size: str, wanted: Bound | None) -> Figure:
    outputs = {engine: _run(workspace, work, engine, arguments) for engine in ("process", "spark")}
    if outputs["process"][2:4] != outputs["spark"][2:4]:
        raise BenchmarkError(f"{work} of {size}: the results differ: {outputs}")
    seconds, cpu = map(float, outputs["process"][:2])
    spark_seconds, spark_cpu = map(float, outputs["spark"][:2])
    how = (
        f"the same bits; Python and JVM: {spark_cpu:.1f} s of CPU, {spark_seconds:.1f} s, peak memory of the driver's "
        f"Python {float(outputs['spark'][4]):,.0f} MB; one process and its forks: {cpu:.1f} s of CPU, {seconds:.1f} s, "
        f"{float(outputs['process'][4]):,.0f} MB"
    )
    return Figure(f"CPU of Spark local[2] against one process, {work} of {size}", spark_cpu / cpu, "times", wanted, how)


def _interval_of_most(workspace: Workspace, few: int, most: int) -> list[Figure]:
    """Measure an interval by Spark alone at two sizes, and whether its CPU is linear."""
    cpu, peak = {}, {}
    for n_series in (few, most):
        output = _run(workspace, "interval", "spark", [str(n_series), "400"])
        cpu[n_series], peak[n_series] = float(output[1]), float(output[4])
    how = f"Python and JVM, state read and stored; peak memory of the driver's Python {peak[most]:,.0f} MB"
    return [
        Figure(f"CPU of an interval of {most:,} series by Spark local[2]", cpu[most], "s", None, how),
        Figure(
            f"CPU of an interval of {most:,} series against {few:,}",
            cpu[most] / cpu[few],
            "times",
            Bound("<=", most / few),
            f"{most / few:g} times the series; {cpu[few]:.1f} s and {cpu[most]:.1f} s",
        ),
    ]


def _run(workspace: Workspace, work: str, engine: str, arguments: list[str]) -> list[str]:
    workspace.log(f"{work} of {', '.join(arguments)}, engine {engine}")
    command = [str(SPARK), "-m", "benchmarks.spark_worker", work, engine, *arguments]
    return run(command, environment()).output.split()[-5:]
