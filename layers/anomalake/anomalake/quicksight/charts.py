"""Visuals as QuickSight's API describes them: one function a kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anomalake.quicksight.names import shown

Json = dict[str, Any]

_AGGREGATIONS = {"SUM": "SUM", "AVG": "AVERAGE", "MAX": "MAX", "COUNT": "COUNT"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a visual's fields come from and what its ids begin with."""

    visual: str
    data_set: str

    def column(self, name: str) -> Json:
        """A ColumnIdentifier."""
        return column(self.data_set, name)

    def field(self, name: str) -> str:
        """Id of a field; unique in the visual."""
        return f"{self.visual}.{name}"

    def text(self, id_: str, name: str) -> Json:
        """A column as a dimension."""
        return {"CategoricalDimensionField": {"FieldId": self.field(id_), "Column": self.column(name)}}

    def time(self, granularity: str) -> Json:
        """The timestamp as a dimension."""
        return {
            "DateDimensionField": {
                "FieldId": self.field("time"),
                "Column": self.column("timestamp"),
                "DateGranularity": granularity,
            }
        }

    def number(self, id_: str, name: str, aggregation: str) -> Json:
        """A column as a measure; `aggregation` is SUM, AVG, MAX or COUNT."""
        return {
            "NumericalMeasureField": {
                "FieldId": self.field(id_),
                "Column": self.column(name),
                "AggregationFunction": {"SimpleNumericalAggregation": _AGGREGATIONS[aggregation]},
            }
        }


def column(data_set: str, name: str) -> Json:
    """A ColumnIdentifier."""
    return {"DataSetIdentifier": data_set, "ColumnName": name}


def _head(place: Place, title: str, subtitle: str) -> Json:
    return {
        "VisualId": place.visual,
        "Title": {"Visibility": "VISIBLE", "FormatText": {"PlainText": title}},
        "Subtitle": {"Visibility": "VISIBLE", "FormatText": {"PlainText": subtitle}},
    }


def _by_field(place: Place, id_: str, direction: str) -> Json:
    return {"FieldSort": {"FieldId": place.field(id_), "Direction": direction}}


def _labels(place: Place, labels: dict[str, str]) -> Json:
    return {
        "SelectedFieldOptions": [{"FieldId": place.field(id_), "CustomLabel": text} for id_, text in labels.items()]
    }


def _axis_label(text: str) -> Json:
    return {"Visibility": "VISIBLE", "AxisLabelOptions": [{"CustomLabel": text}]}


def lines(place: Place, title: str, subtitle: str, granularity: str, value: Json, colors: str | None) -> Json:
    """A line a value of the column `colors`, over time."""
    wells: Json = {"Category": [place.time(granularity)], "Values": [value]}
    if colors is not None:
        wells["Colors"] = [place.text("color", colors)]
    return {
        "LineChartVisual": {
            **_head(place, title, subtitle),
            "ChartConfiguration": {
                "FieldWells": {"LineChartAggregatedFieldWells": wells},
                "SortConfiguration": {"CategorySort": [_by_field(place, "time", "ASC")]},
                "Type": "LINE",
                "XAxisLabelOptions": {"Visibility": "HIDDEN"},
                "Legend": {"Visibility": "VISIBLE", "Position": "RIGHT"},
            },
        }
    }


def bars_and_line(place: Place, title: str, subtitle: str, granularity: str, bars: Json, line: Json, axis: str) -> Json:
    """Bars on a line over time, on one axis."""
    return {
        "ComboChartVisual": {
            **_head(place, title, subtitle),
            "ChartConfiguration": {
                "FieldWells": {
                    "ComboChartAggregatedFieldWells": {
                        "Category": [place.time(granularity)],
                        "BarValues": [bars],
                        "LineValues": [line],
                    }
                },
                "SortConfiguration": {"CategorySort": [_by_field(place, "time", "ASC")]},
                "BarsArrangement": "CLUSTERED",
                "SingleAxisOptions": {"YAxisOptions": {"YAxis": "PRIMARY_Y_AXIS"}},
                "CategoryLabelOptions": {"Visibility": "HIDDEN"},
                "PrimaryYAxisLabelOptions": _axis_label(shown(axis)),
                "Legend": {"Visibility": "VISIBLE", "Position": "RIGHT"},
            },
        }
    }


def stacked_bars(
    place: Place,
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
    """Stacked bars, in per cent lying and else upright.

    `panels`: a column, each value of which gets a panel, and how many stand in a row.
    """
    wells: Json = {"Category": [category], "Values": [value], "Colors": [place.text("color", colors)]}
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
        wells["SmallMultiples"] = [place.text("panel", panel)]
        configuration["SmallMultiplesOptions"] = {"MaxVisibleRows": 2, "MaxVisibleColumns": columns}
    if palette is not None:
        configuration["VisualPalette"] = {
            "ColorMap": [
                {"Element": {"FieldId": place.field("color"), "FieldValue": value}, "Color": color}
                for value, color in palette.items()
            ]
        }
    return {"BarChartVisual": {**_head(place, title, subtitle), "ChartConfiguration": configuration}}


def table(place: Place, title: str, subtitle: str, columns: dict[str, tuple[str, str]], worst_first: str) -> Json:
    """Rows as they are; `columns` are by field id: column and label."""
    return {
        "TableVisual": {
            **_head(place, title, subtitle),
            "ChartConfiguration": {
                "FieldWells": {
                    "TableUnaggregatedFieldWells": {
                        "Values": [
                            {"FieldId": place.field(id_), "Column": place.column(name)}
                            for id_, (name, _) in columns.items()
                        ]
                    }
                },
                "SortConfiguration": {"RowSort": [_by_field(place, worst_first, "DESC")]},
                "FieldOptions": _labels(place, {id_: label for id_, (_, label) in columns.items()}),
            },
        }
    }


def pivot(
    place: Place, title: str, subtitle: str, rows: list[Json], values: list[Json], labels: dict[str, str]
) -> Json:
    """A table of nested rows, the newest first; its first row field is the timestamp."""
    return {
        "PivotTableVisual": {
            **_head(place, title, subtitle),
            "ChartConfiguration": {
                "FieldWells": {"PivotTableAggregatedFieldWells": {"Rows": rows, "Values": values}},
                "SortConfiguration": {
                    "FieldSortOptions": [
                        {
                            "FieldId": place.field("time"),
                            "SortBy": {"Field": {"FieldId": place.field("time"), "Direction": "DESC"}},
                        }
                    ]
                },
                "TableOptions": {"MetricPlacement": "COLUMN"},
                "TotalOptions": {
                    "RowSubtotalOptions": {"TotalsVisibility": "HIDDEN"},
                    "RowTotalOptions": {"TotalsVisibility": "HIDDEN"},
                },
                "FieldOptions": _labels(place, labels),
            },
        }
    }
