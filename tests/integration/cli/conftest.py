"""Calls of the command in this process, each test in its own folder."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from anomalake.cli import app
from tests.support.command import CommandResult, Run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANOMALAKE_FORMATS", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str, stdin: bytes = b"") -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["anomalake", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as stopped:
            app.main()
        output = capsys.readouterr()
        assert isinstance(stopped.value.code, int)
        return CommandResult(stopped.value.code, output.out, output.err)

    return call
