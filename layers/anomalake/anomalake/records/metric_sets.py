"""The metric sets whose source data a lake knows, kept as records in it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

from anomalake.definitions.arns import detector_of
from anomalake.definitions.errors import SourceError
from anomalake.definitions.metric_set import MetricSet
from anomalake.definitions.metric_set_fields import metric_set_from_fields, metric_set_to_fields
from anomalake.storage.store import ObjectStore

FOLDER = "sources"

_KEY = re.compile(r"sources/(?P<name>[a-zA-Z0-9][a-zA-Z0-9_-]{0,62})-[0-9a-f]{16}\.json")


def key_of(source: MetricSet) -> str:
    """Key of a source's record in the lake."""
    digest = hashlib.sha256(source.detector_arn.encode()).hexdigest()[:16]
    return f"{FOLDER}/{detector_of(source.detector_arn)}-{digest}.json"


def write_source(store: ObjectStore, source: MetricSet) -> None:
    """Write a metric set's record, in place of the one before; raises `StoreError`."""
    store.put(key_of(source), json.dumps(metric_set_to_fields(source), indent=1).encode("ascii"))


def source_keys(store: ObjectStore) -> dict[str, list[str]]:
    """Keys of the sources' records by detector name; raises `StoreError`."""
    keys: dict[str, list[str]] = {}
    for found in store.list(FOLDER):
        named = _KEY.fullmatch(found.key)
        if named:
            keys.setdefault(named["name"], []).append(found.key)
    return keys


def read_sources(store: ObjectStore, keys: Sequence[str]) -> list[MetricSet]:
    """Read sources' records; raises `StoreError`, `SourceError`."""
    sources = []
    for key in sorted(keys):
        try:
            sources.append(metric_set_from_fields(json.loads(store.get(key))))
        except SourceError as error:
            raise SourceError(f"{store.uri}/{key}: {error}") from error
        except ValueError as error:
            raise SourceError(f"{store.uri}/{key}: is no JSON; expected CreateMetricSet's fields") from error
    return sources
