"""The metric sets whose source data a lake knows, kept as records in it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zlib
from collections.abc import Sequence

from anomalake.definitions.metric_set import CsvFormat as CsvFormat
from anomalake.definitions.metric_set import JsonLinesFormat as JsonLinesFormat
from anomalake.definitions.metric_set import Measure as Measure
from anomalake.definitions.metric_set import MetricSet
from anomalake.query.errors import SourceError
from anomalake.query.names import detector_of
from anomalake.query.time_formats import to_strptime
from anomalake.storage.store import ObjectStore

#: A metric set whose source data queries read.
Source = MetricSet

FOLDER = "sources"

_KEY = re.compile(r"sources/(?P<name>[a-zA-Z0-9][a-zA-Z0-9_-]{0,62})-[0-9a-f]{16}\.json")


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
        io.StringIO(text, newline=""),
        delimiter=csv_format.delimiter,
        quotechar=csv_format.quote_symbol or None,
        quoting=csv.QUOTE_MINIMAL if csv_format.quote_symbol else csv.QUOTE_NONE,
    )
    return tuple(next(reader, ()))


def key_of(source: Source) -> str:
    """Key of a source's record in the lake."""
    digest = hashlib.sha256(source.detector_arn.encode()).hexdigest()[:16]
    return f"{FOLDER}/{detector_of(source.detector_arn)}-{digest}.json"


def check_queryable(source: Source) -> None:
    """Raises `SourceError` where queries cannot read a source that detection can: what its data lie in, its zones."""
    if source.kind not in ("csv", "json"):
        raise SourceError(
            f"source of {source.detector_arn}: is {source.kind}; queries on live data read CSV and JSON lines"
        )
    to_strptime(source.timestamp_format)


def write_source(store: ObjectStore, source: Source) -> None:
    """Keep a source's record in the lake, in place of the one before; raises `StoreError`.

    Raises
    ------
    SourceError
        Queries cannot read it: its timestamps, or what its data lie in.
    """
    check_queryable(source)
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
