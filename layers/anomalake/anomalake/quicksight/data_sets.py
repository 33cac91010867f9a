"""The data sets: which relations they show, under which columns, and their SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from anomalake.definitions.metric_set import MetricSet
from anomalake.query.detectors import DetectorSchema
from anomalake.query.names import sql_name
from anomalake.query.relations import BY_DAY, Relation, columns_of
from anomalake.query.templates import DIALECT
from anomalake.quicksight.names import LONGEST_COLUMN, QuickSightError, check, shortened

Type = Literal["STRING", "DECIMAL", "DATETIME"]

#: The template's parameters that a data set's SQL names.
DATABASE, HISTORY_DAYS = "DatabaseName", "HistoryDays"

VALUES, CONTRIBUTIONS, ANOMALIES = "values", "contributions", "anomalies"
_KINDS = {VALUES: "with_livedata", CONTRIBUTIONS: "with_dimensioncontributions", ANOMALIES: "anomalies"}

# Stands for the parameter while the SQL is a syntax tree.
_DAYS = 987654321

_TIMES = ("timestamp", "local_timestamp", "group_start", "group_end")
_NUMBERS = ("valuecontribution", "value", "score")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a data set.

    Attributes
    ----------
    name
        In the data set: that of the relation's column, unless it is too long for QuickSight.
    source
        In the relation.
    type
        QuickSight's.
    """

    name: str
    source: str
    type: Type


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set, and the relation that it shows."""

    identifier: str
    relation: str
    columns: tuple[Column, ...]

    def sql(self) -> str:
        """Its query in Athena's dialect, with ``${DatabaseName}`` and ``${HistoryDays}`` in it.

        Read by day, so that Athena reads no folder older than asked for. QuickSight's numbers are doubles at best.
        """
        read = exp.select(*(exp.column(column.source, quoted=True) for column in self.columns))
        read = read.from_(exp.table_(f"{self.relation}{BY_DAY}", db=f"${{{DATABASE}}}", quoted=True))
        read = read.where(
            f"day >= DATE_FORMAT(DATE_ADD('day', 0 - {_DAYS}, CURRENT_TIMESTAMP), '%Y-%m-%d')", dialect=DIALECT
        )
        query = exp.select(*map(_picked, self.columns)).from_(read.subquery("r"))
        return query.sql(DIALECT, pretty=True).replace(str(_DAYS), f"${{{HISTORY_DAYS}}}") + "\n"


@dataclass(frozen=True, slots=True)
class MeasureColumns:
    """A measure, its aggregation (SUM, AVG), and its columns: live value, anomalous value, severity."""

    name: str
    aggregation: str
    live: str
    anomalous: str
    score: str


@dataclass(frozen=True, slots=True)
class DimensionColumn:
    """A dimension and its column, the same in every data set."""

    name: str
    column: str


@dataclass(frozen=True, slots=True)
class Model:
    """A detector's data sets, and what stands in them.

    Attributes
    ----------
    name
        The detector's.
    frequency, timezone
        The metric set's.
    measures, dimensions
        In the metric set's order.
    data_sets
        By identifier.
    """

    name: str
    frequency: str
    timezone: str
    measures: tuple[MeasureColumns, ...]
    dimensions: tuple[DimensionColumn, ...]
    data_sets: dict[str, DataSet]


def model_of(metric_set: MetricSet) -> Model:
    """The data sets of what a detector watches.

    Raises
    ------
    QuickSightError
        A name is unfit for a template.
    """
    name = metric_set.detector_arn.rpartition(":")[2]
    check((name, *metric_set.measures, *metric_set.dimension_list))
    detector = DetectorSchema(
        metric_set.detector_arn,
        sql_name(name),
        tuple(sorted(metric_set.measures)),
        tuple(sorted(metric_set.dimension_list)),
    )
    by_measure, by_dimension = columns_of(detector)
    numbers = {*_NUMBERS}.union(*by_measure.values())
    data_sets = {
        identifier: _data_set(identifier, Relation(f"{kind}_{detector.sql_name}", kind, False, detector), numbers)
        for identifier, kind in _KINDS.items()
    }
    measures = tuple(
        MeasureColumns(
            one.metric_name,
            one.aggregation_function,
            *(shortened(column, LONGEST_COLUMN) for column in by_measure[one.metric_name]),
        )
        for one in metric_set.metric_list
    )
    dimensions = tuple(
        DimensionColumn(one, shortened(by_dimension[one], LONGEST_COLUMN)) for one in metric_set.dimension_list
    )
    return Model(name, metric_set.frequency, metric_set.timezone, measures, dimensions, data_sets)


def _data_set(identifier: str, relation: Relation, numbers: set[str]) -> DataSet:
    def type_of(column: str) -> Type:
        return "DATETIME" if column in _TIMES else "DECIMAL" if column in numbers else "STRING"

    columns = tuple(Column(shortened(column, LONGEST_COLUMN), column, type_of(column)) for column in relation.columns())
    if len({column.name for column in columns}) < len(columns):
        raise QuickSightError(f"{relation.name}: two columns have one name in QuickSight; expected other names")
    return DataSet(identifier, relation.name, columns)


def _picked(column: Column) -> exp.Expr:
    value: exp.Expr = exp.column(column.source, quoted=True)
    if column.type == "DECIMAL":
        value = exp.cast(value, "DOUBLE")
    elif column.name == column.source:
        return value
    return exp.alias_(value, column.name, quoted=True)
