"""Detection in a shop of many series, from arrays to groups, in a separate process.

``python -m benchmarks.detection.arrays SERIES INTERVALS`` prints the seconds, the peak memory of the process, and the
number of groups.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from anomalake.groups.grouping import group
from anomalake.synth import ShopSettings, shop
from benchmarks.detection.ours import judged
from benchmarks.detection.sets import LEARNED
from benchmarks.detection.worker import peak_bytes

ARN = "arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:many"


def main(arguments: Sequence[str]) -> None:
    """Fit on the first 70 %, judge the rest, and group the anomalies."""
    series, intervals = map(int, arguments)
    metrics = shop(ShopSettings(series=series // 2, intervals=intervals)).metrics
    first = int(LEARNED * intervals)
    start = time.perf_counter()
    groups = group(metrics, judged(metrics, first), ARN)
    print(time.perf_counter() - start, peak_bytes(), len(groups))


if __name__ == "__main__":
    main(sys.argv[1:])
