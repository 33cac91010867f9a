"""All methods by name, with their scores and default thresholds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from anomalake.model.judgement import ANOMALOUS
from benchmarks.detection import ours, peers, simple
from benchmarks.detection.labelled import Floats, LabelledSet

#: From values (series, points) with NaN, the minutes of an interval and the first judged point to scores from there.
Score = Callable[[Floats, int, int], Floats]

OURS = "ours"


@dataclass(frozen=True, slots=True)
class Method:
    """A method of anomaly detection.

    Attributes
    ----------
    title
        Name in the results.
    score
        Computes scores; a higher score is more anomalous.
    threshold
        Least score of an anomaly, by the default of the method or of the field.
    needs_peers
        Whether it needs the packages of requirements/peers.txt.
    """

    title: str
    score: Score
    threshold: float
    needs_peers: bool = False

    def run(self, part: LabelledSet) -> Floats:
        """Return the scores of the judged points of a labelled set."""
        if self.score is ours.score:
            # Only anomalake uses measures and holidays.
            return ours.severity(part.metrics, part.first_tested, part.holidays)
        return self.score(part.values, part.frequency_minutes, part.first_tested)


METHODS: dict[str, Method] = {
    OURS: Method("anomalake", ours.score, ANOMALOUS),
    "huber": Method("Huber autoregression, lags 1-6, a day, a week", simple.huber_autoregression, 3),
    "hour_of_week": Method("hour-of-week median / MAD", simple.hour_of_week, 3),
    "recent_median": Method("the same minus its recent median", simple.recent_median, 3),
    "differences": Method("plain differences", simple.differences, 3),
    "spectral_residual": Method("spectral residual", simple.spectral_residual, 3),
    "rcf": Method("random cut forest (krcf)", peers.random_cut_forest, 3, needs_peers=True),
    "mstl": Method("MSTL residuals (statsmodels), not causal", peers.mstl, 3, needs_peers=True),
    "adtk": Method("ADTK SeasonalAD", peers.adtk_seasonal, 3, needs_peers=True),
}
