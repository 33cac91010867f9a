"""Quality and time of the search of root causes, beside Adtributor and RiskLoc, and beside sums of the same leaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from statistics import median

import numpy as np

from anomalake.causes.search import find_causes
from benchmarks.causes.cubes import QUIET, SETS, Cube, Element, counts
from benchmarks.causes.peers import adtributor, riskloc
from benchmarks.figures import Bound, Figure, Table
from benchmarks.workspace import Workspace

#: First seed of the cases that are reported; the method was chosen on cases of other random numbers.
FIRST_SEED = 20_000

#: Leaves of the cube whose time is measured: 50 x 50 x 20.
_LARGE = (50, 50, 20)


def with_ranges(cube: Cube) -> set[Element]:
    """Search with the range of each leaf."""
    found = find_causes(cube.codes, cube.actual, cube.expected, cube.lower, cube.upper)
    return {element.values for element in found}


def without_ranges(cube: Cube) -> set[Element]:
    """Search without ranges, as the peers do."""
    return {element.values for element in find_causes(cube.codes, cube.actual, cube.expected)}


METHODS: dict[str, Callable[[Cube], set[Element]]] = {
    "anomalake": with_ranges,
    "without ranges": without_ranges,
    "RiskLoc": riskloc,
    "Adtributor": adtributor,
}


def measure(workspace: Workspace) -> list[Figure | Table]:
    """Measure F1, false causes and time."""
    n_cases = workspace.size(50, 2)
    scores: dict[str, dict[str, float]] = {}
    rows, seconds = [], {}
    for name, make in SETS.items():
        workspace.log(f"{n_cases} cubes {name}")
        cubes = list(_cubes(make, n_cases))
        results = {method: _run(find, cubes) for method, find in METHODS.items()}
        scores[name] = {
            method: f1((cube.causes, found) for cube, found in pairs) for method, (pairs, _) in results.items()
        }
        seconds[name] = {method: spent for method, (_, spent) in results.items()}
        rows.append((name, *(f"{scores[name][method]:.2f}" for method in METHODS)))
        rows.append(("", *(f"{1000 * seconds[name][method]:.1f} ms" for method in METHODS)))
    quiet = {name: sum(bool(with_ranges(cube)) for cube in _cubes(make, n_cases)) for name, make in QUIET.items()}
    unknown = {name: sum(bool(without_ranges(cube)) for cube in _cubes(make, n_cases)) for name, make in QUIET.items()}
    peers = {name: max(score["RiskLoc"], score["Adtributor"]) for name, score in scores.items()}
    worst = min(scores, key=lambda name: scores[name]["without ranges"] - peers[name])
    with_range = [name for name in SETS if not name.startswith("amounts")]
    lowest = min(with_range, key=lambda name: scores[name]["anomalake"])
    return [
        Figure("F1 of causes, cubes of 7 x 3", scores["7 x 3"]["anomalake"], "", Bound(">=", 0.9), _how(n_cases)),
        Figure(
            "the lowest F1 of the sets with ranges",
            scores[lowest]["anomalake"],
            "",
            Bound(">=", 0.85),
            f"cubes {lowest}",
        ),
        Figure(
            "F1 without ranges less that of the better peer, where it is least",
            scores[worst]["without ranges"] - peers[worst],
            "",
            Bound(">=", 0),
            f"cubes {worst}: {scores[worst]['without ranges']:.2f} against {peers[worst]:.2f}",
        ),
        Figure(
            "cubes of noise with a cause",
            sum(quiet.values()),
            "cubes",
            Bound("<=", 0),
            f"{n_cases} each: {'; '.join(QUIET)}",
        ),
        Figure("the same without ranges", sum(unknown.values()), "cubes", Bound("<=", 2), "the noise is estimated"),
        *_time(workspace),
        Table("F1 of causes, and processor time of a cube", ("cubes", *METHODS), tuple(rows)),
    ]


def f1(cases: Iterable[tuple[frozenset[Element], set[Element]]]) -> float:
    """Return the F1 of the elements of all cases; an element counts only if it is exactly that of a cause."""
    right = wrong = missed = 0
    for causes, found in cases:
        right += len(causes & found)
        wrong += len(found - causes)
        missed += len(causes - found)
    return 2 * right / (2 * right + wrong + missed) if right + wrong + missed else float("nan")


def _time(workspace: Workspace) -> list[Figure]:
    """Measure the search in a large cube, and sums of the same leaves, in turn."""
    repeats = workspace.size(9, 2)
    workspace.log("the time of a large cube")
    cube = counts(np.random.default_rng([FIRST_SEED, 0]), _LARGE, 3)
    ours, sums = [], []
    for _ in range(repeats):
        ours.append(_spent(lambda: with_ranges(cube)))
        sums.append(_spent(lambda: _sums(cube)))
    n_leaves = cube.codes.shape[1]
    return [
        Figure(
            f"causes of {n_leaves:,} leaves and 3 dimensions",
            median(ours),
            "s of CPU",
            Bound("<", 0.2),
            f"median of {repeats}",
        ),
        Figure(
            "the same against sums of these leaves by element",
            float(np.median(np.divide(ours, sums))),
            "times",
            Bound("<=", 12),
            f"sort by each of the 8 cuboids, add up actual and expected, in NumPy; {median(sums):.3f} s; in turn",
        ),
    ]


def _sums(cube: Cube) -> None:
    n_dimensions, n_leaves = cube.codes.shape
    for layer in range(n_dimensions + 1):
        for dimensions in combinations(cube.codes, layer):
            keys = np.zeros(n_leaves, np.int64)
            for codes in dimensions:
                keys = keys * (int(codes.max()) + 1) + codes
            _, elements = np.unique(keys, return_inverse=True)
            np.bincount(elements, weights=cube.actual)
            np.bincount(elements, weights=cube.expected)


def _cubes(make: Callable[[np.random.Generator], Cube], n_cases: int) -> Iterator[Cube]:
    return (make(np.random.default_rng([FIRST_SEED, case])) for case in range(n_cases))


def _run(find: Callable[[Cube], set[Element]], cubes: list[Cube]) -> tuple[list[tuple[Cube, set[Element]]], float]:
    """Return what a method finds in each cube, and its seconds for one."""
    pairs: list[tuple[Cube, set[Element]]] = []
    spent = _spent(lambda: pairs.extend((cube, find(cube)) for cube in cubes))
    return pairs, spent / len(cubes)


def _spent(call: Callable[[], object]) -> float:
    begin = time.process_time()
    call()
    return time.process_time() - begin


def _how(n_cases: int) -> str:
    return f"{n_cases} cases of seeds that the method was not chosen on; an element counts only if it is exact"
