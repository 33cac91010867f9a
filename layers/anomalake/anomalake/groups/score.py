"""Score of a group in one interval.

A metric's severity is ``s = 100 u / (u + u*)``. ``u`` is minus the logarithm of the probability of its value, and
``u*`` is the ``u`` from which a value is an anomaly. So ``r = s / (100 - s) = u / u*`` is the evidence of the metric,
in units of the smallest anomaly. Evidence adds up where probabilities multiply. A group has the evidence and the score

    r = 7/3 r_worst + breadth + weight        score = 100 r / (1 + r)

``breadth = ln n / (1 + ln (N / n))`` for n affected metrics of N observed ones. It is 0 for a single metric. For equal
    n it grows with the share n / N, since of many metrics a few are unusual by chance. It is logarithmic because the
    metrics of a measure are correlated: the tenth affected metric is less evidence than the second.
``weight = 2 d / (d + e)`` for the sum d of the affected metrics' deviations and the measure's expected total e. It is
    near 0 for a deviation that is small against the total, 1 where the whole measure is missing, and below 2 for any
    spike.

The factor gives a single small metric that is just an anomaly a score of 70, the default threshold of alerts: what is
an anomaly is alerted by default. No score reaches 100, so that scores keep their order.
"""

from __future__ import annotations

import math

# Evidence of the smallest anomaly: that of a score of 70.
_LEAST = 7 / 3
#: The largest float below 100.
MOST = math.nextafter(100.0, 0.0)


def group_score(worst: float, affected: int, observed: int, impact: float, expected_total: float) -> float:
    """Return the score of a group in one interval, from 0 to below 100.

    Parameters
    ----------
    worst
        Severity of the worst affected metric, 0 to 100.
    affected, observed
        Number of affected metrics, and of the measure's metrics that were observed in the interval.
    impact
        Sum of the affected metrics' deviations.
    expected_total
        Sum of the absolute expected values of the measure's observed metrics.
    """
    evidence = math.inf if worst >= 100 else _LEAST * worst / (100 - worst)
    breadth = math.log(affected) / (1 + math.log(max(observed / affected, 1.0)))
    # Both are halved, so that the sum of two very large amounts is finite.
    total = impact / 2 + expected_total / 2
    weight = impact / total if total > 0 else 0.0
    r = evidence + breadth + weight
    return min(100 * r / (1 + r) if math.isfinite(r) else MOST, MOST)
