"""The labelled sets by name; each is one or more parts that share a threshold."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from anomalake.synth import ShopSettings, shop
from benchmarks.detection import kpis, nab
from benchmarks.detection.kpis import Family
from benchmarks.detection.labelled import LabelledSet

Parts = tuple[LabelledSet, ...]

#: Seeds of the shops.
SEEDS: dict[Family, tuple[int, ...]] = {"develop": (101, 102, 103), "check": (1, 2, 3, 4, 5)}

#: Share of a shop to learn from, as in a backtest.
LEARNED = 0.7


def _shops(family: Family, quick: bool, *, hard: bool = False, frequency: str = "PT1H") -> Parts:
    seeds = SEEDS[family][:1] if quick else SEEDS[family]
    return tuple(_shop(ShopSettings(seed=seed, hard=hard, frequency=frequency)) for seed in seeds)


def _shop(settings: ShopSettings) -> LabelledSet:
    made = shop(settings)
    flat = made.labels.reshape(made.metrics.n_metrics, -1)
    kinds = tuple(np.repeat(made.metrics.measures, len(made.metrics.combinations)).tolist())
    return LabelledSet(made.metrics, flat, int(LEARNED * flat.shape[1]), kinds, made.holidays)


def _nab(family: Family, quick: bool) -> Parts:
    return nab.labelled_kpis(Path(os.environ[nab.VARIABLE]))


#: Each takes the family, and whether little will do.
SETS: dict[str, Callable[[Family, bool], Parts]] = {
    "shop": _shops,
    "shop_five_minute": lambda family, quick: _shops(family, quick, frequency="PT5M"),
    "shop_daily": lambda family, quick: _shops(family, quick, frequency="P1D"),
    "hard": lambda family, quick: _shops(family, quick, hard=True),
    "hourly": lambda family, quick: (kpis.hourly(family, copies=1 if quick or family == "develop" else 2),),
    "five_minute": lambda family, quick: (kpis.five_minute(family, copies=1 if quick or family == "develop" else 2),),
    "nab": _nab,
}
