"""The job on AWS Glue against moto: started, asked about, and refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.moto_api import state_manager

from anomalake.aws.glue_job_runs import GlueJobRuns, JobRunError
from tests.support.stack import template

JOB = "anomalake-detect"
START = datetime(2026, 3, 3, 7, tzinfo=UTC)


@pytest.fixture
def glue() -> Iterator[Any]:
    # A run advances by a state each second time that it is asked about.
    state_manager.set_transition("glue::job_run", {"progression": "manual", "times": 2})
    with mock_aws():
        client = boto3.client("glue", region_name="us-east-1")
        declared = template()["Resources"]["DetectJob"]["Properties"]
        client.create_job(
            Name=JOB,
            Role="arn:aws:iam::123456789012:role/job",
            Command={"Name": declared["Command"]["Name"], "ScriptLocation": "s3://bucket/spark/detect.py"},
            ExecutionProperty={"MaxConcurrentRuns": 2},
            DefaultArguments={"--ANOMALAKE_LAKE": "s3://bucket/lake"},
        )
        yield client
    state_manager.unset_transition("glue::job_run")


def runs(glue: Any) -> GlueJobRuns:
    return GlueJobRuns(JOB, lambda: glue)


def test_a_run_has_the_detector_and_the_interval(glue: Any) -> None:
    run_id = runs(glue).start("shop", START)
    started = glue.get_job_run(JobName=JOB, RunId=run_id)["JobRun"]
    assert started["Arguments"] == {
        "--ANOMALAKE_LAKE": "s3://bucket/lake",
        "--detector": "shop",
        "--interval": "2026-03-03T07:00:00+00:00",
    }


def test_a_run_is_running_until_it_has_ended(glue: Any) -> None:
    run_id = runs(glue).start("shop", START)
    found = [runs(glue).is_running(run_id) for _ in range(6)]
    assert found[0]
    assert not found[-1]
    assert found == sorted(found, reverse=True)


def test_an_unknown_run_does_not_run(glue: Any) -> None:
    assert not runs(glue).is_running("jr_0")


class OfTheSecondTry:
    """A client that knows Glue's second try of a run only."""

    class exceptions:
        class EntityNotFoundException(Exception):
            pass

    def get_job_run(self, *, JobName: str, RunId: str) -> dict[str, Any]:
        states = {"jr_1": "FAILED", "jr_1_attempt_1": "RUNNING"}
        if RunId not in states:
            raise self.exceptions.EntityNotFoundException
        return {"JobRun": {"JobName": JobName, "JobRunState": states[RunId]}}


def test_glues_second_try_counts_as_the_run() -> None:
    assert GlueJobRuns(JOB, OfTheSecondTry).is_running("jr_1")
    assert not GlueJobRuns(JOB, OfTheSecondTry).is_running("jr_2")


def test_too_many_runs_are_an_error_that_names_the_job(glue: Any) -> None:
    for _ in range(2):
        runs(glue).start("shop", START)
    with pytest.raises(JobRunError, match=f"Glue job {JOB}: start_job_run: .*ConcurrentRunsExceeded"):
        runs(glue).start("shop", START)


def test_a_job_that_does_not_exist_is_an_error_that_names_the_parameter(glue: Any) -> None:
    with pytest.raises(JobRunError, match="Glue job other: does not exist; expected a stack with SparkEnabled"):
        GlueJobRuns("other", lambda: glue).start("shop", START)
