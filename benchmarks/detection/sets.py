"""The labelled sets by name; a set has one or more parts with a common threshold."""

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

#: Seeds of the shops, by family.
SEEDS: dict[Family, tuple[int, ...]] = {"develop": (101, 102, 103), "check": (1, 2, 3, 4, 5)}

#: Share of a shop that is history, as in a backtest.
LEARNED = 0.7

#: Number of seeds of the hard shop: slow methods take minutes for each.
HARD_SEEDS = 2

#: Intervals of a shop in a quick run.
QUICK = 1_200


def _shops(family: Family, quick: bool, *, hard: bool = False, frequency: str = "PT1H") -> Parts:
    seeds, intervals = (SEEDS[family][:1], QUICK) if quick else (SEEDS[family], None)
    seeds = seeds[:HARD_SEEDS] if hard else seeds
    shops = (ShopSettings(seed=seed, hard=hard, frequency=frequency, intervals=intervals) for seed in seeds)
    return tuple(map(_shop, shops))


def _shop(settings: ShopSettings) -> LabelledSet:
    data = shop(settings)
    flat = data.labels.reshape(data.metrics.n_metrics, -1)
    kinds = tuple(np.repeat(data.metrics.measures, len(data.metrics.combinations)).tolist())
    return LabelledSet(data.metrics, flat, int(LEARNED * flat.shape[1]), kinds, data.holidays)


def _kpis(make: Callable[..., LabelledSet], family: Family, quick: bool) -> LabelledSet:
    data = make(family)
    return data.every(6) if quick else data


def _nab(family: Family, quick: bool) -> Parts:
    parts = nab.labelled_kpis(Path(os.environ[nab.VARIABLE]))
    return parts[:1] if quick else parts


#: Functions that make a set from the family, and whether the run is quick.
SETS: dict[str, Callable[[Family, bool], Parts]] = {
    "shop": _shops,
    "shop_five_minute": lambda family, quick: _shops(family, quick, frequency="PT5M"),
    "shop_daily": lambda family, quick: _shops(family, quick, frequency="P1D"),
    "hard": lambda family, quick: _shops(family, quick, hard=True),
    "hourly": lambda family, quick: (_kpis(kpis.hourly, family, quick),),
    "five_minute": lambda family, quick: (_kpis(kpis.five_minute, family, quick),),
    "nab": _nab,
}
