"""What every test may rely on: no AWS account; and no network below `unit`, `property` and `contract`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
import typer.main
import typer.testing
from hypothesis import settings

TESTS = Path(__file__).parent
WITHOUT_NETWORK = tuple(TESTS / room for room in ("unit", "property", "contract"))

# Every property test has a deadline: long enough for a busy machine, short enough to notice code that hardly ends.
# Each run draws other examples, so few in each of many runs find what many in one run do.
settings.register_profile("anomalake", max_examples=50, deadline=timedelta(seconds=30), print_blob=True)
settings.load_profile("anomalake")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.path.is_relative_to(room) for room in WITHOUT_NETWORK):
            item.add_marker(pytest.mark.disable_socket)
    # Files that take long come first, so that no process still works on one when the others have nothing left.
    long = {name: {item.path for item in items if item.get_closest_marker(name)} for name in ("e2e", "slow")}
    items.sort(key=lambda item: (item.path not in long["e2e"], item.path not in long["slow"]))


@pytest.fixture(autouse=True, scope="session")
def inspected_once() -> Iterator[None]:
    """Let Typer inspect the functions of all commands once a process: it takes longer than most calls of a command."""
    command_of = cache(typer.main.get_command)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", command_of)
        patch.setattr(typer.testing, "_get_command", command_of)
        yield


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what a developer's own cache has out of every test, and what tests make out of it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def no_aws_account(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep a developer's own credentials, profile and endpoint out of every test."""
    nowhere = tmp_path_factory.getbasetemp() / "no-aws-config"
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",  # pragma: allowlist secret
        "AWS_SESSION_TOKEN": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(nowhere),
        "AWS_SHARED_CREDENTIALS_FILE": str(nowhere),
    }.items():
        monkeypatch.setenv(name, value)
