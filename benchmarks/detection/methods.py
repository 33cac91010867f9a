"""All methods by name: how they score, and from which score on they speak of an anomaly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from anomalake.model.judgement import ANOMALOUS
from benchmarks.detection import ours, peers, simple
from benchmarks.detection.labelled import Floats, LabelledSet

#: Values (series, points) with NaN, minutes of an interval, first point to judge; scores (series, points from there).
Score = Callable[[Floats, int, int], Floats]

OURS = "ours"


@dataclass(frozen=True, slots=True)
class Method:
    """A way to find anomalies.

    Attributes
    ----------
    what
        For people.
    score
        The higher, the more of an anomaly.
    threshold
        A score at or above it is one, by the method's or the field's default.
    installed
        It wants the packages of requirements/peers.txt.
    """

    what: str
    score: Score
    threshold: float
    installed: bool = False

    def run(self, part: LabelledSet) -> Floats:
        """Scores of the tested points of a labelled set."""
        if self.score is ours.score:
            # It alone can make use of which series are of one measure, and of holidays.
            return ours.severity(part.metrics, part.first_tested, part.holidays)
        return self.score(part.values, part.frequency_minutes, part.first_tested)


METHODS: dict[str, Method] = {
    OURS: Method("anomalake", ours.score, ANOMALOUS),
    "huber": Method("Huber autoregression, lags 1-6, a day, a week", simple.huber_autoregression, 3),
    "hour_of_week": Method("hour-of-week median / MAD", simple.hour_of_week, 3),
    "recent_median": Method("the same minus its recent median", simple.recent_median, 3),
    "differences": Method("plain differences", simple.differences, 3),
    "spectral_residual": Method("spectral residual", simple.spectral_residual, 3),
    "rcf": Method("random cut forest (krcf)", peers.random_cut_forest, 3, installed=True),
    "mstl": Method("MSTL residuals (statsmodels), not causal", peers.mstl, 3, installed=True),
    "adtk": Method("ADTK SeasonalAD", peers.adtk_seasonal, 3, installed=True),
}
