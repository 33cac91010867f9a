"""The command: its output and its exit codes."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

import anomalake
from anomalake.cli import app
from tests.support import made, oracle
from tests.support.command import Run
from tests.support.patience import PATIENCE

TEXTS = made.texts(60, clashes=2)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A folder with stored alerts in every file format."""
    folder = tmp_path / "alerts"
    (folder / "2021" / "03").mkdir(parents=True)
    (folder / "one.json").write_text(TEXTS[0], encoding="utf-8")
    (folder / "list.json").write_text(f"[{TEXTS[1]}, {TEXTS[2]}]", encoding="utf-8")
    flat = [json.dumps(json.loads(text, parse_float=Decimal), default=float) for text in TEXTS]
    (folder / "2021" / "lines.jsonl").write_text("\n".join(flat[3:30]) + "\n", encoding="utf-8")
    (folder / "2021" / "03" / "lines.jsonl.gz").write_bytes(gzip.compress("\n".join(flat[30:59]).encode()))
    event = {"Records": [{"messageId": "m", "eventSource": "aws:sqs", "body": TEXTS[59]}]}
    (folder / "event.json").write_text(json.dumps(event), encoding="utf-8")
    (folder / "notes.txt").write_text("not alerts", encoding="utf-8")
    return folder


def test_replay_loads_everything_once(run: Run, stored: Path) -> None:
    result = run("replay", str(stored), "--lake", "lake")
    assert (result.code, result.out) == (0, "60 loaded, 0 repeated, 0 refused, 2 clashing (SELECT * FROM clashes)\n")
    result = run("replay", str(stored), str(stored / "one.json"), "--lake", "lake")
    assert (result.code, result.out) == (0, "0 loaded, 61 repeated, 0 refused\n")
    count = json.loads(run("query", "SELECT count(*) AS n FROM alerts", "--lake", "lake", "--format", "json").out)
    assert count == [{"n": len(oracle.relations(TEXTS)["alerts"])}]


def test_replay_from_standard_input(run: Run) -> None:
    lines = "\n".join(json.dumps(text) for text in TEXTS).encode()
    assert run("replay", "-", "--lake", "lake", stdin=lines).out.startswith("60 loaded")


def test_a_refused_record_is_printed_with_its_line_and_sets_the_exit_code(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(json.loads(TEXTS[0])) + "\n{}\n", encoding="utf-8")
    result = run("replay", "a.jsonl", "--lake", "lake")
    assert result.code == 1
    assert result.out == "1 loaded, 0 repeated, 1 refused\n"
    assert "a.jsonl:2: $: an object without fields: expected an alert (alertEventId, " in result.err
    assert len(list((tmp_path / "lake" / "set-aside").rglob("*.json"))) == 1


def test_links_in_a_folder_are_told_and_a_fifo_is_an_error(run: Run, stored: Path, tmp_path: Path) -> None:
    (stored / "link.json").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "fifo")
    result = run("replay", str(stored), "--lake", "lake")
    assert result.code == 0
    assert result.err == f"anomalake: note: {stored}: 1 symbolic link not followed\n"
    result = run("replay", "fifo", "--lake", "lake")
    assert result.code == 2
    assert "source 'fifo': a FIFO; expected a file or folder (`-` reads standard input)" in result.err


def test_a_rebuild_names_the_original_that_it_refuses(run: Run, stored: Path, tmp_path: Path) -> None:
    run("replay", str(stored), "--lake", "lake")
    originals = tmp_path / "lake" / "originals" / "bulk"
    (originals / "0.jsonl.gz").write_bytes(gzip.compress(b'\n{"alertEventId": 7}\n'))
    result = run("rebuild", "--lake", "lake")
    assert result.code == 1
    assert result.out.endswith(" partitions written, 1 refused\n")
    assert "originals/bulk/0.jsonl.gz:2: alertEventId: 7: expected text" in result.err
    assert oracle.answers(anomalake.open_lake("lake")) == oracle.relations(TEXTS)


def test_several_processes_load_the_same_as_one_process(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anomalake.lake.bulk.CHUNK_BYTES", 20_000)
    monkeypatch.setattr("anomalake.lake.bulk.LEAST_CHUNK_BYTES", 20_000)
    monkeypatch.setattr("anomalake.services.replay_sources.SMALL", 1_000)
    monkeypatch.setattr("anomalake.services.replay_sources.PIECE", 10_000)
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(text) for text in TEXTS * 2) + "\njunk", encoding="utf-8")
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes(), 0))
    for name in ("a.jsonl", "b.jsonl.gz"):
        result = run("replay", name, "--lake", f"lake of {name}", "--workers", "2")
        assert result.out.startswith("60 loaded, 60 repeated, 1 refused, 2 clashing")
        assert f"{name}:121: " in result.err


def test_a_large_document_is_not_divided(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anomalake.services.replay_sources.SMALL", 1_000)
    monkeypatch.setattr("anomalake.services.replay_sources.PIECE", 10_000)
    (tmp_path / "list.json").write_text("[\n" + ",\n".join(TEXTS) + "\n]", encoding="utf-8")
    assert run("replay", "list.json", "--lake", "lake").out.startswith("60 loaded, 0 repeated, 0 refused")


@pytest.mark.parametrize("formats", ["parquet", "csv", "parquet,csv"])
def test_queries_on_every_format_are_equal(run: Run, stored: Path, formats: str) -> None:
    import anomalake

    run("replay", str(stored), "--lake", "lake", "--formats", formats)
    assert oracle.answers(anomalake.open_lake("lake")) == oracle.relations(TEXTS)
    assert run("compact", "--lake", "lake").code == 0
    assert oracle.answers(anomalake.open_lake("lake")) == oracle.relations(TEXTS)


def test_rebuild_changes_formats(run: Run, stored: Path, tmp_path: Path) -> None:
    import anomalake

    run("replay", str(stored), "--lake", "lake")
    result = run("replay", str(stored), "--lake", "lake", "--formats", "csv")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "a rebuild with formats csv" in result.err
    result = run("rebuild", "--lake", "lake", "--formats", "csv")
    assert result.code == 0
    assert result.out.startswith("60 alerts in ")
    assert not list((tmp_path / "lake").rglob("*.parquet"))
    assert oracle.answers(anomalake.open_lake("lake")) == oracle.relations(TEXTS)


def test_query_prints_csv_json_and_a_table(run: Run, stored: Path) -> None:
    run("replay", str(stored), "--lake", "lake")
    sql = "SELECT detector, metric_value FROM metric_values ORDER BY 1, 2 LIMIT 3"
    as_csv = list(csv.DictReader(io.StringIO(run("query", sql, "--lake", "lake", "--format", "csv").out)))
    as_json = json.loads(run("query", sql, "--lake", "lake", "--format", "json").out, parse_float=Decimal)
    assert [Decimal(row["metric_value"]) for row in as_csv] == [row["metric_value"] for row in as_json]
    table = run("query", sql, "--lake", "lake").out
    assert "metric_value" in table
    assert "FiveDims" in table


def test_query_from_a_file(run: Run, stored: Path, tmp_path: Path) -> None:
    run("replay", str(stored), "--lake", "lake")
    (tmp_path / "q.sql").write_text("SELECT DISTINCT detector FROM alerts ORDER BY 1", encoding="utf-8")
    rows = json.loads(run("query", "q.sql", "--lake", "lake", "--format", "json").out)
    assert [row["detector"] for row in rows] == ["FiveDims", "shop-live", "totals"]


def test_query_from_standard_input(run: Run, stored: Path) -> None:
    run("replay", str(stored), "--lake", "lake")
    sql = b"\xef\xbb\xbf-- detectors\nSELECT DISTINCT detector FROM alerts ORDER BY 1\n"
    result = run("query", "-", "--lake", "lake", "--format", "json", stdin=sql)
    assert (result.code, result.err) == (0, "")
    assert [row["detector"] for row in json.loads(result.out)] == ["FiveDims", "shop-live", "totals"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is empty; expected a query"),
        (b" \n", "is empty; expected a query"),
        (b"SELECT '\xff'", "byte 9: expected a query in UTF-8"),
        (b"SELECT 1 --" + b"x" * 262_144, "expected a query of at most 262,144 bytes"),
    ],
)
def test_what_is_no_query_is_refused_in_one_line(run: Run, tmp_path: Path, body: bytes, said: str) -> None:
    (tmp_path / "q.sql").write_bytes(body)
    for sql, place in (("-", "standard input"), ("q.sql", "q.sql")):
        result = run("query", sql, "--lake", "lake", stdin=body)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith(f"anomalake: {place}: {said}")
        assert result.err.count("\n") == 1


def test_a_query_on_an_empty_lake_returns_no_rows(run: Run, tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    for lake in ("lake", "not-there-yet"):
        result = run("query", "SELECT * FROM metric_values", "--lake", lake, "--format", "json")
        assert (result.code, json.loads(result.out)) == (0, [])
    assert not (tmp_path / "not-there-yet").exists()


def test_export_writes_every_relation(run: Run, stored: Path, tmp_path: Path) -> None:
    run("replay", str(stored), "--lake", "lake")
    assert run("export", "--lake", "lake", "--out", "out").code == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"alerts.csv", "metric_values.csv", "dimension_contributions.csv", "clashes.csv"} <= names
    assert {"metricvalue_anomalyscore_totals.csv", "with_dimensioncontributions_totals.csv"} <= names
    with (tmp_path / "out" / "metric_values.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(oracle.relations(TEXTS)["metric_values"])


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["replay", "missing", "--lake", "lake"], 2, "source 'missing': there is no such file or folder"),
        (["replay", ".", "--lake", "lake"], 2, "no file in it; expected .json, .jsonl, .ndjson"),
        (["query", "SELECT * FROM nothing_here", "--lake", "lake"], 2, "nothing_here"),
        (["query", "SELEC 1", "--lake", "lake"], 2, "line 1, column 7"),
        (["query", "SELECT * FROM read_csv('/etc/passwd')", "--lake", "lake"], 2, "refused; expected a relation"),
        (["query", "SELECT 1", "--lake", "ftp://x"], 2, "expected a folder, file:///FOLDER or s3://BUCKET/PREFIX"),
        (["query", "SELECT 1", "--lake", "s3://"], 2, "no bucket"),
        (
            ["rebuild", "--lake", "typo"],
            2,
            "lake 'typo': there is no lake; expected one that alerts were loaded into",
        ),
        (["compact", "--lake", "lake"], 2, "there is no lake"),
        (["rebuild", "--lake", "lake", "--formats", "orc"], 2, "expected parquet, csv or parquet,csv"),
    ],
)
def test_errors_are_one_line(run: Run, tmp_path: Path, arguments: list[str], code: int, expected: str) -> None:
    (tmp_path / "lake").mkdir()
    if "orc" in arguments:
        (tmp_path / "lake" / "lake.json").write_text('{"formats": ["parquet"]}', encoding="utf-8")
    result = run(*arguments)
    assert result.code == code
    assert expected in result.err
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.err
    assert not (tmp_path / "typo").exists()


def test_s3_without_credentials(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    result = run("query", "SELECT 1", "--lake", "s3://bucket/lake")
    assert (result.code, result.err) == (
        1,
        "anomalake: s3://bucket: no AWS credentials; expected a profile or AWS_ACCESS_KEY_ID\n",
    )


def test_debug_shows_the_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["anomalake", "replay", "missing", "--lake", "lake", "--debug"])
    with pytest.raises(ValueError, match="there is no such file"):
        app.main()


def test_help_names_every_command(run: Run) -> None:
    result = run("--help")
    assert result.code == 0
    for command in ("demo", "replay", "query", "export", "rebuild", "compact"):
        assert command in result.out


def test_the_version_is_shown(run: Run) -> None:
    code, out, _ = run("--version")
    assert code == 0
    assert out == f"anomalake {anomalake.__version__}\n"


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "anomalake", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout.startswith("anomalake ")


def test_shell_completion_can_be_installed() -> None:
    environment = {
        **os.environ,
        "_ANOMALAKE_COMPLETE": "complete_bash",
        "COMP_WORDS": "anomalake da",
        "COMP_CWORD": "1",
    }
    script = "import sys; sys.argv = ['anomalake']; from anomalake.cli.app import app; app(prog_name='anomalake')"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.stdout.split() == ["dashboard"]
