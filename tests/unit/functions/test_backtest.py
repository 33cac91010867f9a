"""The function backtest: it runs a job, waits for a dead run, and invokes itself again."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from anomalake.aws.environment import BacktestEnvironment, EnvironmentVariableError
from anomalake.aws.function_jobs import FunctionJobs, InvocationError
from anomalake.definitions.detector import Detector, DetectorFileError
from anomalake.records.backtest_jobs import BacktestJob, read_job, write_job
from anomalake.services.backtests.jobs import BacktestJobs, BacktestRequest
from anomalake.storage.objects import memory_store
from anomalake.storage.store import StoreError
from functions.backtest.app import DEAD_AFTER, BacktestEventError, respond

JOB = "0" * 32
NOW = datetime(2026, 11, 27, tzinfo=UTC)


class Clock:
    """A clock that waiting moves."""

    def __init__(self) -> None:
        self.now = NOW
        self.waited: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += timedelta(seconds=seconds)


def no_detector() -> Detector:
    raise DetectorFileError(("detector shop: has no metric set; expected one",))


def jobs_of(clock: Clock, request: BacktestRequest | None) -> BacktestJobs:
    return BacktestJobs("memory://", memory_store(), lambda name: request, clock)


def run(jobs: BacktestJobs, clock: Clock, again: list[str]) -> dict[str, str]:
    return respond({"detector": "shop"}, jobs, lambda: timedelta(minutes=15), again.append, clock.wait)


def test_a_job_that_fails_has_its_reason() -> None:
    clock, again = Clock(), list[str]()
    jobs = jobs_of(clock, BacktestRequest(JOB, no_detector))
    assert run(jobs, clock, again) == {"detector": "shop", "status": "ENDED"}
    job = read_job(jobs.store, "shop", JOB)
    assert job is not None
    assert (job.phase, job.reason) == ("FAILED", "detector shop: has no metric set; expected one")
    assert (again, clock.waited) == ([], [])


def test_without_a_backtest_there_is_nothing_to_do() -> None:
    clock = Clock()
    assert run(jobs_of(clock, None), clock, [])["status"] == "NONE"


def test_the_job_of_a_dead_run_is_taken_after_a_while() -> None:
    clock, again = Clock(), list[str]()
    jobs = jobs_of(clock, BacktestRequest(JOB, no_detector))
    assert write_job(jobs.store, BacktestJob(JOB, "shop", "RUNNING", NOW, NOW, runner="other~1/1/1")) is not None
    assert run(jobs, clock, again)["status"] == "ENDED"
    assert clock.waited == [DEAD_AFTER]


def test_the_job_of_another_run_is_left_to_it() -> None:
    clock, again = Clock(), list[str]()
    jobs = jobs_of(clock, BacktestRequest(JOB, no_detector))
    job = write_job(jobs.store, BacktestJob(JOB, "shop", "RUNNING", NOW, NOW, runner="other~1/1/1"))
    assert job is not None

    def wait(seconds: float) -> None:
        clock.wait(seconds)
        assert write_job(jobs.store, replace(job, heartbeat_at=clock())) is not None

    answer = respond({"detector": "shop"}, jobs, lambda: timedelta(minutes=15), again.append, wait)
    assert (answer["status"], again) == ("BUSY", [])


def failing_store() -> Detector:
    raise StoreError("s3://lake: SlowDown")


def test_the_rest_is_for_another_invocation() -> None:
    clock, again = Clock(), list[str]()
    jobs = jobs_of(clock, BacktestRequest(JOB, failing_store))
    assert run(jobs, clock, again)["status"] == "AGAIN"
    assert again == ["shop"]


@pytest.mark.parametrize("event", [None, {}, {"detector": 1}, []])
def test_an_event_without_a_detector_is_refused(event: Any) -> None:
    clock = Clock()
    with pytest.raises(BacktestEventError, match=re.escape('expected {"detector": NAME}')):
        respond(event, jobs_of(clock, None), lambda: timedelta(minutes=15), lambda name: None, clock.wait)


def test_the_environment_is_read() -> None:
    good = {
        "ANOMALAKE_LAKE": "s3://my-bucket/lake",
        "ANOMALAKE_DETECTORS": "s3://my-bucket/detectors",
        "ANOMALAKE_ACCOUNT": "123456789012",
        "AWS_REGION": "eu-west-1",
        "ANOMALAKE_BACKTEST_ALERTS": "true",
    }
    assert BacktestEnvironment.read(good) == BacktestEnvironment(
        "s3://my-bucket/lake", "s3://my-bucket/detectors", True, "eu-west-1", "123456789012", ""
    )
    assert not BacktestEnvironment.read({**good, "ANOMALAKE_BACKTEST_ALERTS": "false"}).sends_alerts
    with pytest.raises(EnvironmentVariableError, match="ANOMALAKE_BACKTEST_ALERTS"):
        BacktestEnvironment.read({**good, "ANOMALAKE_BACKTEST_ALERTS": "yes"})


class Invocations:
    """A Lambda client."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def invoke(self, **call: Any) -> None:
        self.calls.append(call)


def test_functions_are_invoked_without_waiting() -> None:
    client = Invocations()
    jobs = FunctionJobs("arn:detect", "arn:backtest", lambda: client)
    jobs.backtest("shop")
    jobs.activate("shop")
    assert client.calls == [
        {"FunctionName": name, "InvocationType": "Event", "Payload": b'{"detector": "shop"}'}
        for name in ("arn:backtest", "arn:detect")
    ]


def test_a_function_that_cannot_be_invoked_is_named() -> None:
    class NoConnection:
        def invoke(self, **call: Any) -> None:
            raise EndpointConnectionError(endpoint_url="https://lambda")

    with pytest.raises(InvocationError, match="function arn:backtest: cannot be invoked"):
        FunctionJobs("arn:detect", "arn:backtest", NoConnection).backtest("shop")
