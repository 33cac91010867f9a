"""Visuals in the format of QuickSight's API, one function for each kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anomalake.quicksight.names import shown

Json = dict[str, Any]

_AGGREGATIONS = {"SUM": "SUM", "AVG": "AVERAGE", "MAX": "MAX", "COUNT": "COUNT"}


@dataclass(frozen=True, slots=True)
class VisualFields:
    """Fields of a visual, on columns of its data set. Field ids begin with the id of the visual."""

    visual: str
    data_set: str

    def column(self, name: str) -> Json:
        """Return a ColumnIdentifier."""
        return column(self.data_set, name)

    def field(self, name: str) -> str:
        """Return the id of a field in the visual."""
        return f"{self.visual}.{name}"

    def text(self, id_: str, name: str) -> Json:
        """Return a column as a dimension field."""
        return {"CategoricalDimensionField": {"FieldId": self.field(id_), "Column": self.column(name)}}

    def time(self, granularity: str) -> Json:
        """Return the timestamp as a dimension field."""
        return {
            "DateDimensionField": {
                "FieldId": self.field("time"),
                "Column": self.column("timestamp"),
                "DateGranularity": granularity,
            }
        }

    def number(self, id_: str, name: str, aggregation: str) -> Json:
        """Return a column as a measure field; `aggregation` is SUM, AVG, MAX or COUNT."""
        return {
            "NumericalMeasureField": {
                "FieldId": self.field(id_),
                "Column": self.column(name),
                "AggregationFunction": {"SimpleNumericalAggregation": _AGGREGATIONS[aggregation]},
            }
        }


def column(data_set: str, name: str) -> Json:
    """Return a ColumnIdentifier."""
    return {"DataSetIdentifier": data_set, "ColumnName": name}


def _head(fields: VisualFields, title: str, subtitle: str) -> Json:
    return {
        "VisualId": fields.visual,
        "Title": {"Visibility": "VISIBLE", "FormatText": {"PlainText": title}},
        "Subtitle": {"Visibility": "VISIBLE", "FormatText": {"PlainText": subtitle}},
    }


def _by_field(fields: VisualFields, id_: str, direction: str) -> Json:
    return {"FieldSort": {"FieldId": fields.field(id_), "Direction": direction}}


def _labels(fields: VisualFields, labels: dict[str, str]) -> Json:
    return {
        "SelectedFieldOptions": [{"FieldId": fields.field(id_), "CustomLabel": text} for id_, text in labels.items()]
    }


def _axis_label(text: str) -> Json:
    return {"Visibility": "VISIBLE", "AxisLabelOptions": [{"CustomLabel": text}]}


def lines(fields: VisualFields, title: str, subtitle: str, granularity: str, value: Json, colors: str | None) -> Json:
    """Return a line chart over time, with one line for each value of the column `colors`."""
    wells: Json = {"Category": [fields.time(granularity)], "Values": [value]}
    if colors is not None:
        wells["Colors"] = [fields.text("color", colors)]
    return {
        "LineChartVisual": {
            **_head(fields, title, subtitle),
            "ChartConfiguration": {
                "FieldWells": {"LineChartAggregatedFieldWells": wells},
                "SortConfiguration": {"CategorySort": [_by_field(fields, "time", "ASC")]},
                "Type": "LINE",
                "XAxisLabelOptions": {"Visibility": "HIDDEN"},
                "Legend": {"Visibility": "VISIBLE", "Position": "RIGHT"},
            },
        }
    }


def bars_and_line(
    fields: VisualFields, title: str, subtitle: str, granularity: str, bars: Json, line: Json, axis: str
) -> Json:
    """Return a combined chart over time: bars and a line on the same axis."""
    return {
        "ComboChartVisual": {
            **_head(fields, title, subtitle),
            "ChartConfiguration": {
                "FieldWells": {
                    "ComboChartAggregatedFieldWells": {
                        "Category": [fields.time(granularity)],
                        "BarValues": [bars],
                        "LineValues": [line],
                    }
                },
                "SortConfiguration": {"CategorySort": [_by_field(fields, "time", "ASC")]},
                "BarsArrangement": "CLUSTERED",
                "SingleAxisOptions": {"YAxisOptions": {"YAxis": "PRIMARY_Y_AXIS"}},
                "CategoryLabelOptions": {"Visibility": "HIDDEN"},
                "PrimaryYAxisLabelOptions": _axis_label(shown(axis)),
                "Legend": {"Visibility": "VISIBLE", "Position": "RIGHT"},
            },
        }
    }


def stacked_bars(
    fields: VisualFields,
    title: str,
    subtitle: str,
    *,
    category: Json,
    value: Json,
    colors: str,
    percent: bool = False,
    panels: tuple[str, int] | None = None,
    palette: dict[str, str] | None = None,
    axis: str,
) -> Json:
    """Return a stacked bar chart: horizontal and in per cent if `percent`, else vertical.

    `panels` is a column, whose values have a panel each, and the number of panels in a row.
    """
    wells: Json = {"Category": [category], "Values": [value], "Colors": [fields.text("color", colors)]}
    configuration: Json = {
        "FieldWells": {"BarChartAggregatedFieldWells": wells},
        "Orientation": "HORIZONTAL" if percent else "VERTICAL",
        "BarsArrangement": "STACKED_PERCENT" if percent else "STACKED",
        "CategoryLabelOptions": {"Visibility": "HIDDEN"},
        "ValueLabelOptions": _axis_label(axis),
        "Legend": {"Visibility": "VISIBLE", "Position": "RIGHT"},
    }
    if panels is not None:
        panel, columns = panels
        wells["SmallMultiples"] = [fields.text("panel", panel)]
        configuration["SmallMultiplesOptions"] = {"MaxVisibleRows": 2, "MaxVisibleColumns": columns}
    if palette is not None:
        configuration["VisualPalette"] = {
            "ColorMap": [
                {"Element": {"FieldId": fields.field("color"), "FieldValue": value}, "Color": color}
                for value, color in palette.items()
            ]
        }
    return {"BarChartVisual": {**_head(fields, title, subtitle), "ChartConfiguration": configuration}}


def table(fields: VisualFields, title: str, subtitle: str, columns: dict[str, tuple[str, str]], sort_by: str) -> Json:
    """Return a table of rows, sorted by a field in descending order; `columns` has column and label by field id."""
    return {
        "TableVisual": {
            **_head(fields, title, subtitle),
            "ChartConfiguration": {
                "FieldWells": {
                    "TableUnaggregatedFieldWells": {
                        "Values": [
                            {"FieldId": fields.field(id_), "Column": fields.column(name)}
                            for id_, (name, _) in columns.items()
                        ]
                    }
                },
                "SortConfiguration": {"RowSort": [_by_field(fields, sort_by, "DESC")]},
                "FieldOptions": _labels(fields, {id_: label for id_, (_, label) in columns.items()}),
            },
        }
    }


def pivot(
    fields: VisualFields, title: str, subtitle: str, rows: list[Json], values: list[Json], labels: dict[str, str]
) -> Json:
    """Return a pivot table, newest rows first; its first row field is the timestamp."""
    return {
        "PivotTableVisual": {
            **_head(fields, title, subtitle),
            "ChartConfiguration": {
                "FieldWells": {"PivotTableAggregatedFieldWells": {"Rows": rows, "Values": values}},
                "SortConfiguration": {
                    "FieldSortOptions": [
                        {
                            "FieldId": fields.field("time"),
                            "SortBy": {"Field": {"FieldId": fields.field("time"), "Direction": "DESC"}},
                        }
                    ]
                },
                "TableOptions": {"MetricPlacement": "COLUMN"},
                "TotalOptions": {
                    "RowSubtotalOptions": {"TotalsVisibility": "HIDDEN"},
                    "RowTotalOptions": {"TotalsVisibility": "HIDDEN"},
                },
                "FieldOptions": _labels(fields, labels),
            },
        }
    }
