"""The shop: labelled measures over time. The easy shop follows the generator of L4M's samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from anomalake.model.metrics import Metrics
from anomalake.synth.draws import either_sign, spread
from anomalake.synth.events import HARD_SHARES, Events, Floats, Rng, draw_events, joined, no_events
from anomalake.synth.hard import PRICE, SHIFT_SIZE, hard_views_and_revenue
from anomalake.synth.settings import MEASURES, ShopSettings

#: Probability that an anomaly starts, for each series and hour (or interval, if that is longer).
EASY_STARTS: Final = 0.005
HARD_STARTS: Final = 0.0025

PEAK_SIZE: Final = (200.0, 400.0)
PEAK_HOUR: Final = (12.0, 21.0)
OFFSET: Final = (100.0, 200.0)
NOISE: Final = (2.0, 10.0)

# Series are generated in blocks of this size, so that a large shop needs little memory beyond its values.
_BLOCK: Final = 512


@dataclass(frozen=True, slots=True, eq=False)
class Shop:
    """A generated shop.

    Attributes
    ----------
    settings
        Its settings.
    metrics
        Views and revenue; NaN where a row is missing.
    labels
        bool, shape (M, K, T): the anomalous points.
    events
        The events of the labels; every event has a labelled point.
    """

    settings: ShopSettings
    metrics: Metrics
    labels: npt.NDArray[np.bool_]
    events: Events

    @property
    def holidays(self) -> tuple[date, ...]:
        """Holidays; they are not anomalies."""
        return self.settings.holidays


def shop(settings: ShopSettings) -> Shop:
    """Generate a shop; equal settings give an equal shop."""
    starts = settings.starts
    combinations = settings.combinations
    shape = (len(MEASURES), len(combinations), len(starts))
    values = np.empty(shape)
    labels = np.zeros(shape, np.bool_)
    parts: list[Events] = []
    firsts = list(range(0, len(combinations), _BLOCK))
    for number, first in enumerate(firsts):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([settings.seed, number])))
        block = slice(first, min(first + _BLOCK, len(combinations)))
        make = _hard if settings.hard else _easy
        parts.append(make(rng, settings, values[:, block], labels[:, block]))
    metrics = Metrics(settings.frequency, "UTC", starts, MEASURES, settings.dimension_names, combinations, values)
    return Shop(settings, metrics, labels, joined(parts, firsts))


def _easy(rng: Rng, settings: ShopSettings, values: Floats, labels: npt.NDArray[np.bool_]) -> Events:
    """Fill in a block of the easy shop."""
    views = seasonal_views(rng, settings, values.shape[1])
    size = spread(rng.random((len(views), 1)), NOISE)
    views += size * (2 * rng.random(views.shape) - 1)
    events = _events(rng, settings, len(views), EASY_STARTS)
    events = replace(events, amount=either_sign(events.amount, SHIFT_SIZE))
    event, series, at = events.points()
    views[series, at] += events.amount[event]
    values[0] = np.trunc(np.maximum(views, 0))
    values[1] = np.round(PRICE * values[0], 1)
    labels[:, series, at] = True
    return events


def _hard(rng: Rng, settings: ShopSettings, values: Floats, labels: npt.NDArray[np.bool_]) -> Events:
    """Fill in a block of the hard shop."""
    usual = seasonal_views(rng, settings, values.shape[1])
    size = 5 * spread(rng.random((len(usual), 1)), NOISE)
    events = _events(rng, settings, len(usual), HARD_STARTS, HARD_SHARES)
    return hard_views_and_revenue(rng, settings, usual, size, events, values, labels)


def seasonal_views(rng: Rng, settings: ShopSettings, n_series: int) -> Floats:
    """Usual views without noise, (series, T): a cosine with a daily period, or a weekly one for P1D."""
    peak_size, peak_at, offset = rng.random((3, n_series, 1))
    seconds = (settings.starts - settings.starts[0].astype("datetime64[D]")).astype(np.int64)
    if settings.frequency == "P1D":
        # 1 January 1970 was a Thursday; days of the week are counted from Monday.
        weekday = (settings.starts.astype("datetime64[D]").astype(np.int64) + 3) % 7
        turn = weekday / 7 - peak_at
    else:
        turn = seconds % 86_400 / 86_400 - spread(peak_at, PEAK_HOUR) / 24
    views: Floats = spread(offset, OFFSET) + spread(peak_size, PEAK_SIZE) * (1 + np.cos(2 * np.pi * turn)) / 2
    return views


def _events(
    rng: Rng, settings: ShopSettings, n_series: int, an_hour: float, shares: tuple[float, ...] = (1.0,)
) -> Events:
    if not settings.anomalies:
        return no_events()
    probability = an_hour * min(1.0, settings.seconds / 3_600)
    return draw_events(rng, n_series, settings.n_intervals, probability, shares)
