"""The stack's job on AWS Glue: an interval of a detector, and those missed before it, judged on Apache Spark.

Glue runs this file as a script, with the package on its path. The template gives the arguments ``--ANOMALAKE_…``, which
have the names of the environment variables of the function detect; that function gives ``--detector`` and
``--interval``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime

from anomalake.aws.environment import DetectEnvironment
from anomalake.definitions.errors import SourceError
from anomalake.errors import one_line
from anomalake.lake.lake import utc_now
from anomalake.records.executions import FAILED, SUCCEEDED
from anomalake.records.work import delete_left_behind
from anomalake.services.engines import Engine
from anomalake.services.sources import register_source
from anomalake.services.stack import Stack
from anomalake.spark.runner import SparkRunner

#: Arguments that stand for environment variables; an empty value is the same as none.
VARIABLES = (
    "ANOMALAKE_LAKE", "ANOMALAKE_FORMATS", "ANOMALAKE_DETECTORS", "ANOMALAKE_ACCOUNT", "ANOMALAKE_INGEST",
    "ANOMALAKE_LONG_TEXT_TOPIC", "ANOMALAKE_SHORT_TEXT_TOPIC", "ANOMALAKE_ALERT_THRESHOLD", "ANOMALAKE_PAGE",
    "AWS_REGION",
)  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Run the intervals; return the exit code, which is not 0 if an interval failed.

    Raises
    ------
    StoreError, TaskError
        Glue runs the job again.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--detector", required=True)
    parser.add_argument("--interval", required=True, type=datetime.fromisoformat)
    for name in VARIABLES:
        parser.add_argument(f"--{name}", nargs="?", default="", const="")
    # Glue adds arguments of its own, such as --JOB_NAME.
    given, _ = parser.parse_known_args(arguments)
    variables = {name: value for name in VARIABLES if (value := getattr(given, name))}
    # Executors read source data and the lake too.
    region = {"AWS_REGION": variables["AWS_REGION"]} if "AWS_REGION" in variables else {}
    os.environ.update(region)
    runner = SparkRunner(variables=region)
    stack = Stack(DetectEnvironment.read(variables))
    live = stack.live(stack.detector(given.detector), engine=Engine(runner, runner.is_local))
    delete_left_behind(live.store, utc_now())
    failed = 0
    for execution, _ in live.run(given.interval):
        print(json.dumps(execution.to_fields()), flush=True)
        failed += execution.status == FAILED
        if execution.status == SUCCEEDED:
            try:
                register_source(live.store, live.detector.metric_set, execution.timestamp)
            except SourceError as error:
                print(f"source not registered: {one_line(error)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    if main(sys.argv[1:]):
        # Glue takes no exit code but an error as a failure of the job, which raises an alarm.
        raise SystemExit("intervals failed; their executions have the reasons")
