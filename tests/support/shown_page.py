"""What a page's document says, in plain Python, to be compared with what it ought to say."""

from __future__ import annotations

import math
from typing import Any

from anomalake.page.document import LACKS, DetectorView, PageDocument

#: A interval's key: ARN, group id, measure, epoch seconds.
Key = tuple[str, str, str, int]


def dimensions_of(detector: DetectorView, combination: int) -> tuple[tuple[str, str], ...]:
    """Pairs of dimension and value, sorted."""
    codes = detector.combinations[combination].tolist()
    named = zip(detector.dimensions, codes, strict=True)
    return tuple(sorted((name, values[code]) for (name, values), code in named if code != LACKS))


def group_intervals_of(document: PageDocument) -> dict[Key, dict[str, Any]]:
    """Each interval with all that is said of it."""
    made: dict[Key, dict[str, Any]] = {}
    keys: list[Key] = []
    groups, intervals = document.groups, document.group_intervals
    assert sorted(intervals.time.tolist()) == intervals.time.tolist()
    assert sorted(groups.start.tolist()) == groups.start.tolist()
    for at in range(len(intervals.time)):
        group = int(intervals.group[at])
        detector = document.detectors[groups.detector[group]]
        time = int(intervals.time[at])
        key = (detector.arn, groups.id[group], detector.measures[groups.measure[group]], time)
        assert key not in made
        assert groups.start[group] <= time <= groups.end[group]
        assert intervals.score[at] <= groups.score[group]
        keys.append(key)
        made[key] = {
            "score": float(intervals.score[at]),
            "alerted": bool(intervals.alerted[at]),
            "metrics": int(intervals.metrics[at]),
            "known": bool(groups.known[group]),
            "affected": [],
            "shares": [],
        }
    affected = document.affected
    assert sorted(affected.group_interval.tolist()) == affected.group_interval.tolist()
    for at, interval in enumerate(affected.group_interval.tolist()):
        detector = document.detectors[groups.detector[intervals.group[interval]]]
        numbers = (affected.value[at], affected.expected[at], affected.lower[at], affected.upper[at])
        plain = tuple(None if math.isnan(number) else float(number) for number in numbers)
        made[keys[interval]]["affected"].append((dimensions_of(detector, int(affected.combination[at])), *plain))
    shares = document.contributions
    assert sorted(shares.group_interval.tolist()) == shares.group_interval.tolist()
    for at, interval in enumerate(shares.group_interval.tolist()):
        detector = document.detectors[groups.detector[intervals.group[interval]]]
        name, values = detector.dimensions[shares.dimension[at]]
        made[keys[interval]]["shares"].append((name, values[shares.value[at]], int(shares.share[at])))
    return made


def counts_of(document: PageDocument) -> dict[tuple[str, str, int, int], int]:
    """GroupIntervals that are only counted, by ARN, measure, day and class of score."""
    counts = document.counts
    made = {}
    for at in range(len(counts.group_intervals)):
        detector = document.detectors[counts.detector[at]]
        key = (detector.arn, detector.measures[counts.measure[at]], int(counts.day[at]), int(counts.score[at]))
        assert key not in made
        made[key] = int(counts.group_intervals[at])
    return made


def detector_of(document: PageDocument, name: str) -> DetectorView:
    """The detector of that name, of which there is one."""
    (found,) = (detector for detector in document.detectors if detector.name == name)
    return found


def values_of(
    detector: DetectorView, which: str = "values"
) -> dict[tuple[str, tuple[tuple[str, str], ...], int], float]:
    """Numbers over time, by measure, dimension values and time; those of others under `others`."""
    live = detector.live
    assert live is not None
    array = getattr(live, which)
    assert array.shape == (len(detector.measures), len(live.series), len(live.times))
    made = {}
    for m, measure in enumerate(detector.measures):
        for s, series in enumerate(live.series.tolist()):
            pairs = dimensions_of(detector, series) if series >= 0 else (("others", ""),)
            for t, time in enumerate(live.times.tolist()):
                if not math.isnan(array[m, s, t]):
                    made[measure, pairs, time] = float(array[m, s, t])
    return made
