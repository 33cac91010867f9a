"""The fields of CreateMetricSet: the one reader and the one writer of a `MetricSet`.

A detector file and the stored record of a metric set are read by the same function.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast, get_args
from urllib.parse import unquote, urlsplit

from anomalake.definitions.document import DocumentError, read_document
from anomalake.definitions.errors import SourceError
from anomalake.definitions.fields import Fields, Problems
from anomalake.definitions.messages import listed
from anomalake.definitions.metric_set import (
    COLUMN_TYPE,
    DEFAULT_MINIMUM_GOOD_SHARE,
    DEFAULT_NULL_VALUES,
    DEFAULT_TIMESTAMP_FORMAT,
    NAME,
    AthenaTable,
    ColumnType,
    CsvFormat,
    DimensionFilter,
    Direction,
    FileFormat,
    JsonLinesFormat,
    Measure,
    MetricSet,
    MissingData,
    NameAliases,
    ParquetFormat,
    check_timezone,
)
from anomalake.definitions.time_formats import NUMBER_FORMATS, template_parts, timestamp_reader
from anomalake.frequencies import FREQUENCIES

MOST_MEASURES = 20
MOST_DIMENSIONS = 20
MOST_PATHS = 10
MOST_ALIASES = 20
LONGEST_OFFSET = 432_000
MOST_TIMESTAMP_COLUMNS = 6
MOST_NULL_VALUES = 100
MOST_SKIPPED_LINES = 1_000

#: Bound of the lists of a stored metric set.
MOST_STORED = 10_000

_COLUMN = re.compile(r"[^\x00-\x1f\x7f]+")
_OTHER_SOURCES = (
    "AppFlowConfig",
    "CloudWatchConfig",
    # As in CloudFormation.
    "CloudwatchConfig",
    "RDSSourceConfig",
    "RedshiftSourceConfig",
)
_ATHENA_NAME = re.compile(r"[a-zA-Z0-9_]+")


def read_metric_set(
    fields: Fields,
    arn: str,
    frequency: str,
    data: str | None,
    problems: Problems,
    *,
    missing_data: MissingData = "ignore",
) -> MetricSet | None:
    """Read a metric set; None if it has problems.

    Parameters
    ----------
    arn, frequency
        Of the detector. The frequency is empty if it is invalid, which is a problem already.
    data
        Folder or URI to which paths are relative. None: the fields are a stored record (`metric_set_from_fields`).
    missing_data
        MissingData of measures without it.
    """
    stored = data is None
    if fields.node is None:
        return None
    before = len(problems.lines)
    fields.ignore("Tags", "ClientToken", "MetricSetArn", "CreationTime", "LastModificationTime", "ResponseMetadata")
    name = fields.text("MetricSetName", "1 to 63 of a-z A-Z 0-9 - _", pattern=NAME)
    described = fields.text("MetricSetDescription", "1 to 256 characters", longest=256)
    measures = _measures(fields, frequency, problems, stored, missing_data)
    dimensions = fields.texts("DimensionList", "a column's name", most=MOST_STORED if stored else MOST_DIMENSIONS)
    timezone = fields.text("Timezone", "a zone such as Europe/Paris", longest=64, default="UTC")
    try:
        check_timezone(timezone)
    except SourceError:
        fields.problem("Timezone", f"{timezone!r}: expected a zone of the tz database, such as Europe/Paris or UTC")
    source = fields.fields("MetricSource", required=True)
    recursive = source.fields("S3SourceConfig").boolean("Recursive", default=False)
    timestamps, pattern = _timestamp(fields, frequency, check=not stored, typed=source.has("AthenaSourceConfig"))
    filters = _filters(fields, dimensions, problems)
    offset = int(fields.number("Offset", 0, LONGEST_OFFSET, default=0, whole=True))
    share = fields.number("MinimumGoodShare", 0, 1, default=DEFAULT_MINIMUM_GOOD_SHARE)
    aliases = _aliases(fields, problems, stored)
    roll_ups = _roll_ups(fields, measures, dimensions)
    templates, histories, file_format, athena = _source(
        source, data, problems, is_text=fields.fields("TimestampColumn").has("ColumnFormat")
    )
    _check_columns(fields, timestamps, measures, dimensions, file_format, source)
    fields.unknown()
    if len(problems.lines) > before:
        return None
    if not frequency:
        return None
    try:
        return MetricSet(
            detector_arn=arn,
            timestamp_column=" ".join(timestamps),
            metric_list=measures,
            dimension_list=dimensions,
            timestamp_format=pattern,
            timezone=timezone,
            frequency=frequency,
            templated_path_list=templates,
            historical_data_path_list=histories,
            file_format=file_format,
            name=name,
            description=described,
            offset=offset,
            dimension_filter_list=filters,
            athena=athena,
            minimum_good_share=share,
            alias_list=aliases,
            recursive=recursive,
            joined_timestamp_columns=timestamps if len(timestamps) > 1 else (),
            roll_ups=roll_ups,
        )
    except SourceError as error:
        problems.add(fields.path, fields.node, str(error))
        return None


def metric_set_from_fields(given: Mapping[str, Any]) -> MetricSet:
    """Read a metric set from a CreateMetricSet request with its AnomalyDetectorArn.

    This is the stored form. The limits of a detector file (numbers of measures, dimensions and paths) do not apply,
    unknown fields are ignored, and paths stay as they are.

    Raises
    ------
    SourceError
        A field is missing or invalid: all of them are named, on one line.
    """
    problems = Problems("metric set", unknown_allowed=True)
    try:
        fields = Fields(read_document(json.dumps(given)), "", problems)
    except (DocumentError, TypeError, ValueError) as error:
        raise SourceError(f"metric set: {error}; expected CreateMetricSet's fields") from error
    arn = fields.text("AnomalyDetectorArn", "an ARN", longest=2_048, required=True)
    frequency = fields.text("MetricSetFrequency", "a frequency", default="PT1H")
    metric_set = read_metric_set(fields, arn, frequency, None, problems)
    if metric_set is None or problems.lines:
        raise SourceError("; ".join(problems.lines) or "metric set: expected CreateMetricSet's fields")
    return metric_set


def metric_set_to_fields(metric_set: MetricSet) -> dict[str, Any]:
    """Write a metric set as a CreateMetricSet request, with its AnomalyDetectorArn."""
    fields: dict[str, Any] = {
        "AnomalyDetectorArn": metric_set.detector_arn,
        "MetricSource": _source_fields(metric_set),
        "TimestampColumn": _timestamp_fields(metric_set),
        "Timezone": metric_set.timezone,
        "MetricList": [_measure_fields(measure) for measure in metric_set.metric_list],
        "DimensionList": list(metric_set.dimension_list),
        "MetricSetFrequency": metric_set.frequency,
    }
    if metric_set.name:
        fields["MetricSetName"] = metric_set.name
    if metric_set.description:
        fields["MetricSetDescription"] = metric_set.description
    if metric_set.offset:
        fields["Offset"] = metric_set.offset
    if metric_set.dimension_filter_list:
        fields["DimensionFilterList"] = [
            {
                "Name": dimension_filter.name,
                "FilterList": [
                    {"DimensionValue": value, "FilterOperation": "EQUALS"} for value in dimension_filter.values
                ],
            }
            for dimension_filter in metric_set.dimension_filter_list
        ]
    if metric_set.minimum_good_share != DEFAULT_MINIMUM_GOOD_SHARE:
        fields["MinimumGoodShare"] = metric_set.minimum_good_share
    if metric_set.alias_list:
        fields["AliasList"] = [{"Name": entry.name, "Aliases": list(entry.aliases)} for entry in metric_set.alias_list]
    if metric_set.roll_ups:
        fields["RollUps"] = True
    return fields


def _measure_fields(measure: Measure) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "MetricName": measure.metric_name,
        "AggregationFunction": measure.aggregation_function,
    }
    if measure.direction != "both":
        fields["Direction"] = measure.direction
    if measure.minimum_duration != 1:
        fields["MinimumDuration"] = measure.minimum_duration
    if measure.missing_data != "ignore":
        fields["MissingData"] = measure.missing_data
    return fields


def _timestamp_fields(metric_set: MetricSet) -> dict[str, Any]:
    if metric_set.athena is not None and not metric_set.athena.timestamp_is_text:
        return {"ColumnName": metric_set.timestamp_column}
    if metric_set.joined_timestamp_columns:
        return {
            "ColumnNames": list(metric_set.joined_timestamp_columns),
            "ColumnFormat": metric_set.timestamp_format,
        }
    return {"ColumnName": metric_set.timestamp_column, "ColumnFormat": metric_set.timestamp_format}


def _source_fields(metric_set: MetricSet) -> dict[str, Any]:
    table = metric_set.athena
    if table is not None:
        athena = {
            "DatabaseName": table.database_name,
            "TableName": table.table_name,
            "DataCatalog": table.data_catalog,
            "WorkGroupName": table.work_group_name,
        }
        return {
            "AthenaSourceConfig": athena | ({"S3ResultsPath": table.s3_results_path} if table.s3_results_path else {})
        }
    config = {
        "TemplatedPathList": list(metric_set.templated_path_list),
        "HistoricalDataPathList": list(metric_set.historical_data_path_list),
        "FileFormatDescriptor": _descriptor(metric_set.file_format),
    }
    return {"S3SourceConfig": config | ({"Recursive": True} if metric_set.recursive else {})}


def _descriptor(file_format: FileFormat) -> dict[str, Any]:
    if isinstance(file_format, ParquetFormat):
        columns = [{"Name": column.name, "Type": column.type} for column in file_format.column_list]
        return {"ParquetFormatDescriptor": {"ColumnList": columns} if columns else {}}
    common = {"FileCompression": file_format.file_compression, "Charset": file_format.charset}
    if isinstance(file_format, JsonLinesFormat):
        return {"JsonFormatDescriptor": common}
    csv_fields = {
        **common,
        "ContainsHeader": file_format.contains_header,
        "Delimiter": file_format.delimiter,
        "HeaderList": list(file_format.header_list),
        "QuoteSymbol": file_format.quote_symbol,
    }
    if file_format.decimal_separator != ".":
        csv_fields["DecimalSeparator"] = file_format.decimal_separator
    if file_format.thousands_separator:
        csv_fields["ThousandsSeparator"] = file_format.thousands_separator
    if file_format.null_values != DEFAULT_NULL_VALUES:
        csv_fields["NullValues"] = list(file_format.null_values)
    if file_format.skip_lines:
        csv_fields["SkipLines"] = file_format.skip_lines
    return {"CsvFormatDescriptor": csv_fields}


def read_filters(fields: Fields, name: str, problems: Problems) -> tuple[DimensionFilter, ...]:
    """Read dimension filters, in the form of a metric set (Name, …) or of an alert (DimensionName, …)."""
    found = []
    for node, path in fields.items(name, most=100):
        item = Fields(node, path, problems)
        key = "DimensionName" if item.has("DimensionName") else "Name"
        dimension = item.text(key, "a dimension's name", required=True)
        values: tuple[str, ...]
        if item.has("DimensionValueList"):
            values = item.texts("DimensionValueList", "a value as text", most=1_000, least=1, longest=4_096)
        else:
            values = tuple(_filter_values(item, problems))
        item.unknown()
        found.append(DimensionFilter(dimension, values))
    return tuple(found)


def _filter_values(item: Fields, problems: Problems) -> list[str]:
    values = []
    for node, path in item.items("FilterList", most=1_000, least=1):
        each = Fields(node, path, problems)
        given = each.get("DimensionValue")
        if given is None:
            each.problem("DimensionValue", "is missing or null; expected a text, in quotes where it is null or ~")
        values.append(each.text("DimensionValue", "a text", longest=4_096, shortest=0))
        each.choice("FilterOperation", ("EQUALS",), default="EQUALS")
        each.unknown()
    return values


def _filters(fields: Fields, dimensions: tuple[str, ...], problems: Problems) -> tuple[DimensionFilter, ...]:
    names = [name for name in ("DimensionFilterList", "MetricSetDimensionFilterList") if fields.has(name)]
    if len(names) > 1:
        fields.problem(names[1], "is given beside DimensionFilterList; expected one of them")
    found = read_filters(fields, names[0], problems) if names else ()
    for item in found:
        if item.name not in dimensions:
            fields.problem(names[0], f"{item.name!r}: expected a dimension of DimensionList: {', '.join(dimensions)}")
    return found


def _aliases(fields: Fields, problems: Problems, stored: bool) -> tuple[NameAliases, ...]:
    found = []
    for node, path in fields.items("AliasList", most=MOST_STORED if stored else MOST_MEASURES + MOST_DIMENSIONS):
        item = Fields(node, path, problems)
        name = item.text("Name", "a measure or dimension", required=True)
        found.append(NameAliases(name, item.texts("Aliases", "another name of it", most=MOST_ALIASES, least=1)))
        item.unknown()
    return tuple(found)


def read_missing_data(fields: Fields, *, default: MissingData = "ignore") -> MissingData:
    """Read MissingData, of a detector or a measure."""
    return cast(MissingData, fields.choice("MissingData", get_args(MissingData), default=default))


def _roll_ups(fields: Fields, measures: tuple[Measure, ...], dimensions: tuple[str, ...]) -> bool:
    roll_ups = fields.boolean("RollUps", default=False)
    if roll_ups and not dimensions:
        fields.problem("RollUps", "true: expected a dimension in DimensionList; without one, a measure is its total")
    if roll_ups and measures and all(measure.aggregation_function != "SUM" for measure in measures):
        fields.problem(
            "RollUps", "true: expected a measure with AggregationFunction SUM; the mean of means would need weights"
        )
    return roll_ups


def _measures(
    fields: Fields, frequency: str, problems: Problems, stored: bool, missing_data: MissingData
) -> tuple[Measure, ...]:
    measures = []
    # What has lasted longer may have become the new level.
    longest = FREQUENCIES[frequency].event_length if frequency in FREQUENCIES and not stored else MOST_STORED
    for node, path in fields.items("MetricList", most=MOST_STORED if stored else MOST_MEASURES, least=1):
        member = Fields(node, path, problems)
        member.ignore("Namespace")
        name = member.text("MetricName", "a column's name", pattern=_COLUMN, required=True)
        function = member.choice("AggregationFunction", ("SUM", "AVG"), required=not stored, default="SUM")
        direction = cast(Direction, member.choice("Direction", get_args(Direction), default="both"))
        duration = int(member.number("MinimumDuration", 1, longest, default=1, whole=True))
        missing = read_missing_data(member, default=missing_data)
        measures.append(Measure(name, function, direction, duration, missing))
        member.unknown()
    return tuple(measures)


def _timestamp(fields: Fields, frequency: str, *, check: bool, typed: bool) -> tuple[tuple[str, ...], str]:
    column = fields.fields("TimestampColumn", required=True)
    if column.node is None:
        return (), DEFAULT_TIMESTAMP_FORMAT
    if column.has("ColumnNames"):
        names = column.texts("ColumnNames", "a column's name", most=MOST_TIMESTAMP_COLUMNS, least=2)
        if column.has("ColumnName"):
            column.problem("ColumnName", "is given beside ColumnNames; expected one of them")
        if not column.has("ColumnFormat"):
            column.problem("ColumnFormat", f"is missing; expected the pattern of {' '.join(names)[:60]!r}")
        if typed:
            column.problem("ColumnNames", "expected ColumnName for a table; a view can join columns")
    else:
        names = (column.text("ColumnName", "a column's name", pattern=_COLUMN, required=True),)
    pattern = column.text(
        "ColumnFormat", "a pattern such as yyyy-MM-dd HH:mm:ss", longest=63, default=DEFAULT_TIMESTAMP_FORMAT
    )
    if len(names) > 1 and pattern in NUMBER_FORMATS:
        column.problem("ColumnFormat", f"{pattern!r}: expected a pattern for the texts of several columns")
    try:
        reader = timestamp_reader(pattern)
        missing = reader.missing() if check else ""
        shorter_than_a_day = frequency in FREQUENCIES and not FREQUENCIES[frequency].days
        if check and not missing and not reader.has_time and shorter_than_a_day and not typed:
            missing = f"the time of day (HH:mm), which {frequency} wants"
        if missing:
            column.problem("ColumnFormat", f"{pattern!r}: lacks {missing}")
    except SourceError as error:
        column.problem("ColumnFormat", str(error).removeprefix("TimestampColumn.ColumnFormat "))
    column.unknown()
    return names, pattern


def _source(
    source: Fields, data: str | None, problems: Problems, *, is_text: bool
) -> tuple[tuple[str, ...], tuple[str, ...], FileFormat, AthenaTable | None]:
    files, athena = source.has("S3SourceConfig"), source.has("AthenaSourceConfig")
    if source.node is not None and files == athena:
        source.problem(
            "S3SourceConfig", "expected S3SourceConfig or AthenaSourceConfig" + (", not both" if files else "")
        )
    for name in _OTHER_SOURCES:
        if source.has(name):
            source.problem(name, "is not supported; expected S3SourceConfig or AthenaSourceConfig")
    source.unknown()
    if athena:
        return (), (), CsvFormat(), _athena(source.fields("AthenaSourceConfig"), is_text)
    config = source.fields("S3SourceConfig")
    if config.node is None:
        return (), (), CsvFormat(), None
    config.ignore("RoleArn", "Recursive")
    most, longest = (MOST_STORED, 4_096) if data is None else (MOST_PATHS, 1_024)
    templates, histories = (
        tuple(
            path if data is None else _path(config, name, path, data)
            for path in config.texts(name, "a path", most=most, longest=longest, one_alone=True)
        )
        for name in ("TemplatedPathList", "HistoricalDataPathList")
    )
    if not templates and not histories:
        config.problem("HistoricalDataPathList", "no path; expected TemplatedPathList or HistoricalDataPathList")
    file_format = read_file_format(config.fields("FileFormatDescriptor"), problems)
    config.unknown()
    return templates, histories, file_format, None


def _path(config: Fields, name: str, path: str, data: str) -> str:
    """Resolve a path to an absolute folder or an ``s3://`` URI."""
    try:
        if name == "TemplatedPathList":
            template_parts(path)
        elif "{{" in path:
            raise SourceError(f"HistoricalDataPathList {path!r}: expected no key in braces")
        return _resolved(path, data)
    except SourceError as error:
        config.problem(name, str(error).removeprefix(f"{name} "))
        return path


def _resolved(path: str, data: str) -> str:
    scheme = re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*(?=://)", path)
    if "\x00" in path:
        raise SourceError(f"{path!r}: expected no NUL in it")
    if scheme is None and not path.startswith("/") and data:
        path = f"{data.rstrip('/') or '/'}/{path}" if data != "/" else f"/{path}"
        scheme = re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*(?=://)", path)
    if scheme is None:
        return str(Path.cwd() / path) + ("/" if path.endswith("/") else "")
    if scheme[0] == "file":
        parts = urlsplit(path, allow_fragments=False)
        if parts.netloc not in ("", "localhost"):
            raise SourceError(f"{path!r}: expected file:///FOLDER")
        if parts.query:
            raise SourceError(f"{path!r}: has ?; expected %3F in file:///FOLDER")
        return unquote(parts.path)
    if scheme[0] != "s3" or not re.match(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/|$)", path):
        raise SourceError(f"{path!r}: expected a folder, file:///FOLDER or s3://BUCKET/PREFIX")
    return path


def read_file_format(fields: Fields, problems: Problems, *, named: bool = True) -> FileFormat:
    """Read a FileFormatDescriptor.

    Parameters
    ----------
    named
        Whether the columns must have names, in the files or in HeaderList.
    """
    kinds = [
        kind for kind in ("CsvFormatDescriptor", "JsonFormatDescriptor", "ParquetFormatDescriptor") if fields.has(kind)
    ]
    if len(kinds) > 1:
        fields.problem(kinds[1], f"is given beside {kinds[0]}; expected one of them")
    fields.unknown()
    if not kinds:
        return CsvFormat()
    descriptor = fields.fields(kinds[0])
    if kinds[0] == "ParquetFormatDescriptor":
        descriptor.ignore("FileCompression")
        columns = tuple(_column_types(descriptor, problems))
        descriptor.unknown()
        return ParquetFormat(columns)
    compression = descriptor.choice("FileCompression", ("NONE", "GZIP"), default="NONE")
    charset = descriptor.text("Charset", "a charset such as UTF-8", longest=63, default="UTF-8")
    if not _is_charset(charset):
        descriptor.problem("Charset", f"{charset!r}: expected a charset such as UTF-8 or ISO-8859-1")
    if kinds[0] == "JsonFormatDescriptor":
        descriptor.unknown()
        return JsonLinesFormat(compression, charset)
    return _csv_format(descriptor, compression, charset, named)


def _column_types(fields: Fields, problems: Problems) -> Iterator[ColumnType]:
    for node, path in fields.items("ColumnList", most=10_000):
        item = Fields(node, path, problems)
        name = item.text("Name", "a column's name", pattern=_COLUMN, required=True)
        type_ = item.text("Type", "a type such as string, bigint or timestamp", pattern=COLUMN_TYPE, required=True)
        item.unknown()
        yield ColumnType(name, type_)


def _csv_format(descriptor: Fields, compression: str, charset: str, named: bool) -> CsvFormat:
    delimiter = descriptor.text("Delimiter", "one character", longest=1_000, default=",")
    delimiter = {"\\t": "\t", "TAB": "\t", "SPACE": " "}.get(delimiter, delimiter)
    if len(delimiter) != 1:
        descriptor.problem("Delimiter", f"{delimiter[:60]!r}: expected one character")
    quote = '"'
    if descriptor.has("QuoteSymbol"):
        quote = descriptor.text("QuoteSymbol", "one character, or none", longest=1_000, shortest=0)
    if len(quote) > 1:
        descriptor.problem("QuoteSymbol", f"{quote[:60]!r}: expected one character, or none")
    for name, symbol in (("Delimiter", delimiter), ("QuoteSymbol", quote)):
        if len(symbol) == 1 and (not symbol.isascii() or symbol in "\r\n\x00"):
            descriptor.problem(name, f"{symbol!r}: expected an ASCII character that ends no line")
    if delimiter == quote:
        descriptor.problem("QuoteSymbol", f"{quote!r}: expected another character than Delimiter")
    header = descriptor.texts("HeaderList", "a column's name", most=10_000)
    contains = descriptor.boolean("ContainsHeader", default=not header)
    if named and not contains and not header:
        descriptor.problem("HeaderList", "is missing; expected the columns' names, for ContainsHeader is false")
    decimal, thousands, nulls = _number_format(descriptor)
    skip = int(descriptor.number("SkipLines", 0, MOST_SKIPPED_LINES, default=0, whole=True))
    descriptor.unknown()
    return CsvFormat(delimiter, quote, contains, header, compression, charset, decimal, thousands, nulls, skip)


def _number_format(descriptor: Fields) -> tuple[str, str, tuple[str, ...]]:
    decimal = descriptor.choice("DecimalSeparator", (".", ","), default=".")
    thousands = descriptor.text("ThousandsSeparator", "one character, or none", longest=1_000, shortest=0)
    thousands = {"SPACE": " "}.get(thousands, thousands)
    if len(thousands) > 1 or thousands.isalnum() or (thousands and thousands in "+-%\r\n\x00"):
        descriptor.problem(
            "ThousandsSeparator", f"{thousands[:60]!r}: expected one character, such as , . ' or a blank"
        )
    if thousands == decimal:
        descriptor.problem("ThousandsSeparator", f"{thousands!r}: expected another character than DecimalSeparator")
    nulls = DEFAULT_NULL_VALUES
    if descriptor.has("NullValues"):
        nulls = descriptor.texts("NullValues", "a text", most=MOST_NULL_VALUES)
    return decimal, thousands, nulls


def _is_charset(name: str) -> bool:
    try:
        return codecs.lookup(name)._is_text_encoding
    except (LookupError, ValueError):
        return False


def _athena(fields: Fields, is_text: bool) -> AthenaTable:
    fields.ignore("RoleArn", "BackTestConfiguration")
    table = AthenaTable(
        fields.text("DatabaseName", "a database of a-z 0-9 _", pattern=_ATHENA_NAME, required=True, default="x"),
        fields.text("TableName", "a table of a-z 0-9 _", pattern=_ATHENA_NAME, longest=128, required=True, default="x"),
        fields.text("DataCatalog", "a catalog's name", pattern=_COLUMN, default="AwsDataCatalog"),
        fields.text("WorkGroupName", "a workgroup", pattern=re.compile(r"[a-zA-Z0-9._-]{1,128}"), default="primary"),
        fields.text("S3ResultsPath", "s3://BUCKET/PREFIX", pattern=re.compile(r"s3://[a-z0-9]\S+"), longest=1024),
        is_text,
    )
    fields.unknown()
    return table


def _check_columns(
    fields: Fields,
    timestamps: tuple[str, ...],
    measures: tuple[Measure, ...],
    dimensions: tuple[str, ...],
    file_format: FileFormat,
    source: Fields,
) -> None:
    columns = [item for item in (*timestamps, *(measure.metric_name for measure in measures), *dimensions) if item]
    for name in sorted({name for name in columns if columns.count(name) > 1}):
        fields.problem("MetricList", f"column {name!r} is named twice among timestamp, measures and dimensions")
    if isinstance(file_format, CsvFormat) and file_format.header_list:
        for name in columns:
            if name not in file_format.header_list:
                config = source.fields("S3SourceConfig").fields("FileFormatDescriptor").fields("CsvFormatDescriptor")
                config.problem("HeaderList", f"no column {name!r}; it has {listed(file_format.header_list)}")
