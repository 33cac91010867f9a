"""The tables and views of a lake in a folder, as statements of Trino.

Views are the product's own statements. Its tables are made with CloudFormation and with Hive's DDL, which Trino does
not read, so the same tables are written here in Trino's words.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from anomalake.definitions.errors import SourceError
from anomalake.errors import AnomalakeError
from anomalake.lake import cause_rows, rows, withdrawal_rows
from anomalake.lake.layout import CAUSES, FILES, WITHDRAWALS
from anomalake.lake.settings import DEFAULT_FORMATS, read_formats
from anomalake.local.source_files import FolderOrS3Files
from anomalake.query.columns import DetectorSchema
from anomalake.query.detectors import DetectorSchemas
from anomalake.query.relations import Relations
from anomalake.query.statements import CatalogRelation, UndefinedRelations, catalog_relations
from anomalake.query.trino.types import type_of_arrow
from anomalake.services.sources import register_source
from anomalake.sources.ports import SourceFile
from anomalake.storage.objects import memory_store, open_store, store_folder
from anomalake.storage.store import ObjectStore

#: What `catalog_relations` receives in place of the folder that a lake is in, because Athena reads S3 only.
_PLACE = "s3://place/"
_PARTITIONS = {"detector": "varchar", "day": "varchar"}
_LINES = {
    "format": "'TEXTFILE'",
    "textfile_field_separator": "','",
    "null_format": "''",
    "skip_header_line_count": "1",
}


class UnknownStatementError(AnomalakeError):
    """A table of Athena that this module cannot write in Trino's words."""


class LakeInTrino:
    """A lake in a folder that Trino can read too.

    Parameters
    ----------
    folder
        The lake.
    location
        The folder that the lake's folder is in, as Trino names it: ``local:///data`` or ``s3://bucket``.
    """

    def __init__(self, folder: Path, location: str) -> None:
        self._store = open_store(str(folder), create=False)
        self._folder = folder.resolve()
        self._location = location if location.endswith("/") else f"{location}/"
        self._formats = read_formats(self._store) or DEFAULT_FORMATS

    def tables(self, catalog: str, schema: str) -> Iterator[str]:
        """Yield the statements that make the tables of alerts, withdrawals and causes, and find their partitions."""
        if "parquet" in self._formats:
            columns = {field.name: str(type_of_arrow(field.type)) for field in rows.SCHEMA}
            yield from self._partitioned("parquet", columns, {"format": "'PARQUET'"}, f"{catalog}.system", schema)
        else:
            columns = dict.fromkeys(rows.SCHEMA.names, "varchar")
            yield from self._partitioned("csv", columns, _LINES, f"{catalog}.system", schema)
        columns = {field.name: str(type_of_arrow(field.type)) for field in cause_rows.SCHEMA}
        yield from self._partitioned(CAUSES, columns, {"format": "'PARQUET'"}, f"{catalog}.system", schema)
        columns = {field.name: str(type_of_arrow(field.type)) for field in withdrawal_rows.SCHEMA}
        yield self._table(FILES[WITHDRAWALS][0], columns, {"format": "'PARQUET'"})

    def relations(self) -> Iterator[CatalogRelation | UndefinedRelations]:
        """Yield the lake's relations in Trino, each after those that it reads."""
        relations = Relations(self._store)
        relations.detectors = _MovedSources(self._store, self._folder)
        for item in catalog_relations(relations, self._formats):
            if not isinstance(item, CatalogRelation) or not item.statement.startswith("CREATE EXTERNAL TABLE"):
                yield item
                continue
            try:
                yield replace(item, statement=source_table(item.statement, self._location))
            except UnknownStatementError as error:
                yield UndefinedRelations(item.detector or item.name, error)

    def _partitioned(
        self, format_: str, columns: Mapping[str, str], properties: Mapping[str, str], procedures: str, schema: str
    ) -> Iterator[str]:
        path = FILES[format_][0]
        keys = ", ".join(f"'{name}'" for name in _PARTITIONS)
        yield self._table(path, {**columns, **_PARTITIONS}, {**properties, "partitioned_by": f"ARRAY[{keys}]"})
        if (self._folder / path).is_dir():
            yield f"CALL {procedures}.sync_partition_metadata('{schema}', '{Path(path).name}', 'ADD')"

    def _table(self, path: str, columns: Mapping[str, str], properties: Mapping[str, str]) -> str:
        name = Path(path).name
        if not (self._folder / path).is_dir():
            nulls = ", ".join(f'CAST(NULL AS {type_}) AS "{column}"' for column, type_ in columns.items())
            return f'CREATE VIEW "{name}" AS SELECT {nulls} WHERE false'
        return _create_table(name, columns, f"{self._location}{self._folder.name}/{path}/", properties)


class _MovedSources(DetectorSchemas):
    """Detectors whose sources in folders have the paths that `_PLACE` begins."""

    def __init__(self, store: ObjectStore, lake: Path) -> None:
        super().__init__(store)
        self._lake = lake

    def all(self, only: Collection[str] | None = None) -> list[DetectorSchema]:
        return [self._moved(detector) for detector in super().all(only)]

    def _moved(self, detector: DetectorSchema) -> DetectorSchema:
        source = detector.source
        if source is None:
            return detector
        moved = replace(
            source,
            historical_data_path_list=self._paths(source.historical_data_path_list),
            templated_path_list=self._paths(source.templated_path_list),
        )
        # A source in S3 is registered with the header of its files; without one, it has no relations in Athena.
        with suppress(SourceError):
            moved = register_source(memory_store(), moved, files=_MovedFiles(self._lake.parent))
        return replace(detector, source=moved)

    def _paths(self, paths: Sequence[str]) -> tuple[str, ...]:
        return tuple(map(self._path, paths))

    def _path(self, path: str) -> str:
        if "://" in path and not path.startswith("file://"):
            return path
        local = store_folder(path) if path.startswith("file://") else Path(path).expanduser()
        place = os.path.normpath(self._lake / local)
        try:
            return f"{_PLACE}{Path(place).relative_to(self._lake.parent).as_posix()}"
        except ValueError:
            return path


class _MovedFiles(FolderOrS3Files):
    """The files whose names `_PLACE` begins, in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def list(self, folder: str, *, recursive: bool = False) -> Sequence[SourceFile]:
        return super().list(self._moved(folder), recursive=recursive)

    def walk(self, folder: str) -> Iterator[SourceFile]:
        return super().walk(self._moved(folder))

    def _moved(self, folder: str) -> str:
        return folder.replace(_PLACE, f"{self._folder}/", 1)


_TEXT = r"'(?:[^'\\]|\\.)*'"
_TEXTS = rf"\(((?:{_TEXT}|[^')])*)\)"
_EXTERNAL_TABLE = re.compile(
    rf"CREATE EXTERNAL TABLE IF NOT EXISTS `(\w+)` \(([^)]*)\)\s+ROW FORMAT SERDE '[\w.]+\.OpenCSVSerde'\s+"
    rf"WITH SERDEPROPERTIES {_TEXTS}\s+LOCATION ({_TEXT})(?:\s+TBLPROPERTIES {_TEXTS})?",
    re.DOTALL,
)
_PROPERTIES = {
    "separatorChar": "csv_separator",
    "quoteChar": "csv_quote",
    "escapeChar": "csv_escape",
    "skip.header.line.count": "skip_header_line_count",
}


def source_table(statement: str, location: str) -> str:
    """Return Trino's statement for Athena's table of a source in CSV; raises `UnknownStatementError` for others."""
    match = _EXTERNAL_TABLE.fullmatch(statement)
    if match is None:
        name = statement.partition("`")[2].partition("`")[0]
        raise UnknownStatementError(f"table {name}: expected CSV; CREATE TABLE of Trino has no words for other sources")
    name, columns, properties, place, more = match.groups()
    found = dict(re.findall(rf"({_TEXT}) = ({_TEXT})", f"{properties}, {more or ''}"))
    unknown = {_of_hive(key) for key in found} - _PROPERTIES.keys()
    if unknown:
        raise UnknownStatementError(f"table {name}: properties {', '.join(sorted(unknown))} are not known here")
    texts = {_PROPERTIES[_of_hive(key)]: _literal(_of_hive(value)) for key, value in found.items()}
    if "skip_header_line_count" in texts:
        texts["skip_header_line_count"] = texts["skip_header_line_count"].strip("'")
    path = _of_hive(place)
    where = f"{location}{path.removeprefix(_PLACE)}" if path.startswith(_PLACE) else path
    fields = dict.fromkeys(re.findall(r"`(\w+)` string", columns), "varchar")
    return _create_table(name, fields, where, {"format": "'CSV'", **texts})


def _create_table(name: str, columns: Mapping[str, str], location: str, properties: Mapping[str, str]) -> str:
    fields = ", ".join(f'"{column}" {type_}' for column, type_ in columns.items())
    values = {"external_location": _literal(location), **properties}
    return f'CREATE TABLE "{name}" ({fields}) WITH ({", ".join(f"{key} = {value}" for key, value in values.items())})'


def _of_hive(literal: str) -> str:
    """The text of a literal in Hive's DDL."""
    known = {"n": "\n", "t": "\t", "u0000": "\0"}
    return re.sub(r"\\(u0000|.)", lambda match: known.get(match[1], match[1]), literal[1:-1], flags=re.DOTALL)


def _literal(text: str) -> str:
    """A text as a literal of Trino."""
    quoted = text.replace("'", "''")
    if quoted.isprintable():
        return f"'{quoted}'"
    escaped = quoted.replace("\\", "\\\\")
    return (
        "U&'"
        + "".join(character if character.isprintable() else f"\\+{ord(character):06x}" for character in escaped)
        + "'"
    )
