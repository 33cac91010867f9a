"""Which backtests a server begins: those that wait, those of dead runs, and those with alerts that came late."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from anomalake.aws.detector_files import DetectorFiles
from anomalake.records.backtest_jobs import BacktestJob, new_job_id, read_job, write_job
from anomalake.records.definitions import AlertDefinition, DetectorDefinition, change_definition
from anomalake.services.backtests.due import DueBacktests
from anomalake.services.backtests.jobs import BacktestJobs, JobRun
from anomalake.services.backtests.requests import backtest_request
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore

NOW = datetime(2026, 11, 27, 10, 10, tzinfo=UTC)
ARN = "arn:aws:lookoutmetrics:us-east-1:000000000000:AnomalyDetector:"


@dataclass
class Bench:
    """A lake in memory, a clock, and detectors that ask for backtests."""

    store: ObjectStore = field(default_factory=memory_store)
    time: datetime = NOW

    def due(self, *, send: bool = False) -> DueBacktests:
        files = DetectorFiles("detectors", "us-east-1", "000000000000", memory_store())

        requested = partial(backtest_request, self.store, files)
        jobs = BacktestJobs("memory://", self.store, requested, lambda: self.time, send=send)
        return DueBacktests(jobs, files)

    def ask(self, name: str, phase: str = "", **job: object) -> str:
        """Ask for a backtest, whose job has a phase; return the id."""
        id_ = new_job_id()
        asked = DetectorDefinition(name, ARN + name, "", "PT1H", "", {}, NOW, NOW, wanted="BACK_TEST", backtest=id_)
        change_definition(self.store, name, lambda current: asked)
        if phase:
            made = BacktestJob(id_, name, phase, NOW, self.time)  # type: ignore[arg-type]
            assert write_job(self.store, replace(made, **job)) is not None  # type: ignore[arg-type]
        return id_

    def attach(self, name: str) -> None:
        """Attach an alert now."""
        alert = AlertDefinition("call", f"{ARN}call", {"Action": {"SNSConfiguration": {}}}, {}, self.time, self.time)

        def attached(current: DetectorDefinition | None) -> DetectorDefinition:
            assert current is not None
            return replace(current, alerts=(alert,))

        change_definition(self.store, name, attached)


def test_a_new_server_takes_up_what_is_unfinished() -> None:
    bench = Bench()
    bench.ask("new")
    bench.ask("waiting", "WAITING")
    bench.ask("released", "RUNNING")
    bench.ask("of-another", "RUNNING", runner="other/1/x")
    bench.ask("of-a-dead-one", "RUNNING", runner="other/1/x", heartbeat_at=NOW - timedelta(minutes=2))
    bench.ask("done", "DONE")
    bench.ask("failed", "FAILED")
    due = bench.due()
    assert due.names() == ["new", "of-a-dead-one", "released", "waiting"]
    # They are in work now; that of the other run is, too, until it dies.
    assert due.names() == []
    bench.time += timedelta(seconds=59)
    assert due.names() == []
    bench.time += timedelta(seconds=2)
    assert due.names() == ["of-another"]


def test_what_others_ask_for_is_found_later() -> None:
    bench = Bench()
    due = bench.due()
    assert due.names() == []
    bench.ask("shop")
    bench.time += timedelta(minutes=4)
    assert due.names() == []
    bench.time += timedelta(minutes=1)
    assert due.names() == ["shop"]


@pytest.mark.parametrize("run", [None, JobRun("AGAIN", "the store does not answer")])
def test_a_run_that_has_failed_is_repeated_after_a_pause(run: JobRun | None) -> None:
    bench = Bench()
    bench.ask("shop", "RUNNING")
    due = bench.due()
    assert due.names() == ["shop"]
    due.ended("shop", run)
    assert due.names() == []
    bench.time += timedelta(seconds=30)
    assert due.names() == ["shop"]
    due.ended("shop", JobRun("AGAIN"))
    assert due.names() == ["shop"]


def test_alerts_that_are_attached_within_an_hour_are_sent() -> None:
    bench = Bench()
    id_ = bench.ask("shop", "DONE")
    due, silent = bench.due(send=True), bench.due()
    assert due.names() == silent.names() == []
    bench.time += timedelta(minutes=1)
    bench.attach("shop")
    assert silent.names() == []
    assert due.names() == ["shop"]
    # As a run notes it that has sent them.
    job = read_job(bench.store, "shop", id_)
    assert job is not None
    bench.time += timedelta(seconds=1)
    assert write_job(bench.store, replace(job, heartbeat_at=bench.time)) is not None
    due.ended("shop", JobRun("ENDED"))
    assert due.names() == []
    bench.time += timedelta(minutes=61)
    assert due.names() == []
    bench.attach("shop")
    assert due.names() == []


def test_a_deleted_detector_is_forgotten() -> None:
    bench = Bench()
    bench.ask("shop", "RUNNING", runner="other/1/x")
    due = bench.due()
    assert due.names() == []

    def deleted(current: DetectorDefinition | None) -> DetectorDefinition:
        assert current is not None
        return replace(current, wanted="DELETED", backtest="")

    change_definition(bench.store, "shop", deleted)
    bench.time += timedelta(minutes=2)
    assert due.names() == []
