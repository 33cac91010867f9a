"""S3, IAM, STS, SNS and other services of AWS, emulated by moto in this process."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import boto3
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.config import default_user_config
from moto.server import ThreadedMotoServer

ACCOUNT = "123456789012"
REGION = "us-east-1"
KEYS: Mapping[str, str] = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "pair", "AWS_REGION": REGION}
#: What scripts of Lookout for Metrics' users call beside it.
SERVICES = ("GLUE", "IAM", "LAMBDA", "QUICKSIGHT", "S3", "SNS", "SQS", "STS")


@contextmanager
def emulated_aws() -> Iterator[str]:
    """Start an empty account; yield its endpoint."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    # Functions are not run: `invocations` has what they are called with.
    with mock.patch.dict(default_user_config, {"lambda": {"use_docker": False}}), _started(server):
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")).close()
        yield endpoint


@contextmanager
def _started(server: ThreadedMotoServer) -> Iterator[None]:
    server.start()
    try:
        yield
    finally:
        server.stop()


@contextmanager
def invocations() -> Iterator[list[tuple[str, str]]]:
    """Record calls of Lambda functions: the function, by name or ARN, and the event's text."""
    calls: list[tuple[str, str]] = []

    def invoke(self: object, function_name: str, qualifier: str | None, body: Any, *_: Any) -> bytes:
        calls.append((function_name, body if isinstance(body, str) else body.decode("utf-8")))
        return b"null"

    with mock.patch.object(LambdaSimpleBackend, "invoke", invoke):
        yield calls


@contextmanager
def boto3_of_a_user(endpoint: str, models: str) -> Iterator[None]:
    """Let `boto3.client(…)` go to an emulated account, and to anomalake by its service model.

    Parameters
    ----------
    endpoint
        Of the account.
    models
        Folder that `anomalake client install` has written.
    """
    endpoints = {f"AWS_ENDPOINT_URL_{service}": endpoint for service in SERVICES}
    environment = {**KEYS, "AWS_DEFAULT_REGION": REGION, "AWS_DATA_PATH": models, **endpoints}
    with mock.patch.dict(os.environ, environment), mock.patch.object(boto3, "DEFAULT_SESSION", None):
        yield
