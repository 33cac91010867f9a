"""Apache Spark beside one process: CPU of all that it does, and whether results are equal.

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
    """Measure backtests, reading, fits, live intervals and a rebuild in one process and by ``local[2]``, in turn.

    One process needs 22 KB for a metric of such an interval, which this machine does not have for the most metrics.
    """
    if not _is_installed(workspace):
        return []
    backtest = workspace.size(100_000, 2_100)
    few, some, most = (workspace.size(n, q) for n, q in ((10_000, 2_100), (100_000, 4_200), (1_000_000, 8_400)))
    read = f"{few:,} series of 840 in daily files of CSV"
    return [
        _both(workspace, "backtest", [str(backtest), "840"], f"{backtest:,} series of 840", Bound("<=", 3)),
        _both(workspace, "read", [str(few), "840"], f"the history of {read}", None),
        _both(workspace, "fit", [str(few), "840"], f"{read}, its history stored", None),
        _both(workspace, "interval", [str(some), "400"], f"{some:,} series of 400", None),
        *_interval_of_most(workspace, few, most),
        _rebuild(workspace, workspace.size(200_000, 5_000)),
    ]


def measure_rebuild(workspace: Workspace) -> list[Figure]:
    """Measure a rebuild of 5,000,000 alerts, which takes an hour of CPU with the making of its lake."""
    if not _is_installed(workspace):
        return []
    return [_rebuild(workspace, workspace.size(5_000_000, 5_000))]


def _is_installed(workspace: Workspace) -> bool:
    if not SPARK.exists():
        workspace.log("left out: Apache Spark, which `make spark` installs where java and Python 3.11 are")
    return SPARK.exists()


def _rebuild(workspace: Workspace, alerts: int) -> Figure:
    return _both(workspace, "rebuild", [str(workspace.lake_of(alerts))], f"{alerts:,} alerts", None)


def _both(workspace: Workspace, work: str, arguments: list[str], size: str, wanted: Bound | None) -> Figure:
    outputs = {engine: _run(workspace, work, engine, arguments) for engine in ("process", "spark")}
    return compared(work, size, outputs["process"], outputs["spark"], wanted)


def compared(work: str, size: str, process: list[str], spark: list[str], wanted: Bound | None = None) -> Figure:
    """Return the figure of two outputs of `spark_worker`; raises `BenchmarkError` if their results differ."""
    if process[2:4] != spark[2:4]:
        raise BenchmarkError(f"{work} of {size}: the results differ: {process} and {spark}")
    equal = f"the same {int(spark[2]):,} rows" if work == "rebuild" else "the same bits"
    how = (
        f"{equal}; Python and JVM: {float(spark[1]):.1f} s of CPU, {float(spark[0]):.1f} s, peak memory of the "
        f"driver's Python {float(spark[4]):,.0f} MB; one process and its forks: {float(process[1]):.1f} s of CPU, "
        f"{float(process[0]):.1f} s, {float(process[4]):,.0f} MB"
    )
    ratio = float(spark[1]) / float(process[1])
    return Figure(f"CPU of Spark local[2] against one process, {work} of {size}", ratio, "times", wanted, how)


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
