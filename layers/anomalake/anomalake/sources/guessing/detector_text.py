"""A reading as a detector file: YAML in L4M's fields, with short comments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final

from anomalake.definitions.errors import SourceError
from anomalake.definitions.metric_set import DEFAULT_NULL_VALUES
from anomalake.definitions.metric_set_fields import MOST_DIMENSIONS, MOST_MEASURES
from anomalake.definitions.time_formats import timestamp_reader
from anomalake.errors import AnomalakeError
from anomalake.frequencies import FREQUENCIES
from anomalake.sources.guessing.readings import TableReading
from anomalake.sources.guessing.spacing import seconds_of
from anomalake.sources.guessing.texts import BLANKS
from anomalake.sources.guessing.times import format_for_detector

_LONGEST_EVIDENCE: Final = 90
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_ ]*[A-Za-z0-9_]|[A-Za-z_]")
_NOT_PLAIN: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


class NotSupportedError(AnomalakeError, ValueError):
    """A reading that a detector file cannot express: what is missing."""


def supported_frequency(frequency: str) -> str:
    """The frequency of a detector for that of a table: its own, else the shortest that it divides; raises
    `NotSupportedError`."""
    if frequency in FREQUENCIES:
        return frequency
    if frequency == "P1W":
        return "P7D"
    if "M" not in frequency.partition("T")[0] and "Y" not in frequency:
        seconds = seconds_of(frequency)
        for name, known in FREQUENCIES.items():
            if known.seconds >= seconds and known.seconds % seconds == 0:
                return name
    raise NotSupportedError(
        f"rows are {frequency} apart, and a detector has intervals of {', '.join(FREQUENCIES)}: "
        "expected a table with rows for each week, day, hour or less"
    )


def check_supported(reading: TableReading) -> str:
    """Check that a detector can watch a table; return the frequency of the detector. Raises `NotSupportedError`."""
    if not reading.measures:
        raise NotSupportedError(
            "no column has numbers to sum or to average; expected one, such as the count of rows for each day"
        )
    frequency = supported_frequency(reading.frequency.value)
    if reading.text.delimiter.value == BLANKS and reading.text.kind.value == "csv":
        raise NotSupportedError(
            "columns stand between runs of blanks; expected one character between them: "
            "tr -s ' ' ',' < FILE > FILE.csv writes that"
        )
    pattern = format_for_detector(reading.time.value.pattern)
    if pattern is not None:
        try:
            missing = timestamp_reader(pattern).missing()
        except SourceError as error:
            raise NotSupportedError(f"the format of the time, {pattern!r}, is not supported: {error}") from error
        if missing:
            raise NotSupportedError(f"the time, {pattern!r}, lacks {missing}")
    if len(reading.dimensions) > MOST_DIMENSIONS:
        raise NotSupportedError(
            f"has {len(reading.dimensions)} dimensions; expected at most {MOST_DIMENSIONS}: --dimension chooses some"
        )
    return frequency


def detector_text(
    reading: TableReading, name: str, paths: Sequence[str], *, templates: Sequence[str] = (), recursive: bool = False
) -> str:
    """Write the detector file of a reading.

    Parameters
    ----------
    name
        Name of the detector.
    paths, templates
        HistoricalDataPathList, TemplatedPathList.
    recursive
        Recursive.

    Raises
    ------
    NotSupportedError
        A detector file cannot express the reading.
    """
    frequency = check_supported(reading)
    lines = [
        "# Written by `anomalake init`, which looked at the data. Comments say what was guessed, and from what.",
        f"AnomalyDetectorName: {_scalar(name)}",
        f"AnomalyDetectorConfig: {{AnomalyDetectorFrequency: {frequency}}}{_comment(reading.frequency.evidence)}",
        "MetricSet:",
        *(f"  {line}" for line in _metric_set(reading, paths, templates, recursive)),
        "Alerts:",
        f"  - {{AlertName: {_scalar(name)}, AlertSensitivityThreshold: 70}}",
    ]
    return "\n".join(lines) + "\n"


def _metric_set(
    reading: TableReading, paths: Sequence[str], templates: Sequence[str], recursive: bool
) -> Iterator[str]:
    yield "MetricSource:"
    yield "  S3SourceConfig:"
    yield f"    HistoricalDataPathList: {_list(paths)}"
    if recursive:
        yield "    Recursive: true  # the files of subfolders too"
    if templates:
        yield f"    TemplatedPathList: {_list(templates)}  # a folder for each interval"
    yield "    FileFormatDescriptor:"
    yield f"      {_file_format(reading)}"
    yield f"TimestampColumn: {_timestamp(reading)}{_comment(reading.time.evidence)}"
    yield f"Timezone: {_scalar(reading.zone.value or 'UTC')}{_comment(reading.zone.evidence)}"
    yield "MetricList:"
    measures = [role for role in reading.roles if role.is_measure]
    for role in measures[:MOST_MEASURES]:
        named = f"{{MetricName: {_scalar(role.name)}, AggregationFunction: {role.role.value}}}"
        yield f"  - {named}{_comment(role.role.evidence)}"
    if len(measures) > MOST_MEASURES:
        yield f"# not used: {len(measures) - MOST_MEASURES} more measures, for a detector has at most {MOST_MEASURES}"
    yield f"DimensionList: {_list(reading.dimensions)}"
    ignored = [role for role in reading.roles if role.role.value == "ignored"]
    for role in ignored[:30]:
        yield f"# not used: {_one_line(role.name)}, which {_one_line(role.role.evidence)}"
    if len(ignored) > 30:
        yield f"# not used: {len(ignored) - 30} more columns"


def _file_format(reading: TableReading) -> str:
    text = reading.text
    if text.kind.value == "parquet":
        return "ParquetFormatDescriptor: {}"
    common = [f"Charset: {_scalar(text.charset.value or 'UTF-8')}"]
    if text.compression.value == "GZIP":
        common.append("FileCompression: GZIP")
    if text.kind.value == "json":
        return f"JsonFormatDescriptor: {{{', '.join(common)}}}"
    fields = [f"Delimiter: {_quoted(text.delimiter.value or ',')}"]
    if text.quote.value not in (None, '"'):
        fields.append(f"QuoteSymbol: {_quoted(text.quote.value or '')}")
    fields += common
    if not text.header.value:
        fields.append(f"ContainsHeader: false, HeaderList: {_list(reading.columns)}")
    elif reading.names_changed:
        fields.append(f"ContainsHeader: true, HeaderList: {_list(reading.columns)}")
    if text.skip_lines.value:
        fields.append(f"SkipLines: {text.skip_lines.value}")
    decimal, thousands = reading.separators.value
    if decimal != ".":
        fields.append(f"DecimalSeparator: {_quoted(decimal)}")
    if thousands:
        fields.append(f"ThousandsSeparator: {_quoted(thousands)}")
    if reading.null_values != DEFAULT_NULL_VALUES:
        fields.append(f"NullValues: {_list(reading.null_values)}")
    return f"CsvFormatDescriptor: {{{', '.join(fields)}}}"


def _timestamp(reading: TableReading) -> str:
    columns = reading.time.value.columns
    pattern = format_for_detector(reading.time.value.pattern)
    name = f"ColumnName: {_scalar(columns[0])}" if len(columns) == 1 else f"ColumnNames: {_list(columns)}"
    return f"{{{name}}}" if pattern is None else f"{{{name}, ColumnFormat: {_quoted(pattern)}}}"


def _scalar(text: str) -> str:
    """A text in YAML, in quotes where it needs them."""
    return text if _PLAIN.fullmatch(text) and text.casefold() not in _NOT_PLAIN else _quoted(text)


def _quoted(text: str) -> str:
    # JSON's texts are YAML's too, if every character above 65535 is written as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\x7f").replace("\x85", "\\x85").replace(
        "\u2028", "\\u2028").replace("\u2029", "\\u2029")  # fmt: skip


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_scalar, texts))}]"


def _one_line(text: str) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if len(text) <= _LONGEST_EVIDENCE else f"{text[:_LONGEST_EVIDENCE]}…"


def _comment(evidence: str) -> str:
    return f"  # {_one_line(evidence)}"
