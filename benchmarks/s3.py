"""Rate of loading alerts into S3, compared with the old pipeline, on one moto server."""

from __future__ import annotations

import sys
from statistics import median

from benchmarks.figures import Bound, Figure
from benchmarks.processes import aws, environment, moto_server, replay, run
from benchmarks.workspace import Workspace

BUCKET = "benchmark"

# Parses the alerts before the clock starts, and stores one first so that client and server are warm.
OLD_PIPELINE = """
import itertools, json, sys, time
from benchmarks import old_pipeline
alerts = [json.loads(line) for line in itertools.islice(open(sys.argv[1]), int(sys.argv[2]))]
old_pipeline.store(alerts[0], sys.argv[3])
start = time.perf_counter()
for alert in alerts[1:]:
    old_pipeline.store(alert, sys.argv[3])
print((len(alerts) - 1) / (time.perf_counter() - start))
"""


def measure(workspace: Workspace) -> list[Figure]:
    """Measure `anomalake replay` and the old pipeline in turn."""
    count, old_count = workspace.size(50_000, 2_000), workspace.size(400, 30)
    repeats = workspace.size(3, 1)
    source = workspace.alerts(count)
    new_rates, old_rates = [], []
    with moto_server(BUCKET) as endpoint:
        for number in range(repeats):
            # A new prefix each time: a replay looks up the alerts that a lake already has.
            new_lake = f"s3://{BUCKET}/lake-{number}"
            new_rates.append(count / replay(source, new_lake, count, **aws(endpoint)).seconds)
            workspace.log(f"replay into S3: {new_rates[-1]:,.0f} alerts/s")
            command = [sys.executable, "-c", OLD_PIPELINE, str(source), str(old_count + 1), BUCKET]
            old_rates.append(float(run(command, environment(**aws(endpoint))).output))
            workspace.log(f"the old pipeline: {old_rates[-1]:,.1f} alerts/s")
    on = f"moto server in its own process on the same 2 cores; median of {repeats}, alternating"
    return [
        Figure(
            f"replay of {count:,} alerts into S3 against the old pipeline",
            median(new_rates) / median(old_rates),
            "times as fast",
            Bound(">=", 20),
            "ratio of rates; the old pipeline reads, changes and rewrites two CSV files an hour, "
            f"{old_count} alerts; {on}",
        ),
        Figure(f"replay of {count:,} alerts into S3", median(new_rates), "alerts/s", None, "start of Python included"),
        Figure(
            f"the old pipeline, {old_count} alerts",
            median(old_rates),
            "alerts/s",
            None,
            "without imports, reading of alerts and the first alert",
        ),
    ]
