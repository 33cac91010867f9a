"""Columns of a detector's measures and dimensions: those that were given before, and columns of new names.

A column that a relation has shown keeps its meaning. When relations are made, the columns of names that have none are
recorded in the lake (`anomalake.records.columns`); names that come later are given columns that are free. Where nothing
is recorded, the columns depend only on the set of names, as in lakes without records. In whatever order names come,
each has a column of its own: the order decides suffixes, never which values a column has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from anomalake.definitions.arns import detector_of
from anomalake.definitions.metric_set import MetricSet
from anomalake.query import templates
from anomalake.query.names import column_names
from anomalake.records.columns import ColumnRecord, create_column_record, read_column_record
from anomalake.records.errors import RecordInputError
from anomalake.storage.store import ObjectStore, StoreError

# Templates of the columns of a measure (its value in live data, its value and score in anomalies) and of a dimension.
_OF_MEASURE = ("{}", *templates.SCORE_COLUMNS)
_OF_DIMENSION = ("{}",)

# How often a record is written again because another process has written one with its number.
_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class DetectorSchema:
    """Measures and dimensions of a detector, from which the columns of its relations follow.

    Attributes
    ----------
    arn
        ARN of the detector.
    sql_name
        Name of the detector in the names of its relations.
    measures, dimensions
        Names in its alerts and its metric set, sorted.
    source
        Its metric set; None if no source data is registered.
    recorded
        Columns that its measures and dimensions were given, in the order of the records.
    """

    arn: str
    sql_name: str
    measures: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    source: MetricSet | None = None
    recorded: tuple[ColumnRecord, ...] = ()

    @property
    def name(self) -> str:
        """Name of the detector, as in its ARN."""
        return detector_of(self.arn)


def columns_of(detector: DetectorSchema) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Return the columns of a detector's measures and of its dimensions, by their names.

    A measure has three columns: its value in live data, and its value and score in anomalies. Names that the metric set
    declares equal have the same columns.
    """
    measures, dimensions, _ = _assign(detector)
    return measures, dimensions


def recorded_columns(store: ObjectStore, detector: DetectorSchema, last: int) -> tuple[ColumnRecord, ...]:
    """Read the records of a detector's columns, and write one for the names that have none.

    Where the lake cannot be written, or the detector's name cannot be part of a key, nothing is recorded or raised.

    Parameters
    ----------
    last
        Number of the last record in a listing.

    Raises
    ------
    RecordError, StoreError
        A record cannot be read.
    """
    # A listing may lack a record that has a lower number than another one in it, but the record is there.
    found = (read_column_record(store, detector.arn, number) for number in range(1, last + 1))
    detector = replace(detector, recorded=tuple(record for record in found if record is not None))
    for number in range(last + 1, last + 1 + _ATTEMPTS):
        new = _assign(detector)[2]
        if new is None:
            break
        try:
            written = create_column_record(store, number, new)
        except (StoreError, RecordInputError):
            break
        record = new if written else read_column_record(store, detector.arn, number)
        if record is not None:
            detector = replace(detector, recorded=(*detector.recorded, record))
    return detector.recorded


def _assign(detector: DetectorSchema) -> tuple[dict[str, tuple[str, ...]], dict[str, str], ColumnRecord | None]:
    """Return the columns of measures and of dimensions, and the record of those that no record gives."""
    source = detector.source
    equal_measures = source.aliases_of(source.measures) if source is not None else {}
    equal_dimensions = source.aliases_of(source.dimension_list) if source is not None else {}
    taken = set(templates.FIXED_COLUMNS)
    given_measures: dict[str, tuple[str, ...]] = {}
    given_dimensions: dict[str, tuple[str, ...]] = {}
    for record in detector.recorded:
        _give(record.measures, _OF_MEASURE, given_measures, taken)
        _give(record.dimensions, _OF_DIMENSION, given_dimensions, taken)
    measures, new_measures = _columns(detector.measures, equal_measures, given_measures, taken, _OF_MEASURE)
    taken.update(*new_measures.values())
    dimensions, new_dimensions = _columns(detector.dimensions, equal_dimensions, given_dimensions, taken, _OF_DIMENSION)
    new = ColumnRecord(
        detector.arn,
        {name: columns[0] for name, columns in new_measures.items()},
        {name: columns[0] for name, columns in new_dimensions.items()},
    )
    single = {name: columns[0] for name, columns in dimensions.items()}
    return measures, single, new if new_measures or new_dimensions else None


def _give(
    recorded: Mapping[str, str], forms: Sequence[str], given: dict[str, tuple[str, ...]], taken: set[str]
) -> None:
    """Add recorded columns to those that are given and taken.

    A name keeps its first column that is free. Only a column that became a fixed column of the relations, in a later
    version of anomalake, is not free.
    """
    for name, column in recorded.items():
        columns = tuple(form.format(column) for form in forms)
        if name not in given and taken.isdisjoint(columns):
            given[name] = columns
            taken.update(columns)


def _columns(
    names: Collection[str],
    equal: Mapping[str, Sequence[str]],
    given: Mapping[str, tuple[str, ...]],
    taken: Collection[str],
    forms: Sequence[str],
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Return the columns of all names, in the order of the names, and those of the names that were given none.

    Parameters
    ----------
    equal
        Aliases by name. Of equal names, the column that was given first is the column of all.
    """
    main_of = {alias: name for name, aliases in equal.items() for alias in aliases}
    first: dict[str, tuple[str, ...]] = {}
    for name, columns in given.items():
        first.setdefault(main_of.get(name, name), columns)
    mains = {name: main_of.get(name, name) for name in sorted(set(names))}
    new = column_names(set(mains.values()) - first.keys(), taken, forms)
    return {name: first[main] if main in first else new[main] for name, main in mains.items()}, new
