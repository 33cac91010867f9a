"""Methods of other packages, at the versions of requirements/peers.txt, imported where they are used.

The signature is that of `simple`: from values (series, points) with NaN, the minutes of an interval and the first
judged point to the scores from that point on.
"""

from __future__ import annotations

import warnings

import numpy as np

from benchmarks.detection.simple import Floats, deviation, last_known, over


def random_cut_forest(values: Floats, frequency_minutes: int, first_tested: int) -> Floats:
    """AWS's random cut forest (krcf): shingles of 8, 50 trees of 256 points; each point is learned after it is scored.

    Scores are standardised by mean and standard deviation of the scores of the second half of the history; the authors
    use a threshold of 3.
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
    """Residuals of statsmodels' MSTL with the periods of a day and a week, in standard deviations.

    It is not causal: as in common use, the decomposition includes the judged points and those after them.
    """
    from statsmodels.tsa.seasonal import MSTL

    per_day = 24 * 60 // frequency_minutes
    periods = [period for period in (per_day, 7 * per_day) if 1 < period <= values.shape[1] // 2]
    # For long series, the documentation advises LOESS at a part of the points and interpolation between them.
    jumps = {"seasonal_jump": 4, "trend_jump": max(1, periods[0] // 7), "low_pass_jump": max(1, periods[0] // 7)}
    residuals = np.empty_like(values)
    for series, out in zip(_filled(values), residuals, strict=True):
        out[:] = MSTL(series, periods=periods, stl_kwargs=jumps).fit().resid
    residuals[np.isnan(values)] = np.nan
    return over(np.abs(residuals[:, first_tested:]), deviation(residuals[:, :first_tested]))


def adtk_seasonal(values: Floats, frequency_minutes: int, first_tested: int) -> Floats:
    """ADTK's SeasonalAD with the period of a week, or of a day if the history is shorter than two weeks.

    The score is the distance of a residual from the upper quartile in interquartile ranges; the default is 3. ADTK's
    detector returns no scores, so its two parts are used here: the decomposition and the interquartile range.
    """
    import pandas as pd
    from adtk.transformer import ClassicSeasonalDecomposition

    per_day = 24 * 60 // frequency_minutes
    season = next(days * per_day for days in (7, 1) if 2 * days * per_day <= first_tested)
    times = pd.date_range("2024-01-01", periods=values.shape[1], freq=f"{frequency_minutes}min")
    scores = np.empty_like(values[:, first_tested:])
    for series, out in zip(_filled(values), scores, strict=True):
        indexed = pd.Series(series, index=times)
        decomposition = ClassicSeasonalDecomposition(freq=season, trend=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            learned = np.abs(decomposition.fit_transform(indexed[:first_tested]).to_numpy())
            residuals = np.abs(decomposition.transform(indexed).to_numpy()[first_tested:])
        low, high = np.nanquantile(learned, (0.25, 0.75))
        out[:] = (residuals - high) / max(high - low, 1e-9)
    scores[np.isnan(values[:, first_tested:])] = np.nan
    return scores


def _filled(values: Floats) -> Floats:
    """Return values without gaps, which these methods do not support: the previous value, or 0."""
    known = last_known(values)
    return np.where(np.isnan(known), 0.0, known)
