"""Source data of a metric set: their reader, and their registration for queries (the ``live_`` relation)."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime

from anomalake.definitions.errors import SourceError
from anomalake.definitions.intervals import folder_of
from anomalake.definitions.metric_set import CsvFormat, MetricSet
from anomalake.definitions.metric_set_fields import metric_set_from_fields
from anomalake.definitions.time_formats import NUMBER_FORMATS, check_readable_by_queries
from anomalake.local.source_files import FolderOrS3Files
from anomalake.records.metric_sets import metric_set_key, write_metric_set
from anomalake.sources.csv_header import header_of
from anomalake.sources.ports import SourceFile, SourceFiles, SourceTables
from anomalake.sources.rows import SourceFileError, as_wanted
from anomalake.storage.store import ObjectNotFound, ObjectStore

_UTF8 = ("utf-8", "utf-8-sig", "ascii")
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
) -> MetricSet:
    """Write the record of a metric set, so that its detector's ``live_`` relation has rows.

    Nothing is written if the record exists already. Queries on CSV files in S3 need the names of the columns; if the
    metric set lists none, they are read from the header of a file.

    Parameters
    ----------
    start
        Start of an interval whose files have a header. None: the first file of the history, else of any interval.
    files
        Reads the files. Default: folders and S3.

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
    csv_format = metric_set.file_format
    if not (isinstance(csv_format, CsvFormat) and not csv_format.header_list and _is_in_s3(metric_set)):
        if _registered(store, metric_set) != metric_set:
            write_metric_set(store, metric_set)
        return metric_set
    registered = _registered(store, metric_set)
    if registered is not None and _without_header(registered) == metric_set:
        return registered
    with_header = replace(
        metric_set, file_format=replace(csv_format, header_list=_header(metric_set, start, files or FolderOrS3Files()))
    )
    write_metric_set(store, with_header)
    return with_header


def check_queryable(metric_set: MetricSet) -> None:
    """Check that queries can read a source: its file format and its timestamps; raises `SourceError`."""
    if metric_set.kind not in ("csv", "json"):
        raise SourceError(
            f"source of {metric_set.detector_arn}: is {metric_set.kind}; queries on live data read CSV and JSON lines"
        )
    unsupported = _unsupported_settings(metric_set)
    if unsupported:
        raise SourceError(
            f"source of {metric_set.detector_arn}: queries on live data do not support {', '.join(unsupported)}"
        )
    check_readable_by_queries(metric_set.timestamp_format)


def _unsupported_settings(metric_set: MetricSet) -> list[str]:
    """Settings of anomalake that detection knows and queries do not."""
    csv_format = metric_set.file_format
    found = {
        "ColumnNames": bool(metric_set.joined_timestamp_columns),
        f"ColumnFormat {metric_set.timestamp_format}": metric_set.timestamp_format in NUMBER_FORMATS,
    }
    if isinstance(csv_format, CsvFormat):
        found |= {
            "DecimalSeparator": csv_format.decimal_separator != ".",
            "ThousandsSeparator": bool(csv_format.thousands_separator),
            "NullValues with numbers": any(letter.isdigit() for text in csv_format.null_values for letter in text),
            "SkipLines": csv_format.skip_lines > 0,
            f"Charset {csv_format.charset}": codecs.lookup(csv_format.charset).name not in _UTF8,
        }
    return [name for name, is_set in found.items() if is_set]


def _is_in_s3(metric_set: MetricSet) -> bool:
    paths = (*metric_set.historical_data_path_list, *metric_set.templated_path_list)
    return any(path.startswith("s3://") for path in paths)


def _registered(store: ObjectStore, metric_set: MetricSet) -> MetricSet | None:
    try:
        return metric_set_from_fields(json.loads(store.get(metric_set_key(metric_set.detector_arn))))
    except (ObjectNotFound, ValueError):
        return None


def _without_header(metric_set: MetricSet) -> MetricSet:
    if not isinstance(metric_set.file_format, CsvFormat):
        return metric_set
    return replace(metric_set, file_format=replace(metric_set.file_format, header_list=()))


def _header(metric_set: MetricSet, start: datetime | None, files: SourceFiles) -> tuple[str, ...]:
    csv_format = metric_set.file_format
    assert isinstance(csv_format, CsvFormat)
    for file in _files(metric_set, files, start):
        with closing(files.open(file.name)) as stream:
            header = header_of(stream.read(_HEADER_BYTES), csv_format)
        if not header:
            continue
        try:
            return as_wanted(header, metric_set.columns, f"{file.name}: line 1")
        except SourceFileError as error:
            raise SourceError(str(error)) from error
    where = f"of the interval from {start.isoformat()}" if start is not None else "under its paths"
    raise SourceError(f"source of {metric_set.detector_arn}: no file {where}; expected one with a header")


def _files(metric_set: MetricSet, files: SourceFiles, start: datetime | None) -> Iterator[SourceFile]:
    if start is not None:
        for template in metric_set.templated_path_list:
            yield from files.list(folder_of(template, start, metric_set.timezone))
        return
    for path in (*metric_set.historical_data_path_list, *metric_set.templated_path_list):
        fixed, template, _ = path.partition("{{")
        yield from files.walk(fixed[: fixed.rfind("/") + 1] if template else fixed)
