"""`anomalake client`: which files it writes, replaces and deletes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anomalake.cli.app import app
from anomalake.errors import AnomalakeError
from anomalake.files import FileWriteError
from anomalake.server.lookoutmetrics.clients import ClientError, ForeignFileError, install, uninstall

URL = "http://127.0.0.1:8765"


def run(*arguments: str, code: int = 0) -> list[str]:
    """Call the command; return the lines of its output."""
    result = CliRunner().invoke(app, ["client", *arguments])
    if isinstance(result.exception, AnomalakeError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output.splitlines()


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


MODEL = "lookoutmetrics/2017-07-25/service-2.json"
RULES = "lookoutmetrics/2017-07-25/endpoint-rule-set-1.json"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_files_are_where_botocore_looks_and_nothing_is_left_of_them(home: Path) -> None:
    models = home / ".aws" / "models"
    assert "".join(run("install")).replace("\n", "") == f"{models / RULES}{models / MODEL}"
    assert files(models) == ["lookoutmetrics", "lookoutmetrics/2017-07-25", RULES, MODEL]
    rules = json.loads((models / RULES).read_text())
    assert rules["rules"][-1]["endpoint"] == {
        "url": URL,
        "properties": {"authSchemes": [{"name": "sigv4", "signingName": "lookoutmetrics"}]},
        "headers": {},
    }
    run("uninstall")
    assert files(models) == []
    assert run("uninstall") == ["~/.aws/models: nothing is installed"]


def test_options_are_written(tmp_path: Path) -> None:
    url = "https://abc.lambda-url.eu-west-1.on.aws/"
    run("install", "--url", url, "--region", "us-west-2", "--signing-name", "lookoutmetrics", "--dir", str(tmp_path))
    endpoint = json.loads((tmp_path / RULES).read_text())["rules"][-1]["endpoint"]
    assert endpoint["url"] == url.rstrip("/")
    assert endpoint["properties"]["authSchemes"] == [
        {"name": "sigv4", "signingName": "lookoutmetrics", "signingRegion": "us-west-2"}
    ]
    assert json.loads((tmp_path / MODEL).read_text())["metadata"]["signingName"] == "lookoutmetrics"


def test_installing_again_replaces_and_writes_the_same(tmp_path: Path) -> None:
    install(tmp_path, "https://example.com", region="eu-west-1")
    install(tmp_path, URL)
    first = [(tmp_path / name).read_bytes() for name in (MODEL, RULES)]
    assert b"eu-west-1" not in first[1]
    install(tmp_path, URL)
    assert [(tmp_path / name).read_bytes() for name in (MODEL, RULES)] == first
    assert len(gzip.compress(first[0])) < 10_000


@pytest.mark.parametrize("content", ["{}", "[1]", "", '{"documentation": "<p>Amazon"}', "[" * 100_000])
@pytest.mark.parametrize("name", [MODEL, RULES])
def test_a_file_of_another_program_stays_unless_asked(content: str, name: str, tmp_path: Path) -> None:
    foreign = tmp_path / name
    foreign.parent.mkdir(parents=True)
    foreign.write_text(content)
    with pytest.raises(ForeignFileError, match="--force would replace it"):
        run("install", "--dir", str(tmp_path))
    with pytest.raises(ForeignFileError, match="--force would delete it"):
        run("uninstall", "--dir", str(tmp_path))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [foreign]
    assert foreign.read_text() == content
    run("install", "--dir", str(tmp_path), "--force")
    assert foreign.read_text() != content
    run("uninstall", "--dir", str(tmp_path))
    assert files(tmp_path) == []


def test_other_files_in_the_folders_stay(tmp_path: Path) -> None:
    install(tmp_path, URL)
    (tmp_path / "lookoutmetrics" / "2017-07-25" / "paginators-1.json").write_text("{}")
    uninstall(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["paginators-1.json"]


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8765",
        "ftp://example.com",
        "http://",
        "http:///x",
        "http://user:word@example.com",  # pragma: allowlist secret
        "http://example.com:99999",
        "http://example.com:0",
        "http://example.com:x",
        "http://example.com/?a=b",
        "http://example.com/#a",
        "http://example.com/{Region}",
        "http://exa mple.com",
        "http://example.com/\n",
        "\thttp://example.com",
        "http://exämple.com",
        "http://[::1",
        "http://" + "a" * 2_000,
    ],
)
def test_other_urls_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="--url"):
        run("install", "--url", url, "--dir", str(tmp_path))
    assert files(tmp_path) == []


@pytest.mark.parametrize("region", ["us", "US-EAST-1", "us-east-1/x", "eu central 1"])
def test_other_regions_are_refused(region: str, tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=f"--region '{region}': expected a region such as us-east-1"):
        run("install", "--region", region, "--dir", str(tmp_path))


def test_other_signing_names_are_refused(tmp_path: Path) -> None:
    run("install", "--signing-name", "s3", "--dir", str(tmp_path), code=2)
    with pytest.raises(ClientError, match="lookoutmetrics or lambda"):
        install(tmp_path, URL, signing_name="s3")


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileWriteError, match="cannot be made"):
        run("install", "--dir", str(tmp_path / "file"))
