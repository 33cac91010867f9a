"""Columns that a detector's measures and dimensions were given in relations.

Records are numbered from 1 and never rewritten: whoever creates a record first gives its columns, and all others read
it. A name keeps the column that its first record gives it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from anomalake.definitions.arns import detector_of
from anomalake.definitions.metric_set import NAME
from anomalake.records.errors import RecordError, RecordInputError
from anomalake.storage.store import ObjectNotFound, ObjectStore

FOLDER = "columns"

_KEY = re.compile(rf"{FOLDER}/detector=[^/]+/[0-9a-f]{{16}}/(?P<number>[0-9]{{4,6}})\.json")
_COLUMN = re.compile(r"[a-z0-9_]+")
_EXPECTED = "detector_arn, and measures and dimensions with their columns"


@dataclass(frozen=True, slots=True)
class ColumnRecord:
    """Columns that were given at one time.

    Attributes
    ----------
    measures, dimensions
        Columns by the exact names. The column of a measure is that of its live values; the names of its other columns
        begin with it.
    """

    detector_arn: str
    measures: Mapping[str, str] = field(default_factory=dict)
    dimensions: Mapping[str, str] = field(default_factory=dict)


def column_folder(detector: str) -> str:
    """Return the folder of the records of all detectors of a name."""
    return f"{FOLDER}/detector={detector}"


def column_key(detector_arn: str, number: int) -> str:
    """Return the key of a detector's record; raises `RecordInputError` for an invalid name of the detector."""
    name = detector_of(detector_arn)
    if not NAME.fullmatch(name):
        raise RecordInputError(f"detector {name!r}: expected 1 to 63 of A-Z a-z 0-9 _ -")
    return f"{column_folder(name)}/{_hash(detector_arn)}/{number:04d}.json"


def detector_in(key: str) -> str:
    """Return the name of the detector whose record has a key."""
    return key.removeprefix(f"{FOLDER}/detector=").partition("/")[0]


def last_number(keys: Iterable[str], detector_arn: str) -> int:
    """Return the number of a detector's last record among some keys; 0 if there is none."""
    folder = f"{column_folder(detector_of(detector_arn))}/{_hash(detector_arn)}/"
    matches = (_KEY.fullmatch(key) for key in keys if key.startswith(folder))
    return max((int(match["number"]) for match in matches if match), default=0)


def to_json(record: ColumnRecord) -> bytes:
    """Write a record as JSON."""
    fields = {
        "detector_arn": record.detector_arn,
        "measures": dict(record.measures),
        "dimensions": dict(record.dimensions),
    }
    return json.dumps(fields, indent=1).encode("ascii")


def from_json(body: bytes, place: str) -> ColumnRecord:
    """Inverse of `to_json`; raises `RecordError`, which names `place`."""
    try:
        fields = json.loads(body)
        record = ColumnRecord(str(fields["detector_arn"]), dict(fields["measures"]), dict(fields["dimensions"]))
    except (ValueError, TypeError, KeyError) as error:
        raise RecordError(f"{place}: {error!r}; expected {_EXPECTED}") from error
    for column in (*record.measures.values(), *record.dimensions.values()):
        if not isinstance(column, str) or not _COLUMN.fullmatch(column):
            raise RecordError(f"{place}: column {column!r}: expected a-z, 0-9 and _")
    return record


def read_column_record(store: ObjectStore, detector_arn: str, number: int) -> ColumnRecord | None:
    """Read a detector's record; None where there is none; raises `RecordError`, `StoreError`."""
    key = column_key(detector_arn, number)
    try:
        return from_json(store.get(key), f"{store.uri}/{key}")
    except ObjectNotFound:
        return None


def create_column_record(store: ObjectStore, number: int, record: ColumnRecord) -> bool:
    """Write a record unless there is one with its number; return whether it was written; raises `StoreError`."""
    return store.put_new(column_key(record.detector_arn, number), to_json(record))


def _hash(detector_arn: str) -> str:
    return hashlib.sha256(detector_arn.encode()).hexdigest()[:16]
