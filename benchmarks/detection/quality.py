"""Quality of detection in labelled sets, compared with other methods, at default and at best thresholds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from benchmarks.detection import nab
from benchmarks.detection.compare import Result
from benchmarks.detection.labelled import LabelledSet, pooled
from benchmarks.detection.methods import METHODS, OURS, Method
from benchmarks.detection.sets import SETS
from benchmarks.detection.worker import WorkerResult, run_worker, save
from benchmarks.figures import Bound, Figure, Table, format_number
from benchmarks.workspace import Workspace

#: Names of the sets in the results.
NAMES = {
    "shop": "shop, hourly",
    "shop_five_minute": "shop, 5 minutes",
    "shop_daily": "shop, daily",
    "hard": "hard shop, hourly",
    "hourly": "synthetic KPIs, hourly",
    "five_minute": "synthetic KPIs, 5 minutes",
    "nab": "labelled KPIs of one's own",
}

#: Targets of the point-wise F1 of the easy shops at the default setting.
FLOORS = {"shop": 0.999, "shop_five_minute": 0.99, "shop_daily": 0.99}

#: Sets in which anomalake is to be better than every other method.
CONTESTS = ("hard", "hourly", "five_minute")

HEADER = (
    "set", "method", "F1", "event-wise F1", "best event-wise F1", "the same, found at once", "average precision",
    "time, s", "peak memory, MB",
)  # fmt: skip


def measure(workspace: Workspace) -> list[Figure | Table]:
    """Measure all methods on all sets."""
    figures: list[Figure | Table] = []
    rows: list[tuple[str, ...]] = []
    for name in SETS:
        if name == "nab" and nab.VARIABLE not in os.environ:
            continue
        results = {}
        parts = SETS[name]("check", workspace.quick)
        for key, method in METHODS.items():
            workspace.log(f"{name}: {key}")
            # Slow methods are left out of sets without a comparison.
            if method.needs_peers and name in FLOORS:
                continue
            saved, scores = (workspace.new_folder().with_suffix(".npz") for _ in range(2))
            save(parts, saved)
            result = run_worker(key, saved, scores)
            results[key] = Result.of(pooled(parts, result.scores), method.threshold)
            rows.append(_row(_named(name, parts), method, results[key], result))
            if key == OURS and name in FLOORS:
                figures.append(_floor(name, parts, result))
        if name not in FLOORS:
            figures += compared(_named(name, parts), results, Bound(">=", 1) if name in CONTESTS else None)
    return [*figures, Table("every method, at its own default unless stated otherwise", HEADER, tuple(rows))]


def _named(name: str, parts: Sequence[LabelledSet]) -> str:
    return NAMES[name] if len(parts) == 1 else f"{NAMES[name]}, {len(parts)} seeds"


def _floor(name: str, parts: Sequence[LabelledSet], result: WorkerResult) -> Figure:
    """Return the figure of anomalake on an easy set: the lowest F1 of its parts."""
    scored = [pooled([part], [scores]) for part, scores in zip(parts, result.scores, strict=True)]
    f1 = [Result.of(part, METHODS[OURS].threshold).default.f1 for part in scored]
    how = f"at the default setting; the lowest of {len(parts)} seeds"
    return Figure(f"F1 of points, {NAMES[name]}", min(f1), "", Bound(">=", FLOORS[name]), how)


def compared(set_name: str, results: Mapping[str, Result], wanted: Bound | None) -> list[Figure]:
    """Return the figures of anomalake compared with the best other method."""
    ours = results[OURS].default
    peers = {key: result for key, result in results.items() if key != OURS}
    at_default, at_best, precise = (
        max(peers, key=key)
        for key in (
            lambda name: peers[name].default.event_f1,
            lambda name: peers[name].best.event_f1,
            lambda name: peers[name].default.average_precision,
        )
    )
    return [
        _against(
            "event-wise F1",
            set_name,
            ours.event_f1,
            peers[at_default].default.event_f1,
            METHODS[at_default].title,
            wanted,
        ),
        _against(
            "event-wise F1 against a peer's best",
            set_name,
            ours.event_f1,
            peers[at_best].best.event_f1,
            f"{METHODS[at_best].title} at the threshold that is best for this set, chosen with its labels",
            wanted,
        ),
        _against(
            "average precision",
            set_name,
            ours.average_precision,
            peers[precise].default.average_precision,
            METHODS[precise].title,
            wanted,
        ),
    ]


def _against(figure: str, set_name: str, ours: float, best: float, peer: str, wanted: Bound | None) -> Figure:
    how = f"{ours:.3f} at the default against {best:.3f}: {peer}"
    return Figure(f"{figure}, {set_name}", ours / best if best else float("nan"), "times the best peer's", wanted, how)


def _row(set_name: str, method: Method, result: Result, run: WorkerResult) -> tuple[str, ...]:
    default = result.default
    figures = (
        default.f1,
        default.event_f1,
        result.best.event_f1,
        result.strict.event_f1,
        default.average_precision,
    )
    return (
        set_name,
        method.title,
        *(f"{figure:.3f}" for figure in figures),
        format_number(run.seconds),
        f"{run.peak_bytes / 1e6:,.0f}",
    )
