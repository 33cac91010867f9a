"""Runs of the stack's job on AWS Glue, which judges intervals on Apache Spark."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from anomalake.errors import AnomalakeError

# States of a run that has not ended.
_RUNNING: Final = frozenset({"STARTING", "RUNNING", "STOPPING", "WAITING"})
# End of the id of Glue's own second try (MaxRetries in the template).
_SECOND: Final = "_attempt_1"


class JobRunError(AnomalakeError):
    """A job could not be started or asked about: which, and why. The call may be repeated."""


class GlueJobRuns:
    """`JobRuns` on AWS Glue.

    Parameters
    ----------
    job
        Name of the job.
    make_client
        Creates the Glue client on first use.
    """

    def __init__(self, job: str, make_client: Callable[[], Any] | None = None) -> None:
        self._job = job
        self._make_client = make_client

    def start(self, detector: str, start: datetime) -> str:
        """Start the job for the interval of a detector, and return the id of the run; raises `JobRunError`."""
        arguments = {"--detector": detector, "--interval": start.isoformat()}
        run_id: str = self._call("start_job_run", Arguments=arguments)["JobRunId"]
        return run_id

    def is_running(self, run_id: str) -> bool:
        """Return whether a run, or Glue's second try of it, has not ended; raises `JobRunError`."""
        for attempt in (run_id, run_id + _SECOND):
            try:
                found = self._call("get_job_run", RunId=attempt)
            except self._client.exceptions.EntityNotFoundException:
                continue
            if found["JobRun"]["JobRunState"] in _RUNNING:
                return True
        return False

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: dict[str, Any] = getattr(self._client, operation)(JobName=self._job, **request)
        except self._client.exceptions.EntityNotFoundException:
            if operation == "get_job_run":
                raise
            raise JobRunError(f"Glue job {self._job}: does not exist; expected a stack with SparkEnabled") from None
        except (BotoCoreError, ClientError) as error:
            raise JobRunError(f"Glue job {self._job}: {operation}: {error}") from error
        return answer

    @cached_property
    def _client(self) -> Any:
        if self._make_client is not None:
            return self._make_client()
        import boto3

        return boto3.client("glue")
