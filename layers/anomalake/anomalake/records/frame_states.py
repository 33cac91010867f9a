"""What is learned from data frames, as bytes that can be kept anywhere."""

from __future__ import annotations

import io
import json
import math
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from anomalake.definitions.errors import SourceError
from anomalake.definitions.metric_set import MetricSet
from anomalake.definitions.metric_set_fields import metric_set_from_fields, metric_set_to_fields
from anomalake.groups.anomaly_group import Group
from anomalake.records import groups as group_records
from anomalake.records.codecs import Arrays, array_header, arrays_from_bytes, arrays_to_bytes
from anomalake.records.errors import CorruptError, RecordError

#: Version of the bytes.
VERSION: Final = 1
#: Most bytes of a state: a model of 50,000 hourly metrics has about 300 MB.
MOST_BYTES: Final = 4 * 1024**3

_FORMAT: Final = "anomalake-state"
_EXPECTED: Final = "the bytes that learn or judge have returned"


@dataclass(frozen=True, slots=True, eq=False)
class FrameState:
    """What is known after an interval.

    Attributes
    ----------
    metric_set
        The columns of the data frame.
    threshold
        Lowest score of a group that is alerted.
    last
        Start of the last interval.
    model
        The model, with the state of its filter after that interval, as arrays.
    groups
        Groups that may continue.
    """

    metric_set: MetricSet
    threshold: float
    last: datetime
    model: Arrays
    groups: tuple[Group, ...] = ()


def state_to_bytes(state: FrameState) -> bytes:
    """Write a state; equal bytes for equal states."""
    about = {
        "format": _FORMAT,
        "version": VERSION,
        "metric_set": metric_set_to_fields(state.metric_set),
        "threshold": state.threshold,
        "last": int(state.last.timestamp()),
        "groups": [json.loads(group_records.to_json(group)) for group in state.groups],
    }
    return arrays_to_bytes(state.model, about)


def state_from_bytes(body: bytes) -> FrameState:
    """Inverse of `state_to_bytes`; raises `CorruptError`. Nothing in the bytes is run as code."""
    if not isinstance(body, (bytes, bytearray, memoryview)):
        raise CorruptError(f"state: is of the type {type(body).__name__}; expected {_EXPECTED}")
    if len(body) > MOST_BYTES:
        raise CorruptError(f"state: {len(body):,} bytes; expected at most {MOST_BYTES:,}")
    body = bytes(body)
    _check_sizes(body)
    arrays, about = arrays_from_bytes(body, "state")
    if not isinstance(about, dict) or about.get("format") != _FORMAT:
        raise CorruptError(f"state: {len(body):,} bytes without a state; expected {_EXPECTED}")
    if about.get("version") != VERSION:
        raise CorruptError(f"state: is of version {about.get('version')!r}; expected {VERSION}: learn again")
    try:
        threshold = float(about["threshold"])
        if not 0 <= threshold <= 100:
            raise ValueError(f"threshold {threshold}")
        return FrameState(
            metric_set_from_fields(about["metric_set"]),
            threshold,
            datetime.fromtimestamp(int(about["last"]), UTC),
            arrays,
            tuple(group_records.from_json(json.dumps(fields), "state") for fields in about["groups"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError, RecursionError, SourceError, RecordError) as error:
        raise CorruptError(f"state: {str(error)[:200]}; expected {_EXPECTED}") from error


def _check_sizes(body: bytes) -> None:
    """Check that no array is larger than its bytes are, before memory is taken for it."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise ValueError("compressed arrays")
            if sum(member.file_size for member in members) > len(body):
                raise ValueError("arrays that overlap")
            for member in members:
                shape, _, dtype, _ = array_header(archive.read(member))
                if math.prod(shape) * max(1, dtype.itemsize) > member.file_size:
                    raise ValueError(f"array {member.filename!r} of the shape {shape}")
    except (ValueError, KeyError, EOFError, OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise CorruptError(f"state: {len(body):,} bytes: {str(error)[:200]}; expected {_EXPECTED}") from error
