"""The relations of a lake: what they are called, which columns they have, and their SQL."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from sqlglot import exp

from anomalake.definitions.metric_set import FREQUENCIES
from anomalake.query import templates
from anomalake.query.bounds import ALL, Bounds
from anomalake.query.detectors import DetectorSchema, DetectorSchemas
from anomalake.query.errors import QueryError
from anomalake.query.names import column_names
from anomalake.query.templates import Filling, Repeat
from anomalake.query.time_formats import to_strptime
from anomalake.storage.store import ObjectStore

BY_DAY = "_by_day"
PHYSICAL = ("alert_rows", "alert_rows_csv")
SOURCE = "source_"


class Tables(Protocol):
    """An engine's physical tables, as queries to select from."""

    def alert_rows(self, bounds: Bounds) -> exp.Query:
        """The rows of the partitions within bounds, or of more."""
        ...

    def alert_rows_csv(self, bounds: Bounds) -> exp.Query:
        """The same, out of the CSV tables, its cells as they are there."""
        ...

    def kept(self, name: str) -> exp.Query | None:
        """The rows of an internal relation, where the engine has them from before."""
        ...

    def source_rows(self, detector: DetectorSchema, columns: dict[str, str]) -> exp.Query:
        """A detector's source rows as text: each of `columns` (what it is to be called, by its name in the source)."""
        ...


@dataclass(frozen=True, slots=True)
class Relation:
    """One relation.

    Attributes
    ----------
    name
        As a query says it.
    kind
        Its file in ``queries/``, without ``_by_day`` and, for one of a detector, the example's name.
    by_day
        Whether it shows its partition.
    detector
        Whose it is; None for those that every lake has.
    """

    name: str
    kind: str
    by_day: bool
    detector: DetectorSchema | None = None

    def definition(self) -> exp.Query:
        """Its SQL, in terms of other relations and of physical tables."""
        if self.kind == "source" and self.detector is not None:
            columns_ = [exp.column(name, quoted=True) for name in source_columns(self.detector).values()]
            return exp.select(*columns_).from_(exp.to_table(self.name))
        if self.kind in templates.INTERNAL:
            return templates.template(self.kind)
        with_day = self._with_day()
        if self.by_day:
            return with_day
        columns = [exp.column(name, quoted=True) for name in with_day.named_selects if name != "day"]
        return exp.select(*columns).from_(exp.to_table(f"{self.name}{BY_DAY}"))

    def _with_day(self) -> exp.Query:
        """SQL of the relation's ``_by_day`` form, from its file."""
        if self.detector is None:
            return templates.template(f"{self.kind}{BY_DAY}")
        return templates.fill(templates.example(self.kind), filling_of(self.detector))

    def columns(self) -> list[str]:
        """Its columns, in order."""
        return list(self.definition().named_selects)


class Relations:
    """The relations of one lake, made as they are asked for."""

    def __init__(self, store: ObjectStore) -> None:
        self.detectors = DetectorSchemas(store)

    def names(self) -> list[str]:
        """All that can be asked for, but for the ``_by_day`` forms; raises `StoreError`."""
        return sorted(relation.name for relation in self.all() if not relation.by_day and relation.kind in _ASKED)

    def all(self) -> Iterator[Relation]:
        """All, each after those it reads; raises `StoreError`."""
        for kind in templates.INTERNAL:
            yield Relation(kind, kind, False)
        for kind in templates.GENERIC:
            yield from _both(kind, None)
        for detector in self.detectors.all():
            for kind in _IN_ORDER:
                if kind != "live" or detector.source is not None:
                    yield from _both(kind, detector)
                else:
                    # with_livedata reads it: without a source it is there and has no row.
                    yield Relation(f"{kind}_{detector.sql_name}{BY_DAY}", kind, True, detector)

    def find(self, name: str, extra_columns: Callable[[], Iterable[str]] = tuple) -> Relation | None:
        """The relation of that name.

        Parameters
        ----------
        name
            As in the query.
        extra_columns
            For a lake without any alert: the columns that the query expects of a detector nobody knows yet.

        Raises
        ------
        QueryError
            Several detectors bear that name, or the relation needs a source that nobody registered.
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
        safe = stem.removeprefix(f"{kind}_")
        detector = self.detectors.find(safe)
        if detector is None:
            if self.detectors.any():
                return None
            detector = _unknown(safe, list(extra_columns()))
        elif kind == "live" and detector.source is None and not by_day:
            raise QueryError(
                f"{name}: nobody registered source data of detector {detector.name}; expected register_source first"
            )
        return Relation(name, kind, by_day, detector)

    def unknown(self, name: str) -> QueryError:
        """The error for a name that no relation bears."""
        names = self.names()
        near = difflib.get_close_matches(name.lower(), names, n=5, cutoff=0.5) or names[:5]
        return QueryError(f"no relation {name!r}; near names: {', '.join(near)}")


_ASKED = (*templates.GENERIC, *templates.PER_DETECTOR)
_IN_ORDER = ("metricvalue_anomalyscore", "with_dimensioncontributions", "anomalies", "live", "with_livedata")


def _both(kind: str, detector: DetectorSchema | None) -> Iterator[Relation]:
    name = kind if detector is None else f"{kind}_{detector.sql_name}"
    yield Relation(f"{name}{BY_DAY}", kind, True, detector)
    yield Relation(name, kind, False, detector)


def _unknown(safe: str, columns: list[str]) -> DetectorSchema:
    """A detector of which no alert has come: it has whatever measures and dimensions a query speaks of."""
    measures = {
        column.removesuffix(ending)
        for column in columns
        for ending in ("anomalymetricvalue", "groupscore")
        if column.endswith(ending) and column != ending
    }
    wide = {one.format(measure) for measure in measures for one in templates.SCORE_COLUMNS}
    dimensions = set(columns) - wide - measures - templates.own_columns()
    return DetectorSchema(f"arn:::::AnomalyDetector:{safe}", safe, tuple(sorted(measures)), tuple(sorted(dimensions)))


def filling_of(detector: DetectorSchema) -> Filling:
    """What a detector puts in the place of the example in ``queries/``."""
    dimension, *_ = templates.EXAMPLE_DIMENSIONS
    measure, *_ = templates.EXAMPLE_MEASURES
    measures, dimensions = columns_of(detector)
    source = detector.source
    live_dimensions = source.dimension_list if source else detector.dimensions
    aggregations = {one.metric_name: one.aggregation_function for one in source.metric_list} if source else {}
    live_measures = sorted(aggregations) if source else detector.measures
    value_column, score_column = (one.format(measure) for one in templates.SCORE_COLUMNS)
    by_dimension = {
        name: Repeat({dimension: column, f"source_{dimension}": f"source_{column}"}, {dimension: name})
        for name, column in dimensions.items()
    }
    scores = [
        Repeat({value_column: value, score_column: score}, {measure: name})
        for name, (_, value, score) in measures.items()
    ]
    live = [
        Repeat(
            {measure: measures[name][0], f"source_{measure}": f"source_{measures[name][0]}"},
            {},
            aggregations.get(name) == "AVG",
        )
        for name in live_measures
    ]
    return Filling(
        repeats={
            f"source_{dimension}": [by_dimension[name] for name in sorted(live_dimensions)],
            dimension: list(by_dimension.values()),
            value_column: scores,
            score_column: scores,
            measure: live,
            f"source_{measure}": live,
        },
        texts={
            templates.EXAMPLE_DETECTOR: detector.name,
            templates.EXAMPLE_ARN: detector.arn,
            templates.EXAMPLE_TIMEZONE: source.timezone if source else "UTC",
            templates.EXAMPLE_FORMAT: to_strptime(source.timestamp_format) if source else templates.EXAMPLE_FORMAT,
        },
        numbers={
            templates.EXAMPLE_MINUTES: str(FREQUENCIES[source.frequency]) if source else templates.EXAMPLE_MINUTES
        },
        tables={
            f"{stem}{templates.EXAMPLE_DETECTOR}{end}": f"{stem}{detector.sql_name}{end}"
            for stem, end in (("live_", BY_DAY), ("metricvalue_anomalyscore_", BY_DAY), ("source_", ""))
        },
    )


def columns_of(detector: DetectorSchema) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """The columns of a detector's measures (value in live data, value and score in anomalies) and dimensions."""
    measures = column_names(detector.measures, templates.own_columns(), ("{}", *templates.SCORE_COLUMNS))
    taken = templates.own_columns().union(*measures.values())
    return measures, {name: column for name, (column,) in column_names(detector.dimensions, taken).items()}


def source_columns(detector: DetectorSchema) -> dict[str, str]:
    """What the columns of a detector's source are called in its source table: by their names in the source."""
    measures, dimensions = columns_of(detector)
    source = detector.source
    if source is None:
        # Alerts may call a measure and a dimension the same; a source's columns are never called so.
        columns = [*dimensions.values(), *(one for one, *_ in measures.values())]
        return {column: f"source_{column}" for column in ("timestamp", *columns)}
    names = {name: f"source_{dimensions[name]}" for name in source.dimension_list}
    names.update({one.metric_name: f"source_{measures[one.metric_name][0]}" for one in source.metric_list})
    return {source.timestamp_column: "source_timestamp", **names}


def expand(relation: Relation, relations: Relations, tables: Tables, bounds: Bounds = ALL) -> exp.Query:
    """A relation's SQL in terms of physical tables alone, so that bounds reach them for certain."""
    detector = relation.detector
    if detector is not None:
        bounds = bounds.and_(Bounds(frozenset({detector.name})))
    query = relation.definition()
    # A detector's relations read each other: nothing is to be looked up.
    own = {one.name: one for kind in templates.PER_DETECTOR for one in _both(kind, detector)} if detector else {}
    for table in list(query.find_all(exp.Table)):
        inner: exp.Query
        if table.name in PHYSICAL:
            inner = physical(table.name, tables, bounds)
        elif table.name.startswith(SOURCE) and detector is not None:
            inner = _source(detector, tables)
        else:
            read = own.get(table.name) or relations.find(table.name)
            assert read is not None, table.name
            if read.kind in templates.OF_ALL_DAYS:
                inner = tables.kept(read.kind) or expand(read, relations, tables, bounds.of_all_days())
            else:
                joined = relation.kind == "with_livedata" and relation.by_day
                inner = expand(read, relations, tables, bounds.widened() if joined else bounds)
        put_in_place(table, inner)
    return query


def physical(name: str, tables: Tables, bounds: Bounds) -> exp.Query:
    """One of the tables that hold every detector's rows."""
    return tables.alert_rows(bounds) if name == "alert_rows" else tables.alert_rows_csv(bounds)


def _source(detector: DetectorSchema, tables: Tables) -> exp.Query:
    return (
        no_source_rows(detector) if detector.source is None else tables.source_rows(detector, source_columns(detector))
    )


def no_source_rows(detector: DetectorSchema) -> exp.Query:
    """What stands for source rows where there is none."""
    columns = source_columns(detector).values()
    nothing = [exp.alias_(exp.cast(exp.Null(), "VARCHAR"), name, quoted=True) for name in columns]
    return exp.select(*nothing).where(exp.false())


def put_in_place(table: exp.Table, query: exp.Query) -> None:
    """Put a query where a table stood, under the same name and with what was joined to it."""
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
