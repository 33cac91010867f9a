"""False alarms in a year of series without anomalies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import product
from statistics import mean

import numpy as np

from anomalake.definitions.detector import DEFAULT_THRESHOLD
from anomalake.groups.grouping import group
from anomalake.model.metrics import Metrics
from anomalake.synth import ShopSettings, shop
from benchmarks.detection.arrays import ARN
from benchmarks.detection.labelled import MONDAY, Floats
from benchmarks.detection.ours import judged
from benchmarks.detection.sets import LEARNED
from benchmarks.figures import Bound, Figure
from benchmarks.workspace import Workspace

#: Metrics and their known holidays.
Quiet = tuple[Metrics, tuple[date, ...]]

HOURS = 365 * 24
MEASURES, REGIONS, PLATFORMS = 2, 7, 3


def measure(workspace: Workspace) -> list[Figure]:
    """Measure groups per week in each kind of quiet series: those above the default threshold, and all."""
    seeds = range(1, workspace.size(5, 1) + 1)
    weeks = (HOURS - int(LEARNED * HOURS)) / 168
    figures = []
    for name, make in QUIET.items():
        workspace.log(f"quiet: {name}")
        scores = [_scores(*make(seed)) for seed in seeds]
        how = (
            f"{MEASURES * REGIONS * PLATFORMS} series, a year of hours of which the last {weeks:.1f} weeks are tested; "
            f"mean of {len(scores)} seeds"
        )
        alerting = mean(sum(score >= DEFAULT_THRESHOLD for score in seed_scores) for seed_scores in scores) / weeks
        every = mean(map(len, scores)) / weeks
        figures += [
            Figure(f"false alarms, {name}", alerting, "groups a week", Bound("<=", 1), how),
            Figure(f"groups of any score, {name}", every, "groups a week", None, "the same series"),
        ]
    return figures


def _scores(metrics: Metrics, holidays: tuple[date, ...]) -> list[float]:
    first = int(LEARNED * HOURS)
    return [anomaly_group.score for anomaly_group in group(metrics, judged(metrics, first, holidays), ARN)]


def _shop(seed: int, *, hard: bool = False) -> Quiet:
    made = shop(ShopSettings(seed=seed, hard=hard, intervals=HOURS, anomalies=False))
    return made.metrics, made.holidays


def _noisy(noise: Callable[[np.random.Generator, Floats], Floats]) -> Callable[[int], Quiet]:
    """Return a function that makes series, each with its own daily and weekly pattern, and adds noise."""

    def make(seed: int) -> Quiet:
        rng = np.random.default_rng([seed, 42])
        shape = (MEASURES, REGIONS * PLATFORMS, 1)
        day = np.arange(HOURS) / 24
        daily = rng.uniform(0.2, 0.8, shape) * np.cos(2 * np.pi * (day - rng.uniform(size=shape)))
        weekly = np.where(np.floor(day) % 7 >= 5, rng.uniform(-0.5, 0.2, shape), 0.0)
        values = noise(rng, np.exp(daily + weekly))
        starts = MONDAY + np.arange(HOURS) * np.timedelta64(3_600, "s")
        names = tuple(f"measure-{number}" for number in range(MEASURES))
        combinations = tuple(product(map(str, range(REGIONS)), map(str, range(PLATFORMS))))
        return Metrics("PT1H", "UTC", starts, names, ("region", "platform"), combinations, values), ()

    return make


def _with_autocorrelated_noise(rng: np.random.Generator, usual: Floats) -> Floats:
    noise = rng.normal(size=usual.shape)
    for t in range(1, usual.shape[-1]):
        noise[..., t] += 0.8 * noise[..., t - 1]
    return 500 * usual * (1 + 0.04 * noise)


#: Functions that make quiet metrics from a seed, by name.
QUIET: dict[str, Callable[[int], Quiet]] = {
    "quiet shop": _shop,
    "quiet hard shop": lambda seed: _shop(seed, hard=True),
    "normal noise": _noisy(lambda rng, usual: 300 * usual + 20 * rng.normal(size=usual.shape)),
    "autocorrelated noise": _noisy(_with_autocorrelated_noise),
    "log-normal noise": _noisy(lambda rng, usual: 200 * usual * np.exp(0.25 * rng.normal(size=usual.shape))),
    "heavy tails (Student's t of 4)": _noisy(lambda rng, usual: 300 * usual + 10 * rng.standard_t(4, usual.shape)),
    "counts (Poisson of 3)": _noisy(lambda rng, usual: rng.poisson(3 * usual).astype(np.float64)),
    "success rates": _noisy(lambda rng, usual: 100 - 100 * rng.binomial(2_000, 0.004, usual.shape) / 2_000),
    "the same all year": _noisy(lambda rng, usual: np.full(usual.shape, 7.0)),
}
