"""Synthetic alerts: the n-th is always the same, and generated fast.

Each of three detectors sends one alert per hour. An alert has three affected metrics and two dimensions, and about
1.6 KB.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

DETECTORS = ("shop-eu", "shop-us", "subscriptions")
MARKETPLACES = ("us", "uk", "de", "fr", "es", "it", "jp")
PLATFORMS = ("pc_web", "mobile_web", "mobile_app")
FIRST_HOUR = datetime(1985, 1, 1)
AFFECTED = 3

_ARN = "arn:aws:lookoutmetrics:us-east-1:123456789012"
_SERIES = [
    f'{{"timeSeriesId": "{hashlib.sha256(f"{marketplace}/{platform}".encode()).hexdigest()}", "dimensions": ['
    f'{{"dimensionName": "marketplace", "dimensionValue": "{marketplace}"}}, '
    f'{{"dimensionName": "platform", "dimensionValue": "{platform}"}}], "metricValue": '
    for marketplace in MARKETPLACES
    for platform in PLATFORMS
]
_CONTRIBUTIONS = [
    '[{"dimensionName": "marketplace", "dimensionValueContributions": ['
    f'{{"dimensionValue": "{MARKETPLACES[k % 7]}", "valueContribution": {51 + k % 40}}}, '
    f'{{"dimensionValue": "{MARKETPLACES[(k + 1) % 7]}", "valueContribution": {49 - k % 40}}}]}}, '
    '{"dimensionName": "platform", "dimensionValueContributions": ['
    f'{{"dimensionValue": "{PLATFORMS[k % 3]}", "valueContribution": 100}}]}}]'
    for k in range(280)
]
_HEADS = [
    f'{{"alertName": "{name}-alert", "alertArn": "{_ARN}:Alert:{name}-alert", "alertDescription": null, '
    f'"anomalyDetectorArn": "{_ARN}:AnomalyDetector:{name}", "alertEventId": "{_ARN}:Alert:{name}-alert:event/'
    for name in DETECTORS
]
_LINE = (
    '%s%08x-afb8-4c46-af3d-%012x", "anomalyGroupId": "%08x-afb8-4c46-af3d-%012x", '
    '"impactedMetric": {"metricName": "%s", "dimensionContribution": %s, "relevantTimeSeries": '
    '[%s%d.%02d}, %s%d.%02d}, %s%d.%02d}]}, "timestamp": "%s:00Z[UTC]", "anomalyScore": %d.%02d}\n'
)


def line(number: int) -> str:
    """Return an alert as a line of JSON."""
    hour, detector = divmod(number, len(DETECTORS))
    noise = number * 2654435761 & 0xFFFFFFFF
    first = noise % 19
    low, high = noise & 0xFFFF, noise >> 16
    return _LINE % (
        _HEADS[detector], noise, number, noise, number,
        "revenue" if noise & 64 else "views", _CONTRIBUTIONS[noise % 280],
        _SERIES[first], low, noise % 97, _SERIES[first + 1], high, noise % 89,
        _SERIES[first + 2], low ^ high, noise % 83,
        (FIRST_HOUR + timedelta(hours=hour)).isoformat(timespec="hours"), 50 + noise % 50, noise % 100,
    )  # fmt: skip


def lines(count: int, *, shuffled: bool = False) -> Iterator[str]:
    """Return the first `count` alerts, in time order or shuffled."""
    numbers: Iterable[int] = range(count)
    if shuffled:
        shuffled_numbers = list(numbers)
        random.Random(1).shuffle(shuffled_numbers)
        numbers = shuffled_numbers
    return map(line, numbers)


def write(path: Path, count: int, *, shuffled: bool = False) -> Path:
    """Write the first `count` alerts to a file, one per line, and return its path."""
    with path.open("w", encoding="ascii", newline="\n", buffering=1 << 20) as out:
        out.writelines(lines(count, shuffled=shuffled))
    return path
