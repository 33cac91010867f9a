"""A metric set to and from L4M's fields, as the lake keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anomalake.definitions.errors import SourceError
from anomalake.definitions.metric_set import (
    DEFAULT_MINIMUM_GOOD_SHARE,
    DEFAULT_TIMESTAMP_FORMAT,
    AthenaTable,
    CsvFormat,
    DimensionFilter,
    FileFormat,
    JsonLinesFormat,
    Measure,
    MetricSet,
    ParquetFormat,
)


def to_fields(metric_set: MetricSet) -> dict[str, Any]:
    """A metric set as L4M's fields: a CreateMetricSet request."""
    fields: dict[str, Any] = {
        "AnomalyDetectorArn": metric_set.detector_arn,
        "MetricSource": _source_fields(metric_set),
        "TimestampColumn": _timestamp_fields(metric_set),
        "Timezone": metric_set.timezone,
        "MetricList": [
            {"MetricName": one.metric_name, "AggregationFunction": one.aggregation_function}
            for one in metric_set.metric_list
        ],
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
                "Name": one.name,
                "FilterList": [{"DimensionValue": value, "FilterOperation": "EQUALS"} for value in one.values],
            }
            for one in metric_set.dimension_filter_list
        ]
    if metric_set.minimum_good_share != DEFAULT_MINIMUM_GOOD_SHARE:
        fields["MinimumGoodShare"] = metric_set.minimum_good_share
    return fields


def from_fields(fields: Mapping[str, Any]) -> MetricSet:
    """A metric set out of L4M's fields: a CreateMetricSet request with its AnomalyDetectorArn.

    Raises
    ------
    SourceError
        A field is missing or not as expected.
    """
    try:
        source = fields["MetricSource"]
        config = source.get("S3SourceConfig") or {} if "AthenaSourceConfig" in source else source["S3SourceConfig"]
        return MetricSet(
            detector_arn=fields["AnomalyDetectorArn"],
            timestamp_column=fields["TimestampColumn"]["ColumnName"],
            timestamp_format=fields["TimestampColumn"].get("ColumnFormat") or DEFAULT_TIMESTAMP_FORMAT,
            timezone=fields.get("Timezone") or "UTC",
            frequency=fields.get("MetricSetFrequency") or "PT1H",
            metric_list=tuple(
                Measure(one["MetricName"], one.get("AggregationFunction") or "SUM") for one in fields["MetricList"]
            ),
            dimension_list=tuple(fields.get("DimensionList") or ()),
            templated_path_list=tuple(config.get("TemplatedPathList") or ()),
            historical_data_path_list=tuple(config.get("HistoricalDataPathList") or ()),
            file_format=_format_of(config.get("FileFormatDescriptor") or {"CsvFormatDescriptor": {}}),
            name=fields.get("MetricSetName") or "",
            description=fields.get("MetricSetDescription") or "",
            offset=int(fields.get("Offset") or 0),
            dimension_filter_list=tuple(
                DimensionFilter(one["Name"], tuple(each["DimensionValue"] for each in one["FilterList"]))
                for one in fields.get("DimensionFilterList") or ()
            ),
            athena=_athena_of(fields) if "AthenaSourceConfig" in source else None,
            minimum_good_share=float(fields.get("MinimumGoodShare", DEFAULT_MINIMUM_GOOD_SHARE)),
        )
    except KeyError as error:
        raise SourceError(f"metric set: no field {error.args[0]!r}; expected CreateMetricSet's fields") from error
    except (TypeError, AttributeError) as error:
        raise SourceError(f"metric set: {error}; expected CreateMetricSet's fields") from error


def _timestamp_fields(metric_set: MetricSet) -> dict[str, str]:
    if metric_set.athena is not None and not metric_set.athena.timestamp_is_text:
        return {"ColumnName": metric_set.timestamp_column}
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
    return {
        "S3SourceConfig": {
            "TemplatedPathList": list(metric_set.templated_path_list),
            "HistoricalDataPathList": list(metric_set.historical_data_path_list),
            "FileFormatDescriptor": _descriptor(metric_set.file_format),
        }
    }


def _descriptor(file_format: FileFormat) -> dict[str, Any]:
    if isinstance(file_format, ParquetFormat):
        return {"ParquetFormatDescriptor": {}}
    common = {"FileCompression": file_format.file_compression, "Charset": file_format.charset}
    if isinstance(file_format, JsonLinesFormat):
        return {"JsonFormatDescriptor": common}
    return {
        "CsvFormatDescriptor": {
            **common,
            "ContainsHeader": file_format.contains_header,
            "Delimiter": file_format.delimiter,
            "HeaderList": list(file_format.header_list),
            "QuoteSymbol": file_format.quote_symbol,
        }
    }


def _format_of(descriptor: Mapping[str, Any]) -> FileFormat:
    if "ParquetFormatDescriptor" in descriptor:
        return ParquetFormat()
    if "JsonFormatDescriptor" in descriptor:
        json_lines = descriptor["JsonFormatDescriptor"] or {}
        return JsonLinesFormat(json_lines.get("FileCompression") or "NONE", json_lines.get("Charset") or "UTF-8")
    fields = descriptor.get("CsvFormatDescriptor") or {}
    quote = fields.get("QuoteSymbol")
    return CsvFormat(
        delimiter=fields.get("Delimiter") or ",",
        quote_symbol='"' if quote is None else quote,
        contains_header=bool(fields.get("ContainsHeader", True)),
        header_list=tuple(fields.get("HeaderList") or ()),
        file_compression=fields.get("FileCompression") or "NONE",
        charset=fields.get("Charset") or "UTF-8",
    )


def _athena_of(metric_set: Mapping[str, Any]) -> AthenaTable:
    fields = metric_set["MetricSource"]["AthenaSourceConfig"]
    return AthenaTable(
        fields["DatabaseName"],
        fields["TableName"],
        fields.get("DataCatalog") or "AwsDataCatalog",
        fields.get("WorkGroupName") or "primary",
        fields.get("S3ResultsPath") or "",
        bool(metric_set["TimestampColumn"].get("ColumnFormat")),
    )
