"""Definition of analysis and dashboard: every reference in it has a target."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from anomalake.quicksight import quicksight_template
from tests.support.quicksight import Json, metric_set, metric_sets, resolved

TEMPLATES = {name: resolved(quicksight_template(item)) for name, item in metric_sets().items()}
MOST_VISUALS, MOST_SHEETS, COLUMNS_OF_THE_GRID = 50, 20, 36

every = pytest.mark.parametrize("name", TEMPLATES)


def definition(name: str) -> Json:
    result: Json = TEMPLATES[name]["Analysis"]["Properties"]["Definition"]
    return result


def types(name: str) -> dict[str, dict[str, str]]:
    """Return the types of columns and calculated fields by data set."""
    result = {}
    for item in TEMPLATES[name].values():
        if item["Type"] == "AWS::QuickSight::DataSet":
            ((identifier, table),) = item["Properties"]["PhysicalTableMap"].items()
            result[identifier] = {column["Name"]: column["Type"] for column in table["CustomSql"]["Columns"]}
    for item in definition(name)["CalculatedFields"]:
        is_text = item["Expression"].endswith("')")
        result[item["DataSetIdentifier"]][item["Name"]] = "STRING" if is_text else "DECIMAL"
    return result


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
def test_analysis_and_dashboard_have_the_same_definition(name: str) -> None:
    assert TEMPLATES[name]["Dashboard"]["Properties"]["Definition"] == definition(name)


@every
def test_every_data_set_is_declared_and_created(name: str) -> None:
    declared = {item["Identifier"]: item["DataSetArn"] for item in definition(name)["DataSetIdentifierDeclarations"]}
    assert declared.keys() == types(name).keys()
    created = {key for key, item in TEMPLATES[name].items() if item["Type"] == "AWS::QuickSight::DataSet"}
    assert {arn.rpartition("/")[2] for arn in declared.values()} == created
    named = {item["DataSetIdentifier"] for item in nodes(definition(name)) if "DataSetIdentifier" in item}
    assert named <= declared.keys()


@every
def test_every_referenced_column_is_in_its_data_set(name: str) -> None:
    columns = types(name)
    named = [item for item in nodes(definition(name)) if "ColumnName" in item]
    assert named
    for item in named:
        assert item["ColumnName"] in columns[item["DataSetIdentifier"]], item


@every
def test_the_kind_of_every_field_fits_the_type_of_its_column(name: str) -> None:
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
def test_every_column_and_parameter_in_an_expression_exists(name: str) -> None:
    columns = types(name)
    parameters = {item["Name"] for node in definition(name)["ParameterDeclarations"] for item in node.values()}
    for item in definition(name)["CalculatedFields"]:
        bare = re.sub(r"'[^']*'", "", item["Expression"])
        assert set(re.findall(r"\$\{(\w+)\}", bare)) <= parameters
        assert set(re.findall(r"(?<!\$)\{([^}]+)\}", bare)) <= columns[item["DataSetIdentifier"]].keys()


@every
def test_no_calculated_field_has_the_name_of_a_column(name: str) -> None:
    created = [(item["DataSetIdentifier"], item["Name"]) for item in definition(name)["CalculatedFields"]]
    assert len(set(created)) == len(created)
    given = {
        (identifier, column["Name"].lower())
        for item in TEMPLATES[name].values()
        for identifier, table in item["Properties"].get("PhysicalTableMap", {}).items()
        for column in table["CustomSql"]["Columns"]
    }
    assert not {(data_set, field.lower()) for data_set, field in created} & given


@every
def test_sorting_labels_and_colours_refer_to_fields_of_the_visual(name: str) -> None:
    for _, visual in visuals(name):
        wells = [item["FieldId"] for item in nodes(visual["ChartConfiguration"]["FieldWells"]) if "FieldId" in item]
        assert len(set(wells)) == len(wells)
        named = {item["FieldId"] for item in nodes(visual["ChartConfiguration"]) if "FieldId" in item}
        assert named == set(wells)


@every
def test_ids_are_unique(name: str) -> None:
    shown = definition(name)
    keys = ("SheetId", "VisualId", "FilterControlId", "ParameterControlId", "FilterId", "FilterGroupId", "Name")
    places = {
        "SheetId": shown["Sheets"],
        "VisualId": [visual for _, visual in visuals(name)],
        "FilterControlId": list(nodes([item["FilterControls"] for item in shown["Sheets"]])),
        "ParameterControlId": list(nodes([item["ParameterControls"] for item in shown["Sheets"]])),
        "FilterId": list(nodes([item["Filters"] for item in shown["FilterGroups"]])),
        "FilterGroupId": shown["FilterGroups"],
        "Name": list(nodes(shown["ParameterDeclarations"])),
    }
    for key in keys:
        ids = [item[key] for item in places[key] if key in item]
        assert ids
        assert len(set(ids)) == len(ids), key


@every
def test_filters_refer_to_existing_sheets_and_controls_to_existing_filters(name: str) -> None:
    shown = definition(name)
    sheets = {item["SheetId"]: item for item in shown["Sheets"]}
    across = set()
    for group in shown["FilterGroups"]:
        scope = group["ScopeConfiguration"]
        if scope == {"AllSheets": {}}:
            across |= {item["FilterId"] for item in nodes(group["Filters"]) if "FilterId" in item}
        else:
            for item in scope["SelectedSheets"]["SheetVisualScopingConfigurations"]:
                assert item["SheetId"] in sheets
    with_control = {
        item["FilterId"]
        for item in nodes(shown["FilterGroups"])
        if "FilterId" in item and "DefaultFilterControlConfiguration" in item
    }
    assert with_control <= across
    for sheet in sheets.values():
        assert {item["CrossSheet"]["SourceFilterId"] for item in sheet["FilterControls"]} == with_control


@every
def test_every_parameter_has_a_control_on_every_sheet_and_is_used(name: str) -> None:
    shown = definition(name)
    parameters = {item["Name"] for node in shown["ParameterDeclarations"] for item in node.values()}
    for sheet in shown["Sheets"]:
        sources = [
            item["SourceParameterName"] for item in nodes(sheet["ParameterControls"]) if "SourceParameterName" in item
        ]
        assert sorted(sources) == sorted(parameters)
    filtered = {item["ParameterName"] for item in nodes(shown["FilterGroups"]) if "ParameterName" in item}
    filtered |= {item["Parameter"] for item in nodes(shown["FilterGroups"]) if "Parameter" in item}
    calculated = {
        result for item in shown["CalculatedFields"] for result in re.findall(r"\$\{(\w+)\}", item["Expression"])
    }
    assert filtered | calculated == parameters


@every
def test_controls_of_dimensions_and_time_apply_to_every_data_set(name: str) -> None:
    columns = types(name)
    groups = [item for item in definition(name)["FilterGroups"] if item["CrossDataset"] == "ALL_DATASETS"]
    assert len(groups) == 1 + len(metric_sets()[name].dimension_list)
    for group in groups:
        (filter_,) = (item for node in group["Filters"] for item in node.values())
        column = filter_["Column"]["ColumnName"]
        assert len({columns[data_set][column] for data_set in columns}) == 1


@every
def test_severity_and_measure_apply_to_every_visual(name: str) -> None:
    """They apply by a filter on the data set, or by calculated fields if a row has all measures."""
    shown = definition(name)
    filtered = Counter(
        item["Column"]["DataSetIdentifier"]
        for item in nodes(shown["FilterGroups"])
        if "RangeMinimum" in item or "ParameterName" in str(item.get("Configuration", ""))
    )
    expressions = {(item["DataSetIdentifier"], item["Name"]): item["Expression"] for item in shown["CalculatedFields"]}
    for kind, visual in visuals(name):
        columns = [item for item in nodes(visual) if "ColumnName" in item]
        (data_set,) = {item["DataSetIdentifier"] for item in columns}
        if data_set == "values":
            named = " ".join(expressions.get((data_set, item["ColumnName"]), "") for item in columns)
            assert "${LeastSeverity}" in named or kind == "LineChartVisual"
            assert name == "hostile" or "${Measure}" in named
        else:
            assert filtered[data_set] == 2


@every
def test_layouts_contain_each_visual_and_control_without_overlap(name: str) -> None:
    shown = definition(name)
    assert len(shown["Sheets"]) <= MOST_SHEETS
    for sheet in shown["Sheets"]:
        assert 1 <= len(sheet["Visuals"]) <= MOST_VISUALS
        elements = sheet["Layouts"][0]["Configuration"]["GridLayout"]["Elements"]
        ids = [inner["VisualId"] for visual in sheet["Visuals"] for inner in visual.values()]
        assert [item["ElementId"] for item in elements] == ids
        end = 0
        for item in elements:
            assert item["RowIndex"] == end
            assert item["ColumnIndex"] + item["ColumnSpan"] <= COLUMNS_OF_THE_GRID
            end += item["RowSpan"]
        bar = sheet["SheetControlLayouts"][0]["Configuration"]["GridLayout"]["Elements"]
        expected = [item["CrossSheet"]["FilterControlId"] for item in sheet["FilterControls"]]
        expected += [inner["ParameterControlId"] for item in sheet["ParameterControls"] for inner in item.values()]
        assert [item["ElementId"] for item in bar] == expected


def test_the_title_of_the_time_control_has_the_time_zone() -> None:
    for zone in ("UTC", "Asia/Tokyo"):
        shown = resolved(quicksight_template(metric_set()), Timezone=zone)["Dashboard"]["Properties"]["Definition"]
        assert shown["Options"]["Timezone"] == zone
        (title,) = (item["Title"] for item in nodes(shown["FilterGroups"]) if str(item.get("Title")).startswith("Time"))
        assert title == f"Time ({zone})"


def test_sheets_have_the_charts_of_the_page() -> None:
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


def test_a_detector_without_dimensions_has_no_contributions_and_no_split() -> None:
    shown = definition("no dimension")
    assert [item["SheetId"] for item in shown["Sheets"]] == ["live", "unusual", "anomalies"]
    assert "split by" not in {item["Name"] for item in shown["CalculatedFields"]}
    assert all("Colors" not in str(visual) for kind, visual in visuals("no dimension") if kind == "LineChartVisual")


@pytest.mark.parametrize(
    ("frequency", "granularity"), [("PT5M", "MINUTE"), ("PT10M", "MINUTE"), ("PT1H", "HOUR"), ("P1D", "DAY")]
)
def test_lines_have_one_point_for_each_interval(frequency: str, granularity: str) -> None:
    template = quicksight_template(metric_set(frequency=frequency, timezone="Asia/Kolkata"))
    shown = resolved(template)["Analysis"]["Properties"]["Definition"]
    lines = [item["LineChartVisual"] for item in nodes(shown["Sheets"]) if "LineChartVisual" in item]
    assert {item["DateGranularity"] for line in lines for item in nodes(line) if "DateGranularity" in item} == {
        granularity
    }
    assert shown["Options"]["Timezone"] == "Asia/Kolkata"


def test_averages_are_not_summed() -> None:
    lines = [visual for kind, visual in visuals("flights") if kind in ("LineChartVisual", "ComboChartVisual")]
    how = {
        (item["Column"]["ColumnName"], item["AggregationFunction"]["SimpleNumericalAggregation"])
        for line in lines
        for item in nodes(line)
        if "AggregationFunction" in item
    }
    assert ("mean_dep_delay live", "AVERAGE") in how
    assert ("cancelled live", "SUM") in how
    assert len(how) == 6
