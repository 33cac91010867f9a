"""Samples of source data in S3, as moto has it: rows, formats, and the check of metric sets."""

from __future__ import annotations

import gzip
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest

from anomalake.aws.detector_files import DetectorFiles
from anomalake.definitions.resource_errors import (
    AccessRefusedError,
    InvalidRequestError,
    ResourceNotFoundError,
)
from anomalake.server.lookoutmetrics.handlers.samples import detect_metric_set_config, get_sample_data
from anomalake.services.samples.reading import check_metric_set
from anomalake.services.workspace import Account, Bounds, Workspace
from anomalake.storage.objects import memory_store
from tests.support.faulty_s3 import s3_server

ROLE = "arn:aws:iam::123456789012:role/L4MTestRole"
ARN = "arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:shop"
CSV = {
    "CsvFormatDescriptor": {
        "FileCompression": "NONE", "Charset": "UTF-8", "ContainsHeader": True, "Delimiter": ",", "QuoteSymbol": '"',
    }
}  # fmt: skip
HEADER = "platform,marketplace,timestamp,views,revenue\n"
NOON = datetime(2021, 1, 1, 12)


class NoJobs:
    def backtest(self, detector: str) -> None:
        raise AssertionError(detector)

    def activate(self, detector: str) -> None:
        raise AssertionError(detector)


class Bucket:
    def __init__(self, name: str) -> None:
        self.name = name
        self._client = boto3.client("s3")
        self._client.create_bucket(Bucket=name)

    def put(self, key: str, body: str | bytes) -> None:
        self._client.put_object(Bucket=self.name, Key=key, Body=body.encode() if isinstance(body, str) else body)

    def uri(self, path: str) -> str:
        return f"s3://{self.name}/{path}"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    return Bucket(f"lab-{uuid.uuid4().hex}")


@pytest.fixture
def make_workspace(tmp_path: Any) -> Callable[..., Workspace]:
    (tmp_path / "shop.yaml").write_text(
        f"AnomalyDetectorArn: {ARN}\nAnomalyDetectorConfig: {{AnomalyDetectorFrequency: PT1H}}\n"
        "MetricSet:\n  MetricSource: {S3SourceConfig: {HistoricalDataPathList: [data/]}}\n"
        "  TimestampColumn: {ColumnName: timestamp}\n"
        "  MetricList: [{MetricName: views, AggregationFunction: SUM}]\n"
    )
    files = DetectorFiles(str(tmp_path), "us-east-1", "123456789012")
    account = Account("aws", "us-east-1", "123456789012")

    def make(*buckets: str) -> Workspace:
        bounds = Bounds(sources=buckets or None)
        return Workspace("memory://", memory_store(), files, account, lambda: datetime.now(UTC), NoJobs(), bounds)

    return make


@pytest.fixture
def workspace(make_workspace: Callable[..., Workspace]) -> Workspace:
    return make_workspace()


def rows(start: datetime = NOON, hours: int = 30, sign: str = "") -> str:
    draw = random.Random(3)
    lines = [
        f"{platform},{marketplace},{start + timedelta(hours=hour):%Y-%m-%d %H:%M:%S},{draw.randint(0, 90)},{sign}1.50\n"
        for hour in range(hours)
        for platform in ("pc", "mobile")
        for marketplace in ("us", "uk")
    ]
    return HEADER + "".join(lines)


def metric_set(*histories: str, templates: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    source = {"RoleArn": ROLE, "FileFormatDescriptor": changes.pop("FileFormatDescriptor", CSV)}
    source |= {"HistoricalDataPathList": list(histories)} if histories else {}
    source |= {"TemplatedPathList": list(templates)} if templates else {}
    return {
        "AnomalyDetectorArn": ARN,
        "MetricSetName": "rows",
        "MetricList": [
            {"MetricName": "views", "AggregationFunction": "SUM", "Namespace": "shop"},
            {"MetricName": "revenue", "AggregationFunction": "SUM"},
        ],
        "DimensionList": ["platform", "marketplace"],
        "TimestampColumn": {"ColumnName": "timestamp", "ColumnFormat": "yyyy-MM-dd HH:mm:ss"},
        "MetricSetFrequency": "PT1H",
        "MetricSource": {"S3SourceConfig": source},
        **changes,
    }


def fields_of(workspace: Workspace, members: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequestError) as caught:
        check_metric_set(workspace, members)
    assert "\n" not in str(caught.value)
    assert caught.value.reason == "FIELD_VALIDATION_FAILED"
    return dict(caught.value.fields)


def sampled(workspace: Workspace, descriptor: dict[str, Any], **paths: Any) -> dict[str, Any]:
    source = {"RoleArn": ROLE, "FileFormatDescriptor": descriptor, **paths}
    return get_sample_data(workspace, {"S3SourceConfig": source})


def detected(workspace: Workspace, **paths: Any) -> dict[str, Any]:
    members = {"AnomalyDetectorArn": ARN, "AutoDetectionMetricSource": {"S3SourceConfig": paths}}
    config: dict[str, Any] = detect_metric_set_config(workspace, members)["DetectedMetricSetConfig"]
    return config


def leaves(config: Any, path: str = "") -> Iterator[tuple[str, Any, str]]:
    if "Confidence" in config:
        (value,) = config["Value"].values() if "Value" in config else (None,)
        yield path, value, config["Confidence"]
        return
    for name, member in config.items():
        yield from leaves(member, name)


def test_sample_of_a_historical_file(workspace: Workspace, bucket: Bucket) -> None:
    bucket.put("backtest/b.csv", rows())
    bucket.put("backtest/deeper/a.csv", "x\n")
    wanted = {
        "HeaderValues": ["platform", "marketplace", "timestamp", "views", "revenue"],
        "SampleRows": [line.split(",") for line in rows().splitlines()[1:101]],
    }
    assert sampled(workspace, CSV, HistoricalDataPathList=[bucket.uri("backtest/")]) == wanted
    assert sampled(workspace, CSV, HistoricalDataPathList=[bucket.uri("backtest/b.csv")]) == wanted


def test_sample_of_the_newest_interval(workspace: Workspace, bucket: Bucket) -> None:
    for hour in range(30):
        start = NOON + timedelta(hours=hour)
        bucket.put(f"live/{start:%Y%m%d/%H%M}/rows.csv", rows(start, hours=1))
    bucket.put("live/20991231/0000/", b"")
    template = bucket.uri("live/{{yyyyMMdd}}/{{HHmm}}")
    answer = sampled(workspace, CSV, TemplatedPathList=[template], HistoricalDataPathList=[bucket.uri("none/")])
    assert {row[2] for row in answer["SampleRows"]} == {"2021-01-02 17:00:00"}


def test_sample_of_gzipped_json_lines(workspace: Workspace, bucket: Bucket) -> None:
    bucket.put("j/a.json.gz", gzip.compress(b'{"t": "2021-01-01", "v": 1.50}\n{"t": "2021-01-02", "w": true}\n'))
    descriptor = {"JsonFormatDescriptor": {"FileCompression": "GZIP", "Charset": "UTF-8"}}
    assert sampled(workspace, descriptor, HistoricalDataPathList=[bucket.uri("j")]) == {
        "HeaderValues": ["t", "v", "w"],
        "SampleRows": [["2021-01-01", "1.50", ""], ["2021-01-02", "", "true"]],
    }


def test_what_cannot_be_sampled(workspace: Workspace, bucket: Bucket) -> None:
    bucket.put("a.zip", b"PK\x03\x04" + b"x" * 100)
    for members, field in (
        ({}, "S3SourceConfig"),
        (source(CSV), "S3SourceConfig.HistoricalDataPathList"),
        (source(CSV, HistoricalDataPathList=[bucket.uri("none")]), "S3SourceConfig.HistoricalDataPathList[0]"),
        (source(CSV, TemplatedPathList=[bucket.uri("{{yyyy}}")]), "S3SourceConfig.TemplatedPathList[0]"),
        (source(CSV, TemplatedPathList=[bucket.uri("{{QQ}}")]), "S3SourceConfig.TemplatedPathList[0]"),
        (source(CSV, HistoricalDataPathList=[bucket.uri("a.zip")]), "S3SourceConfig.HistoricalDataPathList[0]"),
        (source(CSV, HistoricalDataPathList=["/etc"]), "S3SourceConfig.HistoricalDataPathList[0]"),
        (source(CSV, HistoricalDataPathList=[bucket.uri("a/../c")]), "S3SourceConfig.HistoricalDataPathList[0]"),
        (
            source({"CsvFormatDescriptor": {"Charset": "no-such"}}, HistoricalDataPathList=[bucket.uri("a.zip")]),
            "S3SourceConfig.FileFormatDescriptor.CsvFormatDescriptor.Charset",
        ),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            get_sample_data(workspace, members)
        assert [name for name, _ in caught.value.fields] == [field]


def source(descriptor: dict[str, Any], **paths: Any) -> dict[str, Any]:
    return {"S3SourceConfig": {"RoleArn": ROLE, "FileFormatDescriptor": descriptor, **paths}}


def test_the_format_of_a_csv_file(workspace: Workspace, bucket: Bucket) -> None:
    bucket.put("h/a.csv", rows(hours=100))
    config = detected(workspace, HistoricalDataPathList=[bucket.uri("h/")])
    assert list(leaves(config)) == [
        ("Offset", None, "NONE"),
        ("MetricSetFrequency", "PT1H", "HIGH"),
        ("FileCompression", "NONE", "HIGH"),
        ("Charset", "UTF-8", "HIGH"),
        ("ContainsHeader", "true", "HIGH"),
        ("Delimiter", ",", "HIGH"),
        ("HeaderList", HEADER.strip().split(","), "HIGH"),
        ("QuoteSymbol", '"', "HIGH"),
    ]
    assert "'timestamp' in the format yyyy-MM-dd HH:mm:ss" in config["MetricSetFrequency"]["Message"]


def test_the_format_of_live_folders(workspace: Workspace, bucket: Bucket) -> None:
    for hour in range(30):
        start = NOON + timedelta(hours=hour)
        bucket.put(f"live/{start:%Y%m%d/%H%M}/rows.csv.gz", gzip.compress(rows(start, hours=1).encode()))
    config = detected(workspace, TemplatedPathList=[bucket.uri("live/{{yyyyMMdd}}/{{HHmm}}")])
    found = {name: (value, confidence) for name, value, confidence in leaves(config)}
    assert found["FileCompression"] == ("GZIP", "HIGH")
    assert found["MetricSetFrequency"] == ("PT1H", "HIGH")
    # All files were written now, long after their intervals.
    assert found["Offset"] == ("0", "LOW")


def test_the_format_of_json_lines(workspace: Workspace, bucket: Bucket) -> None:
    lines = [f'{{"at": "{NOON + timedelta(minutes=15 * number):%Y-%m-%dT%H:%M}", "v": 1}}' for number in range(99)]
    bucket.put("j/a.jsonl", "\n".join(lines))
    config = detected(workspace, HistoricalDataPathList=[bucket.uri("j/")])
    assert list(leaves(config)) == [
        ("Offset", None, "NONE"),
        # There is no PT15M in Lookout for Metrics.
        ("MetricSetFrequency", "PT1H", "LOW"),
        ("FileCompression", "NONE", "HIGH"),
        ("Charset", "UTF-8", "HIGH"),
    ]
    assert "rows are PT15M apart" in config["MetricSetFrequency"]["Message"]


def test_a_table_that_is_hard_to_read(workspace: Workspace, bucket: Bucket) -> None:
    lines = [f"{NOON + timedelta(days=7 * number):%d.%m.%Y};x é;1,5\n" for number in range(60)]
    bucket.put("h/a.csv", ("Bericht vom Montag\n\n" + "Tag;Ort;Wert\n" + "".join(lines)).encode("iso-8859-1"))
    found = {name: (value, confidence) for name, value, confidence in leaves(detected(
        workspace, HistoricalDataPathList=[bucket.uri("h/")]))}  # fmt: skip
    assert found["MetricSetFrequency"] == (None, "NONE")
    assert found["Charset"] == ("ISO-8859-1", "HIGH")
    assert found["Delimiter"] == (";", "HIGH")
    assert found["ContainsHeader"] == ("true", "LOW")  # lines stand before it
    assert found["HeaderList"][0] == ["Tag", "Ort", "Wert"]


def test_text_without_times_has_a_format_and_no_frequency(workspace: Workspace, bucket: Bucket) -> None:
    bucket.put("h/a.csv", "a;b\n" + "x;1\n" * 50)
    found = {name: (value, confidence) for name, value, confidence in leaves(detected(
        workspace, HistoricalDataPathList=[bucket.uri("h/")]))}  # fmt: skip
    assert found["Delimiter"] == (";", "HIGH")
    assert found["MetricSetFrequency"] == (None, "NONE")


def test_what_has_no_format(workspace: Workspace, bucket: Bucket) -> None:
    bucket.put("p/a.parquet", b"PAR1" + b"\x00" * 100)
    bucket.put("x/a.xlsx", b"PK\x03\x04" + b"x" * 100)
    for path in ("p/", "x/", "none/"):
        with pytest.raises(InvalidRequestError) as caught:
            detected(workspace, HistoricalDataPathList=[bucket.uri(path)])
        field = "AutoDetectionMetricSource.S3SourceConfig.HistoricalDataPathList[0]"
        assert [name for name, _ in caught.value.fields] == [field]
    members = {"AnomalyDetectorArn": ARN.replace("shop", "none"), "AutoDetectionMetricSource": {"S3SourceConfig": {}}}
    with pytest.raises(ResourceNotFoundError):
        detect_metric_set_config(workspace, members)


def test_a_metric_set_that_fits(workspace: Workspace, bucket: Bucket) -> None:
    bucket.put("h/a.csv", rows())
    bucket.put("h/b.csv", rows().replace(",1.50\n", ",\n"))
    bucket.put("live/20210102/0300/a.csv", rows())
    templates = (bucket.uri("live/{{yyyyMMdd}}/{{HHmm}}"),)
    check_metric_set(workspace, metric_set(bucket.uri("h/")))
    check_metric_set(workspace, metric_set(bucket.uri("h/a.csv"), templates=templates))
    without = metric_set(bucket.uri("h/a.csv"))
    del without["MetricSetFrequency"], without["DimensionList"]
    check_metric_set(workspace, without)


def test_live_data_may_begin_later(workspace: Workspace, bucket: Bucket) -> None:
    check_metric_set(workspace, metric_set(templates=(bucket.uri("later/{{yyyyMMdd}}/{{HHmm}}"),)))
    field = "MetricSource.S3SourceConfig.HistoricalDataPathList[0]"
    assert fields_of(workspace, metric_set(bucket.uri("later/")))[field] == (
        f"{bucket.uri('later/')}: has no file; expected one directly in it"
    )


def test_columns_that_are_missing(workspace: Workspace, bucket: Bucket) -> None:
    bucket.put("h/a.csv", rows())
    members = metric_set(
        bucket.uri("h/"),
        MetricList=[
            {"MetricName": "views", "AggregationFunction": "SUM"},
            {"MetricName": "sales", "AggregationFunction": "AVG"},
        ],
        DimensionList=["platform", "country"],
        TimestampColumn={"ColumnName": "time", "ColumnFormat": "yyyy-MM-dd HH:mm:ss"},
    )
    listed = "it has 'platform', 'marketplace', 'timestamp', 'views', 'revenue'"
    place = bucket.uri("h/a.csv")
    assert fields_of(workspace, members) == {
        "TimestampColumn.ColumnName": f"{place}: no column 'time'; {listed}",
        "DimensionList[1]": f"{place}: no column 'country'; {listed}",
        "MetricList[1].MetricName": f"{place}: no column 'sales'; {listed}",
    }


def test_timestamps_in_another_format(workspace: Workspace, bucket: Bucket) -> None:
    bucket.put("h/a.csv", rows().replace("-", "/"))
    assert fields_of(workspace, metric_set(bucket.uri("h/"))) == {
        "TimestampColumn.ColumnFormat": (
            f"{bucket.uri('h/a.csv')}: line 2: Timestamp Column 'timestamp' '2021/01/01 12:00:00' does not match "
            "provided timestamp format 'yyyy-MM-dd HH:mm:ss'; the timestamps look like yyyy/MM/dd HH:mm:ss "
            "(120 of 120 rows)"
        )
    }


def test_measures_that_are_no_numbers(workspace: Workspace, bucket: Bucket) -> None:
    bucket.put("h/a.csv", rows(sign="about "))
    (problem,) = fields_of(workspace, metric_set(bucket.uri("h/"))).items()
    assert problem[0] == "MetricList[1].MetricName"
    assert problem[1].startswith(f"{bucket.uri('h/a.csv')}: line 2: column 'revenue' 'about 1.50': expected a number")
    # A few of them are set aside when the data are read.
    bucket.put("h/a.csv", rows().replace(",1.50\n", ",n/k\n", 5))
    check_metric_set(workspace, metric_set(bucket.uri("h/")))


def test_another_delimiter_and_other_files(workspace: Workspace, bucket: Bucket) -> None:
    bucket.put("h/a.csv", rows().replace(",", ";"))
    assert set(fields_of(workspace, metric_set(bucket.uri("h/")))) == {
        "TimestampColumn.ColumnName", "DimensionList[0]", "DimensionList[1]", "MetricList[0].MetricName",
        "MetricList[1].MetricName",
    }  # fmt: skip
    bucket.put("h/a.csv", b"PK\x03\x04" + b"x" * 100)
    assert set(fields_of(workspace, metric_set(bucket.uri("h/")))) == {
        "MetricSource.S3SourceConfig.HistoricalDataPathList[0]"
    }
    ragged = HEADER + "pc,us,2021-01-01 12:00:00,1,1,surplus\n" * 9
    bucket.put("h/a.csv", ragged)
    assert set(fields_of(workspace, metric_set(bucket.uri("h/")))) == {
        "MetricSource.S3SourceConfig.FileFormatDescriptor"
    }


def test_json_lines_that_do_not_fit(workspace: Workspace, bucket: Bucket) -> None:
    line = '{"timestamp": "2021-01-01 12:00:00", "views": %s, "revenue": 2, "platform": "a", "marketplace": "b"}\n'
    descriptor = {"JsonFormatDescriptor": {"FileCompression": "NONE", "Charset": "UTF-8"}}
    bucket.put("h/a.json", line % 1)
    check_metric_set(workspace, metric_set(bucket.uri("h/"), FileFormatDescriptor=descriptor))
    bucket.put("h/a.json", line % '"many"')
    wrong = fields_of(workspace, metric_set(bucket.uri("h/"), FileFormatDescriptor=descriptor))
    assert list(wrong) == ["MetricList[0].MetricName"]
    bucket.put("h/a.json", line % 1 + "no JSON\n")
    wrong = fields_of(workspace, metric_set(bucket.uri("h/"), FileFormatDescriptor=descriptor))
    assert list(wrong) == ["MetricSource.S3SourceConfig.FileFormatDescriptor"]


def test_fields_that_are_invalid_without_files(workspace: Workspace) -> None:
    column = {"ColumnName": "t", "ColumnFormat": "yyyy-QQ"}
    wrong = fields_of(workspace, metric_set("s3://lab/h/", TimestampColumn=column))
    assert list(wrong) == ["TimestampColumn.ColumnFormat"]
    wrong = fields_of(workspace, metric_set(MetricSource={"CloudWatchConfig": {"RoleArn": ROLE}}))
    assert wrong["MetricSource.CloudWatchConfig"].startswith("is not supported")
    with pytest.raises(InvalidRequestError):
        check_metric_set(workspace, metric_set())
    table = {"AthenaSourceConfig": {"RoleArn": ROLE, "DatabaseName": "d", "TableName": "t"}}
    check_metric_set(workspace, metric_set(MetricSource=table))


def test_a_missing_bucket(workspace: Workspace, bucket: Bucket) -> None:
    wrong = fields_of(workspace, metric_set("s3://no-such-bucket/h/"))
    assert wrong == {
        "MetricSource.S3SourceConfig.HistoricalDataPathList[0]": (
            "s3://no-such-bucket/h/: there is no bucket 'no-such-bucket'"
        )
    }
    wrong = fields_of(workspace, metric_set(templates=("s3://no-such-bucket/{{yyyyMMdd}}/",)))
    assert list(wrong) == ["MetricSource.S3SourceConfig.TemplatedPathList[0]"]


def test_keys_that_cannot_be_read(workspace: Workspace, bucket: Bucket) -> None:
    bucket.put("h//a.csv", rows())
    wrong = fields_of(workspace, metric_set(bucket.uri("h/")))
    assert "expected keys without empty" in wrong["MetricSource.S3SourceConfig.HistoricalDataPathList[0]"]


def test_buckets_outside_of_the_bounds(make_workspace: Callable[..., Workspace], bucket: Bucket) -> None:
    bucket.put("h/a.csv", rows())
    check_metric_set(make_workspace(bucket.name), metric_set(bucket.uri("h/")))
    bounded = make_workspace("other", "another")
    for call in (
        lambda: check_metric_set(bounded, metric_set(bucket.uri("h/"))),
        lambda: sampled(bounded, CSV, HistoricalDataPathList=[bucket.uri("h/")]),
        lambda: detected(bounded, HistoricalDataPathList=[bucket.uri("h/")]),
    ):
        with pytest.raises(AccessRefusedError, match="allowed: s3://other/, s3://another/"):
            call()


def test_a_bucket_that_denies_access(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    class Denying(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            self.send_response(403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Denying)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    try:
        with pytest.raises(AccessRefusedError, match=r"HistoricalDataPathList\[0\]: s3://closed/h/: access is denied"):
            check_metric_set(workspace, metric_set("s3://closed/h/"))
        with pytest.raises(AccessRefusedError, match=r"TemplatedPathList\[0\]"):
            check_metric_set(workspace, metric_set(templates=("s3://closed/{{yyyy}}/",)))
    finally:
        server.shutdown()
        server.server_close()


def test_without_credentials(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    boto3.setup_default_session()
    with pytest.raises(AccessRefusedError, match="no AWS credentials"):
        check_metric_set(workspace, metric_set("s3://some-bucket/h/"))
