"""The layers' locks: pinned, hashed, without addresses, and in line with what the project itself is tested with."""

from __future__ import annotations

import re

import pytest

from tests.support.stack import ROOT

LAYERS = ("ingest", "analytics", "detection")


def pins(path: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", (ROOT / path).read_text(), re.MULTILINE))


@pytest.mark.parametrize("layer", LAYERS)
def test_every_requirement_is_pinned_and_hashed_and_no_address_is_kept(layer: str) -> None:
    text = (ROOT / "layers" / "dependencies" / layer / "requirements.txt").read_text()
    assert "://" not in text
    requirements = re.split(r"\n(?=[a-z])", text.strip())
    assert len(requirements) == len(pins(f"layers/dependencies/{layer}/requirements.txt")) > 5
    for requirement in requirements:
        assert "--hash=sha256:" in requirement, requirement.splitlines()[0]


@pytest.mark.parametrize("layer", LAYERS)
def test_the_functions_run_on_the_versions_that_the_tests_run_on(layer: str) -> None:
    ours, theirs = pins(f"layers/dependencies/{layer}/requirements.txt"), pins("requirements/dev.txt")
    # Where the project's lock has two versions of a package, for old and new Pythons, the last is python3.13's.
    different = {
        name: (version, theirs[name]) for name, version in ours.items() if theirs.get(name, version) != version
    }
    assert not different, "`make -C layers/dependencies lock` brings them in line"


def test_the_alerts_path_needs_no_frames() -> None:
    carried = pins("layers/dependencies/ingest/requirements.txt")
    assert not carried.keys() & {"numpy", "pandas", "awswrangler", "boto3", "botocore", "pydantic", "sqlglot", "duckdb"}


def test_detection_needs_arrays_and_no_frames() -> None:
    carried = pins("layers/dependencies/detection/requirements.txt")
    assert {"numpy", "pyarrow", "pyyaml", "obstore", "tzdata"} <= carried.keys()
    assert not carried.keys() & {"pandas", "awswrangler", "boto3", "botocore", "scipy", "sqlglot", "duckdb"}


@pytest.mark.parametrize("layer", LAYERS)
def test_no_function_shows_the_page(layer: str) -> None:
    carried = pins(f"layers/dependencies/{layer}/requirements.txt")
    assert not carried.keys() & {"starlette", "uvicorn", "vl-convert-python"}
