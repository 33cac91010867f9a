"""What analysis and dashboard show: a sheet a concern."""

from __future__ import annotations

from anomalake.quicksight import charts
from anomalake.quicksight.charts import Json, Place
from anomalake.quicksight.controls import (
    CLASS,
    SEVERITY,
    SPLIT,
    calculated_fields,
    control_ids,
    filter_controls,
    filters,
    live,
    parameter_controls,
    parameters,
    unusual,
)
from anomalake.quicksight.data_sets import ANOMALIES, CONTRIBUTIONS, VALUES, Model
from anomalake.quicksight.names import shown
from anomalake.quicksight.theme import CLASSES

LIVE_SHEET, UNUSUAL_SHEET, ANOMALY_SHEET, CONTRIBUTION_SHEET = "live", "unusual", "anomalies", "contributions"

# An interval of 5 minutes has no granularity of its own; minutes show it as it is.
_GRANULARITY = {"PT5M": "MINUTE", "PT10M": "MINUTE", "PT1H": "HOUR", "P1D": "DAY"}
# The grid has 36 columns.
_WIDE, _HIGH, _TALL = 36, 9, 14


def definition(model: Model, data_set_arns: dict[str, Json]) -> Json:
    """The Definition of an analysis, and of a dashboard too.

    Parameters
    ----------
    data_set_arns
        By identifier.
    """
    sheets = [_live(model), _unusual(model), _anomalies(model)]
    if model.dimensions:
        sheets.append(_contributions(model))
    return {
        "DataSetIdentifierDeclarations": [
            {"Identifier": identifier, "DataSetArn": arn} for identifier, arn in data_set_arns.items()
        ],
        "Sheets": sheets,
        "CalculatedFields": calculated_fields(model),
        "ParameterDeclarations": parameters(model),
        "FilterGroups": filters(model, CONTRIBUTION_SHEET if model.dimensions else None),
        "AnalysisDefaults": {
            "DefaultNewSheetConfiguration": {
                "InteractiveLayoutConfiguration": {"Grid": {"CanvasSizeOptions": _canvas()}},
                "SheetContentType": "INTERACTIVE",
            }
        },
        "Options": {"Timezone": {"Ref": "Timezone"}, "WeekStart": "MONDAY"},
    }


def _live(model: Model) -> Json:
    visuals = []
    for number, measure in enumerate(model.measures, 1):
        place = Place(f"live-{number}", VALUES)
        how = "sums" if measure.aggregation == "SUM" else "means"
        visuals.append(
            charts.lines(
                place,
                shown(measure.name),
                f"How does it go? Live values, {how} by interval and the chosen dimension",
                _GRANULARITY[model.frequency],
                place.number("value", live(measure), measure.aggregation),
                SPLIT if model.dimensions else None,
            )
        )
    return _sheet(LIVE_SHEET, "Live values", model, [(visual, _WIDE, _HIGH) for visual in visuals])


def _unusual(model: Model) -> Json:
    visuals = []
    for number, measure in enumerate(model.measures, 1):
        place = Place(f"unusual-{number}", VALUES)
        visuals.append(
            charts.bars_and_line(
                place,
                f"{shown(measure.name)}: what was unusual",
                "When was it unusual, and how much of all? Anomalous values as bars, all live values as a line",
                _GRANULARITY[model.frequency],
                place.number("unusual", unusual(measure), measure.aggregation),
                place.number("live", live(measure), measure.aggregation),
                measure.name,
            )
        )
    return _sheet(UNUSUAL_SHEET, "Unusual values", model, [(visual, _WIDE, _HIGH) for visual in visuals])


def _anomalies(model: Model) -> Json:
    over_time, worst = Place("anomalies-over-time", ANOMALIES), Place("anomalies-worst", ANOMALIES)
    timeline = charts.stacked_bars(
        over_time,
        "Anomalies over time",
        "Which days were bad, and how bad? Affected metrics a day by severity",
        category=over_time.time("DAY"),
        value=over_time.number("count", "score", "COUNT"),
        colors=CLASS,
        palette={name: color for _, name, color in CLASSES},
        axis="Affected metrics",
    )
    columns = {"time": ("timestamp", "Time"), "measure": ("measure", "Measure")}
    columns |= {f"dimension-{n}": (one.column, shown(one.name)) for n, one in enumerate(model.dimensions, 1)}
    columns |= {"value": ("value", "Value"), "score": ("score", "Severity")}
    listed = charts.table(
        worst,
        "Worst anomalies",
        "What to look at first? Every affected metric, the most severe first",
        columns,
        "score",
    )
    return _sheet(ANOMALY_SHEET, "Anomalies", model, [(timeline, _WIDE, _HIGH), (listed, _WIDE, _TALL)])


def _contributions(model: Model) -> Json:
    shares, details = Place("contributions-shares", CONTRIBUTIONS), Place("contributions-details", CONTRIBUTIONS)
    bars = charts.stacked_bars(
        shares,
        "What contributed",
        "Which values stand behind the anomalies of a measure? Shares of each dimension's values, together 100 %",
        category=shares.text("measure", "metricname"),
        value=shares.number("share", "valuecontribution", "SUM"),
        colors="dimensionvalue",
        percent=True,
        panels=("dimensionname", min(3, len(model.dimensions))),
        axis="Share",
    )
    rows = [
        details.time("MINUTE"),
        details.text("dimension", "dimensionname"),
        details.text("measure", "metricname"),
        details.text("dimension-value", "dimensionvalue"),
    ]
    values = [details.number("share", "valuecontribution", "MAX"), details.number("severity", SEVERITY, "MAX")]
    labels = {
        "time": "Time",
        "dimension": "Dimension",
        "measure": "Measure",
        "dimension-value": "Value",
        "share": "Contribution, %",
        "severity": "Severity",
    }
    nested = charts.pivot(
        details,
        "Contributions",
        "What stood behind one anomaly? Its dimensions' values with their shares",
        rows,
        values,
        labels,
    )
    return _sheet(CONTRIBUTION_SHEET, "Contributions", model, [(bars, _WIDE, _TALL), (nested, _WIDE, _TALL)])


def _sheet(id_: str, name: str, model: Model, visuals: list[tuple[Json, int, int]]) -> Json:
    elements, row = [], 0
    for visual, width, height in visuals:
        (inner,) = visual.values()
        elements.append(
            {
                "ElementId": inner["VisualId"],
                "ElementType": "VISUAL",
                "ColumnIndex": 0,
                "ColumnSpan": width,
                "RowIndex": row,
                "RowSpan": height,
            }
        )
        row += height
    of_filters, of_parameters = filter_controls(id_, model), parameter_controls(id_, model)
    bar = [
        {"ElementId": control, "ElementType": kind, "ColumnSpan": 2, "RowSpan": 1}
        for kind, controls in (("FILTER_CONTROL", of_filters), ("PARAMETER_CONTROL", of_parameters))
        for control in control_ids(controls)
    ]
    return {
        "SheetId": id_,
        "Name": name,
        "ContentType": "INTERACTIVE",
        "FilterControls": of_filters,
        "ParameterControls": of_parameters,
        "Visuals": [visual for visual, _, _ in visuals],
        "Layouts": [{"Configuration": {"GridLayout": {"Elements": elements, "CanvasSizeOptions": _canvas()}}}],
        "SheetControlLayouts": [{"Configuration": {"GridLayout": {"Elements": bar}}}],
    }


def _canvas() -> Json:
    return {"ScreenCanvasSizeOptions": {"ResizeOption": "RESPONSIVE"}}
