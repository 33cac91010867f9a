"""`--format json` of `backtest` and `detect`: one object on standard output, with the documented members."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import anomalake
from anomalake.synth import ShopSettings, shop, write_shop
from tests.support.command import Run
from tests.support.patience import PATIENCE

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small shop of 1,000 hours; the last six are live data."""
    folder = tmp_path_factory.mktemp("shop")
    write_shop(shop(ShopSettings(intervals=1_000, series=6, start=date(2024, 1, 1))), folder, live=6)
    return folder


def documented(heading: str) -> set[str]:
    """Members that docs/commands.md names in the table below a line of text."""
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    section = text.partition(heading)[2].partition("\n### ")[0]
    table = section.partition("| member |")[2].partition("\n\n")[0]
    cells = [row.split("|")[1] for row in table.splitlines()[2:]]
    return {name for cell in cells for name in re.findall(r"`([a-z_0-9.]+)`", cell)}


def names_in(members: dict[str, Any], prefix: str = "") -> set[str]:
    return {prefix + name for name in members}


def test_a_backtest_is_one_object(run: Run, folder: Path) -> None:
    call = ("backtest", str(folder / "detector.yaml"), "--lake", "lake", "--labels", str(folder / "labels.csv"))
    said = run(*call, "--scores", "scores.parquet", "--format", "json")
    assert (said.code, said.err) == (0, "")
    report = json.loads(said.out)
    outcome = anomalake.backtest(folder / "detector.yaml", labels=folder / "labels.csv")
    tested = outcome.backtest
    assert (report["detector"], report["frequency"], report["measures"]) == ("shop", "PT1H", ["views", "revenue"])
    assert report["metrics"] == tested.metrics.n_metrics == 12
    assert report["intervals"] == {
        "first": "2024-01-01T00:00:00+00:00",
        "first_tested": "2024-01-30T04:00:00+00:00",
        "last": "2024-02-11T15:00:00+00:00",
        "trained": 700,
        "tested": 300,
        "with_rows": 1_000,
    }
    assert report["rows"]["used"] == report["rows"]["rows"] == 6_000
    assert report["points"]["tested"] == 3_600
    assert report["points"]["anomalous"] == sum(report["points"]["anomalous_by_measure"].values()) > 0
    groups = report["groups"]
    assert [(one["group"], one["measure"], one["score"]) for one in groups] == [
        (one.group_id, one.measure, one.score) for one in tested.groups
    ]
    assert [one["start"] for one in groups] == [one.start.isoformat() for one in tested.groups]
    # Without an alert rule, every group is sent to the lake.
    assert all(one["alerted"] and one["metrics"] >= 1 for one in groups)
    assert outcome.evaluated is not None
    assert report["evaluation"]["event_f1"] == outcome.evaluated.figures.event_f1 > 0
    assert report["evaluation"]["labelled"] == outcome.evaluated.labelled > 0
    assert report["scores"] == {"file": "scores.parquet", "points": 3_600}
    assert (report["alerts"]["lake"], report["alerts"]["refused"]) == ("lake", 0)
    assert report["alerts"]["loaded"] >= len(groups)
    assert report["problems"] == []
    again = json.loads(run(*call, "--format", "json").out)
    assert (again["alerts"]["loaded"], again["alerts"]["repeated"]) == (0, report["alerts"]["loaded"])
    assert again["scores"] is None


def test_rows_that_cannot_be_read_are_in_the_object_and_on_standard_error(run: Run, folder: Path) -> None:
    bad = folder / "backtest" / "bad.csv"
    bad.write_text("timestamp,platform,marketplace,views,revenue\n2024-01-01 00:00:00,pc,us,many,1\n")
    try:
        said = run("backtest", str(folder / "detector.yaml"), "--format", "json")
    finally:
        bad.unlink()
    report = json.loads(said.out)
    assert (said.code, report["rows"]["bad"]) == (1, 1)
    assert [line for line in said.err.splitlines() if "'many'" in line] == [f"  {report['problems'][0]}"]
    assert (report["evaluation"], report["scores"], report["alerts"]) == (None, None, None)


def test_executions_are_one_object(run: Run, folder: Path) -> None:
    call = (
        "detect",
        str(folder / "detector.yaml"),
        "--lake",
        "lake",
        "--from",
        "2024-02-11T10",
        "--to",
        "2024-02-11T12",
    )
    said = run(*call, "--format", "json")
    assert (said.code, said.err) == (0, "")
    report = json.loads(said.out)
    assert (report["detector"], report["lake"], report["problems"]) == ("shop", "lake", [])
    assert [one["timestamp"] for one in report["executions"]] == [
        f"2024-02-11T{hour}:00:00+00:00" for hour in (10, 11, 12)
    ]
    assert {one["status"] for one in report["executions"]} == {"SUCCEEDED"}
    assert {one["metrics"] for one in report["executions"]} == {12}


def test_an_interval_that_fails_is_in_the_object(run: Run, folder: Path) -> None:
    said = run("detect", str(folder / "detector.yaml"), "--lake", "lake", "--at", "2024-03-01", "--format", "json")
    (execution,) = json.loads(said.out)["executions"]
    assert (said.code, execution["status"]) == (1, "FAILED")
    assert "No datapoint was found" in execution["reason"]


def test_the_documents_name_all_members(run: Run, folder: Path) -> None:
    call = (str(folder / "detector.yaml"), "--lake", "lake", "--format", "json")
    tested = json.loads(run("backtest", *call, "--labels", str(folder / "labels.csv"), "--scores", "s.parquet").out)
    found = names_in(tested)
    for name in ("intervals", "rows", "points", "evaluation", "scores", "alerts"):
        found |= names_in(tested[name], f"{name}.")
    assert documented("### anomalake backtest") == found | names_in(tested["groups"][0], "groups.")
    detected = json.loads(run("detect", *call, "--at", "2024-02-11T10").out)
    assert documented("### anomalake detect") == names_in(detected) | names_in(detected["executions"][0], "executions.")


def on_a_terminal(folder: Path, *arguments: str, out_too: bool) -> tuple[str, str]:
    """Run a command with a terminal for standard error (and output); return standard output, and what was shown."""
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "anomalake", *arguments],
        cwd=folder, stdout=end if out_too else subprocess.PIPE, stderr=end,
        env={**os.environ, "PYTHONPATH": str(ROOT / "layers" / "anomalake"), "TERM": "xterm", "COLUMNS": "200"},
    )  # fmt: skip
    os.close(end)
    shown = b""
    try:
        while piece := os.read(terminal, 65_536):
            shown += piece
    except OSError:
        # Linux's answer when the last process has closed its end.
        pass
    out, _ = process.communicate(timeout=PATIENCE)
    os.close(terminal)
    assert process.returncode == 0
    return (out or b"").decode(), shown.decode()


def test_progress_is_on_the_terminal_and_the_result_on_standard_output(folder: Path, tmp_path: Path) -> None:
    detector = str(folder / "detector.yaml")
    out, shown = on_a_terminal(tmp_path, "backtest", detector, "--lake", "lake", "--format", "json", out_too=False)
    assert json.loads(out)["detector"] == "shop"
    for step in ("read", "train", "test", "alerts"):
        assert step in shown
    assert "700 of 700" in shown
    assert '"detector"' not in shown


def test_lines_of_intervals_are_whole_on_a_terminal_with_a_bar(folder: Path, tmp_path: Path) -> None:
    span = ("--from", "2024-02-11T10", "--to", "2024-02-11T13")
    _, shown = on_a_terminal(tmp_path, "detect", str(folder / "detector.yaml"), "--lake", "lake", *span, out_too=True)
    assert "4 of 4" in shown
    for hour in (10, 11, 12, 13):
        # The line stands at the start of a line: the bar that was there is erased first.
        assert re.search(rf"(\n|\r|\x1b\[2K|\x1b\[\?25h)2024-02-11 {hour}:00 succeeded: [^\r\n]* alerts\r\n", shown), (
            shown
        )
