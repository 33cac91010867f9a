"""How much faster alerts go into S3 than with the old pipeline, on one moto server."""

from __future__ import annotations

import sys
from statistics import median

from benchmarks.figures import Bound, Figure
from benchmarks.processes import aws, environment, moto_server, replay, run
from benchmarks.workplace import Workplace

BUCKET = "benchmark"

# Reads its alerts before the clock starts, and has one go at the server so that both are warm.
OLD_WAY = """
import itertools, json, sys, time
from benchmarks import old_way
alerts = [json.loads(line) for line in itertools.islice(open(sys.argv[1]), int(sys.argv[2]))]
old_way.store(alerts[0], sys.argv[3])
start = time.perf_counter()
for alert in alerts[1:]:
    old_way.store(alert, sys.argv[3])
print((len(alerts) - 1) / (time.perf_counter() - start))
"""


def measure(work: Workplace) -> list[Figure]:
    """`anomalake replay` into S3 against a CSV file an hour, alternating."""
    count, few = work.size(50_000, 2_000), work.size(400, 30)
    repeats = work.size(3, 1)
    source = work.alerts(count)
    ours, old = [], []
    with moto_server(BUCKET) as endpoint:
        for number in range(repeats):
            # A prefix for each: what lies there already would be looked up.
            new_lake = f"s3://{BUCKET}/lake-{number}"
            ours.append(count / replay(source, new_lake, count, **aws(endpoint)).seconds)
            work.say(f"replay into S3: {ours[-1]:,.0f} alerts/s")
            command = [sys.executable, "-c", OLD_WAY, str(source), str(few + 1), BUCKET]
            old.append(float(run(command, environment(**aws(endpoint))).output))
            work.say(f"the old pipeline: {old[-1]:,.1f} alerts/s")
    on = f"moto server in its own process on the same 2 cores; median of {repeats}, alternating"
    return [
        Figure(
            f"replay of {count:,} alerts into S3 against the old pipeline",
            median(ours) / median(old),
            "times as fast",
            Bound(">=", 20),
            f"ratio of rates; the old pipeline reads, changes and rewrites two CSV files an hour, {few} alerts; {on}",
        ),
        Figure(f"replay of {count:,} alerts into S3", median(ours), "alerts/s", None, "start of Python included"),
        Figure(
            f"the old pipeline, {few} alerts",
            median(old),
            "alerts/s",
            None,
            "without imports, reading of alerts and the first alert",
        ),
    ]
