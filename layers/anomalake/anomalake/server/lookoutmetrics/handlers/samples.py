"""Operations on samples of source data."""

from __future__ import annotations

from typing import Any, Final

from anomalake.definitions.messages import printable
from anomalake.definitions.resource_errors import InvalidRequestError
from anomalake.server.lookoutmetrics.handling import Handler, Members
from anomalake.services.definitions.known_detectors import known_detector
from anomalake.services.samples.formats import DetectedFormat, detect_format
from anomalake.services.samples.reading import read_sample_rows
from anomalake.services.workspace import Workspace
from anomalake.sources.guessing.guess import Guess
from anomalake.sources.guessing.texts import BLANKS


def get_sample_data(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Return the first rows of a source as texts."""
    sample = read_sample_rows(workspace, _source(members, "S3SourceConfig"))
    return {"HeaderValues": list(sample.header), "SampleRows": [list(row) for row in sample.rows]}


def detect_metric_set_config(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Return what a source is taken for."""
    known_detector(workspace, members["AnomalyDetectorArn"])
    source = _source(members["AutoDetectionMetricSource"], "S3SourceConfig", "AutoDetectionMetricSource.")
    detected = detect_format(workspace, source)
    config = {
        "Offset": _field("N", detected.offset),
        "MetricSetFrequency": _field("S", detected.frequency),
        "MetricSource": {"S3SourceConfig": {"FileFormatDescriptor": _descriptor(detected)}},
    }
    return {"DetectedMetricSetConfig": config}


HANDLERS: Final[dict[str, Handler]] = {
    "GetSampleData": get_sample_data,
    "DetectMetricSetConfig": detect_metric_set_config,
}


_DOUBTFUL: Final = 0.5


def _source(members: Members, name: str, before: str = "") -> Members:
    source: Members | None = members.get(name)
    if source is None:
        raise InvalidRequestError(f"{before}{name}: is missing", ((f"{before}{name}", "is missing"),))
    return source


def _descriptor(detected: DetectedFormat) -> dict[str, Any]:
    text = detected.text
    common = {"FileCompression": _field("S", text.compression), "Charset": _field("S", text.charset)}
    if text.kind.value == "json":
        return {"JsonFormatDescriptor": common}
    delimiter, named = text.delimiter, text.header
    if delimiter.value == BLANKS:
        # Lookout for Metrics' delimiter is one blank.
        runs = f"{delimiter.evidence}, and runs of them count as one"
        delimiter = Guess(BLANKS, min(delimiter.confidence, _DOUBTFUL), runs)
    skipped = text.skip_lines.value
    if skipped:
        # Lookout for Metrics has no field for them.
        named = Guess(named.value, _DOUBTFUL, f"{skipped} lines stand before the table, which SkipLines would skip")
    header = Guess(None if named.value is None else str(named.value).lower(), named.confidence, named.evidence)
    return {
        "CsvFormatDescriptor": {
            **common,
            "ContainsHeader": _field("S", header),
            "Delimiter": _field("S", delimiter),
            "HeaderList": _field("SS", detected.header),
            "QuoteSymbol": _field("S", text.quote),
        }
    }


def _field(kind: str, guess: Guess[Any]) -> dict[str, Any]:
    """A DetectedField: NONE without a value, HIGH where a person need not be asked."""
    message = printable(guess.evidence)
    if guess.value is None:
        return {"Confidence": "NONE", "Message": message}
    value = list(guess.value) if kind == "SS" else str(guess.value)
    return {"Value": {kind: value}, "Confidence": "HIGH" if guess.is_sure else "LOW", "Message": message}
