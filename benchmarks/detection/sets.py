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


#: Seeds of the hard shop, which the slow peers take minutes for: the first two.
HARD_SEEDS = 2

#: Intervals of a shop where little will do.
QUICK = 1_200


def _shops(family: Family, quick: bool, *, hard: bool = False, frequency: str = "PT1H") -> Parts:
    seeds, intervals = (SEEDS[family][:1], QUICK) if quick else (SEEDS[family], None)
    seeds = seeds[:HARD_SEEDS] if hard else seeds
    shops = (ShopSettings(seed=seed, hard=hard, frequency=frequency, intervals=intervals) for seed in seeds)
    return tuple(map(_shop, shops))


def _shop(settings: ShopSettings) -> LabelledSet:
    made = shop(settings)
    flat = made.labels.reshape(made.metrics.n_metrics, -1)
    kinds = tuple(np.repeat(made.metrics.measures, len(made.metrics.combinations)).tolist())
    return LabelledSet(made.metrics, flat, int(LEARNED * flat.shape[1]), kinds, made.holidays)


def _kpis(make: Callable[..., LabelledSet], family: Family, quick: bool) -> LabelledSet:
    made = make(family)
    return made.each(6) if quick else made


def _nab(family: Family, quick: bool) -> Parts:
    found = nab.labelled_kpis(Path(os.environ[nab.VARIABLE]))
    return found[:1] if quick else found


#: Each takes the family, and whether little will do.
SETS: dict[str, Callable[[Family, bool], Parts]] = {
    "shop": _shops,
    "shop_five_minute": lambda family, quick: _shops(family, quick, frequency="PT5M"),
    "shop_daily": lambda family, quick: _shops(family, quick, frequency="P1D"),
    "hard": lambda family, quick: _shops(family, quick, hard=True),
    "hourly": lambda family, quick: (_kpis(kpis.hourly, family, quick),),
    "five_minute": lambda family, quick: (_kpis(kpis.five_minute, family, quick),),
    "nab": _nab,
}
