"""Detector files: L4M's fields are read, and all problems are reported at once."""

from __future__ import annotations

import copy
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from anomalake.definitions.detector import (
    About,
    AlertRule,
    Detector,
    DetectorFileError,
    DimensionFilter,
    LambdaAction,
    SnsAction,
)
from anomalake.definitions.detector_file import parse_detector, read_detector
from anomalake.definitions.errors import SourceError
from anomalake.definitions.metric_set import AthenaTable, CsvFormat, JsonLinesFormat, Measure, MetricSet, ParquetFormat
from anomalake.definitions.metric_set_fields import metric_set_from_fields, metric_set_to_fields
from anomalake.definitions.settings import DetectionSettings
from anomalake.frequencies import FREQUENCIES
from anomalake.records.versions import version_of
from tests.support.source_data import detector, request

ROOT = Path(__file__).parents[3]
ARN = "arn:aws:lookoutmetrics:us-east-1:000000000000"
CHINA = "arn:aws-cn:lookoutmetrics:cn-north-1:123456789012"


def problems(text: str | dict[str, Any]) -> list[str]:
    with pytest.raises(DetectorFileError) as caught:
        parse_detector(text if isinstance(text, str) else json.dumps(text), "d.yaml")
    assert str(caught.value) == "\n".join(caught.value.problems)
    assert all("\n" not in line for line in caught.value.problems)
    return list(caught.value.problems)


def with_csv(**fields: Any) -> Detector:
    return detector(FileFormatDescriptor={"CsvFormatDescriptor": fields})


def changed(path: str, value: Any) -> dict[str, Any]:
    """`request` with one field set, such as ``MetricSet.Offset``."""
    whole = request()
    node: Any = whole
    *parents, last = path.split(".")
    for name in parents:
        node = node.setdefault(name, {})
    node[last] = value
    return whole


def test_the_example_detectors_are_good() -> None:
    shop = read_detector(ROOT / "detectors" / "shop.yaml", data="s3://bucket/shop")
    assert shop.metric_set.historical_data_path_list == ("s3://bucket/shop/backtest/",)
    assert shop.metric_set.templated_path_list == ("s3://bucket/shop/live/{{yyyyMMdd}}/{{HHmm}}",)
    assert [alert.threshold for alert in shop.alerts] == [70.0]
    flights = read_detector(ROOT / "detectors" / "flights.yaml")
    assert flights.timezone == flights.metric_set.timezone == "America/New_York"
    assert flights.metric_set.metric_list == (
        Measure("flights"),
        Measure("cancelled"),
        Measure("mean_dep_delay", "AVG"),
    )
    assert date(2013, 11, 28) in flights.holidays
    assert flights.metric_set.historical_data_path_list == (f"{ROOT}/detectors/flights/backtest/",)


def test_everything_that_l4m_had_can_be_pasted_in() -> None:
    """Answers of the three Describe calls as they come, in one file."""
    found = parse_detector(
        json.dumps(
            {
                "AnomalyDetectorArn": f"{CHINA}:AnomalyDetector:shop-1",
                "AnomalyDetectorName": "shop-1",
                "AnomalyDetectorDescription": "Shop",
                "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": "PT5M"},
                "KmsKeyArn": "arn:aws:kms:x",
                "Tags": {"a": "b"},
                "Status": "ACTIVE",
                "CreationTime": "2021-01-01",
                "MetricSetList": [
                    {
                        "MetricSetArn": "arn:aws:x",
                        "MetricSetName": "m",
                        "MetricSetDescription": "d",
                        "AnomalyDetectorArn": f"{CHINA}:AnomalyDetector:shop-1",
                        "Offset": 300,
                        "MetricList": [{"MetricName": "views", "AggregationFunction": "SUM", "Namespace": "n"}],
                        "TimestampColumn": {"ColumnName": "t", "ColumnFormat": "yyyyMMddHHmm"},
                        "DimensionList": ["platform"],
                        "MetricSetFrequency": "PT5M",
                        "Timezone": "Asia/Tokyo",
                        "DimensionFilterList": [
                            {
                                "Name": "platform",
                                "FilterList": [
                                    {"DimensionValue": "a", "FilterOperation": "EQUALS"},
                                    {"DimensionValue": "b", "FilterOperation": "EQUALS"},
                                ],
                            }
                        ],
                        "MetricSource": {
                            "S3SourceConfig": {
                                "RoleArn": "arn:aws:iam::1:role/x",
                                "TemplatedPathList": ["s3://bucket/{{yyyy}}/{{MM}}"],
                                "HistoricalDataPathList": ["s3://bucket/h/"],
                                "FileFormatDescriptor": {
                                    "CsvFormatDescriptor": {
                                        "FileCompression": "GZIP",
                                        "Charset": "ISO-8859-1",
                                        "ContainsHeader": False,
                                        "Delimiter": "|",
                                        "HeaderList": ["t", "platform", "views", "x"],
                                        "QuoteSymbol": "'",
                                    }
                                },
                            }
                        },
                    }
                ],
                "Alerts": [
                    {
                        "AlertName": "one",
                        "AlertArn": "arn:aws-cn:lookoutmetrics:cn-north-1:123456789012:Alert:one",
                        "AlertDescription": "",
                        "AlertSensitivityThreshold": 33,
                        "AlertType": "LAMBDA",
                        "AlertStatus": "ACTIVE",
                        "AlertFilters": {
                            "MetricList": ["views"],
                            "DimensionFilterList": [{"DimensionName": "platform", "DimensionValueList": ["a", "NA"]}],
                        },
                        "Action": {
                            "LambdaConfiguration": {
                                "RoleArn": "arn:aws:iam::1:role/x",
                                "LambdaArn": "arn:aws:lambda:r:1:function:f",
                            }
                        },
                        "MinimumImpact": 2.5,
                    },
                    {
                        "AlertName": "two",
                        "Action": {"SNSConfiguration": {"SnsTopicArn": "arn:aws:sns:r:1:t", "SnsFormat": "SHORT_TEXT"}},
                    },
                    {"AlertName": "off", "AlertStatus": "INACTIVE"},
                ],
                "Holidays": ["2021-12-25", "2021-01-01"],
                "Owner": "Shop team",
                "Runbook": "https://wiki.example.com/shop?a=1#b",
                "Note": "Ask <first>.",
            }
        ),
        "x.json",
    )
    arn = CHINA
    assert found == Detector(
        name="shop-1",
        description="Shop",
        arn=f"{arn}:AnomalyDetector:shop-1",
        frequency="PT5M",
        timezone="Asia/Tokyo",
        metric_set=MetricSet(
            detector_arn=f"{arn}:AnomalyDetector:shop-1",
            timestamp_column="t",
            metric_list=(Measure("views", "SUM"),),
            dimension_list=("platform",),
            timestamp_format="yyyyMMddHHmm",
            timezone="Asia/Tokyo",
            frequency="PT5M",
            templated_path_list=("s3://bucket/{{yyyy}}/{{MM}}",),
            historical_data_path_list=("s3://bucket/h/",),
            file_format=CsvFormat("|", "'", False, ("t", "platform", "views", "x"), "GZIP", "ISO-8859-1"),
            name="m",
            description="d",
            offset=300,
            dimension_filter_list=(DimensionFilter("platform", ("a", "b")),),
        ),
        alerts=(
            AlertRule(
                "one", f"{arn}:Alert:one", "", 33.0, ("views",), (DimensionFilter("platform", ("a", "NA")),), 2.5,
                LambdaAction("arn:aws:lambda:r:1:function:f"),
            ),
            AlertRule("two", f"{arn}:Alert:two", action=SnsAction("arn:aws:sns:r:1:t", "SHORT_TEXT")),
        ),
        holidays=(date(2021, 1, 1), date(2021, 12, 25)),
        about=About("Shop team", "https://wiki.example.com/shop?a=1#b", "Ask <first>."),
    )  # fmt: skip
    assert metric_set_from_fields(metric_set_to_fields(found.metric_set)) == found.metric_set


def test_yaml_values_stay_the_text_they_are() -> None:
    text = yaml.safe_dump(request()) + "Holidays: [2021-12-25]\n"
    text = text.replace(
        "  DimensionList:",
        "  MetricSetDimensionFilterList: [{Name: p, FilterList: [{DimensionValue: NO}, {DimensionValue: 007},"
        " {DimensionValue: 2021-01-01}, {DimensionValue: 1.10}, {DimensionValue: ''}, {DimensionValue: '~'}]}]\n"
        "  DimensionList:",
    )
    found = parse_detector(text, "d.yaml")
    assert found.metric_set.dimension_filter_list == (
        DimensionFilter("p", ("NO", "007", "2021-01-01", "1.10", "", "~")),
    )
    assert found.holidays == (date(2021, 12, 25),)


def test_null_is_no_dimension_value() -> None:
    filters = [{"Name": "p", "FilterList": [{"DimensionValue": None}]}]
    assert problems(changed("MetricSet.DimensionFilterList", filters)) == [
        "d.yaml: MetricSet.DimensionFilterList[0].FilterList[0].DimensionValue: is missing or null; "
        "expected a text, in quotes where it is null or ~"
    ]


def test_names_make_arns() -> None:
    found = parse_detector(json.dumps(request()), "d", region="eu-west-1", account="123456789012")
    assert found.arn == "arn:aws:lookoutmetrics:eu-west-1:123456789012:AnomalyDetector:shop"
    assert detector().arn == f"{ARN}:AnomalyDetector:shop"
    assert detector().alerts == ()


def test_an_arn_is_enough_of_a_name() -> None:
    whole = request(AnomalyDetectorArn=f"{ARN}:AnomalyDetector:other")
    del whole["AnomalyDetectorName"]
    with pytest.raises(DetectorFileError, match="AnomalyDetectorName: is missing"):
        parse_detector(json.dumps(whole), "d")
    whole["AnomalyDetectorArn"] = f"{ARN}:AnomalyDetector:other"
    assert parse_detector(json.dumps(whole), "d").name == "other"


@pytest.mark.parametrize(
    ("descriptor", "expected"),
    [
        ({}, CsvFormat()),
        ({"CsvFormatDescriptor": {"Delimiter": "\t"}}, CsvFormat("\t")),
        ({"CsvFormatDescriptor": {"Delimiter": " "}}, CsvFormat(" ")),
        ({"CsvFormatDescriptor": {"QuoteSymbol": ""}}, CsvFormat(quote_symbol="")),
        ({"CsvFormatDescriptor": {"HeaderList": ["t", "p", "q", "v", "w"]}},
         CsvFormat(contains_header=False, header_list=("t", "p", "q", "v", "w"))),
        ({"CsvFormatDescriptor": {
            "DecimalSeparator": ",", "ThousandsSeparator": "SPACE", "NullValues": ["TBD", "-200"], "SkipLines": 2}},
         CsvFormat(decimal_separator=",", thousands_separator=" ", null_values=("TBD", "-200"), skip_lines=2)),
        ({"CsvFormatDescriptor": {"ThousandsSeparator": "'", "NullValues": []}},
         CsvFormat(thousands_separator="'", null_values=())),
        ({"JsonFormatDescriptor": {"FileCompression": "GZIP"}}, JsonLinesFormat("GZIP")),
        ({"ParquetFormatDescriptor": {}}, ParquetFormat()),
    ],
    ids=["default", "tab", "space", "unquoted", "headerless", "numbers", "apostrophe", "json", "parquet"],
)  # fmt: skip
def test_formats(descriptor: dict[str, Any], expected: object) -> None:
    found = detector(FileFormatDescriptor=descriptor).metric_set
    assert found.file_format == expected
    assert metric_set_from_fields(metric_set_to_fields(found)) == found


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ({"ColumnName": "t", "ColumnFormat": "epoch_seconds"}, ("t", ("t",), "epoch_seconds")),
        ({"ColumnName": "t", "ColumnFormat": "epoch_milliseconds"}, ("t", ("t",), "epoch_milliseconds")),
        ({"ColumnName": "t", "ColumnFormat": "excel_serial"}, ("t", ("t",), "excel_serial")),
        ({"ColumnNames": ["date", "hour"], "ColumnFormat": "yyyy-MM-dd H"},
         ("date hour", ("date", "hour"), "yyyy-MM-dd H")),
    ],
    ids=["seconds", "milliseconds", "excel", "two columns"],
)  # fmt: skip
def test_timestamp_columns(column: dict[str, Any], expected: tuple[object, ...]) -> None:
    found = detector(TimestampColumn=column).metric_set
    assert (found.timestamp_column, found.timestamp_columns, found.timestamp_format) == expected
    assert found.columns == (*found.timestamp_columns, "p", "q", "v", "w")
    assert metric_set_from_fields(metric_set_to_fields(found)) == found


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ({"ColumnNames": ["d", "h"]}, "ColumnFormat: is missing; expected the pattern of 'd h'"),
        ({"ColumnNames": ["d"], "ColumnFormat": "yyyy-MM-dd H"}, "ColumnNames: has 1 members; expected 2 to 6"),
        ({"ColumnNames": ["d", "h"], "ColumnName": "t", "ColumnFormat": "yyyy-MM-dd H"},
         "ColumnName: is given beside ColumnNames; expected one of them"),
        ({"ColumnNames": ["d", "h"], "ColumnFormat": "epoch_seconds"},
         "ColumnFormat: 'epoch_seconds': expected a pattern for the texts of several columns"),
        ({"ColumnNames": ["d", "h"], "ColumnFormat": "yyyy-MM-dd"},
         "ColumnFormat: 'yyyy-MM-dd': lacks the time of day (HH:mm), which PT1H wants"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_timestamp_column_is_told(column: dict[str, Any], expected: str) -> None:
    assert f"d.yaml: MetricSet.TimestampColumn.{expected}" in problems(request(TimestampColumn=column))


def test_columns_of_a_table_are_not_joined() -> None:
    config = {"AthenaSourceConfig": {"DatabaseName": "db", "TableName": "kpis"}}
    stamps = {"ColumnNames": ["d", "h"], "ColumnFormat": "yyyy-MM-dd H"}
    what = "d.yaml: MetricSet.TimestampColumn.ColumnNames: expected ColumnName for a table; a view can join columns"
    assert what in problems(request(MetricSource=config, TimestampColumn=stamps))


@pytest.mark.parametrize("name", ["", "x" * 257])
def test_names_that_no_alert_can_have_are_refused(name: str) -> None:
    fields: dict[str, Any] = {"historical_data_path_list": ("/h",), "timestamp_column": "t"}
    arn = f"{ARN}:AnomalyDetector:shop"
    for names in ({"metric_list": (Measure(name),)}, {"metric_list": (Measure("v"),), "dimension_list": (name,)}):
        with pytest.raises(SourceError, match=f"{len(name)} characters; expected 1 to 256"):
            MetricSet(arn, **fields, **names)


def test_athena_tables() -> None:
    config = {"AthenaSourceConfig": {"DatabaseName": "db", "TableName": "kpis", "WorkGroupName": "w", "RoleArn": "r"}}
    found = detector(MetricSource=config).metric_set
    assert found.athena == AthenaTable("db", "kpis", work_group_name="w", timestamp_is_text=True)
    typed = detector(MetricSource=config, TimestampColumn={"ColumnName": "t"}).metric_set
    assert typed.athena == AthenaTable("db", "kpis", work_group_name="w")
    for item in (found, typed):
        assert metric_set_from_fields(metric_set_to_fields(item)) == item


def test_paths(tmp_path: Path) -> None:
    file = tmp_path / "sub" / "d.json"
    file.parent.mkdir()
    whole = request()
    whole["MetricSet"]["MetricSource"]["S3SourceConfig"] |= {
        "HistoricalDataPathList": ["rel/x", "/abs", "file:///a%20b", "s3://bucket/x"],
        "TemplatedPathList": ["live/{{yyyyMMdd}}"],
    }
    file.write_text(json.dumps(whole))
    found = read_detector(file).metric_set
    assert found.historical_data_path_list == (f"{tmp_path}/sub/rel/x", "/abs", "/a b", "s3://bucket/x")
    assert found.templated_path_list == (f"{tmp_path}/sub/live/{{{{yyyyMMdd}}}}",)
    assert read_detector(file, data="file:///d").metric_set.historical_data_path_list[:2] == ("/d/rel/x", "/abs")
    assert read_detector(file, data="s3://bucket").metric_set.templated_path_list == ("s3://bucket/live/{{yyyyMMdd}}",)


#: A field, its value, where the problem is ("": there), and the message.
MISTAKES = [
    ("AnomalyDetectorName", "a b", "", "'a b': expected 1 to 63 of a-z A-Z 0-9 - _"),
    (
        "AnomalyDetectorConfig",
        {},
        "",
        "no AnomalyDetectorFrequency; expected one of PT5M, PT10M, PT15M, PT30M, PT1H, P1D, P7D",
    ),
    (
        "AnomalyDetectorConfig",
        {"AnomalyDetectorFrequency": "pt5m"},
        "AnomalyDetectorConfig.AnomalyDetectorFrequency",
        "'pt5m': expected one of PT5M, PT10M, PT15M, PT30M, PT1H, P1D, P7D; did you mean PT5M?",
    ),
    ("AnomalyDetectorArn", "arn:x", "", "'arn:x': expected arn:aws:lookoutmetrics:REGION:ACCOUNT:AnomalyDetector:NAME"),
    (
        "AnomalyDetectorArn",
        f"{ARN}:AnomalyDetector:y",
        "AnomalyDetectorName",
        f"'shop': expected the name in AnomalyDetectorArn, {ARN}:AnomalyDetector:y",
    ),
    ("Runbook", "javascript:alert(1)", "Runbook", "'javascript:alert(1)': expected a URL with https:// or http://"),
    ("Runbook", "http://u@example.com", "Runbook", "'http://u@example.com': expected a URL with https:// or http://"),
    ("Runbook", "https://a b", "Runbook", "'https://a b': expected a URL with https:// or http://"),
    ("Owner", "", "Owner", "'': expected 1 to 256 characters"),
    ("Note", "", "Note", "'': expected 1 to 2,000 characters"),
    ("Holidays", ["25.12.2021"], "Holidays[0]", "'25.12.2021': expected a day such as 2013-12-25"),
    ("Holidays", "2021-12-25", "", "'2021-12-25': expected a list"),
    ("Alert", [], "", "no such field; did you mean Alerts?"),
    ("RollUps", "true", "", "expected in MetricSet"),
    ("MetricSet.RollUps", "often", "", "'often': expected true or false"),
    ("MetricSet", None, "", "is missing"),
    (
        "MetricSet.MetricSetFrequency",
        "P1D",
        "",
        "'P1D': expected AnomalyDetectorConfig.AnomalyDetectorFrequency, which is PT1H",
    ),
    ("MetricSet.Offset", -1, "", "'-1': expected a whole number from 0 to 432000"),
    ("MetricSet.Offset", 1.5, "", "'1.5': expected a whole number from 0 to 432000"),
    ("MetricSet.MinimumGoodShare", 90, "", "'90': expected a number from 0 to 1"),
    (
        "MetricSet.AliasList",
        [{"Name": "x"}],
        "MetricSet.AliasList[0].Aliases",
        "is missing; expected a list of 1 to 20",
    ),
    ("MetricSet.Timezone", "Paris", "", "'Paris': expected a zone of the tz database, such as Europe/Paris or UTC"),
    (
        "MetricSet.Timezone",
        "localtime",
        "",
        "'localtime': expected a zone of the tz database, such as Europe/Paris or UTC",
    ),
    (
        "MetricSet.Timezone",
        "../../etc/passwd",
        "",
        "'../../etc/passwd': expected a zone of the tz database, such as Europe/Paris or UTC",
    ),
    ("MetricSet.MetricList", [], "", "has 0 members; expected 1 to 20"),
    (
        "MetricSet.MetricList",
        [{"MetricName": "v", "AggregationFunction": "MAX"}],
        "MetricSet.MetricList[0].AggregationFunction",
        "'MAX': expected one of SUM, AVG",
    ),
    (
        "MetricSet.MetricList",
        [{"MetricName": "v"}],
        "MetricSet.MetricList[0].AggregationFunction",
        "is missing; expected one of SUM, AVG",
    ),
    ("MetricSet.DimensionList", ["p", "p"], "MetricSet.DimensionList[1]", "'p' is repeated"),
    (
        "MetricSet.DimensionList",
        ["p", "v"],
        "MetricSet.MetricList",
        "column 'v' is named twice among timestamp, measures and dimensions",
    ),
    ("MetricSet.TimestampColumn.ColumnFormat", "hh:mm", "", "'hh:mm': lacks a year (yyyy)"),
    (
        "MetricSet.TimestampColumn.ColumnFormat",
        "yyyy-MM-dd",
        "",
        "'yyyy-MM-dd': lacks the time of day (HH:mm), which PT1H wants",
    ),
    (
        "MetricSet.TimestampColumn.ColumnFormat",
        "yyyy-MM-dd hh:mm",
        "",
        "'yyyy-MM-dd hh:mm': lacks AM/PM (a) beside the hour of 12 (h, K); the hour of 24 is HH",
    ),
    (
        "MetricSet.MetricSource",
        {},
        "MetricSet.MetricSource.S3SourceConfig",
        "expected S3SourceConfig or AthenaSourceConfig",
    ),
    (
        "MetricSet.MetricSource",
        {"CloudWatchConfig": {"x": 1}, "S3SourceConfig": {"HistoricalDataPathList": ["x"]}},
        "MetricSet.MetricSource.CloudWatchConfig",
        "is not supported; expected S3SourceConfig or AthenaSourceConfig",
    ),
    (
        "MetricSet.MetricSource.S3SourceConfig.HistoricalDataPathList",
        ["gs://x"],
        "",
        "'gs://x': expected a folder, file:///FOLDER or s3://BUCKET/PREFIX",
    ),
    (
        "MetricSet.MetricSource.S3SourceConfig.TemplatedPathList",
        ["x/{{Q}}"],
        "",
        "'x/{{Q}}': key '{{Q}}'; expected y, Y, M, d, a, H, k, h, K, m, s as in {{yyyyMMdd}}/{{HHmm}}",
    ),
    (
        "MetricSet.MetricSource.S3SourceConfig.TemplatedPathList",
        ["x/{yyyy}"],
        "",
        "'x/{yyyy}': expected keys in double braces, as in {{yyyyMMdd}}",
    ),
    (
        "Alerts",
        [{"AlertName": "a", "AlertSensitivityThreshold": 101}],
        "Alerts[0].AlertSensitivityThreshold",
        "'101': expected a number from 0 to 100",
    ),
    ("Alerts", [{"AlertName": "a"}, {"AlertName": "a"}], "", "AlertName 'a' is repeated"),
    (
        "Alerts",
        [{"AlertName": "a", "AlertFilters": {"MetricList": ["x"]}}],
        "Alerts[0].AlertFilters.MetricList",
        "'x': expected one of MetricSet's: v, w",
    ),
    (
        "Alerts",
        [
            {
                "AlertName": "a",
                "AlertFilters": {"DimensionFilterList": [{"DimensionName": "x", "DimensionValueList": ["1"]}]},
            }
        ],
        "Alerts[0].AlertFilters.DimensionFilterList",
        "'x': expected one of MetricSet's: p, q",
    ),
    (
        "Alerts",
        [{"AlertName": "a", "Action": {"SNSConfiguration": {"SnsTopicArn": "t"}}}],
        "Alerts[0].Action.SNSConfiguration.SnsTopicArn",
        "'t': expected a topic's ARN",
    ),
    (
        "MetricSet.MetricList",
        [{"MetricName": "v", "AggregationFunction": "SUM", "Direction": "Drop"}],
        "MetricSet.MetricList[0].Direction",
        "'Drop': expected one of both, drops, rises; did you mean drops?",
    ),
    ("MissingData", "nul", "", "'nul': expected one of ignore, zero, anomaly"),
    (
        "MetricSet.MetricList",
        [{"MetricName": "v", "AggregationFunction": "SUM", "MissingData": "Zero"}],
        "MetricSet.MetricList[0].MissingData",
        "'Zero': expected one of ignore, zero, anomaly; did you mean zero?",
    ),
    (
        "MetricSet.MetricList",
        [{"MetricName": "v", "AggregationFunction": "SUM", "MinimumDuration": 25}],
        "MetricSet.MetricList[0].MinimumDuration",
        "'25': expected a whole number from 1 to 24",
    ),
    (
        "Alerts",
        [{"AlertName": "a", "MinimumImpact": -1}],
        "Alerts[0].MinimumImpact",
        "'-1': expected a number from 0 to 1e+30",
    ),
]


@pytest.mark.parametrize(("path", "value", "where", "what"), MISTAKES, ids=[str(n) for n in range(len(MISTAKES))])
def test_a_mistake_is_told(path: str, value: Any, where: str, what: str) -> None:
    assert f"d.yaml: {where or path}: {what}" in problems(changed(path, value))


CSV_MISTAKES = [
    ({"Delimiter": ";;"}, "Delimiter: ';;': expected one character"),
    ({"Delimiter": "§"}, "Delimiter: '§': expected an ASCII character that ends no line"),
    ({"Delimiter": '"'}, "QuoteSymbol: '\"': expected another character than Delimiter"),
    ({"FileCompression": "zip"}, "FileCompression: 'zip': expected one of NONE, GZIP; did you mean GZIP?"),
    ({"Charset": "klingon"}, "Charset: 'klingon': expected a charset such as UTF-8 or ISO-8859-1"),
    ({"Charset": "base64"}, "Charset: 'base64': expected a charset such as UTF-8 or ISO-8859-1"),
    ({"ContainsHeader": "maybe"}, "ContainsHeader: 'maybe': expected true or false"),
    ({"ContainsHeader": False}, "HeaderList: is missing; expected the columns' names, for ContainsHeader is false"),
    ({"HeaderList": ["t", "p", "q", "v"]}, "HeaderList: no column 'w'; it has 't', 'p', 'q', 'v'"),
    ({"Delimeter": ","}, "Delimeter: no such field; did you mean Delimiter?"),
    ({"DecimalSeparator": ";"}, "DecimalSeparator: ';': expected one of ., ,"),
    ({"ThousandsSeparator": "."}, "ThousandsSeparator: '.': expected another character than DecimalSeparator"),
    ({"ThousandsSeparator": "0"}, "ThousandsSeparator: '0': expected one character, such as , . ' or a blank"),
    ({"ThousandsSeparator": "''"}, "ThousandsSeparator: \"''\": expected one character, such as , . ' or a blank"),
    ({"NullValues": "?"}, "NullValues: '?': expected a list"),
    ({"SkipLines": -1}, "SkipLines: '-1': expected a whole number from 0 to 1000"),
]


@pytest.mark.parametrize(("fields", "expected"), CSV_MISTAKES, ids=[str(n) for n in range(len(CSV_MISTAKES))])
def test_a_mistake_in_a_format_is_told(fields: dict[str, Any], expected: str) -> None:
    where = "MetricSet.MetricSource.S3SourceConfig.FileFormatDescriptor.CsvFormatDescriptor"
    assert f"d.yaml: {where}.{expected}" in problems(request(FileFormatDescriptor={"CsvFormatDescriptor": fields}))


def test_all_problems_come_at_once_with_their_lines() -> None:
    found = problems(
        "AnomalyDetectorName: shop\n"
        "AnomalyDetectorConfig: {AnomalyDetectorFrequency: PT2H}\n"
        "MetricSet:\n"
        "  MetricList:\n"
        "    - {MetricName: v, AggregationFunction: SUMM}\n"
        "  Timezone: Mars\n"
        "  Timezone: Mars\n"
    )
    assert found == [
        "d.yaml: line 2: AnomalyDetectorConfig.AnomalyDetectorFrequency: 'PT2H': expected one of "
        f"{', '.join(FREQUENCIES)}; did you mean PT1H?",
        "d.yaml: line 7: MetricSet.Timezone: is repeated; expected it once",
        "d.yaml: line 5: MetricSet.MetricList[0].AggregationFunction: 'SUMM': expected one of SUM, AVG"
        "; did you mean SUM?",
        "d.yaml: line 7: MetricSet.Timezone: 'Mars': expected a zone of the tz database, such as Europe/Paris or UTC",
        "d.yaml: line 4: MetricSet.MetricSource: is missing",
        "d.yaml: line 4: MetricSet.TimestampColumn: is missing",
    ]


@pytest.mark.parametrize(
    ("frequency", "expected"),
    [
        ("P1D", []),
        ("P7D", []),
        ("P8D", ["'P8D': expected one of PT5M, PT10M, PT15M, PT30M, PT1H, P1D, P7D; did you mean P7D?"]),
        ("PT1H", ["'yyyy-MM-dd': lacks the time of day (HH:mm), which PT1H wants"]),
        ("PT30M", ["'yyyy-MM-dd': lacks the time of day (HH:mm), which PT30M wants"]),
    ],
)
def test_dates_without_a_time_fit_days_and_weeks(frequency: str, expected: list[str]) -> None:
    """An unknown frequency is one problem, and not two."""
    whole = changed("AnomalyDetectorConfig.AnomalyDetectorFrequency", frequency)
    whole["MetricSet"]["TimestampColumn"]["ColumnFormat"] = "yyyy-MM-dd"
    if not expected:
        assert parse_detector(json.dumps(whole), "d.yaml").frequency == frequency
    else:
        assert [problem.partition(": ")[2].partition(": ")[2] for problem in problems(whole)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "d.yaml: is empty; expected L4M's fields in YAML or JSON"),
        ("a: [", "d.yaml: line 1: is not YAML: "),
        ('{"a": 1,}', "d.yaml: line 1: is not JSON: "),
        ("- a", "d.yaml: line 1: a list: expected fields and their values"),
        ("!!python/object/apply:os.system [echo]", "d.yaml: line 1: a list: expected fields and their values"),
        ("a: &a [*a]", "d.yaml: is larger or deeper than a definition can be"),
        ("[" * 5_000, "d.yaml: is nested too deeply"),
        ('{"a":' + "[" * 100_000, "d.yaml: is"),
        ("? [a]\n: b", "d.yaml: line 1: the name of a field is not a text"),
    ],
    ids=["empty", "yaml", "json", "list", "code", "cycle", "deep", "deep json", "key"],
)
def test_a_text_that_is_no_definition(text: str, expected: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(expected)


def test_aliases_cannot_blow_up() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (problem,) = problems("\n".join(lines))
    assert "is larger or deeper than a definition can be" in problem


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DetectorFileError, match="cannot be read: No such file"):
        read_detector(tmp_path / "x.yaml")
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(DetectorFileError, match="is no UTF-8"):
        read_detector(tmp_path / "x.yaml")


def test_ten_measures_and_ten_dimensions() -> None:
    measures = [{"MetricName": f"m{n}", "AggregationFunction": "SUM"} for n in range(10)]
    found = detector(MetricList=measures, DimensionList=[f"d{n}" for n in range(10)]).metric_set
    assert len(found.metric_list) == len(found.dimension_list) == 10
    assert detector(DimensionList=[]).metric_set.dimension_list == ()


def test_subfolders_are_a_field_of_the_source() -> None:
    whole = request()
    whole["MetricSet"]["MetricSource"]["S3SourceConfig"]["Recursive"] = True
    found = parse_detector(json.dumps(whole), "d.yaml").metric_set
    assert found.recursive
    assert metric_set_from_fields(metric_set_to_fields(found)) == found
    # The stored form of other metric sets, and so the version of their models, is as before.
    assert "Recursive" not in metric_set_to_fields(detector().metric_set)["MetricSource"]["S3SourceConfig"]
    whole["MetricSet"]["MetricSource"]["S3SourceConfig"]["Recursive"] = "deep"
    assert problems(whole) == [
        "d.yaml: MetricSet.MetricSource.S3SourceConfig.Recursive: 'deep': expected true or false"
    ]


def test_a_measure_has_its_own_setting_of_missing_data_or_that_of_the_detector() -> None:
    assert [measure.missing_data for measure in detector().metric_set.metric_list] == ["ignore", "ignore"]
    whole = {**request(), "MissingData": "anomaly"}
    whole["MetricSet"]["MetricList"][1]["MissingData"] = "zero"
    measures = parse_detector(json.dumps(whole), "d").metric_set.metric_list
    assert [measure.missing_data for measure in measures] == ["anomaly", "zero"]


def test_roll_ups_are_a_field_of_the_metric_set() -> None:
    plain, found = detector().metric_set, detector(RollUps=True).metric_set
    assert (plain.roll_ups, found.roll_ups) == (False, True)
    assert metric_set_from_fields(metric_set_to_fields(found)) == found
    # A model of other metrics is another one; the stored form of other metric sets is as before.
    assert version_of(found) != version_of(plain)
    assert "RollUps" not in metric_set_to_fields(plain)


def test_roll_ups_need_a_dimension_and_a_sum() -> None:
    whole = changed("MetricSet.RollUps", "true")
    whole["MetricSet"]["DimensionList"] = []
    whole["MetricSet"]["MetricList"] = [{"MetricName": "w", "AggregationFunction": "AVG"}]
    assert problems(whole) == [
        "d.yaml: MetricSet.RollUps: true: expected a dimension in DimensionList; without one, a measure is its total",
        "d.yaml: MetricSet.RollUps: true: expected a measure with AggregationFunction SUM; the mean of means would "
        "need weights",
    ]


def test_json_and_yaml_say_the_same() -> None:
    whole = copy.deepcopy(request())
    assert parse_detector(json.dumps(whole), "d") == parse_detector(yaml.safe_dump(whole), "d")


def test_the_example_in_the_document_is_good() -> None:
    document = (ROOT / "docs" / "detector-file.md").read_text("utf-8")
    example, settings = re.findall(r"```yaml\n(.+?)```", document, re.DOTALL)
    plain = parse_detector(example, "docs")
    assert plain.metric_set.measures == ("revenue",)
    fields, more = yaml.safe_load(example), yaml.safe_load(settings)
    fields["MetricSet"] |= more.pop("MetricSet")
    set_ = parse_detector(yaml.safe_dump(fields | more), "docs")
    assert DetectionSettings.of(set_) != DetectionSettings.of(plain)


def test_the_scale_is_that_of_the_file() -> None:
    assert detector().scale == "process"
    for scale in ("process", "spark"):
        assert parse_detector(json.dumps({**request(), "Scale": scale}), "d.yaml").scale == scale


def test_an_unknown_scale_is_told_with_the_known_ones() -> None:
    with pytest.raises(DetectorFileError) as caught:
        parse_detector(json.dumps({**request(), "Scale": "sparc"}), "d.yaml")
    (problem,) = caught.value.problems
    assert problem.startswith("d.yaml: ")
    assert problem.endswith("Scale: 'sparc': expected one of process, spark; did you mean spark?")


def test_the_scale_starts_no_new_model() -> None:
    of_spark = parse_detector(json.dumps({**request(), "Scale": "spark"}), "d.yaml")
    of_process = parse_detector(json.dumps(request()), "d.yaml")
    assert version_of(of_spark.metric_set) == version_of(of_process.metric_set)
