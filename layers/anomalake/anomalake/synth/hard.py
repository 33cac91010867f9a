"""The hard shop: calendar effects, noise, low counts, gaps, and several kinds of anomalies."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from anomalake.synth.draws import either, either_sign, spread
from anomalake.synth.events import (
    LEVEL_SHIFT,
    LONGEST,
    REVENUE_ONLY,
    SHIFT,
    SLOW,
    SMALL,
    VIEWS_ONLY,
    Events,
    Floats,
    Ints,
    Rng,
)
from anomalake.synth.settings import ShopSettings

PRICE: Final = 0.3
PRICE_VARIATION: Final = 0.1

#: Change of level from the first interval to the last.
TREND: Final = (-0.3, 0.6)
WEEKEND: Final = (0.6, 0.9)
HOLIDAY: Final = (0.4, 0.7)

SHIFT_SIZE: Final = (100.0, 600.0)
#: Amounts in half-widths of the noise.
SMALL_SIZE: Final = (2.0, 3.0)
SLOW_SIZE: Final = (150.0, 450.0)
LOWER_LEVEL: Final = (0.45, 0.65)
HIGHER_LEVEL: Final = (1.5, 2.2)
LOWER_REVENUE: Final = (0.3, 0.6)
HIGHER_REVENUE: Final = (1.6, 2.5)

#: One series in this many has low counts: this mean, and at most `MOST_FEW`.
FEW_IN: Final = 7
FEW: Final = (0.1, 1.0)
MOST_FEW: Final = 4
FEW_SHIFT: Final = (8.0, 25.0)
#: Minimum change of a labelled point in such a series; in others it is the half-width of the noise.
FEW_MOVED: Final = 5.0

MISSING: Final = 0.02


def hard_views_and_revenue(
    rng: Rng,
    settings: ShopSettings,
    usual: Floats,
    size: Floats,
    events: Events,
    values: Floats,
    labels: npt.NDArray[np.bool_],
) -> Events:
    """Fill in a block of series.

    Parameters
    ----------
    usual
        Usual views, (series, T); changed in place.
    size
        Half-width of the noise, (series, 1).
    events
        Events with amounts from 0 to 1.
    values, labels
        Arrays to fill, (2, series, T).

    Returns
    -------
    The events with their amounts, without those that changed no point enough.
    """
    usual *= _calendar(rng, settings, len(usual))
    few = _few(rng, len(usual))
    size = np.where(few[:, None], FEW_MOVED, size)
    events = _sized(events, few, size[:, 0])
    earlier = _shift_levels(usual, events)
    drawn = rng.random(usual.shape)
    noise = np.where(few[:, None], 0.0, size * (2 * drawn - 1))
    usual[few] = _counts(rng, usual[few], drawn[few])
    price = PRICE * (1 + PRICE_VARIATION * (2 * rng.random(usual.shape) - 1))

    event, series, at = events.points()
    kind, amount = events.kind[event], events.amount[event]
    grown = np.where(kind == SLOW, (at - events.first[event] + 1) / (events.last - events.first + 1)[event], 1.0)
    added = np.where(np.isin(kind, (LEVEL_SHIFT, REVENUE_ONLY)), 0.0, amount * grown)

    values[0] = _whole(usual + noise)
    usual_here, noise_here, price_here = usual[series, at], noise[series, at], price[series, at]
    views = _whole(usual_here + noise_here + added)
    views_without = _whole(usual_here / np.where(kind == LEVEL_SHIFT, earlier[event], 1.0) + noise_here)
    revenue_without = price_here * views_without
    revenue = np.where(kind == VIEWS_ONLY, revenue_without, price_here * views)
    revenue = np.where(kind == REVENUE_ONLY, revenue * amount, revenue)

    values[1] = np.round(price * values[0], 2)
    values[0, series, at] = views
    values[1, series, at] = np.round(revenue, 2)
    seen = size[series, 0]
    labels[0, series, at] = np.abs(views - views_without) >= seen
    labels[1, series, at] = np.abs(revenue - revenue_without) >= PRICE * seen + PRICE_VARIATION * revenue_without
    missing = rng.random(usual.shape) < MISSING
    values[:, missing] = np.nan
    labels[:, missing] = False
    labelled = np.bincount(event, weights=labels[:, series, at].any(axis=0), minlength=len(events))
    return events.kept(labelled > 0)


def _calendar(rng: Rng, settings: ShopSettings, n_series: int) -> Floats:
    """Factors for trend, weekends and holidays."""
    trend, weekend, holiday = rng.random((3, n_series, 1))
    n = settings.n_intervals
    factors: Floats = 1 + spread(trend, TREND) * np.arange(n) / max(1, n - 1)
    days = settings.starts.astype("datetime64[D]")
    if settings.frequency != "P1D":
        # 1 January 1970 was a Thursday.
        is_weekend = (days.astype(np.int64) + 3) % 7 >= 5
        factors = np.where(is_weekend, factors * spread(weekend, WEEKEND), factors)
    is_holiday = np.isin(days, np.array(settings.holidays, dtype="datetime64[D]"))
    return np.where(is_holiday, factors * spread(holiday, HOLIDAY), factors)


def _few(rng: Rng, n_series: int) -> npt.NDArray[np.bool_]:
    """Series with low counts of views."""
    few = np.zeros(n_series, np.bool_)
    few[np.argsort(rng.random(n_series), kind="stable")[: round(n_series / FEW_IN)]] = True
    return few


def _sized(events: Events, few: npt.NDArray[np.bool_], size: Floats) -> Events:
    """Set the amounts of events; in a series with low counts each is a short rise."""
    in_few = few[events.combination]
    kind: Ints = np.where(in_few, SHIFT, events.kind)
    last = np.where(in_few, np.minimum(events.last, events.first + LONGEST - 1), events.last)
    drawn = events.amount
    amount = np.select(
        [in_few, kind == SMALL, kind == SLOW, kind == REVENUE_ONLY, kind == LEVEL_SHIFT],
        [
            np.floor(spread(drawn, FEW_SHIFT)),
            either_sign(drawn, SMALL_SIZE) * size[events.combination],
            either_sign(drawn, SLOW_SIZE),
            either(drawn, LOWER_REVENUE, HIGHER_REVENUE),
            drawn,
        ],
        either_sign(drawn, SHIFT_SIZE),
    )
    return replace(events, kind=kind, last=last, amount=_levels(events.combination, kind, amount))


def _levels(combination: Ints, kind: Ints, amount: Floats) -> Floats:
    """Set the amounts of level shifts, as factors of the first level: lower and higher ones alternate in a series."""
    previous = -1
    low = False
    for i in np.flatnonzero(kind == LEVEL_SHIFT):
        low = not low if combination[i] == previous else bool(amount[i] < 0.5)
        previous = combination[i]
        place = 2 * amount[i] % 1
        amount[i] = spread(place, LOWER_LEVEL if low else HIGHER_LEVEL)
    return amount


def _shift_levels(usual: Floats, events: Events) -> Floats:
    """Apply level shifts to the usual views; return, for each event, its level divided by the level before."""
    ratios = np.ones(len(events))
    level: dict[int, float] = {}
    for i in np.flatnonzero(events.kind == LEVEL_SHIFT):
        series = int(events.combination[i])
        ratios[i] = events.amount[i] / level.get(series, 1.0)
        level[series] = float(events.amount[i])
        usual[series, events.first[i] :] *= ratios[i]
    return ratios


def _counts(rng: Rng, usual: Floats, drawn: Floats) -> Floats:
    """Poisson counts of at most `MOST_FEW`, with the seasonality of the usual views."""
    mean = spread(rng.random((len(usual), 1)), FEW) * usual / usual.mean(axis=1, keepdims=True)
    probability = np.exp(-mean)
    below = probability.copy()
    counts = np.zeros_like(usual)
    for n in range(1, MOST_FEW + 1):
        counts += drawn >= below
        probability *= mean / n
        below += probability
    return counts


def _whole(views: Floats) -> Floats:
    whole: Floats = np.trunc(np.maximum(views, 0))
    return whole
