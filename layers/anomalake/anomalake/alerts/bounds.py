"""Bounds of what a lake stores. The reader of alerts and the schema of the table both use them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

#: Characters of an alert.
MAX_ALERT: Final = 6 * 1024 * 1024
#: Characters of an event id and of a detector's ARN.
MAX_ID: Final = 2048
#: Characters of the name of a measure or dimension.
MAX_NAME: Final = 256
#: Characters of a dimension value.
MAX_VALUE: Final = 1024
#: Characters of any other text.
MAX_TEXT: Final = 4096
#: Items of a list in an alert.
MAX_ITEMS: Final = 100_000
#: Bytes of an alert's row as CSV, which is its largest form. A row or column of Athena has at most 32 megabytes.
MAX_ROW_BYTES: Final = 32_000_000

#: Metric values are decimals with this number of digits, of which so many are decimals.
METRIC_VALUE_DIGITS: Final = 38
METRIC_VALUE_DECIMALS: Final = 20
#: Bound of a metric value's size, after rounding to those decimals.
MAX_METRIC_VALUE: Final = 10 ** (METRIC_VALUE_DIGITS - METRIC_VALUE_DECIMALS)
#: Smallest and largest contribution.
LEAST_CONTRIBUTION: Final = -(2**63)
MOST_CONTRIBUTION: Final = 2**63 - 1

#: Bytes, after decompression, of one record of a file: a line, or a JSON value.
MAX_RECORD_BYTES: Final = 16 * 1024 * 1024
#: Bytes, after decompression, of an object that an event names.
MAX_OBJECT_BYTES: Final = 64 * 1024 * 1024
#: Bytes, after decompression, of a file to replay. It is read in a stream, so this bounds the time only.
MAX_FILE_BYTES: Final = 64 * 1024 * 1024 * 1024
#: Records of one delivery: of an SQS message, or of any other event, with the objects that it names.
MAX_RECORDS: Final = 10_000
#: Objects that one delivery names.
MAX_OBJECTS: Final = 100


@dataclass(frozen=True, slots=True)
class FileLimits:
    """Limits of a file with alerts. What is beyond one is refused.

    Attributes
    ----------
    n_bytes
        Bytes of the file after decompression.
    record_bytes
        Bytes of one record, or characters if the file does not consist of lines.
    n_records
        Records of the file; None: any number.
    """

    n_bytes: int = MAX_FILE_BYTES
    record_bytes: int = MAX_RECORD_BYTES
    n_records: int | None = None


#: Limits of an object that an event names.
OBJECT_LIMITS: Final = FileLimits(MAX_OBJECT_BYTES, MAX_RECORD_BYTES, MAX_RECORDS)

_STEP = Decimal(1).scaleb(-METRIC_VALUE_DECIMALS)
_CONTEXT = Context(prec=METRIC_VALUE_DIGITS + 2, rounding=ROUND_HALF_EVEN)


def storable_metric_value(value: int | Decimal) -> Decimal | None:
    """Round a number to the decimals of a metric value; None if it is too large to be stored."""
    if isinstance(value, int):
        return Decimal(value) if -MAX_METRIC_VALUE < value < MAX_METRIC_VALUE else None
    if not value.is_finite() or value.adjusted() >= METRIC_VALUE_DIGITS - METRIC_VALUE_DECIMALS:
        return None
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    if exponent < -METRIC_VALUE_DECIMALS:
        value = value.quantize(_STEP, context=_CONTEXT)
    return value if -MAX_METRIC_VALUE < value < MAX_METRIC_VALUE else None
