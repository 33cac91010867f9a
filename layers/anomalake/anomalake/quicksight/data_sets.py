"""The data sets: their relations, their columns and their SQL."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from sqlglot import exp

from anomalake.definitions.day_folders import day_pattern
from anomalake.definitions.metric_set import DEFAULT_TIMESTAMP_FORMAT, MetricSet
from anomalake.query.columns import DetectorSchema, columns_of
from anomalake.query.folder_days import EARLY_DAYS, FOLDER_DAY
from anomalake.query.names import sql_name
from anomalake.query.relations import BY_DAY, Relation, replace_table
from anomalake.query.templates import DIALECT
from anomalake.quicksight.names import LONGEST_COLUMN, QuickSightError, check, shortened

Type = Literal["STRING", "DECIMAL", "DATETIME"]

#: Parameters of the template in the SQL of data sets.
DATABASE, HISTORY_DAYS = "DatabaseName", "HistoryDays"

VALUES, CONTRIBUTIONS, ANOMALIES = "values", "contributions", "anomalies"
_KINDS = {VALUES: "with_livedata", CONTRIBUTIONS: "with_dimensioncontributions", ANOMALIES: "anomalies"}

# Number in the syntax tree that is replaced by the parameter HistoryDays.
_DAYS = 987654321

_TIMES = ("timestamp", "local_timestamp", "group_start", "group_end")
_NUMBERS = ("valuecontribution", "value", "score")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a data set.

    Attributes
    ----------
    name
        Name in the data set: that of the relation's column, shortened if it is too long for QuickSight.
    source
        Name in the relation.
    type
        Type in QuickSight.
    """

    name: str
    source: str
    type: Type


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set on a relation.

    Attributes
    ----------
    identifier
        Name in the template.
    relation
        The relation, not in its ``_by_day`` form.
    columns
        Its columns.
    narrowed
        SQL that is read in place of the ``_by_day`` form; None: the view of that form.
    """

    identifier: str
    relation: str
    columns: tuple[Column, ...]
    narrowed: exp.Query | None = None

    def sql(self) -> str:
        """Return its query in Athena's dialect, with the parameters ``${DatabaseName}`` and ``${HistoryDays}``.

        The ``_by_day`` form is read, so that Athena reads only the days of the history. Numbers are doubles, the most
        exact type that QuickSight has.
        """
        rows = exp.select(*(exp.column(column.source, quoted=True) for column in self.columns))
        by_day: exp.Expr = _view(f"{self.relation}{BY_DAY}")
        if self.narrowed is not None:
            by_day = self.narrowed.copy().subquery("n")
        rows = rows.from_(by_day).where(_since("day", 0), dialect=DIALECT)
        query = exp.select(*map(_selected, self.columns)).from_(rows.subquery("r"))
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
    """The data sets of a detector, and the columns of its measures and dimensions.

    Attributes
    ----------
    name
        Name of the detector.
    frequency, timezone
        Of the metric set.
    measures, dimensions
        In the order of the metric set.
    data_sets
        Data sets by identifier.
    """

    name: str
    frequency: str
    timezone: str
    measures: tuple[MeasureColumns, ...]
    dimensions: tuple[DimensionColumn, ...]
    data_sets: dict[str, DataSet]


def model_of(metric_set: MetricSet, schema: DetectorSchema | None = None) -> Model:
    """Return the data sets of a detector.

    Parameters
    ----------
    schema
        The detector in a lake, whose relations may have given columns to other names before. Default: a detector that
        no lake has yet.

    Raises
    ------
    QuickSightError
        A name cannot be part of a template.
    """
    name = metric_set.detector_arn.rpartition(":")[2]
    check((name, *metric_set.measures, *metric_set.dimension_list))
    detector = DetectorSchema(
        metric_set.detector_arn,
        schema.sql_name if schema is not None else sql_name(name),
        tuple(sorted(metric_set.measures)),
        tuple(sorted(metric_set.dimension_list)),
        # Columns do not depend on the format of timestamps, which queries on live data may not support.
        replace(metric_set, timestamp_format=DEFAULT_TIMESTAMP_FORMAT),
        schema.recorded if schema is not None else (),
    )
    by_measure, by_dimension = columns_of(detector)
    numbers = {*_NUMBERS}.union(*by_measure.values())
    narrowed = {VALUES: _narrowed_values(detector, metric_set)}
    data_sets = {}
    for identifier, kind in _KINDS.items():
        relation = Relation(f"{kind}_{detector.sql_name}", kind, False, detector)
        data_sets[identifier] = _data_set(identifier, relation, numbers, narrowed.get(identifier))
    measures = tuple(
        MeasureColumns(
            metric.metric_name,
            metric.aggregation_function,
            *(shortened(column, LONGEST_COLUMN) for column in by_measure[metric.metric_name]),
        )
        for metric in metric_set.metric_list
    )
    dimensions = tuple(
        DimensionColumn(name_, shortened(by_dimension[name_], LONGEST_COLUMN)) for name_ in metric_set.dimension_list
    )
    return Model(name, metric_set.frequency, metric_set.timezone, measures, dimensions, data_sets)


def _narrowed_values(detector: DetectorSchema, metric_set: MetricSet) -> exp.Query | None:
    """Return the SQL of live values, which reads the history's days only of folders and of alerts.

    A condition on the view itself would not reach the folders, because live values are grouped. None: the folders of
    the source have no days.
    """
    pattern = day_pattern(metric_set)
    if pattern is None:
        return None
    kind = _KINDS[VALUES]
    query = Relation(f"{kind}_{detector.sql_name}{BY_DAY}", kind, True, detector).definition()
    for table in list(query.find_all(exp.Table)):
        rows = exp.select("*").from_(_view(table.name))
        if table.name.startswith("live_"):
            # Days of folders differ from those of rows by zones, and rows of the next interval may be in a folder.
            recent = _since(FOLDER_DAY, EARLY_DAYS, pattern)
            rows = rows.where(f"{FOLDER_DAY} IS NULL OR {recent}", dialect=DIALECT)
        else:
            # Alerts are joined by their wall-clock time.
            rows = rows.where(_since("day", 1), dialect=DIALECT)
        replace_table(table, rows)
    return query


def _view(name: str) -> exp.Table:
    return exp.table_(name, db=f"${{{DATABASE}}}", quoted=True)


def _since(column: str, margin: int, pattern: str = "yyyy-MM-dd") -> str:
    """Return the condition that a day, as text in a pattern, is in the history or up to so many days before it."""
    format_ = pattern.replace("yyyy", "%Y").replace("MM", "%m").replace("dd", "%d")
    days = f"0 - {_DAYS}" + (f" - {margin}" if margin else "")
    return f"{column} >= DATE_FORMAT(DATE_ADD('day', {days}, CURRENT_TIMESTAMP), '{format_}')"


def _data_set(identifier: str, relation: Relation, numbers: set[str], narrowed: exp.Query | None) -> DataSet:
    def type_of(column: str) -> Type:
        return "DATETIME" if column in _TIMES else "DECIMAL" if column in numbers else "STRING"

    columns = tuple(Column(shortened(column, LONGEST_COLUMN), column, type_of(column)) for column in relation.columns())
    if len({column.name for column in columns}) < len(columns):
        raise QuickSightError(f"{relation.name}: two columns have the same name in QuickSight; expected other names")
    return DataSet(identifier, relation.name, columns, narrowed)


def _selected(column: Column) -> exp.Expr:
    value: exp.Expr = exp.column(column.source, quoted=True)
    if column.type == "DECIMAL":
        value = exp.cast(value, "DOUBLE")
    elif column.name == column.source:
        return value
    return exp.alias_(value, column.name, quoted=True)
