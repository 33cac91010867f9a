"""Calls of the command in this process, each test in its own folder."""

from __future__ import annotations

import io
import sys
from functools import cache
from pathlib import Path

import pytest
import typer.main

from anomalake.cli import app
from tests.support.command import CommandResult, Run

#: Typer inspects all functions of all commands for each call, which takes longer than most calls.
_command_of = cache(typer.main.get_command)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANOMALAKE_FORMATS", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(typer.main, "get_command", _command_of)

    def call(*arguments: str, stdin: bytes = b"") -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["anomalake", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as stopped:
            app.main()
        output = capsys.readouterr()
        assert isinstance(stopped.value.code, int)
        return CommandResult(stopped.value.code, output.out, output.err)

    return call
