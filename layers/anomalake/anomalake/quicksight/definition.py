"""The definition of the analysis and of the dashboard, with four sheets."""

from __future__ import annotations

from anomalake.quicksight import charts
from anomalake.quicksight.charts import Json, VisualFields
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

# QuickSight has no granularity of several minutes, and its weeks begin on Sunday.
_GRANULARITY = {
    "PT5M": "MINUTE", "PT10M": "MINUTE", "PT15M": "MINUTE", "PT30M": "MINUTE",
    "PT1H": "HOUR", "P1D": "DAY", "P7D": "DAY",
}  # fmt: skip
# The grid has 36 columns.
_WIDE, _HIGH, _TALL = 36, 9, 14


def definition(model: Model, data_set_arns: dict[str, Json]) -> Json:
    """Return the Definition of the analysis, which is that of the dashboard too.

    Parameters
    ----------
    data_set_arns
        ARNs of the data sets by identifier.
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
        fields = VisualFields(f"live-{number}", VALUES)
        aggregate = "sums" if measure.aggregation == "SUM" else "means"
        visuals.append(
            charts.lines(
                fields,
                shown(measure.name),
                f"Live values: {aggregate} by interval and selected dimension",
                _GRANULARITY[model.frequency],
                fields.number("value", live(measure), measure.aggregation),
                SPLIT if model.dimensions else None,
            )
        )
    return _sheet(LIVE_SHEET, "Live values", model, [(visual, _WIDE, _HIGH) for visual in visuals])


def _unusual(model: Model) -> Json:
    visuals = []
    for number, measure in enumerate(model.measures, 1):
        fields = VisualFields(f"unusual-{number}", VALUES)
        visuals.append(
            charts.bars_and_line(
                fields,
                f"{shown(measure.name)}: anomalous and all values",
                "Anomalous values as bars, all live values as a line",
                _GRANULARITY[model.frequency],
                fields.number("unusual", unusual(measure), measure.aggregation),
                fields.number("live", live(measure), measure.aggregation),
                measure.name,
            )
        )
    return _sheet(UNUSUAL_SHEET, "Unusual values", model, [(visual, _WIDE, _HIGH) for visual in visuals])


def _anomalies(model: Model) -> Json:
    over_time, most_severe = VisualFields("anomalies-over-time", ANOMALIES), VisualFields("anomalies-worst", ANOMALIES)
    timeline = charts.stacked_bars(
        over_time,
        "Anomalies over time",
        "Affected metrics for each day, by severity",
        category=over_time.time("DAY"),
        value=over_time.number("count", "score", "COUNT"),
        colors=CLASS,
        palette={name: color for _, name, color in CLASSES},
        axis="Affected metrics",
    )
    columns = {"time": ("timestamp", "Time"), "measure": ("measure", "Measure")}
    columns |= {
        f"dimension-{n}": (dimension.column, shown(dimension.name)) for n, dimension in enumerate(model.dimensions, 1)
    }
    columns |= {"value": ("value", "Value"), "score": ("score", "Severity")}
    anomaly_table = charts.table(
        most_severe,
        "Worst anomalies",
        "All affected metrics, most severe first",
        columns,
        "score",
    )
    return _sheet(ANOMALY_SHEET, "Anomalies", model, [(timeline, _WIDE, _HIGH), (anomaly_table, _WIDE, _TALL)])


def _contributions(model: Model) -> Json:
    shares, details = (
        VisualFields("contributions-shares", CONTRIBUTIONS),
        VisualFields("contributions-details", CONTRIBUTIONS),
    )
    bars = charts.stacked_bars(
        shares,
        "Contributions by measure",
        "Shares of the values of each dimension in the anomalies of a measure, 100 % in total",
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
    contribution_table = charts.pivot(
        details,
        "Contributions",
        "Dimension values of each anomaly, with their shares",
        rows,
        values,
        labels,
    )
    return _sheet(
        CONTRIBUTION_SHEET, "Contributions", model, [(bars, _WIDE, _TALL), (contribution_table, _WIDE, _TALL)]
    )


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
