"""Parameters, calculated fields, filters and their controls, which apply to all sheets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from anomalake.frequencies import FREQUENCIES
from anomalake.quicksight.charts import Json, column
from anomalake.quicksight.data_sets import ANOMALIES, CONTRIBUTIONS, VALUES, MeasureColumns, Model
from anomalake.quicksight.names import (
    LEAST_SEVERITY,
    LONGEST_COLUMN,
    MEASURE,
    SPLIT_BY,
    field,
    literal,
    shortened,
    shown,
    sub,
)
from anomalake.quicksight.theme import CLASSES

#: Parameter of the template: number of days that the dashboard shows when it is opened.
DAYS_SHOWN = "DaysShown"

# Names of calculated fields. They contain a space, and names of columns do not, so that they never clash.
SPLIT, CLASS, SEVERITY = "split by", "severity class", "group severity"
_TOGETHER = "all together"

# A control without a value returns to its default.
_WHEN_UNSET = {"ValueWhenUnsetOption": "RECOMMENDED_VALUE"}


def live(measure: MeasureColumns) -> str:
    """Return the name of the calculated field of a measure's live value."""
    return shortened(f"{measure.live} live", LONGEST_COLUMN)


def unusual(measure: MeasureColumns) -> str:
    """Return the name of the calculated field of a measure's anomalous value."""
    return shortened(f"{measure.live} unusual", LONGEST_COLUMN)


def calculated_fields(model: Model) -> list[Json]:
    """Return the calculated fields: values that the parameters select, and severity classes."""
    calculated = []
    if model.dimensions:
        choices = (f"${{{SPLIT_BY}}} = '{name}', {field(name)}" for name in (d.column for d in model.dimensions))
        calculated.append(_calculated(VALUES, SPLIT, f"ifelse({', '.join(choices)}, 'all')"))
    for measure in model.measures:
        text = literal(measure.name)
        # A measure whose name cannot be part of an expression is always shown.
        selected = [f"in({text}, ${{{MEASURE}}})"] if text is not None else []
        severe = f"{field(measure.score)} >= ${{{LEAST_SEVERITY}}}"
        value = field(measure.live)
        calculated.append(
            _calculated(VALUES, live(measure), f"ifelse({selected[0]}, {value}, NULL)" if selected else value)
        )
        calculated.append(
            _calculated(
                VALUES,
                unusual(measure),
                f"ifelse({' AND '.join([severe, *selected])}, {field(measure.anomalous)}, NULL)",
            )
        )
    scores = ", ".join(field(measure.score) for measure in model.measures)
    calculated.append(
        _calculated(CONTRIBUTIONS, SEVERITY, f"coalesce({scores})" if len(model.measures) > 1 else scores)
    )
    classes = ", ".join(f"{field('score')} >= {least}, '{name}'" for least, name, _ in CLASSES[:-1])
    calculated.append(_calculated(ANOMALIES, CLASS, f"ifelse({classes}, '{CLASSES[-1][1]}')"))
    return calculated


def _calculated(data_set: str, name: str, expression: str) -> Json:
    return {"DataSetIdentifier": data_set, "Name": name, "Expression": expression}


def parameters(model: Model) -> list[Json]:
    """Return the ParameterDeclarations."""
    declarations: list[Json] = [
        _text_parameter(MEASURE, "MULTI_VALUED", [measure.name for measure in model.measures]),
        {
            "IntegerParameterDeclaration": {
                "Name": LEAST_SEVERITY,
                "ParameterValueType": "SINGLE_VALUED",
                "DefaultValues": {"StaticValues": [0]},
                "ValueWhenUnset": _WHEN_UNSET,
            }
        },
    ]
    if model.dimensions:
        declarations.append(_text_parameter(SPLIT_BY, "SINGLE_VALUED", [model.dimensions[0].column]))
    return declarations


def _text_parameter(name: str, kind: str, values: list[str]) -> Json:
    return {
        "StringParameterDeclaration": {
            "Name": name,
            "ParameterValueType": kind,
            "DefaultValues": {"StaticValues": values},
            "ValueWhenUnset": _WHEN_UNSET,
        }
    }


def filters(model: Model, contribution_sheet: str | None) -> list[Json]:
    """Return the FilterGroups; the sheet of contributions excludes metrics without contributions."""
    groups = [_group("when", _when(model), every_data_set=True)]
    for number, dimension in enumerate(model.dimensions, 1):
        dimension_filter = {
            "CategoryFilter": {
                "FilterId": f"dimension-{number}",
                "Column": column(VALUES, dimension.column),
                # Nulls pass, so that contributions of other dimensions are shown.
                "Configuration": _any_value("ALL_VALUES"),
                "DefaultFilterControlConfiguration": {
                    "Title": shown(dimension.name),
                    "ControlOptions": {"DefaultDropdownOptions": _drop_down("MULTI_SELECT", select_all=True)},
                },
            }
        }
        groups.append(_group(f"dimension-{number}", dimension_filter, every_data_set=True))
    of_data_set = [(ANOMALIES, "measure", "score")]
    if contribution_sheet is not None:
        of_data_set.append((CONTRIBUTIONS, "metricname", SEVERITY))
    for data_set, measure, severity in of_data_set:
        groups.append(_group(f"measure-{data_set}", _of_measures(f"measure-{data_set}", column(data_set, measure))))
        groups.append(_group(f"severity-{data_set}", _of_severity(f"severity-{data_set}", column(data_set, severity))))
    if contribution_sheet is not None:
        with_contribution = {
            "CategoryFilter": {
                "FilterId": "contributed",
                "Column": column(CONTRIBUTIONS, "dimensionname"),
                "Configuration": _any_value("NON_NULLS_ONLY"),
            }
        }
        groups.append(_group("contributed", with_contribution, sheet=contribution_sheet))
    return groups


def _when(model: Model) -> Json:
    def rolling(expression: Any) -> Json:
        return {"RollingDate": {"DataSetIdentifier": VALUES, "Expression": expression}}

    return {
        "TimeRangeFilter": {
            "FilterId": "when",
            "Column": column(VALUES, "timestamp"),
            "IncludeMinimum": True,
            "IncludeMaximum": True,
            "RangeMinimumValue": rolling(sub(f"addDateTime(-${{{DAYS_SHOWN}}}, 'DD', truncDate('DD', now()))")),
            "RangeMaximumValue": rolling("addDateTime(1, 'DD', truncDate('DD', now()))"),
            "NullOption": "NON_NULLS_ONLY",
            "TimeGranularity": "DAY" if FREQUENCIES[model.frequency].days else "MINUTE",
            "DefaultFilterControlConfiguration": {
                "Title": sub("Time (${Timezone})"),
                "ControlOptions": {"DefaultDateTimePickerOptions": {"Type": "DATE_RANGE"}},
            },
        }
    }


def _any_value(null_option: str) -> Json:
    return {
        "FilterListConfiguration": {
            "MatchOperator": "CONTAINS",
            "SelectAllOptions": "FILTER_ALL_VALUES",
            "NullOption": null_option,
        }
    }


def _of_measures(id_: str, column_: Json) -> Json:
    return {
        "CategoryFilter": {
            "FilterId": id_,
            "Column": column_,
            "Configuration": {
                "CustomFilterConfiguration": {
                    "MatchOperator": "EQUALS",
                    "ParameterName": MEASURE,
                    "NullOption": "NON_NULLS_ONLY",
                }
            },
        }
    }


def _of_severity(id_: str, column_: Json) -> Json:
    return {
        "NumericRangeFilter": {
            "FilterId": id_,
            "Column": column_,
            "IncludeMinimum": True,
            "RangeMinimum": {"Parameter": LEAST_SEVERITY},
            "NullOption": "NON_NULLS_ONLY",
        }
    }


def _group(id_: str, filter_: Json, *, every_data_set: bool = False, sheet: str | None = None) -> Json:
    scope: Json = {"AllSheets": {}}
    if sheet is not None:
        scoping = {"SheetId": sheet, "Scope": "ALL_VISUALS"}
        scope = {"SelectedSheets": {"SheetVisualScopingConfigurations": [scoping]}}
    return {
        "FilterGroupId": f"group-{id_}",
        "Filters": [filter_],
        "ScopeConfiguration": scope,
        "Status": "ENABLED",
        "CrossDataset": "ALL_DATASETS" if every_data_set else "SINGLE_DATASET",
    }


def filter_controls(sheet: str, model: Model) -> list[Json]:
    """Return the filter controls of a sheet."""
    ids = ["when", *(f"dimension-{number}" for number in range(1, len(model.dimensions) + 1))]
    return [{"CrossSheet": {"FilterControlId": f"{sheet}-{id_}", "SourceFilterId": id_}} for id_ in ids]


def parameter_controls(sheet: str, model: Model) -> list[Json]:
    """Return the parameter controls of a sheet."""
    controls: list[Json] = [
        _selection(sheet, MEASURE, "Measures", "MULTI_SELECT", [measure.name for measure in model.measures]),
        {
            "Slider": {
                "ParameterControlId": f"{sheet}-{LEAST_SEVERITY}",
                "SourceParameterName": LEAST_SEVERITY,
                "Title": "Least severity",
                "MinimumValue": 0,
                "MaximumValue": 100,
                "StepSize": 1,
            }
        },
    ]
    if model.dimensions:
        values = [*(dimension.column for dimension in model.dimensions), _TOGETHER]
        controls.append(_selection(sheet, SPLIT_BY, "Lines by", "SINGLE_SELECT", values))
    return controls


def _selection(sheet: str, parameter: str, title: str, kind: str, values: list[str]) -> Json:
    return {
        "Dropdown": {
            "ParameterControlId": f"{sheet}-{parameter}",
            "SourceParameterName": parameter,
            "Title": title,
            # Expressions cannot test for "all", so that all values are selected as the default instead.
            **_drop_down(kind, select_all=False),
            "SelectableValues": {"Values": values},
        }
    }


def _drop_down(kind: str, *, select_all: bool) -> Json:
    options: Json = {"Type": kind, "DisplayOptions": {"TitleOptions": {"Visibility": "VISIBLE"}}}
    if kind == "MULTI_SELECT":
        options["DisplayOptions"]["SelectAllOptions"] = {"Visibility": "VISIBLE" if select_all else "HIDDEN"}
    return options


def control_ids(controls: list[Json]) -> Iterator[str]:
    """Yield the ids of filter and parameter controls."""
    for control in controls:
        (inner,) = control.values()
        yield inner.get("FilterControlId") or inner["ParameterControlId"]
