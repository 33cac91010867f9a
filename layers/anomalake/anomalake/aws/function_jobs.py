"""Jobs of the API in AWS: asynchronous invocations of functions."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from typing import Any

from anomalake.errors import AnomalakeError


class InvocationError(AnomalakeError):
    """A function could not be invoked: which, and why."""


class FunctionJobs:
    """`Jobs` that invokes functions and does not wait for them.

    A function that is invoked twice does nothing twice: the record of a backtest job and the records of executions
    decide what is left to do.

    Parameters
    ----------
    detect, backtest
        ARNs of the functions.
    make_client
        Creates the Lambda client on first use.
    """

    def __init__(self, detect: str, backtest: str, make_client: Callable[[], Any] | None = None) -> None:
        self._detect = detect
        self._backtest = backtest
        self._make_client = make_client

    def backtest(self, detector: str) -> None:
        """Invoke the function backtest for a detector; raises `InvocationError`."""
        self._invoke(self._backtest, {"detector": detector})

    def activate(self, detector: str) -> None:
        """Invoke the function detect for a detector; raises `InvocationError`."""
        self._invoke(self._detect, {"detector": detector})

    def _invoke(self, function: str, event: dict[str, Any]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())
        except (BotoCoreError, ClientError) as error:
            raise InvocationError(f"function {function}: cannot be invoked: {error}") from error

    @cached_property
    def _client(self) -> Any:
        if self._make_client is not None:
            return self._make_client()
        import boto3

        return boto3.client("lambda")
