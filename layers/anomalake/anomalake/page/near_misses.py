"""The most unusual points of detectors without an anomaly."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from anomalake.groups.near_misses import most_unusual
from anomalake.model.judgement import ANOMALOUS
from anomalake.page.document import NearMisses, Numbers
from anomalake.page.judged import Points, joined


def near_misses_of(points: Mapping[int, tuple[Points, str]]) -> NearMisses:
    """Return the near misses of some detectors.

    Parameters
    ----------
    points
        By number of the detector: its judged points and its frequency. Points with the severity of an anomaly are left
        out: they do not count as one.
    """
    parts = [
        judged.where(most_unusual(judged.measure, judged.time, _below(judged.severity), frequency))
        for judged, frequency in points.values()
    ]
    detector = np.repeat(np.array(list(points), np.int64), [len(part) for part in parts])
    order = np.argsort(-joined(parts).severity, kind="stable")
    found = joined(parts).where(order)
    return NearMisses(
        detector=detector[order],
        measure=found.measure,
        combination=found.combination,
        time=found.time,
        value=found.value,
        expected=found.expected,
        lower=found.lower,
        upper=found.upper,
        severity=found.severity,
    )


def _below(severity: Numbers) -> Numbers:
    return np.where(severity < ANOMALOUS, severity, 0.0)
