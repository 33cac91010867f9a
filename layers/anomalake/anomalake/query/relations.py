"""The relations of a lake: their names, their columns and their SQL."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol, TypeVar

from sqlglot import exp

from anomalake.definitions.day_folders import SOURCE_FOLDER_DAY
from anomalake.definitions.metric_set import MetricSet
from anomalake.frequencies import FREQUENCIES
from anomalake.query import templates
from anomalake.query.bounds import ALL, Bounds
from anomalake.query.columns import DetectorSchema, columns_of
from anomalake.query.detectors import DetectorSchemas
from anomalake.query.errors import QueryError
from anomalake.query.folder_days import FOLDER_DAY
from anomalake.query.templates import Replacement, Replacements
from anomalake.query.time_formats import has_offset, read_timestamp
from anomalake.storage.store import ObjectStore

#: Ending of the forms of relations that have the partition column ``day``.
BY_DAY = "_by_day"
#: Tables with the rows of all detectors: alerts in Parquet and in CSV, withdrawals, and causes.
PHYSICAL = ("alert_rows", "alert_rows_csv", "withdrawal_rows", "cause_rows")
#: Prefix of the tables with a detector's source rows.
SOURCE = "source_"
#: Column of the timestamps in source rows.
SOURCE_TIMESTAMP = "source_timestamp"

#: Columns that only the ``_by_day`` forms have.
PARTITIONS = ("day", FOLDER_DAY)

T = TypeVar("T")


class Tables(Protocol):
    """The physical tables of a query engine, as queries."""

    def alert_rows(self, bounds: Bounds) -> exp.Query:
        """Return the rows of the partitions within bounds; the engine may return rows of other partitions too."""
        ...

    def alert_rows_csv(self, bounds: Bounds) -> exp.Query:
        """Return the rows of the CSV table within bounds, with undecoded cells."""
        ...

    def withdrawal_rows(self, bounds: Bounds) -> exp.Query:
        """Return the rows of the table of withdrawals within bounds; the engine may return other rows too."""
        ...

    def cause_rows(self, bounds: Bounds) -> exp.Query:
        """Return the rows of the table of causes within bounds; the engine may return other rows too."""
        ...

    def has_withdrawals(self, bounds: Bounds) -> bool:
        """Whether there may be a row of a withdrawal."""
        ...

    def cached(self, name: str) -> exp.Query | None:
        """Return the rows of an internal relation that were computed before; None if there are none."""
        ...

    def source_rows(self, detector: DetectorSchema, columns: dict[str, str], bounds: Bounds) -> exp.Query:
        """Return a detector's source rows, with the types of `typed_column`, and the days of their folders.

        Parameters
        ----------
        columns
            New names by names in the source.
        bounds
            Rows within bounds are needed; others may be returned too.
        """
        ...


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation of a lake.

    Attributes
    ----------
    name
        Name in queries.
    kind
        Name of its SQL file, without ``_by_day`` and the name of the example detector.
    by_day
        Whether it is the form with the column ``day``.
    detector
        The detector of the relation; None for relations of every lake.
    """

    name: str
    kind: str
    by_day: bool
    detector: DetectorSchema | None = None

    def definition(self) -> exp.Query:
        """Return its SQL, which reads other relations and physical tables."""
        if self.kind == "source" and self.detector is not None:
            names = (*source_columns(self.detector).values(), SOURCE_FOLDER_DAY)
            source = [exp.column(name, quoted=True) for name in names]
            return exp.select(*source).from_(exp.to_table(self.name))
        if self.kind in templates.INTERNAL:
            return templates.template(self.kind)
        with_day = self._with_day()
        if self.by_day:
            return with_day
        columns = [exp.column(name, quoted=True) for name in with_day.named_selects if name not in PARTITIONS]
        return exp.select(*columns).from_(exp.to_table(f"{self.name}{BY_DAY}"))

    def _with_day(self) -> exp.Query:
        """Return the SQL of the relation's ``_by_day`` form, from its file."""
        if self.detector is None:
            return templates.template(f"{self.kind}{BY_DAY}")
        query = templates.instantiate(templates.example(self.kind), replacements_of(self.detector))
        if self.kind == "live" and self.detector.source is not None:
            _read_timestamps(query, self.detector.source)
        _read_utc_as_it_is(query)
        return query

    def columns(self) -> list[str]:
        """Return the names of its columns, in order."""
        return list(self.definition().named_selects)


class Relations:
    """The relations of a lake. Each call reads the lake."""

    def __init__(self, store: ObjectStore) -> None:
        self.detectors = DetectorSchemas(store)

    def names(self) -> list[str]:
        """Return the names of the public relations without their ``_by_day`` forms; raises `StoreError`."""
        return sorted(relation.name for relation in self.all() if not relation.by_day and relation.kind in _PUBLIC)

    def all(self, only_detectors: Collection[str] | None = None) -> Iterator[Relation]:
        """Yield all relations, each after those that it reads; raises `StoreError`.

        Parameters
        ----------
        only_detectors
            Names of the detectors whose relations are yielded, after those of every lake. None: all detectors.
        """
        for kind in templates.INTERNAL:
            yield Relation(kind, kind, False)
        for kind in templates.GENERIC:
            yield from _both_forms(kind, None)
        for detector in self.detectors.all(only_detectors):
            for kind in _BY_DEPENDENCY:
                if kind != "live" or detector.source is not None:
                    yield from _both_forms(kind, detector)
                else:
                    # with_livedata reads the relation, which has no rows if no source data is registered.
                    yield Relation(f"{kind}_{detector.sql_name}{BY_DAY}", kind, True, detector)

    def find(self, name: str, extra_columns: Callable[[], Iterable[str]] = tuple) -> Relation | None:
        """Return the relation of a name; None if there is none.

        Parameters
        ----------
        name
            Name in a query.
        extra_columns
            Returns the columns that the query reads. In a lake without detectors they are the columns of the
            relations of any detector.

        Raises
        ------
        QueryError
            Several detectors have that name, or the relation needs source data and none is registered.
        """
        name = name.lower()
        if name.startswith(SOURCE):
            detector = self.detectors.find(name.removeprefix(SOURCE))
            return Relation(name, "source", False, detector) if detector and detector.source else None
        if name in templates.INTERNAL:
            return Relation(name, name, False)
        by_day = name.endswith(BY_DAY)
        stem = name.removesuffix(BY_DAY) if by_day else name
        if stem in templates.GENERIC:
            return Relation(name, stem, by_day)
        kind = next((kind for kind in templates.PER_DETECTOR if stem.startswith(f"{kind}_")), None)
        if kind is None:
            return None
        detector_name = stem.removeprefix(f"{kind}_")
        detector = self.detectors.find(detector_name)
        if detector is None:
            if self.detectors.any():
                return None
            detector = _assumed_schema(detector_name, list(extra_columns()))
        elif kind == "live" and detector.source is None and not by_day:
            raise QueryError(
                f"{name}: detector {detector.name} has no registered source data; expected register_source first"
            )
        return Relation(name, kind, by_day, detector)

    def unknown_relation(self, name: str) -> QueryError:
        """Return the error for a name that is not the name of a relation; it lists similar names."""
        names = self.names()
        similar = difflib.get_close_matches(name.lower(), names, n=5, cutoff=0.5) or names[:5]
        return QueryError(f"no relation {name!r}; similar names: {', '.join(similar)}")


_PUBLIC = (*templates.GENERIC, *templates.PER_DETECTOR)
_BY_DEPENDENCY = ("metricvalue_anomalyscore", "with_dimensioncontributions", "anomalies", "live", "with_livedata")


def _both_forms(kind: str, detector: DetectorSchema | None) -> Iterator[Relation]:
    name = kind if detector is None else f"{kind}_{detector.sql_name}"
    yield Relation(f"{name}{BY_DAY}", kind, True, detector)
    yield Relation(name, kind, False, detector)


def _assumed_schema(name: str, columns: list[str]) -> DetectorSchema:
    """Return a detector without alerts whose measures and dimensions follow from the columns that a query reads."""
    measures = {
        column.removesuffix(ending)
        for column in columns
        for ending in ("anomalymetricvalue", "groupscore")
        if column.endswith(ending) and column != ending
    }
    scores = {template.format(measure) for measure in measures for template in templates.SCORE_COLUMNS}
    dimensions = set(columns) - scores - measures - templates.FIXED_COLUMNS
    return DetectorSchema(f"arn:::::AnomalyDetector:{name}", name, tuple(sorted(measures)), tuple(sorted(dimensions)))


def replacements_of(detector: DetectorSchema) -> Replacements:
    """Return the replacements that turn relations of the example into those of a detector."""
    dimension, *_ = templates.EXAMPLE_DIMENSIONS
    measure, *_ = templates.EXAMPLE_MEASURES
    measures, dimensions = columns_of(detector)
    source = detector.source
    live_dimensions = source.dimension_list if source else detector.dimensions
    aggregations = {metric.metric_name: metric.aggregation_function for metric in source.metric_list} if source else {}
    live_measures = sorted(aggregations) if source else detector.measures
    value_column, score_column = (template.format(measure) for template in templates.SCORE_COLUMNS)
    all_dimensions = [
        Replacement(
            {dimension: column, f"source_{dimension}": f"source_{column}"},
            {dimension: names},
            absent=frozenset() if set(names) & set(live_dimensions) else frozenset({f"source_{dimension}"}),
        )
        for names, column in _with_equal_names(dimensions)
    ]
    scores = [
        Replacement({value_column: value, score_column: score}, {measure: names})
        for names, (_, value, score) in _with_equal_names(measures)
    ]
    live = [
        Replacement(
            {measure: measures[name][0], f"source_{measure}": f"source_{measures[name][0]}"},
            {},
            aggregations.get(name) == "AVG",
        )
        for name in live_measures
    ]
    return Replacements(
        repeated={
            f"source_{dimension}": all_dimensions,
            dimension: all_dimensions,
            value_column: scores,
            score_column: scores,
            measure: live,
            f"source_{measure}": live,
        },
        texts={
            templates.EXAMPLE_DETECTOR: detector.name,
            templates.EXAMPLE_ARN: detector.arn,
            templates.EXAMPLE_TIMEZONE: source.timezone if source else "UTC",
        },
        numbers={
            templates.EXAMPLE_MINUTES: str(FREQUENCIES[source.frequency].seconds // 60)
            if source
            else templates.EXAMPLE_MINUTES
        },
        tables={
            f"{prefix}{templates.EXAMPLE_DETECTOR}{suffix}": f"{prefix}{detector.sql_name}{suffix}"
            for prefix, suffix in (("live_", BY_DAY), ("metricvalue_anomalyscore_", BY_DAY), ("source_", ""))
        },
    )


def _read_timestamps(query: exp.Query, source: MetricSet) -> None:
    """Let the relation of the live data read timestamps in the type or format of a source; the query is changed."""
    (example,) = (node for node in query.find_all(exp.Anonymous) if node.name.lower() == "try")
    column = example.find(exp.Column)
    assert column is not None
    if source.timestamp_type == "text":
        parsed = read_timestamp(column, source.timestamp_format)
        if parsed.fields:
            (table,) = query.find_all(exp.Table)
            fields = exp.select("*", *parsed.fields).from_(table.copy())
            table.replace(fields.subquery(table.alias))
        example.replace(parsed.time)
        is_utc = has_offset(source.timestamp_format)
    else:
        example.replace(column.copy())
        is_utc = source.timestamp_type == "instant"
    if not is_utc:
        return
    # What is read is UTC, not wall-clock time: the zone is that of the wall-clock time that follows from it.
    for zone in query.find_all(exp.Literal):
        if zone.is_string and zone.this == source.timezone:
            zone.set("this", "UTC")
    (clock,) = (column for column in query.selects if column.alias_or_name == "local_timestamp")
    utc = exp.Anonymous(this="with_timezone", expressions=[clock.copy(), exp.Literal.string("UTC")])
    local = exp.Anonymous(this="at_timezone", expressions=[utc, exp.Literal.string(source.timezone)])
    clock.replace(exp.alias_(exp.cast(local, "TIMESTAMP"), "local_timestamp"))


def _read_utc_as_it_is(query: exp.Query) -> None:
    """Convert no wall-clock time that is in UTC, which takes as long as to parse it; the query is changed."""
    for cast in list(query.find_all(exp.Cast)):
        if (clock := _converted(_converted(cast.this, "at_timezone"), "with_timezone")) is not None:
            cast.replace(clock)


def _converted(call: exp.Expr | None, function: str) -> exp.Expr | None:
    """Return what a function takes to UTC; None where the call is another one."""
    if not isinstance(call, exp.Anonymous) or call.name.lower() != function:
        return None
    time, zone = call.expressions
    return time if zone.is_string and zone.this == "UTC" else None


def _with_equal_names(columns: Mapping[str, T]) -> list[tuple[tuple[str, ...], T]]:
    """Return the names of each column, and the column."""
    names: dict[T, list[str]] = {}
    for name, column in columns.items():
        names.setdefault(column, []).append(name)
    return [(tuple(of_column), column) for column, of_column in names.items()]


def source_columns(detector: DetectorSchema) -> dict[str, str]:
    """Return the columns of a detector's source table, by their names in the source."""
    measures, dimensions = columns_of(detector)
    source = detector.source
    if source is None:
        # In alerts a measure and a dimension may have the same name, so names of columns are used instead.
        columns = [*dimensions.values(), *(column for column, *_ in measures.values())]
        return {"timestamp": SOURCE_TIMESTAMP, **{column: f"source_{column}" for column in columns}}
    names = {name: f"source_{dimensions[name]}" for name in source.dimension_list}
    names.update({metric.metric_name: f"source_{measures[metric.metric_name][0]}" for metric in source.metric_list})
    return {source.timestamp_column: SOURCE_TIMESTAMP, **names}


def typed_column(source: MetricSet, name: str) -> exp.Expr:
    """Return a column of a source's typed rows, in the type in which relations read it.

    A typed timestamp is a timestamp (in UTC if it has instants). All else is text, as in CSV files: the text of a
    double is its shortest decimal in both engines, where a cast of a double to a decimal has noise.
    """
    is_time = name == source.timestamp_column and source.timestamp_type != "text"
    return exp.cast(exp.column(name, quoted=True), "TIMESTAMP" if is_time else "VARCHAR")


def without_folder_day() -> exp.Expr:
    """Return the column of folder days for rows whose folders have none."""
    return exp.alias_(exp.cast(exp.Null(), "VARCHAR"), SOURCE_FOLDER_DAY, quoted=True)


def athena_table_rows(source: MetricSet, columns: Mapping[str, str], bounds: Bounds = ALL) -> exp.Query:
    """Return the rows of a source that is an Athena table.

    Parameters
    ----------
    columns
        New names by names in the source.
    bounds
        Of typed timestamps, those within bounds and a day more on each side are read.
    """
    table = source.athena
    assert table is not None
    selected = [exp.alias_(typed_column(source, name), column, quoted=True) for name, column in columns.items()]
    rows = exp.select(*selected, without_folder_day()).from_(
        exp.table_(table.table_name, db=table.database_name, catalog=table.data_catalog, quoted=True)
    )
    if source.timestamp_type == "text":
        return rows
    # They are wall-clock times. Those of the day after the last one are before the midnight that follows it.
    bounds = bounds.widened()
    timestamp = exp.column(source.timestamp_column, quoted=True)
    if bounds.first is not None:
        rows = rows.where(exp.GTE(this=timestamp.copy(), expression=_midnight(bounds.first)))
    if bounds.last is not None and bounds.last < date.max:
        rows = rows.where(exp.LT(this=timestamp.copy(), expression=_midnight(bounds.last + timedelta(days=1))))
    return rows


def _midnight(day: date) -> exp.Expr:
    return exp.cast(exp.Literal.string(f"{day.isoformat()} 00:00:00"), "TIMESTAMP")


def expand(relation: Relation, relations: Relations, tables: Tables, bounds: Bounds = ALL) -> exp.Query:
    """Return a relation's SQL with all relations in it expanded to physical tables, which are read within bounds."""
    detector = relation.detector
    if detector is not None:
        bounds = bounds.and_(Bounds(frozenset({detector.name})))
    if relation.kind == templates.IN_FORCE and not tables.has_withdrawals(bounds):
        return physical_rows("alert_rows", tables, bounds)
    query = relation.definition()
    # The relations of a detector read each other; they are found without a read of the lake.
    own: dict[str, Relation] = {}
    if detector is not None:
        own = {form.name: form for kind in templates.PER_DETECTOR for form in _both_forms(kind, detector)}
    for table in list(query.find_all(exp.Table)):
        inner: exp.Query
        if table.name in PHYSICAL:
            inner = physical_rows(table.name, tables, bounds)
        elif table.name.startswith(SOURCE) and detector is not None:
            inner = _source_rows(detector, tables, bounds)
        else:
            read = own.get(table.name) or relations.find(table.name)
            assert read is not None, table.name
            if read.kind in templates.READ_OVER_ALL_DAYS:
                inner = tables.cached(read.kind) or expand(read, relations, tables, bounds.of_all_days())
            else:
                joined = relation.kind == "with_livedata" and relation.by_day
                inner = expand(read, relations, tables, bounds.widened() if joined else bounds)
        replace_table(table, inner)
    return query


def physical_rows(name: str, tables: Tables, bounds: Bounds) -> exp.Query:
    """Return the rows of a table in `PHYSICAL` within bounds."""
    read = {
        "alert_rows": tables.alert_rows,
        "alert_rows_csv": tables.alert_rows_csv,
        "withdrawal_rows": tables.withdrawal_rows,
        "cause_rows": tables.cause_rows,
    }
    return read[name](bounds)


def _source_rows(detector: DetectorSchema, tables: Tables, bounds: Bounds) -> exp.Query:
    if detector.source is None:
        return empty_source(detector)
    return tables.source_rows(detector, source_columns(detector), bounds)


def decode_csv(rows: exp.Query) -> exp.Query:
    """Return the rows of ``alert_rows_csv`` with the columns and types of ``alert_rows``."""
    decoded = templates.template("alert_rows_from_csv")
    for table in list(decoded.find_all(exp.Table)):
        replace_table(table, rows.copy())
    return decoded


def empty_source(detector: DetectorSchema) -> exp.Query:
    """Empty source relation of a detector."""
    source = detector.source
    typed = source is not None and source.timestamp_type != "text"
    nulls = [
        exp.alias_(
            exp.cast(exp.Null(), "TIMESTAMP" if typed and column == SOURCE_TIMESTAMP else "VARCHAR"),
            column,
            quoted=True,
        )
        for column in source_columns(detector).values()
    ]
    nulls.append(without_folder_day())
    return exp.select(*nulls).where(exp.false())


def replace_table(table: exp.Table, query: exp.Query) -> None:
    """Replace a table of a query by a subquery with the same alias and joins."""
    alias = table.args.get("alias")
    if alias is None or not alias.name:
        alias = exp.TableAlias(
            this=exp.to_identifier(table.name, quoted=True), columns=alias and alias.args.get("columns")
        )
    inner = exp.Subquery(this=query, alias=alias.copy())
    for key in ("joins", "laterals", "sample"):
        if table.args.get(key):
            inner.set(key, table.args[key])
    table.replace(inner)
