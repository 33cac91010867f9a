"""Time to make the views of many detectors in Athena, against a stand-in for Athena."""

from __future__ import annotations

import json
import threading
import time

from anomalake.lake.ports import TABLE, VIEW
from anomalake.query.relations import Relations
from anomalake.query.statements import CatalogRelation, catalog_relations
from anomalake.services.views import PARALLEL, make_views
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore
from benchmarks.figures import Bound, Figure
from benchmarks.processes import BenchmarkError
from benchmarks.workspace import Workspace

#: Seconds of each statement.
STATEMENT = 1.0
#: Statements of DDL that Athena runs at the same time in an account.
QUOTA = 20
#: Time of one invocation of the function catalog, in seconds.
INVOCATION = 600

_ARN = "arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:"


class SlowDatabase:
    """`DdlDatabase` whose statements take a second, `QUOTA` of them at once."""

    name = "anomalake"

    def __init__(self) -> None:
        self.existing = {"alert_rows": TABLE, "withdrawal_rows": TABLE}
        self.number = 0
        self._quota = threading.Semaphore(QUOTA)
        self._lock = threading.Lock()

    def relations(self) -> dict[str, str]:
        with self._lock:
            return dict(self.existing)

    def run(self, statement: str) -> None:
        with self._quota:
            time.sleep(STATEMENT)
        with self._lock:
            self.number += 1
            self.existing[statement.split('"')[1]] = VIEW


def measure(workspace: Workspace) -> list[Figure]:
    """Measure the first deployment, an unchanged one, and one new measure of one detector."""
    detectors = workspace.size(300, 5)
    store = memory_store()
    for number in range(detectors):
        for measure_name in ("revenue", "views"):
            _write_shape(store, f"detector-{number}", measure_name)
    database = SlowDatabase()
    defined = [item for item in catalog_relations(Relations(store)) if isinstance(item, CatalogRelation)]

    def run(only: set[str] | None = None) -> tuple[float, int]:
        before, start = database.number, time.perf_counter()
        report = make_views(store, ("parquet",), database, only)
        if report.failed or report.left:
            raise BenchmarkError(f"views not made: {report}")
        return time.perf_counter() - start, database.number - before

    first, number = run()
    if number != len(defined):
        raise BenchmarkError(f"{number} statements ran, expected {len(defined)}")
    again, unchanged = run()
    _write_shape(store, "detector-1", "returns")
    renewed, changed = run({"detector-1"})
    method = f"a stand-in for Athena: {STATEMENT:g} s a statement, {QUOTA} at once; {PARALLEL} are sent; lake in memory"
    subject = f"views of {detectors} detectors"
    return [
        Figure(
            f"views of {detectors} detectors", first, "s", Bound("<", INVOCATION), f"{number:,} statements; {method}"
        ),
        Figure("the same against one statement after the other", number * STATEMENT / first, "times as fast"),
        Figure(f"{subject}, nothing changed", again, "s", None, f"{unchanged} statements"),
        Figure("statements of an unchanged deployment", unchanged, "", Bound("<=", 0)),
        Figure("views of one detector with a new measure", renewed, "s", None, f"{changed} statements"),
    ]


def _write_shape(store: ObjectStore, detector: str, measure_name: str) -> None:
    shape = {"detector_arn": _ARN + detector, "metric_name": measure_name, "dimensions": ["country", "platform"]}
    store.put(f"shapes/detector={detector}/{measure_name}.json", json.dumps(shape).encode())
