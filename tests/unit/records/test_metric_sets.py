"""Descriptions of source data, in L4M's fields."""

from __future__ import annotations

import gzip
from datetime import datetime

import pytest

from anomalake.definitions.metric_set import CsvFormat, JsonLinesFormat, Measure, NameAliases
from anomalake.definitions.metric_set_fields import metric_set_from_fields, metric_set_to_fields
from anomalake.query.errors import SourceError
from anomalake.query.time_formats import to_strptime
from anomalake.records.metric_sets import (
    metric_set_key,
    metric_set_keys,
    read_metric_set,
    read_metric_sets,
    write_metric_set,
)
from anomalake.records.versions import version_of
from anomalake.sources.csv_header import header_of
from anomalake.storage.objects import memory_store

FIELDS = {
    "AnomalyDetectorArn": "arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:my-detector",
    "MetricSetName": "ignored",
    "MetricList": [
        {"MetricName": "views", "AggregationFunction": "SUM", "Namespace": "x"},
        {"MetricName": "revenue", "AggregationFunction": "AVG"},
    ],
    "DimensionList": ["platform", "marketplace"],
    "TimestampColumn": {"ColumnName": "timestamp", "ColumnFormat": "yyyy-MM-dd HH:mm:ss"},
    "Timezone": "Europe/Paris",
    "MetricSetFrequency": "PT1H",
    "MetricSource": {
        "S3SourceConfig": {
            "TemplatedPathList": ["s3://bucket/live/{{yyyyMMdd}}/{{HHmm}}"],
            "HistoricalDataPathList": ["s3://bucket/backtest/"],
            "FileFormatDescriptor": {"CsvFormatDescriptor": {"ContainsHeader": True, "Delimiter": ","}},
        }
    },
}


def test_a_request_of_create_metric_set_is_read() -> None:
    source = metric_set_from_fields(FIELDS)
    assert source.metric_list == (Measure("views"), Measure("revenue", "AVG"))
    assert source.columns == ("timestamp", "platform", "marketplace", "views", "revenue")
    assert source.file_format == CsvFormat()
    assert metric_set_from_fields(metric_set_to_fields(source)) == source


def test_settings_of_measures_survive_and_change_no_model() -> None:
    plain = metric_set_from_fields(FIELDS)
    measures = [{**FIELDS["MetricList"][0], "Direction": "drops"}, {**FIELDS["MetricList"][1], "MinimumDuration": 3}]  # type: ignore[index, dict-item]
    source = metric_set_from_fields({**FIELDS, "MetricList": measures})
    assert source.metric_list == (Measure("views", direction="drops"), Measure("revenue", "AVG", minimum_duration=3))
    assert metric_set_from_fields(metric_set_to_fields(source)) == source
    missing = metric_set_from_fields({**FIELDS, "MetricList": [{**measures[0], "MissingData": "zero"}, measures[1]]})
    assert metric_set_from_fields(metric_set_to_fields(missing)) == missing
    # What is learned depends on this one.
    assert version_of(missing) != version_of(plain)
    assert metric_set_to_fields(plain)["MetricList"][0].keys() == {"MetricName", "AggregationFunction"}
    assert version_of(source) == version_of(plain)


def test_aliases_survive_and_change_no_model() -> None:
    aliases = [{"Name": "platform", "Aliases": ["Platform", "PLATFORM"]}, {"Name": "views", "Aliases": ["Views"]}]
    plain = metric_set_from_fields(FIELDS)
    source = metric_set_from_fields({**FIELDS, "AliasList": aliases})
    assert source.alias_list == (
        NameAliases("platform", ("Platform", "PLATFORM")),
        NameAliases("views", ("Views",)),
    )
    assert source.aliases_of(source.measures) == {"views": ("Views",)}
    assert metric_set_to_fields(source)["AliasList"] == aliases
    assert metric_set_from_fields(metric_set_to_fields(source)) == source
    assert "AliasList" not in metric_set_to_fields(plain)
    assert version_of(source) == version_of(plain)


@pytest.mark.parametrize(
    "aliases", ["x", [{"Name": "platform"}], [{"Aliases": ["x"]}], [{"Name": "no", "Aliases": ["x"]}]]
)
def test_invalid_aliases_are_refused(aliases: object) -> None:
    with pytest.raises(SourceError, match="AliasList"):
        metric_set_from_fields({**FIELDS, "AliasList": aliases})


def test_json_lines_survive() -> None:
    config = {
        "HistoricalDataPathList": ["x"],
        "FileFormatDescriptor": {"JsonFormatDescriptor": {"FileCompression": "GZIP"}},
    }
    source = metric_set_from_fields({**FIELDS, "MetricSource": {"S3SourceConfig": config}})
    assert source.file_format == JsonLinesFormat("GZIP")
    assert metric_set_from_fields(metric_set_to_fields(source)) == source


@pytest.mark.parametrize("field", ["AnomalyDetectorArn", "MetricList", "MetricSource", "TimestampColumn"])
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(SourceError, match=field):
        metric_set_from_fields({key: value for key, value in FIELDS.items() if key != field})


@pytest.mark.parametrize("value", [None, 1, "x", ["x"]])
def test_a_field_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(SourceError):
        metric_set_from_fields({**FIELDS, "MetricList": value if value != "x" else [value]})


def test_metric_sets_are_stored_by_their_detector() -> None:
    store = memory_store()
    source = metric_set_from_fields(FIELDS)
    key = metric_set_key(source.detector_arn)
    assert read_metric_set(store, source.detector_arn) is None
    write_metric_set(store, source)
    write_metric_set(store, source)
    store.put("sources/notes.txt", b"not a source")
    assert metric_set_keys(store) == {"my-detector": [key]}
    assert read_metric_sets(store, [key]) == [source]
    assert read_metric_set(store, source.detector_arn) == source
    store.put(key, b"{")
    with pytest.raises(SourceError, match=r"memory:///sources/my-detector-.*is no JSON"):
        read_metric_sets(store, [key])


@pytest.mark.parametrize(
    ("pattern", "format_", "text"),
    [
        ("yyyy-MM-dd HH:mm:ss", "%Y-%m-%d %H:%M:%S", "2021-02-14 16:05:09"),
        ("yyyy-MM-dd", "%Y-%m-%d", "2021-02-14"),
        ("yyyy-MM-dd'T'HH:mm", "%Y-%m-%dT%H:%M", "2021-02-14T16:05"),
        ("dd MMM yyyy hh:mm:ss a", "%d %b %Y %I:%M:%S %p", "14 Feb 2021 04:05:09 PM"),
        ("MM/dd/yy '100%' ''", "%m/%d/%y 100%% '", "02/14/21 100% '"),
    ],
)
def test_java_patterns(pattern: str, format_: str, text: str) -> None:
    assert to_strptime(pattern) == format_
    assert datetime.strptime(text, format_).date() == datetime(2021, 2, 14).date()


@pytest.mark.parametrize("pattern", ["", "QQQ", "yyyy-MM-dd 'open", "YYYY", "EEE", "yyyyy"])
def test_other_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(SourceError, match="ColumnFormat"):
        to_strptime(pattern)


def test_headers() -> None:
    text = '\ufefftimestamp;"a;b";c\r\n1;2;3\r\n'.encode()
    assert header_of(text, CsvFormat(delimiter=";")) == ("timestamp", "a;b", "c")
    assert header_of(gzip.compress(text)[:-9], CsvFormat(delimiter=";")) == ("timestamp", "a;b", "c")
    assert header_of(b"", CsvFormat()) == ()
    assert header_of(b"note\n" + text, CsvFormat(delimiter=";", skip_lines=1))[1:] == ("a;b", "c")
