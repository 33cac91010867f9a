"""Where a detector's source data lies and how to read it, in the fields of L4M's CreateMetricSet."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from anomalake.catalog.errors import SourceError
from anomalake.catalog.names import detector_of
from anomalake.catalog.time_formats import to_strptime
from anomalake.lake.store import ObjectStore

FOLDER = "sources"

#: Minutes of the intervals that L4M knows.
FREQUENCIES = {"PT5M": 5, "PT10M": 10, "PT1H": 60, "P1D": 1440}

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}")
_KEY = re.compile(r"sources/(?P<name>[a-zA-Z0-9][a-zA-Z0-9_-]{0,62})-[0-9a-f]{16}\.json")


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """CsvFormatDescriptor."""

    delimiter: str = ","
    quote_symbol: str = '"'
    contains_header: bool = True
    header_list: tuple[str, ...] = ()
    file_compression: str = "NONE"
    charset: str = "UTF-8"


@dataclass(frozen=True, slots=True)
class JsonLinesFormat:
    """JsonFormatDescriptor."""

    file_compression: str = "NONE"
    charset: str = "UTF-8"


@dataclass(frozen=True, slots=True)
class Measure:
    """A member of MetricList."""

    metric_name: str
    aggregation_function: str = "SUM"


@dataclass(frozen=True, slots=True)
class Source:
    """A detector's source data.

    Attributes
    ----------
    detector_arn
        AnomalyDetectorArn.
    templated_path_list, historical_data_path_list
        Where files lie, as in S3SourceConfig; in a local lake, folders (relative ones begin at the lake). Templates
        such as ``live/{{yyyyMMdd}}/{{HHmm}}`` name a folder an interval.
    file_format
        FileFormatDescriptor.
    timestamp_column, timestamp_format
        TimestampColumn: ColumnName, and ColumnFormat in Java's letters.
    timezone
        Zone of the rows' wall clocks.
    metric_list, dimension_list, frequency
        MetricList, DimensionList, MetricSetFrequency.
    """

    detector_arn: str
    timestamp_column: str
    metric_list: tuple[Measure, ...]
    dimension_list: tuple[str, ...] = ()
    timestamp_format: str = "yyyy-MM-dd HH:mm:ss"
    timezone: str = "UTC"
    frequency: str = "PT1H"
    templated_path_list: tuple[str, ...] = ()
    historical_data_path_list: tuple[str, ...] = ()
    file_format: CsvFormat | JsonLinesFormat = field(default_factory=CsvFormat)

    def __post_init__(self) -> None:
        if not self.detector_arn.startswith("arn:") or not _NAME.fullmatch(detector_of(self.detector_arn)):
            raise SourceError(f"AnomalyDetectorArn {self.detector_arn!r}: expected arn:…:AnomalyDetector:NAME")
        if not self.templated_path_list and not self.historical_data_path_list:
            raise SourceError("S3SourceConfig: no path; expected TemplatedPathList or HistoricalDataPathList")
        if self.frequency not in FREQUENCIES:
            raise SourceError(f"MetricSetFrequency {self.frequency!r}: expected one of {', '.join(FREQUENCIES)}")
        if not self.metric_list:
            raise SourceError("MetricList: empty; expected 1 to 5 measures")
        for measure in self.metric_list:
            if measure.aggregation_function not in ("SUM", "AVG"):
                raise SourceError(
                    f"MetricList {measure.metric_name!r}: AggregationFunction {measure.aggregation_function!r}; "
                    "expected SUM or AVG"
                )
        columns = [self.timestamp_column, *(one.metric_name for one in self.metric_list), *self.dimension_list]
        twice = sorted({column for column in columns if columns.count(column) > 1})
        if twice:
            raise SourceError(f"column {twice[0]!r} is named twice among timestamp, measures and dimensions")
        if isinstance(self.file_format, CsvFormat) and self.file_format.header_list:
            missing = [column for column in columns if column not in self.file_format.header_list]
            if missing:
                raise SourceError(
                    f"HeaderList: no column {missing[0]!r}; it has {', '.join(self.file_format.header_list)}"
                )
        if isinstance(self.file_format, CsvFormat) and not (
            self.file_format.header_list or self.file_format.contains_header
        ):
            raise SourceError("CsvFormatDescriptor: no header in the files; expected HeaderList")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise SourceError(f"Timezone {self.timezone!r}: expected a zone such as Europe/Paris") from error
        to_strptime(self.timestamp_format)

    @property
    def columns(self) -> tuple[str, ...]:
        """The source's columns that are read."""
        return (self.timestamp_column, *self.dimension_list, *(one.metric_name for one in self.metric_list))

    def to_fields(self) -> dict[str, Any]:
        """As L4M's fields."""
        if isinstance(self.file_format, CsvFormat):
            descriptor: dict[str, Any] = {
                "CsvFormatDescriptor": {
                    "FileCompression": self.file_format.file_compression,
                    "Charset": self.file_format.charset,
                    "ContainsHeader": self.file_format.contains_header,
                    "Delimiter": self.file_format.delimiter,
                    "HeaderList": list(self.file_format.header_list),
                    "QuoteSymbol": self.file_format.quote_symbol,
                }
            }
        else:
            descriptor = {
                "JsonFormatDescriptor": {
                    "FileCompression": self.file_format.file_compression,
                    "Charset": self.file_format.charset,
                }
            }
        return {
            "AnomalyDetectorArn": self.detector_arn,
            "MetricSource": {
                "S3SourceConfig": {
                    "TemplatedPathList": list(self.templated_path_list),
                    "HistoricalDataPathList": list(self.historical_data_path_list),
                    "FileFormatDescriptor": descriptor,
                }
            },
            "TimestampColumn": {"ColumnName": self.timestamp_column, "ColumnFormat": self.timestamp_format},
            "Timezone": self.timezone,
            "MetricList": [
                {"MetricName": one.metric_name, "AggregationFunction": one.aggregation_function}
                for one in self.metric_list
            ],
            "DimensionList": list(self.dimension_list),
            "MetricSetFrequency": self.frequency,
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Source:
        """Out of L4M's fields: a CreateMetricSet request with its AnomalyDetectorArn.

        Raises
        ------
        SourceError
            A field is missing or not as expected.
        """
        try:
            config = fields["MetricSource"]["S3SourceConfig"]
            descriptor = config.get("FileFormatDescriptor") or {"CsvFormatDescriptor": {}}
            return cls(
                detector_arn=fields["AnomalyDetectorArn"],
                timestamp_column=fields["TimestampColumn"]["ColumnName"],
                timestamp_format=fields["TimestampColumn"].get("ColumnFormat") or "yyyy-MM-dd HH:mm:ss",
                timezone=fields.get("Timezone") or "UTC",
                frequency=fields.get("MetricSetFrequency") or "PT1H",
                metric_list=tuple(
                    Measure(one["MetricName"], one.get("AggregationFunction") or "SUM") for one in fields["MetricList"]
                ),
                dimension_list=tuple(fields.get("DimensionList") or ()),
                templated_path_list=tuple(config.get("TemplatedPathList") or ()),
                historical_data_path_list=tuple(config.get("HistoricalDataPathList") or ()),
                file_format=_format_of(descriptor),
            )
        except KeyError as error:
            raise SourceError(f"metric set: no field {error.args[0]!r}; expected CreateMetricSet's fields") from error
        except (TypeError, AttributeError) as error:
            raise SourceError(f"metric set: {error}; expected CreateMetricSet's fields") from error


def _format_of(descriptor: Mapping[str, Any]) -> CsvFormat | JsonLinesFormat:
    if "JsonFormatDescriptor" in descriptor:
        json_lines = descriptor["JsonFormatDescriptor"] or {}
        return JsonLinesFormat(json_lines.get("FileCompression") or "NONE", json_lines.get("Charset") or "UTF-8")
    fields = descriptor.get("CsvFormatDescriptor") or {}
    return CsvFormat(
        delimiter=fields.get("Delimiter") or ",",
        quote_symbol=fields.get("QuoteSymbol") or '"',
        contains_header=bool(fields.get("ContainsHeader", True)),
        header_list=tuple(fields.get("HeaderList") or ()),
        file_compression=fields.get("FileCompression") or "NONE",
        charset=fields.get("Charset") or "UTF-8",
    )


def header_of(beginning: bytes, csv_format: CsvFormat) -> tuple[str, ...]:
    """The columns that a CSV file's first line names.

    Parameters
    ----------
    beginning
        The file, or as much of it as holds the first line; gzip is recognised.
    """
    if beginning[:2] == b"\x1f\x8b":
        beginning = zlib.decompressobj(wbits=31).decompress(beginning)
    text = beginning.decode("utf-8-sig", "replace")
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=csv_format.delimiter, quotechar=csv_format.quote_symbol
    )
    return tuple(next(reader, ()))


def key_of(source: Source) -> str:
    """Key of a source's record in the lake."""
    digest = hashlib.sha256(source.detector_arn.encode()).hexdigest()[:16]
    return f"{FOLDER}/{detector_of(source.detector_arn)}-{digest}.json"


def write_source(store: ObjectStore, source: Source) -> None:
    """Keep a source's record in the lake, in place of the one before; raises `StoreError`."""
    store.put(key_of(source), json.dumps(source.to_fields(), indent=1).encode("ascii"))


def source_keys(store: ObjectStore) -> dict[str, list[str]]:
    """Keys of the sources' records by detector name; raises `StoreError`."""
    keys: dict[str, list[str]] = {}
    for found in store.list(FOLDER):
        named = _KEY.fullmatch(found.key)
        if named:
            keys.setdefault(named["name"], []).append(found.key)
    return keys


def read_sources(store: ObjectStore, keys: Sequence[str]) -> list[Source]:
    """Read sources' records; raises `StoreError`, `SourceError`."""
    sources = []
    for key in sorted(keys):
        try:
            sources.append(Source.from_fields(json.loads(store.get(key))))
        except SourceError as error:
            raise SourceError(f"{store.uri}/{key}: {error}") from error
        except ValueError as error:
            raise SourceError(f"{store.uri}/{key}: is no JSON; expected CreateMetricSet's fields") from error
    return sources
