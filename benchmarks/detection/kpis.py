"""Labelled synthetic KPIs of common kinds, generated from a seed: `hourly` and `five_minute`.

There are two families without common random numbers: `develop` for development, `check` for measurements. The first
half of each series is the history; both halves have anomalies. A change of level, trend, noise or amplitude is labelled
at its first point only, because it is permanent. Other anomalies are labelled from their first to their last point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from benchmarks.detection.anomaly_types import AnomalyType, Kpi, add_anomaly
from benchmarks.detection.labelled import MINUTES, LabelledSet, unrelated

Family = Literal["develop", "check"]
Floats = npt.NDArray[np.float64]

#: First seeds, far apart, so that no seed is in both families.
FAMILIES: dict[Family, int] = {"develop": 1_000, "check": 2_000_000}


def hourly(family: Family = "develop", *, copies: int = 1) -> LabelledSet:
    """Return `copies` times 84 hourly series of ten weeks."""
    counts = {
        "web": 18, "smooth": 14, "seasons": 14, "changes": 14, "counts": 5, "quiet": 3,
        "cpu": 4, "latency": 5, "success": 3, "gaps": 4,
    }  # fmt: skip
    return _labelled_set("PT1H", 70, counts, FAMILIES[family], copies)


def five_minute(family: Family = "develop", *, copies: int = 1) -> LabelledSet:
    """Return `copies` times 40 series of five weeks in intervals of five minutes."""
    counts = {
        "web": 11, "seasons": 2, "changes": 3, "counts": 5, "quiet": 2, "cpu": 5, "latency": 6, "success": 4, "gaps": 2,
    }  # fmt: skip
    return _labelled_set("PT5M", 35, counts, FAMILIES[family] + 500_000, copies)


def _labelled_set(frequency: str, days: int, counts: dict[str, int], seed: int, copies: int) -> LabelledSet:
    per_day = 24 * 60 // MINUTES[frequency]
    values, labels, kinds = [], [], []
    number = 0
    for copy in range(copies):
        for kind, count in counts.items():
            for _ in range(count):
                rng = np.random.default_rng([seed, copy, number])
                kpi = KINDS[kind](rng, days * per_day, per_day)
                values.append(kpi.values)
                labels.append(kpi.labels)
                kinds.append(kind)
                number += 1
    metrics = unrelated(np.array(values), frequency)
    return LabelledSet(metrics, np.array(labels), days * per_day // 2, tuple(kinds))


# ---- components of a series ----


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _days(points: int, per_day: int) -> Floats:
    return np.arange(points) / per_day


def _seasonal_pattern(rng: np.random.Generator, points: int, per_day: int, depth: float) -> Floats:
    """Return a daily pattern of three harmonics with a different weekend, around 0, of amplitude `depth`."""
    day = _days(points, per_day)
    curve = np.zeros(points)
    for harmonic, weight in ((1, 1.0), (2, rng.uniform(0.1, 0.6)), (3, rng.uniform(0, 0.3))):
        curve += weight * np.cos(2 * np.pi * (harmonic * day - rng.uniform()))
    curve *= depth / np.max(np.abs(curve))
    weekend = (np.floor(day) % 7) >= 5
    return curve * np.where(weekend, rng.uniform(0.4, 1.1), 1.0) + np.where(
        weekend, rng.uniform(-0.6, 0.2) * depth, 0.0
    )


def _autocorrelated(rng: np.random.Generator, points: int, memory: float, freedom: float) -> Floats:
    """Return autocorrelated noise of unit variance, with innovations of Student's t."""
    innovations = rng.standard_t(freedom, points) / np.sqrt(freedom / (freedom - 2))
    out = np.empty(points)
    state = 0.0
    for i, innovation in enumerate(innovations):
        state = memory * state + innovation
        out[i] = state
    return out * float(np.sqrt(1 - memory**2))


def _with_anomalies(
    kpi: Kpi, rng: np.random.Generator, kinds: Iterable[AnomalyType], mean: float, weights: list[float]
) -> Kpi:
    """Add anomalies to both halves, `mean` to a half of 840 points on average, at a distance from each other."""
    kinds = list(kinds)
    half = len(kpi.values) // 2
    for begin in (0, half):
        count = int(rng.poisson(mean * (half / 840) ** 0.5))
        for _ in range(count):
            kind = kinds[int(rng.choice(len(kinds), p=np.array(weights) / np.sum(weights)))]
            for _ in range(20):
                first = begin + int(rng.integers(kpi.per_day if begin == 0 else 2, half - 2))
                if not kpi.labels[max(0, first - kpi.per_day // 4) : first + kpi.per_day // 2].any():
                    kpi = add_anomaly(kind, kpi, rng, first)
                    break
    return kpi


# ---- kinds of series ----


def _web(rng: np.random.Generator, points: int, per_day: int) -> Kpi:
    """Traffic: multiplicative seasonality, growth, autocorrelated noise with heavy tails, and a slight drift."""
    level = _log_uniform(rng, 40, 50_000)
    seasonality = _seasonal_pattern(rng, points, per_day, rng.uniform(0.2, 1.3))
    growth = rng.uniform(-0.15, 0.35) * np.arange(points) / points
    spread = _log_uniform(rng, 0.02, 0.12)
    memory = rng.uniform(0.2, 0.9)
    noise = _autocorrelated(rng, points, memory, rng.uniform(4, 25))
    drift = _autocorrelated(rng, points, 1 - 1 / (3 * per_day), 30) * rng.uniform(0, 0.08)
    usual = level * np.exp(seasonality + growth + drift)
    values = usual * np.exp(spread * noise)
    if level < 5_000:
        values = np.rint(values)
    kpi = Kpi(values, usual, usual * spread + 0.5, per_day, low=0.0)
    kinds: list[AnomalyType] = ["spike", "dip", "outage", "ramp", "shift", "episode", "noise", "flat", "wrong_time"]
    return _with_anomalies(kpi, rng, kinds, rng.uniform(1.0, 4.0), [4, 3, 2, 1, 1.5, 1.5, 0.7, 0.5, 1])


def _smooth(rng: np.random.Generator, points: int, per_day: int) -> Kpi:
    """A sinusoid and a trend with little noise, and outliers."""
    day = _days(points, per_day)
    height = _log_uniform(rng, 10, 2_000)
    period = rng.choice([0.5, 1.0, 1.0, 1.0, 7.0, rng.uniform(1.5, 6.0)])
    usual = height * np.sin(2 * np.pi * (day / period + rng.uniform()))
    usual = usual + rng.normal(0, 0.7) * height * np.arange(points) / points + rng.uniform(0, 4) * height
    scale = height * _log_uniform(rng, 0.01, 0.08)
    kpi = Kpi(usual + scale * rng.normal(size=points), usual, np.full(points, scale), per_day)
    return _with_anomalies(kpi, rng, ["spike", "dip", "episode"], rng.uniform(2.0, 5.0), [4, 4, 1])


def _seasons(rng: np.random.Generator, points: int, per_day: int) -> Kpi:
    """Several seasonal periods, a trend, noise, and outliers of 3 to 8 standard deviations."""
    day = _days(points, per_day)
    height = _log_uniform(rng, 10, 5_000)
    usual = np.zeros(points)
    for period in (0.5, 1.0, 7.0):
        usual += height * rng.uniform(0.2, 1) * np.sin(2 * np.pi * (day / period + rng.uniform()))
    usual += rng.normal(0, 0.5) * height * np.arange(points) / points
    scale = height * _log_uniform(rng, 0.03, 0.25)
    kpi = Kpi(usual + scale * rng.normal(size=points), usual, np.full(points, scale), per_day)
    return _with_anomalies(kpi, rng, ["outlier"], rng.uniform(2.0, 6.0), [1])


def _changes(rng: np.random.Generator, points: int, per_day: int) -> Kpi:
    """As `seasons`, with permanent changes of level, trend, noise or amplitude."""
    day = _days(points, per_day)
    height = _log_uniform(rng, 10, 5_000)
    season = np.zeros(points)
    for period in (0.5, 1.0, 7.0):
        season += height * rng.uniform(0.2, 1) * np.sin(2 * np.pi * (day / period + rng.uniform()))
    slope = rng.normal(0, 0.5) * height / points
    trend = slope * np.arange(points)
    scale = np.full(points, height * _log_uniform(rng, 0.03, 0.2))
    changed = np.zeros(points, dtype=np.bool_)
    bounds = np.linspace(0.1, 0.95, 2 + int(rng.integers(2, 5))) * points
    for low, high in pairwise(bounds):
        first = int(rng.integers(int(low), int(high) - per_day // 2))
        changed[first] = True
        change = rng.choice(["level", "trend", "noise", "amplitude"], p=[0.4, 0.2, 0.2, 0.2])
        if change == "level":
            trend[first:] += rng.choice([-1, 1]) * rng.uniform(6, 25) * scale[first]
        elif change == "trend":
            trend[first:] += rng.uniform(-6, 6) * height / points * np.arange(points - first)
        elif change == "noise":
            scale[first:] *= rng.choice([rng.uniform(0.25, 0.5), rng.uniform(2, 4)])
        else:
            season[first:] *= rng.choice([rng.uniform(0.3, 0.6), rng.uniform(1.6, 2.5)])
    usual = season + trend
    kpi = Kpi(usual + scale * rng.normal(size=points), usual, scale, per_day, labels=changed)
    return _with_anomalies(kpi, rng, ["outlier"], rng.uniform(1.0, 4.0), [1])


def _counts(rng: np.random.Generator, points: int, per_day: int) -> Kpi:
    """Low counts: Poisson or overdispersed, sometimes with additional zeros."""
    mean = _log_uniform(rng, 0.1, 8)
    usual = mean * np.exp(_seasonal_pattern(rng, points, per_day, rng.uniform(0.2, 1.5)))
    width = float(rng.choice([0.0, rng.uniform(0.1, 0.6)]))
    wide = usual * rng.gamma(1 / width, width, points) if width else usual
    values = rng.poisson(wide).astype(np.float64)
    values[rng.random(points) < rng.choice([0.0, rng.uniform(0.1, 0.5)])] = 0
    kpi = Kpi(values, usual, np.sqrt(usual + width * usual**2) + 0.5, per_day, low=0.0, is_count=True)
    return _with_anomalies(
        kpi, rng, ["spike", "burst", "outage"], rng.uniform(1.0, 3.5), [3, 2, 1 if mean > 3 else 0.01]
    )


def _quiet(rng: np.random.Generator, points: int, per_day: int) -> Kpi:
    """A constant, or almost constant, with rare anomalies."""
    level = float(rng.choice([0.0, 1.0, 100.0, _log_uniform(rng, 1, 1e6)]))
    size = max(level, 1.0) * _log_uniform(rng, 0.01, 0.5)
    values = np.full(points, level)
    if rng.random() < 0.5:
        values += rng.choice([-1, 0, 0, 0, 0, 0, 1], points) * size * 0.05
    kpi = Kpi(values, values.copy(), np.full(points, size), per_day, low=0.0)
    return _with_anomalies(kpi, rng, ["spike", "episode"], rng.uniform(1.0, 3.0), [3, 1])


def _cpu(rng: np.random.Generator, points: int, per_day: int) -> Kpi:
    """CPU load from 0 to 100: a base load with jobs at fixed times or a sawtooth."""
    day = _days(points, per_day)
    usual = rng.uniform(5, 50) + 8 * _seasonal_pattern(rng, points, per_day, rng.uniform(0.2, 1))
    if rng.random() < 0.5:
        usual = usual + rng.uniform(10, 40) * ((day / rng.choice([0.25, 1.0, 7.0, rng.uniform(0.8, 3)])) % 1)
    else:
        for hour in rng.integers(0, 24, int(rng.integers(1, 4))):
            usual = usual + rng.uniform(10, 40) * (np.floor(day * 24 + 1e-9) % 24 == hour)
    scale = rng.uniform(0.5, 5)
    noise = _autocorrelated(rng, points, rng.uniform(0, 0.85), rng.uniform(5, 25))
    kpi = Kpi(usual + scale * noise, usual, np.full(points, scale), per_day, low=0.0, high=100.0)
    kinds: list[AnomalyType] = ["spike", "dip", "ramp", "episode", "noise", "shift", "flat"]
    return _with_anomalies(kpi, rng, kinds, rng.uniform(1.0, 3.5), [4, 1, 1, 2, 1, 1, 0.5])


def _latency(rng: np.random.Generator, points: int, per_day: int) -> Kpi:
    """Log-normal latency with a slight seasonality and usual heavy tails."""
    level = _log_uniform(rng, 5, 800)
    usual = level * np.exp(_seasonal_pattern(rng, points, per_day, rng.uniform(0.02, 0.4)))
    spread = _log_uniform(rng, 0.03, 0.2)
    noise = _autocorrelated(rng, points, rng.uniform(0, 0.7), rng.uniform(4, 12))
    tail = rng.exponential(2 * spread, points) * (rng.random(points) < rng.choice([0.0, rng.uniform(0, 0.02)]))
    kpi = Kpi(usual * np.exp(spread * noise + tail), usual, usual * spread, per_day, low=0.0)
    kinds: list[AnomalyType] = ["spike", "episode", "ramp", "shift", "noise"]
    return _with_anomalies(kpi, rng, kinds, rng.uniform(1.0, 3.5), [3, 3, 1, 1.5, 1])


def _success(rng: np.random.Generator, points: int, per_day: int) -> Kpi:
    """Success rate in per cent of seasonal traffic: near 100, noisier at night."""
    calls = _log_uniform(rng, 200, 20_000) * np.exp(_seasonal_pattern(rng, points, per_day, rng.uniform(0.2, 1.2)))
    failing = _log_uniform(rng, 0.0005, 0.03) * np.exp(0.3 * _autocorrelated(rng, points, 0.6, 8))
    calls = np.maximum(np.rint(calls), 20)
    values = 100 * (1 - rng.binomial(calls.astype(np.int64), np.minimum(failing, 1)) / calls)
    usual = np.full(points, 100 * (1 - float(np.mean(failing))))
    scale = 100 * np.sqrt(failing / calls + failing**2 * 0.09)
    kpi = Kpi(values, usual, scale, per_day, low=0.0, high=100.0)
    return _with_anomalies(kpi, rng, ["dip", "fall", "outage"], rng.uniform(1.0, 3.5), [2, 2, 0.3])


def _gaps(rng: np.random.Generator, points: int, per_day: int) -> Kpi:
    """Traffic with missing points, gaps of hours, and values that are stuck for some time."""
    kpi = _with_anomalies(_web(rng, points, per_day), rng, ["stuck"], 0.7, [1])
    values = kpi.values.copy()
    values[rng.random(points) < rng.uniform(0.002, 0.03)] = np.nan
    for _ in range(int(rng.integers(1, 6))):
        first = int(rng.integers(0, points - per_day))
        values[first : first + int(rng.integers(2, per_day))] = np.nan
    return Kpi(values, kpi.usual, kpi.scale, per_day, low=0.0, labels=kpi.labels & ~np.isnan(values))


KINDS: dict[str, Callable[[np.random.Generator, int, int], Kpi]] = {
    "web": _web,
    "smooth": _smooth,
    "seasons": _seasons,
    "changes": _changes,
    "counts": _counts,
    "quiet": _quiet,
    "cpu": _cpu,
    "latency": _latency,
    "success": _success,
    "gaps": _gaps,
}
