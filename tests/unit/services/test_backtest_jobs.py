"""Backtest jobs: taken once, ended once, and with the same results wherever a run has died."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomalake.aws.detector_files import DetectorFiles
from anomalake.definitions.detector import AlertRule, DetectorFileError
from anomalake.detection import backtest as detection
from anomalake.model import blocks
from anomalake.notify.channel import JSON, ChannelError, Message
from anomalake.records.backtest_jobs import BacktestJob, JobProgress, new_job_id, read_job, steps_folder, write_job
from anomalake.records.definitions import (
    AlertDefinition,
    DetectorDefinition,
    MetricSetDefinition,
    change_definition,
    read_definition,
)
from anomalake.services import lakes
from anomalake.services.backtests import job_runs as service
from anomalake.services.backtests.backtest import backtest
from anomalake.services.backtests.heartbeats import new_runner
from anomalake.services.backtests.job_runs import TimeLeft, run_backtest_job
from anomalake.services.backtests.jobs import BacktestJobs, BacktestRequest, JobRun
from anomalake.services.backtests.requests import SEND_TAG, backtest_request, backtest_requests
from anomalake.storage.objects import memory_store, open_store
from anomalake.storage.store import ObjectStore, StoreError
from tests.support.stores import Killed, KillingStore

NOW = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)
ARN = "arn:aws:lookoutmetrics:us-east-1:000000000000:AnomalyDetector:shop"
CALL = "arn:aws:lambda:us-east-1:000000000000:function:call"
ENDED, NONE, BUSY = JobRun("ENDED"), JobRun("NONE"), JobRun("BUSY")


@dataclass
class Recipient:
    """A function that remembers its alerts."""

    name: str = CALL
    format: str = JSON
    most_bytes: int = 1_000_000
    repeatable: bool = True
    stores: bool = False
    texts: list[str] = field(default_factory=list)
    problem: ChannelError | None = None

    def send(self, message: Message) -> None:
        if self.problem is not None:
            raise self.problem
        self.texts.append(message.text)


@dataclass
class Server:
    """A lake with the definition of a detector, and a clock."""

    lake: Path
    data: Path
    recipient: Recipient = field(default_factory=Recipient)
    time: datetime = NOW

    @property
    def store(self) -> ObjectStore:
        return open_store(str(self.lake))

    @property
    def files(self) -> DetectorFiles:
        return DetectorFiles(f"{self.data}/detectors", "us-east-1", "000000000000", memory_store())

    def now(self) -> datetime:
        return self.time

    def jobs(self, store: ObjectStore | None = None, **changes: Any) -> BacktestJobs:
        store = store or self.store
        jobs = BacktestJobs(
            str(self.lake),
            store,
            lambda name: backtest_request(store, self.files, name),
            self.now,
            heartbeat=3_600,
            channel=lambda rule, lake: self.recipient,
        )
        return replace(jobs, **changes)

    def run(self, time_left: TimeLeft | None = None, **changes: Any) -> JobRun:
        return run_backtest_job(self.jobs(**changes), "shop", time_left)

    def request(self, **changes: Any) -> str:
        """Ask for a backtest, as BackTestAnomalyDetector does."""
        id_ = new_job_id()
        self.change(**{"wanted": "BACK_TEST", "backtest": id_, **changes})
        return id_

    def change(self, **changes: Any) -> None:
        def changed(definition: DetectorDefinition | None) -> DetectorDefinition:
            return replace(definition or self.definition(), **changes)

        change_definition(self.store, "shop", changed)

    def definition(self) -> DetectorDefinition:
        fields = {
            "MetricSource": {
                "S3SourceConfig": {
                    "HistoricalDataPathList": ["orders.csv"],
                    "FileFormatDescriptor": {"CsvFormatDescriptor": {}},
                }
            },
            "TimestampColumn": {"ColumnName": "day", "ColumnFormat": "yyyy-MM-dd"},
            "MetricList": [{"MetricName": "orders", "AggregationFunction": "SUM"}],
            "DimensionList": ["shop"],
        }
        metric_set = MetricSetDefinition("orders", f"{ARN}/orders", fields, {}, NOW, NOW)
        return DetectorDefinition("shop", ARN, "", "P1D", "", {}, NOW, NOW, metric_set)

    def job(self, id_: str) -> BacktestJob:
        job = read_job(self.store, "shop", id_)
        assert job is not None
        return job

    def contents(self) -> dict[str, bytes]:
        """The lake without what is different in each run: jobs, definitions, changes of groups, deliveries' times.

        A run that is killed may leave its alerts in a batch of originals of its own; the alerts are the same.
        """
        found, originals = {}, set[bytes]()
        for path in self.lake.rglob("*"):
            key = path.relative_to(self.lake).as_posix()
            differs = "/backtest-jobs/" in key or "/group-index/" in key or key.startswith("definitions/")
            if not path.is_file() or differs:
                continue
            if key.startswith("originals/bulk/"):
                originals.update(gzip.decompress(path.read_bytes()).splitlines())
            else:
                found[key] = b"" if "/deliveries/" in key else path.read_bytes()
        return {**found, "originals": b"\n".join(sorted(originals))}


def alert(name: str = "call", at: datetime = NOW) -> AlertDefinition:
    action = {"LambdaConfiguration": {"LambdaArn": CALL, "RoleArn": "arn:aws:iam::000000000000:role/r"}}
    fields = {"AlertName": name, "AlertSensitivityThreshold": 10, "Action": action}
    return AlertDefinition(name, ARN.replace("AnomalyDetector:shop", f"Alert:{name}"), fields, {}, at, at)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Daily orders of six shops, with two drops at the end."""
    folder = tmp_path_factory.mktemp("orders")
    orders = np.random.default_rng(3).uniform(960, 1_040, (6, 90))
    orders[1, 80], orders[0, 85] = 100, 200
    days = np.datetime64("2026-01-01") + np.arange(90)
    rows = [f"{day},{shop},{orders[shop, t]:.0f}" for t, day in enumerate(days) for shop in range(6)]
    (folder / "orders.csv").write_text("\n".join(["day,shop,orders", *rows, ""]), encoding="utf-8")
    return folder


@pytest.fixture
def server(tmp_path: Path, data: Path) -> Server:
    return Server(tmp_path / "lake", data)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Server:
    """A lake in which one run has done the whole job, with an alert that is sent."""
    server = Server(tmp_path_factory.mktemp("expected") / "lake", data)
    server.request(alerts=(alert(),), tags=dict([SEND_TAG]))
    assert server.run() == ENDED
    return server


def test_a_job_leaves_what_the_command_leaves(server: Server, tmp_path: Path) -> None:
    id_ = server.request()
    assert server.run() == ENDED
    job = server.job(id_)
    assert (job.phase, job.reason, job.runner, job.deaths) == ("DONE", "", "", 0)
    request = backtest_request(server.store, server.files, "shop")
    assert request is not None
    outcome = backtest(request.detector(), lake=str(tmp_path / "by-command"))
    assert len(outcome.backtest.groups) == 2
    assert server.contents() == Server(tmp_path / "by-command", server.data).contents()
    # A call that is repeated starts nothing.
    before = server.contents(), server.job(id_)
    assert server.run() == ENDED
    assert (server.contents(), server.job(id_)) == before


def test_where_no_backtest_is_asked_for_nothing_runs(server: Server) -> None:
    assert server.run() == NONE
    server.change()
    assert server.run() == NONE
    assert backtest_requests(server.store, server.files) == {}
    assert "detection" not in {key.split("/")[0] for key in server.contents()}


def test_a_job_is_taken_by_one_run_at_a_time(server: Server) -> None:
    id_ = server.request()
    running = BacktestJob(id_, "shop", "RUNNING", NOW, NOW, runner="another/1/x")
    assert write_job(server.store, running) is not None
    assert server.run() == BUSY
    server.time += timedelta(seconds=59)
    assert server.run() == BUSY
    server.time += timedelta(seconds=2)
    assert server.run() == ENDED
    assert (server.job(id_).phase, server.job(id_).deaths) == ("DONE", 1)


def test_the_job_of_a_process_that_is_gone_is_taken_at_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = server.request()
    machine = new_runner().split("/")[0]

    def none(process: int, signal: int) -> None:
        assert (process, signal) == (4_711, 0)
        raise ProcessLookupError

    monkeypatch.setattr("anomalake.services.backtests.heartbeats.os.kill", none)
    assert write_job(server.store, BacktestJob(id_, "shop", "RUNNING", NOW, NOW, runner=f"{machine}/4711/x"))
    assert server.run() == ENDED
    assert server.job(id_).deaths == 1


def test_a_job_whose_runs_die_again_and_again_has_failed(server: Server) -> None:
    id_ = server.request()
    assert write_job(server.store, BacktestJob(id_, "shop", "RUNNING", NOW, NOW, runner="gone/1/x", deaths=2))
    server.time += timedelta(minutes=2)
    assert server.run().status == "ENDED"
    job = server.job(id_)
    assert (job.phase, job.reason) == ("FAILED", "its process has ended 3 times; is there enough memory?")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_job_that_is_killed_at_any_write_ends_with_the_same_lake(
    server: Server, expected: Server, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    kills = 0
    at = 0
    while True:
        server.lake = server.lake.with_name(f"lake-{at}")
        server.recipient = Recipient()
        id_ = server.request(alerts=(alert(),), tags=dict([SEND_TAG]))
        store = KillingStore(server.store, at, after)
        with monkeypatch.context() as patch:
            patch.setattr(lakes, "open_store", lambda uri, create=True, store=store: store)
            try:
                run_backtest_job(server.jobs(store), "shop")
                break
            except Killed:
                kills += 1
        server.time += timedelta(minutes=2)
        assert server.run().status == "ENDED"
        assert server.job(id_).phase == "DONE", server.job(id_).reason
        assert server.contents() == expected.contents(), at
        times = Counter(server.recipient.texts)
        assert set(times) == set(expected.recipient.texts)
        # The recipient recognises the same bytes; only the alert that was under way is repeated.
        assert sum(times.values()) <= len(times) + 1
        at += 1
    assert kills > 15


def test_a_detector_that_is_deleted_ends_its_job(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = server.request()
    judge = service.judge_series

    def deleted_meanwhile(*arguments: Any) -> Any:
        server.change(wanted="DELETED", metric_set=None)
        return judge(*arguments)

    monkeypatch.setattr(service, "judge_series", deleted_meanwhile)
    assert server.run().status == "NONE"
    assert read_job(server.store, "shop", id_) is None
    assert not [key for key in server.contents() if key.startswith("detection/")]


def test_a_new_request_replaces_an_older_job(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    first = server.request()
    judge = service.judge_series
    others: list[str] = []

    def asked_again(*arguments: Any) -> Any:
        if not others:
            others.append(server.request())
        return judge(*arguments)

    monkeypatch.setattr(service, "judge_series", asked_again)
    assert server.run().status == "NONE"
    assert read_job(server.store, "shop", first) is None
    assert server.run() == ENDED
    assert server.job(others[0]).phase == "DONE"


def test_the_job_of_another_run_is_left_alone(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = server.request()
    judge = service.judge_series

    def taken(*arguments: Any) -> Any:
        job = server.job(id_)
        assert write_job(server.store, replace(job, runner="another/1/x")) is not None
        return judge(*arguments)

    monkeypatch.setattr(service, "judge_series", taken)
    assert server.run().status == "NONE"
    assert server.job(id_).runner == "another/1/x"
    assert "detection/detector=shop/backtest/groups.jsonl.gz" not in server.contents()


def test_a_failure_is_one_line_in_the_job(server: Server, tmp_path: Path) -> None:
    server.data = tmp_path / ("no such folder " + "x" * 200)
    id_ = server.request()
    assert server.run().status == "ENDED"
    job = server.job(id_)
    assert job.phase == "FAILED"
    assert "no such folder" in job.reason
    assert len(job.reason) == 256
    assert "\n" not in job.reason
    assert "detection/detector=shop/backtest/groups.jsonl.gz" not in server.contents()


def test_a_detector_without_a_metric_set_fails(server: Server) -> None:
    id_ = server.request(metric_set=None)
    server.run()
    assert server.job(id_).reason == "detector shop: has no metric set; expected one"


def test_a_store_that_fails_is_tried_again_and_then_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise StoreError("the bucket does not answer")

    monkeypatch.setattr(service, "write_alerts", fails)
    id_ = server.request()
    assert server.run() == JobRun("AGAIN", "the bucket does not answer")
    assert (server.job(id_).phase, server.job(id_).runner) == ("RUNNING", "")
    assert server.run() == JobRun("AGAIN", "the bucket does not answer")
    assert server.run() == JobRun("ENDED", "the bucket does not answer")
    assert (server.job(id_).phase, server.job(id_).reason) == ("FAILED", "the bucket does not answer")


# ---- steps ----


def clock(*left: int) -> Callable[[], timedelta]:
    """Minutes that are left, call by call; the last for ever."""
    values = list(left)
    return lambda: timedelta(minutes=values.pop(0) if len(values) > 1 else values[0])


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of two series, in one go as in steps: results have the same bits only where blocks are the same."""
    monkeypatch.setattr(blocks, "BLOCK", 2)
    monkeypatch.setattr(detection, "BLOCK", 2)


@pytest.mark.usefixtures("small_blocks")
def test_steps_under_a_deadline_end_with_the_same_lake(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Server(tmp_path / "expected", server.data)
    expected.request(alerts=(alert(),), tags=dict([SEND_TAG]))
    assert expected.run() == ENDED
    id_ = server.request(alerts=(alert(),), tags=dict([SEND_TAG]))
    reads = 0
    read = service.read_history

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal reads
        reads += 1
        return read(*arguments, **options)

    monkeypatch.setattr(service, "read_history", counted)
    stored, runs = [], 0
    while (run := server.run(clock(15, 15, 9))).status == "AGAIN":
        stored.append(len(list(server.store.list(steps_folder("shop", id_)))))
        assert (server.job(id_).phase, server.job(id_).runner) == ("RUNNING", "")
        runs += 1
        assert runs < 10
    # One step a run: the history with its quality, three blocks, and what is done with them.
    assert stored == [2, 3, 4, 5]
    assert run == ENDED
    assert reads == 1
    assert server.contents() == expected.contents()
    assert Counter(server.recipient.texts) == Counter(expected.recipient.texts)


@pytest.mark.usefixtures("small_blocks")
def test_steps_of_a_changed_definition_are_not_used(server: Server) -> None:
    id_ = server.request()
    assert server.run(clock(15, 15, 9)).status == "AGAIN"
    server.change(settings={"Holidays": ["2026-03-22"]})
    assert server.run(clock(15)) == ENDED
    assert server.job(id_).phase == "DONE"
    detector = backtest_request(server.store, server.files, "shop")
    assert detector is not None
    outcome = backtest(detector.detector(), lake=str(server.lake.with_name("other")))
    assert len(outcome.backtest.groups) > 0
    assert server.contents() == Server(server.lake.with_name("other"), server.data).contents()


def test_the_version_of_a_detector_is_all_but_its_alerts_and_texts(server: Server) -> None:
    server.request()
    request = backtest_request(server.store, server.files, "shop")
    assert request is not None
    one = request.detector()
    rule = AlertRule("a", ARN)
    assert service.version_of(replace(one, alerts=(rule,), description="x")) == service.version_of(one)
    assert service.version_of(replace(one, sensitivity="high")) != service.version_of(one)


# ---- alerts ----


def test_alerts_are_sent_only_where_it_is_asked_for(server: Server, expected: Server) -> None:
    server.request(alerts=(alert(),))
    assert server.run() == ENDED
    assert server.recipient.texts == []
    server.request(alerts=(alert(),))
    assert server.run(send=True) == ENDED
    assert len(expected.recipient.texts) >= 2
    assert sorted(server.recipient.texts) == sorted(expected.recipient.texts)
    # A later backtest with the same groups sends none of them again.
    server.request(alerts=(alert(),))
    assert server.run(send=True) == ENDED
    assert len(server.recipient.texts) == len(expected.recipient.texts)


def test_an_alert_that_is_attached_during_the_backtest_is_sent(
    server: Server, expected: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.request(tags=dict([SEND_TAG]))
    judge = service.judge_series

    def attached(*arguments: Any) -> Any:
        server.change(alerts=(alert(),))
        return judge(*arguments)

    monkeypatch.setattr(service, "judge_series", attached)
    assert server.run() == ENDED
    assert sorted(server.recipient.texts) == sorted(expected.recipient.texts)
    assert server.contents() == expected.contents()


def test_an_alert_that_is_attached_after_the_end_is_sent_once(server: Server, expected: Server) -> None:
    id_ = server.request(tags=dict([SEND_TAG]))
    assert server.run() == ENDED
    server.time += timedelta(seconds=60)
    server.change(alerts=(alert(at=server.time),))
    server.time += timedelta(seconds=5)
    assert server.run() == ENDED
    assert len(server.recipient.texts) == len(expected.recipient.texts)
    assert server.run() == ENDED
    assert len(server.recipient.texts) == len(expected.recipient.texts)
    assert server.job(id_).phase == "DONE"


def test_alerts_that_are_not_taken_are_told(server: Server) -> None:
    server.recipient.problem = ChannelError("call: there is no such function", retryable=False)
    id_ = server.request(alerts=(alert(),))
    assert server.run(send=True) == ENDED
    job = server.job(id_)
    assert (job.phase, job.progress) == ("DONE", JobProgress("send", 1, 2))
    assert job.reason == "alert call: call: there is no such function"
    # They are sent with the next call.
    server.recipient.problem = None
    server.time += timedelta(minutes=1)
    server.change(alerts=(alert(at=server.time),))
    assert server.run(send=True) == ENDED
    assert len(server.recipient.texts) == 2


def test_a_request_is_read_from_the_definition(server: Server) -> None:
    id_ = server.request(alerts=(alert("one"), alert("two", NOW + timedelta(hours=1))), description="Orders")
    request = backtest_requests(server.store, server.files)["shop"]
    assert isinstance(request, BacktestRequest)
    assert (request.id, request.sends, request.alerted_at) == (id_, False, NOW + timedelta(hours=1))
    detector = request.detector()
    assert (detector.arn, detector.frequency, detector.description) == (ARN, "P1D", "Orders")
    assert [rule.name for rule in detector.alerts] == ["one", "two"]
    server.change(metric_set=None)
    definition = read_definition(server.store, "shop")
    assert definition is not None
    with pytest.raises(DetectorFileError, match="no metric set"):
        backtest_requests(server.store, server.files)["shop"].detector()
