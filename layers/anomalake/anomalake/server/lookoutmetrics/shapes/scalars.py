"""Texts and numbers that several operations have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from anomalake.server.lookoutmetrics.shapes.kinds import Integer, ListOf, MapOf, Number, Shape, Text
from anomalake.server.lookoutmetrics.times import parse_timestamp_text

_NAME: Final = r"[a-zA-Z0-9][a-zA-Z0-9_-]*"
_NAME_IN_WORDS: Final = "letters, digits, - and _, the first one a letter or digit"
_NOT_BLANK: Final = r".*\S.*"
_NOT_BLANK_IN_WORDS: Final = "not blank"


def name(shape: str) -> Text:
    """A name of 1 to 63 characters."""
    return Text(shape, 1, 63, _NAME, _NAME_IN_WORDS)


def not_blank(shape: str, longest: int, shortest: int = 1) -> Text:
    """A text that is not blank."""
    return Text(shape, shortest, longest, _NOT_BLANK, _NOT_BLANK_IN_WORDS)


ARN: Final = Text(
    "Arn", 0, 256, r"arn:[a-z\d-]+:[^:]*:[^:]*:[^:]*:.+", "an ARN: arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE"
)
KMS_KEY_ARN: Final = Text(
    "KmsKeyArn",
    20,
    2048,
    r"arn:aws[a-z-]*:kms:[^:]*:[0-9]{12}:key/[a-z0-9]{8}(-[a-z0-9]{4}){3}-[a-z0-9]{12}",
    "the ARN of a KMS key: arn:aws:kms:REGION:ACCOUNT:key/ID",
)
COLUMN_NAME: Final = name("ColumnName")
#: In requests, the name of a measure that exists. Detector files have measures with other names than
#: CreateMetricSet allows, therefore any name is looked up.
METRIC_NAME: Final = not_blank("MetricName", 256, shortest=0)
CHARSET: Final = Text("Charset", 0, 63, _NAME, _NAME_IN_WORDS)
DIMENSION_VALUE: Final = Text("DimensionValue")
FREQUENCY: Final = Text("Frequency", enum=("P1D", "PT1H", "PT10M", "PT5M"))
THRESHOLD: Final = Integer("SensitivityThreshold", 0, 100)
OFFSET: Final = Integer("Offset", 0, 432_000)
COUNT: Final = Integer("Integer")
SCORE: Final = Number("Score", 0, 100)
DOUBLE: Final = Number("Double")
GROUP_ID: Final = Text(
    "UUID",
    0,
    63,
    r"[a-z0-9]{8}(-[a-z0-9]{4}){3}-[a-z0-9]{12}",
    "an id of an anomaly group, such as f9a2bd9b-0000-4000-8000-000000000000",
)
SERIES_ID: Final = not_blank("TimeSeriesId", 520, shortest=0)
TIMESTAMP_TEXT: Final = Text(
    "TimestampString", 0, 60, expected="a time such as 2021-02-17T11:00:00Z", check=parse_timestamp_text
)

TAG_KEY: Final = Text(
    "TagKey", 1, 128, r"(?![aA][wW][sS]:)[\w .:/=+@-]*", "letters, digits, blanks and _.:/=+@-, not beginning with aws:"
)
TAG_VALUE: Final = Text("TagValue", 0, 256, r"[\w .:/=+@-]*", "letters, digits, blanks and _.:/=+@-")
TAGS: Final = MapOf("TagMap", TAG_KEY, TAG_VALUE, 1, 50)
TAG_KEYS: Final = ListOf("TagKeyList", TAG_KEY, 1, 50)

NEXT_TOKEN: Final = not_blank("NextToken", 3_000)
#: Members of a request for a page.
PAGE: Final[Mapping[str, Shape]] = {"MaxResults": Integer("MaxResults", 1, 100), "NextToken": NEXT_TOKEN}
#: Members of the answer.
NEXT: Final[Mapping[str, Shape]] = {"NextToken": NEXT_TOKEN}
