"""A lake's relations in Athena: views, and tables of source data."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlglot import exp

from anomalake.definitions.day_folders import SOURCE_FOLDER_DAY, DayFolders, day_text, locations_of
from anomalake.definitions.metric_set import ZONED, CsvFormat, MetricSet, ParquetFormat
from anomalake.errors import AnomalakeError
from anomalake.query import templates
from anomalake.query.detectors import DetectorSchema
from anomalake.query.errors import SourceError
from anomalake.query.names import sql_name
from anomalake.query.relations import (
    BY_DAY,
    Relation,
    Relations,
    athena_table_rows,
    empty_source,
    replace_table,
    source_columns,
    typed_column,
    without_folder_day,
)

#: Folders of earlier days are not read in Athena. A query without bounds on time lists every day's folder.
FIRST_FOLDER_DAY = date(2010, 1, 1)
#: No character, in the properties of OpenCSVSerde.
NUL = "\0"
_DIGEST_LENGTH = 8


@dataclass(frozen=True, slots=True)
class CatalogRelation:
    """A view or table of the Glue database.

    Attributes
    ----------
    name
        Its name.
    statement
        Athena's statement that creates it, or that deletes it.
    reads
        Names of the relations that it reads.
    detector
        Name of the detector that it belongs to; None for relations of every lake.
    digest
        SHA-256 of its statement and of the digests of the relations that it reads, in hex: a view is made again when
        what it reads is, because Athena keeps the types of a view's columns.
    """

    name: str
    statement: str
    reads: frozenset[str] = frozenset()
    detector: str | None = None
    digest: str = ""

    @property
    def is_table(self) -> bool:
        """Whether the relation is a table of source rows."""
        return self.statement.startswith("CREATE EXTERNAL TABLE ")

    @property
    def creates(self) -> bool:
        """Whether the relation exists after its statement."""
        return not self.statement.startswith("DROP ")


@dataclass(frozen=True, slots=True)
class UndefinedRelations:
    """A detector whose relations cannot be defined, and the reason."""

    detector: str
    error: AnomalakeError


def catalog_relations(
    relations: Relations, formats: Sequence[str] = ("parquet",), only_detectors: Collection[str] | None = None
) -> Iterator[CatalogRelation | UndefinedRelations]:
    """Yield the relations of a lake in Athena, each after those that it reads.

    The tables ``alert_rows`` (in a lake with CSV only: ``alert_rows_csv``), ``withdrawal_rows`` and ``cause_rows``
    must exist.

    Parameters
    ----------
    relations
        Relations of the lake.
    formats
        Table formats of the lake.
    only_detectors
        Names of the detectors whose relations are yielded, after those of every lake. None: all detectors.

    Raises
    ------
    QueryError, StoreError
    """
    digests: dict[str, str] = {}

    def digested(relation: CatalogRelation) -> CatalogRelation:
        parts = [relation.statement, *sorted(digests.get(name, "") for name in relation.reads)]
        digests[relation.name] = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        return replace(relation, digest=digests[relation.name])

    if "parquet" not in formats:
        yield digested(_view("alert_rows", templates.template("alert_rows_from_csv")))
    detectors: dict[str, DetectorSchema] = {}
    by_detector: dict[str, list[Relation]] = {}
    for relation in relations.all(only_detectors):
        if relation.detector is None:
            yield digested(_view(relation.name, _definition(relation)))
        else:
            detectors[relation.detector.arn] = relation.detector
            by_detector.setdefault(relation.detector.arn, []).append(relation)
    name_counts = Counter(detector.name for detector in detectors.values())
    for name in sorted(name for name, number in name_counts.items() if number > 1):
        # With a second detector of that name, no relation has the plain name any more.
        for kind in templates.PER_DETECTOR:
            for end in ("", BY_DAY):
                view = f"{kind}_{sql_name(name)}{end}"
                yield digested(CatalogRelation(view, f"DROP VIEW IF EXISTS {_safe(view)}", detector=name))
    for arn, of_detector in by_detector.items():
        detector = detectors[arn]
        try:
            defined = [*_source(detector)]
            defined += [_view(relation.name, _definition(relation), detector.name) for relation in of_detector]
        except SourceError as error:
            yield UndefinedRelations(detector.name, error)
            continue
        for item in defined:
            yield digested(item)


def _view(name: str, query: exp.Query, detector: str | None = None) -> CatalogRelation:
    # A table with the name of a database is one of a source.
    reads = frozenset(table.name for table in query.find_all(exp.Table) if not table.db)
    return CatalogRelation(name, create_view(name, query), reads, detector)


def create_view(name: str, query: exp.Query) -> str:
    """Return ``CREATE OR REPLACE VIEW`` in Athena's dialect."""
    return exp.Create(kind="VIEW", replace=True, this=_table(name), expression=query).sql(
        templates.DIALECT, pretty=True
    )


def _definition(relation: Relation) -> exp.Query:
    query = relation.definition()
    if relation.kind == "live" and relation.by_day and relation.detector and relation.detector.source is None:
        for table in list(query.find_all(exp.Table)):
            replace_table(table, empty_source(relation.detector))
    return query


def _table(name: str) -> exp.Table:
    return exp.Table(this=exp.to_identifier(name, quoted=True))


def _source(detector: DetectorSchema) -> Iterator[CatalogRelation]:
    """Yield the tables of a detector's source rows, one for each location of files, and the view on them.

    The name of a table has the digest of its definition, so that a changed definition makes another table beside it.
    """
    source = detector.source
    if source is None:
        return
    view = f"source_{detector.sql_name}"
    if source.athena is not None:
        yield _view(view, athena_table_rows(source, source_columns(detector)), detector.name)
        return
    for path in source.paths:
        if not path.startswith("s3://"):
            raise SourceError(f"source path {path!r}: expected s3://BUCKET/PREFIX, which Athena can read")
    columns = _columns(detector, source)
    selects: list[exp.Query] = []
    for number, (location, folders) in enumerate(locations_of(source), 1):
        digest = hashlib.sha256(_external_table("name", location, folders, detector).encode()).hexdigest()
        name = f"{source_part_prefix(view)}{number}_{digest[:_DIGEST_LENGTH]}"
        yield CatalogRelation(name, _external_table(name, location, folders, detector), detector=detector.name)
        folder_day = without_folder_day() if folders is None else exp.column(SOURCE_FOLDER_DAY, quoted=True)
        selects.append(exp.select(*columns, folder_day).from_(_table(name)))
    query = selects[0]
    for select in selects[1:]:
        query = exp.union(query, select, distinct=False)
    yield _view(view, query, detector.name)


def _columns(detector: DetectorSchema, source: MetricSet) -> list[exp.Expr]:
    """Return the columns of source rows, as a query selects them from a table of files."""
    columns = source_columns(detector)
    if not isinstance(source.file_format, ParquetFormat):
        return [exp.column(column, quoted=True) for column in columns.values()]
    # Parquet's columns keep their names, by which Athena finds them.
    typed = ((typed_column(source, name), column) for name, column in columns.items())
    return [exp.alias_(value, column, quoted=True) for value, column in typed]


def source_part_prefix(view: str) -> str:
    """Return the beginning of the names of the tables that a view on source rows reads.

    No result of `sql_name` has ``__p`` and a number, so the names are free.
    """
    return f"{view}__p"


def _external_table(name: str, location: str, folders: DayFolders | None, detector: DetectorSchema) -> str:
    source = detector.source
    assert source is not None
    if isinstance(source.file_format, ParquetFormat):
        fields, stored = _parquet_columns(source, source.file_format), "STORED AS PARQUET"
        return _create_table(name, fields, folders, stored, location, {})
    columns = source_columns(detector)
    if isinstance(source.file_format, CsvFormat):
        csv = source.file_format
        if not csv.header_list:
            raise SourceError(
                f"source of {detector.arn}: HeaderList is empty; expected the columns of its files, "
                "which register_source adds"
            )
        names = [columns.get(column, f"unused_{position}") for position, column in enumerate(csv.header_list)]
        serde = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
        # Without an escape character: a doubled quote is one quote all the same, and a backslash is a backslash.
        properties = {"separatorChar": csv.delimiter, "quoteChar": csv.quote_symbol or NUL, "escapeChar": NUL}
        table_properties = {"skip.header.line.count": "1"} if csv.contains_header else {}
    else:
        names = list(columns.values())
        serde = "org.openx.data.jsonserde.JsonSerDe"
        properties = {"case.insensitive": "false"} | {f"mapping.{safe}": column for column, safe in columns.items()}
        table_properties = {}
    stored = f"ROW FORMAT SERDE '{serde}'\nWITH SERDEPROPERTIES ({_properties(properties)})"
    fields = {_safe(column): "string" for column in names}
    return _create_table(name, fields, folders, stored, location, table_properties)


def _create_table(
    name: str,
    fields: Mapping[str, str],
    folders: DayFolders | None,
    stored: str,
    location: str,
    properties: Mapping[str, str],
) -> str:
    """Return the statement that creates a table of files.

    Folders of days are partitions that Athena computes from the conditions of a query (partition projection); it finds
    the files below a folder by itself.
    """
    field_list = ",\n  ".join(f"`{column}` {type_}" for column, type_ in fields.items())
    lines = [f"CREATE EXTERNAL TABLE IF NOT EXISTS `{_safe(name)}` (\n  {field_list}\n)"]
    if folders is not None:
        lines.append(f"PARTITIONED BY (`{SOURCE_FOLDER_DAY}` string)")
        properties = {**properties, **_projection(folders)}
    lines += [stored, f"LOCATION {_quoted(location)}"]
    if properties:
        lines.append(f"TBLPROPERTIES ({_properties(properties)})")
    return "\n".join(lines)


def _projection(folders: DayFolders) -> dict[str, str]:
    column = f"projection.{SOURCE_FOLDER_DAY}"
    return {
        "projection.enabled": "true",
        f"{column}.type": "date",
        f"{column}.format": folders.pattern,
        # Athena's clock is UTC: the day of a zone is at most one ahead.
        f"{column}.range": f"{day_text(folders.pattern, FIRST_FOLDER_DAY)},NOW+2DAYS",
        f"{column}.interval": "1",
        f"{column}.interval.unit": "DAYS",
        "storage.location.template": f"{folders.prefix}${{{SOURCE_FOLDER_DAY}}}/",
    }


def _parquet_columns(source: MetricSet, parquet: ParquetFormat) -> dict[str, str]:
    """Return the types of the columns of Parquet files, by their names."""
    types = {column.name: column.type for column in parquet.column_list}
    if not types:
        raise SourceError(
            f"source of {source.detector_arn}: ColumnList is empty; expected the columns of its files, "
            "which register_source adds"
        )
    lower = [column.lower() for column in source.columns]
    for column in source.columns:
        if not _PARQUET_COLUMN.fullmatch(column) or lower.count(column.lower()) > 1:
            raise SourceError(
                f"source of {source.detector_arn}: column {column!r}: Athena finds Parquet's columns by their names, "
                "without case; expected letters, digits, _, - and spaces, and no two names that differ in case only"
            )
    # Athena reads an instant of a file as its time in UTC.
    fields = ((column.lower(), types[column]) for column in source.columns)
    return {column: "timestamp" if type_ == ZONED else type_ for column, type_ in fields}


_PARQUET_COLUMN = re.compile(r"[A-Za-z0-9_ -]+")


def drop_table(name: str) -> str:
    """Return ``DROP TABLE IF EXISTS`` in Athena's DDL, which is Hive's."""
    return f"DROP TABLE IF EXISTS `{_safe(name)}`"


def _safe(name: str) -> str:
    assert re.fullmatch(r"[a-z0-9_]+", name), name
    return name


def _properties(properties: Mapping[str, str]) -> str:
    return ", ".join(f"{_quoted(key)} = {_quoted(value)}" for key, value in properties.items())


def _quoted(text: str) -> str:
    """Return a text as a literal in Hive's DDL."""
    for character, escape in (("\\", "\\\\"), ("'", "\\'"), ("\n", "\\n"), ("\t", "\\t"), (NUL, "\\u0000")):
        text = text.replace(character, escape)
    return f"'{text}'"
