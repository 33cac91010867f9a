"""How severe a group is in one interval: how unlikely, how many metrics, how much of the measure.

A metric's severity is ``100 u / (u + u*)``: ``u`` is how unlikely its value is (minus the logarithm of its
probability), ``u*`` how unlikely a value must be to be an anomaly. So ``r = s / (100 - s) = u / u*`` is the weight of
its evidence, in units of what makes one anomaly. Evidence adds up where probabilities multiply, so a group's is

    r = r_worst + breadth + weight        score = 100 r / (1 + r)

``breadth = ln n / (1 + ln (N / n))`` for n affected metrics of N that the measure has: 0 for one alone; for the same
    n the more, the larger a part of the measure it is, since among many metrics a few are unusual by chance. By the
    logarithm, because metrics of one measure move together: the tenth that falls tells less than the second.
``weight = 2 d / (d + e)`` for the deviation d of all affected metrics, either way, and the measure's expected total e:
    0 for what hardly shows in the total, 1 where the whole measure is gone, below 2 however large a spike.

One small metric that is barely an anomaly stays at 50; nothing reaches 100, so ranks are kept.
"""

from __future__ import annotations

import math

#: The largest float below 100.
MOST = math.nextafter(100.0, 0.0)


def group_score(worst: float, affected: int, observed: int, impact: float, expected_total: float) -> float:
    """Severity of a group in one interval, 0 to 100, never 100 itself.

    Parameters
    ----------
    worst
        Severity of the worst affected metric, 0 to 100.
    affected, observed
        How many metrics are affected, of how many of the measure that were observed in the interval.
    impact
        Sum of the affected metrics' deviations, each taken as positive.
    expected_total
        Sum of what was expected of the measure's observed metrics, each taken as positive.
    """
    evidence = math.inf if worst >= 100 else worst / (100 - worst)
    breadth = math.log(affected) / (1 + math.log(max(observed / affected, 1.0)))
    # Halved, lest two huge amounts add up to infinity.
    total = impact / 2 + expected_total / 2
    weight = impact / total if total > 0 else 0.0
    r = evidence + breadth + weight
    return min(100 * r / (1 + r) if math.isfinite(r) else MOST, MOST)
