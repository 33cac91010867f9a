"""Statements that create a lake's relations in Athena: views, and tables of source data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from sqlglot import exp

from anomalake.definitions.metric_set import CsvFormat
from anomalake.query import templates
from anomalake.query.detectors import DetectorSchema
from anomalake.query.errors import SourceError
from anomalake.query.names import sql_name
from anomalake.query.relations import BY_DAY, Relation, Relations, empty_source, replace_table, source_columns


def statements(
    relations: Relations, formats: Sequence[str] = ("parquet",), only_detectors: Collection[str] | None = None
) -> Iterator[str]:
    """Statements that create or replace the views and source tables, each after those that it reads.

    The tables ``alert_rows`` (in a lake with CSV only: ``alert_rows_csv``) and ``withdrawal_rows`` must exist. A lake
    without a shape gets only the relations of every lake.

    Parameters
    ----------
    relations
        Relations of the lake.
    formats
        Table formats of the lake.
    only_detectors
        Names of the detectors whose relations are created. None: all relations of the lake.

    Raises
    ------
    QueryError, SourceError, StoreError
    """
    if "parquet" not in formats:
        yield create_view("alert_rows", templates.template("alert_rows_from_csv"))
    to_create = [
        relation
        for relation in relations.all()
        if only_detectors is None or (relation.detector is not None and relation.detector.name in only_detectors)
    ]
    detectors = {relation.detector.arn: relation.detector for relation in to_create if relation.detector}
    name_counts = Counter(detector.name for detector in detectors.values())
    for name in sorted(name for name, number in name_counts.items() if number > 1):
        # With a second detector of that name, no relation has the plain name any more.
        for kind in templates.PER_DETECTOR:
            for end in ("", BY_DAY):
                yield f"DROP VIEW IF EXISTS {_safe(f'{kind}_{sql_name(name)}{end}')}"
    for detector in detectors.values():
        if detector.source is not None:
            yield from _source_tables(detector)
    for relation in to_create:
        yield create_view(relation.name, _definition(relation))


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


def _source_tables(detector: DetectorSchema) -> Iterator[str]:
    source = detector.source
    assert source is not None
    table = f"source_{detector.sql_name}"
    locations = sorted({_location(path) for path in (*source.historical_data_path_list, *source.templated_path_list)})
    # No result of `sql_name` ends with __p and a number, so these names are free.
    parts = [table] if len(locations) == 1 else [f"{table}__p{number}" for number in range(1, len(locations) + 1)]
    for name, location in zip(parts, locations, strict=True):
        yield f"DROP TABLE IF EXISTS `{name}`"
        yield _external_table(name, location, detector)
    if len(parts) > 1:
        columns = [exp.column(name, quoted=True) for name in source_columns(detector).values()]
        selects = [exp.select(*columns).from_(_table(name)) for name in parts]
        query: exp.Query = selects[0]
        for select in selects[1:]:
            query = exp.union(query, select, distinct=False)
        yield create_view(table, query)


def _location(path: str) -> str:
    if not path.startswith("s3://"):
        raise SourceError(f"source path {path!r}: expected s3://BUCKET/PREFIX, which Athena can read")
    root = path.partition("{{")[0]
    return root if root.endswith("/") else root[: root.rfind("/") + 1] if "{{" in path else f"{root}/"


def _external_table(name: str, location: str, detector: DetectorSchema) -> str:
    source = detector.source
    assert source is not None
    columns = source_columns(detector)
    if isinstance(source.file_format, CsvFormat):
        csv = source.file_format
        if not csv.header_list:
            raise SourceError(
                f"source of {detector.arn}: HeaderList is empty; expected the columns of its files, "
                "which register_source adds"
            )
        fields = [columns.get(column, f"unused_{position}") for position, column in enumerate(csv.header_list)]
        serde = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
        properties = {"separatorChar": csv.delimiter, "quoteChar": csv.quote_symbol, "escapeChar": csv.quote_symbol}
        table_properties = {"skip.header.line.count": "1"} if csv.contains_header else {}
    else:
        fields = list(columns.values())
        serde = "org.openx.data.jsonserde.JsonSerDe"
        properties = {"case.insensitive": "false"} | {f"mapping.{safe}": column for column, safe in columns.items()}
        table_properties = {}
    field_list = ",\n  ".join(f"`{_safe(column)}` string" for column in fields)
    text = (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS `{_safe(name)}` (\n  {field_list}\n)\n"
        f"ROW FORMAT SERDE '{serde}'\nWITH SERDEPROPERTIES ({_properties(properties)})\nLOCATION {_quoted(location)}"
    )
    return f"{text}\nTBLPROPERTIES ({_properties(table_properties)})" if table_properties else text


def _safe(name: str) -> str:
    assert re.fullmatch(r"[a-z0-9_]+", name), name
    return name


def _properties(properties: dict[str, str]) -> str:
    return ", ".join(f"{_quoted(key)} = {_quoted(value)}" for key, value in properties.items())


def _quoted(text: str) -> str:
    """Return a text as a literal in Hive's DDL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\t", "\\t") + "'"
