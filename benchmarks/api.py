"""Time of Lookout for Metrics' operations on many anomaly groups, executions and detectors, in a folder and served."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from anomalake.aws.detector_files import DetectorFiles
from anomalake.groups.anomaly_group import AffectedMetric, Group, group_id, interval_of
from anomalake.model.metrics import time_series_id
from anomalake.records.backtests import GROUPS, backtest_key, groups_to_lines
from anomalake.records.executions import SUCCEEDED, Execution, write_execution
from anomalake.records.group_changes import changing_groups
from anomalake.records.groups import write_group
from anomalake.server.lookoutmetrics.handlers import all_handlers
from anomalake.server.lookoutmetrics.handlers.groups import HANDLERS
from anomalake.services.workspace import Account, Workspace
from anomalake.storage.objects import open_store
from anomalake.storage.store import ObjectStore
from benchmarks import workspace as benchmark
from benchmarks.figures import Bound, Figure
from benchmarks.processes import (
    REGION,
    BenchmarkError,
    anomalake,
    environment,
    free_port,
    run,
    stop,
    wait_for_port,
)

_ARN = "arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:shop"
_BEGIN = datetime(2023, 1, 1, tzinfo=UTC)
_MEASURES = ("revenue", "views")
_COUNTRIES = ("de", "es", "fr", "it", "uk", "us")
_INTERVALS = 3
#: Groups that are asked for one by one.
_ASKED = 50

T = TypeVar("T")


def measure(workspace: benchmark.Workspace) -> list[Figure]:
    """Measure pages of summaries and single groups, of a live detector and of a backtest."""
    count = workspace.size(10_000, 200)
    figures = []
    for kind, write in (("live", _write_live), ("backtest", _write_backtest)):
        lake = workspace.new_folder()
        store = open_store(str(lake))
        write(store, list(_groups(count)))
        workspace.log(f"wrote {count:,} groups, {kind}")
        api = _workspace(store, lake.parent / f"detectors-{kind}")
        build, _ = _timed(lambda api=api: _page(api))  # type: ignore[misc]
        pages, ids = _read_pages(api)
        if len(ids) != count:
            raise BenchmarkError(f"{len(ids):,} groups listed, expected {count:,}")
        single = [_timed(lambda id_=id_, api=api: _group(api, id_))[0] for id_ in ids[:: max(1, count // _ASKED)]]  # type: ignore[misc]
        with changing_groups(store, "shop", _BEGIN, _BEGIN, [ids[-1]]):
            pass
        changed, _ = _timed(lambda api=api: _page(api))  # type: ignore[misc]
        what = f"{count:,} groups of {_INTERVALS} intervals, {kind}, in a folder"
        figures += [
            Figure(f"page of group summaries, {kind}", median(pages), "s", Bound("<", 0.2), f"100 of {what}; median"),
            Figure(f"slowest page of group summaries, {kind}", max(pages), "s", None, f"of {len(pages)} pages"),
            Figure(f"page after a change of a group, {kind}", changed, "s", Bound("<", 0.2), "the index is written"),
            Figure(f"first page, without an index, {kind}", build, "s", None, "the index is built"),
            Figure(f"one anomaly group, {kind}", median(single), "s", Bound("<", 0.1), f"of {what}; median"),
        ]
    return [*figures, *_executions(workspace), *_detectors(workspace)]


def _executions(workspace: benchmark.Workspace) -> list[Figure]:
    """Measure pages of the executions of a detector that has run for long."""
    count = workspace.size(10_000, 300)
    lake = workspace.new_folder()
    store = open_store(str(lake))
    for number in range(count):
        at = _BEGIN + timedelta(hours=number)
        write_execution(store, "shop", Execution(_ARN, at, SUCCEEDED, run_id="1", started_at=at))
    api = replace(_workspace(store, lake.parent / "detectors-executions"), now=lambda: _BEGIN + timedelta(hours=count))
    seconds, listed = [], 0
    token: str | None = None
    while True:
        members = {"AnomalyDetectorArn": _ARN, "MaxResults": 100, "NextToken": token}
        taken, answer = _processor_time(
            lambda members=members: all_handlers()["DescribeAnomalyDetectionExecutions"](api, members)  # type: ignore[misc]
        )
        seconds.append(taken)
        listed += len(answer["ExecutionList"])
        token = answer["NextToken"]
        if token is None:
            break
    if listed != count:
        raise BenchmarkError(f"{listed:,} executions listed, expected {count:,}")
    what = f"100 of {count:,} executions, in a folder; median, processor time"
    return [Figure("page of executions", median(seconds), "s", None, what)]


def _detectors(workspace: benchmark.Workspace) -> list[Figure]:
    """Measure the list of many detectors, those of the API and those of users' files."""
    count = workspace.size(1_000, 50)
    figures = []
    for kind in ("of the API", "of users' files"):
        lake = workspace.new_folder()
        folder = lake.parent / f"detectors-{'files' if 'files' in kind else 'api'}"
        api = _workspace(open_store(str(lake)), folder)
        for number in range(count - 1):
            name = f"shop-{number:04}"
            if kind == "of the API":
                all_handlers()["CreateAnomalyDetector"](api, {"AnomalyDetectorName": name, "AnomalyDetectorConfig": {}})
            else:
                (folder / f"{name}.yaml").write_text(_YAML.format(name=name), encoding="ascii")
        taken, listed = _processor_time(lambda api=api: _list_detectors(api))  # type: ignore[misc]
        if listed != count:
            raise BenchmarkError(f"{listed:,} detectors listed, expected {count:,}")
        what = f"{count:,}, in pages of 100, in a folder; processor time, without HTTP"
        figures.append(Figure(f"list of detectors {kind}", taken, "s", Bound("<", 1.0), what))
        served = _served(workspace, lake, folder, count)
        what = f"{count:,}, in pages of 100, in a folder; `anomalake serve --no-detect` and boto3; median of {_TIMES}"
        figures.append(Figure(f"list of detectors {kind}, over HTTP", served, "s", Bound("<", 1.0), what))
    return figures


#: Times that a served list is read.
_TIMES = 5

#: Lists all detectors with boto3, and writes how many there are and how long each time took.
_CLIENT = """
import json, sys, time
import boto3
client = boto3.client("lookoutmetrics")
counts, seconds = [], []
for _ in range(int(sys.argv[1])):
    start = time.perf_counter()
    listed, token = 0, None
    while True:
        answer = client.list_anomaly_detectors(MaxResults=100, **({"NextToken": token} if token else {}))
        listed += len(answer["AnomalyDetectorSummaryList"])
        token = answer.get("NextToken")
        if not token:
            break
    counts.append(listed)
    seconds.append(time.perf_counter() - start)
print(json.dumps([counts, seconds]))
"""


def _served(workspace: benchmark.Workspace, lake: Path, folder: Path, count: int) -> float:
    """Return the seconds in which boto3 lists the detectors of a lake that is served; raises `BenchmarkError`."""
    port, models = free_port(), workspace.new_folder()
    anomalake("client", "install", "--url", f"http://127.0.0.1:{port}", "--dir", str(models))
    command = [sys.executable, "-m", "anomalake", "serve", "--no-detect"]
    server = subprocess.Popen(
        [*command, "--lake", str(lake), "--detectors", str(folder), "--port", str(port)],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port, server)
        keys = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark"}  # pragma: allowlist secret
        client = run(
            [sys.executable, "-c", _CLIENT, str(_TIMES)],
            environment(AWS_DATA_PATH=str(models), AWS_DEFAULT_REGION=REGION, **keys),
        )
    finally:
        stop(server)
    counts, seconds = json.loads(client.output)
    if counts != [count] * _TIMES:
        raise BenchmarkError(f"boto3 listed {counts} detectors, expected {count:,} each time")
    return float(median(seconds))


_YAML = """AnomalyDetectorName: {name}
AnomalyDetectorConfig: {{AnomalyDetectorFrequency: PT1H}}
MetricSet:
  MetricSource:
    S3SourceConfig:
      TemplatedPathList: ["live/{{{{yyyyMMdd}}}}/{{{{HHmm}}}}"]
      FileFormatDescriptor: {{CsvFormatDescriptor: {{ContainsHeader: true}}}}
  TimestampColumn: {{ColumnName: timestamp, ColumnFormat: "yyyy-MM-dd HH:mm:ss"}}
  MetricList: [{{MetricName: revenue, AggregationFunction: SUM}}, {{MetricName: views, AggregationFunction: SUM}}]
  DimensionList: [country, platform]
Alerts: [{{AlertName: "{name}-alert", AlertSensitivityThreshold: 70}}]
"""


def _list_detectors(api: Workspace) -> int:
    listed, token = 0, None
    while True:
        answer = all_handlers()["ListAnomalyDetectors"](api, {"NextToken": token})
        listed += len(answer["AnomalyDetectorSummaryList"])
        token = answer["NextToken"]
        if token is None:
            return listed


def _groups(count: int) -> Iterator[Group]:
    for number in range(count):
        measure = _MEASURES[number % len(_MEASURES)]
        start = _BEGIN + timedelta(hours=3 * number)
        intervals = tuple(
            interval_of(start + timedelta(hours=hour), list(_affected(measure, number + hour)), 12, 1_200.0)
            for hour in range(_INTERVALS)
        )
        yield Group(group_id(_ARN, measure, start), _ARN, measure, intervals)


def _affected(measure: str, number: int) -> Iterator[AffectedMetric]:
    for k in range(1 + number % 4):
        dimensions = (("country", _COUNTRIES[(number + k) % len(_COUNTRIES)]), ("platform", "app"))
        value, severity = 10.0 + (number * 7 + k) % 50, 50.0 + (number * 13 + k) % 49
        yield AffectedMetric(time_series_id(_ARN, measure, dimensions), dimensions, value, 100.0, 90.0, 110.0, severity)


def _write_live(store: ObjectStore, groups: list[Group]) -> None:
    for group in groups:
        for interval in group.intervals:
            write_group(store, "shop", replace(group, intervals=(interval,)), interval.timestamp)


def _write_backtest(store: ObjectStore, groups: list[Group]) -> None:
    store.put(backtest_key("shop", GROUPS), groups_to_lines(groups))


def _workspace(store: ObjectStore, folder: Path) -> Workspace:
    folder.mkdir()
    document = {
        "AnomalyDetectorName": "shop",
        "AnomalyDetectorArn": _ARN,
        "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": "PT1H"},
        "MetricSet": {
            "MetricSetName": "shop",
            "MetricSource": {"S3SourceConfig": {"HistoricalDataPathList": ["history/"]}},
            "TimestampColumn": {"ColumnName": "timestamp", "ColumnFormat": "yyyy-MM-dd HH:mm:ss"},
            "MetricList": [{"MetricName": name, "AggregationFunction": "SUM"} for name in _MEASURES],
            "DimensionList": ["country", "platform"],
        },
    }
    (folder / "shop.json").write_text(json.dumps(document), encoding="ascii")
    account = Account("aws", "us-east-1", "123456789012")
    files = DetectorFiles(str(folder), account.region, account.number)
    return Workspace(store.uri, store, files, account, lambda: datetime.now(UTC), _NoJobs())


class _NoJobs:
    """Operations on groups start nothing."""

    def backtest(self, detector: str) -> None:
        raise BenchmarkError(f"{detector}: a backtest was started")

    def activate(self, detector: str) -> None:
        raise BenchmarkError(f"{detector}: a run was started")


def _read_pages(api: Workspace) -> tuple[list[float], list[str]]:
    """Read all pages; return the seconds of each, and the ids of the groups."""
    seconds: list[float] = []
    ids: list[str] = []
    token: str | None = None
    while True:
        taken, answer = _timed(lambda token=token: _page(api, token))  # type: ignore[misc]
        seconds.append(taken)
        ids += [summary["AnomalyGroupId"] for summary in answer["AnomalyGroupSummaryList"]]
        token = answer["NextToken"]
        if token is None:
            return seconds, ids


def _page(api: Workspace, token: str | None = None) -> dict[str, Any]:
    members = {"AnomalyDetectorArn": _ARN, "SensitivityThreshold": 0, "MaxResults": 100, "NextToken": token}
    return HANDLERS["ListAnomalyGroupSummaries"](api, members)


def _group(api: Workspace, group_id: str) -> dict[str, Any]:
    return HANDLERS["GetAnomalyGroup"](api, {"AnomalyDetectorArn": _ARN, "AnomalyGroupId": group_id})


def _timed(call: Callable[[], T]) -> tuple[float, T]:
    begin = time.perf_counter()
    result = call()
    return time.perf_counter() - begin, result


def _processor_time(call: Callable[[], T]) -> tuple[float, T]:
    begin = time.process_time()
    result = call()
    return time.process_time() - begin, result
