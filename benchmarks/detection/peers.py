"""Peers that are packages of their own, at the versions of requirements/peers.txt, imported where they are used.

As in `simple`: values (series, points) with NaN, the minutes of an interval, the first point to judge; scores of the
points from there on.
"""

from __future__ import annotations

import warnings

import numpy as np

from benchmarks.detection.simple import Floats, deviation, last_known, over


def random_cut_forest(values: Floats, frequency_minutes: int, first_tested: int) -> Floats:
    """krcf: AWS's random cut forest, shingles of 8, 50 trees of 256 points; learns each point after scoring it.

    The score is in standard deviations of the scores of the second half of the points before, from their mean, which
    is how its makers cut it off (at 3).
    """
    from krcf import RandomCutForest

    scores = np.full(values.shape, np.nan)
    for series, out in zip(_filled(values), scores, strict=True):
        forest = RandomCutForest(
            {
                "dimensions": 1,
                "shingle_size": 8,
                "num_trees": 50,
                "sample_size": 256,
                "random_seed": 1,
                "internal_shingling": True,
                "parallel_execution_enabled": False,
            }
        )
        for t, value in enumerate(series.tolist()):
            point = [value]
            out[t] = forest.score(point)
            forest.update(point)
    usual = scores[:, first_tested // 2 : first_tested]
    spread = np.maximum(np.std(usual, axis=1, keepdims=True), 1e-9)
    return (scores[:, first_tested:] - np.mean(usual, axis=1, keepdims=True)) / spread


def mstl(values: Floats, frequency_minutes: int, first_tested: int) -> Floats:
    """statsmodels' MSTL of a day and a week: what is left of it, in its deviations.

    Not causal: it takes the whole series apart, tested points and those after them included, as people use it.
    """
    from statsmodels.tsa.seasonal import MSTL

    per_day = 24 * 60 // frequency_minutes
    periods = [period for period in (per_day, 7 * per_day) if 1 < period <= values.shape[1] // 2]
    # The documentation's advice for long series: LOESS at some points, lines between them.
    jumps = {"seasonal_jump": 4, "trend_jump": max(1, periods[0] // 7), "low_pass_jump": max(1, periods[0] // 7)}
    left = np.empty_like(values)
    for series, out in zip(_filled(values), left, strict=True):
        out[:] = MSTL(series, periods=periods, stl_kwargs=jumps).fit().resid
    left[np.isnan(values)] = np.nan
    return over(np.abs(left[:, first_tested:]), deviation(left[:, :first_tested]))


def adtk_seasonal(values: Floats, frequency_minutes: int, first_tested: int) -> Floats:
    """ADTK's SeasonalAD of a week, of a day where less than two weeks are there to learn from.

    How many interquartile ranges a residual is above the upper quartile; the default is 3. Its detector gives no
    scores, so its two parts are used, decomposition and interquartile range.
    """
    import pandas as pd
    from adtk.transformer import ClassicSeasonalDecomposition

    per_day = 24 * 60 // frequency_minutes
    season = next(days * per_day for days in (7, 1) if 2 * days * per_day <= first_tested)
    times = pd.date_range("2024-01-01", periods=values.shape[1], freq=f"{frequency_minutes}min")
    scores = np.empty_like(values[:, first_tested:])
    for series, out in zip(_filled(values), scores, strict=True):
        whole = pd.Series(series, index=times)
        taken_apart = ClassicSeasonalDecomposition(freq=season, trend=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            learned = np.abs(taken_apart.fit_transform(whole[:first_tested]).to_numpy())
            left = np.abs(taken_apart.transform(whole).to_numpy()[first_tested:])
        low, high = np.nanquantile(learned, (0.25, 0.75))
        out[:] = (left - high) / max(high - low, 1e-9)
    scores[np.isnan(values[:, first_tested:])] = np.nan
    return scores


def _filled(values: Floats) -> Floats:
    """Without gaps, which none of them can do with: the last value before each, or zero."""
    known = last_known(values)
    return np.where(np.isnan(known), 0.0, known)
