"""Analysis and dashboard: everything that one part names is there in another."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from anomalake.quicksight import quicksight_template
from tests.support.quicksight import Json, metric_set, metric_sets, resolved

TEMPLATES = {name: resolved(quicksight_template(one)) for name, one in metric_sets().items()}
MOST_VISUALS, MOST_SHEETS, COLUMNS_OF_THE_GRID = 50, 20, 36

every = pytest.mark.parametrize("name", TEMPLATES)


def definition(name: str) -> Json:
    found: Json = TEMPLATES[name]["Analysis"]["Properties"]["Definition"]
    return found


def types(name: str) -> dict[str, dict[str, str]]:
    """Types of all columns by data set, calculated ones too (as far as their kind goes)."""
    found = {}
    for one in TEMPLATES[name].values():
        if one["Type"] == "AWS::QuickSight::DataSet":
            ((identifier, table),) = one["Properties"]["PhysicalTableMap"].items()
            found[identifier] = {column["Name"]: column["Type"] for column in table["CustomSql"]["Columns"]}
    for one in definition(name)["CalculatedFields"]:
        is_text = one["Expression"].endswith("')")
        found[one["DataSetIdentifier"]][one["Name"]] = "STRING" if is_text else "DECIMAL"
    return found


def nodes(node: Any) -> Iterator[Json]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(child)


def visuals(name: str) -> Iterator[tuple[str, Json]]:
    for sheet in definition(name)["Sheets"]:
        for visual in sheet["Visuals"]:
            ((kind, inner),) = visual.items()
            yield kind, inner


@every
def test_analysis_and_dashboard_show_the_same(name: str) -> None:
    assert TEMPLATES[name]["Dashboard"]["Properties"]["Definition"] == definition(name)


@every
def test_every_data_set_is_declared_and_made(name: str) -> None:
    declared = {one["Identifier"]: one["DataSetArn"] for one in definition(name)["DataSetIdentifierDeclarations"]}
    assert declared.keys() == types(name).keys()
    made = {key for key, one in TEMPLATES[name].items() if one["Type"] == "AWS::QuickSight::DataSet"}
    assert {arn.rpartition("/")[2] for arn in declared.values()} == made
    named = {one["DataSetIdentifier"] for one in nodes(definition(name)) if "DataSetIdentifier" in one}
    assert named <= declared.keys()


@every
def test_every_column_that_is_named_is_in_its_data_set(name: str) -> None:
    columns = types(name)
    named = [one for one in nodes(definition(name)) if "ColumnName" in one]
    assert named
    for one in named:
        assert one["ColumnName"] in columns[one["DataSetIdentifier"]], one


@every
def test_every_field_is_of_a_kind_that_its_columns_type_can_be(name: str) -> None:
    columns = types(name)
    expected = {
        "CategoricalDimensionField": "STRING",
        "DateDimensionField": "DATETIME",
        "NumericalMeasureField": "DECIMAL",
        "CategoryFilter": "STRING",
        "NumericRangeFilter": "DECIMAL",
        "TimeRangeFilter": "DATETIME",
    }
    seen = Counter[str]()
    for node in nodes(definition(name)):
        for kind in expected.keys() & node.keys():
            column = node[kind]["Column"]
            assert columns[column["DataSetIdentifier"]][column["ColumnName"]] == expected[kind], node
            seen[kind] += 1
    assert seen.keys() >= {"DateDimensionField", "NumericalMeasureField", "NumericRangeFilter", "TimeRangeFilter"}


@every
def test_every_column_and_parameter_in_an_expression_is_there(name: str) -> None:
    columns = types(name)
    parameters = {one["Name"] for node in definition(name)["ParameterDeclarations"] for one in node.values()}
    for one in definition(name)["CalculatedFields"]:
        bare = re.sub(r"'[^']*'", "", one["Expression"])
        assert set(re.findall(r"\$\{(\w+)\}", bare)) <= parameters
        assert set(re.findall(r"(?<!\$)\{([^}]+)\}", bare)) <= columns[one["DataSetIdentifier"]].keys()


@every
def test_no_calculated_field_takes_a_columns_name(name: str) -> None:
    made = [(one["DataSetIdentifier"], one["Name"]) for one in definition(name)["CalculatedFields"]]
    assert len(set(made)) == len(made)
    given = {
        (identifier, column["Name"].lower())
        for one in TEMPLATES[name].values()
        for identifier, table in one["Properties"].get("PhysicalTableMap", {}).items()
        for column in table["CustomSql"]["Columns"]
    }
    assert not {(data_set, field.lower()) for data_set, field in made} & given


@every
def test_sorting_labels_and_colours_speak_of_fields_that_the_visual_has(name: str) -> None:
    for _, visual in visuals(name):
        wells = [one["FieldId"] for one in nodes(visual["ChartConfiguration"]["FieldWells"]) if "FieldId" in one]
        assert len(set(wells)) == len(wells)
        named = {one["FieldId"] for one in nodes(visual["ChartConfiguration"]) if "FieldId" in one}
        assert named == set(wells)


@every
def test_ids_are_each_given_once(name: str) -> None:
    shown = definition(name)
    keys = ("SheetId", "VisualId", "FilterControlId", "ParameterControlId", "FilterId", "FilterGroupId", "Name")
    places = {
        "SheetId": shown["Sheets"],
        "VisualId": [visual for _, visual in visuals(name)],
        "FilterControlId": list(nodes([one["FilterControls"] for one in shown["Sheets"]])),
        "ParameterControlId": list(nodes([one["ParameterControls"] for one in shown["Sheets"]])),
        "FilterId": list(nodes([one["Filters"] for one in shown["FilterGroups"]])),
        "FilterGroupId": shown["FilterGroups"],
        "Name": list(nodes(shown["ParameterDeclarations"])),
    }
    for key in keys:
        ids = [one[key] for one in places[key] if key in one]
        assert ids
        assert len(set(ids)) == len(ids), key


@every
def test_filters_reach_sheets_that_are_there_and_controls_filters_that_are(name: str) -> None:
    shown = definition(name)
    sheets = {one["SheetId"]: one for one in shown["Sheets"]}
    across = set()
    for group in shown["FilterGroups"]:
        scope = group["ScopeConfiguration"]
        if scope == {"AllSheets": {}}:
            across |= {one["FilterId"] for one in nodes(group["Filters"]) if "FilterId" in one}
        else:
            for one in scope["SelectedSheets"]["SheetVisualScopingConfigurations"]:
                assert one["SheetId"] in sheets
    with_control = {
        one["FilterId"]
        for one in nodes(shown["FilterGroups"])
        if "FilterId" in one and "DefaultFilterControlConfiguration" in one
    }
    assert with_control <= across
    for sheet in sheets.values():
        assert {one["CrossSheet"]["SourceFilterId"] for one in sheet["FilterControls"]} == with_control


@every
def test_every_parameter_has_a_control_on_every_sheet_and_does_something(name: str) -> None:
    shown = definition(name)
    parameters = {one["Name"] for node in shown["ParameterDeclarations"] for one in node.values()}
    for sheet in shown["Sheets"]:
        sources = [
            one["SourceParameterName"] for one in nodes(sheet["ParameterControls"]) if "SourceParameterName" in one
        ]
        assert sorted(sources) == sorted(parameters)
    filtered = {one["ParameterName"] for one in nodes(shown["FilterGroups"]) if "ParameterName" in one}
    filtered |= {one["Parameter"] for one in nodes(shown["FilterGroups"]) if "Parameter" in one}
    calculated = {found for one in shown["CalculatedFields"] for found in re.findall(r"\$\{(\w+)\}", one["Expression"])}
    assert filtered | calculated == parameters


@every
def test_a_control_by_dimension_and_one_for_time_act_on_every_data_set(name: str) -> None:
    columns = types(name)
    groups = [one for one in definition(name)["FilterGroups"] if one["CrossDataset"] == "ALL_DATASETS"]
    assert len(groups) == 1 + len(metric_sets()[name].dimension_list)
    for group in groups:
        (filter_,) = (one for node in group["Filters"] for one in node.values())
        column = filter_["Column"]["ColumnName"]
        assert len({columns[data_set][column] for data_set in columns}) == 1


@every
def test_severity_and_measure_act_on_every_visual(name: str) -> None:
    """By a filter on its data set, or by calculated fields where a row holds every measure."""
    shown = definition(name)
    filtered = Counter(
        one["Column"]["DataSetIdentifier"]
        for one in nodes(shown["FilterGroups"])
        if "RangeMinimum" in one or "ParameterName" in str(one.get("Configuration", ""))
    )
    expressions = {(one["DataSetIdentifier"], one["Name"]): one["Expression"] for one in shown["CalculatedFields"]}
    for kind, visual in visuals(name):
        columns = [one for one in nodes(visual) if "ColumnName" in one]
        (data_set,) = {one["DataSetIdentifier"] for one in columns}
        if data_set == "values":
            named = " ".join(expressions.get((data_set, one["ColumnName"]), "") for one in columns)
            assert "${LeastSeverity}" in named or kind == "LineChartVisual"
            assert name == "hostile" or "${Measure}" in named
        else:
            assert filtered[data_set] == 2


@every
def test_layouts_hold_each_visual_and_control_and_nothing_overlaps(name: str) -> None:
    shown = definition(name)
    assert len(shown["Sheets"]) <= MOST_SHEETS
    for sheet in shown["Sheets"]:
        assert 1 <= len(sheet["Visuals"]) <= MOST_VISUALS
        elements = sheet["Layouts"][0]["Configuration"]["GridLayout"]["Elements"]
        ids = [inner["VisualId"] for visual in sheet["Visuals"] for inner in visual.values()]
        assert [one["ElementId"] for one in elements] == ids
        end = 0
        for one in elements:
            assert one["RowIndex"] == end
            assert one["ColumnIndex"] + one["ColumnSpan"] <= COLUMNS_OF_THE_GRID
            end += one["RowSpan"]
        bar = sheet["SheetControlLayouts"][0]["Configuration"]["GridLayout"]["Elements"]
        expected = [one["CrossSheet"]["FilterControlId"] for one in sheet["FilterControls"]]
        expected += [inner["ParameterControlId"] for one in sheet["ParameterControls"] for inner in one.values()]
        assert [one["ElementId"] for one in bar] == expected


def test_the_time_control_names_the_zone_that_times_are_shown_in() -> None:
    for zone in ("UTC", "Asia/Tokyo"):
        shown = resolved(quicksight_template(metric_set()), Timezone=zone)["Dashboard"]["Properties"]["Definition"]
        assert shown["Options"]["Timezone"] == zone
        (title,) = (one["Title"] for one in nodes(shown["FilterGroups"]) if str(one.get("Title")).startswith("Time"))
        assert title == f"Time ({zone})"


def test_a_sheet_a_concern_with_the_charts_of_the_page() -> None:
    kinds = {
        sheet["SheetId"]: [kind for visual in sheet["Visuals"] for kind in visual]
        for sheet in definition("shop")["Sheets"]
    }
    assert kinds == {
        "live": ["LineChartVisual"] * 2,
        "unusual": ["ComboChartVisual"] * 2,
        "anomalies": ["BarChartVisual", "TableVisual"],
        "contributions": ["BarChartVisual", "PivotTableVisual"],
    }
    bars = {visual["VisualId"]: visual["ChartConfiguration"] for kind, visual in visuals("shop") if "Bar" in kind}
    assert bars["contributions-shares"]["BarsArrangement"] == "STACKED_PERCENT"
    assert bars["anomalies-over-time"]["BarsArrangement"] == "STACKED"


def test_a_detector_without_dimensions_has_no_contributions_and_nothing_to_split_by() -> None:
    shown = definition("no dimension")
    assert [one["SheetId"] for one in shown["Sheets"]] == ["live", "unusual", "anomalies"]
    assert "split by" not in {one["Name"] for one in shown["CalculatedFields"]}
    assert all("Colors" not in str(visual) for kind, visual in visuals("no dimension") if kind == "LineChartVisual")


@pytest.mark.parametrize(
    ("frequency", "granularity"), [("PT5M", "MINUTE"), ("PT10M", "MINUTE"), ("PT1H", "HOUR"), ("P1D", "DAY")]
)
def test_lines_have_a_point_an_interval(frequency: str, granularity: str) -> None:
    made = quicksight_template(metric_set(frequency=frequency, timezone="Asia/Kolkata"))
    shown = resolved(made)["Analysis"]["Properties"]["Definition"]
    lines = [one["LineChartVisual"] for one in nodes(shown["Sheets"]) if "LineChartVisual" in one]
    assert {one["DateGranularity"] for line in lines for one in nodes(line) if "DateGranularity" in one} == {
        granularity
    }
    assert shown["Options"]["Timezone"] == "Asia/Kolkata"


def test_a_mean_is_not_added_up() -> None:
    lines = [visual for kind, visual in visuals("flights") if kind in ("LineChartVisual", "ComboChartVisual")]
    how = {
        (one["Column"]["ColumnName"], one["AggregationFunction"]["SimpleNumericalAggregation"])
        for line in lines
        for one in nodes(line)
        if "AggregationFunction" in one
    }
    assert ("mean_dep_delay live", "AVERAGE") in how
    assert ("cancelled live", "SUM") in how
    assert len(how) == 6
