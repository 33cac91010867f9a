"""The physical table as CSV whose cells need no quotes and come back exactly (docs/adr/0001)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

import pyarrow as pa

from anomalake.alerts import Alert, TimeSeries
from anomalake.lake.rows import SCHEMA

HEADER = ",".join(SCHEMA.names)

#: What could end a cell or a line, escape something, or be decoded to something else.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f"\\%,+]|^[=\-@]')


def encode(text: str | None) -> str:
    """A text as a cell: nothing for null, ``%`` for the empty text, percent-encoded where it must be."""
    if text is None:
        return ""
    return _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", text) if text else "%"


def to_csv(alerts: Iterable[Alert]) -> bytes:
    """The alerts' rows as one CSV file with a header."""
    return _file(map(_line, alerts))


def merge(bodies: Iterable[bytes]) -> bytes:
    """The distinct rows of several files as one file, sorted.

    Raises
    ------
    ValueError
        A file bears another header.
    """
    lines: set[str] = set()
    for body in bodies:
        header, *rows = body.decode("utf-8").split("\n")
        if header != HEADER:
            raise ValueError(f"header {header[:80]!r}: expected {HEADER[:80]!r}…")
        lines.update(row for row in rows if row)
    return _file(sorted(lines))


def identities(body: bytes) -> pa.Table:
    """The columns alert_id and digest of one file."""
    cells = [row.split(",", 2)[:2] for row in body.decode("utf-8").split("\n")[1:] if row]
    return pa.table({"alert_id": [one for one, _ in cells], "digest": [two for _, two in cells]})


def _file(lines: Iterable[str]) -> bytes:
    return "\n".join([HEADER, *lines, ""]).encode("utf-8")


def _line(alert: Alert) -> str:
    return ",".join(
        (
            alert.alert_id,
            alert.digest,
            encode(alert.detector_arn),
            encode(alert.alert_event_id),
            encode(alert.anomaly_group_id),
            alert.timestamp.utc.isoformat(" ", "microseconds"),
            encode(alert.timestamp.timezone),
            alert.timestamp.local.isoformat(" ", "microseconds"),
            encode(alert.metric_name),
            repr(alert.anomaly_score),
            encode(alert.alert_name),
            encode(alert.alert_arn),
            encode(alert.alert_description),
            encode(alert.console_url),
            _json_cell([_series(one) for one in alert.time_series]),
            _json_cell(
                [
                    {
                        "dimension_name": share.dimension_name,
                        "dimension_value": share.dimension_value,
                        "value_contribution": share.value_contribution,
                    }
                    for share in alert.contributions
                ]
            ),
        )
    )


def _series(series: TimeSeries) -> dict[str, object]:
    return {
        "time_series_id": series.time_series_id,
        "dimensions": dict(series.dimensions),
        # As text: a JSON number would pass through a double on its way back.
        "metric_value": None if series.metric_value is None else _plain(series.metric_value),
    }


def _plain(value: Decimal) -> str:
    return format(value, "f")


def _json_cell(value: Sequence[object]) -> str:
    return encode(json.dumps(value, ensure_ascii=True, separators=(",", ":")))
