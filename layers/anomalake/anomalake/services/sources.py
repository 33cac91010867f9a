"""Source data of a metric set: their reader, and their registration for queries (the ``live_`` relation)."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime

from anomalake.definitions.errors import SourceError
from anomalake.definitions.intervals import folder_of
from anomalake.definitions.metric_set import ZONED, CsvFormat, MetricSet, ParquetFormat
from anomalake.definitions.metric_set_fields import metric_set_from_fields
from anomalake.definitions.time_formats import check_readable_by_queries
from anomalake.local.source_files import FolderOrS3Files, local_path
from anomalake.records.metric_sets import metric_set_key, write_metric_set
from anomalake.sources.csv_header import header_of
from anomalake.sources.csv_rows import break_line, line_with_break
from anomalake.sources.file_bytes import FileText
from anomalake.sources.parquet_rows import column_types
from anomalake.sources.ports import SourceFile, SourceFiles, SourceTables
from anomalake.sources.rows import SourceFileError, as_wanted
from anomalake.storage.objects import store_folder
from anomalake.storage.store import ObjectNotFound, ObjectStore

#: Bytes of a file that are read to find its header.
_HEADER_BYTES = 256 * 1024


def open_source_files(metric_set: MetricSet) -> SourceFiles | SourceTables:
    """Open the reader of a metric set's source data: files, or an Athena table."""
    if metric_set.athena is None:
        return FolderOrS3Files()
    from anomalake.aws.athena_source import AthenaTables

    return AthenaTables()


def register_source(
    store: ObjectStore,
    metric_set: MetricSet,
    start: datetime | None = None,
    files: SourceFiles | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> MetricSet:
    """Write the record of a metric set, so that its detector's ``live_`` relation has rows.

    Nothing is written if the record exists already. Queries on CSV files in S3 need the names of the columns, and those
    on Parquet files their types; if the metric set lists none, they are read from a file.

    Parameters
    ----------
    start
        Start of an interval whose files have a header. None: the first file of the history, else of any interval.
    files
        Reads the files. Default: folders and S3.
    warn
        Receives a line about a file that Athena does not read as it is meant: a line break in a quoted cell of CSV.
        Only the beginning of the file that has the header is searched; detection searches every file that it reads.

    Returns
    -------
    MetricSet
        As it was written.

    Raises
    ------
    SourceError
        Queries cannot read the source, or no file has a header with the metric set's columns.
    StoreError
    """
    check_queryable(metric_set)
    registered = _registered(store, metric_set)
    if registered == metric_set or (registered is not None and _without_columns(registered) == metric_set):
        return registered
    completed = _with_columns(_at(store, metric_set), start, files or FolderOrS3Files(), warn)
    completed = replace(metric_set, file_format=completed.file_format)
    check_queryable(completed)
    write_metric_set(store, completed)
    return completed


def check_queryable(metric_set: MetricSet) -> None:
    """Check that queries can read a source: its settings, its timestamps and its types; raises `SourceError`."""
    if metric_set.settings_without_queries:
        raise SourceError(
            f"source of {metric_set.detector_arn}: queries on live data do not support "
            f"{', '.join(metric_set.settings_without_queries)}"
        )
    if metric_set.timestamp_type == "text":
        check_readable_by_queries(metric_set.timestamp_format)
    if not isinstance(metric_set.file_format, ParquetFormat):
        return
    for column in metric_set.file_format.column_list:
        allowed, expected = _types_of(column.name, metric_set)
        if column.type.partition("(")[0] not in allowed:
            raise SourceError(
                f"source of {metric_set.detector_arn}: column {column.name!r} has the type {column.type}; "
                f"queries on live data expect {expected}"
            )


def _types_of(column: str, metric_set: MetricSet) -> tuple[tuple[str, ...], str]:
    """Return the types that queries can read in a column, and their names in messages."""
    if column == metric_set.timestamp_column:
        return ("string", "date", "timestamp", ZONED), "text, a date or a timestamp"
    if column in metric_set.measures:
        return ("string", "float", "double", "decimal", *_WHOLE_NUMBERS), "numbers"
    # The text of other types differs between engines, so that it would not equal the value in alerts.
    allowed = ("string", "boolean", "date", "decimal", *_WHOLE_NUMBERS)
    return allowed, "text, whole numbers, decimals, booleans or dates"


_WHOLE_NUMBERS = ("tinyint", "smallint", "int", "bigint")


def _at(store: ObjectStore, metric_set: MetricSet) -> MetricSet:
    """Return a metric set whose relative paths start at the folder of a lake, as queries read them."""
    if not isinstance(metric_set.file_format, ParquetFormat) or _is_in_s3(metric_set):
        return metric_set
    lake = store_folder(store.uri)

    def absolute(paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(local_path(path, lake)) for path in paths)

    return replace(
        metric_set,
        historical_data_path_list=absolute(metric_set.historical_data_path_list),
        templated_path_list=absolute(metric_set.templated_path_list),
    )


def _is_in_s3(metric_set: MetricSet) -> bool:
    return any(path.startswith("s3://") for path in metric_set.paths)


def _registered(store: ObjectStore, metric_set: MetricSet) -> MetricSet | None:
    try:
        return metric_set_from_fields(json.loads(store.get(metric_set_key(metric_set.detector_arn))))
    except (ObjectNotFound, ValueError):
        return None


def _without_columns(metric_set: MetricSet) -> MetricSet:
    """Return a metric set without what `_with_columns` adds."""
    if isinstance(metric_set.file_format, CsvFormat):
        return replace(metric_set, file_format=replace(metric_set.file_format, header_list=()))
    if isinstance(metric_set.file_format, ParquetFormat):
        return replace(metric_set, file_format=ParquetFormat())
    return metric_set


def _with_columns(
    metric_set: MetricSet, start: datetime | None, files: SourceFiles, warn: Callable[[str], None]
) -> MetricSet:
    """Return a metric set with the columns of its files, if queries need them and it lists none."""
    format_ = metric_set.file_format
    if metric_set.athena is not None:
        return metric_set
    if isinstance(format_, CsvFormat) and not format_.header_list and _is_in_s3(metric_set):
        return replace(metric_set, file_format=_with_header(metric_set, format_, start, files, warn))
    if isinstance(format_, ParquetFormat) and not format_.column_list:
        return replace(metric_set, file_format=_with_types(metric_set, start, files))
    return metric_set


def _with_header(
    metric_set: MetricSet, csv: CsvFormat, start: datetime | None, files: SourceFiles, warn: Callable[[str], None]
) -> CsvFormat:
    for file in _files(metric_set, files, start):
        with closing(files.open(file.name)) as stream:
            beginning = stream.read(_HEADER_BYTES)
        header = header_of(beginning, csv)
        if not header:
            continue
        try:
            header = as_wanted(header, metric_set.columns, f"{file.name}: line 1")
        except SourceFileError as error:
            raise SourceError(str(error)) from error
        line = line_with_break(FileText(io.BytesIO(beginning), csv.charset), csv)
        if line is not None:
            warn(break_line(file.name, line))
        return replace(csv, header_list=header)
    raise _no_file(metric_set, start, "one with a header")


def _with_types(metric_set: MetricSet, start: datetime | None, files: SourceFiles) -> ParquetFormat:
    for file in _files(metric_set, files, start):
        try:
            with closing(files.open(file.name)) as stream:
                columns = column_types(stream, metric_set)
        except SourceFileError as error:
            raise SourceError(f"{file.name}: {error}") from error
        if columns:
            return ParquetFormat(columns)
    raise _no_file(metric_set, start, "one with the types of the columns")


def _no_file(metric_set: MetricSet, start: datetime | None, expected: str) -> SourceError:
    where = f"of the interval from {start.isoformat()}" if start is not None else "under its paths"
    return SourceError(f"source of {metric_set.detector_arn}: no file {where}; expected {expected}")


def _files(metric_set: MetricSet, files: SourceFiles, start: datetime | None) -> Iterator[SourceFile]:
    if start is not None:
        for template in metric_set.templated_path_list:
            yield from files.list(folder_of(template, start, metric_set.timezone))
        return
    for path in metric_set.historical_data_path_list:
        yield from files.list(path, recursive=metric_set.recursive)
        yield from files.walk(path)
    for path in metric_set.templated_path_list:
        fixed = path.partition("{{")[0]
        yield from files.walk(fixed[: fixed.rfind("/") + 1])
