"""The commands of `make deploy`, and the stages in samconfig.toml and stages/."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from samcli.cli.types import CfnParameterOverridesType

from tests.support.patience import PATIENCE
from tests.support.stack import ROOT, template

CONFIGURATION: dict[str, Any] = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))
DECLARED: dict[str, Any] = template()["Parameters"]
STAGES = ("dev", "prod")


def make(*arguments: str) -> str:
    """Run make without a region in the environment and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MAKE", "MFLAGS"))}
    result = subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def deploy_options(*arguments: str) -> list[str]:
    """Return the options of `sam deploy` that `make deploy` with these arguments runs."""
    [line] = [line for line in make("--dry-run", "deploy", *arguments).splitlines() if "/sam deploy" in line]
    return shlex.split(line)[2:]


def overrides(*values: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the parameters that sam reads from the values of --parameter-overrides, in the project's folder."""
    monkeypatch.chdir(ROOT)
    read: dict[str, str] = CfnParameterOverridesType().convert(list(values), None, None)
    return read


def test_make_deploy_deploys_the_stage_dev() -> None:
    assert deploy_options() == ["--config-env", "dev"]


def test_make_deploy_deploys_another_stage() -> None:
    assert deploy_options("ENV=prod") == ["--config-env", "prod"]


def test_parameters_of_make_deploy_are_added_to_those_of_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    options = deploy_options("ENV=prod", "PARAMETERS=AlarmEmail=a@b.example TableFormats=parquet,csv DatabaseName=kpis")
    assert options[:3] == ["--config-env", "prod", "--parameter-overrides"]
    [stage] = CONFIGURATION["prod"]["deploy"]["parameters"]["parameter_overrides"]
    assert overrides(*options[3:], monkeypatch=monkeypatch) == {
        **overrides(stage, monkeypatch=monkeypatch),
        "AlarmEmail": "a@b.example",
        "TableFormats": "parquet,csv",
        "DatabaseName": "kpis",
    }


def test_make_deploy_builds_first() -> None:
    commands = make("--dry-run", "deploy")
    assert commands.index("/sam build") < commands.index("/sam deploy")


def test_make_sets_no_region(tmp_path: Path) -> None:
    probe = tmp_path / "probe.mk"
    probe.write_text("probe:\n\t@env\n")
    names = {line.partition("=")[0] for line in make("-f", "Makefile", "-f", str(probe), "probe").splitlines()}
    assert "SAM_CLI_TELEMETRY" in names
    assert not names & {"AWS_DEFAULT_REGION", "AWS_REGION"}
    assert "AWS_" not in make("--dry-run", "deploy")


def test_sam_deploy_without_a_stage_deploys_the_stage_dev() -> None:
    for command in ("global", "deploy"):
        assert CONFIGURATION["default"][command] == CONFIGURATION["dev"][command]


@pytest.mark.parametrize("stage", ["default", *STAGES])
def test_a_stage_gives_the_capabilities_of_roles_and_of_a_transform_with_nested_stacks(stage: str) -> None:
    assert CONFIGURATION[stage]["deploy"]["parameters"]["capabilities"] == "CAPABILITY_IAM CAPABILITY_AUTO_EXPAND"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_its_own_stack_and_sets_no_region_or_profile(stage: str) -> None:
    parameters = {**CONFIGURATION[stage]["global"]["parameters"], **CONFIGURATION[stage]["deploy"]["parameters"]}
    assert parameters["s3_prefix"] == parameters["stack_name"]
    assert f"stage={stage}" in parameters["tags"]
    assert not {"region", "profile"} & parameters.keys()
    stacks = [CONFIGURATION[name]["global"]["parameters"]["stack_name"] for name in STAGES]
    assert stacks.count(parameters["stack_name"]) == 1


@pytest.mark.parametrize("stage", STAGES)
def test_the_parameters_of_a_stage_are_valid(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    [file] = CONFIGURATION[stage]["deploy"]["parameters"]["parameter_overrides"]
    assert file == f"file://stages/{stage}.yaml"
    for name, value in overrides(file, monkeypatch=monkeypatch).items():
        assert value in map(str, DECLARED[name].get("AllowedValues", [value])), name
        assert re.search(DECLARED[name].get("AllowedPattern", ""), value), name


def test_each_stage_has_its_own_database(monkeypatch: pytest.MonkeyPatch) -> None:
    databases = {overrides(f"file://stages/{stage}.yaml", monkeypatch=monkeypatch)["DatabaseName"] for stage in STAGES}
    assert len(databases) == len(STAGES)
