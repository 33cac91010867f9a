"""Samples of source data, and what is detected in them."""

from __future__ import annotations

from typing import Final

from anomalake.server.lookoutmetrics.shapes.kinds import ListOf, Structure, Text
from anomalake.server.lookoutmetrics.shapes.scalars import ARN
from anomalake.server.lookoutmetrics.shapes.sources import FILE_FORMAT, HISTORICAL_PATHS, TEMPLATED_PATHS

SAMPLE_SOURCE: Final = Structure(
    "SampleDataS3SourceConfig",
    {
        "RoleArn": ARN,
        "TemplatedPathList": TEMPLATED_PATHS,
        "HistoricalDataPathList": HISTORICAL_PATHS,
        "FileFormatDescriptor": FILE_FORMAT,
    },
    ("RoleArn", "FileFormatDescriptor"),
)
HEADER_VALUES: Final = ListOf("HeaderValueList", Text("HeaderValue"))
SAMPLE_ROWS: Final = ListOf("SampleRows", ListOf("SampleRow", Text("DataItem")))

DETECTION_SOURCE: Final = Structure(
    "AutoDetectionMetricSource",
    {
        "S3SourceConfig": Structure(
            "AutoDetectionS3SourceConfig",
            {"TemplatedPathList": TEMPLATED_PATHS, "HistoricalDataPathList": HISTORICAL_PATHS},
        )
    },
    one_of=True,
)

_NUMBER_TEXT: Final = Text("NumberAttributeValue")
_STRING: Final = Text("StringAttributeValue")
_BINARY_TEXT: Final = Text("BinaryAttributeValue")
_FIELD: Final = Structure(
    "DetectedField",
    {
        "Value": Structure(
            "AttributeValue",
            {
                "S": _STRING,
                "N": _NUMBER_TEXT,
                "B": _BINARY_TEXT,
                "SS": ListOf("StringListAttributeValue", _STRING),
                "NS": ListOf("NumberListAttributeValue", _NUMBER_TEXT),
                "BS": ListOf("BinaryListAttributeValue", _BINARY_TEXT),
            },
        ),
        "Confidence": Text("Confidence", enum=("HIGH", "LOW", "NONE")),
        "Message": Text("Message"),
    },
)
DETECTED_CONFIG: Final = Structure(
    "DetectedMetricSetConfig",
    {
        "Offset": _FIELD,
        "MetricSetFrequency": _FIELD,
        "MetricSource": Structure(
            "DetectedMetricSource",
            {
                "S3SourceConfig": Structure(
                    "DetectedS3SourceConfig",
                    {
                        "FileFormatDescriptor": Structure(
                            "DetectedFileFormatDescriptor",
                            {
                                "CsvFormatDescriptor": Structure(
                                    "DetectedCsvFormatDescriptor",
                                    {
                                        "FileCompression": _FIELD,
                                        "Charset": _FIELD,
                                        "ContainsHeader": _FIELD,
                                        "Delimiter": _FIELD,
                                        "HeaderList": _FIELD,
                                        "QuoteSymbol": _FIELD,
                                    },
                                ),
                                "JsonFormatDescriptor": Structure(
                                    "DetectedJsonFormatDescriptor", {"FileCompression": _FIELD, "Charset": _FIELD}
                                ),
                            },
                        )
                    },
                )
            },
        ),
    },
)
