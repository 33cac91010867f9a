"""Properties of the template as requests to QuickSight's API, checked against boto3's model."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalake.quicksight import quicksight_template
from tests.support.quicksight import (
    GROUP,
    HOSTILE,
    Json,
    metric_set,
    metric_sets,
    requests,
    resolved,
    service_model,
    violations,
)

METRIC_SETS = metric_sets()
PARAMETERS: dict[str, Json] = {
    "SPICE": {"Crawlers": "lake-tables,lake-source", "ViewerArn": GROUP},
    "DIRECT_QUERY": {"ImportMode": "DIRECT_QUERY"},
    "a given data source": {"DataSourceArn": "arn:aws:quicksight:eu-west-1:123456789012:datasource/lake"},
}


@pytest.mark.parametrize("mode", PARAMETERS)
@pytest.mark.parametrize("name", METRIC_SETS)
def test_every_request_fits_the_model(name: str, mode: str) -> None:
    created = list(requests(resolved(quicksight_template(METRIC_SETS[name]), **PARAMETERS[mode])))
    operations = {operation for _, operation, _ in created}
    assert {"CreateDataSet", "CreateTheme", "CreateAnalysis", "CreateDashboard"} <= operations
    assert ("CreateRefreshSchedule" in operations) == (mode != "DIRECT_QUERY")
    for resource, operation, request in created:
        shape = service_model().operation_model(operation).input_shape
        report = ParamValidator().validate(request, shape)
        assert not report.has_errors(), f"{resource}: {report.generate_report()}"
        assert violations(operation, request) == [], resource


@given(
    measures=st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=5, unique=True),
    dimensions=st.lists(st.sampled_from([f"{text}!" for text in HOSTILE]), max_size=5, unique=True),
    name=st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}", fullmatch=True),
)
@settings(max_examples=15)
def test_requests_with_any_names_fit_the_model(measures: list[str], dimensions: list[str], name: str) -> None:
    for resource, operation, request in requests(
        resolved(quicksight_template(metric_set(name, tuple(measures), tuple(dimensions))))
    ):
        assert violations(operation, request) == [], resource


def _set(path: tuple[Any, ...], value: Any) -> Any:
    def change(request: Json) -> None:
        node: Any = request
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("resource", "change", "expected"),
    [
        ("Theme", _set(("Configuration", "DataColorPalette", "EmptyFillColor"), "#abcdef"), "expected ^#[A-F0-9]{6}$"),
        ("Theme", _set(("BaseTheme",), "CLASSIC"), "has no member BaseTheme"),
        ("Analysis", _set(("AnalysisId",), "a b"), "AnalysisId: 'a b'"),
        ("Analysis", _set(("Definition", "Sheets", 0, "Visuals", 0, "BarChartVisual"), {"VisualId": "x"}), ""),
        ("Dashboard", _set(("Definition", "FilterGroups", 0, "CrossDataset"), "ALL"), "expected one of"),
        ("ValuesDataSet", _set(("Name",), "x" * 129), "length 129"),
        ("ValuesDataSet", _set(("PhysicalTableMap",), {"a b": {}}), "expected [0-9a-zA-Z-]*"),
    ],
)
def test_violations_of_the_model_are_reported(resource: str, change: Any, expected: str) -> None:
    created = {
        name: (operation, request)
        for name, operation, request in requests(resolved(quicksight_template(METRIC_SETS["shop"])))
    }
    operation, request = created[resource]
    request = copy.deepcopy(request)
    change(request)
    problems = violations(operation, request)
    if expected:
        assert any(expected in text for text in problems), problems
