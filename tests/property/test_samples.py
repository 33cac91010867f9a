"""Any bytes, names and fields: samples end in an answer or in an error of the request."""

from __future__ import annotations

import gzip
import io
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from anomalake.aws.detector_files import DetectorFiles
from anomalake.definitions.metric_set import CsvFormat, JsonLinesFormat
from anomalake.definitions.resource_errors import AccessRefusedError, InvalidRequestError
from anomalake.server.lookoutmetrics.handlers import samples as handlers
from anomalake.services.samples.reading import check_metric_set
from anomalake.services.workspace import Account, Bounds, Workspace
from anomalake.sources.rows import SourceFileError
from anomalake.sources.sample_rows import first_lines, sample_rows
from anomalake.storage.objects import memory_store
from tests.support.source_data import FilesInMemory

ARN = "arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:shop"
ROLE = "arn:aws:iam::123456789012:role/x"

charsets = st.sampled_from(
    ["UTF-8", "UTF-16", "UTF-16-LE", "UTF-32", "Shift_JIS", "GB18030", "ISO-8859-1", "utf-7", "hz"]
)
names = st.one_of(
    st.sampled_from(["t", "v", "p", "T ", "007", "a;b", "../x", "{{yyyy}}", "=1+1", "é", "<b>", "a\nb", "\x00", ""]),
    st.text(max_size=8),
)
cells = st.one_of(
    st.sampled_from(["2021-01-01 00:00:00", "2021-01-02", "1.5", "1,5", "", "NA", '"', "'", "\r", "{", "\ufeff", "🎉"]),
    st.text(max_size=6),
    st.integers().map(str),
)
tables = st.lists(st.lists(cells, min_size=1, max_size=4), min_size=1, max_size=12)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Bytes of files: anything, and tables that are nearly right."""
    if draw(st.booleans()):
        body = draw(st.binary(max_size=300))
    else:
        text = "\n".join(draw(st.sampled_from(",;\t| ")).join(row) for row in draw(tables))
        begin = draw(st.sampled_from(["", "t,v,p\n", '{"t": "2021", "v": 1}\n', "[1]\n", "PAR1", "\ufeff"]))
        body = (begin + text).encode(draw(st.sampled_from(["utf-8", "utf-16", "gb18030"])), "replace")
    if draw(st.booleans()):
        body = gzip.compress(body)
        body = body[: len(body) - draw(st.integers(0, 12))]
    return body


@st.composite
def descriptors(draw: st.DrawFn) -> dict[str, Any]:
    charset = draw(charsets | st.text(max_size=5))
    if draw(st.booleans()):
        return {"JsonFormatDescriptor": {"Charset": charset, "FileCompression": "GZIP"}}
    csv: dict[str, Any] = {
        "Charset": charset,
        "Delimiter": draw(st.sampled_from(",;\t| ") | st.characters()),
        "QuoteSymbol": draw(st.sampled_from(['"', "'", ""]) | st.characters()),
        "ContainsHeader": draw(st.booleans()),
    }
    header = draw(st.lists(names, max_size=3))
    return {"CsvFormatDescriptor": csv | ({"HeaderList": header} if header else {})}


@st.composite
def paths(draw: st.DrawFn) -> dict[str, Any]:
    bucket = st.sampled_from(["s3://lab/", "s3://lab", "s3://", "/etc/", "s3://[", ""])
    path = st.sampled_from(["h/", "h/a", "l/{{yyyyMMdd}}/{{HHmm}}", "l/{{yyyy}}/", "{{", "a/../b", "a//b", "\x00"])
    found = {
        name: draw(st.lists(st.tuples(bucket, path | st.text(max_size=6)).map("".join), max_size=2))
        for name in ("HistoricalDataPathList", "TemplatedPathList")
    }
    if draw(st.booleans()):
        found["HistoricalDataPathList"].append("s3://lab/h/")
    return {name: listed for name, listed in found.items() if listed}


def workspace(body: bytes, *buckets: str) -> Workspace:
    files = DetectorFiles("/no/such/folder", "us-east-1", "123456789012")
    account = Account("aws", "us-east-1", "123456789012")
    bounds = Bounds(sources=buckets or None)
    now = datetime(2021, 1, 2, tzinfo=UTC)
    jobs: Any = None
    return Workspace("memory://", memory_store(), files, account, lambda: now, jobs, bounds, stored(body))


def stored(body: bytes) -> FilesInMemory:
    return FilesInMemory({"s3://lab/h/a": body, "s3://lab/h/b": body, "s3://lab/l/20210101/0000/a.csv": body})


@given(bodies(), charsets, st.booleans(), st.integers(0, 2))
def test_any_bytes_are_rows_or_a_reason(body: bytes, charset: str, is_csv: bool, skip: int) -> None:
    form = CsvFormat(charset=charset, skip_lines=skip) if is_csv else JsonLinesFormat(charset=charset)
    try:
        sample = sample_rows(first_lines(io.BytesIO(body), charset), form)
    except SourceFileError as error:
        assert "\n" not in str(error)
        return
    for cell in (*sample.header, *(cell for row in sample.rows for cell in row)):
        assert type(cell) is str
        cell.encode("utf-8")


@given(bodies(), descriptors(), paths())
def test_sample_data_are_an_answer_or_an_error_of_the_request(
    body: bytes, descriptor: dict[str, Any], source: dict[str, Any]
) -> None:
    members = {"S3SourceConfig": {"RoleArn": ROLE, "FileFormatDescriptor": descriptor, **source}}
    try:
        answer = handlers.get_sample_data(workspace(body), members)
    except InvalidRequestError as error:
        check_lines(error)
        return
    assert set(answer) == {"HeaderValues", "SampleRows"}
    assert len(answer["SampleRows"]) <= 100


@given(bodies(), paths())
def test_detected_formats_are_an_answer_or_an_error_of_the_request(body: bytes, source: dict[str, Any]) -> None:
    members = {"AnomalyDetectorArn": ARN, "AutoDetectionMetricSource": {"S3SourceConfig": source}}
    with patch.object(handlers, "known_detector", lambda *_: None):
        try:
            config = handlers.detect_metric_set_config(workspace(body), members)["DetectedMetricSetConfig"]
        except InvalidRequestError as error:
            check_lines(error)
            return
    (descriptor,) = config["MetricSource"]["S3SourceConfig"]["FileFormatDescriptor"].values()
    for field in (config["Offset"], config["MetricSetFrequency"], *descriptor.values()):
        assert field["Confidence"] in ("HIGH", "LOW", "NONE")
        assert ("Value" in field) == (field["Confidence"] != "NONE")
        assert field["Message"].isprintable()


@given(bodies(), descriptors(), paths(), st.lists(names, min_size=3, max_size=3), st.sampled_from([(), ("other",)]))
def test_the_check_of_a_metric_set_passes_or_names_fields(
    body: bytes, descriptor: dict[str, Any], source: dict[str, Any], columns: list[str], buckets: tuple[str, ...]
) -> None:
    time, measure, dimension = columns
    members = {
        "AnomalyDetectorArn": ARN,
        "MetricSetName": "rows",
        "MetricList": [{"MetricName": measure, "AggregationFunction": "SUM"}],
        "DimensionList": [dimension],
        "TimestampColumn": {"ColumnName": time, "ColumnFormat": "yyyy-MM-dd HH:mm:ss"},
        "MetricSource": {"S3SourceConfig": {"RoleArn": ROLE, "FileFormatDescriptor": descriptor, **source}},
    }
    try:
        check_metric_set(workspace(body, *buckets), members)
    except InvalidRequestError as error:
        check_lines(error)
    except AccessRefusedError as error:
        assert buckets
        assert "\n" not in str(error)


def check_lines(error: InvalidRequestError) -> None:
    assert str(error).isprintable()
    assert error.fields or error.reason == "CANNOT_PARSE"
    for field, message in error.fields:
        assert field.isprintable()
        assert message.isprintable()
