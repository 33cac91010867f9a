"""One method on one set in a process of its own, so that its time and memory are its own.

``python -m benchmarks.detection.worker METHOD PARTS.npz SCORES.npz`` writes the scores of each part, and prints the
seconds that scoring took and the process's highest memory.
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

#: The interpreter that has the packages of requirements/peers.txt, as `make bench` installs them: `.venv-peers`.
PEERS = Path(sys.prefix).with_name(f"{Path(sys.prefix).name}-peers") / "bin" / "python"

#: Libraries that would use more cores than they were given are told how many there are.
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "2")


@dataclass(frozen=True, slots=True)
class Worked:
    """Scores of each part of a set, the seconds they took, and the highest memory of the whole process."""

    scores: tuple[Floats, ...]
    seconds: float
    peak_bytes: int


def work(method: str, parts: Path, scores: Path) -> Worked:
    """Run a method in a new process on a set that `save` wrote.

    Raises
    ------
    BenchmarkError
        It failed, or its packages are not installed.
    """
    python = PEERS if METHODS[method].installed else Path(sys.executable)
    if not python.exists():
        raise BenchmarkError(f"{method}: requirements/peers.txt is not installed; `make bench` installs it")
    command = [str(python), "-m", "benchmarks.detection.worker", method, str(parts), str(scores)]
    done = run(command, environment(**THREADS))
    with np.load(scores) as arrays:
        found = tuple(arrays[f"arr_{number}"] for number in range(len(arrays)))
    seconds, peak = done.output.split()
    return Worked(found, float(seconds), int(peak))


def save(parts: Sequence[LabelledSet], path: Path) -> None:
    """Write all that a method may know of a set, which the labels are not."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for number, part in enumerate(parts):
        metrics = part.metrics
        named = [
            metrics.frequency, metrics.timezone, metrics.measures, metrics.dimension_names, metrics.combinations,
            part.first_tested, [day.isoformat() for day in part.holidays],
        ]  # fmt: skip
        arrays |= {
            f"values-{number}": metrics.values,
            f"starts-{number}": metrics.starts.astype(np.int64),
            f"named-{number}": np.array(json.dumps(named)),
        }
    np.savez(path, allow_pickle=False, **arrays)


def load(path: Path) -> tuple[LabelledSet, ...]:
    """The same again, no point of it labelled."""
    parts = []
    with np.load(path) as arrays:
        for number in range(len(arrays) // 3):
            frequency, timezone, measures, names, combinations, first, holidays = json.loads(
                str(arrays[f"named-{number}"])
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
    """The highest resident memory that this process had; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def main(arguments: Sequence[str]) -> None:
    """Do the work."""
    method, source, target = arguments
    parts = load(Path(source))
    start = time.perf_counter()
    scores = [METHODS[method].run(part) for part in parts]
    print(time.perf_counter() - start, peak_bytes())
    np.savez(target, *scores)


if __name__ == "__main__":
    main(sys.argv[1:])
