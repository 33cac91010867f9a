"""Locks of the layers: pinned, with hashes, without addresses, and with the versions of the project's own lock."""

from __future__ import annotations

import re

import pytest

from tests.support.stack import ROOT

LAYERS = ("ingest", "analytics", "detection")


def pins(path: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", (ROOT / path).read_text(), re.MULTILINE))


@pytest.mark.parametrize("layer", LAYERS)
def test_every_requirement_is_pinned_with_hashes_and_without_an_address(layer: str) -> None:
    text = (ROOT / "layers" / "dependencies" / layer / "requirements.txt").read_text()
    assert "://" not in text
    requirements = re.split(r"\n(?=[a-z])", text.strip())
    assert len(requirements) == len(pins(f"layers/dependencies/{layer}/requirements.txt")) > 5
    for requirement in requirements:
        assert "--hash=sha256:" in requirement, requirement.splitlines()[0]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_has_the_versions_of_the_projects_lock(layer: str) -> None:
    layer_pins, project_pins = pins(f"layers/dependencies/{layer}/requirements.txt"), pins("requirements/dev.txt")
    # Where the project's lock has two versions of a package, for old and new Pythons, the last is python3.13's.
    different = {
        name: (version, project_pins[name])
        for name, version in layer_pins.items()
        if project_pins.get(name, version) != version
    }
    assert not different, "`make -C layers/dependencies lock` updates them"


def test_the_layer_of_ingest_has_no_data_frames() -> None:
    carried = pins("layers/dependencies/ingest/requirements.txt")
    assert not carried.keys() & {"numpy", "pandas", "awswrangler", "boto3", "botocore", "pydantic", "sqlglot", "duckdb"}


def test_the_layer_of_detection_has_arrays_and_no_data_frames() -> None:
    carried = pins("layers/dependencies/detection/requirements.txt")
    assert {"numpy", "pyarrow", "pyyaml", "obstore", "tzdata"} <= carried.keys()
    assert not carried.keys() & {"pandas", "awswrangler", "boto3", "botocore", "scipy", "sqlglot", "duckdb"}


@pytest.mark.parametrize("layer", LAYERS)
def test_no_layer_has_the_dependencies_of_the_page(layer: str) -> None:
    carried = pins(f"layers/dependencies/{layer}/requirements.txt")
    assert not carried.keys() & {"starlette", "uvicorn", "vl-convert-python"}
