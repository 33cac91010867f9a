"""The charts' specifications: files that Vega-Lite's schema accepts, with nothing in them that a name could change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import altair
import jsonschema
import pytest

from anomalake.page.page import SCRIPTS

ASSETS = files("anomalake.page").joinpath("assets")
SPECIFICATIONS = {
    item.name: json.loads(item.read_text("utf-8"))
    for item in sorted(ASSETS.joinpath("charts").iterdir(), key=lambda entry: entry.name)
}


def objects(part: Any) -> Iterator[dict[str, Any]]:
    """All objects in a specification."""
    if isinstance(part, dict):
        yield part
    for item in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from objects(item)


def code() -> str:
    return "\n".join(ASSETS.joinpath(item).read_text("utf-8") for item in SCRIPTS if item.startswith("charts"))


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_specification_is_valid(name: str) -> None:
    specification = SPECIFICATIONS[name]
    assert specification["$schema"] == "https://vega.github.io/schema/vega-lite/v6.json"
    altair.Chart.from_dict(specification, validate=True)


def test_what_the_schema_does_not_know_is_found() -> None:
    broken = json.loads(json.dumps(SPECIFICATIONS["timeline.vl.json"]))
    broken["encoding"]["x"]["type"] = "sometimes"
    with pytest.raises(jsonschema.ValidationError):
        altair.Chart.from_dict(broken, validate=True)


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_fields_and_data_have_names_of_our_own(name: str) -> None:
    for item in objects(SPECIFICATIONS[name]):
        if "field" in item:
            assert item["field"] in {"t", "u", "v", "e", "lo", "hi", "c", "s", "r", "k", "o"}
        if "data" in item:
            assert list(item["data"]) == ["name"]  # neither an address nor values
        assert "transform" not in item
        assert "labelExpr" not in item
        if "expr" in item:
            assert item["expr"] == "shown"


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_legends_are_made_of_elements(name: str) -> None:
    """Vega's own would have names out of the data in their scales."""
    for item in objects(SPECIFICATIONS[name]):
        for channel in {"color", "size"} & set(item.get("encoding", {})):
            assert item["encoding"][channel]["legend"] is None


def test_each_specification_is_drawn_by_someone() -> None:
    for name in SPECIFICATIONS:
        assert f'"{name.removesuffix(".vl.json")}", {{' in code()


def test_charts_never_make_markup_or_code_of_text() -> None:
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "{ expr:",
        "signal:`",
    ):
        assert word not in code()
