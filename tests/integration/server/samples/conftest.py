"""What scripts and notebooks written for Lookout for Metrics find: an account, and `anomalake serve` beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.support.emulated_aws import ACCOUNT, KEYS, boto3_of_a_user, emulated_aws, invocations
from tests.support.samples import Lab, prepare_lab
from tests.support.served import Served, serving


@pytest.fixture(scope="module")
def account() -> Iterator[str]:
    """The endpoint of an account of AWS."""
    with emulated_aws() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def serve(account: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Served]]:
    """Start servers, one for each choice of options; each has a lake of its own."""
    started: dict[tuple[str, ...], Served] = {}
    opened = ExitStack()

    def served(*options: str) -> Served:
        if options not in started:
            folder = tmp_path_factory.mktemp("served")
            words, environment = ("--account", ACCOUNT, *options), {"AWS_ENDPOINT_URL": account, **KEYS}
            started[options] = opened.enter_context(
                serving(folder / "lake", folder / "models", *words, environment=environment)
            )
        return started[options]

    with opened:
        yield served


@pytest.fixture
def served(serve: Callable[..., Served], account: str) -> Iterator[Served]:
    """A server that sends alerts to the lake only; boto3 goes to it."""
    server = serve()
    with boto3_of_a_user(account, str(server.models)):
        yield server


@pytest.fixture
def sending(serve: Callable[..., Served], account: str) -> Iterator[Served]:
    """A server that sends alerts to functions and topics; boto3 goes to it."""
    server = serve("--send", "--send-backtest-alerts")
    with boto3_of_a_user(account, str(server.models)):
        yield server


@pytest.fixture(scope="module")
def lab(account: str, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The bucket and the role of the first notebook, made by its steps."""
    with boto3_of_a_user(account, ""):
        return prepare_lab(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def called(account: str) -> Iterator[list[tuple[str, str]]]:
    """Calls of Lambda functions: function, and event."""
    with invocations() as calls:
        yield calls
