"""How well anomalies are found in labelled sets, beside the peers; each at its default and at its best threshold."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from benchmarks.detection import nab
from benchmarks.detection.compare import Result
from benchmarks.detection.labelled import LabelledSet, pooled
from benchmarks.detection.methods import METHODS, OURS, Method
from benchmarks.detection.sets import SETS
from benchmarks.detection.worker import Worked, save, work
from benchmarks.figures import Bound, Figure, Table, shown
from benchmarks.workplace import Workplace

#: What people call the sets.
NAMES = {
    "shop": "shop, hourly",
    "shop_five_minute": "shop, 5 minutes",
    "shop_daily": "shop, daily",
    "hard": "hard shop, hourly",
    "hourly": "synthetic KPIs, hourly",
    "five_minute": "synthetic KPIs, 5 minutes",
    "nab": "labelled KPIs of one's own",
}

#: Point-wise F1 that the easy shops are to reach at the default setting.
FLOORS = {"shop": 0.999, "shop_five_minute": 0.99, "shop_daily": 0.99}

#: Where every peer is to be left behind.
CONTESTS = ("hard", "hourly", "five_minute")

HEADER = (
    "set", "method", "F1", "event-wise F1", "best event-wise F1", "the same, found at once", "average precision",
    "time, s", "peak memory, MB",
)  # fmt: skip


def measure(work_place: Workplace) -> list[Figure | Table]:
    """All methods on all sets."""
    figures: list[Figure | Table] = []
    rows: list[tuple[str, ...]] = []
    for name in SETS:
        if name == "nab" and nab.VARIABLE not in os.environ:
            continue
        results = {}
        parts = SETS[name]("check", work_place.quick)
        for key, method in METHODS.items():
            work_place.say(f"{name}: {key}")
            # Where nothing hangs on it, the slow ones are left out.
            if method.installed and name in FLOORS:
                continue
            saved, scores = (work_place.new_folder().with_suffix(".npz") for _ in range(2))
            save(parts, saved)
            done = work(key, saved, scores)
            results[key] = Result.of(pooled(parts, done.scores), method.threshold)
            rows.append(_row(_named(name, parts), method, results[key], done))
            if key == OURS and name in FLOORS:
                figures.append(_floor(name, parts, done))
        if name not in FLOORS:
            figures += compared(_named(name, parts), results, Bound(">=", 1) if name in CONTESTS else None)
    return [*figures, Table("every method, at its own default unless stated otherwise", HEADER, tuple(rows))]


def _named(name: str, parts: Sequence[LabelledSet]) -> str:
    return NAMES[name] if len(parts) == 1 else f"{NAMES[name]}, {len(parts)} seeds"


def _floor(name: str, parts: Sequence[LabelledSet], done: Worked) -> Figure:
    """Ours on a set that is easy, each part by itself."""
    scored = [pooled([part], [scores]) for part, scores in zip(parts, done.scores, strict=True)]
    reached = [Result.of(one, METHODS[OURS].threshold).default.f1 for one in scored]
    how = f"at the default setting; the lowest of {len(parts)} seeds"
    return Figure(f"F1 of points, {NAMES[name]}", min(reached), "", Bound(">=", FLOORS[name]), how)


def compared(what: str, results: Mapping[str, Result], wanted: Bound | None) -> list[Figure]:
    """Ours against the best peer."""
    ours = results[OURS].default
    peers = {key: result for key, result in results.items() if key != OURS}
    at_default, at_best, precise = (
        max(peers, key=key)
        for key in (
            lambda one: peers[one].default.event_f1,
            lambda one: peers[one].best.event_f1,
            lambda one: peers[one].default.average_precision,
        )
    )
    return [
        _against(
            "event-wise F1", what, ours.event_f1, peers[at_default].default.event_f1, METHODS[at_default].what, wanted
        ),
        _against(
            "event-wise F1 against a peer's best",
            what,
            ours.event_f1,
            peers[at_best].best.event_f1,
            f"{METHODS[at_best].what} at the threshold that is best for this set, chosen with its labels",
            wanted,
        ),
        _against(
            "average precision",
            what,
            ours.average_precision,
            peers[precise].default.average_precision,
            METHODS[precise].what,
            wanted,
        ),
    ]


def _against(figure: str, what: str, ours: float, best: float, peer: str, wanted: Bound | None) -> Figure:
    how = f"{ours:.3f} at the default against {best:.3f}: {peer}"
    return Figure(f"{figure}, {what}", ours / best if best else float("nan"), "times the best peer's", wanted, how)


def _row(what: str, method: Method, result: Result, done: Worked) -> tuple[str, ...]:
    default = result.default
    figures = (
        default.f1,
        default.event_f1,
        result.best.event_f1,
        result.strict.event_f1,
        default.average_precision,
    )
    return (
        what,
        method.what,
        *(f"{one:.3f}" for one in figures),
        shown(done.seconds),
        f"{done.peak_bytes / 1e6:,.0f}",
    )
