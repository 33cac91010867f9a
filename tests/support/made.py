"""Alerts made for tests: well-formed, varied, and the same for the same seed."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

#: Detectors with no, two and five dimensions.
DETECTORS = {
    "totals": ("UTC", ()),
    "shop-live": ("Europe/Paris", ("marketplace", "platform")),
    "FiveDims": ("America/Los_Angeles", ("Country", "city", "device type", "plan", "quelle")),
}
VALUES = ("us", "NA", "007", "", "a/b", 'quote"s', "new\nline", "=1+1", "ünï🙂", "it's", "a,b", "%41", "+x", "\\n")


def alert(seed: int, **changes: Any) -> dict[str, Any]:
    """One alert; `changes` replace top-level fields."""
    r = random.Random(seed)
    name = sorted(DETECTORS)[seed % 3]
    zone, dimensions = DETECTORS[name]
    start = datetime(2021, 3, 27, tzinfo=UTC) + timedelta(hours=r.randrange(0, 24 * 6))
    stamp = start.astimezone(ZoneInfo(zone))
    offset = stamp.strftime("%z")
    written = "Z" if zone == "UTC" else f"{offset[:3]}:{offset[3:]}"
    arn = f"arn:aws:lookoutmetrics:eu-west-1:123456789012:AnomalyDetector:{name}"
    series = []
    for k in range(r.randrange(1, 5)):
        pairs = [{"dimensionName": d, "dimensionValue": r.choice(VALUES)} for d in dimensions]
        value = r.choice([r.randrange(10**6), round(r.uniform(0, 1e6), 4), 0, -1.5])
        series.append({"timeSeriesId": f"{seed:x}-{k}", "dimensions": pairs, "metricValue": value})
    contributions = []
    for d in dimensions:
        share = r.randrange(1, 100)
        values = r.sample(VALUES, 2)
        contributions.append(
            {
                "dimensionName": d,
                "dimensionValueContributions": [
                    {"dimensionValue": values[0], "valueContribution": share},
                    {"dimensionValue": values[1], "valueContribution": 100 - share},
                ],
            }
        )
    made = {
        "alertName": f"{name}-alert",
        "alertEventId": f"arn:aws:lookoutmetrics:eu-west-1:123456789012:Alert:{name}-alert:event/{seed:012d}",
        "anomalyDetectorArn": arn,
        "alertArn": f"arn:aws:lookoutmetrics:eu-west-1:123456789012:Alert:{name}-alert",
        "alertDescription": r.choice([None, "what happened"]),
        "anomalyGroupId": r.choice([None, f"group-{seed % 7}"]),
        "impactedMetric": {
            "metricName": r.choice(["revenue", "Views"]),
            "dimensionContribution": contributions,
            "relevantTimeSeries": series,
        },
        "timestamp": f"{stamp.strftime('%Y-%m-%dT%H:%M')}{written}[{zone}]",
        "anomalyScore": round(r.uniform(0, 100), 2),
    }
    made.update(changes)
    return made


def texts(count: int, first: int = 0, clashes: int = 0) -> list[str]:
    """Distinct alerts as texts; the last `clashes` bear the identities of the first ones with another score."""
    made = [alert(seed) for seed in range(first, first + count - clashes)]
    made += [{**item, "anomalyScore": 99.99, "note": "again"} for item in made[:clashes]]
    return [
        json.dumps(entry, ensure_ascii=i % 2 == 0, indent=2 if i % 5 == 0 else None) for i, entry in enumerate(made)
    ]
