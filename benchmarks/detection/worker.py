"""Run one method on one set in a separate process, to measure its time and memory.

``python -m benchmarks.detection.worker METHOD PARTS.npz SCORES.npz`` writes the scores of each part, and prints the
seconds of scoring and the peak memory of the process.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anomalake.model.metrics import Metrics
from benchmarks.detection.labelled import Floats, LabelledSet
from benchmarks.detection.methods import METHODS
from benchmarks.processes import BenchmarkError, environment, run

#: Interpreter with the packages of requirements/peers.txt, which `make bench` installs into `.venv-peers`.
PEERS = Path(sys.prefix).with_name(f"{Path(sys.prefix).name}-peers") / "bin" / "python"

#: Environment variables that limit the threads of numerical libraries to the cores of the benchmark.
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "2")


@dataclass(frozen=True, slots=True)
class WorkerResult:
    """Scores of each part of a set, the seconds of scoring, and the peak memory of the process."""

    scores: tuple[Floats, ...]
    seconds: float
    peak_bytes: int


def run_worker(method: str, parts: Path, scores: Path) -> WorkerResult:
    """Run a method in a new process on a set written by `save`.

    Raises
    ------
    BenchmarkError
        The process failed, or the packages of the method are not installed.
    """
    python = PEERS if METHODS[method].needs_peers else Path(sys.executable)
    if not python.exists():
        raise BenchmarkError(f"{method}: requirements/peers.txt is not installed; `make bench` installs it")
    command = [str(python), "-m", "benchmarks.detection.worker", method, str(parts), str(scores)]
    process = run(command, environment(**THREADS))
    with np.load(scores) as arrays:
        part_scores = tuple(arrays[f"arr_{number}"] for number in range(len(arrays)))
    seconds, peak = process.output.split()
    return WorkerResult(part_scores, float(seconds), int(peak))


def save(parts: Sequence[LabelledSet], path: Path) -> None:
    """Write a set without its labels, which methods must not use."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for number, part in enumerate(parts):
        metrics = part.metrics
        description = [
            metrics.frequency, metrics.timezone, metrics.measures, metrics.dimension_names, metrics.combinations,
            part.first_tested, [day.isoformat() for day in part.holidays],
        ]  # fmt: skip
        arrays |= {
            f"values-{number}": metrics.values,
            f"starts-{number}": metrics.starts.astype(np.int64),
            f"description-{number}": np.array(json.dumps(description)),
        }
    np.savez(path, allow_pickle=False, **arrays)


def load(path: Path) -> tuple[LabelledSet, ...]:
    """Read a set written by `save`; no point is labelled."""
    parts = []
    with np.load(path) as arrays:
        for number in range(len(arrays) // 3):
            frequency, timezone, measures, names, combinations, first, holidays = json.loads(
                str(arrays[f"description-{number}"])
            )
            metrics = Metrics(
                frequency,
                timezone,
                arrays[f"starts-{number}"].astype("datetime64[s]"),
                tuple(measures),
                tuple(names),
                tuple(map(tuple, combinations)),
                arrays[f"values-{number}"],
            )
            labels = np.zeros(metrics.flat.shape, dtype=np.bool_)
            days = tuple(map(date.fromisoformat, holidays))
            parts.append(LabelledSet(metrics, labels, first, ("",) * len(labels), days))
    return tuple(parts)


def peak_bytes() -> int:
    """Return the peak resident memory of this process; 0 on a system without /proc."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def main(arguments: Sequence[str]) -> None:
    """Score the parts, print seconds and peak memory, and write the scores."""
    method, source, target = arguments
    parts = load(Path(source))
    start = time.perf_counter()
    scores = [METHODS[method].run(part) for part in parts]
    print(time.perf_counter() - start, peak_bytes())
    np.savez(target, *scores)


if __name__ == "__main__":
    main(sys.argv[1:])
