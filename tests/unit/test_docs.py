"""The documents name what there is (commands, options, relations, columns, make targets), and their SQL runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from anomalake.alerts import AlertDocument, read_alert
from anomalake.api import open_lake
from anomalake.cli.app import app
from anomalake.definitions.detector_file import parse_detector
from anomalake.lake.lake import Lake
from anomalake.query import templates
from anomalake.query.relations import PARTITIONS, Relation
from anomalake.storage.objects import open_store
from tests.integration.query.test_live import source
from tests.support import made

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "events" / "README.md"])
RELATIONS = (ROOT / "docs" / "relations.md").read_text(encoding="utf-8")
QUERIES = [sql for path in DOCUMENTS for sql in re.findall(r"```sql\n(.+?)```", path.read_text("utf-8"), re.DOTALL)]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands() -> dict[str, list[str]]:
    """Return the options of every command; those of a group of commands, such as `client`, together."""
    return {name: flags(command) for name, command in get_command(app).commands.items()}  # type: ignore[attr-defined]


def flags(command: Any) -> list[str]:
    parts = [flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)]
    return [*parts, *(flag for inner in getattr(command, "commands", {}).values() for flag in flags(inner))]


@pytest.mark.parametrize("command", commands())
def test_the_reference_describes_every_command_with_its_options(command: str) -> None:
    pattern = rf"^### anomalake {command}\n(.+?)(?=^##|\Z)"
    [section] = re.findall(pattern, text("docs/commands.md"), re.DOTALL | re.MULTILINE)
    described = {*re.findall(r"--[a-z-]+", section), "--help", "--lake"}
    assert {flag for flag in commands()[command] if flag.startswith("--")} <= described


def test_the_readme_is_short_and_links_to_every_guide() -> None:
    readme = text("README.md")
    guides = {path.name for path in (ROOT / "docs").glob("*.md")} - {"synth.md"}
    assert len(readme.splitlines()) <= 150
    assert guides <= set(re.findall(r"\]\(docs/([a-z-]+\.md)", readme))


def test_the_documents_import_public_modules_only() -> None:
    notebooks = sorted((ROOT / "docs").glob("*.ipynb"))
    imports = {
        name
        for path in [*DOCUMENTS, *notebooks]
        for name in re.findall(r"from anomalake\.([\w.]+) import", path.read_text())
    }
    assert imports <= {"synth"}


def calls(document: str) -> list[str]:
    """Return what follows ``anomalake`` in code blocks, at the start of a line, and in inline code."""
    prose = re.sub(r"^```.*?^```", "", document, flags=re.DOTALL | re.MULTILINE)
    blocks = re.findall(r"^```\w*\n(.*?)^```", document, re.DOTALL | re.MULTILINE)
    in_blocks = re.findall(r"^\s*(?:\$ )?anomalake ([^\n#]+)", "\n".join(blocks), re.MULTILINE)
    return [*in_blocks, *re.findall(r"`anomalake ([^`]+)`", prose)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_names_no_command_or_option_that_is_not_there(document: Path) -> None:
    known = commands()
    own_options = {option for parameter in get_command(app).params for option in parameter.opts}
    for line in calls(document.read_text(encoding="utf-8")):
        command, *words = line.split()
        if command == "COMMAND" or command in own_options:
            continue
        assert command in known, line
        options = {word for word in words if re.fullmatch(r"--[a-z-]+", word)}
        assert options <= {*known[command], "--help", "--debug"}, line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_paths_in_a_document_lead_somewhere(document: Path) -> None:
    body = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", body):
        assert (document.parent / target).exists(), target


def test_the_readme_names_every_make_target() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", text("Makefile"), re.MULTILINE)
    assert {"demo", "test", "check"} <= set(targets)
    missing = [target for target in targets if f"make {target}" not in text("README.md") + text("CONTRIBUTING.md")]
    assert missing == []


def test_the_readmes_way_to_find_anomalies_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first block below "Find anomalies", in its order, but for the demo, which has tests of its own."""
    monkeypatch.chdir(tmp_path)
    [block] = re.findall(r"^## Find anomalies\n+```sh\n(.+?)```", text("README.md"), re.DOTALL | re.MULTILINE)
    calls = [shlex.split(line, comments=True) for line in block.splitlines()]
    done = []
    for _, command, *words in (call for call in calls if call[0] == "anomalake" and call[1] != "demo"):
        if "ANOMALY_GROUP_ID" in words:
            [(group,), *_] = open_lake("lake").query_rows(
                "SELECT anomaly_group_id FROM alerts WHERE local_timestamp >= DATE '2024-01-01'"
            )[1]
            words[words.index("ANOMALY_GROUP_ID")] = group
        answer = CliRunner().invoke(app, [command, *words], catch_exceptions=False)
        assert answer.exit_code == 0, answer.output
        assert answer.output.strip()
        done.append(command)
    assert done == ["synth", "backtest", "query", "detect", "feedback", "snooze"]


def block(name: str, language: str) -> str:
    """Return the first block of a language."""
    found: list[str] = re.findall(rf"^```{language}\n(.+?)```", text(name), re.DOTALL | re.MULTILINE)
    return found[0]


@pytest.mark.parametrize("document", ["README.md", "docs/detector-file.md"])
def test_the_documents_detectors_and_alert_are_good(document: str) -> None:
    detector = parse_detector(block(document, "yaml"), document)
    alert = read_alert(AlertDocument(block("docs/alerts.md", "json"), "docs/alerts.md"))
    assert detector.arn == alert.detector_arn
    assert alert.metric_name in detector.metric_set.measures
    assert {share.dimension_name for share in alert.contributions} <= set(detector.metric_set.dimension_list)


def documented() -> dict[str, list[str]]:
    sections = re.split(r"^### ", RELATIONS, flags=re.MULTILINE)[1:]
    return {part.split()[0]: re.findall(r"^\| `([a-z_]+)` \|", part, re.MULTILINE) for part in sections}


def test_every_relation_is_described_with_its_columns() -> None:
    expected = {kind: Relation(kind, kind, False).definition().named_selects for kind in templates.GENERIC}
    for kind in templates.PER_DETECTOR:
        columns = templates.example(kind).named_selects
        expected[f"{kind}_orders"] = [column for column in columns if column not in PARTITIONS]
    assert documented() == expected


@pytest.mark.parametrize("sql", QUERIES)
def test_the_queries_of_the_documents_run(sql: str, tmp_path: Path) -> None:
    Lake(open_store(str(tmp_path))).ingest(AlertDocument(item, "made") for item in made.texts(20))
    lake = open_lake(tmp_path)
    lake.register_source(source())
    columns, _ = lake.query_rows(sql)
    assert columns
