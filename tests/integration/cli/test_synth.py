"""`anomalake synth`: deterministic files, options and errors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from anomalake.cli import app

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["anomalake", *arguments])
        with pytest.raises(SystemExit) as stopped:
            app.main()
        output = capsys.readouterr()
        assert isinstance(stopped.value.code, int)
        return stopped.value.code, output.out, output.err

    return call


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_synth_is_deterministic(run: Run, tmp_path: Path) -> None:
    for folder in ("first", "second", "second"):
        code, out, _ = run("synth", folder, "--hard", "--intervals", "400", "--live", "3", "--seed", "9")
        assert code == 0
        assert out.startswith("403 intervals of PT1H from 2023-01-01, 42 metrics, ")
        assert out.splitlines()[1:] == [
            f"{folder}/backtest/input.csv",
            f"{folder}/labels.csv",
            f"{folder}/detector.yaml",
            f"{folder}/live",
        ]
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
    assert [name for name in sorted(contents(tmp_path / "first")) if name.startswith("live/")] == [
        "live/20230117/1600/20230117_160000.csv",
        "live/20230117/1700/20230117_170000.csv",
        "live/20230117/1800/20230117_180000.csv",
    ]


def test_frequency_start_and_size_are_applied(run: Run, tmp_path: Path) -> None:
    options = ["--frequency", "P1D", "--start", "2020-02-28", "--intervals", "2", "--series", "30", "--live", "1"]
    code, out, _ = run("synth", "shop", *options, "--no-anomalies")
    assert code == 0
    assert "3 intervals of P1D from 2020-02-28, 60 metrics, 0 events, 0 anomalous points" in out
    lines = (tmp_path / "shop" / "backtest" / "input.csv").read_text("utf-8").splitlines()
    assert lines[0] == "timestamp,platform,marketplace,product,views,revenue"
    assert {line.split(",")[0] for line in lines[1:]} == {"2020-02-28 00:00:00", "2020-02-29 00:00:00"}
    assert len(lines) == 1 + 2 * 30
    assert (tmp_path / "shop" / "live" / "20200301" / "0000" / "20200301_000000.csv").exists()


def test_invalid_settings_are_an_error_in_one_line(run: Run, tmp_path: Path) -> None:
    code, _, err = run("synth", "shop", "--series", "2000000")
    assert (code, err) == (2, "anomalake: series 2,000,000: expected 1 to 1,000,000\n")
    assert not (tmp_path / "shop").exists()
